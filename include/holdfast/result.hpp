// SPDX-License-Identifier: BSL-1.0
// Says how every operation answers: a value, or an error that names what went wrong and where.
#ifndef HOLDFAST_RESULT_HPP
#define HOLDFAST_RESULT_HPP

#include <boost/outcome/basic_result.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

/// What went wrong. Closed: a new value is a new minor version. `message` has the one sentence of
/// each.
enum class errc : std::uint8_t {
  unknown,
  not_found,
  exists,
  no_generation,
  not_retained,
  unsealed,
  damaged,
  foreign,
  register_lost,
  stale_register,
  newer_format,
  conflict,
  uncertain,
  fenced,
  held,
  busy,
  pinned,
  spent,
  rejected,
  cancelled,
  timed_out,
  sync_failed,
  poisoned,
  incomplete,
  hole,
  damaged_index,
  damaged_time_index,
  index_mismatch,
  too_large,
  full,
  invalid,
  forked,
  denied,
  read_only,
  no_space,
  too_many_files,
  no_memory,
  no_locks,
  io,
  backend,
  torn,
};

/// The sentence that belongs to a code.
[[nodiscard]] constexpr std::string_view message(errc code) noexcept {
  switch (code) {
    case errc::unknown:
      return "nothing is known about the outcome";
    case errc::not_found:
      return "nothing of that name exists";
    case errc::exists:
      return "it exists already and is never overwritten";
    case errc::no_generation:
      return "no generation has been committed yet";
    case errc::not_retained:
      return "that generation is not retained";
    case errc::unsealed:
      return "the generation was never sealed";
    case errc::damaged:
      return "the bytes fail their check";
    case errc::foreign:
      return "it was not made by this home and is left alone";
    case errc::register_lost:
      return "the register is missing or unreadable beside stores with data";
    case errc::stale_register:
      return "the register is older than what it names";
    case errc::newer_format:
      return "written by a newer format version";
    case errc::conflict:
      return "another commit came first; nothing was applied";
    case errc::uncertain:
      return "the outcome is not known; resolve its ticket";
    case errc::fenced:
      return "a newer holder has fenced this one out";
    case errc::held:
      return "commits are on hold; lift it with unhold";
    case errc::busy:
      return "held by another";
    case errc::pinned:
      return "a reader still holds it";
    case errc::spent:
      return "the handle was moved from or is finished";
    case errc::rejected:
      return "validation rejected the generation";
    case errc::cancelled:
      return "it was told to stop";
    case errc::timed_out:
      return "the time that it was given is over";
    case errc::sync_failed:
      return "a sync failed; what was written can't be trusted";
    case errc::poisoned:
      return "unusable since a failed sync; reopen it";
    case errc::incomplete:
      return "it ends in an incomplete record";
    case errc::hole:
      return "a segment of the log is missing";
    case errc::damaged_index:
      return "the offset index fails its check";
    case errc::damaged_time_index:
      return "the time index fails its check";
    case errc::index_mismatch:
      return "the index does not say what the data says";
    case errc::too_large:
      return "larger than the limit";
    case errc::full:
      return "no room for another entry";
    case errc::invalid:
      return "the argument is not valid";
    case errc::forked:
      return "made before fork(); open it again in this process";
    case errc::denied:
      return "permission denied";
    case errc::read_only:
      return "the file system is read-only";
    case errc::no_space:
      return "no space left";
    case errc::too_many_files:
      return "too many open files";
    case errc::no_memory:
      return "out of memory";
    case errc::no_locks:
      return "this file system has no working locks";
    case errc::io:
      return "input or output failed";
    case errc::backend:
      return "the backend reported an error";
    case errc::torn:
      return "its parts are not of one instant";
  }
  return "unknown code";
}

/// What `resolve` needs to settle a commit whose outcome is not known.
struct Ticket {
  std::uint64_t sequence = 0;    ///< the commit's own number, one more than the commit before it
  std::uint64_t nonce = 0;       ///< drawn by the attempt that commits
  std::uint64_t generation = 0;  ///< what would become current
  friend bool operator==(Ticket const&, Ticket const&) = default;
};

/// An error: small, trivially copyable, and never allocates.
class error {
 public:
  error() noexcept {}  // the detail is read up to its size alone: every result would pay for more
  explicit error(errc code,
                 char const* where = "",
                 std::string_view detail = {},
                 std::int64_t native = 0) noexcept
      : native_{native}, where_{where}, code_{code} {
    put(detail);
  }

