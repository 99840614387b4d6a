# SPDX-License-Identifier: BSL-1.0
"""The plan of the house: on which floor each header lives, and which std headers a floor may use.

A row is (floor, entries). An entry ending in "/" is a room: a folder whose files may include one
another. What a header may include lies on an earlier row, earlier on its own row where the row is
marked "in order", or in its own room.
"""

IN_ORDER = True
APART = False  # the entries of the row do not see each other

ROWS = [
    ("0", IN_ORDER, ["version", "config", "bytes", "result", "ids", "guarantees",
                     "detail/crc32c_table", "detail/crc32c_streams", "detail/crc32c_x86",
                     "detail/crc32c_arm", "checksum"]),
    ("1", IN_ORDER, ["event", "concepts", "lock_concepts", "update_concepts", "resume_concepts",
                      "explain", "file_system", "file_ops", "posix", "world", "segment"]),
    ("1t", IN_ORDER, ["report/text", "report/json"]),
    ("1r", APART, ["detail/", "report/observer"]),
    ("2", IN_ORDER, ["lock"]),
    ("2r", APART, ["policy/", "adaptor/", "backend/", "format/"]),
    ("3r", APART, ["staged/", "recovery/"]),
    ("3", APART, ["staged", "snapshot", "recoverable"]),
    ("4r", IN_ORDER, ["report/", "reprocess/", "log/"]),
    ("4", APART, ["log", "durable", "ledger", "reprocess", "phases", "keep_alive", "ranges", "fmt"]),
    ("umbrella", APART, ["holdfast"]),
    ("5", APART, ["testing/"]),
]

# What costs compile time or starts threads stays out of everything below floor 4.
HEAVY = {"iostream", "regex", "thread", "stop_token", "filesystem"}

# The std headers of each floor; a floor may use those of the floors below it too.
STD = {
    "0": "algorithm array compare concepts cstddef cstdint functional map span string string_view "
         "type_traits utility vector",
    "1": "cerrno cstdlib cstring optional tuple",
    "1t": "charconv",
    "1r": "atomic bit memory mutex",
    "2": "",
    "2r": "cstdarg iterator",
    "3r": "cassert new",
    "3": "cassert",
    "4r": " ".join(sorted(HEAVY | {"chrono", "condition_variable", "deque", "exception",
                                 "initializer_list", "limits", "new"})),
    "4": "ranges",
    "umbrella": "",
    "5": "chrono exception new set stdexcept system_error",
}

# Headers that are not std's: who may include them, as a prefix of the including header's name.
FOREIGN = {
    "boost/outcome/": ["result.hpp"],
    "dirent.h": ["posix.hpp"],
    "errno.h": ["detail/pin_slots"],
    "catch2/": ["testing/bindings/catch2"],
    "fcntl.h": ["posix.hpp", "world.hpp"],
    "gtest/": ["testing/bindings/gtest"],
    "pthread.h": ["world.hpp", "detail/fork", "detail/pin_slots"],
    "sys/auxv.h": ["detail/crc32c_arm"],
    "sys/mman.h": ["posix.hpp", "testing/fiber"],
    "sys/": ["posix.hpp", "world.hpp", "detail/pin_slots", "testing/forked"],
    "time.h": ["world.hpp"],
    "ucontext.h": ["testing/fiber"],
    "unistd.h": ["posix.hpp", "world.hpp", "detail/pin_slots", "testing/forked"],
    "range/v3/": ["ranges.hpp"],
    "sqlite3.h": ["backend/sqlite", "testing/sqlite"],
    "rocksdb/": ["backend/rocksdb", "testing/rocksdb"],
    "lmdb.h": ["backend/lmdb"],
}


def place(header):
    """(row, entry) of a header named as within holdfast/, or None if the plan does not know it."""
    found = None
    for row, (_, _, entries) in enumerate(ROWS):
        for index, entry in enumerate(entries):
            if entry + ".hpp" == header:
                return row, index  # a file named in the plan goes before the room it lies in
            if entry.endswith("/") and header.startswith(entry):
                found = (row, index)
    return found


def may_include(user, used):
    (row, entry), (used_row, used_entry) = place(user), place(used)
    _, ordered, entries = ROWS[row]
    if row != used_row:
        return used_row < row
    if entry == used_entry:
        return entries[entry].endswith("/")
    return ordered and used_entry < entry


def std_allowed(header):
    row, _ = place(header)
    return {name for floor, _, _ in ROWS[:row + 1] for name in STD[floor].split()}
