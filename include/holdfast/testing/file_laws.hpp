// SPDX-License-Identifier: BSL-1.0
// The laws of file systems, and those of them that a run without crashes can check.
#ifndef HOLDFAST_TESTING_FILE_LAWS_HPP
#define HOLDFAST_TESTING_FILE_LAWS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law file_reads{"HF-FILE-001", "Every process reads at once what was written.",
                                "read your writes"};
inline constexpr Law file_durable{
    "HF-FILE-002", "A synced file under a name in a synced directory survives every crash.",
    "durable"};
inline constexpr Law file_rename{
    "HF-FILE-003", "A rename within a directory shows the old file or the new, at every moment.",
    "rename"};
inline constexpr Law file_refuses{
    "HF-FILE-004", "A call that can't be done answers why and changes nothing.", "refuses"};
inline constexpr Law file_locks{
    "HF-FILE-005", "A lock of an open file excludes every other open file, until it is closed.",
    "locks"};

/// Every name below a folder with what it holds.
template <file_system Fs>
[[nodiscard]] std::string tree_text(Fs const& fs, std::string const& folder) {
  auto const entries = fs.list(folder);
  if (!entries) return folder + ": " + entries.error().text() + "\n";
  std::string text;
  for (auto const& entry : entries.assume_value()) {
    auto const path = holdfast::detail::join(folder, entry.name);
    text += path;
    if (entry.kind == Entry::Kind::directory) {
      text += "/\n" + tree_text(fs, path);
    } else if (entry.kind == Entry::Kind::symlink) {
      auto const target = fs.read_link(path);
      text += " -> " + (target ? target.assume_value() : target.error().text()) + "\n";
    } else {
      auto const content = holdfast::detail::read_file(fs, path, std::uint64_t{1} << 24);
      text += content ? " = " + std::to_string(disk::hash_of(bytes_view{content.assume_value()}))
                      : " " + content.error().text();
      text += "\n";
    }
  }
  return text;
}

/// Random writes, resizes and reads of one file, against a copy of it in memory.
template <class Make>
[[nodiscard]] Verdict reads_what_was_written(Make const& make, std::uint64_t seed) {
  BenchOf<Make> const bench{seed};
  auto const fs = bench.made_by(make);
  auto const elsewhere = bench.made_elsewhere_by(make);
  auto const path = bench.folder() + "/file";
  auto file = fs.open(path, Open::create);
  if (!file) return file_reads.refused("create", file.error());
  auto other = elsewhere.open(path, Open::read);
  if (!other) return file_reads.refused("open", other.error());
  disk::Dice dice{seed};
  bytes model;
  for (int i = 0; i < 60; ++i) {
    auto const at = static_cast<std::size_t>(dice.below(9000));
    if (dice.below(6) == 0) {
      model.resize(at);
      if (auto done = fs.resize(file.assume_value(), at); !done)
        return file_reads.refused("resize", done.error());
    } else {
      auto const part = value_of_number(dice(), static_cast<std::size_t>(dice.below(3000)));
      model.resize(std::max(model.size(), at + part.size()));
      std::copy(part.begin(), part.end(), model.begin() + static_cast<std::ptrdiff_t>(at));
      if (auto done = fs.write_at(file.assume_value(), at, part); !done)
        return file_reads.refused("write", done.error());
    }
    bytes seen(model.size() + 100);
    auto const got = elsewhere.read_at(other.assume_value(), 0, seen);
    if (!got) return file_reads.refused("read", got.error());
    seen.resize(got.assume_value());
    auto const size = elsewhere.size(other.assume_value());
    if (!size) return file_reads.refused("size", size.error());
    if (size.assume_value() != model.size() || seen != model)
      return file_reads.broken(std::to_string(model.size()) + " bytes as written",
                               std::to_string(seen.size()) + " other bytes");
  }
  return {};
}

