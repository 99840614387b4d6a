# SPDX-License-Identifier: BSL-1.0
# Targets for the backends that need a client library: holdfast::sqlite, holdfast::rocksdb and
# holdfast::lmdb.
# Used by the build and, installed beside the package file, by find_package(holdfast COMPONENTS ...).

# SQLite has no package file of its own on most systems; CMake's module finds it everywhere.
function(holdfast_find_sqlite out)
  set(${out} "" PARENT_SCOPE)
  find_package(SQLite3 QUIET)
  if(TARGET SQLite3::SQLite3)
    set(${out} SQLite3::SQLite3 PARENT_SCOPE)
  elseif(TARGET SQLite::SQLite3)
    set(${out} SQLite::SQLite3 PARENT_SCOPE)
  endif()
endfunction()

# RocksDB's own package file also wants the packages of everything it was linked with, so a plain
# shared library without them is accepted too.
function(holdfast_find_rocksdb out)
  set(${out} "" PARENT_SCOPE)
  find_package(RocksDB CONFIG QUIET)
  foreach(target RocksDB::rocksdb-shared RocksDB::rocksdb)
    if(RocksDB_FOUND AND TARGET ${target})
      set(${out} ${target} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  find_path(HOLDFAST_ROCKSDB_INCLUDE_DIR rocksdb/db.h)
  find_library(HOLDFAST_ROCKSDB_LIBRARY rocksdb)
  mark_as_advanced(HOLDFAST_ROCKSDB_INCLUDE_DIR HOLDFAST_ROCKSDB_LIBRARY)
  if(NOT HOLDFAST_ROCKSDB_INCLUDE_DIR OR NOT HOLDFAST_ROCKSDB_LIBRARY)
    return()
  endif()
  if(NOT TARGET holdfast::rocksdb_client)
    add_library(holdfast::rocksdb_client UNKNOWN IMPORTED GLOBAL)
    set_target_properties(
      holdfast::rocksdb_client
      PROPERTIES IMPORTED_LOCATION "${HOLDFAST_ROCKSDB_LIBRARY}"
                 INTERFACE_INCLUDE_DIRECTORIES "${HOLDFAST_ROCKSDB_INCLUDE_DIR}")
  endif()
  set(${out} holdfast::rocksdb_client PARENT_SCOPE)
endfunction()

# LMDB has no package file at all.
function(holdfast_find_lmdb out)
  set(${out} "" PARENT_SCOPE)
  find_path(HOLDFAST_LMDB_INCLUDE_DIR lmdb.h)
  find_library(HOLDFAST_LMDB_LIBRARY lmdb)
  mark_as_advanced(HOLDFAST_LMDB_INCLUDE_DIR HOLDFAST_LMDB_LIBRARY)
  if(NOT HOLDFAST_LMDB_INCLUDE_DIR OR NOT HOLDFAST_LMDB_LIBRARY)
    return()
  endif()
  if(NOT TARGET holdfast::lmdb_client)
    add_library(holdfast::lmdb_client UNKNOWN IMPORTED GLOBAL)
    set_target_properties(
      holdfast::lmdb_client PROPERTIES IMPORTED_LOCATION "${HOLDFAST_LMDB_LIBRARY}"
                                       INTERFACE_INCLUDE_DIRECTORIES "${HOLDFAST_LMDB_INCLUDE_DIR}")
  endif()
  set(${out} holdfast::lmdb_client PARENT_SCOPE)
endfunction()

# Makes holdfast::<name> out of holdfast::holdfast and its client; TRUE in `found` if it exists then.
function(holdfast_provide_client name found)
  if(NOT TARGET holdfast::${name})
    cmake_language(CALL holdfast_find_${name} client)
    if(client)
      add_library(holdfast::${name} INTERFACE IMPORTED GLOBAL)
      target_link_libraries(holdfast::${name} INTERFACE holdfast::holdfast ${client})
    endif()
  endif()
  if(TARGET holdfast::${name})
    set(${found} TRUE PARENT_SCOPE)
  else()
    set(${found} FALSE PARENT_SCOPE)
  endif()
endfunction()

# AUTO takes what is found; a name that is asked for and not found is an error.
function(holdfast_provide_clients wanted)
  set(names ${wanted})
  if(wanted STREQUAL "AUTO")
    set(names sqlite rocksdb lmdb)
  endif()
  foreach(name IN LISTS names)
    if(NOT name MATCHES "^(sqlite|rocksdb|lmdb)$")
      message(FATAL_ERROR "HOLDFAST_CLIENTS: there is no client '${name}'; "
                          "known: sqlite, rocksdb, lmdb")
    endif()
    holdfast_provide_client(${name} found)
    if(NOT found AND NOT wanted STREQUAL "AUTO")
      message(FATAL_ERROR "HOLDFAST_CLIENTS: the client library of '${name}' was not found")
    endif()
  endforeach()
endfunction()
