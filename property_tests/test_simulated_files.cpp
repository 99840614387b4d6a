// SPDX-License-Identifier: BSL-1.0
// Compares the simulated file system with the real one: after any calls, both answer alike.
#include <stdlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace {
using hf::testing::disk::Dice;

template <class Result>
std::string answer(Result const& result) {
  return result ? "ok" : "errc " + std::to_string(static_cast<int>(result.error().code()));
}

// One of few names, so that calls meet: files, directories, links, what is missing, what is no
// directory.
std::string name_of(Dice& dice) {
  constexpr char const* names[] = {"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "s", "s/a", "a/x"};
  return names[dice.below(std::size(names))];
}

// Makes one call and tells what it answered. Open files stay open, whatever happens to their names.
template <hf::file_system Fs>
class Caller {
 public:
  Caller(Fs fs, std::string home) : fs_{std::move(fs)}, home_{std::move(home)} {}

  std::string call(Dice& dice) {
    auto const choice = dice.below(16);
    auto const name = name_of(dice);
    auto const to = name_of(dice);
    return "call " + std::to_string(choice) + " " + name + " " + to + ": " +
           call(dice, choice, home_ + "/" + name, home_ + "/" + to);
  }

 private:
  using File = typename Fs::file;

  std::string call(Dice& dice,
                   std::uint64_t choice,
                   std::string const& path,
                   std::string const& other) {
    switch (choice) {
      case 0:
      case 1:
      case 2:
        return open(path, static_cast<hf::Open>(choice));
      case 3:
        return answer(fs_.make_directory(path));
      case 4:
        return answer(fs_.rename(path, other));
      case 5:
        return answer(fs_.link(path, other));
      case 6:
        return answer(fs_.symlink("d", path));
      case 7:
        return answer(fs_.remove(path));
      case 8:
        return list(path);
      case 9: {
        auto const target = fs_.read_link(path);
        return target ? target.assume_value() : answer(target);
      }
      default:
        return files_.empty() ? "" : on_file(dice, files_[dice.below(files_.size())], choice);
    }
  }

  std::string open(std::string const& path, hf::Open how) {
    auto opened = fs_.open(path, how);
    auto const text = answer(opened);
    bool const directory = fs_.list(path).has_value();  // may be opened, but has no content
    if (opened && !directory) files_.push_back(std::move(opened).assume_value());
    return text;
  }
  std::string list(std::string const& path) {
    auto const target = fs_.read_link(path);
    if (target) return "a link is not followed";  // nor asked: file systems differ in the error
    auto const entries = fs_.list(path);
    auto text = answer(entries);
    if (!entries) return text;
    for (auto const& entry : entries.assume_value()) {
      text += " " + entry.name + std::to_string(static_cast<int>(entry.kind));
    }
    return text;
  }
  std::string on_file(Dice& dice, File& file, std::uint64_t choice) {
    auto const at = dice.below(9000);
    auto const size = dice.below(6000);
    if (choice == 10) return answer(fs_.write_at(file, at, hf::testing::value_of_number(at, size)));
    if (choice == 11) {
      hf::bytes content(size);
      auto const got = fs_.read_at(file, at, content);
      if (!got) return answer(got);
      content.resize(got.assume_value());
      return std::to_string(hf::testing::disk::hash_of(hf::bytes_view{content}));
    }
    if (choice == 12) return answer(fs_.resize(file, at));
    if (choice == 13) return answer(fs_.sync(file));
    if (choice == 14) {
      auto const held = fs_.size(file);
      return held ? std::to_string(held.assume_value()) : answer(held);
    }
    return lock(dice, file);
  }
  std::string lock(Dice& dice, File& file) {
    hf::Range const range{dice.below(8), 1 + dice.below(4)};
    if (dice.below(3) == 0) return answer(fs_.unlock(file, range));
    auto const locked =
        fs_.try_lock(file, range, dice.below(2) == 0 ? hf::Mode::shared : hf::Mode::exclusive);
    return locked ? std::to_string(locked.assume_value()) : answer(locked);
  }

  Fs fs_;
  std::string home_;
  std::vector<File> files_;
};
}  // namespace

TEST_CASE("the simulated file system answers as the real one", "[simulator]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    char home[] = "/tmp/holdfast-property-XXXXXX";
    REQUIRE(::mkdtemp(home) != nullptr);
    hf::testing::SimulatedDisk const disk{seed % 2 == 0 ? std::size_t{512} : std::size_t{4096}};
    auto const process = disk.start();
    REQUIRE(hf::detail::make_directories(process.files, "/home"));
    Caller<hf::Posix> real{{}, home};
    Caller<hf::testing::SimulatedFiles> simulated{process.files, "/home"};
    Dice dice{seed};
    Dice same{seed};
    for (int call = 0; call < 300; ++call) {
      auto const expected = real.call(dice);
      CAPTURE(seed, call);
      REQUIRE(simulated.call(same) == expected);
    }
    CHECK(hf::detail::remove_tree(hf::Posix{}, home, hf::Entry::Kind::directory));
  }
}