/// One call that can't be done, and what it must answer; nothing: any error will do.
template <class Fs>
struct Refusal {
  char const* what;
  std::optional<errc> code;
  result<void> (*call)(Fs const& fs, std::string const& folder);
};
template <class R>
[[nodiscard]] result<void> without_value(R const& from) {
  if (from) return ok();
  return failure(from.error());
}
template <file_system Fs>
[[nodiscard]] std::vector<Refusal<Fs>> refusals() {
  using Path = std::string const&;
  return {
      {"open what is missing", errc::not_found,
       [](Fs const& fs, Path f) { return without_value(fs.open(f + "/no", Open::read)); }},
      {"create what exists", errc::exists,
       [](Fs const& fs, Path f) { return without_value(fs.open(f + "/a", Open::create)); }},
      {"open a symlink",
       {},
       [](Fs const& fs, Path f) { return without_value(fs.open(f + "/s", Open::write)); }},
      {"make a directory that exists", errc::exists,
       [](Fs const& fs, Path f) { return fs.make_directory(f + "/d"); }},
      {"make a directory in none", errc::not_found,
       [](Fs const& fs, Path f) { return fs.make_directory(f + "/no/d"); }},
      {"rename what is missing", errc::not_found,
       [](Fs const& fs, Path f) { return fs.rename(f + "/no", f + "/a"); }},
      {"rename a file over a directory",
       {},
       [](Fs const& fs, Path f) { return fs.rename(f + "/a", f + "/d"); }},
      {"link over what exists", errc::exists,
       [](Fs const& fs, Path f) { return fs.link(f + "/a", f + "/b"); }},
      {"symlink over what exists", errc::exists,
       [](Fs const& fs, Path f) { return fs.symlink("d", f + "/a"); }},
      {"remove what is missing", errc::not_found,
       [](Fs const& fs, Path f) { return fs.remove(f + "/no"); }},
      {"remove a directory that is not empty",
       {},
       [](Fs const& fs, Path f) { return fs.remove(f + "/d"); }},
      {"list what is missing", errc::not_found,
       [](Fs const& fs, Path f) { return without_value(fs.list(f + "/no")); }},
      {"read a link that is none",
       {},
       [](Fs const& fs, Path f) { return without_value(fs.read_link(f + "/a")); }},
  };
}

template <class Make>
[[nodiscard]] Verdict refused_calls_change_nothing(Make const& make, std::uint64_t seed) {
  auto const& law = file_refuses;
  BenchOf<Make> const bench{seed};
  auto const fs = bench.made_by(make);
  auto const folder = bench.folder();
  using holdfast::detail::write_new_file;
  bool const set_up = fs.make_directory(folder + "/d") &&
                      write_new_file(fs, folder + "/a", value_of_number(seed, 100)) &&
                      write_new_file(fs, folder + "/b", value_of_number(seed + 1, 50)) &&
                      write_new_file(fs, folder + "/d/c", value_of_number(seed + 2, 20)) &&
                      fs.symlink("a", folder + "/s");
  if (!set_up) return law.broken("files, a directory and a symlink can be made", "they can't");
  auto const before = tree_text(fs, folder);
  for (auto const& refusal : refusals<MadeBy<Make>>()) {
    auto const answered = refusal.call(fs, folder);
    if (answered) return law.broken(std::string{refusal.what} + " is refused", "it succeeds");
    if (refusal.code && answered.error().code() != *refusal.code) {
      return law.broken(std::string{refusal.what} + ": " + std::string{message(*refusal.code)},
                        answered.error().text());
    }
    auto const after = tree_text(fs, folder);
    if (after != before) return law.broken(before, std::string{refusal.what} + " left\n" + after);
  }
  return {};
}

template <class Make>
[[nodiscard]] Verdict locks_exclude(Make const& make, std::uint64_t seed) {
  auto const& law = file_locks;
  BenchOf<Make> const bench{seed};
  auto const fs = bench.made_by(make);
  auto const elsewhere = bench.made_elsewhere_by(make);
  auto const path = bench.folder() + "/lock";
  auto one = fs.open(path, Open::create);
  auto same = fs.open(path, Open::write);
  auto other = elsewhere.open(path, Open::write);
  if (!one || !same || !other) return law.broken("a file opens three times", "it does not");
  Range const range{seed, 2};
  auto const is = [&](auto const& files, auto& file, Range where, Mode mode, bool expected,
                      char const* what) -> Verdict {
    auto const locked = files.try_lock(file, where, mode);
    if (!locked) return law.refused(what, locked.error());
    if (locked.assume_value() == expected) return {};
    return law.broken(std::string{what} + (expected ? " succeeds" : " does not"), "the opposite");
  };
  auto& first = one.assume_value();
  auto& second = same.assume_value();
  auto& third = other.assume_value();
  constexpr auto exclusive = Mode::exclusive, shared = Mode::shared;
  if (auto v = is(fs, first, range, exclusive, true, "a first lock")) return v;
  if (auto v = is(fs, second, range, shared, false, "a lock beside it in the process")) return v;
  if (auto v = is(elsewhere, third, {seed + 1, 1}, exclusive, false, "one elsewhere")) return v;
  if (auto v = is(elsewhere, third, {seed + 2, 1}, exclusive, true, "one of other bytes")) return v;
  if (auto v = is(fs, first, range, shared, true, "making it shared")) return v;
  if (auto v = is(fs, second, range, shared, true, "sharing it")) return v;
  if (auto v = is(elsewhere, third, range, exclusive, false, "excluding those who share")) return v;
  { auto const closed = std::move(first); }
  if (auto const gone = fs.unlock(second, range); !gone) return law.refused("unlock", gone.error());
  return is(elsewhere, third, range, exclusive, true, "a lock after the others ended");
}
}  // namespace testing::laws

HOLDFAST_END

#endif
