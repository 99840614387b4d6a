// SPDX-License-Identifier: BSL-1.0
// Counts the calls of a file system by kind, and says which of them fails, and how.
#ifndef HOLDFAST_TESTING_FAULTS_HPP
#define HOLDFAST_TESTING_FAULTS_HPP

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace testing {
/// `create` is an `open` that makes a new file; `any` leaves out what can't fail.
enum class Call : std::uint8_t {
  any,
  open,
  create,
  read,
  write,
  size,
  resize,
  sync,
  lock,
  unlock,
  identity,
  make_directory,
  sync_directory,
  rename,
  link,
  symlink,
  read_link,
  remove,
  list,
};
inline constexpr std::size_t kinds_of_call = static_cast<std::size_t>(Call::list) + 1;
[[nodiscard]] constexpr char const* name(Call call) noexcept {
  constexpr char const* names[kinds_of_call] = {
      "any",      "open",           "create",         "read",   "write",
      "size",     "resize",         "sync",           "lock",   "unlock",
      "identity", "make directory", "sync directory", "rename", "link",
      "symlink",  "read link",      "remove",         "list"};
  return names[static_cast<std::size_t>(call)];
}

/// Which call fails, and how.
struct Fault {
  static constexpr std::uint64_t always = ~std::uint64_t{0};

  Call call = Call::any;
  std::string path_has{};   ///< only calls on such a path count; empty: all
  std::uint64_t first = 1;  ///< the n-th call that counts fails ...
  std::uint64_t times = 1;  ///< ... and so many in all
  int number = EIO;
  bool takes_effect = false;  ///< the call is done, and only its answer is an error
  bool half = false;          ///< a write leaves the first half of its bytes
  bool only_changes = false;  ///< only calls that change what others see count
  /// After so many more bytes the disk is full: the write that meets its end is short, and from
  /// there on whatever needs room fails, `first` and `times` aside. Overwriting needs room too.
  std::uint64_t room = always;
  std::uint64_t seen = 0;  ///< calls that counted so far
};

/// From its k-th call on nothing can be changed any more, until it is healed.
[[nodiscard]] inline Fault remounted_read_only(std::uint64_t k) {
  return {.first = k, .times = Fault::always, .number = EROFS, .only_changes = true};
}
[[nodiscard]] inline Fault disk_full_after(std::uint64_t bytes) {
  return {.number = ENOSPC, .room = bytes};
}
/// The error numbers that a fault loop goes through.
inline constexpr int fault_numbers[] = {EIO, ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE, EROFS, EACCES};

/// The calls and the fault of a file system. Not thread-safe.
struct Faults {
  std::array<std::uint64_t, kinds_of_call> counts{};
  std::optional<Fault> fault{};
  std::uint64_t failed = 0;  ///< calls made to fail
  Call last_failed_call = Call::any;
  std::string last_failed{};                            ///< the path of the last of them
  std::function<void(Call, std::string const&)> spy{};  ///< sees each call before it is made

  [[nodiscard]] std::uint64_t count(Call call) const {
    return counts[static_cast<std::size_t>(call)];
  }
  void fail(Fault next) {
    next.seen = 0;
    fault = std::move(next);
    failed = 0;
  }
  void heal() { fault.reset(); }

  /// How much of a call is done before it answers an error; nothing if it does not fail. `size`
  /// are the bytes of a write.
  struct Failing {
    int number = EIO;
    bool takes_effect = false;
    std::size_t written = 0;
  };
  [[nodiscard]] std::optional<Failing> next(Call call,
                                            std::string const& path,
                                            bool changes,
                                            std::size_t size = 0) {
    ++counts[static_cast<std::size_t>(Call::any)];
    ++counts[static_cast<std::size_t>(call)];
    if (spy) spy(call, path);
    if (!fault || !counts_for(*fault, call, path, changes)) return {};
    auto const failing = fault->room == Fault::always ? by_number(size) : by_room(call, size);
    if (!failing) return {};
    ++failed;
    last_failed = path;
    last_failed_call = call;
    return failing;
  }

 private:
  [[nodiscard]] static bool counts_for(Fault const& fault,
                                       Call call,
                                       std::string const& path,
                                       bool changes) {
    if (fault.call != Call::any && fault.call != call) return false;
    // Letting go of exactly what was locked can't fail, nor is a lock taken that answers an error.
    bool const can = call != Call::unlock && !(call == Call::lock && fault.takes_effect);
    if (fault.call == Call::any && !can) return false;
    if (fault.only_changes && !changes) return false;
    return path.find(fault.path_has) != std::string::npos;
  }
  [[nodiscard]] std::optional<Failing> by_number(std::size_t size) {
    ++fault->seen;
    if (fault->seen < fault->first || fault->seen - fault->first >= fault->times) return {};
    return Failing{fault->number, fault->takes_effect, fault->half ? size / 2 : 0};
  }
  [[nodiscard]] std::optional<Failing> by_room(Call call, std::size_t size) {
    bool const grows = call == Call::create || call == Call::write || call == Call::resize ||
                       call == Call::make_directory || call == Call::link || call == Call::symlink;
    if (!grows) return {};
    auto const fits = std::min<std::uint64_t>(size, fault->room);
    bool const full = fits < size || fault->room == 0;
    fault->room -= fits;
    if (!full) return {};
    return Failing{fault->number, false, static_cast<std::size_t>(fits)};
  }
};
}  // namespace testing

HOLDFAST_END

#endif