  [[nodiscard]] errc code() const noexcept { return code_; }
  /// The backend's own code (errno, SQLite's, RocksDB's); 0 where there is none.
  [[nodiscard]] std::int64_t native() const noexcept { return native_; }
  /// The operation that failed; static storage.
  [[nodiscard]] char const* where() const noexcept { return where_; }
  /// The thing it failed on (a path, a name); cut in the middle where it is long.
  [[nodiscard]] std::string_view detail() const noexcept { return {detail_, size_}; }
  /// Byte offset of the trouble in the thing named by `detail`; 0 where it has none.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] Ticket ticket() const noexcept { return ticket_; }

  [[nodiscard]] error at(std::uint64_t offset) const noexcept {
    error copy = *this;
    copy.offset_ = offset;
    return copy;
  }
  [[nodiscard]] error with(Ticket ticket) const noexcept {
    error copy = *this;
    copy.ticket_ = ticket;
    return copy;
  }
  [[nodiscard]] error as(errc code) const noexcept {
    error copy = *this;
    copy.code_ = code;
    return copy;
  }

  /// One line for a person: code's sentence, operation, thing, native code.
  [[nodiscard]] std::string text() const {
    std::string out{message(code_)};
    if (*where_ != '\0') out.append(" (").append(where_).append(")");
    if (size_ != 0) out.append(": ").append(detail_, size_);
    if (offset_ != 0) out.append(", at byte ").append(std::to_string(offset_));
    if (native_ != 0) out.append(", native code ").append(std::to_string(native_));
    return out;
  }

  friend bool operator==(error const& a, error const& b) noexcept {
    return a.code_ == b.code_ && a.native_ == b.native_ && a.offset_ == b.offset_ &&
           a.ticket_ == b.ticket_ && a.detail() == b.detail();
  }

 private:
  static constexpr std::size_t capacity = 160;

  // Keeps both ends of a long name: a path's end says more than its middle.
  void put(std::string_view text) noexcept {
    auto const copy = [this](std::string_view part) noexcept {
      for (char const c : part) detail_[size_++] = c;
    };
    if (text.size() <= capacity) return copy(text);
    copy(text.substr(0, 40));
    copy("...");
    copy(text.substr(text.size() - (capacity - 43)));
  }

  std::int64_t native_ = 0;
  char const* where_ = "";
  std::uint64_t offset_ = 0;
  Ticket ticket_{};
  errc code_ = errc::unknown;
  std::uint8_t size_ = 0;
  char detail_[capacity];
};
static_assert(std::is_trivially_copyable_v<error>);

/// A value or an `error`. Reading the value of a failed result ends the program.
template <class T>
using result = boost::outcome_v2::basic_result<T, error, boost::outcome_v2::policy::terminate>;

/// The value of a `result<void>` that succeeded.
[[nodiscard]] inline auto ok() noexcept {
  return boost::outcome_v2::success();
}

/// An error on its way out: converts to any failed `result`.
[[nodiscard]] inline auto failure(error const& cause) noexcept {
  return boost::outcome_v2::failure(cause);
}
[[nodiscard]] inline auto failure(errc code,
                                  char const* where,
                                  std::string_view detail = {},
                                  std::int64_t native = 0) noexcept {
  return failure(error{code, where, detail, native});
}

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<result<T>> = true;

namespace detail {
// A failed result of any other type, holding the error of `from`.
template <class R>
[[nodiscard]] auto failed(R&& from) noexcept {
  return boost::outcome_v2::failure(std::forward<R>(from).assume_error());
}
}  // namespace detail

HOLDFAST_END

#define HOLDFAST_JOIN_2(a, b) a##b
#define HOLDFAST_JOIN(a, b) HOLDFAST_JOIN_2(a, b)
#define HOLDFAST_TRY_2(unique, name, ...)                                       \
  auto&& unique = __VA_ARGS__;                                                  \
  if (!unique.has_value()) {                                                    \
    return ::holdfast::detail::failed(static_cast<decltype(unique)&&>(unique)); \
  }                                                                             \
  [[maybe_unused]] auto&& name = static_cast<decltype(unique)&&>(unique).assume_value()
#define HOLDFAST_TRYV_2(unique, ...)                                            \
  auto&& unique = __VA_ARGS__;                                                  \
  if (!unique.has_value()) {                                                    \
    return ::holdfast::detail::failed(static_cast<decltype(unique)&&>(unique)); \
  }                                                                             \
  static_cast<void>(0)

/// HOLDFAST_TRY(name, expression): `name` is the value of the result, or the function returns its
/// error.
#define HOLDFAST_TRY(name, ...) \
  HOLDFAST_TRY_2(HOLDFAST_JOIN(holdfast_try_, __COUNTER__), name, __VA_ARGS__)
/// HOLDFAST_TRYV(expression): the same where the value is not wanted.
#define HOLDFAST_TRYV(...) HOLDFAST_TRYV_2(HOLDFAST_JOIN(holdfast_try_, __COUNTER__), __VA_ARGS__)

#endif
