// SPDX-License-Identifier: BSL-1.0
// holdfast in one file. Written by cmake/update_headers.py; change the headers, not this.

// ------------ holdfast/config.hpp
// Names the namespace and says what the platform offers.
#ifndef HOLDFAST_CONFIG_HPP
#define HOLDFAST_CONFIG_HPP

#ifndef HOLDFAST_ABI_TAG
#define HOLDFAST_ABI_TAG v0
#endif

namespace holdfast {
inline namespace HOLDFAST_ABI_TAG {}
}  // namespace holdfast

/// `hf` is the short name of `holdfast`; define HOLDFAST_NO_SHORT_NAME where the name is taken.
#ifndef HOLDFAST_NO_SHORT_NAME
namespace hf = holdfast;
#endif

#define HOLDFAST_BEGIN \
  namespace holdfast { \
  inline namespace HOLDFAST_ABI_TAG {
#define HOLDFAST_END \
  }                  \
  }

// With exceptions turned off nothing is thrown, and nothing is caught.
#if defined(__cpp_exceptions)
#define HOLDFAST_MAY_THROW try
#define HOLDFAST_CAUGHT catch (...)
#define HOLDFAST_RETHROW throw
#else
#define HOLDFAST_MAY_THROW if constexpr (true)
#define HOLDFAST_CAUGHT else
#define HOLDFAST_RETHROW static_cast<void>(0)
#endif

#endif

// ------------ holdfast/bytes.hpp
// Gives bytes their three types and little-endian numbers their place in them.
#ifndef HOLDFAST_BYTES_HPP
#define HOLDFAST_BYTES_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

HOLDFAST_BEGIN

/// Owned bytes, and views of bytes to read and to fill.
using bytes = std::vector<std::byte>;
using bytes_view = std::span<std::byte const>;
using bytes_span = std::span<std::byte>;

/// The bytes of a text, not copied: they live as long as the text.
[[nodiscard]] inline bytes_view as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<std::byte const*>(text.data()), text.size()};
}

/// The same bytes read as text, not copied.
[[nodiscard]] inline std::string_view as_text(bytes_view from) noexcept {
  return {reinterpret_cast<char const*>(from.data()), from.size()};
}

/// Writes `value` little-endian at `at`; the caller has made room for it.
template <std::unsigned_integral T>
constexpr void put_le(bytes_span into, std::size_t at, T value) noexcept {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    into[at + i] = static_cast<std::byte>(value >> (8 * i));
  }
}

/// Reads a little-endian number at `at`; the caller has checked the bounds.
template <std::unsigned_integral T>
[[nodiscard]] constexpr T get_le(bytes_view from, std::size_t at) noexcept {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(from[at + i]) << (8 * i)));
  }
  return value;
}

HOLDFAST_END

#endif

// ------------ holdfast/guarantees.hpp
// Says what a backend promises, and what a composition of backends can still promise.
#ifndef HOLDFAST_GUARANTEES_HPP
#define HOLDFAST_GUARANTEES_HPP

#include <algorithm>

HOLDFAST_BEGIN

/// What outlives what: a process, a boot of the machine, or only the disk itself.
enum class Lifetime : std::uint8_t { process, boot, disk };
/// Who can see it: this process, this machine, many machines.
enum class Reach : std::uint8_t { process, host, cluster };

/// A model's promises; what is not declared is the weakest.
struct Guarantees {
  bool durable = false;         ///< an acknowledged write survives a power cut
  bool fenced = false;          ///< compares fencing tokens and refuses older ones
  bool detects_damage = false;  ///< a flipped bit is an error, never data
  Lifetime lifetime = Lifetime::process;
  Reach reach = Reach::process;
  friend constexpr bool operator==(Guarantees const&, Guarantees const&) = default;
};

/// What a look at every byte of a sealed generation could go by.
enum class Verified : std::uint8_t {
  digests,          ///< every byte of every file, by the digests of the seal
  own_checksums,    ///< every byte of the data, by the backend's own checksums
  names_and_sizes,  ///< nothing more: no digests were taken at seal
  identity,         ///< its number alone: it takes updates, so that what was sealed may change
};
/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(Verified verified) noexcept {
  constexpr std::string_view names[] = {"digests", "own checksums", "names and sizes", "identity"};
  return names[static_cast<std::size_t>(verified)];
}

/// How many may hold a lock at once.
enum class Mode : std::uint8_t { shared, exclusive };

/// What a generation takes, and what there is, where a store keeps it. Bytes.
struct Space {
  std::uint64_t device = 0;  ///< stores with the same one share what is free
  std::uint64_t free = 0;
  std::uint64_t used = 0;  ///< by the generation that was asked for
};

/// The promises that both keep: what a composition of the two can promise.
[[nodiscard]] constexpr Guarantees weaker(Guarantees a, Guarantees b) noexcept {
  return {a.durable && b.durable, a.fenced && b.fenced, a.detects_damage && b.detects_damage,
          std::min(a.lifetime, b.lifetime), std::min(a.reach, b.reach)};
}

/// The declared guarantees of T, or the weakest.
template <class T>
[[nodiscard]] constexpr Guarantees guarantees_of() noexcept {
  if constexpr (requires { Guarantees{T::guarantees}; }) {
    return T::guarantees;
  } else {
    return {};
  }
}

/// A store must live and reach at least as far as the register that names its generations.
template <class Store, class Register>
inline constexpr bool outlives = guarantees_of<Store>().lifetime >=
                                 guarantees_of<Register>().lifetime&& guarantees_of<Store>().reach
                                 >= guarantees_of<Register>().reach;

HOLDFAST_END

#endif

// ------------ holdfast/ids.hpp
// Names the numbers that must not be mixed up: generations, versions, fencing tokens, owners,
// marks.
#ifndef HOLDFAST_IDS_HPP
#define HOLDFAST_IDS_HPP

#include <array>
#include <compare>
#include <functional>
#include <map>
#include <string>

HOLDFAST_BEGIN

/// The n-th published whole of a store. Numbers start at 1 and are never used twice in a home.
struct Generation {
  std::uint64_t number = 0;
  friend auto operator<=>(Generation const&, Generation const&) = default;
};

/// Which write of a register: grows with each one; the nonce tells two writers of one number apart.
struct Version {
  std::uint64_t sequence = 0;
  std::uint64_t nonce = 0;
  static Version const none;  ///< the register is absent
  friend auto operator<=>(Version const&, Version const&) = default;
};
inline constexpr Version Version::none{};

/// What a register holds.
struct Versioned {
  Version version;
  bytes value;
};

/// Grows with every grant of a lock; a resource refuses whoever comes with a smaller one than it
/// has seen.
struct FencingToken {
  std::uint64_t number = 0;
  friend auto operator<=>(FencingToken const&, FencingToken const&) = default;
};

/// One boot of one machine, as its kernel names it.
struct BootId {
  std::array<std::uint8_t, 16> id{};
  friend auto operator<=>(BootId const&, BootId const&) = default;
};

/// Who holds or attempts something: a process that a reused pid can't be mistaken for.
struct Owner {
  std::array<char, 64> host{};  ///< zero-terminated, cut at 63 bytes
  BootId boot;
  std::uint64_t pid = 0;
  std::uint64_t start_time = 0;  ///< of the process, in clock ticks since boot
  std::uint64_t nonce = 0;       ///< drawn once by each process
  [[nodiscard]] std::string_view host_name() const noexcept {
    std::string_view const all{host.data(), host.size()};
    return all.substr(0, all.find('\0'));
  }
  friend bool operator==(Owner const&, Owner const&) = default;
};

/// What a lock shows of its holder.
struct Holder {
  Owner owner;
  FencingToken token;
  std::int64_t acquired_at_ns = 0;  ///< wall clock, for display only
  friend bool operator==(Holder const&, Holder const&) = default;
};

/// Named progress values committed with a generation, e.g. {"offset", 4711}.
using Marks = std::map<std::string, std::uint64_t, std::less<>>;

HOLDFAST_END

#endif

// ------------ holdfast/result.hpp
// Says how every operation answers: a value, or an error that names what went wrong and where.
#ifndef HOLDFAST_RESULT_HPP
#define HOLDFAST_RESULT_HPP

#include <boost/outcome/basic_result.hpp>
#include <type_traits>
#include <utility>

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

// ------------ holdfast/concepts.hpp
// Says what you bring: the concepts of stores and registers, and the traits through which
// holdfast uses them.
//
// Each operation is a `can_*` of its own, so that a compiler names the one that is missing.
// Specialise `store_traits<T>` (deriving from `member_store_traits<T>`) to change one operation of
// a type that you can't edit.
#ifndef HOLDFAST_CONCEPTS_HPP
#define HOLDFAST_CONCEPTS_HPP

#include <optional>

HOLDFAST_BEGIN

/// The parts of the concepts, one an operation, so that `explain` can name what is missing.
template <class R, class T>
concept gives = std::same_as<R, result<T>>;
template <class R>
concept some_result = is_result<std::remove_cvref_t<R>>;
template <some_result R>
using value_of = typename std::remove_cvref_t<R>::value_type;

// ---- stores

namespace detail {
template <class T>
struct BatchType {};
template <class T>
requires requires {
  typename T::batch_type;
}
struct BatchType<T> {
  using batch_type = typename T::batch_type;
};
}  // namespace detail

/// Forwards each operation of a store to the member of the same name.
template <class T>
struct member_store_traits : detail::BatchType<T> {
  template <class U>
  static auto create(U& t, Generation g) -> decltype(t.create(g)) {
    return t.create(g);
  }
  template <class U, class Writer>
  static auto seal(U& t, Writer& w) -> decltype(t.seal(w)) {
    return t.seal(w);
  }
  template <class U>
  static auto open(U& t, Generation g) -> decltype(t.open(g)) {
    return t.open(g);
  }
  template <class U>
  static auto drop(U& t, Generation g) -> decltype(t.drop(g)) {
    return t.drop(g);
  }
  template <class U>
  static auto generations(U& t) -> decltype(t.generations()) {
    return t.generations();
  }
  template <class U>
  static auto publish(U& t, Generation g) -> decltype(t.publish(g)) {
    return t.publish(g);
  }
  template <class U>
  static auto clone(U& t, Generation from, Generation g) -> decltype(t.clone(from, g)) {
    return t.clone(from, g);
  }
  template <class U>
  static auto copy(U const& t, Generation g, U& to) -> decltype(t.copy(g, to)) {
    return t.copy(g, to);
  }
  template <class U>
  static auto verify(U const& t, Generation g) -> decltype(t.verify(g)) {
    return t.verify(g);
  }
  template <class U>
  static auto space(U const& t, Generation g) -> decltype(t.space(g)) {
    return t.space(g);
  }
  template <class U>
  static auto part_names(U const& t) -> decltype(t.part_names()) {
    return t.part_names();
  }
  template <class U>
  static auto open_parts(U& t, std::span<Generation const> parts) -> decltype(t.open_parts(parts)) {
    return t.open_parts(parts);
  }
  template <class U>
  static auto publish_parts(U& t, std::span<Generation const> parts)
      -> decltype(t.publish_parts(parts)) {
    return t.publish_parts(parts);
  }
  template <class U>
  static auto updates(U const& t, Generation g) -> decltype(t.updates(g)) {
    return t.updates(g);
  }
  template <class U, class Batch>
  static auto apply(U& t, Generation g, Batch const& batch, Marks const& marks)
      -> decltype(t.apply(g, batch, marks)) {
    return t.apply(g, batch, marks);
  }
  template <class U>
  static auto marks(U& t, Generation g) -> decltype(t.marks(g)) {
    return t.marks(g);
  }
  template <class U, class Reader>
  static auto marks_of(U const& t, Reader const& reader) -> decltype(t.marks_of(reader)) {
    return t.marks_of(reader);
  }
  template <class U>
  static auto name(U const& t) -> decltype(t.name()) {
    return t.name();
  }
  template <class U>
  static auto place(U& t, std::string const& home) -> decltype(t.place(home)) {
    return t.place(home);
  }
};
/// How holdfast calls a store; specialise it for a type whose operations are named otherwise.
template <class T>
struct store_traits : member_store_traits<T> {};

/// What `create` of a store gives.
template <class T>
using writer_of = value_of<decltype(store_traits<T>::create(std::declval<T&>(), Generation{}))>;
/// What `open` of a store gives.
template <class T>
using reader_of = value_of<decltype(store_traits<T>::open(std::declval<T&>(), Generation{}))>;

template <class T>
concept can_create = requires(T& t, Generation g) {
  { store_traits<T>::create(t, g) } -> some_result;
};
template <class T>
concept can_seal = can_create<T> && requires(T& t, writer_of<T>& w) {
  { store_traits<T>::seal(t, w) } -> gives<void>;
};
template <class T>
concept can_open = requires(T& t, Generation g) {
  { store_traits<T>::open(t, g) } -> some_result;
};
template <class T>
concept can_drop = requires(T& t, Generation g) {
  { store_traits<T>::drop(t, g) } -> gives<void>;
};
template <class T>
concept can_list = requires(T& t) {
  { store_traits<T>::generations(t) } -> gives<std::vector<Generation>>;
};

/// Keeps numbered generations. Laws B1 to B7:
/// - `create(g)` makes an empty, unseen generation; remains of an earlier g are refused (`exists`),
/// never reused.
/// - `seal(writer)` makes it durable and complete; idempotent; a failed seal leaves the writer
/// whole, except after a failed sync.
/// - `open(g)` gives a reader whose const members are safe from many threads; unsealed or damaged
/// is an error, never data.
/// - `drop(g)` leaves every other generation alone, is idempotent, and is durable when it returns.
/// - `generations()` lists every g that has remains, sealed or not, in ascending order; other
/// things in the place are not listed.
template <class T>
concept generation_store = std::movable<T> && can_create<T> && can_seal<T> && can_open<T> &&
    can_drop<T> && can_list<T> && std::movable<writer_of<T>> && std::movable<reader_of<T>>;

/// Gives the current generation a fixed outside name for foreign readers. The name may lag behind,
/// never lead.
template <class T>
concept publishing_store = generation_store<T> && requires(T& t, Generation g) {
  { store_traits<T>::publish(t, g) } -> gives<void>;
};

/// Has a name and takes its place under a home: what the short `open_staged` needs. `place` makes
/// no effect on disk.
template <class T>
concept placed_store = generation_store<T> && requires(T& t, T const& c, std::string const& home) {
  { store_traits<T>::name(c) } -> std::convertible_to<std::string>;
  { store_traits<T>::place(t, home) } -> std::same_as<void>;
};

/// Is made of several named parts.
template <class T>
concept parted_store = generation_store<T> && requires(T const& c) {
  { store_traits<T>::part_names(c) } -> std::same_as<std::vector<std::string>>;
};

/// `clone(from, g)`: a writer of the new generation g that begins as a copy of the sealed `from`.
template <class T>
concept cloning_store = generation_store<T> && requires(T& t, Generation g) {
  { store_traits<T>::clone(t, g, g) } -> gives<writer_of<T>>;
};

/// `copy(g, to)`: the same generation, sealed, in another store; what is damaged is not copied.
template <class T>
concept copying_store = generation_store<T> && requires(T const& t, Generation g, T& to) {
  { store_traits<T>::copy(t, g, to) } -> gives<void>;
};

/// `verify(g)`: looks at every byte of a sealed generation, and says what it could go by.
template <class T>
concept verifying_store = generation_store<T> && requires(T const& t, Generation g) {
  { store_traits<T>::verify(t, g) } -> gives<Verified>;
};

/// `space(g)`: what g takes, and what is free beside it; of generation 0 nothing is taken.
template <class T>
concept measuring_store = generation_store<T> && requires(T const& t, Generation g) {
  { store_traits<T>::space(t, g) } -> gives<Space>;
};

namespace detail {
/// As well as the store can: one that can't look at every byte opens the generation.
template <generation_store Store>
[[nodiscard]] result<Verified> verify(Store& store, Generation g) {
  if constexpr (verifying_store<Store>) {
    return store_traits<Store>::verify(store, g);
  } else {
    HOLDFAST_TRYV(store_traits<Store>::open(store, g));
    return Verified::names_and_sizes;
  }
}
}  // namespace detail

/// Opens generations whose parts have numbers of their own, in the order of the part names.
template <class T>
concept mixing_store = parted_store<T> && requires(T& t, std::span<Generation const> parts) {
  { store_traits<T>::open_parts(t, parts) } -> gives<reader_of<T>>;
};

// ---- registers

/// Forwards each operation of a register to the member of the same name.
template <class T>
struct member_register_traits {
  template <class U>
  static auto load(U& t) -> decltype(t.load()) {
    return t.load();
  }
  template <class U>
  static auto store_if(U& t, Version v, bytes_view b) -> decltype(t.store_if(v, b)) {
    return t.store_if(v, b);
  }
  template <class U>
  static auto reopen(U& t) -> decltype(t.reopen()) {
    return t.reopen();
  }
  template <class U>
  static auto max_size(U const& t) -> decltype(t.max_size()) {
    return t.max_size();
  }
  template <class U>
  static auto pin(U& t, Generation g) -> decltype(t.pin(g)) {
    return t.pin(g);
  }
  template <class U>
  static auto try_exclude(U& t, Generation g) -> decltype(t.try_exclude(g)) {
    return t.try_exclude(g);
  }
  template <class U, class How>
  static auto enter(U& t, How how) -> decltype(t.enter(how)) {
    return t.enter(how);
  }
};
/// How holdfast calls a register; specialise it for a type whose operations are named otherwise.
template <class T>
struct register_traits : member_register_traits<T> {};

template <class T>
concept can_load = requires(T& t) {
  { register_traits<T>::load(t) } -> gives<std::optional<Versioned>>;
};
template <class T>
concept can_store_if = requires(T& t, Version v, bytes_view b) {
  { register_traits<T>::store_if(t, v, b) } -> gives<Version>;
};
template <class T>
concept can_reopen = requires(T& t) {
  { register_traits<T>::reopen(t) } -> gives<void>;
};
template <class T>
concept has_max_size = requires(T const& t) {
  { register_traits<T>::max_size(t) } -> std::convertible_to<std::size_t>;
};

/// A small durable record with compare-and-swap. `Version::none` stands for "absent"; versions grow
/// with each write.
/// - `store_if(v, b)` writes b if the version is still v, durable on return; `conflict` = surely
///   not applied, `uncertain` = perhaps applied (settle it with `reopen`, then `load`).
/// - `load()` never gives what a power cut could still take back.
/// - `reopen()` heals after a failed sync, and makes what is there now durable; on an absent
///   register it does nothing.
template <class T>
concept atomic_register =
    std::movable<T> && can_load<T> && can_store_if<T> && can_reopen<T> && has_max_size<T>;

// ---- pins between processes

template <class T>
concept can_pin = requires(T& t, Generation g) {
  { register_traits<T>::pin(t, g) } -> some_result;
};
template <class T>
concept can_exclude = requires(T& t, Generation g) {
  { register_traits<T>::try_exclude(t, g) } -> some_result;
};
/// What `pin` of a register gives.
template <class T>
using hold_of = value_of<decltype(register_traits<T>::pin(std::declval<T&>(), Generation{}))>;

/// Keeps generations from being dropped by other processes. Holds release themselves and lapse with
/// their process. `pin(g)`: while the hold lives nobody else is given `try_exclude(g)` (`busy`
/// while someone is deciding). `try_exclude(g)`: while the hold lives nobody else can pin g;
/// `pinned` if someone does.
template <class T>
concept pinning_register =
    atomic_register<T> && can_pin<T> && can_exclude<T> && std::movable<hold_of<T>> && std::same_as<
        hold_of<T>,
        value_of<decltype(register_traits<T>::try_exclude(std::declval<T&>(), Generation{}))>>;

HOLDFAST_END

#endif

// ------------ holdfast/adaptor/parts.hpp
// Speaks of the parts of a composed store: their names, their promises, and which of them are
// meant.
#ifndef HOLDFAST_ADAPTOR_PARTS_HPP
#define HOLDFAST_ADAPTOR_PARTS_HPP

#include <iterator>
#include <tuple>

HOLDFAST_BEGIN

namespace detail {
template <class First, class... Rest>
[[nodiscard]] constexpr Guarantees weakest_of() noexcept {
  Guarantees all = guarantees_of<First>();
  ((all = weaker(all, guarantees_of<Rest>())), ...);
  return all;
}

template <class T>
concept named_part = requires(T const& t) {
  { store_traits<T>::name(t) } -> std::convertible_to<std::string>;
};
template <class T>
concept placed_part = requires(T& t, std::string const& home) {
  store_traits<T>::place(t, home);
};

// The part's own names if it is made of parts, else its name; one without a name goes by its place.
template <class Part>
void add_names(Part const& part, std::vector<std::string>& names) {
  if constexpr (parted_store<Part>) {
    auto inner = store_traits<Part>::part_names(part);
    std::move(inner.begin(), inner.end(), std::back_inserter(names));
  } else if constexpr (named_part<Part>) {
    names.emplace_back(store_traits<Part>::name(part));
  } else {
    names.push_back("part " + std::to_string(names.size()));
  }
}

/// How many names a part has.
template <class Part>
[[nodiscard]] std::size_t names_of(Part const& part) {
  std::vector<std::string> names;
  add_names(part, names);
  return names.size();
}
template <class Stores, std::size_t... Before>
[[nodiscard]] std::size_t names_before(Stores const& stores, std::index_sequence<Before...>) {
  return (std::size_t{0} + ... + names_of(std::get<Before>(stores)));
}
/// Those of all the generations that belong to part I.
template <std::size_t I, class Stores>
[[nodiscard]] result<std::span<Generation const>> own_of(Stores const& stores,
                                                         std::span<Generation const> generations) {
  auto const before = names_before(stores, std::make_index_sequence<I>{});
  auto const count = names_of(std::get<I>(stores));
  if (generations.size() >= before + count) return generations.subspan(before, count);
  return failure(errc::invalid, "open", "too few parts");
}
/// Of a part that can't mix, all generations are one.
[[nodiscard]] inline result<Generation> only_one(std::span<Generation const> own) {
  if (!own.empty() && std::equal(own.begin() + 1, own.end(), own.begin())) return own.front();
  return failure(errc::invalid, "open", "a part of several generations");
}
/// Keeps the first error of several; true while there is none.
inline bool keep_first(result<void>& all, result<void> const& next) {
  if (all && !next) all = failure(next.error());
  return all.has_value();
}

template <std::size_t... I>
constexpr bool distinct() noexcept {
  std::array<std::size_t, sizeof...(I)> chosen{I...};
  std::sort(chosen.begin(), chosen.end());
  return std::adjacent_find(chosen.begin(), chosen.end()) == chosen.end();
}
}  // namespace detail

/// Names parts of a `Together` by their positions: `db.stage(hf::only<1>)` builds part 1 alone.
template <std::size_t... I>
using Only = std::index_sequence<I...>;
template <std::size_t... I>
inline constexpr Only<I...> only{};

HOLDFAST_END

#endif

// ------------ holdfast/adaptor/looks.hpp
// Looks at the parts of a composed store: verifies and measures each.
#ifndef HOLDFAST_ADAPTOR_LOOKS_HPP
#define HOLDFAST_ADAPTOR_LOOKS_HPP

HOLDFAST_BEGIN

namespace detail {
template <std::size_t I, class Stores>
void verify_part(Stores& stores,
                 std::span<Generation const> generations,
                 std::vector<result<Verified>>& found) {
  auto const own = own_of<I>(stores, generations);
  if (!own) {
    found.insert(found.end(), names_of(std::get<I>(stores)), failed(own));
  } else if constexpr (requires { std::get<I>(stores).verify_parts(own.assume_value()); }) {
    auto inner = std::get<I>(stores).verify_parts(own.assume_value());
    found.insert(found.end(), inner.begin(), inner.end());
  } else {
    found.push_back(verify(std::get<I>(stores), own.assume_value().front()));
  }
}
template <class Stores, std::size_t... I>
void verify_each(Stores& stores,
                 std::span<Generation const> generations,
                 std::vector<result<Verified>>& found,
                 std::index_sequence<I...>) {
  (verify_part<I>(stores, generations, found), ...);
}
template <std::size_t I, class Stores>
result<void> measure_part(Stores const& stores,
                          std::span<Generation const> generations,
                          std::vector<std::optional<Space>>& all) {
  HOLDFAST_TRY(own, own_of<I>(stores, generations));
  if constexpr (requires { std::get<I>(stores).spaces(own); }) {
    HOLDFAST_TRY(inner, std::get<I>(stores).spaces(own));
    all.insert(all.end(), inner.begin(), inner.end());
  } else if constexpr (measuring_store<std::tuple_element_t<I, Stores>>) {
    HOLDFAST_TRY(space, store_traits<std::tuple_element_t<I, Stores>>::space(std::get<I>(stores),
                                                                             own.front()));
    all.emplace_back(space);
  } else {
    all.insert(all.end(), own.size(), std::nullopt);
  }
  return ok();
}
template <class Stores, std::size_t... I>
result<void> measure_each(Stores const& stores,
                          std::span<Generation const> generations,
                          std::vector<std::optional<Space>>& all,
                          std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, measure_part<I>(stores, generations, all)) && ...);
  return done;
}
/// What each part's own generation takes of the disk, as far as the parts tell; none: nothing.
template <class Store>
[[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes_of(
    Store const& store, std::span<Generation const> generations);
template <std::size_t I, class Stores>
result<void> add_disk_bytes(Stores const& stores,
                            std::span<Generation const> generations,
                            std::optional<std::uint64_t>& all) {
  HOLDFAST_TRY(own, own_of<I>(stores, generations));
  HOLDFAST_TRY(part, disk_bytes_of(std::get<I>(stores), own));
  if (part) all = all.value_or(0) + *part;
  return ok();
}
template <class Stores, std::size_t... I>
result<void> add_each_disk_bytes(Stores const& stores,
                                 std::span<Generation const> generations,
                                 std::optional<std::uint64_t>& all,
                                 std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, add_disk_bytes<I>(stores, generations, all)) && ...);
  return done;
}
template <class Store>
[[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes_of(
    Store const& store, std::span<Generation const> generations) {
  std::optional<std::uint64_t> all;
  if constexpr (requires { store.disk_bytes(Generation{}); }) {
    HOLDFAST_TRY(g, only_one(generations));
    auto const found = store.disk_bytes(g);
    // A part that is carried over has no folder of it.
    if (!found && found.error().code() != errc::not_found) return failed(found);
    all = found ? found.assume_value() : std::optional<std::uint64_t>{0};
  } else if constexpr (requires { store.stores(); }) {
    using Stores = std::remove_cvref_t<decltype(store.stores())>;
    HOLDFAST_TRYV(add_each_disk_bytes(store.stores(), generations, all,
                                      std::make_index_sequence<std::tuple_size_v<Stores>>{}));
  }
  return all;
}

/// Has any of these taken an update, as far as the parts tell?
template <class Store>
[[nodiscard]] result<bool> any_updated(Store const& store, std::span<Generation const> generations);
template <std::size_t I, class Stores>
result<void> ask_updated(Stores const& stores, std::span<Generation const> generations, bool& any) {
  HOLDFAST_TRY(own, own_of<I>(stores, generations));
  HOLDFAST_TRY(part, any_updated(std::get<I>(stores), own));
  any = any || part;
  return ok();
}
template <class Stores, std::size_t... I>
result<void> ask_each_updated(Stores const& stores,
                              std::span<Generation const> generations,
                              bool& any,
                              std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, ask_updated<I>(stores, generations, any)) && ...);
  return done;
}
template <class Store>
[[nodiscard]] result<bool> any_updated(Store const& store,
                                       std::span<Generation const> generations) {
  bool any = false;
  if constexpr (requires { store.updated(Generation{}); }) {
    HOLDFAST_TRY(g, only_one(generations));
    return store.updated(g);
  } else if constexpr (requires { store.stores(); }) {
    using Stores = std::remove_cvref_t<decltype(store.stores())>;
    HOLDFAST_TRYV(ask_each_updated(store.stores(), generations, any,
                                   std::make_index_sequence<std::tuple_size_v<Stores>>{}));
  }
  return any;
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/update_concepts.hpp
// Says what updates between rebuilds ask of a store, and of a register that processes share.
#ifndef HOLDFAST_UPDATE_CONCEPTS_HPP
#define HOLDFAST_UPDATE_CONCEPTS_HPP

HOLDFAST_BEGIN

/// What `apply` of a store takes: its own kind of update.
template <class T>
using batch_of = typename store_traits<T>::batch_type;

/// Takes updates of a sealed generation in place, each with its marks. One process at a time
/// updates a store, one generation at a time. Laws HF-UPDATE-001 to 006:
/// - `updates(g)`: was g sealed so that it takes updates at all?
/// - `apply(g, batch, marks)` commits both in one transaction, durable on return. Marks only grow:
///   where every one of them is reached already nothing is done, where some are it is `invalid`.
///   `fenced` if someone else has updated g meanwhile. An error leaves the batch applied with its
///   marks, or neither of them: apply it again.
/// - `marks(g)`: those of all that was applied, durable when told; empty before the first.
/// - `marks_of(reader)`: those of the state that this reader shows, and goes on to show; nothing if
///   its generation takes no updates.
template <class T>
concept updatable_store = generation_store<T> && requires {
  typename batch_of<T>;
} && requires(T& t,
              T const& c,
              Generation g,
              batch_of<T> const& batch,
              Marks const& marks,
              reader_of<T> const& reader) {
  { store_traits<T>::updates(c, g) } -> gives<bool>;
  { store_traits<T>::apply(t, g, batch, marks) } -> gives<void>;
  { store_traits<T>::marks(t, g) } -> gives<Marks>;
  { store_traits<T>::marks_of(c, reader) } -> std::same_as<std::optional<Marks>>;
};

/// Keeps opening readers and updates between processes apart. `enter(Mode::shared)` gives a hold
/// beside which nobody gets an exclusive one and the other way round; it ends with the object and
/// with its process. Waits for moments, `timed_out` after that. Neither side may starve the other.
template <class T>
concept barred_register = atomic_register<T> && requires(T& t) {
  { register_traits<T>::enter(t, Mode::shared) } -> some_result;
};

HOLDFAST_END

#endif

// ------------ holdfast/adaptor/updates.hpp
// Speaks of updates part by part: of a store alone, or of one that is made of others.
#ifndef HOLDFAST_ADAPTOR_UPDATES_HPP
#define HOLDFAST_ADAPTOR_UPDATES_HPP

HOLDFAST_BEGIN

namespace detail {
struct NoBatches {};
template <class... Parts>
struct BatchesOf {
  using type = NoBatches;
};
template <updatable_store... Parts>
struct BatchesOf<Parts...> {
  using type = std::tuple<batch_of<Parts>...>;
};

/// Does any of these take updates?
template <class Store>
[[nodiscard]] result<bool> updates_of(Store const& store, std::span<Generation const> parts) {
  if constexpr (requires { store.updates_parts(parts); }) {
    return store.updates_parts(parts);
  } else {
    HOLDFAST_TRY(g, only_one(parts));
    return store_traits<Store>::updates(store, g);
  }
}
/// Does each of these take updates?
template <class Store>
[[nodiscard]] result<std::vector<bool>> updates_of_each(Store const& store,
                                                        std::span<Generation const> parts) {
  if constexpr (requires { store.updates_each(parts); }) {
    return store.updates_each(parts);
  } else {
    HOLDFAST_TRY(g, only_one(parts));
    HOLDFAST_TRY(updates, store_traits<Store>::updates(store, g));
    return std::vector<bool>{updates};
  }
}
template <class Store, class Batch>
[[nodiscard]] result<void> apply_to(Store& store,
                                    std::span<Generation const> parts,
                                    Batch const& batch,
                                    Marks const& marks) {
  if constexpr (requires { store.apply_parts(parts, batch, marks); }) {
    return store.apply_parts(parts, batch, marks);
  } else {
    HOLDFAST_TRY(g, only_one(parts));
    return store_traits<Store>::apply(store, g, batch, marks);
  }
}
/// The marks of each part.
template <class Store>
[[nodiscard]] result<std::vector<Marks>> marks_at(Store& store, std::span<Generation const> parts) {
  if constexpr (requires { store.marks_parts(parts); }) {
    return store.marks_parts(parts);
  } else {
    HOLDFAST_TRY(g, only_one(parts));
    HOLDFAST_TRY(found, store_traits<Store>::marks(store, g));
    return std::vector<Marks>{std::move(found)};
  }
}
/// Those of what a reader shows, part by part.
template <class Store, class Reader>
void add_marks_of(Store const& store,
                  Reader const& reader,
                  std::vector<std::optional<Marks>>& all) {
  if constexpr (requires { store.marks_of_parts(reader); }) {
    for (auto& part : store.marks_of_parts(reader)) all.push_back(std::move(part));
  } else {
    all.push_back(store_traits<Store>::marks_of(store, reader));
  }
}

// The same of every part of a tuple of stores. Function templates with names, not lambdas over a
// pack: clang 14 can't do those.
template <std::size_t I, class Stores>
result<void> ask_part(Stores const& stores,
                      std::span<Generation const> all,
                      std::vector<bool>& each) {
  HOLDFAST_TRY(own, own_of<I>(stores, all));
  HOLDFAST_TRY(updates, updates_of_each(std::get<I>(stores), own));
  each.insert(each.end(), updates.begin(), updates.end());
  return ok();
}
template <class Stores, std::size_t... I>
[[nodiscard]] result<void> ask_each(Stores const& stores,
                                    std::span<Generation const> all,
                                    std::vector<bool>& each,
                                    std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, ask_part<I>(stores, all, each)) && ...);
  return done;
}
template <std::size_t I, class Stores, class Batch>
result<void> apply_part(Stores& stores,
                        std::span<Generation const> all,
                        Batch const& batch,
                        Marks const& marks) {
  HOLDFAST_TRY(own, own_of<I>(stores, all));
  return apply_to(std::get<I>(stores), own, batch, marks);
}
template <class Stores, class Batches, std::size_t... I>
[[nodiscard]] result<void> apply_each(Stores& stores,
                                      std::span<Generation const> all,
                                      Batches const& batches,
                                      Marks const& marks,
                                      std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, apply_part<I>(stores, all, std::get<I>(batches), marks)) && ...);
  return done;
}
template <std::size_t I, class Stores>
result<void> marks_part(Stores& stores,
                        std::span<Generation const> all,
                        std::vector<Marks>& found) {
  HOLDFAST_TRY(own, own_of<I>(stores, all));
  HOLDFAST_TRY(part, marks_at(std::get<I>(stores), own));
  found.insert(found.end(), part.begin(), part.end());
  return ok();
}
template <class Stores, std::size_t... I>
[[nodiscard]] result<void> marks_each(Stores& stores,
                                      std::span<Generation const> all,
                                      std::vector<Marks>& found,
                                      std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, marks_part<I>(stores, all, found)) && ...);
  return done;
}
template <class Stores, class Reader, std::size_t... I>
void marks_of_each(Stores const& stores,
                   Reader const& from,
                   std::vector<std::optional<Marks>>& all,
                   std::index_sequence<I...>) {
  (add_marks_of(std::get<I>(stores), std::get<I>(from), all), ...);
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/detail/update_marks.hpp
// Decides by marks alone whether an update is applied already, and how far several parts are.
//
// Invariants:
// - The marks of a part only grow, name by name.
// - While parts differ, an update is one that the furthest of them has: what reached one part was
//   whole, and a larger one in its place would be applied twice to it.
// - A feed that goes on after the least marks of all parts leaves nothing out of any of them.
#ifndef HOLDFAST_DETAIL_UPDATE_MARKS_HPP
#define HOLDFAST_DETAIL_UPDATE_MARKS_HPP

HOLDFAST_BEGIN

namespace detail {
/// Is an update with these marks still to be applied to what is at `at`? `invalid` where it is
/// neither before nor after: some of its marks are reached, others are not.
[[nodiscard]] inline result<bool> is_fresh(Marks const& at,
                                           Marks const& update,
                                           std::string_view of) {
  if (update.empty()) return failure(errc::invalid, "apply: an update needs a mark", of);
  std::size_t reached = 0;
  for (auto const& [name, value] : update) {
    auto const found = at.find(name);
    if (found != at.end() && found->second >= value) ++reached;
  }
  if (reached == update.size()) return false;
  if (reached == 0) return true;
  return failure(errc::invalid, "apply: some of its marks are reached already", of);
}

/// What is at `at` once that update is applied; also a part's own marks over those of its commit.
[[nodiscard]] inline Marks merged(Marks at, Marks const& update) {
  for (auto const& [name, value] : update) at.insert_or_assign(name, value);
  return at;
}

/// Where all parts are: each name that every part has, with the least value.
[[nodiscard]] inline Marks least(std::span<Marks const> parts) {
  if (parts.empty()) return {};
  Marks all = parts.front();
  for (auto const& part : parts.subspan(1)) {
    std::erase_if(all, [&](auto const& mark) { return part.find(mark.first) == part.end(); });
    for (auto& [name, value] : all) value = std::min(value, part.find(name)->second);
  }
  return all;
}

/// Does any of these parts still need this update? `invalid` where one of them has some of its
/// marks, and where parts differ in one of its names and it goes past the furthest.
[[nodiscard]] inline result<bool> any_wants(std::span<Marks const> parts,
                                            Marks const& update,
                                            std::string_view of) {
  bool any = false;
  for (auto const& part : parts) {
    HOLDFAST_TRY(wants, is_fresh(part, update, of));
    any = any || wants;
  }
  for (auto const& [name, value] : update) {
    std::optional<std::uint64_t> furthest;
    bool differ = false;
    for (auto const& part : parts) {
      auto const found = part.find(name);
      auto const first = parts.front().find(name);
      bool const same = found == part.end()
                            ? first == parts.front().end()
                            : first != parts.front().end() && first->second == found->second;
      differ = differ || !same;
      if (found != part.end()) furthest = std::max(furthest.value_or(0), found->second);
    }
    if (!differ || value <= furthest.value_or(0)) continue;
    return failure(errc::invalid,
                   "apply: it goes past the furthest part while parts differ; replay each update "
                   "as it was",
                   name);
  }
  return any;
}

[[nodiscard]] inline bool all_equal(std::span<Marks const> parts) noexcept {
  return std::all_of(parts.begin(), parts.end(),
                     [&](Marks const& part) { return part == parts.front(); });
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/adaptor/together.hpp
// Makes one store of several: its writers and readers are tuples of theirs.
#ifndef HOLDFAST_ADAPTOR_TOGETHER_HPP
#define HOLDFAST_ADAPTOR_TOGETHER_HPP

HOLDFAST_BEGIN

/// One store made of others, for one switch over all of them. A build writes every part, or those
/// it names, and the others are carried over. Two parts of one name would share a place, so that
/// every operation then answers `invalid`.
template <generation_store... Parts>
requires(sizeof...(Parts) > 0) class Together {
 public:
  using parts = std::tuple<Parts...>;
  template <std::size_t I>
  using Part = std::tuple_element_t<I, parts>;
  using writer = std::tuple<writer_of<Parts>...>;
  using reader = std::tuple<reader_of<Parts>...>;
  static constexpr Guarantees guarantees = detail::weakest_of<Parts...>();

  explicit Together(Parts... stores) : stores_{std::move(stores)...} {}

  /// The parts themselves, in order.
  [[nodiscard]] parts& stores() noexcept { return stores_; }
  [[nodiscard]] parts const& stores() const noexcept { return stores_; }

  [[nodiscard]] std::vector<std::string> part_names() const {
    std::vector<std::string> names;
    std::apply([&](Parts const&... part) { (detail::add_names(part, names), ...); }, stores_);
    return names;
  }
  /// The parts' names joined by '+'.
  [[nodiscard]] std::string name() const {
    std::string all;
    for (auto const& part : part_names()) all.append(all.empty() ? "" : "+").append(part);
    return all;
  }
  /// Places every part in the same home.
  void place(std::string const& home) requires(detail::placed_part<Parts>&&...) {
    std::apply([&](Parts&... part) { (store_traits<Parts>::place(part, home), ...); }, stores_);
  }
  /// `invalid`, naming it, if two parts have the same name.
  [[nodiscard]] result<void> check() const {
    auto names = part_names();
    std::sort(names.begin(), names.end());
    auto const twin = std::adjacent_find(names.begin(), names.end());
    if (twin == names.end()) return ok();
    return failure(errc::invalid, "two stores of one name", *twin);
  }

  /// Creates in every part; if one fails, those made before it are dropped again.
  [[nodiscard]] result<writer> create(Generation g) { return create(g, every); }
  /// The same in some parts alone: a tuple of their writers.
  template <std::size_t... I>
  requires(sizeof...(I) > 0 && ((I < sizeof...(Parts)) && ...) && detail::distinct<I...>())
      [[nodiscard]] auto create(Generation g, Only<I...> some) {
    return make({}, g, some, std::index_sequence_for<Part<I>...>{});
  }
  /// Creates in every part, as a copy of what another generation has there.
  [[nodiscard]] result<writer> clone(Generation from,
                                     Generation g) requires(cloning_store<Parts>&&...) {
    return clone_parts(std::vector<Generation>(part_names().size(), from), g);
  }
  [[nodiscard]] result<writer> clone_parts(std::span<Generation const> from,
                                           Generation g) requires(cloning_store<Parts>&&...) {
    return make(from, g, every, every);
  }
  /// Seals part by part, up to the first error; a sealed part stays so when it is tried again.
  [[nodiscard]] result<void> seal(writer& w) { return seal(w, every); }
  template <class Writers, std::size_t... I>
  [[nodiscard]] result<void> seal(Writers& w, Only<I...> some) {
    return seal_each(w, some, std::index_sequence_for<Part<I>...>{});
  }
  /// For each name of `part_names`: is it carried over by a build of these parts?
  template <std::size_t... I>
  [[nodiscard]] std::vector<bool> carried(Only<I...> some) const {
    std::vector<bool> all;
    carried_each(all, some, every);
    return all;
  }

  /// Makes the same generations, sealed, in other stores.
  [[nodiscard]] result<void> copy(Generation g, Together& to) const
      requires(copying_store<Parts>&&...) {
    return copy_parts(std::vector<Generation>(part_names().size(), g), to);
  }
  [[nodiscard]] result<void> copy_parts(std::span<Generation const> generations, Together& to) const
      requires(copying_store<Parts>&&...) {
    HOLDFAST_TRYV(check());
    return copy_each(generations, to, every);
  }
  /// What a look at every byte finds, by part; a part that can't be looked at so is opened.
  [[nodiscard]] std::vector<result<Verified>> verify_parts(
      std::span<Generation const> generations) {
    std::vector<result<Verified>> found;
    detail::verify_each(stores_, generations, found, every);
    return found;
  }

  /// What each part takes and finds; nothing for one that can't tell.
  [[nodiscard]] result<std::vector<std::optional<Space>>> spaces(
      std::span<Generation const> generations) const {
    std::vector<std::optional<Space>> all;
    HOLDFAST_TRYV(detail::measure_each(stores_, generations, all, every));
    return all;
  }

  [[nodiscard]] result<reader> open(Generation g) {
    return open_parts(std::vector<Generation>(part_names().size(), g));
  }
  /// Opens each part's own generation.
  [[nodiscard]] result<reader> open_parts(std::span<Generation const> generations) {
    HOLDFAST_TRYV(check());
    std::tuple<std::optional<reader_of<Parts>>...> opened;
    HOLDFAST_TRYV(open_each(generations, opened, every));
    return take(opened, every);
  }
  /// Tries every part, then gives the first error.
  [[nodiscard]] result<void> drop(Generation g) {
    HOLDFAST_TRYV(check());
    return drop_each(g, every);
  }
  /// What any part has remains of.
  [[nodiscard]] result<std::vector<Generation>> generations() {
    HOLDFAST_TRYV(check());
    std::vector<Generation> all;
    HOLDFAST_TRYV(list_each(all, every));
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }
  /// Publishes in every part that can; tries all of them, then gives the first error.
  [[nodiscard]] result<void> publish(Generation g) requires(publishing_store<Parts> || ...) {
    return publish_parts(std::vector<Generation>(part_names().size(), g));
  }
  [[nodiscard]] result<void> publish_parts(std::span<Generation const> generations) requires(
      publishing_store<Parts> || ...) {
    HOLDFAST_TRYV(check());
    return publish_each(generations, every);
  }

  /// One update: a batch for each part.
  using batch_type = typename detail::BatchesOf<Parts...>::type;

  /// True if a part takes updates.
  [[nodiscard]] result<bool> updates(Generation g) const requires(updatable_store<Parts>&&...) {
    return updates_parts(std::vector<Generation>(part_names().size(), g));
  }
  [[nodiscard]] result<bool> updates_parts(std::span<Generation const> generations) const
      requires(updatable_store<Parts>&&...) {
    HOLDFAST_TRY(each, updates_each(generations));
    return std::find(each.begin(), each.end(), true) != each.end();
  }
  /// Does each part take updates?
  [[nodiscard]] result<std::vector<bool>> updates_each(
      std::span<Generation const> generations) const requires(updatable_store<Parts>&&...) {
    std::vector<bool> each;
    HOLDFAST_TRYV(detail::ask_each(stores_, generations, each, every));
    return each;
  }
  /// Applies part by part, each in a transaction of its own, up to the first error. A part that is
  /// past these marks already is left as it is: apply again what stopped half way.
  template <class Batches>
  [[nodiscard]] result<void> apply(Generation g,
                                   Batches const& batches,
                                   Marks const& marks) requires(updatable_store<Parts>&&...) {
    return apply_parts(std::vector<Generation>(part_names().size(), g), batches, marks);
  }
  template <class Batches>
  [[nodiscard]] result<void> apply_parts(std::span<Generation const> generations,
                                         Batches const& batches,
                                         Marks const& marks) requires(updatable_store<Parts>&&...) {
    HOLDFAST_TRYV(check());
    return detail::apply_each(stores_, generations, batches, marks, every);
  }
  /// The least of all parts.
  [[nodiscard]] result<Marks> marks(Generation g) requires(updatable_store<Parts>&&...) {
    HOLDFAST_TRY(all, marks_parts(std::vector<Generation>(part_names().size(), g)));
    return detail::least(all);
  }
  [[nodiscard]] result<std::vector<Marks>> marks_parts(
      std::span<Generation const> generations) requires(updatable_store<Parts>&&...) {
    std::vector<Marks> all;
    HOLDFAST_TRYV(detail::marks_each(stores_, generations, all, every));
    return all;
  }
  /// The least of all parts that take updates.
  [[nodiscard]] std::optional<Marks> marks_of(reader const& from) const
      requires(updatable_store<Parts>&&...) {
    std::vector<Marks> live;
    for (auto& part : marks_of_parts(from)) {
      if (part) live.push_back(*std::move(part));
    }
    if (live.empty()) return std::nullopt;
    return detail::least(live);
  }
  [[nodiscard]] std::vector<std::optional<Marks>> marks_of_parts(reader const& from) const
      requires(updatable_store<Parts>&&...) {
    std::vector<std::optional<Marks>> all;
    detail::marks_of_each(stores_, from, all, every);
    return all;
  }

 private:
  // Named function templates, not lambdas over a pack: clang 14 can't do those.
  static constexpr std::index_sequence_for<Parts...> every{};
  template <std::size_t I>
  using traits = store_traits<Part<I>>;

  // Keeps the first error of several; true while there is none.
  static bool note(result<void>& all, result<void> const& next) {
    if (all && !next) all = failure(next.error());
    return all.has_value();
  }
  template <class Filled>
  static result<void> fill(std::optional<Filled>& into, result<Filled> outcome) {
    HOLDFAST_TRY(value, std::move(outcome));
    into.emplace(std::move(value));
    return ok();
  }
  template <class... Filled, std::size_t... I>
  [[nodiscard]] static std::tuple<Filled...> take(std::tuple<std::optional<Filled>...>& from,
                                                  std::index_sequence<I...>) {
    return std::tuple<Filled...>{*std::move(std::get<I>(from))...};
  }

  // Writers of g in the parts I, whose places in the tuple are J: empty, or copies of `from`.
  template <std::size_t... I, std::size_t... J>
  [[nodiscard]] auto make(std::span<Generation const> from,
                          Generation g,
                          std::index_sequence<I...> some,
                          std::index_sequence<J...> places) {
    using Writers = std::tuple<writer_of<Part<I>>...>;
    std::tuple<std::optional<writer_of<Part<I>>>...> made;
    auto done = check();
    HOLDFAST_MAY_THROW {
      if (done) (note(done, fill(std::get<J>(made), make_part<I>(from, g))) && ...);
      if (done) return result<Writers>{take(made, places)};
    }
    HOLDFAST_CAUGHT {
      static_cast<void>(undo_each(g, made, some, places));  // the exception is what counts
      HOLDFAST_RETHROW;
    }
    // What could not be dropped again decides: the caller must not take it for another's.
    auto const undone = undo_each(g, made, some, places);
    return result<Writers>{detail::failed(undone ? done : undone)};
  }
  template <std::size_t I>
  [[nodiscard]] result<writer_of<Part<I>>> make_part(
      [[maybe_unused]] std::span<Generation const> from, Generation g) {
    if constexpr (cloning_store<Part<I>>) {
      if (!from.empty()) {
        HOLDFAST_TRY(own, detail::own_of<I>(stores_, from));
        if constexpr (mixing_store<Part<I>>) {
          return std::get<I>(stores_).clone_parts(own, g);
        } else {
          HOLDFAST_TRY(old, detail::only_one(own));
          return traits<I>::clone(std::get<I>(stores_), old, g);
        }
      }
    }
    return traits<I>::create(std::get<I>(stores_), g);
  }
  // Writers go first: a backend may not drop what it still has open.
  template <std::size_t I, class Made>
  result<void> undo(Generation g, std::optional<Made>& made) {
    if (!made) return ok();
    made.reset();
    return traits<I>::drop(std::get<I>(stores_), g);
  }
  template <class Made, std::size_t... I, std::size_t... J>
  result<void> undo_each(Generation g,
                         Made& made,
                         std::index_sequence<I...>,
                         std::index_sequence<J...>) {
    result<void> all = ok();
    (note(all, undo<I>(g, std::get<J>(made))), ...);
    return all;
  }
  template <class Writers, std::size_t... I, std::size_t... J>
  result<void> seal_each(Writers& w, std::index_sequence<I...>, std::index_sequence<J...>) {
    result<void> all = ok();
    (note(all, traits<I>::seal(std::get<I>(stores_), std::get<J>(w))) && ...);
    return all;
  }
  template <std::size_t I, std::size_t... Chosen>
  static constexpr bool is_chosen(Only<Chosen...>) noexcept {
    return ((I == Chosen) || ...);
  }
  template <class Chosen, std::size_t... I>
  void carried_each(std::vector<bool>& all, Chosen some, std::index_sequence<I...>) const {
    (all.insert(all.end(), detail::names_of(std::get<I>(stores_)), !is_chosen<I>(some)), ...);
  }
  template <std::size_t I>
  [[nodiscard]] result<reader_of<Part<I>>> open_part(std::span<Generation const> generations) {
    HOLDFAST_TRY(own, detail::own_of<I>(stores_, generations));
    if constexpr (mixing_store<Part<I>>) {
      return traits<I>::open_parts(std::get<I>(stores_), own);
    } else {
      HOLDFAST_TRY(g, detail::only_one(own));
      return traits<I>::open(std::get<I>(stores_), g);
    }
  }
  template <class Opened, std::size_t... I>
  result<void> open_each(std::span<Generation const> generations,
                         Opened& opened,
                         std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, fill(std::get<I>(opened), open_part<I>(generations))) && ...);
    return all;
  }
  template <std::size_t... I>
  result<void> drop_each(Generation g, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, traits<I>::drop(std::get<I>(stores_), g)), ...);
    return all;
  }
  template <std::size_t I>
  result<void> copy_part(std::span<Generation const> generations, Together& to) const {
    HOLDFAST_TRY(own, detail::own_of<I>(stores_, generations));
    if constexpr (mixing_store<Part<I>>) {
      return std::get<I>(stores_).copy_parts(own, std::get<I>(to.stores_));
    } else {
      HOLDFAST_TRY(g, detail::only_one(own));
      return traits<I>::copy(std::get<I>(stores_), g, std::get<I>(to.stores_));
    }
  }
  template <std::size_t... I>
  result<void> copy_each(std::span<Generation const> generations,
                         Together& to,
                         std::index_sequence<I...>) const {
    result<void> all = ok();
    (note(all, copy_part<I>(generations, to)) && ...);
    return all;
  }
  template <std::size_t I>
  result<void> publish_part(std::span<Generation const> generations) {
    HOLDFAST_TRY(own, detail::own_of<I>(stores_, generations));
    if constexpr (publishing_store<Part<I>> && mixing_store<Part<I>>) {
      return traits<I>::publish_parts(std::get<I>(stores_), own);
    } else if constexpr (publishing_store<Part<I>>) {
      HOLDFAST_TRY(g, detail::only_one(own));
      return traits<I>::publish(std::get<I>(stores_), g);
    } else {
      return ok();
    }
  }
  template <std::size_t... I>
  result<void> publish_each(std::span<Generation const> generations, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, publish_part<I>(generations)), ...);
    return all;
  }
  template <std::size_t I>
  result<void> list_part(std::vector<Generation>& all) {
    HOLDFAST_TRY(found, traits<I>::generations(std::get<I>(stores_)));
    all.insert(all.end(), found.begin(), found.end());
    return ok();
  }
  template <std::size_t... I>
  result<void> list_each(std::vector<Generation>& found, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, list_part<I>(found)) && ...);
    return all;
  }

  parts stores_;
};

HOLDFAST_END

#endif

// ------------ holdfast/adaptor/copies.hpp
// Copies the state that a reader shows, part by part: of parts that take updates that is the only
// thing of one instant.
#ifndef HOLDFAST_ADAPTOR_COPIES_HPP
#define HOLDFAST_ADAPTOR_COPIES_HPP

HOLDFAST_BEGIN

/// `begin_as(reader, g)`: a writer of the new generation g that begins as what a reader, also of
/// another store of the type, shows.
template <class T>
concept state_copying_store = updatable_store<T> &&
    requires(T& t, reader_of<T> const& shown, Generation g) {
  { t.begin_as(shown, g) } -> gives<writer_of<T>>;
};

namespace detail {
template <class Store>
struct CopiesShown {
  using Reader = reader_of<Store>;
  using Writer = writer_of<Store>;

  /// What took no update is copied file by file, checked against its digests; where the first
  /// update comes in between that is refused.
  [[nodiscard]] static result<Writer> clone(Store& store,
                                            Reader const& shown,
                                            std::span<Generation const> from,
                                            Generation g) {
    HOLDFAST_TRY(old, only_one(from));
    auto cloned = store_traits<Store>::clone(store, old, g);
    if constexpr (state_copying_store<Store>) {
      bool const moved = !cloned && cloned.error().code() == errc::invalid;
      if (moved) return store.begin_as(shown, g);
    }
    return cloned;
  }
  [[nodiscard]] static result<void> copy(Store const& store,
                                         Reader const& shown,
                                         std::span<Generation const> from,
                                         Store& to) {
    HOLDFAST_TRY(g, only_one(from));
    auto copied = store_traits<Store>::copy(store, g, to);
    if constexpr (state_copying_store<Store>) {
      if (copied || copied.error().code() != errc::invalid) return copied;
      HOLDFAST_TRY(made, to.begin_as(shown, g));
      return store_traits<Store>::seal(to, made);
    } else {
      return copied;
    }
  }
};

template <class... Parts>
struct CopiesShown<Together<Parts...>> {
  using Store = Together<Parts...>;
  using Reader = typename Store::reader;
  using Writer = typename Store::writer;
  template <std::size_t I>
  using Part = std::tuple_element_t<I, std::tuple<Parts...>>;

  [[nodiscard]] static result<Writer> clone(Store& store,
                                            Reader const& shown,
                                            std::span<Generation const> from,
                                            Generation g) {
    return clone_each(store, shown, from, g, std::index_sequence_for<Parts...>{});
  }
  [[nodiscard]] static result<void> copy(Store const& store,
                                         Reader const& shown,
                                         std::span<Generation const> from,
                                         Store& to) {
    return copy_each(store, shown, from, to, std::index_sequence_for<Parts...>{});
  }

 private:
  template <std::size_t I, class Made>
  static result<void> clone_part(Store& store,
                                 Reader const& shown,
                                 std::span<Generation const> from,
                                 Generation g,
                                 Made& made) {
    HOLDFAST_TRY(own, own_of<I>(store.stores(), from));
    HOLDFAST_TRY(writer, CopiesShown<Part<I>>::clone(std::get<I>(store.stores()),
                                                     std::get<I>(shown), own, g));
    std::get<I>(made).emplace(std::move(writer));
    return ok();
  }
  // What was made before one failed goes again: that one may have found another's remains.
  template <std::size_t I, class Made>
  static result<void> undo(Store& store, Generation g, Made& made) {
    if (!std::get<I>(made)) return ok();
    std::get<I>(made).reset();
    return store_traits<Part<I>>::drop(std::get<I>(store.stores()), g);
  }
  template <std::size_t... I>
  static result<Writer> clone_each(Store& store,
                                   Reader const& shown,
                                   std::span<Generation const> from,
                                   Generation g,
                                   std::index_sequence<I...>) {
    std::tuple<std::optional<writer_of<Part<I>>>...> made;
    auto done = store.check();
    if (done) (keep_first(done, clone_part<I>(store, shown, from, g, made)) && ...);
    if (done) return Writer{*std::move(std::get<I>(made))...};
    result<void> undone = ok();
    (keep_first(undone, undo<I>(store, g, made)), ...);
    return failed(undone ? done : undone);
  }
  template <std::size_t I>
  static result<void> copy_part(Store const& store,
                                Reader const& shown,
                                std::span<Generation const> from,
                                Store& to) {
    HOLDFAST_TRY(own, own_of<I>(store.stores(), from));
    return CopiesShown<Part<I>>::copy(std::get<I>(store.stores()), std::get<I>(shown), own,
                                      std::get<I>(to.stores()));
  }
  template <std::size_t... I>
  static result<void> copy_each(Store const& store,
                                Reader const& shown,
                                std::span<Generation const> from,
                                Store& to,
                                std::index_sequence<I...>) {
    auto done = store.check();
    if (done) (keep_first(done, copy_part<I>(store, shown, from, to)) && ...);
    return done;
  }
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/adaptor/limits.hpp
// Keeps a build within the bytes of disk that it may take: tells its writers, and adds up what they
// took.
#ifndef HOLDFAST_ADAPTOR_LIMITS_HPP
#define HOLDFAST_ADAPTOR_LIMITS_HPP

HOLDFAST_BEGIN

/// A writer that answers `no_space` to what would take it beyond so many bytes, as well as its
/// backend can, and tells how many it took. What is no such writer is not counted before its seal.
template <class T>
concept limited_writer = requires(T& t, T const& c, std::uint64_t bytes) {
  { t.limit(bytes) } -> gives<void>;
  { c.taken() } -> gives<std::uint64_t>;
};

namespace detail {
template <class Writer>
[[nodiscard]] result<void> limit_build(Writer& writer, std::uint64_t bytes) {
  if constexpr (limited_writer<Writer>) {
    return writer.limit(bytes);
  } else if constexpr (requires { std::tuple_size<Writer>::value; }) {
    result<void> done = ok();
    std::apply(
        [&](auto&... part) {
          static_cast<void>(((done ? void(done = limit_build(part, bytes)) : void()), ...));
        },
        writer);
    return done;
  } else {
    return ok();
  }
}
template <class Writer>
[[nodiscard]] result<void> add_taken(Writer const& writer, std::uint64_t& all) {
  if constexpr (limited_writer<Writer>) {
    HOLDFAST_TRY(own, writer.taken());
    all += own;
    return ok();
  } else if constexpr (requires { std::tuple_size<Writer>::value; }) {
    result<void> done = ok();
    std::apply(
        [&](auto const&... part) {
          static_cast<void>(((done ? void(done = add_taken(part, all)) : void()), ...));
        },
        writer);
    return done;
  } else {
    return ok();
  }
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/lock_concepts.hpp
// Says what a lock policy is, and the traits through which holdfast calls one.
#ifndef HOLDFAST_LOCK_CONCEPTS_HPP
#define HOLDFAST_LOCK_CONCEPTS_HPP

HOLDFAST_BEGIN

/// Forwards each operation of a lock policy to the member of the same name.
template <class T>
struct member_lock_traits {
  template <class U>
  static auto try_acquire(U& t, Owner const& o, FencingToken above)
      -> decltype(t.try_acquire(o, above)) {
    return t.try_acquire(o, above);
  }
  template <class U, class Grant>
  static auto release(U& t, Grant& g) -> decltype(t.release(g)) {
    return t.release(g);
  }
  template <class U>
  static auto inspect(U& t) -> decltype(t.inspect()) {
    return t.inspect();
  }
  template <class U>
  static auto force(U& t, Holder const& seen, FencingToken above)
      -> decltype(t.force(seen, above)) {
    return t.force(seen, above);
  }
  template <class U, class Grant>
  static auto renew(U& t, Grant& g) -> decltype(t.renew(g)) {
    return t.renew(g);
  }
  template <class U, class Grant>
  static auto remaining_ns(U const& t, Grant const& g) -> decltype(t.remaining_ns(g)) {
    return t.remaining_ns(g);
  }
};
/// How holdfast calls a lock policy; specialise it for a type whose operations are named otherwise.
template <class T>
struct lock_traits : member_lock_traits<T> {};

/// What `try_acquire` of a lock policy gives.
template <class T>
using grant_of = value_of<decltype(lock_traits<T>::try_acquire(
    std::declval<T&>(), std::declval<Owner const&>(), FencingToken{}))>;

template <class T>
concept can_try_acquire = requires(T& t, Owner const& o, FencingToken above) {
  { lock_traits<T>::try_acquire(t, o, above) } -> some_result;
};
template <class T>
concept has_token = can_try_acquire<T> && requires(grant_of<T> const& g) {
  { g.token } -> std::convertible_to<FencingToken>;
};
template <class T>
concept can_release = can_try_acquire<T> && requires(T& t, grant_of<T>& g) {
  { lock_traits<T>::release(t, g) } -> gives<void>;
};
template <class T>
concept can_inspect = requires(T& t) {
  { lock_traits<T>::inspect(t) } -> gives<std::optional<Holder>>;
};
template <class T>
concept can_force = requires(T& t, Holder const& h, FencingToken above) {
  { lock_traits<T>::force(t, h, above) } -> gives<FencingToken>;
};

/// Grants to one at a time, with a token greater than `above` and than every token granted before.
/// Held elsewhere = `busy`, naming the holder. `force(seen)` takes it from the holder that was
/// seen, and from no other.
template <class T>
concept lock_policy = std::movable<T> && can_try_acquire<T> && has_token<T> && can_release<T> &&
    can_inspect<T> && can_force<T>;

/// Its grants end by themselves: `remaining_ns` tells when a holder must have stopped, by its own
/// clock.
template <class T>
concept lapsing = lock_policy<T> && requires(T const& t, grant_of<T> const& g) {
  { lock_traits<T>::remaining_ns(t, g) } -> std::convertible_to<std::int64_t>;
};
/// Its grants can be held for longer.
template <class T>
concept renewable = lock_policy<T> && requires(T& t, grant_of<T>& g) {
  { lock_traits<T>::renew(t, g) } -> gives<void>;
};

HOLDFAST_END

#endif

// ------------ holdfast/resume_concepts.hpp
// Says what going on with an interrupted build asks of a store, and of the lock that its dead
// builder had.
#ifndef HOLDFAST_RESUME_CONCEPTS_HPP
#define HOLDFAST_RESUME_CONCEPTS_HPP

HOLDFAST_BEGIN

/// Forwards each operation of a store to the member of the same name.
template <class T>
struct member_resume_traits {
  template <class U, class Writer>
  static auto note(U& t, Writer& w, bytes_view words) -> decltype(t.note(w, words)) {
    return t.note(w, words);
  }
  template <class U>
  static auto resume(U& t, Generation g) -> decltype(t.resume(g)) {
    return t.resume(g);
  }
  template <class U, class Writer>
  static auto notes(U const& t, Writer const& w) -> decltype(t.notes(w)) {
    return t.notes(w);
  }
};
/// How holdfast goes on with the build of a store; specialise it as `store_traits`.
template <class T>
struct resume_traits : member_resume_traits<T> {};

/// Goes on with an unsealed generation that its dead builder left. Law HF-STAGED-022:
/// - `note(writer, words)`: all that was written before it, and these words, are durable on return.
/// - `resume(g)`: a writer with all that was written before the last note; of what came after it
///   nothing is there, but where the store says so. `not_found` where nothing was noted, or g was
///   sealed.
/// - `notes(writer)`: the last words of each part, empty where there are none.
template <class T>
concept resuming_store = generation_store<T> &&
    requires(T& t, T const& c, Generation g, writer_of<T>& w, bytes_view words) {
  { resume_traits<T>::note(t, w, words) } -> gives<void>;
  { resume_traits<T>::resume(t, g) } -> gives<writer_of<T>>;
  { resume_traits<T>::notes(c, w) } -> std::same_as<std::vector<bytes>>;
};

/// Can tell that who had a token before is gone: he let go of the lock or died, and nobody took it
/// from him. False is always right.
template <class T>
concept vouching_lock = lock_policy<T> &&
    requires(T const& t, Owner const& earlier, FencingToken token, grant_of<T> const& ours) {
  { t.has_ended(earlier, token, ours) } -> std::same_as<bool>;
};

HOLDFAST_END

#endif

// ------------ holdfast/adaptor/resumes.hpp
// Notes and resumes the build of a composed store part by part: each has a note of its own.
#ifndef HOLDFAST_ADAPTOR_RESUMES_HPP
#define HOLDFAST_ADAPTOR_RESUMES_HPP

HOLDFAST_BEGIN

namespace detail {
template <resuming_store Part>
[[nodiscard]] result<void> resume_part(Part& part,
                                       Generation g,
                                       std::optional<writer_of<Part>>& into) {
  HOLDFAST_TRY(resumed, resume_traits<Part>::resume(part, g));
  into.emplace(std::move(resumed));
  return ok();
}
template <class Part, class Writer>
void add_notes(Part const& part, Writer const& writer, std::vector<bytes>& all) {
  auto own = resume_traits<Part>::notes(part, writer);
  all.insert(all.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
}
}  // namespace detail

/// In the order of the parts. A crash in a note leaves it to some of them: `notes` tells it of
/// each, and each is exactly where its own note says, at the last or the one before. Bring them to
/// the same before the next note. Where one has no note, or is sealed, there is nothing to go on
/// with: a part that began anew would be noted behind what the others have.
template <resuming_store... Parts>
struct resume_traits<Together<Parts...>> {
  using Store = Together<Parts...>;
  static constexpr std::index_sequence_for<Parts...> every{};

  template <class Writers>
  [[nodiscard]] static result<void> note(Store& t, Writers& writers, bytes_view words) {
    return note(t, writers, words, every);
  }
  template <class Writers, std::size_t... I>
  [[nodiscard]] static result<void> note(Store& t,
                                         Writers& writers,
                                         bytes_view words,
                                         Only<I...> some) {
    return note_each(t, writers, words, some, std::make_index_sequence<sizeof...(I)>{});
  }
  [[nodiscard]] static result<typename Store::writer> resume(Store& t, Generation g) {
    return resume(t, g, every);
  }
  template <std::size_t... I>
  [[nodiscard]] static auto resume(Store& t, Generation g, Only<I...> some) {
    return resume_each(t, g, some, std::make_index_sequence<sizeof...(I)>{});
  }
  template <class Writers>
  [[nodiscard]] static std::vector<bytes> notes(Store const& t, Writers const& writers) {
    return notes(t, writers, every);
  }
  template <class Writers, std::size_t... I>
  [[nodiscard]] static std::vector<bytes> notes(Store const& t,
                                                Writers const& writers,
                                                Only<I...> some) {
    return notes_each(t, writers, some, std::make_index_sequence<sizeof...(I)>{});
  }

 private:
  template <std::size_t I>
  using Part = std::tuple_element_t<I, std::tuple<Parts...>>;

  template <class Writers, std::size_t... I, std::size_t... J>
  static result<void> note_each(Store& t,
                                Writers& writers,
                                bytes_view words,
                                std::index_sequence<I...>,
                                std::index_sequence<J...>) {
    result<void> done = ok();
    (detail::keep_first(done, resume_traits<Part<I>>::note(std::get<I>(t.stores()),
                                                           std::get<J>(writers), words)) &&
     ...);
    return done;
  }
  template <std::size_t... I, std::size_t... J>
  static auto resume_each(Store& t,
                          Generation g,
                          std::index_sequence<I...>,
                          std::index_sequence<J...>) {
    using Writers = std::tuple<writer_of<Part<I>>...>;
    std::tuple<std::optional<writer_of<Part<I>>>...> made;
    auto done = t.check();
    if (done) {
      (detail::keep_first(done,
                          detail::resume_part(std::get<I>(t.stores()), g, std::get<J>(made))) &&
       ...);
    }
    if (!done) return result<Writers>{detail::failed(done)};
    return result<Writers>{Writers{*std::move(std::get<J>(made))...}};
  }
  template <class Writers, std::size_t... I, std::size_t... J>
  static std::vector<bytes> notes_each(Store const& t,
                                       Writers const& writers,
                                       std::index_sequence<I...>,
                                       std::index_sequence<J...>) {
    std::vector<bytes> all;
    (detail::add_notes(std::get<I>(t.stores()), std::get<J>(writers), all), ...);
    return all;
  }
};

HOLDFAST_END

#endif

// ------------ holdfast/detail/crc32c_table.hpp
// Computes CRC32C on any machine and in constant expressions, and the constants that the faster
// ways need.
//
// A CRC is a polynomial of degree 31 over GF(2) in reflected form: bit i stands for x^(31-i). So
// are the bytes of a message: the first bit of the first byte is its highest power.
#ifndef HOLDFAST_DETAIL_CRC32C_TABLE_HPP
#define HOLDFAST_DETAIL_CRC32C_TABLE_HPP

HOLDFAST_BEGIN

namespace detail {
inline constexpr std::uint32_t crc_polynomial = 0x82f63b78;  // Castagnoli, reflected

/// The same polynomial times x, modulo the CRC's.
[[nodiscard]] constexpr std::uint32_t crc_times_x(std::uint32_t crc) noexcept {
  return (crc >> 1) ^ ((crc & 1u) != 0 ? crc_polynomial : 0u);
}
/// The product of two, modulo the CRC's.
[[nodiscard]] constexpr std::uint32_t crc_product(std::uint32_t a, std::uint32_t b) noexcept {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    if ((a & 0x80000000) != 0) product ^= b;
    b = crc_times_x(b);
  }
  return product;
}
/// x to the power of `Exponent`, modulo the CRC's polynomial. A template, so that a compiler works
/// out each power once.
template <unsigned Exponent>
inline constexpr std::uint32_t crc_x_to = crc_product(crc_product(crc_x_to<Exponent / 2>,
                                                                  crc_x_to<Exponent / 2>),
                                                      Exponent % 2 != 0 ? 0x40000000 : 0x80000000);
template <>
inline constexpr std::uint32_t crc_x_to<0> = 0x80000000;

// Not std::array, whose every access is a call to a compiler that computes.
struct CrcTables {
  std::uint32_t of[8][256];
};
// of[k][b] is the effect of byte b followed by k zero bytes: eight look-ups then take eight bytes
// at once.
consteval CrcTables crc_tables() {
  CrcTables tables{};
  auto& first = tables.of[0];
  first[128] = crc_polynomial;
  for (std::size_t bit = 64; bit != 0; bit /= 2) first[bit] = crc_times_x(first[2 * bit]);
  for (unsigned bit = 2; bit != 256; bit *= 2) {
    for (unsigned rest = 1; rest != bit; ++rest) first[bit + rest] = first[bit] ^ first[rest];
  }
  for (unsigned k = 1; k != 8; ++k) {
    for (unsigned b = 0; b != 256; ++b) {
      auto const before = tables.of[k - 1][b];
      tables.of[k][b] = (before >> 8) ^ first[before & 0xff];
    }
  }
  return tables;
}
inline constexpr CrcTables crc_table = crc_tables();

/// Goes on from `crc`, which is the bare remainder: not inverted, at neither end.
[[nodiscard]] constexpr std::uint32_t crc_by_table(std::byte const* from,
                                                   std::size_t size,
                                                   std::uint32_t crc) noexcept {
  auto const& t = crc_table.of;
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint64_t const word = get_le<std::uint64_t>({from + at, 8}, 0) ^ crc;
    crc = t[7][word & 0xff] ^ t[6][(word >> 8) & 0xff] ^ t[5][(word >> 16) & 0xff] ^
          t[4][(word >> 24) & 0xff] ^ t[3][(word >> 32) & 0xff] ^ t[2][(word >> 40) & 0xff] ^
          t[1][(word >> 48) & 0xff] ^ t[0][word >> 56];
  }
  for (; at < size; ++at) {
    crc = (crc >> 8) ^ t[0][(crc ^ static_cast<std::uint32_t>(from[at])) & 0xff];
  }
  return crc;
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/detail/crc32c_arm.hpp
// Computes CRC32C with the instructions that ARMv8 processors have for it.
#ifndef HOLDFAST_DETAIL_CRC32C_ARM_HPP
#define HOLDFAST_DETAIL_CRC32C_ARM_HPP

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#if defined(__aarch64__) && defined(__linux__) && !defined(__AARCH64EB__)
#define HOLDFAST_HAS_CRC_ARM 1

HOLDFAST_BEGIN

namespace detail {
struct CrcArm {
  static constexpr unsigned long_stream = 4096;  // bringing three together is slow here
  static constexpr unsigned short_stream = 1024;

  [[nodiscard]] static bool usable() noexcept {
    constexpr unsigned long has_crc32 = 1ul << 7;
    return (::getauxval(AT_HWCAP) & has_crc32) != 0;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint64_t word) noexcept {
    asm(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint32_t word) noexcept {
    asm(".arch_extension crc\n\tcrc32cw %w0, %w0, %w1" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint16_t word) noexcept {
    asm(".arch_extension crc\n\tcrc32ch %w0, %w0, %w1" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint8_t word) noexcept {
    asm(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(word));
    return crc;
  }
  // Bit by bit: the instructions for a product are an extension that not every processor has.
  template <unsigned Exponent>
  static std::uint32_t times(std::uint32_t crc) noexcept {
    return crc_product(crc, crc_x_to<Exponent>);
  }
};
}  // namespace detail

HOLDFAST_END

#endif

#endif

// ------------ holdfast/detail/crc32c_streams.hpp
// Computes CRC32C with a processor's own instruction for it, three streams at once: one result
// takes three cycles, but a new one can begin in each.
#ifndef HOLDFAST_DETAIL_CRC32C_STREAMS_HPP
#define HOLDFAST_DETAIL_CRC32C_STREAMS_HPP

HOLDFAST_BEGIN

namespace detail {
// Unaligned, of any type, in the order of this machine: the ones that have the instruction are
// little-endian.
template <class Word>
[[nodiscard]] inline Word crc_load(std::byte const* from) noexcept {
  Word word;
  __builtin_memcpy(&word, from, sizeof word);
  return word;
}

/// `Cpu` has `step(crc, word)` for words of 8, 4, 2 and 1 bytes, and `times<Exponent>(crc)`, the
/// product with x^Exponent.
template <class Cpu>
[[nodiscard]] inline std::uint32_t crc_by_words(std::byte const* from,
                                                std::size_t size,
                                                std::uint32_t crc) noexcept {
  for (; size >= 8; from += 8, size -= 8) crc = Cpu::step(crc, crc_load<std::uint64_t>(from));
  if ((size & 4) != 0) {
    crc = Cpu::step(crc, crc_load<std::uint32_t>(from));
    from += 4;
  }
  if ((size & 2) != 0) {
    crc = Cpu::step(crc, crc_load<std::uint16_t>(from));
    from += 2;
  }
  if ((size & 1) != 0) crc = Cpu::step(crc, crc_load<std::uint8_t>(from));
  return crc;
}

// Takes blocks of three times `Stream` bytes, as long as there are.
template <class Cpu, std::size_t Stream>
inline void crc_by_three(std::byte const*& from, std::size_t& size, std::uint32_t& crc) noexcept {
  for (; size >= 3 * Stream; from += 3 * Stream, size -= 3 * Stream) {
    std::uint32_t second = 0, third = 0;
    for (unsigned at = 0; at < Stream; at += 8) {
      crc = Cpu::step(crc, crc_load<std::uint64_t>(from + at));
      second = Cpu::step(second, crc_load<std::uint64_t>(from + Stream + at));
      third = Cpu::step(third, crc_load<std::uint64_t>(from + 2 * Stream + at));
    }
    crc = Cpu::template times<16 * Stream>(crc) ^ Cpu::template times<8 * Stream>(second) ^ third;
  }
}

template <class Cpu>
[[nodiscard]] std::uint32_t crc_by_streams(std::byte const* from,
                                           std::size_t size,
                                           std::uint32_t crc) noexcept {
  crc_by_three<Cpu, Cpu::long_stream>(from, size, crc);
  crc_by_three<Cpu, Cpu::short_stream>(from, size, crc);
  return crc_by_words<Cpu>(from, size, crc);
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/detail/crc32c_x86.hpp
// Computes CRC32C with what x86-64 processors have for it. Inline assembly and vector extensions
// rather than <immintrin.h>, which takes longer to compile than the rest of the library.
#ifndef HOLDFAST_DETAIL_CRC32C_X86_HPP
#define HOLDFAST_DETAIL_CRC32C_X86_HPP

#if defined(__x86_64__) && defined(__GNUC__)
#define HOLDFAST_HAS_CRC_X86 1

HOLDFAST_BEGIN

namespace detail {
/// SSE4.2 and PCLMULQDQ: every x86-64 processor since 2011.
struct CrcSse {
  static constexpr unsigned long_stream = 1024;
  static constexpr unsigned short_stream = 128;

  [[nodiscard]] static bool usable() noexcept {
    __builtin_cpu_init();  // before main nobody may have asked yet
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  }
  static std::uint32_t step(std::uint32_t crc, std::uint64_t word) noexcept {
    std::uint64_t wide = crc;
    asm("crc32q %1, %0" : "+r"(wide) : "r"(word));
    return static_cast<std::uint32_t>(wide);
  }
  static std::uint32_t step(std::uint32_t crc, std::uint32_t word) noexcept {
    asm("crc32l %1, %0" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint16_t word) noexcept {
    asm("crc32w %1, %0" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint8_t word) noexcept {
    asm("crc32b %1, %0" : "+r"(crc) : "q"(word));
    return crc;
  }
  // Two reflected factors give their product times x in 64 bits, and the step that reduces it
  // multiplies by x^32.
  template <unsigned Exponent>
  static std::uint32_t times(std::uint32_t crc) noexcept {
    using Pair [[gnu::vector_size(16)]] = long long;
    Pair product{crc, 0};
    constexpr Pair factor{crc_x_to<Exponent - 33>, 0};
    asm("pclmulqdq $0, %1, %0" : "+x"(product) : "x"(factor));
    return step(std::uint32_t{0}, static_cast<std::uint64_t>(product[0]));
  }
};

#define HOLDFAST_CRC_WIDE \
  [[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi2,vpclmulqdq,pclmul,sse4.2")]]

// The upper half of a word, as the vector types want it.
[[nodiscard]] constexpr long long crc_high_word(std::uint32_t half) noexcept {
  std::uint64_t const word = std::uint64_t{half} << 32;
  return static_cast<long long>(word);
}

/// Carry-less products in four registers of 512 bits: what is behind is folded onto what lies
/// ahead.
struct CrcWide {
  using Lanes [[gnu::vector_size(64)]] = long long;  // four lanes of two words
  using AnyLanes [[gnu::vector_size(64), gnu::aligned(1), gnu::may_alias]] = long long;
  using Half [[gnu::vector_size(32)]] = long long;
  using Pair [[gnu::vector_size(16)]] = long long;
  static constexpr std::size_t width = sizeof(Lanes);

  [[nodiscard]] static bool usable() noexcept {
    return CrcSse::usable() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("vpclmulqdq");
  }

  // What moves a lane ahead: its first word needs x^(8 bytes + 64), its second x^(8 bytes). The
  // product brings one x of its own.
  template <unsigned Bytes>
  static constexpr long long first = crc_high_word(crc_x_to<8 * Bytes + 63>);
  template <unsigned Bytes>
  static constexpr long long second = crc_high_word(crc_x_to<8 * Bytes - 1>);
  template <unsigned Bytes>  // each of the four
  static constexpr Lanes ahead{first<Bytes>, second<Bytes>, first<Bytes>, second<Bytes>,
                               first<Bytes>, second<Bytes>, first<Bytes>, second<Bytes>};
  // The first three onto the fourth.
  static constexpr Lanes together{first<48>, second<48>, first<32>, second<32>,
                                  first<16>, second<16>, 0,         0};

  HOLDFAST_CRC_WIDE static inline Lanes fold(Lanes what, Lanes by) noexcept {
    Lanes one, other;
    asm("vpclmulqdq $0x00, %2, %1, %0" : "=v"(one) : "v"(what), "v"(by));
    asm("vpclmulqdq $0x11, %2, %1, %0" : "=v"(other) : "v"(what), "v"(by));
    return one ^ other;
  }
  HOLDFAST_CRC_WIDE static inline Lanes load(std::byte const* from) noexcept {
    return *reinterpret_cast<AnyLanes const*>(from);
  }

  // The first 4 to 64 bytes at the end of a register, after zeros, which change nothing. The CRC of
  // what came before is added to the first four of them.
  HOLDFAST_CRC_WIDE static inline Lanes head(std::byte const* from,
                                             std::size_t size,
                                             std::uint32_t crc) noexcept {
    auto const pad = width - size;
    auto const mask = ~std::uint64_t{0} << pad;
    Lanes bytes, before{crc};
    // Bytes that the mask leaves out are not read, wherever they would lie.
    asm("vmovdqu8 (%1), %0%{%2%}%{z%}"
        : "=v"(bytes)
        : "r"(reinterpret_cast<std::uintptr_t>(from) - pad), "Yk"(mask)
        : "memory");
    asm("vpexpandb %1, %0%{%2%}%{z%}" : "=v"(before) : "v"(before), "Yk"(std::uint64_t{15} << pad));
    return bytes ^ before;
  }

  // One lane that is worth four, and the CRC of its 16 bytes.
  HOLDFAST_CRC_WIDE static inline std::uint32_t reduce(Lanes all) noexcept {
    Lanes const moved = fold(all, together);
    Lanes const sum = moved ^ (all & Lanes{0, 0, 0, 0, 0, 0, -1, -1});
    Half low, high;
    asm("vextracti64x4 $1, %2, %1\n\tvmovdqa64 %t2, %0" : "=&v"(low), "=&v"(high) : "v"(sum));
    low ^= high;
    Pair lane, upper;
    asm("vextracti128 $1, %2, %1\n\tvmovdqa %x2, %0" : "=&x"(lane), "=&x"(upper) : "x"(low));
    lane ^= upper;
    auto const crc = CrcSse::step(std::uint32_t{0}, static_cast<std::uint64_t>(lane[0]));
    return CrcSse::step(crc, static_cast<std::uint64_t>(lane[1]));
  }

  HOLDFAST_CRC_WIDE static std::uint32_t run(std::byte const* from,
                                             std::size_t size,
                                             std::uint32_t crc) noexcept {
    if (size < 2 * width) return crc_by_words<CrcSse>(from, size, crc);
    if (size % width - 1 < 3) {  // too few for a head
      crc = crc_by_words<CrcSse>(from, size % width, crc);
      from += size % width;
      size -= size % width;
    }
    auto const start = (size - 1) % width + 1;
    Lanes a = head(from, start, crc);
    from += start;
    size -= start;
    if (size >= 3 * width) {
      Lanes b = load(from), c = load(from + width), d = load(from + 2 * width);
      from += 3 * width;
      size -= 3 * width;
      for (; size >= 4 * width; from += 4 * width, size -= 4 * width) {
        a = fold(a, ahead<256>) ^ load(from);
        b = fold(b, ahead<256>) ^ load(from + width);
        c = fold(c, ahead<256>) ^ load(from + 2 * width);
        d = fold(d, ahead<256>) ^ load(from + 3 * width);
      }
      a = fold(a, ahead<192>) ^ fold(b, ahead<128>) ^ fold(c, ahead<64>) ^ d;
    }
    for (; size != 0; from += width, size -= width) a = fold(a, ahead<64>) ^ load(from);
    return reduce(a);
  }
};
#undef HOLDFAST_CRC_WIDE
}  // namespace detail

HOLDFAST_END

#endif

#endif

// ------------ holdfast/checksum.hpp
// Computes CRC32C (Castagnoli, reflected polynomial 0x82f63b78, as in RFC 3720).
#ifndef HOLDFAST_CHECKSUM_HPP
#define HOLDFAST_CHECKSUM_HPP

HOLDFAST_BEGIN

namespace detail {
/// One way to compute it: whether this processor can, and the function.
struct CrcTier {
  using Run = std::uint32_t (*)(std::byte const* from, std::size_t size, std::uint32_t crc);
  char const* name;
  bool (*usable)() noexcept;
  Run run;
};
/// The fastest first; the last one is usable everywhere. All give the same.
inline constexpr std::array crc_tiers {
#if defined(HOLDFAST_HAS_CRC_X86)
  CrcTier{"AVX-512 VPCLMULQDQ", CrcWide::usable, CrcWide::run},
      CrcTier{"SSE4.2, three streams", CrcSse::usable, crc_by_streams<CrcSse>},
#elif defined(HOLDFAST_HAS_CRC_ARM)
  CrcTier{"ARMv8, three streams", CrcArm::usable, crc_by_streams<CrcArm>},
#endif
      CrcTier {
    "table", []() noexcept { return true; }, crc_by_table
  }
};

// Chosen by the first call, which may come before main and in any thread: each that comes first
// chooses the same. No guard to pass, and nothing to do in a forked child.
inline std::uint32_t crc_first(std::byte const* from, std::size_t size, std::uint32_t crc);
inline constinit CrcTier::Run crc_run = crc_first;

inline std::uint32_t crc_first(std::byte const* from, std::size_t size, std::uint32_t crc) {
  auto const* tier = crc_tiers.data();
  while (!tier->usable()) ++tier;
  __atomic_store_n(&crc_run, tier->run, __ATOMIC_RELAXED);
  return tier->run(from, size, crc);
}
}  // namespace detail

/// CRC32C of `from`, going on from `crc` (the CRC of what came before; 0 to begin).
[[nodiscard]] constexpr std::uint32_t crc32c(bytes_view from, std::uint32_t crc = 0) noexcept {
  if (std::is_constant_evaluated()) return ~detail::crc_by_table(from.data(), from.size(), ~crc);
  return ~__atomic_load_n(&detail::crc_run, __ATOMIC_RELAXED)(from.data(), from.size(), ~crc);
}

HOLDFAST_END

#endif

// ------------ holdfast/backend/seal_format.hpp
// Says what a SEAL file holds: the generation's number and every name in it with size and digest.
//
// Little-endian: magic "hf SEAL\n", u32 format, u64 generation, u64 parent, u64 count, then a name
// each: u64 size, u8 digested, u32 CRC32C, u32 length, the name. Every format, also a newer one,
// ends in the CRC32C of all bytes before, so that nothing is interpreted unchecked. One encoding
// a seal: names ascend strictly. Format 2 is format 1 of a generation that takes updates, so that
// a library that knows none of them refuses it.
#ifndef HOLDFAST_BACKEND_SEAL_FORMAT_HPP
#define HOLDFAST_BACKEND_SEAL_FORMAT_HPP

HOLDFAST_BEGIN

/// A name in a sealed generation, relative to its folder. A directory's name ends in '/'.
struct SealedFile {
  std::string name;
  std::uint64_t size = 0;
  std::optional<std::uint32_t> digest;  ///< CRC32C of the whole file, if it was taken
  friend bool operator==(SealedFile const&, SealedFile const&) = default;
};

/// What was sealed, names ascending.
struct Seal {
  Generation generation;
  Generation parent;  ///< what it was cloned from; 0 for one that was built from nothing
  std::vector<SealedFile> files;
  bool updates = false;  ///< may be changed in place, once UPDATED lies beside

  [[nodiscard]] SealedFile const* find(std::string_view name) const noexcept {
    auto const at = std::lower_bound(
        files.begin(), files.end(), name,
        [](SealedFile const& file, std::string_view wanted) { return file.name < wanted; });
    return at != files.end() && at->name == name ? &*at : nullptr;
  }
  friend bool operator==(Seal const&, Seal const&) = default;
};

namespace detail {
inline constexpr std::string_view seal_magic = "hf SEAL\n";
inline constexpr std::uint32_t seal_format = 1;
inline constexpr std::uint32_t updatable_seal_format = 2;
inline constexpr std::size_t seal_head = 8 + 4 + 8 + 8 + 8;
inline constexpr std::size_t seal_entry = 8 + 1 + 4 + 4;  // and the name
inline constexpr std::size_t seal_limit = std::size_t{64} << 20;

/// A name that stays below the folder it is relative to: "a", "a/b"; no "..", no empty component.
[[nodiscard]] constexpr bool is_relative_name(std::string_view name) noexcept {
  if (name.find('\0') != std::string_view::npos) return false;
  for (;;) {
    auto const slash = name.find('/');
    auto const part = name.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

[[nodiscard]] inline bytes encode_seal(Seal const& seal) {
  std::size_t size = seal_head + 4;
  for (auto const& file : seal.files) size += seal_entry + file.name.size();
  bytes out(size);
  std::size_t at = 0;
  auto const put = [&](auto number) {
    put_le(bytes_span{out}, at, number);
    at += sizeof number;
  };
  auto const put_text = [&](std::string_view text) {
    std::copy_n(as_bytes(text).begin(), text.size(), out.begin() + static_cast<std::ptrdiff_t>(at));
    at += text.size();
  };
  put_text(seal_magic);
  put(seal.updates ? updatable_seal_format : seal_format);
  put(seal.generation.number);
  put(seal.parent.number);
  put(std::uint64_t{seal.files.size()});
  for (auto const& file : seal.files) {
    put(file.size);
    put(static_cast<std::uint8_t>(file.digest.has_value()));
    put(file.digest.value_or(0));
    put(static_cast<std::uint32_t>(file.name.size()));
    put_text(file.name);
  }
  put(crc32c(bytes_view{out}.first(at)));
  return out;
}

// Reads numbers and names off the front; `good` turns false at the first that is not there.
struct SealCursor {
  bytes_view rest;
  bool good = true;

  template <class T>
  [[nodiscard]] T number() noexcept {
    if (!good || rest.size() < sizeof(T)) return good = false, T{0};
    T const value = get_le<T>(rest, 0);
    rest = rest.subspan(sizeof(T));
    return value;
  }
  [[nodiscard]] std::string_view text(std::size_t size) noexcept {
    if (!good || rest.size() < size) return good = false, std::string_view{};
    auto const value = as_text(rest.first(size));
    rest = rest.subspan(size);
    return value;
  }
};

[[nodiscard]] inline std::optional<SealedFile> decode_sealed_file(SealCursor& from) {
  SealedFile file;
  file.size = from.number<std::uint64_t>();
  auto const digested = from.number<std::uint8_t>();
  auto const digest = from.number<std::uint32_t>();
  auto const length = from.number<std::uint32_t>();
  auto name = from.text(length);
  file.name = name;
  if (digested == 1) file.digest = digest;
  if (name.ends_with('/')) name.remove_suffix(1);
  bool const canonical = digested == 1 || (digested == 0 && digest == 0);
  if (!from.good || !canonical || !is_relative_name(name)) return std::nullopt;
  return file;
}

[[nodiscard]] inline bool has_undigested(Seal const& seal) {
  return std::any_of(seal.files.begin(), seal.files.end(), [](SealedFile const& file) {
    return !file.name.ends_with('/') && !file.digest;
  });
}

/// `path` is for the error alone.
[[nodiscard]] inline result<Seal> decode_seal(bytes_view from, std::string_view path) {
  auto const refuse = [&](errc code) { return failure(code, "read SEAL", path); };
  if (from.size() < seal_magic.size() + 8) return refuse(errc::damaged);
  auto const end = from.size() - 4;
  if (crc32c(from.first(end)) != get_le<std::uint32_t>(from, end)) return refuse(errc::damaged);
  SealCursor cursor{from.first(end)};
  if (cursor.text(seal_magic.size()) != seal_magic) return refuse(errc::damaged);
  auto const format = cursor.number<std::uint32_t>();
  if (format > updatable_seal_format) return refuse(errc::newer_format);
  Seal seal;
  seal.updates = format == updatable_seal_format;
  seal.generation.number = cursor.number<std::uint64_t>();
  seal.parent.number = cursor.number<std::uint64_t>();
  auto const count = cursor.number<std::uint64_t>();
  // A count that can't fit is refused before anything is allocated for it.
  bool const fits = cursor.good && count <= cursor.rest.size() / seal_entry;
  if (format < seal_format || !fits) return refuse(errc::damaged);
  seal.files.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    auto file = decode_sealed_file(cursor);
    if (!file || (i != 0 && !(seal.files.back().name < file->name))) return refuse(errc::damaged);
    seal.files.push_back(*std::move(file));
  }
  if (!cursor.rest.empty()) return refuse(errc::damaged);
  return seal;
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/backend/building.hpp
// Names what a file-based store is told at seal and at publish, and what it remembers of a build.
#ifndef HOLDFAST_BACKEND_BUILDING_HPP
#define HOLDFAST_BACKEND_BUILDING_HPP

HOLDFAST_BEGIN

/// Whether seal reads back files whose digest was not taken on their way in.
enum class Digest : std::uint8_t { none, read_back };

/// The fixed outside name of a generation: the symlink `link` in the root, pointing to `inner` in
/// the generation's folder (empty: to the folder). A file at either end with one of the suffixes
/// `beside` would be taken for a part of it, so that `publish` refuses.
struct PublishedName {
  std::string link = "current";
  std::string inner;
  std::vector<std::string> beside;
};

/// A generation on its way to its seal; what the writers of the file-based stores carry.
struct Building {
  Generation generation;
  std::string path;                           ///< its folder
  std::map<std::string, SealedFile> known{};  ///< files already synced, by name
  std::optional<error> broken{};              ///< what can't be mended: it can only be dropped
  std::optional<bytes> noted{};               ///< the words of its last note
  bool notes = false;                         ///< its folder may have files of a note
  std::uint64_t limit = 0;                    ///< bytes that may be known; 0: none
  bool updates = false;                       ///< whether it is to take updates once it is sealed
  bool sealing = false;  ///< a SEAL in the folder is ours, perhaps half written
  bool sealed = false;

  /// The bytes of the files that are known.
  [[nodiscard]] std::uint64_t taken() const noexcept {
    std::uint64_t all = 0;
    for (auto const& [name, file] : known) all += file.size;
    return all;
  }
  /// Gives the outcome back, and remembers a failed sync: what was written before it is lost.
  template <class R>
  [[nodiscard]] R note(R outcome) {
    if (!outcome && outcome.error().code() == errc::sync_failed) broken = outcome.error();
    return outcome;
  }
  /// Whether it may still be written to: `spent` once sealed, `sync_failed` after a failed sync.
  [[nodiscard]] result<void> writable() const {
    if (broken) return failure(*broken);
    if (sealed) return failure(errc::spent, "write", path);
    return ok();
  }
};

HOLDFAST_END

#endif

// ------------ holdfast/file_system.hpp
// The seam for every effect on files: what a file system must offer.
#ifndef HOLDFAST_FILE_SYSTEM_HPP
#define HOLDFAST_FILE_SYSTEM_HPP

HOLDFAST_BEGIN

/// How to open: to read what exists, to read and write what exists, or to make a new file (`exists`
/// if there is one).
enum class Open : std::uint8_t { read, write, create };
/// The bytes of a file that a lock covers; they need not exist.
struct Range {
  std::uint64_t at = 0;
  std::uint64_t size = 1;
};
/// Tells two files apart.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(FileId const&, FileId const&) = default;
};
/// One name in a directory ("." and ".." are never listed).
struct Entry {
  enum class Kind : std::uint8_t { file, directory, symlink, other };
  std::string name;
  Kind kind = Kind::file;
  friend auto operator<=>(Entry const&, Entry const&) = default;
};

/// Files and directories by path. Paths are bytes, not text. `open`, `identity`, `remove`
/// and `rename` never follow a symlink in the last component; `list` and `sync_directory` do.
/// Semantics (the file system's laws):
/// - `read_at` gives fewer bytes than asked for only at the end of the file; `write_at` writes all
///   or fails.
/// - `sync` makes a file's data and size durable; a name is durable after `sync_directory` of its
///   directory. A failed sync answers `sync_failed`, and what was written may be lost although it
///   still reads back.
/// - `try_lock` is a lock of the open file (not of the process): it excludes every other `file`
///   object, also of the same process, lapses when the file is closed, and converts a range that
///   the same `file` holds already. `false` = held by another.
/// - `rename` replaces a file or symlink atomically; `link` and `symlink` never replace (`exists`).
/// - A model may offer `free_space(path)`, the bytes that are free there for this process, and
///   `disk_size(path)`, what a file takes.
/// - `remove` takes a file, a symlink or an empty directory; `list` is sorted by name.
/// One that also has `void start_writeback(file&, Range) noexcept` is asked to begin writing what a
/// large file got so far, and to take no error away from the sync that follows.
template <class F>
concept file_system = std::copyable<F> && std::movable<typename F::file> &&
    requires(F const& fs,
             typename F::file& f,
             std::string const& p,
             std::uint64_t at,
             bytes_span into,
             bytes_view from) {
  { fs.open(p, Open::read) } -> std::same_as<result<typename F::file>>;
  { fs.read_at(f, at, into) } -> std::same_as<result<std::size_t>>;
  { fs.write_at(f, at, from) } -> std::same_as<result<void>>;
  { fs.size(f) } -> std::same_as<result<std::uint64_t>>;
  { fs.resize(f, at) } -> std::same_as<result<void>>;
  { fs.sync(f) } -> std::same_as<result<void>>;
  { fs.try_lock(f, Range{}, Mode::exclusive) } -> std::same_as<result<bool>>;
  { fs.unlock(f, Range{}) } -> std::same_as<result<void>>;
  { fs.identity(f) } -> std::same_as<result<FileId>>;
  { fs.identity(p) } -> std::same_as<result<FileId>>;
  { fs.make_directory(p) } -> std::same_as<result<void>>;
  { fs.sync_directory(p) } -> std::same_as<result<void>>;
  { fs.rename(p, p) } -> std::same_as<result<void>>;
  { fs.link(p, p) } -> std::same_as<result<void>>;
  { fs.symlink(p, p) } -> std::same_as<result<void>>;
  { fs.read_link(p) } -> std::same_as<result<std::string>>;
  { fs.remove(p) } -> std::same_as<result<void>>;
  { fs.list(p) } -> std::same_as<result<std::vector<Entry>>>;
};

HOLDFAST_END

#endif

// ------------ holdfast/file_ops.hpp
// Does over any file system the few things that need several calls: whole files, whole trees,
// paths.
#ifndef HOLDFAST_FILE_OPS_HPP
#define HOLDFAST_FILE_OPS_HPP

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] inline std::string join(std::string_view directory, std::string_view name) {
  std::string path{directory};
  if (!path.empty() && path.back() != '/') path += '/';
  return path.append(name);
}

/// The directory that holds `path`: "." for a bare name, "/" for what lies in the root.
[[nodiscard]] inline std::string parent_of(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  auto const slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string{path.substr(0, slash == 0 ? 1 : slash)};
}

/// Reads a whole file; `too_large` beyond `limit` bytes, before anything is allocated.
template <file_system Fs>
[[nodiscard]] result<bytes> read_file(Fs const& fs, std::string const& path, std::uint64_t limit) {
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(size, fs.size(file));
  if (size > limit) return failure(errc::too_large, "read", path);
  bytes content(static_cast<std::size_t>(size));
  HOLDFAST_TRY(got, fs.read_at(file, 0, content));
  content.resize(got);
  return content;
}

/// Asks for bytes that were written to be on their way to the disk while more are written. Nothing
/// but speed depends on it: a file system without the operation does without.
template <file_system Fs>
void start_writeback(Fs const& fs, typename Fs::file& file, Range range) noexcept {
  if constexpr (requires { fs.start_writeback(file, range); }) fs.start_writeback(file, range);
}

/// Makes all of `content` durable in an empty file, and gives its CRC32C, which is taken while the
/// disk is busy.
template <file_system Fs>
[[nodiscard]] result<std::uint32_t> write_durably(Fs const& fs,
                                                  typename Fs::file& file,
                                                  bytes_view content) {
  // Large enough to keep a disk busy, small enough that the sync has little left to wait for.
  constexpr std::size_t step = std::size_t{8} << 20;
  std::uint32_t crc = 0;
  std::uint64_t at = 0;
  for (; content.size() > step; content = content.subspan(step), at += step) {
    HOLDFAST_TRYV(fs.write_at(file, at, content.first(step)));
    start_writeback(fs, file, {at, step});
    crc = crc32c(content.first(step), crc);
  }
  HOLDFAST_TRYV(fs.write_at(file, at, content));
  HOLDFAST_TRYV(fs.sync(file));
  return crc32c(content, crc);
}

/// Opens a file to read and write, and makes it where there is none.
template <file_system Fs>
[[nodiscard]] result<typename Fs::file> open_or_create(Fs const& fs, std::string const& path) {
  auto opened = fs.open(path, Open::write);
  if (!opened && opened.error().code() == errc::not_found) opened = fs.open(path, Open::create);
  // Another made it in between.
  if (!opened && opened.error().code() == errc::exists) opened = fs.open(path, Open::write);
  return opened;
}

/// Makes a new file (`exists` if there is one) with this content and syncs it. Its name is durable
/// only after `sync_directory`.
template <file_system Fs>
[[nodiscard]] result<void> write_new_file(Fs const& fs,
                                          std::string const& path,
                                          bytes_view content) {
  HOLDFAST_TRY(file, fs.open(path, Open::create));
  HOLDFAST_TRYV(fs.write_at(file, 0, content));
  return fs.sync(file);
}

// Makes the name of a directory durable. A parent that may not be opened was not made by us, nor by
// a crashed run of ours.
template <file_system Fs>
[[nodiscard]] result<void> settle_directory(Fs const& fs, std::string const& path) {
  auto synced = fs.sync_directory(parent_of(path));
  if (!synced && synced.error().code() == errc::denied) return ok();
  return synced;
}

/// Makes the directory and every parent that is missing, each durable before the next is made. One
/// that exists already may be the last step of a run that crashed, so its name is made durable too.
template <file_system Fs>
[[nodiscard]] result<void> make_directories(Fs const& fs, std::string const& path) {
  auto const parent = parent_of(path);
  auto made = fs.make_directory(path);
  if (!made && made.error().code() == errc::not_found && parent != path) {
    HOLDFAST_TRYV(make_directories(fs, parent));
    made = fs.make_directory(path);
  } else if (made) {
    HOLDFAST_TRYV(settle_directory(fs, parent));
  }
  if (!made && made.error().code() != errc::exists) return made;
  return settle_directory(fs, path);
}

/// Anything of that name, a symlink too.
template <file_system Fs>
[[nodiscard]] result<bool> is_there(Fs const& fs, std::string const& path) {
  auto const found = fs.identity(path);
  if (!found && found.error().code() != errc::not_found) return failed(found);
  return found.has_value();
}

/// Removes a file, a symlink or an empty directory. Missing is fine.
template <file_system Fs>
[[nodiscard]] result<void> remove_if_there(Fs const& fs, std::string const& path) {
  auto removed = fs.remove(path);
  if (!removed && removed.error().code() == errc::not_found) return ok();
  return removed;
}

/// Removes a file, or a directory with all that is in it; symlinks are removed, never followed.
/// Missing is fine.
template <file_system Fs>
[[nodiscard]] result<void> remove_tree(Fs const& fs, std::string const& path, Entry::Kind kind) {
  if (kind == Entry::Kind::directory) {
    auto entries = fs.list(path);
    if (!entries) {
      if (entries.error().code() == errc::not_found) return ok();
      return failed(entries);
    }
    for (auto const& entry : entries.assume_value()) {
      HOLDFAST_TRYV(remove_tree(fs, join(path, entry.name), entry.kind));
    }
  }
  return remove_if_there(fs, path);
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/backend/file_tree.hpp
// Finds, measures and syncs every file below a folder, over any file system.
#ifndef HOLDFAST_BACKEND_FILE_TREE_HPP
#define HOLDFAST_BACKEND_FILE_TREE_HPP

HOLDFAST_BEGIN

namespace detail {
/// Adds every name below `folder` to `names`, relative to it, directories with a '/' at the end and
/// after all that is in them. What is neither file nor directory is `foreign`: it can't be sealed.
template <file_system Fs, class Skip>
[[nodiscard]] result<void> walk_tree(Fs const& fs,
                                     std::string const& folder,
                                     std::string const& below,
                                     Skip const& skip,
                                     std::vector<std::string>& names) {
  HOLDFAST_TRY(entries, fs.list(join(folder, below)));
  for (auto const& entry : entries) {
    auto const name = below + entry.name;
    if (skip(std::string_view{name})) continue;
    if (entry.kind == Entry::Kind::file) {
      names.push_back(name);
    } else if (entry.kind == Entry::Kind::directory) {
      HOLDFAST_TRYV(walk_tree(fs, folder, name + '/', skip, names));
      names.push_back(name + '/');
    } else {
      return failure(errc::foreign, "walk", join(folder, name));
    }
  }
  return ok();
}

/// What all files below `folder` take of the disk, while others may be writing there; nothing where
/// the file system can't tell.
template <file_system Fs>
[[nodiscard]] result<std::optional<std::uint64_t>> tree_size(Fs const& fs,
                                                             std::string const& folder) {
  if constexpr (!requires { fs.disk_size(folder); }) return std::optional<std::uint64_t>{};
  std::vector<std::string> names;
  auto const all = [](std::string_view) { return false; };
  HOLDFAST_TRYV(walk_tree(fs, folder, std::string{}, all, names));
  std::uint64_t sum = 0;
  for (auto const& name : names) {
    if (name.ends_with('/')) continue;
    if constexpr (requires { fs.disk_size(folder); }) {
      auto const size = fs.disk_size(join(folder, name));
      if (size) sum += size.assume_value();  // else it is gone by now
    }
  }
  return std::optional{sum};
}

/// CRC32C of a file's first `size` bytes; `damaged` if there are fewer.
template <file_system Fs>
[[nodiscard]] result<std::uint32_t> digest_file(Fs const& fs,
                                                typename Fs::file& file,
                                                std::uint64_t size,
                                                std::string const& path) {
  constexpr std::uint64_t step = std::uint64_t{256} << 10;  // stays in the second-level cache
  bytes buffer(static_cast<std::size_t>(std::min(step, size)));
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0; at < size; at += step) {
    auto const into = bytes_span{buffer}.first(static_cast<std::size_t>(std::min(step, size - at)));
    HOLDFAST_TRY(got, fs.read_at(file, at, into));
    if (got != into.size()) return failure(errc::damaged, "digest", path);
    crc = crc32c(into, crc);
  }
  return crc;
}

/// Copies a sealed file to a new name; `damaged` if size or digest are not what was sealed. Not
/// synced.
template <file_system Fs>
[[nodiscard]] result<void> copy_file(Fs const& fs,
                                     std::string const& from,
                                     std::string const& to,
                                     SealedFile const& sealed) {
  HOLDFAST_TRY(source, fs.open(from, Open::read));
  HOLDFAST_TRY(copy, fs.open(to, Open::create));
  constexpr std::uint64_t step = std::uint64_t{1} << 20;
  bytes buffer(static_cast<std::size_t>(std::min(step, sealed.size)));
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0; at < sealed.size; at += step) {
    auto const size = static_cast<std::size_t>(std::min(step, sealed.size - at));
    auto const part = bytes_span{buffer}.first(size);
    HOLDFAST_TRY(got, fs.read_at(source, at, part));
    if (got != size) return failure(errc::damaged, "copy", from);
    if (sealed.digest) crc = crc32c(part, crc);
    HOLDFAST_TRYV(fs.write_at(copy, at, part));
  }
  HOLDFAST_TRY(whole, fs.size(source));
  bool const same = whole == sealed.size && (!sealed.digest || crc == *sealed.digest);
  return same ? result<void>{ok()} : failure(errc::damaged, "copy", from);
}

/// Checks that a file is there with the size it was sealed with, and with the digest if asked.
template <file_system Fs>
[[nodiscard]] result<void> check_file(Fs const& fs,
                                      std::string const& path,
                                      SealedFile const& sealed,
                                      bool with_digest) {
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(size, fs.size(file));
  if (size != sealed.size) return failure(errc::damaged, "check size", path);
  if (!with_digest || !sealed.digest) return ok();
  HOLDFAST_TRY(digest, digest_file(fs, file, size, path));
  if (digest != *sealed.digest) return failure(errc::damaged, "check digest", path);
  return ok();
}

/// Reads a whole sealed file; `damaged` if size or digest are not what was sealed.
template <file_system Fs>
[[nodiscard]] result<bytes> read_sealed(Fs const& fs,
                                        std::string const& path,
                                        SealedFile const& sealed) {
  auto content = read_file(fs, path, sealed.size);
  if (!content) {
    auto const code = content.error().code();
    bool const damage = code == errc::too_large || code == errc::not_found;
    if (damage) return failure(errc::damaged, "read", path);
    return failed(content);
  }
  auto const& bytes = content.assume_value();
  bool const same =
      bytes.size() == sealed.size && (!sealed.digest || crc32c(bytes) == *sealed.digest);
  if (!same) return failure(errc::damaged, "read", path);
  return content;
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/backend/build_notes.hpp
// Keeps beside an unsealed generation how far its build is, and brings the folder back to that.
//
// The file .holdfast-note: a SEAL of what was durable then, the words, u64 size of the SEAL,
// CRC32C. The order of effects of a note:
//   1. every file, then every directory     what the note will name is durable first
//   2. the note under another name          synced
//   3. rename, sync of the folder           a crash leaves the note before, or this one
// To resume is to remove what the note does not name, and to cut what has grown since.
#ifndef HOLDFAST_BACKEND_BUILD_NOTES_HPP
#define HOLDFAST_BACKEND_BUILD_NOTES_HPP

HOLDFAST_BEGIN

namespace detail {
inline constexpr std::string_view note_name = ".holdfast-note";
inline constexpr std::string_view new_note_name = ".holdfast-note.new";
inline constexpr std::size_t note_limit = std::size_t{64} << 10;  // bytes of the words

[[nodiscard]] constexpr bool is_note(std::string_view name) noexcept {
  return name == note_name || name == new_note_name;
}

struct BuildNote {
  Seal durable;
  bytes words;
};
[[nodiscard]] inline bytes encode_note(BuildNote const& note) {
  auto out = encode_seal(note.durable);
  auto const size = std::uint64_t{out.size()};
  out.insert(out.end(), note.words.begin(), note.words.end());
  auto const end = out.size();
  out.resize(end + 12);
  put_le(bytes_span{out}, end, size);
  put_le(bytes_span{out}, end + 8, crc32c(bytes_view{out}.first(end + 8)));
  return out;
}
/// `path` is for the error alone.
[[nodiscard]] inline result<BuildNote> decode_note(bytes_view from, std::string_view path) {
  auto const damaged = [&] { return failure(errc::damaged, "read the note of a build", path); };
  if (from.size() < 12) return damaged();
  auto const end = from.size() - 12;
  if (crc32c(from.first(end + 8)) != get_le<std::uint32_t>(from, end + 8)) return damaged();
  auto const size = get_le<std::uint64_t>(from, end);
  if (size > end) return damaged();
  HOLDFAST_TRY(durable, decode_seal(from.first(static_cast<std::size_t>(size)), path));
  auto const words = from.subspan(static_cast<std::size_t>(size), end - size);
  return BuildNote{std::move(durable), {words.begin(), words.end()}};
}

// Makes one file of the build durable, and says of it what a note does. A digest that was not taken
// by the library may be of a file that goes on to grow: it is not kept.
template <file_system Fs>
[[nodiscard]] result<SealedFile> settle_for_note(Fs const& fs,
                                                 Building const& building,
                                                 std::string const& name) {
  auto const path = join(building.path, name);
  if (name.ends_with('/')) {
    HOLDFAST_TRYV(fs.sync_directory(path));
    return SealedFile{name, 0, std::nullopt};
  }
  auto const known = building.known.find(name);
  if (known != building.known.end()) return known->second;
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(size, fs.size(file));  // first: what comes meanwhile may not be durable
  HOLDFAST_TRYV(fs.sync(file));
  return SealedFile{name, size, std::nullopt};
}

template <file_system Fs>
[[nodiscard]] result<void> write_note(Fs const& fs, Building& building, bytes_view words) {
  HOLDFAST_TRYV(building.writable());
  if (building.sealing) return failure(errc::spent, "note: a seal was begun", building.path);
  if (words.size() > note_limit) return failure(errc::too_large, "note", building.path);
  BuildNote note{{.generation = building.generation, .parent = {}, .files = {}},
                 {words.begin(), words.end()}};
  std::vector<std::string> names;
  HOLDFAST_TRYV(walk_tree(fs, building.path, std::string{}, is_note, names));
  for (auto const& name : names) {
    HOLDFAST_TRY(file, settle_for_note(fs, building, name));
    note.durable.files.push_back(std::move(file));
  }
  std::sort(note.durable.files.begin(), note.durable.files.end(),
            [](SealedFile const& a, SealedFile const& b) { return a.name < b.name; });
  HOLDFAST_TRYV(fs.sync_directory(building.path));
  HOLDFAST_TRYV(fs.sync_directory(parent_of(building.path)));
  auto const fresh = join(building.path, new_note_name);
  HOLDFAST_TRYV(remove_if_there(fs, fresh));
  auto const encoded = encode_note(note);
  if (encoded.size() > seal_limit) return failure(errc::too_large, "note", building.path);
  building.notes = true;
  HOLDFAST_TRYV(write_new_file(fs, fresh, encoded));
  HOLDFAST_TRYV(fs.rename(fresh, join(building.path, note_name)));
  HOLDFAST_TRYV(fs.sync_directory(building.path));
  building.noted = std::move(note.words);
  return ok();
}

template <file_system Fs>
[[nodiscard]] result<void> cut_to_note(Fs const& fs,
                                       std::string const& path,
                                       SealedFile const& noted) {
  HOLDFAST_TRY(file, fs.open(path, Open::write));
  HOLDFAST_TRY(size, fs.size(file));
  if (size < noted.size) return failure(errc::damaged, "resume: shorter than it was", path);
  if (size == noted.size) return ok();
  HOLDFAST_TRYV(fs.resize(file, noted.size));
  return fs.sync(file);
}

template <file_system Fs>
[[nodiscard]] result<void> remove_notes(Fs const& fs, std::string const& folder) {
  HOLDFAST_TRYV(remove_if_there(fs, join(folder, new_note_name)));
  return remove_if_there(fs, join(folder, note_name));
}

/// The folder as it was at its last note. `not_found` where there is none, `damaged` where
/// something that it names is gone.
template <file_system Fs>
[[nodiscard]] result<Building> resume_build(Fs const& fs, std::string const& path, Generation g) {
  HOLDFAST_TRY(sealed, is_there(fs, join(path, "SEAL")));
  if (sealed) return failure(errc::not_found, "resume: it was sealed", path);
  HOLDFAST_TRY(content, read_file(fs, join(path, note_name), seal_limit + note_limit));
  HOLDFAST_TRY(note, decode_note(content, path));
  if (note.durable.generation != g) return failure(errc::damaged, "a note of another", path);
  Building made{.generation = g, .path = path};
  std::vector<std::string> names;
  HOLDFAST_TRYV(walk_tree(fs, path, std::string{}, is_note, names));
  std::size_t found = 0;
  for (auto const& name : names) {
    auto const* const file = note.durable.find(name);
    bool const folder = name.ends_with('/');
    auto const at = join(path, folder ? name.substr(0, name.size() - 1) : name);
    if (file == nullptr) {
      HOLDFAST_TRYV(fs.remove(at));  // a folder comes after all that is in it
      continue;
    }
    ++found;
    if (folder) continue;
    HOLDFAST_TRYV(cut_to_note(fs, at, *file));
    if (file->digest) made.known.insert_or_assign(name, *file);
  }
  if (found != note.durable.files.size()) return failure(errc::damaged, "resume: lost files", path);
  // Who noted it may have been killed before its name was durable.
  HOLDFAST_TRYV(fs.sync_directory(path));
  made.notes = true;
  made.noted = std::move(note.words);
  return made;
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/backend/free_space.hpp
// Says what is free where a store keeps, or will keep, its generations.
#ifndef HOLDFAST_BACKEND_FREE_SPACE_HPP
#define HOLDFAST_BACKEND_FREE_SPACE_HPP

HOLDFAST_BEGIN

namespace detail {
/// Leaves `space` as it is where the file system can't tell.
template <file_system Fs>
[[nodiscard]] result<void> measure_free([[maybe_unused]] Fs const& fs,
                                        [[maybe_unused]] std::string const& root,
                                        [[maybe_unused]] Space& space) {
  if constexpr (requires { fs.free_space(root); }) {
    auto path = root;
    auto place = fs.identity(path);
    while (!place && place.error().code() == errc::not_found && path != ".") {
      path = parent_of(path);  // the root is made with the first generation
      place = fs.identity(path);
    }
    HOLDFAST_TRY(found, std::move(place));
    HOLDFAST_TRY(free, fs.free_space(path));
    space.free = free;
    space.device = found.device;
  }
  return ok();
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/backend/generation_folder.hpp
// Says how the folder of a generation is named, and which one an outside name gives.
#ifndef HOLDFAST_BACKEND_GENERATION_FOLDER_HPP
#define HOLDFAST_BACKEND_GENERATION_FOLDER_HPP

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] inline std::string folder_of(Generation g) {
  auto digits = std::to_string(g.number);
  return digits.size() < 10 ? std::string(10 - digits.size(), '0') + digits : digits;
}

[[nodiscard]] inline std::optional<Generation> generation_of(std::string_view folder) {
  Generation g;
  for (char const c : folder) {
    if (c < '0' || c > '9') return std::nullopt;
    g.number = g.number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  // Whatever wraps around, or has other zeros than ours, does not come back the same.
  if (g.number == 0 || folder_of(g) != folder) return std::nullopt;
  return g;
}

/// Is this symlink an outside name, and not one on its way?
[[nodiscard]] inline bool is_outside_name(std::string_view link) noexcept {
  return link.starts_with("current") && !link.ends_with(".next");
}
/// The generation that a symlink beside the folders leads into.
[[nodiscard]] inline std::optional<Generation> generation_named_by(std::string_view target) {
  return generation_of(target.substr(0, target.find('/')));
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/backend/outside_names.hpp
// Gives generations their fixed outside names: symlinks beside the folders, for foreign readers.
#ifndef HOLDFAST_BACKEND_OUTSIDE_NAMES_HPP
#define HOLDFAST_BACKEND_OUTSIDE_NAMES_HPP

HOLDFAST_BEGIN

namespace detail {
// Refuses a name that is taken by anything but our symlink, or has companions beside either end.
template <file_system Fs>
[[nodiscard]] result<void> check_link(Fs const& fs,
                                      std::string const& root,
                                      Seal const& seal,
                                      PublishedName const& as) {
  for (bool const inside : {false, true}) {
    if (inside && seal.updates) continue;  // what lies beside the data there does belong to it
    auto const folder = inside ? join(root, folder_of(seal.generation)) : root;
    auto const& end = inside ? as.inner : as.link;
    HOLDFAST_TRY(entries, fs.list(folder));
    for (auto const& entry : entries) {
      bool const ours = !inside && (entry.name == end || entry.name == end + ".next");
      bool const taken = ours && entry.kind != Entry::Kind::symlink;
      bool const companion =
          std::any_of(as.beside.begin(), as.beside.end(),
                      [&](std::string const& suffix) { return entry.name == end + suffix; });
      if (taken || companion) {
        return failure(errc::exists, "publish", join(folder, entry.name));
      }
    }
  }
  return ok();
}

/// Points the symlink at a sealed generation; replaces nothing but a symlink.
template <file_system Fs>
[[nodiscard]] result<void> publish_folder(Fs const& fs,
                                          std::string const& root,
                                          Seal const& seal,
                                          PublishedName const& as) {
  HOLDFAST_TRYV(check_link(fs, root, seal, as));
  auto const fresh = join(root, as.link + ".next");
  auto const target =
      as.inner.empty() ? folder_of(seal.generation) : join(folder_of(seal.generation), as.inner);
  // A crash may have left the symlink that was to be renamed; check_link saw that it is one.
  HOLDFAST_TRYV(remove_if_there(fs, fresh));
  HOLDFAST_TRYV(fs.symlink(target, fresh));
  // One rename: a foreign reader finds the old or the new generation, at every moment.
  HOLDFAST_TRYV(fs.rename(fresh, join(root, as.link)));
  return fs.sync_directory(root);
}

/// The newest that an outside name gives: it was surely committed, and may be gone.
template <file_system Fs>
[[nodiscard]] result<std::optional<Generation>> published_folder(Fs const& fs,
                                                                 std::string const& root) {
  std::optional<Generation> newest;
  auto entries = fs.list(root);
  if (!entries && entries.error().code() == errc::not_found) return newest;
  if (!entries) return failed(entries);
  for (auto const& entry : entries.assume_value()) {
    if (entry.kind != Entry::Kind::symlink || !is_outside_name(entry.name)) continue;
    HOLDFAST_TRY(target, fs.read_link(join(root, entry.name)));
    newest = std::max(newest, generation_named_by(target));  // nothing is the least
  }
  return newest;
}

// Where a later publish failed, an outside name may still give g: foreign readers must not find
// it gone.
template <file_system Fs>
[[nodiscard]] result<void> check_unpublished(Fs const& fs, std::string const& root, Generation g) {
  HOLDFAST_TRY(entries, fs.list(root));
  auto const folder = folder_of(g);
  bool named = false;
  for (auto const& entry : entries) {
    if (entry.kind != Entry::Kind::symlink) continue;
    named = true;
    auto const path = join(root, entry.name);
    HOLDFAST_TRY(target, fs.read_link(path));
    if (target == folder || target.starts_with(folder + '/')) {
      return failure(errc::pinned, "drop what is published", path);
    }
  }
  // Whoever gave the name elsewhere may have been killed before that was durable: a power cut
  // would bring it back to what is dropped now.
  return named ? fs.sync_directory(root) : result<void>{ok()};
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/posix.hpp
// The production file system: POSIX calls, with the locks of an open file that Linux has.
#ifndef HOLDFAST_POSIX_HPP
#define HOLDFAST_POSIX_HPP

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] constexpr errc errc_of(int number) noexcept {
  switch (number) {
    case ENOENT:
      return errc::not_found;
    case EEXIST:
      return errc::exists;
    case ENOTEMPTY:
      return errc::exists;
    case EACCES:
      return errc::denied;
    case EPERM:
      return errc::denied;
    case EROFS:
      return errc::read_only;
    case ENOSPC:
      return errc::no_space;
    case EDQUOT:
      return errc::no_space;
    case EFBIG:
      return errc::too_large;
    case EMFILE:
      return errc::too_many_files;
    case ENFILE:
      return errc::too_many_files;
    case ENOMEM:
      return errc::no_memory;
    case ELOOP:
      return errc::foreign;  // a symlink stands where a file of ours should
    case ENOTDIR:
      return errc::invalid;
    case EISDIR:
      return errc::invalid;
    case ENAMETOOLONG:
      return errc::invalid;
    case ENOLCK:
      return errc::no_locks;
    default:
      return errc::io;
  }
}

[[nodiscard]] inline auto os_error(char const* where, std::string const& path) noexcept {
  int const number = errno;
  return failure(errc_of(number), where, path, number);
}
[[nodiscard]] inline auto sync_error(char const* where, std::string const& path) noexcept {
  return failure(errc::sync_failed, where, path, errno);
}

template <class Call>
auto retry(Call call) {
  auto answer = call();
  while (answer < 0 && errno == EINTR) answer = call();
  return answer;
}
}  // namespace detail

/// Files of the operating system. Stateless; thread-safe as the system calls are. Descriptors are
/// close-on-exec.
struct Posix {
  /// An open descriptor; closes itself. Keeps its path for error messages.
  class file {
   public:
    file() = default;
    file(int fd, std::string path) noexcept : path_{std::move(path)}, fd_{fd} {}
    file(file&& other) noexcept
        : path_{std::move(other.path_)}, fd_{std::exchange(other.fd_, -1)} {}
    file& operator=(file&& other) noexcept {
      std::swap(fd_, other.fd_);
      std::swap(path_, other.path_);
      return *this;
    }
    ~file() {
      if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int descriptor() const noexcept { return fd_; }
    [[nodiscard]] std::string const& path() const noexcept { return path_; }

   private:
    std::string path_;
    int fd_ = -1;
  };

  [[nodiscard]] result<file> open(std::string const& path, Open how) const {
    int const flags = how == Open::read    ? O_RDONLY
                      : how == Open::write ? O_RDWR
                                           : O_RDWR | O_CREAT | O_EXCL;
    int const fd =
        detail::retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0666); });
    if (fd < 0) return detail::os_error("open", path);
    return file{fd, path};
  }

  [[nodiscard]] result<std::size_t> read_at(file& f, std::uint64_t at, bytes_span into) const {
    std::size_t done = 0;
    while (done < into.size()) {
      auto const got = detail::retry([&] {
        return ::pread(f.descriptor(), into.data() + done, into.size() - done, off(at + done));
      });
      if (got < 0) return detail::os_error("read", f.path());
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  [[nodiscard]] result<void> write_at(file& f, std::uint64_t at, bytes_view from) const {
    std::size_t done = 0;
    while (done < from.size()) {
      auto const put = detail::retry([&] {
        return ::pwrite(f.descriptor(), from.data() + done, from.size() - done, off(at + done));
      });
      if (put < 0) return detail::os_error("write", f.path());
      done += static_cast<std::size_t>(put);
    }
    return ok();
  }

  /// The first bytes of a file, in memory; gives them back when it ends.
  class mapping {
   public:
    explicit mapping(bytes_view content) noexcept : content_{content} {}
    mapping(mapping&& other) noexcept : content_{std::exchange(other.content_, {})} {}
    mapping& operator=(mapping&& other) noexcept {
      std::swap(content_, other.content_);
      return *this;
    }
    ~mapping() {
      if (content_.data() == nullptr) return;
      ::munmap(const_cast<std::byte*>(content_.data()), content_.size());
    }
    [[nodiscard]] bytes_view content() const noexcept { return content_; }

   private:
    bytes_view content_;
  };
  /// Maps `size` bytes, of which the file must have all for as long as they are mapped. What the
  /// disk can't read then is no error but SIGBUS, at the first touch.
  [[nodiscard]] result<mapping> map(file& f, std::uint64_t size) const {
    if (size == 0) return mapping{{}};
    auto const whole = static_cast<std::size_t>(size);
    void* const at = ::mmap(nullptr, whole, PROT_READ, MAP_SHARED, f.descriptor(), 0);
    if (at == MAP_FAILED) return detail::os_error("map", f.path());
    return mapping{bytes_view{static_cast<std::byte const*>(at), whole}};
  }

  [[nodiscard]] result<std::uint64_t> size(file& f) const {
    struct stat status {};
    if (::fstat(f.descriptor(), &status) != 0) return detail::os_error("stat", f.path());
    return static_cast<std::uint64_t>(status.st_size);
  }

  [[nodiscard]] result<void> resize(file& f, std::uint64_t size) const {
    if (detail::retry([&] { return ::ftruncate(f.descriptor(), off(size)); }) != 0) {
      return detail::os_error("resize", f.path());
    }
    return ok();
  }

  // fdatasync writes the size too when it changed; only times are left behind. Never retried: a
  // second call answers success for pages that the first one dropped.
  [[nodiscard]] result<void> sync(file& f) const {
    if (::fdatasync(f.descriptor()) != 0) return detail::sync_error("sync", f.path());
    return ok();
  }

  // Starts to write without waiting; a size of 0 is up to the end. Takes no error away from the
  // sync that follows: the kernel tells a failed write-back to those that wait for it.
  void start_writeback(file& f, Range range) const noexcept {
    ::sync_file_range(f.descriptor(), off(range.at), off(range.size), SYNC_FILE_RANGE_WRITE);
  }

  [[nodiscard]] result<bool> try_lock(file& f, Range range, Mode mode) const {
    short const type = mode == Mode::shared ? F_RDLCK : F_WRLCK;
    if (set_lock(f, range, type) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    auto const number = errno;
    bool const unsupported = number == EINVAL || number == EOPNOTSUPP || number == ENOLCK;
    return failure(unsupported ? errc::no_locks : detail::errc_of(number), "lock", f.path(),
                   number);
  }

  [[nodiscard]] result<void> unlock(file& f, Range range) const {
    if (set_lock(f, range, F_UNLCK) != 0) return detail::os_error("unlock", f.path());
    return ok();
  }

  /// Does another open file, in whatever process, hold a lock on any of it? Only looks, and needs
  /// no permission to write.
  [[nodiscard]] result<bool> is_locked(file& f, Range range) const {
    auto lock = lock_of(range, F_WRLCK);
    if (::fcntl(f.descriptor(), F_OFD_GETLK, &lock) != 0) {
      return detail::os_error("look at locks", f.path());
    }
    return lock.l_type != F_UNLCK;
  }

  [[nodiscard]] result<FileId> identity(file& f) const {
    return identity_at(f.descriptor(), "", AT_EMPTY_PATH, f.path());
  }
  [[nodiscard]] result<FileId> identity(std::string const& path) const {
    return identity_at(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, path);
  }

  /// The two names change places in one step.
  [[nodiscard]] result<void> exchange(std::string const& a, std::string const& b) const {
    if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return ok();
    return detail::os_error("exchange", b);
  }
  /// Bytes that this process may still write below `path`.
  [[nodiscard]] result<std::uint64_t> free_space(std::string const& path) const {
    struct statvfs seen {};
    if (::statvfs(path.c_str(), &seen) != 0) return detail::os_error("statvfs", path);
    return std::uint64_t{seen.f_bavail} * seen.f_frsize;
  }

  /// What a file takes of the disk, without opening it: closing it would drop a database's locks.
  [[nodiscard]] result<std::uint64_t> disk_size(std::string const& path) const {
    struct stat seen {};
    if (::lstat(path.c_str(), &seen) != 0) return detail::os_error("stat", path);
    return static_cast<std::uint64_t>(seen.st_blocks) * 512;
  }

  [[nodiscard]] result<void> make_directory(std::string const& path) const {
    if (::mkdir(path.c_str(), 0777) != 0) return detail::os_error("make directory", path);
    return ok();
  }

  [[nodiscard]] result<void> sync_directory(std::string const& path) const {
    int const fd =
        detail::retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return detail::os_error("open directory", path);
    file const closer{fd, path};
    if (::fsync(fd) != 0) return detail::sync_error("sync directory", path);
    return ok();
  }

  [[nodiscard]] result<void> rename(std::string const& from, std::string const& to) const {
    if (::rename(from.c_str(), to.c_str()) != 0) return detail::os_error("rename", from);
    return ok();
  }
  [[nodiscard]] result<void> link(std::string const& from, std::string const& to) const {
    if (::link(from.c_str(), to.c_str()) != 0) return detail::os_error("link", to);
    return ok();
  }
  [[nodiscard]] result<void> symlink(std::string const& target, std::string const& at) const {
    if (::symlink(target.c_str(), at.c_str()) != 0) return detail::os_error("symlink", at);
    return ok();
  }
  [[nodiscard]] result<std::string> read_link(std::string const& path) const {
    std::string target(4096, '\0');
    ssize_t const size = ::readlink(path.c_str(), target.data(), target.size());
    if (size < 0) return detail::os_error("read link", path);
    target.resize(static_cast<std::size_t>(size));
    return target;
  }
  [[nodiscard]] result<void> remove(std::string const& path) const {
    if (::unlink(path.c_str()) == 0) return ok();
    if (errno == EISDIR && ::rmdir(path.c_str()) == 0) return ok();
    return detail::os_error("remove", path);
  }

  [[nodiscard]] result<std::vector<Entry>> list(std::string const& path) const {
    DIR* const directory = ::opendir(path.c_str());
    if (directory == nullptr) return detail::os_error("list", path);
    struct Closer {
      DIR* open;
      ~Closer() { ::closedir(open); }
    } const closer{directory};
    std::vector<Entry> entries;
    for (errno = 0; dirent* const entry = ::readdir(directory); errno = 0) {
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      auto const kind = kind_of(*entry, path);
      entries.push_back({std::move(name), kind});
    }
    if (errno != 0) return detail::os_error("list", path);
    std::sort(entries.begin(), entries.end());
    return entries;
  }

 private:
  // Asks for the inode alone. A stat() asks for times too, and since Linux 6.13 the next write then
  // notes its time exactly, which makes the sync after it half as dear again.
  static result<FileId> identity_at(int at, char const* name, int flags, std::string const& path) {
    struct statx status {};
    if (::statx(at, name, flags, STATX_INO, &status) != 0) return detail::os_error("stat", path);
    return FileId{std::uint64_t{status.stx_dev_major} << 32 | status.stx_dev_minor, status.stx_ino};
  }

  static off_t off(std::uint64_t at) noexcept { return static_cast<off_t>(at); }

  static struct flock lock_of(Range range, short type) noexcept {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = off(range.at);
    lock.l_len = off(range.size);
    return lock;
  }
  static int set_lock(file& f, Range range, short type) {
    auto lock = lock_of(range, type);
    return detail::retry([&] { return ::fcntl(f.descriptor(), F_OFD_SETLK, &lock); });
  }

  static Entry::Kind kind_of(dirent const& entry, std::string const& parent) {
    switch (entry.d_type) {
      case DT_REG:
        return Entry::Kind::file;
      case DT_DIR:
        return Entry::Kind::directory;
      case DT_LNK:
        return Entry::Kind::symlink;
      case DT_UNKNOWN:
        break;  // some file systems don't tell: ask for each
      default:
        return Entry::Kind::other;
    }
    struct stat status {};
    if (::lstat((parent + '/' + entry.d_name).c_str(), &status) != 0) return Entry::Kind::other;
    return S_ISREG(status.st_mode)   ? Entry::Kind::file
           : S_ISDIR(status.st_mode) ? Entry::Kind::directory
           : S_ISLNK(status.st_mode) ? Entry::Kind::symlink
                                     : Entry::Kind::other;
  }
};
static_assert(file_system<Posix>);

HOLDFAST_END

#endif

// ------------ holdfast/backend/sealed_directory.hpp
// Keeps a folder of generations, each a folder that counts from the moment its SEAL is durable.
//
// home/name/0000000007/...  what the generation holds
// home/name/0000000007/SEAL its number, names, sizes and digests; without it: `unsealed`
// home/name/0000000007/UPDATED what it holds has changed since: the number alone counts
// home/name/current         a symlink for foreign readers, only if published
//
// Invariants: what a SEAL names was synced before the SEAL was made. No name is ever used again
// while something of it remains. Nothing but numbered folders is listed or dropped. UPDATED is
// durable before the first change, and made only where the SEAL says that updates are taken.
#ifndef HOLDFAST_BACKEND_SEALED_DIRECTORY_HPP
#define HOLDFAST_BACKEND_SEALED_DIRECTORY_HPP

HOLDFAST_BEGIN

/// The folders of a store's generations under one root.
template <file_system Fs>
class SealedDirectory {
 public:
  /// Tells names (relative to the generation's folder) that are not its data: neither sealed nor
  /// judged.
  using Ignored = bool (*)(std::string_view name);
  static constexpr std::string_view seal_name = "SEAL";
  static constexpr std::string_view updated_name = "UPDATED";

  /// `passing` tells names that come and go while a generation takes updates: neither sealed nor
  /// judged there.
  explicit SealedDirectory(std::string name,
                           Fs fs = {},
                           Ignored ignored = nullptr,
                           Ignored passing = nullptr)
      : name_{std::move(name)}, fs_{std::move(fs)}, ignored_{ignored}, passing_{passing} {}

  void place(std::string const& home) { root_ = detail::join(home, name_); }
  [[nodiscard]] std::string const& name() const noexcept { return name_; }
  [[nodiscard]] Fs const& files() const noexcept { return fs_; }
  [[nodiscard]] std::string path_of(Generation g) const {
    return detail::join(*root_, detail::folder_of(g));
  }

  /// Makes the empty folder of g; any remains of an earlier g are `exists`.
  [[nodiscard]] result<Building> create(Generation g) {
    HOLDFAST_TRYV(usable("create"));
    if (g.number == 0) return failure(errc::invalid, "create generation 0", name_);
    HOLDFAST_TRYV(detail::make_directories(fs_, *root_));
    Building made{.generation = g, .path = path_of(g)};
    HOLDFAST_TRYV(fs_.make_directory(made.path));
    return made;
  }

  /// Makes the folder of g with all that `from` holds under `source`, checked on its way against
  /// the digests. What `shares` accepts is never written again by anyone, and becomes a second name
  /// of the same file.
  [[nodiscard]] result<Building> copy(SealedDirectory const& source,
                                      Generation from,
                                      Generation g,
                                      Ignored shares = nullptr) {
    HOLDFAST_TRY(seal, source.open(from, false));
    HOLDFAST_TRYV(source.check_unchanged(seal));
    HOLDFAST_TRY(made, create(g));
    auto const old = source.path_of(from);
    for (auto const& file : seal.files) {  // in ascending order: a folder before what is in it
      auto const to = detail::join(made.path, file.name);
      if (file.name.ends_with('/')) {
        HOLDFAST_TRYV(fs_.make_directory(to.substr(0, to.size() - 1)));
      } else if (shares != nullptr && shares(file.name)) {
        HOLDFAST_TRYV(fs_.link(detail::join(old, file.name), to));
      } else {
        HOLDFAST_TRYV(detail::copy_file(fs_, detail::join(old, file.name), to, file));
      }
    }
    // A first update in between made UPDATED before it changed anything.
    auto const unchanged = source.check_unchanged(seal);
    if (unchanged) return std::move(made);
    static_cast<void>(drop(g));  // why it failed is what counts
    return detail::failed(unchanged);
  }

  /// Idempotent. May be tried again after any failure but `sync_failed`, which stays.
  [[nodiscard]] result<void> seal(Building& building, Digest digest) {
    if (building.sealed) return ok();
    HOLDFAST_TRYV(building.writable());
    HOLDFAST_TRYV(building.note(write_seal(building, digest)));
    building.sealed = true;
    return ok();
  }

  /// The seal of g, if the folder holds exactly what it says. Of one that takes updates the names
  /// alone, and once it has taken one the number: a database locks its files through what it has
  /// open, and would lose those locks if they were opened and closed here.
  [[nodiscard]] result<Seal> open(Generation g, bool check_digests) const {
    HOLDFAST_TRY(seal, seal_of(g));
    HOLDFAST_TRY(before, has_changed(seal));
    if (before) return std::move(seal);
    auto const whole = check_content(seal, check_digests);
    if (whole) return std::move(seal);
    // The first update may have come in between.
    HOLDFAST_TRY(since, has_changed(seal));
    if (since) return std::move(seal);
    return detail::failed(whole);
  }

  /// Was g sealed so that it takes updates?
  [[nodiscard]] result<bool> updates(Generation g) const {
    HOLDFAST_TRY(seal, seal_of(g));
    return seal.updates;
  }
  /// Has it taken any, or was it about to?
  [[nodiscard]] result<bool> updated(Generation g) const {
    HOLDFAST_TRY(seal, seal_of(g));
    return has_changed(seal);
  }
  /// To be called before the first change of what g holds; durable on return. Again is a success.
  [[nodiscard]] result<void> begin_updates(Generation g) {
    HOLDFAST_TRY(seal, seal_of(g));
    if (!seal.updates) {
      return failure(errc::invalid, "apply: sealed without the option `updates`", path_of(g));
    }
    auto const path = detail::join(path_of(g), updated_name);
    auto file = fs_.open(path, Open::create);
    // One that is there may not be durable: whoever made it may have died before its sync.
    if (!file && file.error().code() == errc::exists) file = fs_.open(path, Open::write);
    HOLDFAST_TRYV(std::move(file));
    constexpr std::string_view text = "changed in place since it was sealed\n";
    HOLDFAST_TRYV(fs_.write_at(file.assume_value(), 0, as_bytes(text)));
    HOLDFAST_TRYV(fs_.sync(file.assume_value()));
    return fs_.sync_directory(path_of(g));
  }

  /// Checks every file as well as the SEAL allows, and says how well that is.
  [[nodiscard]] result<Verified> verify(Generation g) const {
    HOLDFAST_TRY(seal, seal_of(g));
    bool const undigested = detail::has_undigested(seal);
    HOLDFAST_TRYV(open(g, !undigested));
    if (seal.updates) return Verified::identity;
    return undigested ? Verified::names_and_sizes : Verified::digests;
  }

  /// Of generation 0: what a new one would find. What updates added is not counted.
  [[nodiscard]] result<Space> space(Generation g) const {
    HOLDFAST_TRYV(usable("measure"));
    Space space{.device = 0, .free = ~std::uint64_t{0}, .used = 0};
    if (g.number != 0) {
      auto const seal = seal_of(g);
      auto const code = seal ? errc::unknown : seal.error().code();
      bool const none = code == errc::damaged || code == errc::unsealed || code == errc::not_found;
      if (!seal && !none) return detail::failed(seal);  // damage takes no room, and blocks no build
      if (seal) {
        for (auto const& file : seal.assume_value().files) space.used += file.size;
      }
    }
    HOLDFAST_TRYV(detail::measure_free(fs_, *root_, space));
    return space;
  }

  /// Missing is a success too, but made durable: a crashed predecessor's removal may not be. What a
  /// published name still gives is `pinned`.
  [[nodiscard]] result<void> drop(Generation g) {
    HOLDFAST_TRYV(usable("drop"));
    auto const found = find(g);
    if (!found && found.error().code() == errc::not_found) {
      auto synced = fs_.sync_directory(*root_);
      bool const no_root = !synced && synced.error().code() == errc::not_found;
      return no_root ? result<void>{ok()} : synced;
    }
    if (!found) return detail::failed(found);
    HOLDFAST_TRYV(detail::check_unpublished(fs_, *root_, g));
    auto const path = path_of(g);
    // The SEAL goes first and durably: from here on, whatever a crash leaves reads as unsealed.
    HOLDFAST_TRY(entries, fs_.list(path));
    for (auto const& entry : entries) {
      if (entry.name != seal_name) continue;
      HOLDFAST_TRYV(detail::remove_tree(fs_, detail::join(path, entry.name), entry.kind));
    }
    HOLDFAST_TRYV(fs_.sync_directory(path));
    HOLDFAST_TRYV(detail::remove_tree(fs_, path, Entry::Kind::directory));
    return fs_.sync_directory(*root_);
  }

  /// Every numbered folder, sealed or not, ascending.
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    HOLDFAST_TRYV(usable("list generations"));
    std::vector<Generation> found;
    auto entries = fs_.list(*root_);
    if (!entries && entries.error().code() == errc::not_found) return found;
    if (!entries) return detail::failed(entries);
    for (auto const& entry : entries.assume_value()) {
      auto const g = detail::generation_of(entry.name);
      if (g && entry.kind == Entry::Kind::directory) found.push_back(*g);
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  /// Points the symlink at g, which must be sealed; replaces nothing but a symlink.
  [[nodiscard]] result<void> publish(Generation g, PublishedName const& as) {
    HOLDFAST_TRY(seal, seal_of(g));
    return detail::publish_folder(fs_, *root_, seal, as);
  }

  /// The newest that an outside name gives: it was surely committed, and may be gone.
  [[nodiscard]] result<std::optional<Generation>> published() const {
    HOLDFAST_TRYV(usable("read outside names"));
    return detail::published_folder(fs_, *root_);
  }

  /// `invalid` before `place`, or if the name is no plain name.
  [[nodiscard]] result<void> usable(char const* where) const {
    bool const plain = detail::is_relative_name(name_) && name_.find('/') == std::string::npos;
    if (plain && root_) return ok();
    return failure(errc::invalid, where, plain ? name_ + ": place(home) comes first" : name_);
  }

 private:
  [[nodiscard]] bool skips(std::string_view name, bool updates) const {
    if (updates && (name == updated_name || (passing_ != nullptr && passing_(name)))) return true;
    return name == seal_name || (ignored_ != nullptr && ignored_(name));
  }

  [[nodiscard]] result<bool> has_changed(Seal const& seal) const {
    if (!seal.updates) return false;
    auto const there = fs_.identity(detail::join(path_of(seal.generation), updated_name));
    if (!there && there.error().code() != errc::not_found) return detail::failed(there);
    return there.has_value();
  }
  // Its files are being written to: one after the other they are of no one instant.
  [[nodiscard]] result<void> check_unchanged(Seal const& seal) const {
    HOLDFAST_TRY(changed, has_changed(seal));
    if (!changed) return ok();
    return failure(errc::invalid, "copy: it has taken updates", path_of(seal.generation));
  }
  [[nodiscard]] result<void> check_content(Seal const& seal, bool check_digests) const {
    HOLDFAST_TRYV(check_names(seal));
    if (seal.updates) return ok();
    auto const folder = path_of(seal.generation);
    if (check_digests && detail::has_undigested(seal)) {
      return failure(errc::invalid, "verify: sealed without digests", folder);
    }
    for (auto const& file : seal.files) {
      if (file.name.ends_with('/')) continue;
      HOLDFAST_TRYV(detail::check_file(fs_, detail::join(folder, file.name), file, check_digests));
    }
    return ok();
  }
  // The folder of g: `not_found`, or `foreign` if something else has its name (a symlink, say).
  [[nodiscard]] result<void> find(Generation g) const {
    auto entries = fs_.list(*root_);
    if (!entries) return detail::failed(entries);
    auto const folder = detail::folder_of(g);
    for (auto const& entry : entries.assume_value()) {
      if (entry.name != folder) continue;
      if (entry.kind == Entry::Kind::directory) return ok();
      return failure(errc::foreign, "find generation", path_of(g));
    }
    return failure(errc::not_found, "find generation", path_of(g));
  }

  [[nodiscard]] result<std::vector<std::string>> names_of(std::string const& path,
                                                          bool updates) const {
    std::vector<std::string> names;
    auto const skip = [this, updates](std::string_view name) { return skips(name, updates); };
    HOLDFAST_TRYV(detail::walk_tree(fs_, path, std::string{}, skip, names));
    return names;
  }

  [[nodiscard]] result<void> write_seal(Building& building, Digest digest) {
    auto const path = detail::join(building.path, seal_name);
    if (!building.sealing) {
      auto const taken = fs_.identity(path);
      if (taken) return failure(errc::invalid, "seal: the name SEAL is taken", path);
      if (taken.error().code() != errc::not_found) return detail::failed(taken);
    }
    building.sealing = true;
    HOLDFAST_TRYV(detail::remove_if_there(fs_, path));  // what an attempt that failed has left
    Seal seal{
        .generation = building.generation, .parent = {}, .files = {}, .updates = building.updates};
    HOLDFAST_TRY(names, names_of(building.path, building.updates));
    for (auto const& name : names) {
      if (building.notes && detail::is_note(name)) continue;
      HOLDFAST_TRY(file, settle(building, name, digest));
      seal.files.push_back(file);
    }
    // What is sealed can't be resumed. The last moment: until here a crash leaves its note.
    if (building.notes) {
      HOLDFAST_TRYV(detail::remove_notes(fs_, building.path));
    }
    std::sort(seal.files.begin(), seal.files.end(),
              [](SealedFile const& a, SealedFile const& b) { return a.name < b.name; });
    auto const encoded = detail::encode_seal(seal);
    if (encoded.size() > detail::seal_limit) return failure(errc::too_large, "seal", path);
    // Every file and every directory below is durable by now; the names beside SEAL get so with it.
    HOLDFAST_TRYV(detail::write_new_file(fs_, path, encoded));
    HOLDFAST_TRYV(fs_.sync_directory(building.path));
    // And last the folder's own name; that of the root was made durable by create.
    return fs_.sync_directory(*root_);
  }

  // Makes one file or directory of the generation durable, and says what the SEAL will hold of it.
  [[nodiscard]] result<SealedFile> settle(Building& building,
                                          std::string const& name,
                                          Digest digest) {
    auto const path = detail::join(building.path, name);
    if (name.ends_with('/')) {
      HOLDFAST_TRYV(fs_.sync_directory(path));
      return SealedFile{name, 0, std::nullopt};
    }
    auto const known = building.known.find(name);
    if (known != building.known.end()) return known->second;
    HOLDFAST_TRY(file, fs_.open(path, Open::read));
    HOLDFAST_TRYV(fs_.sync(file));
    SealedFile sealed{name, 0, std::nullopt};
    HOLDFAST_TRY(size, fs_.size(file));
    sealed.size = size;
    if (digest == Digest::read_back) {
      HOLDFAST_TRY(crc, detail::digest_file(fs_, file, size, path));
      sealed.digest = crc;
    }
    // Kept, so that a seal that is tried again syncs and reads no file twice.
    building.known.insert_or_assign(name, sealed);
    return sealed;
  }

  [[nodiscard]] result<Seal> seal_of(Generation g) const {
    HOLDFAST_TRYV(usable("open"));
    HOLDFAST_TRYV(find(g));
    auto const path = detail::join(path_of(g), seal_name);
    auto content = detail::read_file(fs_, path, detail::seal_limit);
    if (!content) {
      auto const code = content.error().code();
      if (code == errc::not_found) return failure(errc::unsealed, "open", path_of(g));
      if (code == errc::too_large) return failure(errc::damaged, "read SEAL", path);
      return detail::failed(content);
    }
    HOLDFAST_TRY(seal, detail::decode_seal(content.assume_value(), path));
    if (seal.generation != g) return failure(errc::damaged, "read SEAL of another", path);
    return std::move(seal);
  }

  [[nodiscard]] result<void> check_names(Seal const& seal) const {
    auto const path = path_of(seal.generation);
    auto walked = names_of(path, seal.updates);
    if (!walked && walked.error().code() == errc::foreign) {
      return failure(walked.error().as(errc::damaged));
    }
    if (!walked) return detail::failed(walked);
    auto& names = walked.assume_value();
    std::sort(names.begin(), names.end());
    for (auto const& name : names) {
      if (seal.find(name) == nullptr) {
        return failure(errc::damaged, "open: not in SEAL", detail::join(path, name));
      }
    }
    for (auto const& file : seal.files) {
      if (!std::binary_search(names.begin(), names.end(), file.name)) {
        return failure(errc::damaged, "open: missing", detail::join(path, file.name));
      }
    }
    return ok();
  }

  std::string name_;
  std::optional<std::string> root_;
  Fs fs_;
  Ignored ignored_;
  Ignored passing_;
};

HOLDFAST_END

#endif

// ------------ holdfast/backend/directory.hpp
// A store of files: each generation is a folder of whatever files the caller puts there.
#ifndef HOLDFAST_BACKEND_DIRECTORY_HPP
#define HOLDFAST_BACKEND_DIRECTORY_HPP

HOLDFAST_BEGIN

/// How a `DirectoryStore` keeps its files.
struct DirectoryOptions {
  bool verify_on_open = false;  ///< read every file against its digest, before the first view
};

/// Adds files to a generation that nobody sees yet. `spent` once it is sealed.
template <file_system Fs>
class DirectoryWriter {
 public:
  DirectoryWriter(Fs fs, Building building)
      : fs_{std::move(fs)}, building_{std::move(building)}, taken_{building_.taken()} {}

  /// Makes the file `name` ("a", "a/b/c") with this content, durable on return but for its name.
  /// `exists` if there is one, `invalid` for a name that leads elsewhere. After an error nothing of
  /// it is left.
  [[nodiscard]] result<void> put(std::string_view name, bytes_view content) {
    HOLDFAST_TRYV(building_.writable());
    std::string const relative{name};
    auto const top = name.substr(0, name.find('/'));
    bool const ours = top == SealedDirectory<Fs>::seal_name || detail::is_note(top);
    if (!detail::is_relative_name(name) || ours) {
      return failure(errc::invalid, "put", relative);
    }
    for (auto slash = name.find('/'); slash != std::string_view::npos;
         slash = name.find('/', slash + 1)) {
      auto const made = fs_.make_directory(detail::join(path(), name.substr(0, slash)));
      if (!made && made.error().code() != errc::exists) return detail::failed(made);
    }
    if (building_.limit != 0 &&
        content.size() > building_.limit - std::min(taken_, building_.limit)) {
      return failure(errc::no_space, "put: the build has a limit", relative);
    }
    auto const path_of_file = detail::join(path(), name);
    HOLDFAST_TRY(file, fs_.open(path_of_file, Open::create));
    auto const crc = building_.note(detail::write_durably(fs_, file, content));
    if (!crc) return discard(path_of_file, crc.error());
    building_.known.insert_or_assign(relative,
                                     SealedFile{relative, content.size(), crc.assume_value()});
    taken_ += content.size();
    return ok();
  }
  /// Of what `put` writes; files of the caller's own count once they are sealed.
  [[nodiscard]] result<void> limit(std::uint64_t most) noexcept {
    building_.limit = most;
    return ok();
  }
  [[nodiscard]] result<std::uint64_t> taken() const noexcept { return taken_; }

  /// The folder, for files of the caller's own: close them before seal, which finds and syncs them.
  [[nodiscard]] std::string const& path() const noexcept { return building_.path; }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }
  [[nodiscard]] Building& building() noexcept { return building_; }
  [[nodiscard]] Building const& building() const noexcept { return building_; }

 private:
  // A file that was not written whole must not be sealed: it goes, or the whole building does.
  [[nodiscard]] result<void> discard(std::string const& file, error const& why) {
    auto const removed = fs_.remove(file);
    if (!removed && !building_.broken) building_.broken = removed.error();
    return failure(why);
  }

  Fs fs_;
  Building building_;
  std::uint64_t taken_;
};

/// Reads a sealed generation; safe from many threads.
template <file_system Fs>
class DirectoryReader {
 public:
  DirectoryReader(Fs fs, std::string path, Seal seal)
      : fs_{std::move(fs)}, path_{std::move(path)}, seal_{std::move(seal)} {}

  /// The whole content, checked against its digest: `not_found`, or `damaged`.
  [[nodiscard]] result<bytes> get(std::string_view name) const {
    auto const* const file = seal_.find(name);
    if (file == nullptr || name.ends_with('/')) {
      return failure(errc::not_found, "get", detail::join(path_, name));
    }
    return detail::read_sealed(fs_, detail::join(path_, name), *file);
  }

  /// Every file, ascending.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (auto const& file : seal_.files) {
      if (!file.name.ends_with('/')) names.push_back(file.name);
    }
    return names;
  }

  /// The folder, for readers of the caller's own; nothing checks what they read.
  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  [[nodiscard]] Generation generation() const noexcept { return seal_.generation; }

 private:
  Fs fs_;
  std::string path_;
  Seal seal_;
};

/// Folders of files, `home/name/0000000007/...`. A writer puts files, a reader gets them back,
/// checked.
template <file_system Fs>
class BasicDirectoryStore {
 public:
  using writer = DirectoryWriter<Fs>;
  using reader = DirectoryReader<Fs>;
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicDirectoryStore(std::string name, DirectoryOptions options = {}, Fs fs = {})
      : folders_{std::move(name), std::move(fs)}, options_{options} {}

  void place(std::string const& home) { folders_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }

  [[nodiscard]] result<writer> create(Generation g) {
    HOLDFAST_TRY(building, folders_.create(g));
    return writer{folders_.files(), std::move(building)};
  }
  /// A new generation that begins as a copy of `from`.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) {
    HOLDFAST_TRY(building, folders_.copy(folders_, from, g));
    return writer{folders_.files(), std::move(building)};
  }
  /// Files of the caller's own may only have grown by then; a note reads none of them.
  [[nodiscard]] result<void> note(writer& w, bytes_view words) {
    return w.building().note(detail::write_note(folders_.files(), w.building(), words));
  }
  /// As it was at the last note, exactly.
  [[nodiscard]] result<writer> resume(Generation g) {
    HOLDFAST_TRYV(folders_.usable("resume"));
    HOLDFAST_TRY(building, detail::resume_build(folders_.files(), folders_.path_of(g), g));
    return writer{folders_.files(), std::move(building)};
  }
  [[nodiscard]] std::vector<bytes> notes(writer const& w) const {
    return {w.building().noted.value_or(bytes{})};
  }
  /// Makes the same generation, sealed, in another store.
  [[nodiscard]] result<void> copy(Generation g, BasicDirectoryStore& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    return to.folders_.seal(building, Digest::read_back);
  }
  /// Syncs and digests what `put` did not write, too. A symlink or device in the folder is
  /// `foreign`.
  [[nodiscard]] result<void> seal(writer& w) {
    return folders_.seal(w.building(), Digest::read_back);
  }
  [[nodiscard]] result<reader> open(Generation g) const {
    HOLDFAST_TRY(seal, folders_.open(g, options_.verify_on_open));
    return reader{folders_.files(), folders_.path_of(g), std::move(seal)};
  }
  [[nodiscard]] result<void> drop(Generation g) { return folders_.drop(g); }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return folders_.generations();
  }
  /// What the outside name gives, if there is one.
  [[nodiscard]] result<std::optional<Generation>> published() const { return folders_.published(); }
  /// Points the symlink `home/name/current` at the folder of g.
  [[nodiscard]] result<void> publish(Generation g) { return folders_.publish(g, {}); }
  [[nodiscard]] result<Space> space(Generation g) const { return folders_.space(g); }
  /// Of the disk, sealed or not, with what updates added.
  [[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes(Generation g) const {
    return detail::tree_size(folders_.files(), folders_.path_of(g));
  }
  [[nodiscard]] result<Verified> verify(Generation g) const { return folders_.verify(g); }

 private:
  SealedDirectory<Fs> folders_;
  DirectoryOptions options_;
};

/// On the real file system.
using DirectoryStore = BasicDirectoryStore<Posix>;
static_assert(publishing_store<DirectoryStore> && placed_store<DirectoryStore> &&
              resuming_store<DirectoryStore>);

HOLDFAST_END

#endif

// ------------ holdfast/backend/adopt.hpp
// Fills a build with a directory that others own, and hands a path over once its content is
// adopted.
#ifndef HOLDFAST_BACKEND_ADOPT_HPP
#define HOLDFAST_BACKEND_ADOPT_HPP

HOLDFAST_BEGIN

/// Copies every file and folder below `source`, which is only read. A file that changes its size
/// meanwhile is `conflict`; a directory has no one instant, so stop its writers first. What is
/// neither file nor folder is `foreign`.
template <file_system Fs>
[[nodiscard]] result<void> adopt(DirectoryWriter<Fs>& writer,
                                 std::string const& source,
                                 Fs const& fs = {}) {
  std::vector<std::string> names;
  auto const all = [](std::string_view) { return false; };
  HOLDFAST_TRYV(detail::walk_tree(fs, source, {}, all, names));
  std::sort(names.begin(), names.end());  // a folder before what is in it
  for (auto const& name : names) {
    auto const to = detail::join(writer.path(), name);
    if (name.ends_with('/')) {
      HOLDFAST_TRYV(fs.make_directory(to.substr(0, to.size() - 1)));
      continue;
    }
    auto const from = detail::join(source, name);
    HOLDFAST_TRY(file, fs.open(from, Open::read));
    HOLDFAST_TRY(size, fs.size(file));
    auto const copied = detail::copy_file(fs, from, to, SealedFile{name, size, std::nullopt});
    if (copied) continue;
    if (copied.error().code() != errc::damaged) return copied;
    return failure(errc::conflict, "adopt: it changed meanwhile", from);
  }
  return ok();
}

/// From here on the path `source` is a symlink to `target` (a generation's outside name), so that
/// programs which know the old path read what is current. What was there stays beside it as
/// `source`.adopted. One atomic exchange; may be called again after a crash. `busy` while a journal
/// lies beside an SQLite file: its owner is still at work.
template <file_system Fs = Posix>
requires requires(Fs const& fs, std::string const& path) {
  { fs.exchange(path, path) } -> std::same_as<result<void>>;
}
[[nodiscard]] result<void> finish_adoption(std::string const& source,
                                           std::string const& target,
                                           Fs const& fs = {}) {
  auto const next = source + ".next", kept = source + ".adopted";
  for (auto const* suffix : {"-wal", "-journal", "-shm"}) {
    HOLDFAST_TRY(journal, detail::is_there(fs, source + suffix));
    if (journal) return failure(errc::busy, "finish adoption", source + suffix);
  }
  auto const check_free = [&]() -> result<void> {
    HOLDFAST_TRY(taken, detail::is_there(fs, kept));
    if (taken) return failure(errc::exists, "finish adoption", kept);
    return ok();
  };
  auto const now = fs.read_link(source);
  bool const switched = now && now.assume_value() == target;
  if (!switched) {
    HOLDFAST_TRYV(check_free());
    HOLDFAST_TRYV(fs.identity(source));
    auto const left = fs.read_link(next);
    if (left && left.assume_value() == target) {
      HOLDFAST_TRYV(fs.remove(next));  // of a run that was cut off
    }
    HOLDFAST_TRYV(fs.symlink(target, next));
    // Every reader finds the old or the new, at every moment.
    HOLDFAST_TRYV(fs.exchange(next, source));
  }
  // The exchange before the new name: else a power cut might leave the symlink under both names.
  HOLDFAST_TRYV(fs.sync_directory(detail::parent_of(source)));
  HOLDFAST_TRY(old, detail::is_there(fs, next));
  if (!old) return ok();
  HOLDFAST_TRYV(check_free());  // also in a run that goes on: a rename replaces
  HOLDFAST_TRYV(fs.rename(next, kept));
  return fs.sync_directory(detail::parent_of(source));
}

HOLDFAST_END

#endif

// ------------ holdfast/detail/fork.hpp
// Notices fork(): what a parent opened must not be used by its child, which shares the locks of
// every open file.
#ifndef HOLDFAST_DETAIL_FORK_HPP
#define HOLDFAST_DETAIL_FORK_HPP

#include <pthread.h>

#include <atomic>

HOLDFAST_BEGIN

namespace detail {
inline std::atomic<std::uint64_t> fork_count{0};
// Registered once for each program or library that holds this variable.
inline bool const fork_watched = [] {
  return ::pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1); }) == 0;
}();

/// Remembers the process that made it.
class Birthplace {
 public:
  [[nodiscard]] bool left() const noexcept {
    return count_ != fork_count.load(std::memory_order_relaxed);
  }

 private:
  std::uint64_t count_ = fork_count.load(std::memory_order_relaxed);
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/event.hpp
// Says what an observer is told: the states of a staged run, the events on
// the way, and the steps of a log.
#ifndef HOLDFAST_EVENT_HPP
#define HOLDFAST_EVENT_HPP

HOLDFAST_BEGIN

/// Where a staged run stands. `detail/transitions.hpp` has the table of what may follow what.
enum class State : std::uint8_t {
  none,
  initializing,
  processing,
  ready_to_commit,
  committing,
  committed,
  rolling_back,
  failed,
};

/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(State state) noexcept {
  switch (state) {
    case State::none:
      return "none";
    case State::initializing:
      return "initializing";
    case State::processing:
      return "processing";
    case State::ready_to_commit:
      return "ready_to_commit";
    case State::committing:
      return "committing";
    case State::committed:
      return "committed";
    case State::rolling_back:
      return "rolling_back";
    case State::failed:
      return "failed";
  }
  return "?";
}

/// One thing that was seen of a segment of a log, or done to it.
struct SegmentStep {
  enum class Kind : std::uint8_t {
    none,
    examined,   ///< looked at: `bytes` of it hold, and `verdict` says what is the matter
    refused,    ///< for what was found of it the log is not opened: `cause`
    set_aside,  ///< `bytes` that will be cut were copied, durably
    cut,        ///< `bytes` were cut off its end
    skipped,    ///< `bytes` of damage stay where they are, and readers skip them
    moved,      ///< it lies behind a break: nothing reads it, under its new name
    begun,      ///< it is the one that is written
    sealed,     ///< nothing will be appended to it any more
    dropped,    ///< it was deleted by retention
    indexed,    ///< its indexes were made
    scrubbed,   ///< a scrub has read it again, and all of it holds
    rotten,     ///< a scrub has found damage in it: only `bytes` hold
    mended,     ///< `bytes` of it were taken from a replica
  };
  Kind kind = Kind::none;
  std::uint64_t base = 0;  ///< the number of its first record; of one that is no log's, 0
  std::uint64_t bytes = 0;
  std::string_view verdict{};
};
/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(SegmentStep::Kind kind) noexcept {
  constexpr std::string_view names[] = {"none",    "examined", "refused", "set_aside", "cut",
                                        "skipped", "moved",    "begun",   "sealed",    "dropped",
                                        "indexed", "scrubbed", "rotten",  "mended"};
  return names[static_cast<std::size_t>(kind)];
}

/// One thing that happened. Lives for the call of the observer only.
struct Event {
  enum class Kind : std::uint8_t {
    transition,   ///< a staged run went from `from` to `to`
    recovered,    ///< an attempt that a crash left was dropped; `generation` is its number
    switched,     ///< readers of this process now get `generation`
    dropped,      ///< `generation` was deleted
    drop_failed,  ///< it could not be deleted now and stays in `retiring`; `cause` says why
    published,    ///< the outside names now give `generation`
    publish_failed,
    lock_failed,    ///< the stage lock could not be let go; it lapses with the process
    foreign,        ///< `generation` lies in the store but the record does not list it; left alone
    task_started,   ///< `task` began to fill `generation`
    task_finished,  ///< it ended; `cause` says why where it failed
    hook_failed,    ///< a hook of `task` (of the whole run if empty) failed; nothing else changes
    retrying,       ///< a whole run failed for `cause` and will be tried again
    segment,        ///< of a log: `segment` says what; `cause` where it was refused
  };
  Kind kind = Kind::transition;
  State from = State::none;
  State to = State::none;
  Generation generation{};
  FencingToken token{};
  std::int64_t at_ns = 0;  ///< steady clock
  error const* cause = nullptr;
  std::string_view task{};
  SegmentStep segment{};
};

/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(Event::Kind kind) noexcept {
  switch (kind) {
    case Event::Kind::transition:
      return "transition";
    case Event::Kind::recovered:
      return "recovered";
    case Event::Kind::switched:
      return "switched";
    case Event::Kind::dropped:
      return "dropped";
    case Event::Kind::drop_failed:
      return "drop_failed";
    case Event::Kind::published:
      return "published";
    case Event::Kind::publish_failed:
      return "publish_failed";
    case Event::Kind::lock_failed:
      return "lock_failed";
    case Event::Kind::foreign:
      return "foreign";
    case Event::Kind::task_started:
      return "task_started";
    case Event::Kind::task_finished:
      return "task_finished";
    case Event::Kind::hook_failed:
      return "hook_failed";
    case Event::Kind::retrying:
      return "retrying";
    case Event::Kind::segment:
      return "segment";
  }
  return "?";
}

HOLDFAST_END

#endif

// ------------ holdfast/world.hpp
// The seam for what is neither data nor file (clocks, randomness, own identity, observer) and the
// real one.
#ifndef HOLDFAST_WORLD_HPP
#define HOLDFAST_WORLD_HPP

#include <sys/random.h>
#include <time.h>

#include <cstdlib>
#include <cstring>

HOLDFAST_BEGIN

/// What a program stands in. `steady_ns` counts suspended time too where the system can; `wall_ns`
/// is for display only.
template <class W>
concept world = std::copy_constructible<W> && requires(W const& w, Event const& e) {
  { w.wall_ns() }
  noexcept->std::same_as<std::int64_t>;
  { w.steady_ns() }
  noexcept->std::same_as<std::int64_t>;
  { w.wait_until(std::int64_t{}) }
  noexcept->std::same_as<void>;
  { w.random64() }
  noexcept->std::same_as<std::uint64_t>;
  { w.self() }
  noexcept->std::same_as<Owner>;
  { w.on(e) }
  noexcept->std::same_as<void>;
};

namespace detail {
inline std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Reads a small kernel file; an unreadable one gives an empty text.
inline std::size_t read_kernel_file(char const* path, char* into, std::size_t size) noexcept {
  int const fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t const got = ::read(fd, into, size);
  ::close(fd);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

inline BootId read_boot_id() noexcept {
  char text[64] = {};
  std::size_t const size = read_kernel_file("/proc/sys/kernel/random/boot_id", text, sizeof text);
  BootId boot;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < size && digits < 32; ++i) {
    char const c = text[i];
    int const nibble = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (nibble < 0) continue;
    auto& byte = boot.id[digits / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | nibble);
    ++digits;
  }
  return boot;
}

// Field 22 of /proc/self/stat; the second field may hold spaces and brackets, so count from the
// last ')'.
inline std::uint64_t read_start_time() noexcept {
  char text[1024] = {};
  std::size_t const size = read_kernel_file("/proc/self/stat", text, sizeof text - 1);
  char const* at = nullptr;
  for (std::size_t i = 0; i < size; ++i) {
    if (text[i] == ')') at = text + i;
  }
  for (int field = 2; at != nullptr && field < 22; ++field) {
    at = std::strchr(at + 1, ' ');
  }
  return at == nullptr ? 0 : std::strtoull(at + 1, nullptr, 10);
}

inline std::uint64_t kernel_random64() noexcept {
  std::uint64_t value = 0;
  while (::getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) {
    if (errno != EINTR) std::abort();  // a nonce that is not random is worse than no program
  }
  return value;
}

inline Owner read_self() noexcept {
  Owner self;
  ::gethostname(self.host.data(), self.host.size() - 1);
  self.boot = read_boot_id();
  if (self.boot == BootId{}) {
    // Where the kernel does not tell it: an identity that matches nobody, so that nothing is
    // believed to be of this boot.
    for (auto& byte : self.boot.id) byte = static_cast<std::uint8_t>(kernel_random64());
  }
  self.pid = static_cast<std::uint64_t>(::getpid());
  self.start_time = read_start_time();
  self.nonce = kernel_random64();
  return self;
}

// Read once, and again in a forked child: it is another process, with a pid and a nonce of its own.
inline Owner& own_identity() noexcept {
  static Owner self = read_self();
  return self;
}
inline bool const identity_watched = [] {
  return ::pthread_atfork(nullptr, nullptr, [] { own_identity() = read_self(); }) == 0;
}();
}  // namespace detail

/// The real world; tells no observer. Thread-safe.
struct Native {
  [[nodiscard]] std::int64_t wall_ns() const noexcept { return detail::clock_ns(CLOCK_REALTIME); }
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return detail::clock_ns(CLOCK_BOOTTIME); }
  void wait_until(std::int64_t steady_ns) const noexcept {
    timespec until{};
    until.tv_sec = static_cast<time_t>(steady_ns / 1'000'000'000);
    until.tv_nsec = static_cast<long>(steady_ns % 1'000'000'000);
    while (::clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
  }
  [[nodiscard]] std::uint64_t random64() const noexcept { return detail::kernel_random64(); }
  /// This process.
  [[nodiscard]] Owner self() const noexcept { return detail::own_identity(); }
  void on(Event const&) const noexcept {}
};
static_assert(world<Native>);

/// Does this world listen to events? Where none does, what tells them is left out by the compiler.
template <class W>
inline constexpr bool listens = true;
template <>
inline constexpr bool listens<Native> = false;

namespace detail {
// Gives the event its time; the only way in which anything is told.
template <world W>
void tell([[maybe_unused]] W const& w, [[maybe_unused]] Event event) noexcept {
  if constexpr (listens<W>) {
    event.at_ns = w.steady_ns();
    w.on(event);
  }
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/detail/lock_wait.hpp
// Waits for a lock of an open file that others hold only for moments.
#ifndef HOLDFAST_DETAIL_LOCK_WAIT_HPP
#define HOLDFAST_DETAIL_LOCK_WAIT_HPP

HOLDFAST_BEGIN

namespace detail {
/// False if the lock was still taken after five seconds: whoever has it is stopped or hangs.
template <file_system Fs, world W>
[[nodiscard]] result<bool> lock_patiently(
    Fs const& fs, W const& world, typename Fs::file& file, Range range, Mode mode) {
  constexpr std::int64_t patience_ns = 5'000'000'000;
  constexpr std::int64_t pause_ns = 200'000;
  auto const deadline = world.steady_ns() + patience_ns;
  for (;;) {
    HOLDFAST_TRY(locked, fs.try_lock(file, range, mode));
    auto const now = world.steady_ns();
    if (locked || now >= deadline) return locked;
    world.wait_until(now + pause_ns);
  }
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/backend/barrier_file.hpp
// Keeps two kinds of work apart between processes, many at a time of the one or one of the other,
// and neither starves.
//
// Two bytes of a file: the turn and the barrier. Whoever wants in takes the turn first, then the
// barrier, and gives the turn back. One that waits for the barrier has the turn, so that whoever
// left the barrier can't come round again before it: an updater at full speed has to let readers
// in, and readers that keep coming have to let an updater in.
#ifndef HOLDFAST_BACKEND_BARRIER_FILE_HPP
#define HOLDFAST_BACKEND_BARRIER_FILE_HPP

HOLDFAST_BEGIN

namespace detail {
// Far above every generation: a byte that pins one is never one of these.
inline constexpr Range barrier_turn{std::uint64_t{1} << 62, 1};
inline constexpr Range barrier_itself{(std::uint64_t{1} << 62) + 1, 1};
}  // namespace detail

/// Inside the barrier until it ends.
template <file_system Fs>
class BarrierHold {
 public:
  BarrierHold(Fs fs, typename Fs::file file) : fs_{std::move(fs)}, file_{std::move(file)} {}
  BarrierHold(BarrierHold&& other) noexcept
      : fs_{std::move(other.fs_)},
        file_{std::move(other.file_)},
        held_{std::exchange(other.held_, false)},
        born_{other.born_} {}
  BarrierHold& operator=(BarrierHold&&) = delete;
  ~BarrierHold() {
    // Not by closing alone: a child that was forked meanwhile has the same open file.
    if (held_ && !born_.left()) static_cast<void>(fs_.unlock(file_, detail::barrier_itself));
  }

 private:
  Fs fs_;
  typename Fs::file file_;
  bool held_ = true;
  detail::Birthplace born_{};
};

namespace detail {
/// `timed_out` after five seconds' wait for the turn, or five more for the barrier: whoever is
/// inside is stopped or hangs. A shared hold needs only permission to read.
template <file_system Fs, world W>
[[nodiscard]] result<BarrierHold<Fs>> enter_barrier(Fs const& fs,
                                                    W const& world,
                                                    std::string const& path,
                                                    Mode mode) {
  for (int round = 0; round < 16; ++round) {
    HOLDFAST_TRY(file, fs.open(path, mode == Mode::exclusive ? Open::write : Open::read));
    HOLDFAST_TRY(turn, lock_patiently(fs, world, file, barrier_turn, mode));
    if (!turn) return failure(errc::timed_out, "wait for the turn", path);
    HOLDFAST_TRY(inside, lock_patiently(fs, world, file, barrier_itself, mode));
    if (!inside) {
      // Whoever asks again at once would have the turn again before the others look: they share.
      constexpr std::int64_t pause_ns = 2'000'000;
      HOLDFAST_TRYV(fs.unlock(file, barrier_turn));
      world.wait_until(world.steady_ns() + pause_ns);
      return failure(errc::timed_out, "wait for the barrier", path);
    }
    HOLDFAST_TRYV(fs.unlock(file, barrier_turn));
    HOLDFAST_TRY(ours, fs.identity(file));
    auto const named = fs.identity(path);
    if (named && named.assume_value() == ours) return BarrierHold<Fs>{fs, std::move(file)};
    if (!named && named.error().code() != errc::not_found) return failed(named);
    // Replaced meanwhile: others lock another file.
  }
  return failure(errc::busy, "enter the barrier: its file changes all the time", path);
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/backend/file_blobs.hpp
// Keeps one checksummed, synced file a generation: what a small backend of your own is made from.
#ifndef HOLDFAST_BACKEND_FILE_BLOBS_HPP
#define HOLDFAST_BACKEND_FILE_BLOBS_HPP

#include <memory>
#include <mutex>

HOLDFAST_BEGIN

/// The operations of a store, with bytes in place of writer and reader: the file is
/// home/name/0000000007/blob. Different generations may be used from different threads.
template <file_system Fs>
class BasicFileBlobs {
 public:
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicFileBlobs(std::string name, Fs fs = {})
      : folders_{std::move(name), std::move(fs)} {}

  void place(std::string const& home) { folders_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }

  [[nodiscard]] result<void> create(Generation g) {
    HOLDFAST_TRY(made, folders_.create(g));
    std::scoped_lock const lock{state_->mutex};
    state_->made.insert_or_assign(g, std::move(made));
    return ok();
  }

  /// Writes and seals g, which this object created. The same content again is a success, another
  /// one `exists`. May be tried again after any failure but `sync_failed`, which stays.
  [[nodiscard]] result<void> put(Generation g, bytes_view content) {
    HOLDFAST_TRY(made, find(g));
    Building& building = *made;
    if (building.sealed) {
      SealedFile const blob{file_name, content.size(), crc32c(content)};
      if (building.known.at(file_name) == blob) return ok();
      return failure(errc::exists, "put", path_of(g));
    }
    HOLDFAST_TRYV(building.writable());
    auto const& fs = folders_.files();
    HOLDFAST_TRYV(detail::remove_if_there(fs, path_of(g)));  // what a put that failed has left
    HOLDFAST_TRY(file, fs.open(path_of(g), Open::create));
    HOLDFAST_TRY(crc, building.note(detail::write_durably(fs, file, content)));
    building.known.insert_or_assign(file_name, SealedFile{file_name, content.size(), crc});
    return folders_.seal(building, Digest::read_back);
  }

  /// The content, checked against its digest: `unsealed`, or `damaged`.
  [[nodiscard]] result<bytes> get(Generation g) const {
    HOLDFAST_TRY(seal, folders_.open(g, false));
    auto const* const blob = seal.find(file_name);
    if (blob == nullptr) return failure(errc::damaged, "get", path_of(g));
    return detail::read_sealed(folders_.files(), path_of(g), *blob);
  }

  /// Makes the same generation, sealed, in another store.
  [[nodiscard]] result<void> copy(Generation g, BasicFileBlobs& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    return to.folders_.seal(building, Digest::read_back);
  }

  [[nodiscard]] result<void> drop(Generation g) {
    HOLDFAST_TRYV(folders_.drop(g));
    std::scoped_lock const lock{state_->mutex};
    state_->made.erase(g);
    return ok();
  }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return folders_.generations();
  }
  /// What the outside name gives, if there is one.
  [[nodiscard]] result<std::optional<Generation>> published() const { return folders_.published(); }
  /// Points the symlink `home/name/current` at the file of g.
  [[nodiscard]] result<void> publish(Generation g) {
    return folders_.publish(g, {.link = "current", .inner = file_name, .beside = {}});
  }
  [[nodiscard]] result<Space> space(Generation g) const { return folders_.space(g); }
  [[nodiscard]] result<Verified> verify(Generation g) const { return folders_.verify(g); }

 private:
  static constexpr char const* file_name = "blob";

  [[nodiscard]] std::string path_of(Generation g) const {
    return detail::join(folders_.path_of(g), file_name);
  }
  // How far each generation got that this object made: a failed sync is known nowhere else.
  struct State {
    std::mutex mutex;
    std::map<Generation, Building> made;
  };
  [[nodiscard]] result<Building*> find(Generation g) const {
    std::scoped_lock const lock{state_->mutex};
    auto const found = state_->made.find(g);
    if (found == state_->made.end()) {
      return failure(errc::not_found, "put without create", name());
    }
    return &found->second;
  }

  SealedDirectory<Fs> folders_;
  std::unique_ptr<State> state_ = std::make_unique<State>();
};

/// On the real file system.
using FileBlobs = BasicFileBlobs<Posix>;

HOLDFAST_END

#endif

// ------------ holdfast/backend/fresh_files.hpp
// Names the files that are written whole before they get their real name, and removes those that a
// crash has left.
#ifndef HOLDFAST_BACKEND_FRESH_FILES_HPP
#define HOLDFAST_BACKEND_FRESH_FILES_HPP

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] inline std::string fresh_name(std::string const& path, std::uint64_t nonce) {
  return path + ".new-" + std::to_string(nonce);
}

/// What a crashed creator of `path` left: never linked, or a second name of it.
template <file_system Fs>
[[nodiscard]] result<void> remove_fresh_files(Fs const& fs, std::string const& path) {
  auto const directory = parent_of(path);
  auto entries = fs.list(directory);
  if (!entries && entries.error().code() == errc::not_found) return ok();
  HOLDFAST_TRYV(std::move(entries));
  auto const prefix = path.substr(path.rfind('/') + 1) + ".new-";
  for (auto const& entry : entries.assume_value()) {
    bool const ours =
        entry.kind == Entry::Kind::file && entry.name.starts_with(prefix) &&
        entry.name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
    if (!ours) continue;
    HOLDFAST_TRYV(remove_if_there(fs, join(directory, entry.name)));
  }
  return ok();
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/detail/ring.hpp
// Decides which record of a ring of slots counts, without any I/O.
//
// Invariants:
// - Record s lies in slot s mod 16; a write touches one slot, never that of the last confirmed
// record.
// - `confirmed` in a record names a record that its writer knew to be durable, so it is true
// whatever happens to the record.
// - A record is confirmed if a later one or the hint says so, or if another boot wrote it: then it
// came from the disk.
#ifndef HOLDFAST_DETAIL_RING_HPP
#define HOLDFAST_DETAIL_RING_HPP

HOLDFAST_BEGIN

namespace detail::ring {
inline constexpr std::uint64_t slots = 16;
inline constexpr std::size_t slot_size = 4096;
inline constexpr std::size_t header_size = 64;
inline constexpr std::size_t max_value = slot_size - header_size;
inline constexpr std::uint32_t format = 1;
inline constexpr std::uint64_t record_magic = 0x64726f6365726668;  // "hfrecord"
inline constexpr std::uint64_t hint_magic = 0x2020746e69686668;    // "hfhint  "
inline constexpr std::size_t hint_size = 64;

/// One slot's content. `value` points into the bytes it was decoded from.
struct Record {
  Version version;
  std::uint64_t confirmed = 0;  ///< sequence of a record known to be durable; 0 = none
  BootId boot;
  bytes_view value;
};

/// What the writer leaves beside the ring once a record is durable.
struct Hint {
  Version version;
  BootId boot;
};

enum class Slot : std::uint8_t { empty, valid, bad, newer };

// Byte offsets within a slot and a hint. The nonce comes first: where two writes of one slot were
// each torn, the start of one and the end of the other must not make up a whole record, as they
// could if both began with the same bytes.
namespace at {
inline constexpr std::size_t nonce = 0, magic = 8, form = 16, length = 20, sequence = 24;
inline constexpr std::size_t confirmed = 32, boot = 40, crc = 56;
}  // namespace at

inline void put_boot(bytes_span into, BootId const& boot) noexcept {
  for (std::size_t i = 0; i < boot.id.size(); ++i) into[at::boot + i] = std::byte{boot.id[i]};
}
[[nodiscard]] inline BootId get_boot(bytes_view from) noexcept {
  BootId boot;
  for (std::size_t i = 0; i < boot.id.size(); ++i) {
    boot.id[i] = static_cast<std::uint8_t>(from[at::boot + i]);
  }
  return boot;
}
[[nodiscard]] inline std::uint32_t crc_of(bytes_view slot, std::size_t length) noexcept {
  return crc32c(slot.subspan(header_size, length), crc32c(slot.first(at::crc)));
}

[[nodiscard]] constexpr std::uint64_t offset_of(std::uint64_t sequence) noexcept {
  return sequence % slots * slot_size;
}

/// Fills a whole slot; the value fits (`max_value`).
inline void encode(Record const& record, std::span<std::byte, slot_size> into) noexcept {
  for (auto& byte : into) byte = std::byte{0};
  put_le(into, at::magic, record_magic);
  put_le(into, at::form, format);
  put_le(into, at::length, static_cast<std::uint32_t>(record.value.size()));
  put_le(into, at::sequence, record.version.sequence);
  put_le(into, at::nonce, record.version.nonce);
  put_le(into, at::confirmed, record.confirmed);
  put_boot(into, record.boot);
  for (std::size_t i = 0; i < record.value.size(); ++i) into[header_size + i] = record.value[i];
  put_le(into, at::crc, crc_of(into, record.value.size()));
}

/// Reads one slot; `slot` has slot_size bytes or fewer (a file cut short).
[[nodiscard]] inline Slot decode(bytes_view slot, Record& into) noexcept {
  if (slot.size() < slot_size) return Slot::bad;
  auto const magic = get_le<std::uint64_t>(slot, at::magic);
  if (magic == 0) return Slot::empty;
  if (magic != record_magic) return Slot::bad;
  auto const length = get_le<std::uint32_t>(slot, at::length);
  if (length > max_value) return Slot::bad;
  if (get_le<std::uint32_t>(slot, at::crc) != crc_of(slot, length)) return Slot::bad;
  if (get_le<std::uint32_t>(slot, at::form) > format) return Slot::newer;
  into = {{get_le<std::uint64_t>(slot, at::sequence), get_le<std::uint64_t>(slot, at::nonce)},
          get_le<std::uint64_t>(slot, at::confirmed),
          get_boot(slot),
          slot.subspan(header_size, length)};
  return Slot::valid;
}

[[nodiscard]] inline std::array<std::byte, hint_size> encode(Hint const& hint) noexcept {
  std::array<std::byte, hint_size> out{};
  put_le(out, at::magic, hint_magic);
  put_le(out, at::form, format);
  put_le(out, at::sequence, hint.version.sequence);
  put_le(out, at::nonce, hint.version.nonce);
  put_boot(out, hint.boot);
  put_le(out, at::crc, crc32c(bytes_view{out}.first(at::crc)));
  return out;
}

[[nodiscard]] inline std::optional<Hint> decode_hint(bytes_view from) noexcept {
  if (from.size() < hint_size || get_le<std::uint64_t>(from, at::magic) != hint_magic) return {};
  if (get_le<std::uint32_t>(from, at::crc) != crc32c(from.first(at::crc))) return {};
  if (get_le<std::uint32_t>(from, at::form) > format)
    return {};  // beside a ring that refuses by itself
  return Hint{{get_le<std::uint64_t>(from, at::sequence), get_le<std::uint64_t>(from, at::nonce)},
              get_boot(from)};
}

/// What a scan of all slots tells.
struct Scan {
  std::optional<Record> newest;     ///< highest sequence, confirmed or not
  std::optional<Record> confirmed;  ///< highest sequence that no power cut can take back
  bool newer_format = false;
  bool stale = false;  ///< a record known to be durable is not here
  bool gap = false;  ///< nor is the newest durable one: its slot is damaged, or was read too early
};

/// Looks at a whole ring. `known` is what this process synced itself (none if nothing), `boot` is
/// this boot.
[[nodiscard]] inline Scan scan(bytes_view all,
                               std::optional<Hint> const& hint,
                               BootId const& boot,
                               Version known) noexcept {
  Scan out;
  std::array<Record, slots> found{};
  std::size_t count = 0;
  std::uint64_t durable = known.sequence;
  for (std::size_t i = 0; i < slots && i * slot_size < all.size(); ++i) {
    auto const left = all.size() - i * slot_size;
    Record record;
    auto const what =
        decode(all.subspan(i * slot_size, left < slot_size ? left : slot_size), record);
    if (what == Slot::newer) out.newer_format = true;
    if (what != Slot::valid || record.version.sequence % slots != i) continue;
    found[count++] = record;
    if (record.confirmed > durable) durable = record.confirmed;
    if (record.boot != boot && record.version.sequence > durable) durable = record.version.sequence;
  }
  if (hint && hint->boot == boot && hint->version.sequence > durable) {
    durable = hint->version.sequence;
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto const& record = found[i];
    auto const sequence = record.version.sequence;
    if (!out.newest || sequence > out.newest->version.sequence) out.newest = record;
    if (sequence > durable) continue;
    if (!out.confirmed || sequence > out.confirmed->version.sequence) out.confirmed = record;
  }
  out.gap = durable != 0 && (!out.confirmed || out.confirmed->version.sequence != durable);
  // The hint is written only after its record was durable, so it never runs ahead of an honest
  // ring, in this boot or later.
  auto const misses = [&out](Version durable_one) noexcept {
    if (!out.newest || out.newest->version.sequence < durable_one.sequence) return true;
    return out.newest->version.sequence == durable_one.sequence &&
           out.newest->version.nonce != durable_one.nonce;
  };
  out.stale = (hint && misses(hint->version)) || (known != Version::none && misses(known));
  return out;
}
}  // namespace detail::ring

HOLDFAST_END

#endif

// ------------ holdfast/backend/hint_file.hpp
// Reads and writes the small file beside a ring that tells other processes which record is durable.
#ifndef HOLDFAST_BACKEND_HINT_FILE_HPP
#define HOLDFAST_BACKEND_HINT_FILE_HPP

HOLDFAST_BEGIN

namespace detail {
/// Never synced. To the boot that wrote it, it tells what is durable; to a later one, if the disk
/// has kept it, how new the ring must be at least.
template <file_system Fs>
class HintFile {
 public:
  explicit HintFile(std::string path) : path_{std::move(path)} {}

  /// Nothing where the file is absent or holds no whole hint.
  [[nodiscard]] result<std::optional<ring::Hint>> read(Fs const& fs) const {
    auto const content = read_file(fs, path_, ring::hint_size);
    if (content) return ring::decode_hint(content.assume_value());
    auto const code = content.error().code();
    if (code == errc::not_found || code == errc::too_large) return std::optional<ring::Hint>{};
    return failed(content);
  }

  [[nodiscard]] result<bool> exists(Fs const& fs) const { return is_there(fs, path_); }

  /// Stays open between writes, unless another file has its name by now.
  [[nodiscard]] bool write(Fs const& fs, ring::Hint const& hint) noexcept {
    HOLDFAST_MAY_THROW {
      return try_write(fs, hint);
    }
    HOLDFAST_CAUGHT {
      return false;  // out of memory after a commit point: tried again later
    }
  }

  void close() noexcept { file_.reset(); }

 private:
  [[nodiscard]] bool try_write(Fs const& fs, ring::Hint const& hint) {
    auto const named = fs.identity(path_);
    if (!file_ || !named || named.assume_value() != id_) {
      file_.reset();
      auto opened = fs.open(path_, named ? Open::write : Open::create);
      if (!opened) return false;
      auto const id = fs.identity(opened.assume_value());
      if (!id) return false;
      id_ = id.assume_value();
      file_ = std::move(opened).assume_value();
    }
    return fs.write_at(*file_, 0, ring::encode(hint)).has_value();
  }

  std::string path_;
  std::optional<typename Fs::file> file_;
  FileId id_;
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/backend/pins_file.hpp
// Keeps generations from being dropped by other processes: generation g is byte g of a file, pinned
// by a shared lock.
#ifndef HOLDFAST_BACKEND_PINS_FILE_HPP
#define HOLDFAST_BACKEND_PINS_FILE_HPP

HOLDFAST_BEGIN

/// Pins in the file `path`. They lapse with the process, also with a zombie. Thread-safe.
template <file_system Fs>
class PinsFile {
  struct Core {
    std::string path;
    Fs fs;
    std::mutex mutex;
    std::optional<typename Fs::file> file;
    bool writable = false;
    detail::Birthplace born{};
    // One lock serves all holds of a generation: the file is the same, so another lock would
    // convert it.
    struct Held {
      Mode mode;
      std::size_t count;
    };
    std::map<std::uint64_t, Held> holds;

    Core(std::string where, Fs files) : path{std::move(where)}, fs{std::move(files)} {}
    static Range byte(Generation g) noexcept { return {g.number, 1}; }
  };

 public:
  explicit PinsFile(std::string path, Fs fs)
      : core_{std::make_shared<Core>(std::move(path), std::move(fs))} {}

  /// Ends with the object; keeps the file open.
  class Hold {
   public:
    Hold() = default;
    Hold(std::shared_ptr<Core> core, Generation g) noexcept
        : core_{std::move(core)}, generation_{g} {}
    Hold(Hold&& other) noexcept = default;
    Hold& operator=(Hold&& other) noexcept {
      std::swap(core_, other.core_);
      std::swap(generation_, other.generation_);
      return *this;
    }
    ~Hold() {
      if (core_ == nullptr || core_->born.left()) return;  // a child shares the locks of its parent
      std::lock_guard const guard{core_->mutex};
      auto const held = core_->holds.find(generation_.number);
      if (--held->second.count != 0) return;
      core_->holds.erase(held);
      // A lock that can't be released lapses with the process; there is nobody to tell here.
      static_cast<void>(core_->fs.unlock(*core_->file, Core::byte(generation_)));
    }

   private:
    std::shared_ptr<Core> core_;
    Generation generation_{};
  };

  /// Makes the file if it is missing. Its name is durable after a sync of its directory.
  [[nodiscard]] result<void> make() {
    auto made = core_->fs.open(core_->path, Open::create);
    if (!made && made.error().code() != errc::exists) return detail::failed(made);
    return ok();
  }

  /// Needs only permission to read. `busy` while another process has excluded `g`.
  [[nodiscard]] result<Hold> pin(Generation g) { return hold(g, Mode::shared, errc::busy, "pin"); }

  /// `pinned` if anyone pins `g`, also through this object.
  [[nodiscard]] result<Hold> try_exclude(Generation g) {
    return hold(g, Mode::exclusive, errc::pinned, "exclude");
  }

  /// Does another object, in whatever process, pin or exclude `g`? Only looks, and needs only
  /// permission to read.
  [[nodiscard]] result<bool> pinned_elsewhere(Generation g) requires
      requires(Fs const& fs, typename Fs::file& file) {
    fs.is_locked(file, Range{});
  }
  {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return failure(errc::forked, "look at pins", core_->path);
    HOLDFAST_TRYV(open());
    return core_->fs.is_locked(*core_->file, Core::byte(g));
  }

 private:
  [[nodiscard]] result<Hold> hold(Generation g, Mode mode, errc refusal, char const* where) {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return failure(errc::forked, where, core_->path);
    HOLDFAST_TRYV(open());
    auto& holds = core_->holds;
    auto const held = holds.find(g.number);
    if (held != holds.end()) {
      if (mode == Mode::exclusive || held->second.mode == Mode::exclusive) {
        return failure(refusal, where, core_->path);
      }
      held->second.count += 1;
      return Hold{core_, g};
    }
    if (mode == Mode::exclusive && !core_->writable)
      return failure(errc::denied, where, core_->path);
    // Allocates before there is a lock to lose.
    auto const place = holds.emplace(g.number, typename Core::Held{mode, 1}).first;
    auto locked = core_->fs.try_lock(*core_->file, Core::byte(g), mode);
    if (locked && locked.assume_value()) {
      auto const same = is_named();
      if (same && same.assume_value()) return Hold{core_, g};
      // Replaced just now: others lock another file.
      static_cast<void>(core_->fs.unlock(*core_->file, Core::byte(g)));
      holds.erase(place);
      if (!same) return detail::failed(same);
      return failure(refusal, where, core_->path);
    }
    holds.erase(place);
    if (!locked) return detail::failed(locked);
    return failure(refusal, where, core_->path);
  }

  // Is the open file still the one that has the name? Locks of another one exclude nobody.
  [[nodiscard]] result<bool> is_named() const {
    HOLDFAST_TRY(ours, core_->fs.identity(*core_->file));
    auto const named = core_->fs.identity(core_->path);
    if (!named && named.error().code() != errc::not_found) return detail::failed(named);
    return named.has_value() && named.assume_value() == ours;
  }

  // Kept open: closing the file would let every hold go.
  [[nodiscard]] result<void> open() {
    if (core_->file) {
      HOLDFAST_TRY(same, is_named());
      if (same) return ok();
      if (!core_->holds.empty()) return failure(errc::busy, "PINS was replaced", core_->path);
      core_->file.reset();
    }
    auto opened = core_->fs.open(core_->path, Open::write);
    bool const writable = opened.has_value();
    bool const refused = !writable && (opened.error().code() == errc::denied ||
                                       opened.error().code() == errc::read_only);
    if (refused) opened = core_->fs.open(core_->path, Open::read);
    HOLDFAST_TRYV(std::move(opened));
    core_->writable = writable;
    core_->file = std::move(opened).assume_value();
    return ok();
  }

  std::shared_ptr<Core> core_;
};

HOLDFAST_END

#endif

// ------------ holdfast/backend/file_register.hpp
// Keeps an atomic register in one file: a ring of 16 slots, one write and one sync a commit, no
// rename.
//
// A failed sync leaves pages that read back but are not on the disk. So nothing is trusted because
// it reads back: a record counts once its writer knew it durable and said so, in the next record or
// in PATH.hint (detail/ring.hpp), and the slot of the last such record is never written again
// before the next one is durable.
#ifndef HOLDFAST_BACKEND_FILE_REGISTER_HPP
#define HOLDFAST_BACKEND_FILE_REGISTER_HPP

HOLDFAST_BEGIN

/// An atomic register in the file `path`, with `path`.hint and, for pins, PINS beside it.
/// Thread-safe; processes exclude each other with locks of the open file. Reading needs no write
/// permission and takes no lock.
template <file_system Fs, world W = Native>
class BasicFileRegister {
  using file = typename Fs::file;
  struct Core {
    Core(std::string where, Fs files, W around)
        : path{std::move(where)},
          fs{std::move(files)},
          world{std::move(around)},
          hint{path + ".hint"},
          pins{detail::join(detail::parent_of(path), "PINS"), fs} {}
    std::string path;
    Fs fs;
    W world;
    detail::HintFile<Fs> hint;
    PinsFile<Fs> pins;
    std::mutex mutex;
    std::optional<file> ring;
    FileId ring_id;
    bool ring_writable = false, hint_due = false, poisoned = false;
    Version known{};            // the newest record that this object synced itself
    detail::Birthplace born{};  // a child shares the locks of the ring: they don't exclude it
    std::array<std::byte, detail::ring::slots * detail::ring::slot_size> buffer{};
  };

 public:
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicFileRegister(std::string path, Fs fs = {}, W world = {})
      : core_{std::make_unique<Core>(std::move(path), std::move(fs), std::move(world))} {}

  /// Bytes that a value may have.
  [[nodiscard]] std::size_t max_size() const noexcept { return detail::ring::max_value; }
  [[nodiscard]] std::string const& path() const noexcept { return core_->path; }

  /// The newest value that no power cut can take back; nothing if the file is absent or holds no
  /// such value yet.
  [[nodiscard]] result<std::optional<Versioned>> load() {
    std::lock_guard const guard{core_->mutex};
    settle_hint();
    HOLDFAST_TRY(found, look(false));
    if (!found || !found->confirmed) return std::optional<Versioned>{};
    auto const& record = *found->confirmed;
    return std::optional{Versioned{record.version, {record.value.begin(), record.value.end()}}};
  }

  /// Writes `value` if the newest version is `expected`; durable on return. After `uncertain` the
  /// object is poisoned.
  [[nodiscard]] result<Version> store_if(Version expected, bytes_view value) {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return fail(errc::forked, "store");
    if (core_->poisoned) return fail(errc::poisoned, "store");
    if (value.size() > max_size()) return fail(errc::too_large, "store");
    if (expected == Version::none) return create(value);
    HOLDFAST_TRY(lock, lock_ring());
    HOLDFAST_TRY(unchanged, still_newest(expected));
    if (unchanged) return put(expected.sequence, expected.sequence, value);
    HOLDFAST_TRY(found, look(true));
    if (!is_confirmed(*found)) {
      // Left by a writer that died or failed: settle it, so that the caller's next load sees one
      // outcome.
      HOLDFAST_TRYV(put_again(*found));
      return fail(errc::conflict, "store");
    }
    if (found->newest->version != expected) return fail(errc::conflict, "store");
    return put(expected.sequence, expected.sequence, value);
  }

  /// Heals after a failed sync, and makes the newest value durable under a new version. Does
  /// nothing if the file is absent.
  [[nodiscard]] result<void> reopen() {
    std::lock_guard const guard{core_->mutex};
    auto& c = *core_;
    if (c.born.left()) return fail(errc::forked, "reopen");
    c.ring.reset();
    c.hint.close();
    c.poisoned = false;
    HOLDFAST_TRYV(detail::remove_fresh_files(c.fs, c.path));
    HOLDFAST_TRY(hinted, c.hint.exists(c.fs));  // before the ring, which its creator makes first
    auto opened = open_ring(true);
    if (!opened && opened.error().code() == errc::not_found) {
      // A hint without a ring: what the ring named may still exist, so this is never "empty".
      if (hinted || c.known != Version::none) return fail(errc::register_lost, "open");
      return ok();
    }
    HOLDFAST_TRYV(std::move(opened));
    HOLDFAST_TRYV(c.pins.make());
    HOLDFAST_TRY(lock, lock_ring());
    HOLDFAST_TRY(found, look(true));
    if (!is_confirmed(*found)) {
      HOLDFAST_TRYV(put_again(*found));
    } else if (c.hint_due) {
      settle_locked_hint();
    }
    return ok();
  }

  using Hold = typename PinsFile<Fs>::Hold;
  /// See PinsFile.
  [[nodiscard]] result<Hold> pin(Generation g) { return core_->pins.pin(g); }
  /// Only looks.
  [[nodiscard]] result<bool> pinned_elsewhere(Generation g) requires requires(PinsFile<Fs>& pins) {
    pins.pinned_elsewhere(g);
  }
  { return core_->pins.pinned_elsewhere(g); }
  /// `busy` as long as other processes can't be told of the newest record: they may still open what
  /// it retires.
  [[nodiscard]] result<Hold> try_exclude(Generation g) {
    {
      std::lock_guard const guard{core_->mutex};
      settle_hint();
      if (core_->hint_due) return fail(errc::busy, "exclude");
    }
    return core_->pins.try_exclude(g);
  }
  /// Keeps openings of readers and updates apart: a lock in PINS, so that reading needs no
  /// permission to write here either.
  [[nodiscard]] result<BarrierHold<Fs>> enter(Mode how) const {
    auto const path = detail::join(detail::parent_of(core_->path), "PINS");
    return detail::enter_barrier(core_->fs, core_->world, path, how);
  }

 private:
  using Scan = detail::ring::Scan;

  [[nodiscard]] auto fail(errc code, char const* where) const noexcept {
    return failure(code, where, core_->path);
  }

  [[nodiscard]] bool is_confirmed(Scan const& found) const noexcept {
    return found.confirmed && found.confirmed->version == found.newest->version;
  }

  // The file is never replaced by us: another one under the name was put there by someone, and is
  // what counts now.
  [[nodiscard]] result<void> open_ring(bool writable) {
    auto& c = *core_;
    if (c.ring && (c.ring_writable || !writable)) {
      HOLDFAST_TRY(named, c.fs.identity(c.path));
      if (c.ring_id == named) return ok();
    }
    c.ring.reset();
    HOLDFAST_TRY(opened, c.fs.open(c.path, writable ? Open::write : Open::read));
    HOLDFAST_TRY(id, c.fs.identity(opened));
    c.ring = std::move(opened);
    c.ring_id = id;
    c.ring_writable = writable;
    return ok();
  }

  // The hint is read before the ring: a ring read later is at least as new as an honest hint.
  // Without the lock a slot may be seen half written, and early slots be older than late ones, so a
  // bad verdict is believed only when it stays and nothing moves.
  [[nodiscard]] result<std::optional<Scan>> look(bool locked) {
    auto& c = *core_;
    Version before{};
    for (int attempt = locked ? 2 : 0;; ++attempt) {
      HOLDFAST_TRY(hint, c.hint.read(c.fs));
      if (!locked) {
        auto opened = open_ring(false);
        if (!opened && opened.error().code() == errc::not_found) {
          if (hint || c.known != Version::none) return fail(errc::register_lost, "load");
          return std::optional<Scan>{};
        }
        HOLDFAST_TRYV(std::move(opened));
      }
      HOLDFAST_TRY(size, c.fs.read_at(*c.ring, 0, c.buffer));
      auto const found =
          detail::ring::scan(bytes_view{c.buffer}.first(size), hint, c.world.self().boot, c.known);
      if (found.newer_format) return fail(errc::newer_format, "load");
      bool const whole = found.newest && !found.stale;
      if (whole && (locked || !found.gap)) return std::optional{found};
      auto const newest = found.newest ? found.newest->version : Version::none;
      bool const moves = newest != std::exchange(before, newest);
      if (attempt < 2 || (moves && !locked)) continue;
      if (whole) return std::optional{found};  // the slot is damaged: what is left counts
      return fail(found.newest ? errc::stale_register : errc::damaged, "load");
    }
  }

  // Ends with the scope, also where an error returns.
  struct RingLock {
    Core* core;
    explicit RingLock(Core& c) noexcept : core{&c} {}
    RingLock(RingLock&& other) noexcept : core{std::exchange(other.core, nullptr)} {}
    ~RingLock() {
      if (core != nullptr && core->ring) static_cast<void>(core->fs.unlock(*core->ring, Range{}));
    }
  };

  [[nodiscard]] result<RingLock> lock_ring() {
    auto& c = *core_;
    auto opened = open_ring(true);
    if (!opened && opened.error().code() == errc::not_found)
      return fail(errc::register_lost, "lock");
    HOLDFAST_TRYV(std::move(opened));
    HOLDFAST_TRY(locked, detail::lock_patiently(c.fs, c.world, *c.ring, Range{}, Mode::exclusive));
    if (!locked) return fail(errc::busy, "lock");
    RingLock lock{c};
    // It may have been moved aside while this waited: what is written now would be lost.
    HOLDFAST_TRY(named, c.fs.identity(c.path));
    if (named != c.ring_id) return fail(errc::conflict, "lock");
    return lock;
  }

  // The common case without a look at the whole ring: what we made durable ourselves is there, and
  // nothing follows it.
  [[nodiscard]] result<bool> still_newest(Version expected) {
    namespace ring = detail::ring;
    auto& c = *core_;
    if (expected != c.known) return false;
    std::array<std::byte, ring::slot_size> own, next;
    HOLDFAST_TRY(own_size, c.fs.read_at(*c.ring, ring::offset_of(expected.sequence), own));
    HOLDFAST_TRY(next_size, c.fs.read_at(*c.ring, ring::offset_of(expected.sequence + 1), next));
    // Whole slots, checked: a damaged one may be a rival's record, which only the whole ring and
    // the hint can tell.
    ring::Record ours, before;
    auto const first = ring::decode(bytes_view{own}.first(own_size), ours);
    auto const second = ring::decode(bytes_view{next}.first(next_size), before);
    bool const nothing_follows =
        second == ring::Slot::empty ||
        (second == ring::Slot::valid && before.version.sequence < expected.sequence);
    return first == ring::Slot::valid && ours.version == expected && nothing_follows;
  }

  // One write, one sync: the commit. From the first byte written until the sync succeeds the
  // outcome is not known.
  [[nodiscard]] result<Version> put(std::uint64_t last, std::uint64_t confirmed, bytes_view value) {
    auto& c = *core_;
    if (last + 1 - confirmed >= detail::ring::slots) return fail(errc::poisoned, "store");
    detail::ring::Record const record{
        {last + 1, c.world.random64()}, confirmed, c.world.self().boot, value};
    std::array<std::byte, detail::ring::slot_size> slot;
    detail::ring::encode(record, slot);
    auto done = c.fs.write_at(*c.ring, detail::ring::offset_of(record.version.sequence), slot);
    if (done) done = c.fs.sync(*c.ring);
    if (!done) {
      c.poisoned = true;
      return failure(done.error().as(errc::uncertain));
    }
    confirm(record.version);
    return record.version;
  }

  // The newest value once more in the next slot. The directory too: the creator may have crashed
  // before its sync.
  [[nodiscard]] result<void> put_again(Scan const& found) {
    auto& c = *core_;
    bytes const value{found.newest->value.begin(), found.newest->value.end()};
    auto synced = c.fs.sync_directory(detail::parent_of(c.path));
    if (!synced) {
      c.poisoned = true;
      return synced;
    }
    auto const confirmed = found.confirmed ? found.confirmed->version.sequence : 0;
    HOLDFAST_TRY(again, put(found.newest->version.sequence, confirmed, value));
    // Twice: the second names the first as durable. A hint may be lost; without one, each opening
    // would else add a record that nobody may rely on, until the ring is full of them.
    HOLDFAST_TRYV(put(again.sequence, again.sequence, value));
    return ok();
  }

  // Tells readers of other processes; the ring is locked. Without it they see the record only once
  // the next one names it, and nothing is excluded meanwhile: so a hint that can't be written does
  // not make a durable commit fail.
  void confirm(Version version) noexcept {
    core_->known = version;
    core_->hint_due = !core_->hint.write(core_->fs, {version, core_->world.self().boot});
  }

  // Tries again, if the ring is free: a hint written beside a rival's would take back what he has
  // told.
  void settle_hint() {
    auto& c = *core_;
    if (!c.hint_due || c.born.left() || !open_ring(true)) return;
    auto const locked = c.fs.try_lock(*c.ring, Range{}, Mode::exclusive);
    if (!locked || !locked.assume_value()) return;
    RingLock const lock{c};
    settle_locked_hint();
  }
  // Only forwards: a newer record may be of a rival who failed or died before he could tell.
  void settle_locked_hint() {
    auto& c = *core_;
    auto const told = c.hint.read(c.fs);
    if (!told) return;
    auto const& hint = told.assume_value();
    bool const enough =
        hint && hint->boot == c.world.self().boot && hint->version.sequence >= c.known.sequence;
    if (enough) {
      c.hint_due = false;
    } else {
      confirm(c.known);
    }
  }

  // A file that is complete before it has its name, and never takes the place of another.
  [[nodiscard]] result<Version> create(bytes_view value) {
    auto& c = *core_;
    HOLDFAST_TRY(found, look(false));
    if (found) return fail(errc::conflict, "store");
    // Before the ring has its name, so that the ring's directory sync covers it.
    HOLDFAST_TRYV(c.pins.make());
    detail::ring::Record const record{{1, c.world.random64()}, 0, c.world.self().boot, value};
    bytes content(detail::ring::slots * detail::ring::slot_size);
    detail::ring::encode(record,
                         std::span<std::byte, detail::ring::slot_size>{
                             content.data() + detail::ring::slot_size, detail::ring::slot_size});
    auto const fresh = detail::fresh_name(c.path, record.version.nonce);
    auto linked = detail::write_new_file(c.fs, fresh, content);
    if (linked) linked = lock_fresh(fresh);
    if (!linked) {
      static_cast<void>(c.fs.remove(fresh));  // nobody has seen it; the next open tries again
      // A rival who opens has swept it away.
      if (linked.error().code() == errc::not_found) return fail(errc::conflict, "store");
      return detail::failed(linked);
    }
    RingLock const lock{c};
    linked = c.fs.link(fresh, c.path);
    static_cast<void>(
        c.fs.remove(fresh));  // by now a second name, which the next open removes if this did not
    bool const lost = !linked && (linked.error().code() == errc::exists ||
                                  linked.error().code() == errc::not_found);
    if (lost) return fail(errc::conflict, "store");
    // From the link on it may be there, now or after a power cut.
    if (linked) linked = c.fs.sync_directory(detail::parent_of(c.path));
    if (!linked) {
      c.poisoned = true;
      return failure(linked.error().as(errc::uncertain));
    }
    confirm(record.version);
    return record.version;
  }

  // Before others can: they would heal what is not told yet, and loads after this store miss it.
  [[nodiscard]] result<void> lock_fresh(std::string const& path) {
    auto& c = *core_;
    HOLDFAST_TRY(opened, c.fs.open(path, Open::write));
    HOLDFAST_TRY(id, c.fs.identity(opened));
    HOLDFAST_TRY(locked, c.fs.try_lock(opened, Range{}, Mode::exclusive));
    if (!locked) return fail(errc::busy, "lock");
    c.ring = std::move(opened);
    c.ring_id = id;
    c.ring_writable = true;
    return ok();
  }

  std::unique_ptr<Core> core_;
};

/// On the real file system.
using FileRegister = BasicFileRegister<Posix>;
static_assert(pinning_register<FileRegister>);

HOLDFAST_END

#endif

// ------------ holdfast/segment.hpp
// Says what a log brings: the concepts of a segment (bytes that only grow) and of the format in it.
#ifndef HOLDFAST_SEGMENT_HPP
#define HOLDFAST_SEGMENT_HPP

HOLDFAST_BEGIN

/// Append-only bytes. Laws:
/// - `read_at` gives fewer bytes than asked for only at the end; const members are safe from many
///   threads.
/// - `append` writes at the end or behind it (what lies between reads as zeros); one that failed
/// may
///   leave bytes there.
/// - `set_aside(begin, end)` makes a copy of these bytes durable elsewhere; the same bytes again
///   are a success.
/// - `sync` makes all that was appended, cut or rewritten durable, and the segment's name.
/// - `rewrite(at, same)` writes again what is there, so that a sync after it can be trusted.
template <class T>
concept segment = std::movable<T> &&
    requires(T& t, T const& c, std::uint64_t at, bytes_span into, bytes_view from) {
  { c.size() } -> gives<std::uint64_t>;
  { c.read_at(at, into) } -> gives<std::size_t>;
  { t.append(at, from) } -> gives<void>;
  { t.set_aside(at, at) } -> gives<void>;
  { t.truncate(at) } -> gives<void>;
  { t.rewrite(at, from) } -> gives<void>;
  { t.sync() } -> gives<void>;
};

/// Keeps a few bytes beside the segment, which the next process of this boot reads back, and a
/// later boot if the disk has kept them. What was torn or is missing reads as none, or fails its
/// check. `keep_point` writes them without a sync, `settle_point` makes them durable.
template <class T>
concept pointed_segment = segment<T> && requires(T& t, T const& c, bytes_view from) {
  { c.point() } -> gives<bytes>;
  { t.keep_point(from) } -> gives<void>;
  { t.settle_point() } -> gives<void>;
};

/// Has all its bytes in memory, as many as `size` gives, and never changes.
template <class T>
concept mapped_segment = segment<T> && requires(T const& c) {
  { c.mapped() } -> std::same_as<bytes_view>;
};

/// What a decoder found at one place.
struct Step {
  enum class Kind : std::uint8_t {
    record,    ///< a whole record: `begin`, `sequence`, `time_ns`, `payload`
    fragment,  ///< part of a record that goes on; kept only with the rest of it
    mark,      ///< whole, without a record: a header, a sync point, a footer
    padding,   ///< filler that means nothing by itself
    stale,     ///< what an earlier use of the file left; the log ends before it
    need,      ///< can't be decided with fewer than `need` bytes
    bad,       ///< fails its check
    foreign,   ///< not of this format or this log
    newer,     ///< of a newer version of the format
  };
  Kind kind = Kind::bad;
  std::uint64_t used = 0;       ///< bytes to go on by; of `bad`: that were checked in vain
  std::uint64_t need = 0;       ///< bytes wanted from here, at most `max_frame`
  std::uint64_t begin = 0;      ///< of the record; before this place where it spans frames
  std::uint64_t sequence = 0;   ///< of the record, or of the next one
  std::uint64_t synced_to = 0;  ///< everything before this offset was durable when it was written
  std::int64_t time_ns = 0;
  std::uint32_t boot = 0;   ///< of the boot that wrote it; 0 where the format does not tell
  std::uint32_t check = 0;  ///< its checksum
  bool valid = false;  ///< of `bad` and `foreign`: its own check holds, but it does not belong here
  bytes_view payload{};  ///< lives until the next step
};
[[nodiscard]] constexpr std::string_view name(Step::Kind kind) noexcept {
  constexpr std::string_view names[] = {"record", "fragment", "mark",    "padding", "stale",
                                        "need",   "bad",      "foreign", "newer"};
  return names[static_cast<std::size_t>(kind)];
}

/// A valid frame somewhere behind bytes that are not: it tells how far the log was durable.
struct Witness {
  std::uint64_t at = 0;
  std::uint64_t synced_to = 0;
};

/// Reads frames, without any I/O. Any bytes give an answer; nothing is allocated by a length that
/// was not checked.
/// - `decode(cursor, at, window)`: what lies at `at`, where `window` begins; a window shorter than
///   `need` ends where the segment ends. The cursor carries what one frame hands to the next.
/// - `witness(cursor, at, window)`: the first valid frame that begins in the window.
/// - `resume(cursor, at)`: go on reading at a frame behind a gap.
/// - `searched`: the bytes that `witness` wants to see of a frame.
template <class F>
concept segment_format = std::copyable<F> && std::movable<typename F::cursor> &&
    requires(F const& f, typename F::cursor& c, std::uint64_t at, bytes_view window) {
  { f.start() } -> std::same_as<typename F::cursor>;
  { f.decode(c, at, window) } -> std::same_as<Step>;
  { f.witness(c, at, window) } -> std::same_as<std::optional<Witness>>;
  { f.resume(c, at) } -> std::same_as<void>;
  { F::max_frame } -> std::convertible_to<std::uint64_t>;
  { F::searched } -> std::convertible_to<std::uint64_t>;
};

/// What a writer says of a frame.
struct Stamp {
  std::int64_t time_ns = 0;
  std::uint64_t synced_to = 0;
  std::uint32_t boot = 0;
  std::uint64_t nonce = 0;  ///< of a new segment
  bool fresh = false;       ///< nothing that is durable may share a disk sector with it
};

/// Also writes them. `encode` adds to `out` what has to be written at the place it gives: `at`, or
/// behind it, where the bytes between are padding that reads as zeros without being written.
/// - `header(cursor, stamp, out)`: what a new segment begins with.
/// - `mark(cursor, at, stamp, out)`: that everything before `stamp.synced_to` is durable; adds
///   nothing where the format can't say so.
template <class F>
concept writable_format = segment_format<F> && requires(F const& f,
                                                        typename F::cursor& c,
                                                        std::uint64_t at,
                                                        bytes_view payload,
                                                        Stamp const& stamp,
                                                        bytes& out) {
  { f.encode(c, at, payload, stamp, out) } -> gives<std::uint64_t>;
  { f.header(c, stamp, out) } -> gives<void>;
  { f.mark(c, at, stamp, out) } -> gives<std::uint64_t>;
  { F::max_payload } -> std::convertible_to<std::uint64_t>;
};

HOLDFAST_END

#endif

// ------------ holdfast/backend/file_segment.hpp
// Keeps a segment in one file, and what recovery sets aside in files beside it.
#ifndef HOLDFAST_BACKEND_FILE_SEGMENT_HPP
#define HOLDFAST_BACKEND_FILE_SEGMENT_HPP

HOLDFAST_BEGIN

/// Where the bytes [begin, end) of a segment are set aside.
[[nodiscard]] inline std::string aside_path(std::string const& path,
                                            std::uint64_t begin,
                                            std::uint64_t end,
                                            std::uint32_t crc) {
  constexpr char const* digits = "0123456789abcdef";
  std::string hex(8, '0');
  for (std::size_t i = 0; i < 8; ++i) hex[7 - i] = digits[crc >> (4 * i) & 15];
  return path + ".aside-" + std::to_string(begin) + "-" + std::to_string(end - begin) + "-" + hex;
}

/// A file that is read and written at explicit offsets, never through a shared position. One that
/// is open to write is locked: a second one is `busy`.
template <file_system Fs>
class BasicFileSegment {
 public:
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  /// Opens to write, and makes the file where there is none.
  [[nodiscard]] static result<BasicFileSegment> open(std::string path, Fs fs = {}) {
    HOLDFAST_TRY(file, detail::open_or_create(fs, path));
    // Beyond any byte: a lock is of the file, not of what is in it.
    HOLDFAST_TRY(locked, fs.try_lock(file, {std::uint64_t{1} << 62, 1}, Mode::exclusive));
    if (!locked) return failure(errc::busy, "open segment", path);
    HOLDFAST_TRY(held, fs.identity(file));
    HOLDFAST_TRY(named, fs.identity(path));
    if (!(held == named)) return failure(errc::conflict, "open segment", path);
    return BasicFileSegment{std::move(fs), std::move(path), std::move(file)};
  }
  /// Opens to read alone: no lock, and nothing is made.
  [[nodiscard]] static result<BasicFileSegment> open_to_read(std::string path, Fs fs = {}) {
    HOLDFAST_TRY(file, fs.open(path, Open::read));
    return BasicFileSegment{std::move(fs), std::move(path), std::move(file)};
  }

  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  [[nodiscard]] Fs const& files() const noexcept { return fs_; }

  [[nodiscard]] result<std::uint64_t> size() const { return fs_.size(file_); }
  [[nodiscard]] result<std::size_t> read_at(std::uint64_t at, bytes_span into) const {
    return fs_.read_at(file_, at, into);
  }
  [[nodiscard]] result<void> append(std::uint64_t at, bytes_view from) {
    return fs_.write_at(file_, at, from);
  }
  [[nodiscard]] result<void> rewrite(std::uint64_t at, bytes_view from) {
    return fs_.write_at(file_, at, from);
  }
  [[nodiscard]] result<void> truncate(std::uint64_t size) { return fs_.resize(file_, size); }

  [[nodiscard]] result<void> sync() {
    HOLDFAST_TRYV(fs_.sync(file_));
    if (named_) return ok();
    HOLDFAST_TRYV(fs_.sync_directory(detail::parent_of(path_)));
    named_ = true;
    return ok();
  }

  /// The file `path.aside-BEGIN-SIZE-CRC` holds these bytes, and is durable; where one of that name
  /// holds others, `path.aside-BEGIN-SIZE-CRC-1` does, and so on.
  [[nodiscard]] result<void> set_aside(std::uint64_t begin, std::uint64_t end) {
    HOLDFAST_TRY(crc,
                 walk(begin, end, [](std::uint64_t, bytes_view) { return result<void>{ok()}; }));
    auto const wanted = aside_path(path_, begin, end, crc);
    auto name = wanted;
    for (std::uint64_t n = 1;; ++n) {
      HOLDFAST_TRY(there, detail::is_there(fs_, name));
      if (!there) {
        HOLDFAST_TRYV(copy_aside(begin, end, crc, name));
        break;
      }
      // Bytes that end with their own checksum, as a header does, have a CRC in common with others.
      HOLDFAST_TRY(same, is_copy(begin, end, name));
      if (same) break;
      name = wanted + "-" + std::to_string(n);
    }
    // Also where it was there: whoever made it may have crashed before its name was durable.
    return fs_.sync_directory(detail::parent_of(path_));
  }

  [[nodiscard]] result<bytes> point() const {
    auto content = detail::read_file(fs_, path_ + ".point", 4096);
    if (content) return content;
    auto const code = content.error().code();
    if (code == errc::not_found || code == errc::too_large) return bytes{};
    return content;
  }
  [[nodiscard]] result<void> keep_point(bytes_view content) {
    if (!point_) {
      HOLDFAST_TRY(opened, detail::open_or_create(fs_, path_ + ".point"));
      point_ = std::move(opened);
    }
    return fs_.write_at(*point_, 0, content);
  }
  [[nodiscard]] result<void> settle_point() {
    if (!point_) return ok();
    HOLDFAST_TRYV(fs_.sync(*point_));
    return fs_.sync_directory(detail::parent_of(path_));
  }

 private:
  BasicFileSegment(Fs fs, std::string path, typename Fs::file file)
      : fs_{std::move(fs)}, path_{std::move(path)}, file_{std::move(file)} {}

  [[nodiscard]] result<void> copy_aside(std::uint64_t begin,
                                        std::uint64_t end,
                                        std::uint32_t crc,
                                        std::string const& name) const {
    auto const unfinished = name + ".new";
    HOLDFAST_TRYV(detail::remove_if_there(fs_, unfinished));  // a recovery that crashed left it
    HOLDFAST_TRY(copy, fs_.open(unfinished, Open::create));
    HOLDFAST_TRY(written, walk(begin, end, [&](std::uint64_t at, bytes_view some) {
                   return fs_.write_at(copy, at - begin, some);
                 }));
    if (written != crc) return failure(errc::conflict, "set aside", path_);
    HOLDFAST_TRYV(fs_.sync(copy));
    return fs_.rename(unfinished, name);
  }
  [[nodiscard]] result<bool> is_copy(std::uint64_t begin,
                                     std::uint64_t end,
                                     std::string const& name) const {
    HOLDFAST_TRY(copy, fs_.open(name, Open::read));
    HOLDFAST_TRY(size, fs_.size(copy));
    bool same = size == end - begin;
    bytes own;
    HOLDFAST_TRY(walked, walk(begin, end, [&](std::uint64_t at, bytes_view some) -> result<void> {
                   own.resize(some.size());
                   HOLDFAST_TRY(got, fs_.read_at(copy, at - begin, own));
                   same = same && got == some.size() &&
                          std::equal(own.begin(), own.end(), some.begin());
                   return ok();
                 }));
    static_cast<void>(walked);
    return same;
  }

  // Tells each piece, and gives the checksum of all.
  template <class Visit>
  [[nodiscard]] result<std::uint32_t> walk(std::uint64_t begin,
                                           std::uint64_t end,
                                           Visit visit) const {
    bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, 64 << 10)));
    std::uint32_t crc = 0;
    for (auto at = begin; at < end;) {
      auto const piece = bytes_span{buffer}.first(
          static_cast<std::size_t>(std::min<std::uint64_t>(end - at, buffer.size())));
      HOLDFAST_TRY(got, fs_.read_at(file_, at, piece));
      if (got != piece.size()) return failure(errc::conflict, "set aside", path_);
      crc = crc32c(piece, crc);
      HOLDFAST_TRYV(visit(at, bytes_view{piece}));
      at += piece.size();
    }
    return crc;
  }

  Fs fs_;
  std::string path_;
  mutable typename Fs::file file_;
  std::optional<typename Fs::file> point_;
  bool named_ = false;  // its name has been made durable by this object
};

/// On the real file system.
using FileSegment = BasicFileSegment<Posix>;
static_assert(pointed_segment<FileSegment>);

HOLDFAST_END

#endif

// ------------ holdfast/backend/mapped_segment.hpp
// Reads a segment that is no longer written through a map of its file: nothing is copied.
//
// Not for a disk that may fail to read: what a map can't give is a signal that ends the process,
// where a call would answer an error.
#ifndef HOLDFAST_BACKEND_MAPPED_SEGMENT_HPP
#define HOLDFAST_BACKEND_MAPPED_SEGMENT_HPP

HOLDFAST_BEGIN

/// Can map files. `map(file, size)` gives what has `content()`.
template <class Fs>
concept mapping_files = file_system<Fs> &&
    requires(Fs const& fs, typename Fs::file& file, typename Fs::mapping const& map) {
  { fs.map(file, std::uint64_t{}) } -> std::same_as<result<typename Fs::mapping>>;
  { map.content() } -> std::same_as<bytes_view>;
};

/// Models `mapped_segment`: to read alone, and only while nobody cuts or writes the file.
template <mapping_files Fs>
class BasicMappedSegment {
 public:
  /// Takes no lock. What is appended later is not seen.
  [[nodiscard]] static result<BasicMappedSegment> open_to_read(std::string const& path,
                                                               Fs const& fs = {}) {
    HOLDFAST_TRY(file, fs.open(path, Open::read));
    HOLDFAST_TRY(size, fs.size(file));
    HOLDFAST_TRY(map, fs.map(file, size));
    return BasicMappedSegment{std::move(map)};
  }

  [[nodiscard]] bytes_view mapped() const noexcept { return map_.content(); }
  [[nodiscard]] result<std::uint64_t> size() const { return map_.content().size(); }
  [[nodiscard]] result<std::size_t> read_at(std::uint64_t at, bytes_span into) const {
    auto const all = map_.content();
    auto const begin = static_cast<std::size_t>(std::min<std::uint64_t>(at, all.size()));
    auto const some = all.subspan(begin, std::min(into.size(), all.size() - begin));
    std::copy(some.begin(), some.end(), into.begin());
    return some.size();
  }
  [[nodiscard]] result<void> append(std::uint64_t, bytes_view) { return refuse(); }
  [[nodiscard]] result<void> set_aside(std::uint64_t, std::uint64_t) { return refuse(); }
  [[nodiscard]] result<void> truncate(std::uint64_t) { return refuse(); }
  [[nodiscard]] result<void> rewrite(std::uint64_t, bytes_view) { return refuse(); }
  [[nodiscard]] result<void> sync() { return refuse(); }

 private:
  explicit BasicMappedSegment(typename Fs::mapping map) noexcept : map_{std::move(map)} {}
  [[nodiscard]] static result<void> refuse() {
    return failure(errc::read_only, "write to a mapped segment");
  }
  typename Fs::mapping map_;
};

/// On the real file system.
using MappedSegment = BasicMappedSegment<Posix>;
static_assert(mapped_segment<MappedSegment>);

HOLDFAST_END

#endif

// ------------ holdfast/backend/memory_register.hpp
// Keeps an atomic register in memory, for stores that live in memory and for tests.
#ifndef HOLDFAST_BACKEND_MEMORY_REGISTER_HPP
#define HOLDFAST_BACKEND_MEMORY_REGISTER_HPP

HOLDFAST_BEGIN

/// An atomic register that lives as long as its copies do: a copy is another handle on the same
/// register. Thread-safe.
class MemoryRegister {
 public:
  static constexpr Guarantees guarantees{.durable = false,
                                         .fenced = false,
                                         .detects_damage = false,
                                         .lifetime = Lifetime::process,
                                         .reach = Reach::process};

  MemoryRegister() : cell_{std::make_shared<Cell>()} {}

  [[nodiscard]] result<std::optional<Versioned>> load() const {
    std::lock_guard const guard{cell_->mutex};
    return cell_->held;
  }

  [[nodiscard]] result<Version> store_if(Version expected, bytes_view value) {
    bytes copy{
        value.begin(),
        value.end()};  // before the lock and the change: nothing is half done if memory runs out
    std::lock_guard const guard{cell_->mutex};
    auto const version = cell_->held ? cell_->held->version : Version::none;
    if (version != expected) {
      return failure(errc::conflict, "store", "memory register");
    }
    Version const next{version.sequence + 1, 0};
    cell_->held.emplace(Versioned{next, std::move(copy)});
    return next;
  }

  /// Nothing can fail halfway here, so there is nothing to heal.
  [[nodiscard]] result<void> reopen() { return ok(); }
  [[nodiscard]] std::size_t max_size() const noexcept { return std::size_t{1} << 20; }

 private:
  struct Cell {
    std::mutex mutex;
    std::optional<Versioned> held;
  };
  std::shared_ptr<Cell> cell_;
};
static_assert(atomic_register<MemoryRegister>);

HOLDFAST_END

#endif

// ------------ holdfast/backend/memory_store.hpp
// A store of values in this process's memory: for tests, and for state that may be rebuilt.
#ifndef HOLDFAST_BACKEND_MEMORY_STORE_HPP
#define HOLDFAST_BACKEND_MEMORY_STORE_HPP

HOLDFAST_BEGIN

/// Each generation is a T. A writer gives `T&`; seal moves it out of the writer, so that nobody can
/// change what readers see. A reader gives `T const&` and keeps it alive, also when it is dropped.
/// A copy of the store is another handle on the same values.
template <class T>
requires std::default_initializable<T> && std::move_constructible<T>
class MemoryStore {
  struct Value {
    std::shared_ptr<T const> value;  // null until it is sealed
    Marks marks;
  };
  using Values = std::map<Generation, Value>;
  struct State {
    std::mutex mutex;
    Values values;
  };

 public:
  class writer {
   public:
    [[nodiscard]] T& operator*() const noexcept { return *value_; }
    [[nodiscard]] T* operator->() const noexcept { return value_.get(); }

   private:
    friend class MemoryStore;
    explicit writer(Generation g) : generation_{g}, value_{std::make_unique<T>()} {}
    Generation generation_;
    std::unique_ptr<T> value_;
    bool sealed_ = false;
  };
  class reader {
   public:
    [[nodiscard]] T const& operator*() const noexcept { return *value_; }
    [[nodiscard]] T const* operator->() const noexcept { return value_.get(); }

   private:
    friend class MemoryStore;
    explicit reader(Value shown) : value_{std::move(shown.value)}, marks_{std::move(shown.marks)} {}
    std::shared_ptr<T const> value_;
    Marks marks_;
  };
  /// Changes a copy, which readers see once it returned without an error.
  using batch_type = std::function<result<void>(T&)>;
  static constexpr Guarantees guarantees{};

  explicit MemoryStore(std::string name = "memory")
      : name_{std::move(name)}, state_{std::make_shared<State>()} {}

  /// Memory needs no place.
  void place(std::string const&) noexcept {}
  [[nodiscard]] std::string const& name() const noexcept { return name_; }

  [[nodiscard]] result<writer> create(Generation g) {
    if (g.number == 0) return refuse(errc::invalid, "create generation 0");
    writer made{g};
    std::scoped_lock const lock{state_->mutex};
    if (!state_->values.try_emplace(g).second) return refuse(errc::exists, "create");
    return made;
  }
  /// A new generation that begins as a copy of `from`.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) requires std::copyable<T> {
    HOLDFAST_TRY(old, open(from));
    if (!old.marks_.empty()) return refuse(errc::invalid, "copy: it has taken updates");
    HOLDFAST_TRY(made, create(g));
    *made.value_ = *old;
    return made;
  }
  /// A new generation that begins as what this reader shows.
  [[nodiscard]] result<writer> begin_as(reader const& shown,
                                        Generation g) requires std::copyable<T> {
    HOLDFAST_TRY(made, create(g));
    *made.value_ = *shown;
    return made;
  }
  [[nodiscard]] result<void> seal(writer& w) {
    if (w.sealed_) return ok();
    std::scoped_lock const lock{state_->mutex};
    auto const found = state_->values.find(w.generation_);
    if (found == state_->values.end()) return refuse(errc::not_found, "seal what was dropped");
    found->second.value = std::make_shared<T const>(std::move(*w.value_));
    w.sealed_ = true;
    return ok();
  }
  [[nodiscard]] result<reader> open(Generation g) const {
    std::scoped_lock const lock{state_->mutex};
    auto const found = state_->values.find(g);
    if (found == state_->values.end()) return refuse(errc::not_found, "open");
    if (!found->second.value) return refuse(errc::unsealed, "open");
    return reader{found->second};
  }
  [[nodiscard]] result<void> drop(Generation g) {
    typename Values::node_type gone;  // destroys the value after the lock was let go
    std::scoped_lock const lock{state_->mutex};
    gone = state_->values.extract(g);
    return ok();
  }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    std::scoped_lock const lock{state_->mutex};
    std::vector<Generation> all;
    for (auto const& [g, value] : state_->values) all.push_back(g);
    return all;
  }

  [[nodiscard]] result<bool> updated(Generation g) const requires std::copyable<T> {
    HOLDFAST_TRY(now, open(g));
    return !now.marks_.empty();
  }
  /// Every generation takes updates.
  [[nodiscard]] result<bool> updates(Generation) const requires std::copyable<T> { return true; }
  [[nodiscard]] result<void> apply(Generation g,
                                   batch_type const& batch,
                                   Marks const& marks) requires std::copyable<T> {
    HOLDFAST_TRY(old, open(g));
    HOLDFAST_TRY(fresh, detail::is_fresh(old.marks_, marks, name_));
    if (!fresh) return ok();
    auto next = std::make_shared<T>(*old);
    HOLDFAST_TRYV(batch(*next));
    Value changed{std::move(next), detail::merged(old.marks_, marks)};
    std::scoped_lock const lock{state_->mutex};
    auto const found = state_->values.find(g);
    if (found == state_->values.end()) return refuse(errc::not_found, "apply to what was dropped");
    if (found->second.marks != old.marks_) return refuse(errc::fenced, "apply");
    found->second = std::move(changed);
    return ok();
  }
  [[nodiscard]] result<Marks> marks(Generation g) const requires std::copyable<T> {
    HOLDFAST_TRY(now, open(g));
    return now.marks_;
  }
  [[nodiscard]] std::optional<Marks> marks_of(reader const& from) const requires std::copyable<T> {
    return from.marks_;
  }

 private:
  [[nodiscard]] auto refuse(errc code, char const* where) const {
    return failure(code, where, name_);
  }
  std::string name_;
  std::shared_ptr<State> state_;
};
static_assert(placed_store<MemoryStore<int>> && updatable_store<MemoryStore<int>>);

HOLDFAST_END

#endif

// ------------ holdfast/detail/owner_bytes.hpp
// The bytes by which records of locks name a process.
#ifndef HOLDFAST_DETAIL_OWNER_BYTES_HPP
#define HOLDFAST_DETAIL_OWNER_BYTES_HPP

HOLDFAST_BEGIN

namespace detail {
inline void put_array(bytes_span into, std::size_t where, auto const& from) noexcept {
  for (std::size_t i = 0; i < from.size(); ++i) into[where + i] = static_cast<std::byte>(from[i]);
}
inline void get_array(bytes_view from, std::size_t where, auto& into) noexcept {
  for (std::size_t i = 0; i < into.size(); ++i) {
    into[i] = static_cast<std::remove_reference_t<decltype(into[0])>>(from[where + i]);
  }
}

// Pid, start time, nonce, boot id, host.
inline constexpr std::size_t owner_size = 8 + 8 + 8 + 16 + 64;

inline void put_owner(bytes_span into, std::size_t where, Owner const& owner) noexcept {
  put_le(into, where, owner.pid);
  put_le(into, where + 8, owner.start_time);
  put_le(into, where + 16, owner.nonce);
  put_array(into, where + 24, owner.boot.id);
  put_array(into, where + 40, owner.host);
}
[[nodiscard]] inline Owner get_owner(bytes_view from, std::size_t where) noexcept {
  Owner owner;
  owner.pid = get_le<std::uint64_t>(from, where);
  owner.start_time = get_le<std::uint64_t>(from, where + 8);
  owner.nonce = get_le<std::uint64_t>(from, where + 16);
  get_array(from, where + 24, owner.boot.id);
  get_array(from, where + 40, owner.host);
  return owner;
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/detail/lease_record.hpp
// Lays out what a lease keeps in its register.
#ifndef HOLDFAST_DETAIL_LEASE_RECORD_HPP
#define HOLDFAST_DETAIL_LEASE_RECORD_HPP

HOLDFAST_BEGIN

namespace detail::lease_record {
inline constexpr std::uint64_t magic = 0x6573'6165'6c66'68;  // "hflease"
inline constexpr std::uint64_t format = 1;
inline constexpr std::int64_t max_ttl_ns =
    std::int64_t{100} * 366 * 24 * 3600 * 1'000'000'000;  ///< a century

/// The last grant. Without a holder nobody has the lease.
struct Record {
  FencingToken token{};        ///< of the last grant, or greater
  std::uint64_t nonce = 0;     ///< of that grant
  std::uint64_t renewals = 0;  ///< of that grant; tells one renewal from another
  std::int64_t ttl_ns = 0;     ///< how long its holder may be silent
  std::optional<Holder> holder{};
  friend bool operator==(Record const&, Record const&) = default;
};

namespace at {
inline constexpr std::size_t magic = 0, form = 8, crc = 16, token = 24, nonce = 32, renewals = 40;
inline constexpr std::size_t ttl = 48, held = 56, since = 64, owner = 72, end = owner + owner_size;
}  // namespace at
using Bytes = std::array<std::byte, at::end>;

[[nodiscard]] inline Bytes encode(Record const& record) noexcept {
  Bytes all{};
  put_le(all, at::magic, magic);
  put_le(all, at::form, format);
  put_le(all, at::token, record.token.number);
  put_le(all, at::nonce, record.nonce);
  put_le(all, at::renewals, record.renewals);
  put_le(all, at::ttl, static_cast<std::uint64_t>(record.ttl_ns));
  if (record.holder) {
    put_le(all, at::held, std::uint64_t{1});
    put_le(all, at::since, static_cast<std::uint64_t>(record.holder->acquired_at_ns));
    put_owner(all, at::owner, record.holder->owner);
  }
  put_le(all, at::crc, crc32c(bytes_view{all}.subspan(at::token)));
  return all;
}

/// Errors: `foreign`, `newer_format`, `damaged`.
[[nodiscard]] inline result<Record> decode(bytes_view all) noexcept {
  if (all.size() < at::token || get_le<std::uint64_t>(all, at::magic) != magic) {
    return failure(errc::foreign, "lease", "no record of a lease");
  }
  if (get_le<std::uint64_t>(all, at::form) > format) return failure(errc::newer_format, "lease");
  bool const whole = all.size() == at::end &&
                     get_le<std::uint32_t>(all, at::crc) == crc32c(all.subspan(at::token));
  auto const ttl = whole ? static_cast<std::int64_t>(get_le<std::uint64_t>(all, at::ttl)) : -1;
  if (ttl < 0 || ttl > max_ttl_ns) return failure(errc::damaged, "lease");
  Record record{{get_le<std::uint64_t>(all, at::token)},
                get_le<std::uint64_t>(all, at::nonce),
                get_le<std::uint64_t>(all, at::renewals),
                ttl,
                {}};
  if (get_le<std::uint64_t>(all, at::held) == 0) return record;
  auto const since = static_cast<std::int64_t>(get_le<std::uint64_t>(all, at::since));
  record.holder = Holder{get_owner(all, at::owner), record.token, since};
  return record;
}
}  // namespace detail::lease_record

HOLDFAST_END

#endif

// ------------ holdfast/detail/lock_record.hpp
// Lays out what a lock file holds: two slots for the durable epoch and one for the holder.
#ifndef HOLDFAST_DETAIL_LOCK_RECORD_HPP
#define HOLDFAST_DETAIL_LOCK_RECORD_HPP

HOLDFAST_BEGIN

namespace detail::lock_record {
// A sector each, also of disks with large ones: raising the epoch leaves the slot of the epoch
// before it alone, and the holder, which is not synced, leaves both.
inline constexpr std::size_t slot_size = 512;
inline constexpr std::size_t stride = 4096;
inline constexpr std::size_t holder_at = 2 * stride;
inline constexpr std::size_t file_size = holder_at + slot_size;
inline constexpr std::uint64_t magic = 0x6b636f6c6668;  // "hflock"
inline constexpr std::uint64_t format = 1;

/// The high half of every token; raised and synced at the first grant of a boot and by force.
struct Epoch {
  std::uint64_t number = 0;
  BootId boot;
};
/// The low half, and who holds: not synced, so worthless after a reboot.
struct Last {
  FencingToken token;
  std::optional<Holder> holder;
};

using Slot = std::array<std::byte, slot_size>;
namespace at {
inline constexpr std::size_t magic = 0, form = 8, crc = 16, number = 24, boot = 32;
inline constexpr std::size_t held = 32, since = 40, owner = 48, end = owner + owner_size;
}  // namespace at

inline void finish(Slot& slot) noexcept {
  put_le(slot, at::magic, magic);
  put_le(slot, at::form, format);
  put_le(slot, at::crc, crc32c(bytes_view{slot}.subspan(at::number)));
}
[[nodiscard]] inline bool whole(bytes_view slot) noexcept {
  return slot.size() >= slot_size && get_le<std::uint64_t>(slot, at::magic) == magic &&
         get_le<std::uint32_t>(slot, at::crc) == crc32c(slot.first(slot_size).subspan(at::number));
}
[[nodiscard]] inline bool newer(bytes_view slot) noexcept {
  return whole(slot) && get_le<std::uint64_t>(slot, at::form) > format;
}

[[nodiscard]] inline Slot encode(Epoch const& epoch) noexcept {
  Slot slot{};
  put_le(slot, at::number, epoch.number);
  put_array(slot, at::boot, epoch.boot.id);
  finish(slot);
  return slot;
}
[[nodiscard]] inline std::optional<Epoch> decode_epoch(bytes_view slot) noexcept {
  if (!whole(slot)) return {};
  Epoch epoch{get_le<std::uint64_t>(slot, at::number), {}};
  get_array(slot, at::boot, epoch.boot.id);
  return epoch;
}

[[nodiscard]] inline Slot encode(Last const& last) noexcept {
  Slot slot{};
  put_le(slot, at::number, last.token.number);
  if (last.holder) {
    auto const& [owner, token, since] = *last.holder;
    put_le(slot, at::held, std::uint64_t{1});
    put_le(slot, at::since, static_cast<std::uint64_t>(since));
    put_owner(slot, at::owner, owner);
  }
  finish(slot);
  return slot;
}
[[nodiscard]] inline std::optional<Last> decode_last(bytes_view slot) noexcept {
  if (!whole(slot)) return {};
  Last last{{get_le<std::uint64_t>(slot, at::number)}, {}};
  if (get_le<std::uint64_t>(slot, at::held) == 0) return last;
  Holder holder;
  holder.token = last.token;
  holder.acquired_at_ns = static_cast<std::int64_t>(get_le<std::uint64_t>(slot, at::since));
  holder.owner = get_owner(slot, at::owner);
  last.holder = holder;
  return last;
}
}  // namespace detail::lock_record

HOLDFAST_END

#endif

// ------------ holdfast/detail/manifest.hpp
// Decides what the one record of a home says next, without any I/O.
//
// Invariants:
// - Generation numbers come from `next`, which only grows, also when an attempt ends in nothing.
// - `sequence` grows with every commit and revert; a revert lowers the generation, never the
// sequence.
// - A generation leaves `retained` once and for all, into `retiring`; nothing is dropped that is
// not listed there or as attempt.
#ifndef HOLDFAST_DETAIL_MANIFEST_HPP
#define HOLDFAST_DETAIL_MANIFEST_HPP

HOLDFAST_BEGIN

/// A generation that can be shown or reverted to.
struct Kept {
  Generation generation;
  std::uint64_t sequence = 0;  ///< of the commit or revert that last made it current
  Marks marks;
  std::vector<Generation> parts;  ///< each part's own generation, in the order of the part names
  std::int64_t committed_ms = 0;  ///< wall clock; for display, and for retention by age
  friend bool operator==(Kept const&, Kept const&) = default;
};

/// A generation that is to be deleted once nobody reads it.
struct Retiring {
  Generation generation;
  std::int64_t since_ms =
      0;  ///< wall clock; only for the grace that foreign readers of a published name get
  friend bool operator==(Retiring const&, Retiring const&) = default;
};

/// A build that has begun and is not yet committed or discarded.
struct AttemptRecord {
  Generation generation;
  FencingToken token;
  std::uint64_t nonce = 0;
  Owner owner;
  friend bool operator==(AttemptRecord const&, AttemptRecord const&) = default;
};

/// Which attempt made a commit, so that its author can learn the outcome later.
struct CommitRecord {
  std::uint64_t sequence = 0;
  std::uint64_t nonce = 0;
  friend bool operator==(CommitRecord const&, CommitRecord const&) = default;
};

/// The one record of a home.
struct Manifest {
  std::array<std::uint8_t, 16> home{};  ///< drawn when the home is made
  std::vector<std::string> part_names;
  std::uint64_t sequence = 0;
  FencingToken fence;
  std::uint64_t next = 1;
  Generation current;  ///< 0 before the first commit
  std::optional<AttemptRecord> attempt;
  std::vector<Kept> retained;  ///< newest sequence first; the current one is among them
  std::vector<Retiring> retiring;
  std::vector<CommitRecord> commits;  ///< newest first
  std::optional<std::string> hold;    ///< why nothing may be committed just now
  friend bool operator==(Manifest const&, Manifest const&) = default;
};

/// What became of a commit whose answer was lost.
enum class Outcome : std::uint8_t { committed, not_committed, unknown };

namespace detail::manifest {
inline constexpr std::size_t max_listed = 64;  // retained and retiring together
inline constexpr std::size_t max_retained = 48;
inline constexpr std::size_t max_commits = 16;    // outcomes that can still be asked for
inline constexpr std::size_t max_marks = 2048;    // bytes of all marks as text
inline constexpr std::size_t max_reason = 120;    // bytes of the reason of a hold
inline constexpr std::size_t attempt_size = 384;  // bytes that an attempt adds, at most
inline constexpr std::size_t reserve = 512;  // bytes that a commit leaves for a hold and reverts

[[nodiscard]] inline Kept const* find(Manifest const& m, Generation g) noexcept {
  for (auto const& kept : m.retained) {
    if (kept.generation == g) return &kept;
  }
  return nullptr;
}

[[nodiscard]] inline bool has_parts_of(Kept const& kept, Generation g) noexcept {
  return kept.generation == g ||
         std::find(kept.parts.begin(), kept.parts.end(), g) != kept.parts.end();
}
/// Does a retained generation have parts of this one? Then it must stay, whatever else lists it.
[[nodiscard]] inline bool carried(Manifest const& m, Generation g) noexcept {
  return std::any_of(m.retained.begin(), m.retained.end(),
                     [g](Kept const& kept) { return has_parts_of(kept, g); });
}

/// Which generation each part of a build has: its own, or where `carries` says so that of `from`.
[[nodiscard]] inline std::vector<Generation> parts_of_build(Generation g,
                                                            Kept const* from,
                                                            std::vector<bool> const& carries) {
  std::vector<Generation> parts(carries.size(), g);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (carries[i] && from != nullptr) parts[i] = from->parts[i];
  }
  return parts;
}

[[nodiscard]] inline bool lists(Manifest const& m, Generation g) noexcept {
  if (m.attempt && m.attempt->generation == g) return true;
  for (auto const& retiring : m.retiring) {
    if (retiring.generation == g) return true;
  }
  return find(m, g) != nullptr;
}

/// The attempt that starts now, under a token greater than every one before.
[[nodiscard]] inline result<Manifest> begin(Manifest m,
                                            FencingToken token,
                                            Owner const& owner,
                                            std::uint64_t nonce) {
  if (token < m.fence)
    return failure(errc::fenced, "stage");  // its own recovery may have raised it
  if (m.hold) return failure(errc::held, "stage", *m.hold);
  if (m.retained.size() + m.retiring.size() + 1 > max_listed) {
    return failure(errc::full, "stage",
                   "generations wait to be dropped; collect() or let readers go");
  }
  m.fence = token;
  m.attempt = AttemptRecord{{m.next}, token, nonce, owner};
  m.next += 1;
  return m;
}

/// Goes on with an attempt that its author, who is dead, can't commit any more.
[[nodiscard]] inline result<Manifest> take_over(Manifest m,
                                                FencingToken token,
                                                Owner const& owner,
                                                std::uint64_t nonce) {
  if (token < m.fence) return failure(errc::fenced, "resume");
  if (m.hold) return failure(errc::held, "resume", *m.hold);
  m.fence = token;
  m.attempt = AttemptRecord{m.attempt->generation, token, nonce, owner};
  return m;
}

/// Whoever made the attempt can't commit it any more: its generation may be dropped once this is
/// stored.
[[nodiscard]] inline Manifest fence_out(Manifest m, FencingToken token) {
  m.fence = std::max(m.fence, token);
  return m;
}

/// The attempt ends in nothing; its generation has been dropped.
[[nodiscard]] inline Manifest end(Manifest m) {
  m.attempt.reset();
  return m;
}

inline void record_commit(Manifest& m, std::uint64_t nonce) {
  m.sequence += 1;
  m.commits.insert(m.commits.begin(), CommitRecord{m.sequence, nonce});
  if (m.commits.size() > max_commits) m.commits.resize(max_commits);
}

inline void order(Manifest& m) {
  std::sort(m.retained.begin(), m.retained.end(),
            [](Kept const& a, Kept const& b) { return a.sequence > b.sequence; });
}

/// How many generations stay revertible: `least`, and more of them while they are young.
struct Retention {
  std::size_t least = 1;
  std::int64_t young_ms = 0;
  std::size_t most = max_retained;
};

// From here on its grace counts, also for what it carried.
inline void retire_last(Manifest& m, std::int64_t now_ms) {
  auto const gone = std::move(m.retained.back());
  m.retained.pop_back();
  m.retiring.push_back({gone.generation, now_ms});
  for (auto& retiring : m.retiring) {
    if (has_parts_of(gone, retiring.generation)) retiring.since_ms = now_ms;
  }
}

/// The attempt becomes current, with these parts; what is not retained any more starts to retire.
[[nodiscard]] inline Manifest commit(Manifest m,
                                     Marks marks,
                                     std::vector<Generation> parts,
                                     Retention const& keep,
                                     std::int64_t now_ms) {
  auto const attempt = *std::exchange(m.attempt, std::nullopt);
  record_commit(m, attempt.nonce);
  m.current = attempt.generation;
  m.retained.push_back(
      {attempt.generation, m.sequence, std::move(marks), std::move(parts), now_ms});
  order(m);
  auto const stays = [&](Kept const& kept) {
    auto const age_ms = now_ms - kept.committed_ms;  // negative where the clock went back
    return m.retained.size() <= keep.most && age_ms >= 0 && age_ms < keep.young_ms;
  };
  while (m.retained.size() > std::max<std::size_t>(keep.least, 1) && !stays(m.retained.back())) {
    retire_last(m, now_ms);
  }
  return m;
}

/// A retained generation becomes current again, with its own marks.
[[nodiscard]] inline result<Manifest> revert(Manifest m, Generation to, std::uint64_t nonce) {
  auto const at = std::find_if(m.retained.begin(), m.retained.end(),
                               [to](Kept const& kept) { return kept.generation == to; });
  if (at == m.retained.end()) {
    return failure(errc::not_retained, "revert", std::to_string(to.number));
  }
  record_commit(m, nonce);
  m.current = to;
  at->sequence = m.sequence;
  order(m);
  return m;
}

/// Without what has been dropped for good.
[[nodiscard]] inline Manifest without(Manifest m, std::vector<Generation> const& dropped) {
  std::erase_if(m.retiring, [&](Retiring const& retiring) {
    return std::find(dropped.begin(), dropped.end(), retiring.generation) != dropped.end();
  });
  return m;
}

/// What the record says of a commit whose answer was lost, once no write of it can be under way.
[[nodiscard]] inline Outcome outcome(Manifest const& m, Ticket const& ticket) noexcept {
  for (auto const& commit : m.commits) {
    if (commit.sequence != ticket.sequence) continue;
    return commit.nonce == ticket.nonce ? Outcome::committed : Outcome::not_committed;
  }
  return m.sequence < ticket.sequence ? Outcome::not_committed : Outcome::unknown;
}
}  // namespace detail::manifest

HOLDFAST_END

#endif

// ------------ holdfast/detail/manifest_text.hpp
// Writes a manifest as lines of text and reads it back; whatever is not exactly such a text is
// damage.
#ifndef HOLDFAST_DETAIL_MANIFEST_TEXT_HPP
#define HOLDFAST_DETAIL_MANIFEST_TEXT_HPP

#include <charconv>

HOLDFAST_BEGIN

namespace detail::manifest {
inline constexpr std::uint64_t format = 1;

// ---- words: names are escaped as %xx so that a word has no space, '=' or line end

[[nodiscard]] constexpr bool plain(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}
inline constexpr std::string_view digits = "0123456789abcdef";

inline void put_hex(std::string& out, std::uint8_t byte) {
  out += digits[byte >> 4];
  out += digits[byte & 15];
}
inline void put_name(std::string& out, std::string_view name) {
  if (name.empty()) out += '%';  // a lone % stands for the empty name
  for (char const c : name) {
    if (plain(c)) {
      out += c;
    } else {
      out += '%';
      put_hex(out, static_cast<std::uint8_t>(c));
    }
  }
}
template <std::size_t N>
void put_id(std::string& out, std::array<std::uint8_t, N> const& id) {
  for (auto const byte : id) put_hex(out, byte);
}

// ---- reading: a cursor over words and lines that remembers whether all went well

class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : rest_{text} {}
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
  [[nodiscard]] bool line_has_more() const noexcept {
    return good_ && !rest_.empty() && rest_[0] == ' ';
  }

  // The next word of this line; each but the first has one space before it.
  std::string_view word() noexcept {
    if (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
    auto const end = rest_.find_first_of(" \n");
    if (end == 0 || end == std::string_view::npos) return fail();
    auto const word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }
  void end_line() noexcept {
    if (rest_.empty() || rest_[0] != '\n') {
      fail();
    } else {
      rest_.remove_prefix(1);
    }
  }
  std::uint64_t number() noexcept { return number_of(word()); }
  std::uint64_t number_of(std::string_view word) noexcept {
    std::uint64_t value = 0;
    auto const [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size()) fail();
    return value;
  }
  std::string name() { return name_of(word()); }
  std::string name_of(std::string_view word) {
    std::string out;
    if (word == "%") return out;
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (word[i] != '%') {
        out += word[i];
        continue;
      }
      out += static_cast<char>(byte_at(word, i + 1));
      i += 2;
    }
    return out;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> id() noexcept {
    std::array<std::uint8_t, N> out{};
    auto const from = word();
    if (from.size() != 2 * N) fail();
    for (std::size_t i = 0; i < N; ++i) out[i] = byte_at(from, 2 * i);
    return out;
  }
  std::string_view fail() noexcept {
    good_ = false;
    rest_ = {};
    return {};
  }

 private:
  std::uint8_t byte_at(std::string_view word, std::size_t at) noexcept {
    if (at + 2 > word.size()) {
      fail();
      return 0;
    }
    auto const high = digits.find(word[at]), low = digits.find(word[at + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) fail();
    return static_cast<std::uint8_t>((high & 15) << 4 | (low & 15));
  }

  std::string_view rest_;
  bool good_ = true;
};

// ---- marks

inline void put_marks(std::string& out, Marks const& marks) {
  for (auto const& [name, value] : marks) {
    out += ' ';
    put_name(out, name);
    out += '=';
    out += std::to_string(value);
  }
}
[[nodiscard]] inline std::size_t size_of_marks(Manifest const& m) {
  std::string all;
  for (auto const& kept : m.retained) put_marks(all, kept.marks);
  return all.size();
}
inline Marks get_marks(Reader& in) {
  Marks marks;
  while (in.line_has_more()) {
    auto const word = in.word();
    auto const equals = word.find('=');
    if (equals == std::string_view::npos) {
      in.fail();
      break;
    }
    auto name = in.name_of(word.substr(0, equals));
    marks.emplace(std::move(name), in.number_of(word.substr(equals + 1)));
  }
  return marks;
}

// ---- the record

// "7" where all parts are of generation 7, else "7[7,5]".
inline void put_parts(std::string& out, Kept const& kept) {
  out += std::to_string(kept.generation.number);
  bool const all_same = std::all_of(kept.parts.begin(), kept.parts.end(),
                                    [&](Generation g) { return g == kept.generation; });
  if (all_same) return;
  char separator = '[';
  for (auto const part : kept.parts) {
    out += std::exchange(separator, ',');
    out += std::to_string(part.number);
  }
  out += ']';
}
inline void get_parts(Reader& in, std::size_t count, Kept& kept) {
  auto word = in.word();
  auto const bracket = word.find('[');
  kept.generation = {in.number_of(word.substr(0, bracket))};
  kept.parts.assign(count, kept.generation);
  if (bracket == std::string_view::npos) return;
  word.remove_prefix(bracket + 1);
  for (auto& part : kept.parts) {
    auto const end = word.find_first_of(",]");
    if (end == std::string_view::npos) {
      in.fail();
      return;
    }
    part = {in.number_of(word.substr(0, end))};
    word.remove_prefix(end + 1);
  }
  if (!word.empty()) in.fail();
}

inline void put_attempt(std::string& out, AttemptRecord const& attempt) {
  out += "attempt " + std::to_string(attempt.generation.number) + ' ' +
         std::to_string(attempt.token.number) + ' ' + std::to_string(attempt.nonce) + ' ';
  put_name(out, attempt.owner.host_name());
  out += ' ';
  put_id(out, attempt.owner.boot.id);
  out += ' ' + std::to_string(attempt.owner.pid) + ' ' + std::to_string(attempt.owner.start_time) +
         ' ' + std::to_string(attempt.owner.nonce) + '\n';
}
inline AttemptRecord get_attempt(Reader& in) {
  AttemptRecord attempt;
  attempt.generation = {in.number()};
  attempt.token = {in.number()};
  attempt.nonce = in.number();
  auto const host = in.name();
  auto& into = attempt.owner.host;
  if (host.size() < into.size()) {
    std::copy(host.begin(), host.end(), into.begin());
  } else {
    in.fail();
  }
  attempt.owner.boot.id = in.id<16>();
  attempt.owner.pid = in.number();
  attempt.owner.start_time = in.number();
  attempt.owner.nonce = in.number();
  return attempt;
}

[[nodiscard]] inline std::string encode(Manifest const& m) {
  std::string out = "holdfast-manifest " + std::to_string(format) + "\nhome ";
  put_id(out, m.home);
  out += "\nparts";
  for (auto const& name : m.part_names) {
    out += ' ';
    put_name(out, name);
  }
  out += "\nsequence " + std::to_string(m.sequence) + "\nfence " + std::to_string(m.fence.number) +
         "\nnext " + std::to_string(m.next) + "\ncurrent " + std::to_string(m.current.number) +
         '\n';
  if (m.hold) {
    out += "hold ";
    put_name(out, *m.hold);
    out += '\n';
  }
  if (m.attempt) put_attempt(out, *m.attempt);
  for (auto const& kept : m.retained) {
    out += "retained ";
    put_parts(out, kept);
    out += ' ' + std::to_string(kept.sequence) + ' ' +
           std::to_string(static_cast<std::uint64_t>(kept.committed_ms));
    put_marks(out, kept.marks);
    out += '\n';
  }
  for (auto const& [generation, since_ms] : m.retiring) {
    out += "retiring " + std::to_string(generation.number) + ' ' +
           std::to_string(static_cast<std::uint64_t>(since_ms)) + '\n';
  }
  for (auto const& [sequence, nonce] : m.commits) {
    out += "commit " + std::to_string(sequence) + ' ' + std::to_string(nonce) + '\n';
  }
  return out;
}

inline void get_list(Reader& in, Manifest& m) {
  auto const key = in.word();
  if (key == "hold" && !m.hold) {
    m.hold = in.name();
  } else if (key == "attempt" && !m.attempt) {
    m.attempt = get_attempt(in);
  } else if (key == "retained" && m.retained.size() < max_listed) {
    Kept kept;
    get_parts(in, m.part_names.size(), kept);
    kept.sequence = in.number();
    kept.committed_ms = static_cast<std::int64_t>(in.number());
    kept.marks = get_marks(in);
    m.retained.push_back(std::move(kept));
  } else if (key == "retiring" && m.retiring.size() < max_listed) {
    Generation const generation{in.number()};
    m.retiring.push_back({generation, static_cast<std::int64_t>(in.number())});
  } else if (key == "commit" && m.commits.size() < max_commits) {
    auto const sequence = in.number();
    m.commits.push_back({sequence, in.number()});
  } else {
    in.fail();
  }
  in.end_line();
}

inline void expect(Reader& in, std::string_view key) noexcept {
  if (in.word() != key) in.fail();
}

// Each generation is listed once and lies below `next`, and so does what another has parts of; the
// current one is retained.
[[nodiscard]] inline bool makes_sense(Manifest const& m) {
  std::vector<Generation> listed;
  for (auto const& kept : m.retained) listed.push_back(kept.generation);
  for (auto const& retiring : m.retiring) listed.push_back(retiring.generation);
  if (m.attempt) listed.push_back(m.attempt->generation);
  std::sort(listed.begin(), listed.end());
  bool const once = std::adjacent_find(listed.begin(), listed.end()) == listed.end();
  bool const below = listed.empty() || (listed.front().number > 0 && listed.back().number < m.next);
  bool const shown = m.current.number == 0 ? m.retained.empty() : find(m, m.current) != nullptr;
  auto const known = [&](Generation g) { return lists(m, g); };
  bool const whole = std::all_of(m.retained.begin(), m.retained.end(), [&](Kept const& kept) {
    return std::all_of(kept.parts.begin(), kept.parts.end(), known);
  });
  return once && below && shown && whole;
}

[[nodiscard]] inline result<Manifest> decode(std::string_view text) {
  Manifest m;
  Reader in{text};
  expect(in, "holdfast-manifest");
  auto const version = in.number();
  if (in.good() && version > format) return failure(errc::newer_format, "manifest");
  in.end_line();
  expect(in, "home");
  m.home = in.id<16>();
  in.end_line();
  expect(in, "parts");
  while (in.line_has_more()) m.part_names.push_back(in.name());
  in.end_line();
  auto const field = [&in](std::string_view key) {
    expect(in, key);
    auto const value = in.number();
    in.end_line();
    return value;
  };
  m.sequence = field("sequence");
  m.fence = {field("fence")};
  m.next = field("next");
  m.current = {field("current")};
  while (in.good() && !in.at_end()) get_list(in, m);
  bool const complete = in.good() && version == format && makes_sense(m);
  // One manifest has one text: what reads back as another text was not written by us.
  if (!complete || encode(m) != text) return failure(errc::damaged, "manifest");
  return m;
}
}  // namespace detail::manifest

HOLDFAST_END

#endif

// ------------ holdfast/detail/pin_slots.hpp
// Lets readers protect what they read with one plain store: hazard slots, one cache line a thread
// and object.
//
// Invariants:
// - A reader stores a pointer in its slot, then sees that it is still the published one. The
//   reclaimer unpublishes, then runs a barrier in every thread (membarrier), then reads the slots:
//   so it sees the store, or the reader sees the change.
// - Slots belong to the object, outlive threads, and are used again once their thread is gone. A
//   thread_local only remembers where they are: two libraries may each have their own copy of it,
//   and both find the same slots.
#ifndef HOLDFAST_DETAIL_PIN_SLOTS_HPP
#define HOLDFAST_DETAIL_PIN_SLOTS_HPP

#include <errno.h>
#include <sys/syscall.h>

HOLDFAST_BEGIN

namespace detail {
using HazardSlot = std::atomic<void const*>;

/// The slots of one thread.
struct alignas(128) ThreadSlots {
  std::array<HazardSlot, 8> hazard{};

  /// A slot that is not in use, or null. Looked for by what is in the slots, not by a mask beside
  /// them: the branches are foreseen, so that one view need not wait for the stores of the view
  /// before.
  [[nodiscard]] HazardSlot* free_slot() noexcept {
    for (auto& slot : hazard) {
      if (slot.load(std::memory_order_relaxed) == nullptr) return &slot;
    }
    return nullptr;
  }
  std::atomic<std::int32_t> owner{0};  // kernel thread id
};

struct SlotCache {
  std::uint64_t object = 0;
  ThreadSlots* slots = nullptr;
};
// One object a thread is remembered: another costs the way through the list.
inline constinit thread_local SlotCache slot_cache{};
// A forked child must not pass for the thread of its parent that had these slots.
inline bool const slot_cache_watched = [] {
  return ::pthread_atfork(nullptr, nullptr, [] { slot_cache = {}; }) == 0;
}();

// From linux/membarrier.h, whose presence is not worth a dependency.
inline constexpr int membarrier_private_expedited = 1 << 3;
inline constexpr int membarrier_register_private_expedited = 1 << 4;
inline long membarrier(int command) noexcept {
#ifdef SYS_membarrier
  return ::syscall(SYS_membarrier, command, 0, 0);
#else
  static_cast<void>(command);
  return -1;
#endif
}

class PinSlots {
 public:
  /// `id` is drawn at random: an object made at the address of a dead one must not find its cached
  /// slots.
  explicit PinSlots(std::uint64_t id) noexcept
      : id_{id | 1}, asymmetric_{membarrier(membarrier_register_private_expedited) == 0} {}
  PinSlots(PinSlots const&) = delete;
  PinSlots& operator=(PinSlots const&) = delete;

  /// One of the first slots of this thread for the fast path, where a plain store protects. Null:
  /// take the slow one.
  [[nodiscard]] HazardSlot* quick_slot() const noexcept {
    if (slot_cache.object != id_) [[unlikely]] {
      return nullptr;
    }
    auto& slots = slot_cache.slots->hazard;
    if (slots[0].load(std::memory_order_relaxed) == nullptr) [[likely]] {
      return &slots[0];
    }
    if (slots[1].load(std::memory_order_relaxed) == nullptr) return &slots[1];
    if (slots[2].load(std::memory_order_relaxed) == nullptr) return &slots[2];
    return nullptr;
  }

  /// Protects `pointer` with a slot from `quick_slot` before the next load of the published
  /// pointer.
  static void protect_quickly(HazardSlot& slot, void const* pointer) noexcept {
    slot.store(pointer, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the reclaimer's barrier does the rest
  }

  /// A slot of this thread, found or made; null if all of them are in use.
  [[nodiscard]] HazardSlot* slot() {
    return slot_cache.object == id_ ? slot_cache.slots->free_slot() : find().free_slot();
  }

  /// The same for any slot.
  void protect(HazardSlot& slot, void const* pointer) const noexcept {
    if (asymmetric_) {
      protect_quickly(slot, pointer);
    } else {
      slot.exchange(pointer, std::memory_order_seq_cst);
    }
  }

  /// Every pointer that some thread protects, among those unpublished before the call.
  [[nodiscard]] std::vector<void const*> protected_pointers() {
    if (asymmetric_) {
      membarrier(membarrier_private_expedited);
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    std::lock_guard const guard{mutex_};
    std::vector<void const*> out;
    for (auto const& slots : all_) {
      for (auto const& hazard : slots->hazard) {
        auto const* pointer = hazard.load(std::memory_order_acquire);
        if (pointer != nullptr) out.push_back(pointer);
      }
    }
    return out;
  }

 private:
  // Those it has used before, else some of a thread that is gone, else new ones.
  [[nodiscard]] ThreadSlots& find() {
    auto const self = static_cast<std::int32_t>(::syscall(SYS_gettid));
    std::lock_guard const guard{mutex_};
    ThreadSlots* slots_of_self = nullptr;
    for (auto const& slots : all_) {
      if (slots->owner.load(std::memory_order_relaxed) == self) slots_of_self = slots.get();
    }
    for (std::size_t i = 0; slots_of_self == nullptr && i < all_.size(); ++i) {
      if (orphaned(*all_[i])) slots_of_self = all_[i].get();
    }
    if (slots_of_self == nullptr) {
      all_.push_back(std::make_unique<ThreadSlots>());
      slots_of_self = all_.back().get();
    }
    slots_of_self->owner.store(self, std::memory_order_relaxed);
    if (asymmetric_) slot_cache = {id_, slots_of_self};  // not found there = not quick
    return *slots_of_self;
  }

  // A thread that ended with a view still open (a leak of its program) keeps its slots for ever.
  static bool orphaned(ThreadSlots const& slots) noexcept {
    for (auto const& slot : slots.hazard) {
      if (slot.load(std::memory_order_relaxed) != nullptr) return false;
    }
    auto const owner = slots.owner.load(std::memory_order_relaxed);
    return ::syscall(SYS_tgkill, ::getpid(), owner, 0) != 0 && errno == ESRCH;
  }

  std::uint64_t id_;
  bool asymmetric_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<ThreadSlots>> all_;
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/detail/transitions.hpp
// Says which state of a staged run may follow which, and checks at compile time that no state is a
// trap.
#ifndef HOLDFAST_DETAIL_TRANSITIONS_HPP
#define HOLDFAST_DETAIL_TRANSITIONS_HPP

HOLDFAST_BEGIN

namespace detail {
struct Transition {
  State from;
  State to;
};

// Before the commit point every state may roll back. `failed` is left by recover().
inline constexpr std::array transitions{
    Transition{State::none, State::initializing},
    Transition{State::initializing, State::processing},
    Transition{State::initializing, State::rolling_back},
    Transition{State::processing, State::ready_to_commit},
    Transition{State::processing, State::rolling_back},
    Transition{State::ready_to_commit, State::committing},
    Transition{State::ready_to_commit, State::rolling_back},
    Transition{State::committing, State::committed},
    Transition{State::committing, State::rolling_back},
    Transition{State::committed, State::none},
    Transition{State::rolling_back, State::none},
    Transition{State::rolling_back, State::failed},
    Transition{State::failed, State::none},
};
inline constexpr std::size_t states = static_cast<std::size_t>(State::failed) + 1;

[[nodiscard]] constexpr bool allowed(State from, State to) noexcept {
  for (auto const& transition : transitions) {
    if (transition.from == from && transition.to == to) return true;
  }
  return false;
}

// From `from`, is every state reached, and can `from` be reached again from every state?
[[nodiscard]] consteval bool connected(State from) {
  std::array<bool, states> forth{}, back{};
  forth[static_cast<std::size_t>(from)] = back[static_cast<std::size_t>(from)] = true;
  for (std::size_t round = 0; round < states; ++round) {
    for (auto const& [a, b] : transitions) {
      if (forth[static_cast<std::size_t>(a)]) forth[static_cast<std::size_t>(b)] = true;
      if (back[static_cast<std::size_t>(b)]) back[static_cast<std::size_t>(a)] = true;
    }
  }
  for (std::size_t i = 0; i < states; ++i) {
    if (!forth[i] || !back[i]) return false;
  }
  return true;
}
static_assert(connected(State::none), "a state of a staged run is unreachable or never left");
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/explain.hpp
// Turns "constraints not satisfied" into one line for each operation or guarantee that is missing.
#ifndef HOLDFAST_EXPLAIN_HPP
#define HOLDFAST_EXPLAIN_HPP

HOLDFAST_BEGIN

/// Says at compile time, a line each, which operations T lacks to be a `generation_store`. True if
/// none.
template <class T>
constexpr bool explain_store() {
  static_assert(can_create<T>, "generation_store: needs  result<Writer> create(Generation)");
  if constexpr (can_create<T>) {
    static_assert(can_seal<T>, "generation_store: needs  result<void> seal(Writer&)");
    static_assert(std::movable<writer_of<T>>, "generation_store: its writer must be movable");
  }
  static_assert(can_open<T>, "generation_store: needs  result<Reader> open(Generation)");
  if constexpr (can_open<T>) {
    static_assert(std::movable<reader_of<T>>, "generation_store: its reader must be movable");
  }
  static_assert(can_drop<T>, "generation_store: needs  result<void> drop(Generation)");
  static_assert(can_list<T>,
                "generation_store: needs  result<std::vector<Generation>> generations()");
  static_assert(std::movable<T>, "generation_store: must be movable");
  return generation_store<T>;
}

/// The same for `atomic_register`.
template <class T>
constexpr bool explain_register() {
  static_assert(can_load<T>, "atomic_register: needs  result<std::optional<Versioned>> load()");
  static_assert(can_store_if<T>,
                "atomic_register: needs  result<Version> store_if(Version, bytes_view)");
  static_assert(can_reopen<T>, "atomic_register: needs  result<void> reopen()");
  static_assert(has_max_size<T>, "atomic_register: needs  std::size_t max_size() const");
  static_assert(std::movable<T>, "atomic_register: must be movable");
  return atomic_register<T>;
}

/// The same for `lock_policy`.
template <class T>
constexpr bool explain_lock() {
  static_assert(can_try_acquire<T>,
                "lock_policy: needs  result<Grant> try_acquire(Owner const&, FencingToken above)");
  if constexpr (can_try_acquire<T>) {
    static_assert(has_token<T>, "lock_policy: its grant needs a member  FencingToken token");
    static_assert(can_release<T>, "lock_policy: needs  result<void> release(Grant&)");
  }
  static_assert(can_inspect<T>, "lock_policy: needs  result<std::optional<Holder>> inspect()");
  static_assert(
      can_force<T>,
      "lock_policy: needs  result<FencingToken> force(Holder const&, FencingToken above)");
  static_assert(std::movable<T>, "lock_policy: must be movable");
  return lock_policy<T>;
}

/// The same for `placed_store`, beyond what a `generation_store` needs.
template <class T>
constexpr bool explain_place() {
  if constexpr (generation_store<T>) {
    static_assert(
        placed_store<T>,
        "placed_store: needs  std::string name() const  and  void place(std::string const& home)");
  }
  return placed_store<T>;
}

/// The same for `updatable_store`, beyond what a `generation_store` needs.
template <class T>
constexpr bool explain_updates() {
  if constexpr (generation_store<T>) {
    static_assert(updatable_store<T>,
                  "updatable_store: needs  batch_type, result<void> apply(Generation, batch_type "
                  "const&, Marks const&), result<Marks> marks(Generation), result<bool> "
                  "updates(Generation) const  and  std::optional<Marks> marks_of(Reader const&) "
                  "const; of a Together, in every part");
  }
  return updatable_store<T>;
}

namespace detail {
template <class Part, class Register>
constexpr bool explain_part() {
  constexpr auto part = guarantees_of<Part>();
  constexpr auto reg = guarantees_of<Register>();
  static_assert(
      part.lifetime >= reg.lifetime,
      "guarantees: this part does not live as long as the register that names its generations");
  if constexpr (part.lifetime >= reg.lifetime) {
    static_assert(
        part.reach >= reg.reach,
        "guarantees: this part does not reach as far as the register that names its generations");
  }
  return outlives<Part, Register>;
}
template <class Register, class... Parts>
constexpr bool explain_parts(std::type_identity<std::tuple<Parts...>>) {
  return (explain_part<Parts, Register>() && ...);
}
}  // namespace detail

/// Does each part of the store live and reach at least as far as the register? The compiler names
/// the part that does not.
template <class Store, class Register>
constexpr bool explain_guarantees() {
  if constexpr (requires { typename Store::parts; }) {
    return detail::explain_parts<Register>(std::type_identity<typename Store::parts>{});
  } else {
    return detail::explain_part<Store, Register>();
  }
}

/// All that `open_staged` asks of its arguments.
template <class Store, class Register, class Locking>
constexpr bool explain_staged() {
  bool const operations[] = {explain_store<Store>(), explain_register<Register>(),
                             explain_lock<Locking>()};
  bool const all = operations[0] && operations[1] && operations[2];
  if constexpr (generation_store<Store> && atomic_register<Register>) {
    return explain_guarantees<Store, Register>() && all;
  }
  return all;
}

HOLDFAST_END

#endif

// ------------ holdfast/format/framed.hpp
// Reads and writes our own segments: a header, then frames that each tell what was durable before
// them. docs/format.md has every byte.
//
// Invariants:
// - A frame is valid at one place of one file alone: its checksum begins with both.
// - `synced_to` is written only after the sync that it tells of, so it is true whatever happens to
//   the frame later.
// - Records are numbered without gaps. Zeros up to the next multiple of `align` are padding.
#ifndef HOLDFAST_FORMAT_FRAMED_HPP
#define HOLDFAST_FORMAT_FRAMED_HPP

HOLDFAST_BEGIN

namespace detail::framed {
inline constexpr std::uint64_t magic = 0x6765'7367'6f6c'6668;  // "hflogseg"
inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t header_size = 64;
inline constexpr std::size_t frame_size = 40;
inline constexpr std::uint64_t unit = 8;  // every frame begins at a multiple of it
inline constexpr std::uint32_t largest_align = 1 << 20;
enum class Kind : std::uint8_t { record = 1, mark = 2, footer = 3 };

namespace at {  // within the header
inline constexpr std::size_t magic = 0, version = 8, align = 12, log = 16, base = 24, salt = 32;
inline constexpr std::size_t boot = 40, created = 48, crc = 60;
}  // namespace at
namespace in {  // within a frame; the checksum comes last, so that a burst of 32 bits never hides
inline constexpr std::size_t kind = 0, length = 4, sequence = 8, synced_to = 16, time = 24;
inline constexpr std::size_t payload_crc = 32, crc = 36;
}  // namespace in

[[nodiscard]] constexpr std::uint64_t up(std::uint64_t n, std::uint64_t to) noexcept {
  return to == 0 ? n : (n + to - 1) / to * to;
}
// Another place or another file gives another checksum, always: the start of a CRC is one to one.
[[nodiscard]] constexpr std::uint32_t seed(std::uint64_t salt, std::uint64_t place) noexcept {
  return static_cast<std::uint32_t>(salt) + static_cast<std::uint32_t>(place / unit);
}
}  // namespace detail::framed

/// The format `framed`. Copies are equal; everything that changes is in the cursor.
class Framed {
 public:
  static constexpr std::uint64_t max_payload = std::uint64_t{16} << 20;
  static constexpr std::uint64_t max_frame = max_payload + detail::framed::frame_size;
  static constexpr std::uint64_t searched = detail::framed::frame_size;
  static constexpr std::uint64_t header_size = detail::framed::header_size;
  static constexpr bool keeps_points = true;  ///< a segment of ours may have a file beside it

  struct Options {
    std::uint64_t log = 0;       ///< which log it belongs to; 0 takes any
    std::uint64_t base = 0;      ///< the number of its first record; `any_base` takes any
    std::uint32_t align = 4096;  ///< what was synced never shares a disk sector of this size with
                                 ///< what is written later; 0 packs tightly and trusts the disk
  };
  static constexpr std::uint64_t any_base = ~std::uint64_t{0};

  /// What one frame hands to the next.
  struct cursor {
    std::uint64_t log = 0;
    std::uint64_t base = 0;
    std::uint64_t salt = 0;
    std::uint64_t next = 0;  ///< the number that the next record must have
    std::uint64_t align = 0;
    std::int64_t last_time_ns = 0;
    bool headed = false;  ///< the header has been read
    bool loose = false;   ///< behind a gap: the next number may be greater
    bool sealed = false;  ///< the footer has been read
  };

  Framed() noexcept : options_{} {}
  explicit Framed(Options options) noexcept : options_{options} {}
  [[nodiscard]] Options const& options() const noexcept { return options_; }

  [[nodiscard]] cursor start() const noexcept { return {}; }

  [[nodiscard]] Step decode(cursor& c, std::uint64_t place, bytes_view window) const noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    if (!c.headed) return decode_header(c, window);
    if (window.size() < unit) return need(unit);
    if (get_le<std::uint64_t>(window, 0) == 0) return decode_gap(c, place, window);
    if (window.size() < frame_size) return need(frame_size);
    if (!checks(c, place, window) || c.sealed) return {};
    auto const length = get_le<std::uint32_t>(window, in::length);
    auto const whole = frame_size + up(length, unit);
    if (window.size() < whole) return need(whole);
    auto const body = window.subspan(frame_size, static_cast<std::size_t>(up(length, unit)));
    if (crc32c(body) != get_le<std::uint32_t>(window, in::payload_crc)) {
      auto failed = step_of(Step::Kind::bad);
      failed.used = whole;
      return failed;
    }
    return accept(c, place, window, length, whole);
  }

  [[nodiscard]] std::optional<Witness> witness(cursor const& c,
                                               std::uint64_t place,
                                               bytes_view window) const noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    if (!c.headed) return {};
    for (auto i = up(place, unit) - place; i + frame_size <= window.size(); i += unit) {
      auto const from = window.subspan(static_cast<std::size_t>(i), frame_size);
      if (checks(c, place + i, from)) {
        return Witness{place + i, get_le<std::uint64_t>(from, in::synced_to)};
      }
    }
    return {};
  }
  void resume(cursor& c, std::uint64_t) const noexcept { c.loose = true; }

  /// A new segment's first bytes.
  [[nodiscard]] result<void> header(cursor& c, Stamp const& stamp, bytes& out) const {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    if (options_.align > largest_align || options_.align % unit != 0) {
      return failure(errc::invalid, "align of a segment");
    }
    std::array<std::byte, header_size> own{};
    put_le(own, at::magic, magic);
    put_le(own, at::version, version);
    put_le(own, at::align, options_.align);
    put_le(own, at::log, options_.log);
    put_le(own, at::base, options_.base == any_base ? 0 : options_.base);
    put_le(own, at::salt, stamp.nonce);
    put_le(own, at::boot, stamp.boot);
    put_le(own, at::created, static_cast<std::uint64_t>(stamp.time_ns));
    put_le(own, at::crc, crc32c(bytes_view{own}.first(at::crc)));
    out.insert(out.end(), own.begin(), own.end());
    c = {};
    static_cast<void>(decode_header(c, own));
    return ok();
  }

  [[nodiscard]] result<std::uint64_t> encode(
      cursor& c, std::uint64_t place, bytes_view payload, Stamp const& stamp, bytes& out) const {
    if (payload.size() > max_payload) return failure(errc::too_large, "append", "a record");
    // Never earlier than the record before it, whatever the wall clock does.
    c.last_time_ns = std::max(c.last_time_ns, stamp.time_ns);
    auto const begin = add(c, place, detail::framed::Kind::record, payload, stamp, out);
    ++c.next;
    return begin;
  }
  [[nodiscard]] result<std::uint64_t> mark(cursor& c,
                                           std::uint64_t place,
                                           Stamp const& stamp,
                                           bytes& out) const {
    return add(c, place, detail::framed::Kind::mark, {}, stamp, out);
  }
  /// Nothing comes after a footer.
  [[nodiscard]] result<std::uint64_t> footer(cursor& c,
                                             std::uint64_t place,
                                             Stamp const& stamp,
                                             bytes& out) const {
    auto const begin = add(c, place, detail::framed::Kind::footer, {}, stamp, out);
    c.sealed = true;
    return begin;
  }

 private:
  [[nodiscard]] static Step need(std::uint64_t size) noexcept {
    Step step;
    step.kind = Step::Kind::need;
    step.need = size;
    return step;
  }
  [[nodiscard]] static Step step_of(Step::Kind kind) noexcept {
    Step step;
    step.kind = kind;
    return step;
  }

  // A whole header of a frame, of this place in this file.
  [[nodiscard]] static bool checks(cursor const& c,
                                   std::uint64_t place,
                                   bytes_view frame) noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    auto const kind = static_cast<std::uint8_t>(frame[in::kind]);
    if (kind < 1 || kind > 3) return false;
    if (get_le<std::uint32_t>(frame, in::length) > max_payload) return false;
    return get_le<std::uint32_t>(frame, in::crc) ==
           crc32c(frame.first(in::crc), seed(c.salt, place));
  }

  [[nodiscard]] Step decode_header(cursor& c, bytes_view window) const noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    if (window.size() < header_size) return need(header_size);
    auto const own = window.first(header_size);
    if (get_le<std::uint64_t>(own, at::magic) != magic) return step_of(Step::Kind::foreign);
    auto const crc = get_le<std::uint32_t>(own, at::crc);
    if (crc != crc32c(own.first(at::crc))) return {};
    if (get_le<std::uint32_t>(own, at::version) > version) return step_of(Step::Kind::newer);
    auto const log = get_le<std::uint64_t>(own, at::log);
    auto const base = get_le<std::uint64_t>(own, at::base);
    bool const of_this = (options_.log == 0 || log == options_.log) &&
                         (options_.base == any_base || base == options_.base);
    if (!of_this) {
      auto other = step_of(Step::Kind::foreign);
      other.valid = true;
      return other;
    }
    auto const align = get_le<std::uint32_t>(own, at::align);
    if (align > largest_align || align % unit != 0) return {};
    c.log = log;
    c.base = c.next = base;
    c.salt = get_le<std::uint64_t>(own, at::salt);
    c.align = align;
    c.headed = true;
    auto step = step_of(Step::Kind::mark);
    step.used = header_size;
    step.sequence = base;
    step.boot = get_le<std::uint32_t>(own, at::boot);
    step.check = crc;
    return step;
  }

  [[nodiscard]] static Step decode_gap(cursor const& c,
                                       std::uint64_t place,
                                       bytes_view window) noexcept {
    auto const gap = detail::framed::up(place, c.align) - place;
    if (gap == 0) return {};
    auto const seen =
        window.first(static_cast<std::size_t>(std::min<std::uint64_t>(gap, window.size())));
    for (auto const byte : seen) {
      if (byte != std::byte{0}) return {};
    }
    if (seen.size() < gap) return need(gap);
    auto step = step_of(Step::Kind::padding);
    step.used = gap;
    return step;
  }

  [[nodiscard]] static Step accept(cursor& c,
                                   std::uint64_t place,
                                   bytes_view frame,
                                   std::uint32_t length,
                                   std::uint64_t whole) noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    auto const kind = static_cast<Kind>(frame[in::kind]);
    auto const sequence = get_le<std::uint64_t>(frame, in::sequence);
    auto const synced_to = get_le<std::uint64_t>(frame, in::synced_to);
    if (c.loose ? sequence < c.next : sequence != c.next) return {};
    if (synced_to > place) return {};
    c.loose = false;
    c.next = sequence + (kind == Kind::record ? 1 : 0);
    c.sealed = kind == Kind::footer;
    auto step = step_of(kind == Kind::record ? Step::Kind::record : Step::Kind::mark);
    step.used = whole;
    step.begin = place;
    step.sequence = sequence;
    step.synced_to = synced_to;
    step.time_ns = static_cast<std::int64_t>(get_le<std::uint64_t>(frame, in::time));
    step.boot = get_le<std::uint32_t>(frame, in::kind) >> 8;
    step.check = get_le<std::uint32_t>(frame, in::crc);
    step.payload = frame.subspan(frame_size, length);
    if (kind == Kind::record) c.last_time_ns = step.time_ns;
    return step;
  }

  static std::uint64_t add(cursor& c,
                           std::uint64_t place,
                           detail::framed::Kind kind,
                           bytes_view payload,
                           Stamp const& stamp,
                           bytes& out) {
    using namespace detail::framed;               // NOLINT(google-build-using-namespace)
    if (stamp.fresh) place = up(place, c.align);  // the gap is a hole: its sector stays untouched
    auto const begin = out.size();
    auto const body = static_cast<std::size_t>(up(payload.size(), unit));
    out.resize(begin + frame_size + body);
    auto const frame = bytes_span{out}.subspan(begin);
    std::copy(payload.begin(), payload.end(), frame.begin() + frame_size);
    put_le(frame, in::payload_crc, crc32c(bytes_view{frame}.subspan(frame_size)));
    put_le(frame, in::length, static_cast<std::uint32_t>(payload.size()));
    put_le(frame, in::sequence, c.next);
    put_le(frame, in::synced_to, stamp.synced_to);
    put_le(frame, in::time, static_cast<std::uint64_t>(c.last_time_ns));
    put_le(frame, in::kind, stamp.boot << 8 | static_cast<std::uint32_t>(kind));
    put_le(frame, in::crc, crc32c(bytes_view{frame}.first(in::crc), seed(c.salt, place)));
    return place;
  }

  Options options_;
};
static_assert(writable_format<Framed>);

HOLDFAST_END

#endif

// ------------ holdfast/format/kafka_batch.hpp
// What is in a Kafka record batch (version 2) from its attributes on: made, and taken apart.
//
// This body is what the batch's checksum covers and what a producer decides; the broker, here the
// log, adds the offset of its first record. All numbers are big-endian.
#ifndef HOLDFAST_FORMAT_KAFKA_BATCH_HPP
#define HOLDFAST_FORMAT_KAFKA_BATCH_HPP

HOLDFAST_BEGIN

namespace kafka {
enum class Compression : std::uint8_t { none, gzip, snappy, lz4, zstd };

/// What a batch says of all its records.
struct Batch {
  std::uint16_t attributes = 0;
  std::int32_t last_offset_delta = 0;  ///< offset of the last record behind that of the first
  std::int64_t base_ms = 0;            ///< time of the first record, milliseconds since 1970
  std::int64_t max_ms = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  std::int32_t count = 0;
  bytes_view records{};  ///< as they lie there, compressed or not

  /// A number above `zstd` is a codec of a later version.
  [[nodiscard]] Compression compression() const noexcept {
    return static_cast<Compression>(attributes & 7);
  }
  [[nodiscard]] bool has_append_time() const noexcept { return (attributes & 8) != 0; }
  [[nodiscard]] bool is_transactional() const noexcept { return (attributes & 16) != 0; }
  [[nodiscard]] bool is_control() const noexcept { return (attributes & 32) != 0; }
};

/// A name and a value beside a record.
struct Header {
  bytes_view key{};
  std::optional<bytes_view> value{};
};
/// One record of a batch that is not compressed. Its views live as long as the body.
struct Record {
  std::int64_t delta_ms = 0;
  std::int32_t offset_delta = 0;
  std::optional<bytes_view> key{};
  std::optional<bytes_view> value{};
  std::vector<Header> headers{};
};

namespace detail {
inline constexpr std::size_t body_header = 40;
namespace in {  // within a body
inline constexpr std::size_t attributes = 0, last_offset_delta = 2, base_ms = 6, max_ms = 14;
inline constexpr std::size_t producer_id = 22, producer_epoch = 30, base_sequence = 32, count = 36;
}  // namespace in

template <std::integral T>
[[nodiscard]] constexpr T get_be(bytes_view from, std::size_t at) noexcept {
  using U = std::make_unsigned_t<T>;
  U value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<U>(value << 8 | static_cast<U>(from[at + i]));
  }
  return static_cast<T>(value);
}
template <std::integral T>
constexpr void put_be(bytes_span into, std::size_t at, T value) noexcept {
  auto rest = static_cast<std::make_unsigned_t<T>>(value);
  for (std::size_t i = sizeof(T); i-- > 0;) {
    into[at + i] = static_cast<std::byte>(rest & 0xff);
    if constexpr (sizeof(T) > 1) rest = static_cast<decltype(rest)>(rest >> 8);
  }
}

// Signed numbers, small ones short: the sign in the lowest bit, then seven bits a byte.
inline void put_varint(bytes& out, std::int64_t value) {
  auto rest = static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  for (; rest > 127; rest >>= 7) out.push_back(static_cast<std::byte>((rest & 127) | 128));
  out.push_back(static_cast<std::byte>(rest));
}

/// Takes from the front of a view; not `good` any more where it asked for what is not there.
struct Cursor {
  bytes_view rest;
  bool good = true;

  [[nodiscard]] std::int64_t varint(std::size_t most = 10) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < most && i < rest.size(); ++i) {
      auto const byte = static_cast<std::uint64_t>(rest[i]);
      value |= (byte & 127) << 7 * i;
      if (byte > 127) continue;
      rest = rest.subspan(i + 1);
      return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
    }
    good = false;
    return 0;
  }
  [[nodiscard]] std::int32_t small() noexcept { return static_cast<std::int32_t>(varint(5)); }
  [[nodiscard]] bytes_view take(std::int32_t size) noexcept {
    good = good && size >= 0 && static_cast<std::size_t>(size) <= rest.size();
    if (!good) return {};
    auto const taken = rest.first(static_cast<std::size_t>(size));
    rest = rest.subspan(taken.size());
    return taken;
  }
  /// -1 stands for none.
  [[nodiscard]] std::optional<bytes_view> maybe() noexcept {
    auto const size = small();
    if (size == -1) return {};
    return take(size);
  }
};

// Headers that nobody is told of are gone by: kept, they take many times their bytes.
enum class Headers : bool { kept, gone_by };
[[nodiscard]] inline std::optional<Record> record_in(bytes_view from, Headers headers_are) {
  Cursor at{from};
  Record out;
  static_cast<void>(at.take(1));  // attributes, of which none is used
  out.delta_ms = at.varint();
  out.offset_delta = at.small();
  out.key = at.maybe();
  out.value = at.maybe();
  auto const headers = at.small();
  // Each takes two bytes at least: no memory by a number alone.
  if (headers < 0 || static_cast<std::size_t>(headers) > at.rest.size()) return {};
  for (std::int32_t i = 0; i < headers && at.good; ++i) {
    auto const key = at.take(at.small());
    auto const value = at.maybe();
    if (headers_are == Headers::kept) out.headers.push_back({key, value});
  }
  if (!at.good || !at.rest.empty()) return {};
  return out;
}
inline void put_maybe(bytes& out, std::optional<bytes_view> const& value) {
  put_varint(out, value ? static_cast<std::int64_t>(value->size()) : -1);
  if (value) out.insert(out.end(), value->begin(), value->end());
}
}  // namespace detail

/// The fields of a body; nothing where it is too short for them.
[[nodiscard]] inline std::optional<Batch> batch_in(bytes_view body) noexcept {
  using namespace detail;  // NOLINT(google-build-using-namespace)
  if (body.size() < body_header) return {};
  Batch out;
  out.attributes = get_be<std::uint16_t>(body, in::attributes);
  out.last_offset_delta = get_be<std::int32_t>(body, in::last_offset_delta);
  out.base_ms = get_be<std::int64_t>(body, in::base_ms);
  out.max_ms = get_be<std::int64_t>(body, in::max_ms);
  out.producer_id = get_be<std::int64_t>(body, in::producer_id);
  out.producer_epoch = get_be<std::int16_t>(body, in::producer_epoch);
  out.base_sequence = get_be<std::int32_t>(body, in::base_sequence);
  out.count = get_be<std::int32_t>(body, in::count);
  out.records = body.subspan(body_header);
  return out;
}

namespace detail {
template <class Visit>
[[nodiscard]] bool each_record(bytes_view body, Headers headers_are, Visit visit) {
  auto const batch = batch_in(body);
  if (!batch || batch->last_offset_delta < 0 || batch->count < 0) return false;
  // Compaction may take records away, but not make more of them than there were offsets.
  if (batch->count > std::int64_t{batch->last_offset_delta} + 1) return false;
  if (batch->compression() != Compression::none) return true;
  Cursor at{batch->records};
  std::int32_t seen = 0;
  while (at.good && !at.rest.empty()) {
    auto const own = at.take(at.small());
    if (!at.good) return false;
    auto const record = record_in(own, headers_are);
    if (!record || record->offset_delta < 0 || record->offset_delta > batch->last_offset_delta)
      return false;
    visit(*record);
    ++seen;
  }
  return at.good && seen == batch->count;
}
}  // namespace detail

/// Tells each record. False where a body is not one that may be written: where its counts are
/// wrong, or, if it is not compressed, its records. What is compressed is not opened, so none of it
/// is told.
template <class Visit>
[[nodiscard]] bool each_record(bytes_view body, Visit visit) {
  return detail::each_record(body, detail::Headers::kept, std::move(visit));
}
/// Whether a body is one that may be written, as `each_record` says, in no memory of its own.
[[nodiscard]] inline bool is_writable(bytes_view body) {
  return detail::each_record(body, detail::Headers::gone_by, [](Record const&) {});
}

/// A body with these records, not compressed; their offset deltas are counted here. Of `batch` the
/// attributes, `base_ms` and what says who produced it are taken.
[[nodiscard]] inline bytes body_of(Batch const& batch, std::span<Record const> records) {
  using namespace detail;  // NOLINT(google-build-using-namespace)
  bytes out(body_header);
  bytes own;
  auto max_ms = records.empty() ? batch.max_ms : batch.base_ms;
  std::int32_t delta = 0;
  for (auto const& record : records) {
    own.assign(1, std::byte{0});
    put_varint(own, record.delta_ms);
    put_varint(own, delta++);
    put_maybe(own, record.key);
    put_maybe(own, record.value);
    put_varint(own, static_cast<std::int64_t>(record.headers.size()));
    for (auto const& header : record.headers) {
      put_maybe(own, header.key);
      put_maybe(own, header.value);
    }
    put_varint(out, static_cast<std::int64_t>(own.size()));
    out.insert(out.end(), own.begin(), own.end());
    max_ms = std::max(max_ms, batch.base_ms + record.delta_ms);
  }
  auto const count = static_cast<std::int32_t>(records.size());
  put_be(bytes_span{out}, in::attributes, static_cast<std::uint16_t>(batch.attributes & ~7u));
  put_be(bytes_span{out}, in::last_offset_delta, std::max(count - 1, 0));
  put_be(bytes_span{out}, in::base_ms, batch.base_ms);
  put_be(bytes_span{out}, in::max_ms, max_ms);
  put_be(bytes_span{out}, in::producer_id, batch.producer_id);
  put_be(bytes_span{out}, in::producer_epoch, batch.producer_epoch);
  put_be(bytes_span{out}, in::base_sequence, batch.base_sequence);
  put_be(bytes_span{out}, in::count, count);
  return out;
}
}  // namespace kafka

HOLDFAST_END

#endif

// ------------ holdfast/format/kafka.hpp
// Reads and writes the segments of Kafka's log: record batches of version 2, one after another.
//
// A record of ours is one batch: its payload is the batch's body (kafka_batch.hpp), its number the
// offset of its last record, its time the greatest of its records. The offset of the first record,
// the leader's epoch, the length and the magic lie before what the checksum covers: of an offset
// only the order is checked, and that it is of this segment. The format does not tell what was
// synced, so, as in Kafka's own recovery, what fails its check in the last segment is cut.
#ifndef HOLDFAST_FORMAT_KAFKA_HPP
#define HOLDFAST_FORMAT_KAFKA_HPP

HOLDFAST_BEGIN

namespace detail::kafka {
using holdfast::kafka::detail::get_be, holdfast::kafka::detail::put_be;
inline constexpr std::size_t before_body = 21;
inline constexpr std::size_t smallest = before_body + holdfast::kafka::detail::body_header;
inline constexpr std::size_t before_length = 12;  // the length counts what comes behind it
inline constexpr std::uint8_t magic = 2;
namespace at {
inline constexpr std::size_t base_offset = 0, length = 8, epoch = 12, magic = 16, crc = 17;
}  // namespace at

[[nodiscard]] inline std::int64_t ns_of(std::int64_t ms) noexcept {
  constexpr auto most = INT64_MAX / 1'000'000;
  return std::clamp(ms, -most, most) * 1'000'000;
}
}  // namespace detail::kafka

/// The format `kafka`.
class KafkaLog {
 public:
  static constexpr std::uint64_t max_frame = std::uint64_t{64} << 20;
  static constexpr std::uint64_t max_payload = max_frame - detail::kafka::before_body;
  static constexpr std::uint64_t searched = detail::kafka::smallest;
  static constexpr std::uint64_t any_base = ~std::uint64_t{0};

  struct Options {
    std::uint64_t base = any_base;  ///< the segment's first offset, which its file's name says;
                                    ///< `any_base` takes that of the first batch, or begins at 0
    std::int32_t epoch = 0;         ///< of the leader, in batches that are written
    bool dense = false;             ///< no offset is missing; not so where a topic is compacted
  };

  struct cursor {
    std::uint64_t base = 0;
    std::uint64_t next = 0;  ///< the least offset that the next batch may have
    std::int64_t last_time_ns = 0;
    bool begun = false;  ///< a batch was read or written
    bool loose = false;  ///< behind a gap
    bool zeros = false;  ///< behind the last batch; only zeros may follow
  };

  KafkaLog() noexcept : options_{} {}
  explicit KafkaLog(Options options) noexcept : options_{options} {}
  [[nodiscard]] Options const& options() const noexcept { return options_; }

  [[nodiscard]] cursor start() const noexcept {
    cursor c;
    if (options_.base != any_base) c.base = c.next = options_.base;
    return c;
  }

  [[nodiscard]] Step decode(cursor& c, std::uint64_t place, bytes_view window) const {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    // Whatever follows zeros, it is judged as zeros with something behind them: how many of them
    // one window shows must not decide it.
    if (c.zeros) return is_zero(window) ? zeros(c, window) : step_of(Step::Kind::bad);
    if (window.size() < before_body) return need(before_body);
    auto const length = get_be<std::int32_t>(window, at::length);
    if (length == 0 && is_zero(window)) return zeros(c, window);
    auto const whole = before_length + static_cast<std::uint64_t>(std::max(length, 0));
    if (whole < smallest || whole > max_frame) return unread(c, window);
    if (window.size() < whole) return need(whole);
    auto const body = window.first(static_cast<std::size_t>(whole)).subspan(before_body);
    auto failed = get_be<std::uint8_t>(window, at::magic) == magic ? step_of(Step::Kind::bad)
                                                                   : unread(c, window);
    failed.used = failed.kind == Step::Kind::bad ? whole : 0;  // checked in vain
    if (crc32c(body) != get_be<std::uint32_t>(window, at::crc)) return failed;
    // All but its magic is right: that was damaged, whatever it says.
    if (get_be<std::uint8_t>(window, at::magic) != magic) return misplaced();
    auto step = accept(c, window, body);
    step.begin = place;
    step.used = step.kind == Step::Kind::record ? whole : 0;
    return step;
  }

  /// What looks like a batch of this segment behind the last; its checksum is for `decode`.
  [[nodiscard]] std::optional<Witness> witness(cursor const& c,
                                               std::uint64_t place,
                                               bytes_view window) const noexcept {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    for (std::size_t i = 0; i + smallest <= window.size(); ++i) {
      if (get_be<std::uint8_t>(window, i + at::magic) != magic) continue;
      auto const length = get_be<std::int32_t>(window, i + at::length);
      if (length < 0) continue;
      auto const whole = before_length + static_cast<std::uint64_t>(length);
      if (whole < smallest || whole > max_frame) continue;
      auto const batch = holdfast::kafka::batch_in(window.subspan(i + before_body));
      if (batch->last_offset_delta < 0 || batch->count < 0) continue;
      auto const base = get_be<std::uint64_t>(window, i + at::base_offset);
      if (!follows(c, base, true)) continue;
      return Witness{place + i, 0};
    }
    return {};
  }
  void resume(cursor& c, std::uint64_t) const noexcept {
    c.loose = true;
    c.zeros = false;
  }

  [[nodiscard]] result<void> header(cursor& c, Stamp const&, bytes&) const {
    c = start();
    return ok();
  }
  [[nodiscard]] result<std::uint64_t> mark(cursor&,
                                           std::uint64_t place,
                                           Stamp const&,
                                           bytes&) const {
    return place;
  }
  /// `payload` is the body of a batch, which gets the next offsets. Errors: `invalid` where it is
  /// none, or its offsets would not fit into this segment; `too_large`.
  [[nodiscard]] result<std::uint64_t> encode(
      cursor& c, std::uint64_t place, bytes_view payload, Stamp const&, bytes& out) const {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    if (payload.size() > max_payload) return failure(errc::too_large, "append", "a batch");
    if (!holdfast::kafka::is_writable(payload)) {
      return failure(errc::invalid, "append", "the body of a batch");
    }
    auto const batch = holdfast::kafka::batch_in(payload);
    auto const last = c.next + static_cast<std::uint64_t>(batch->last_offset_delta);
    if (last - c.base > most_ahead) return failure(errc::too_large, "append", "offsets");
    auto const begin = out.size();
    out.resize(begin + before_body);
    auto const own = bytes_span{out}.subspan(begin);
    put_be(own, at::base_offset, c.next);
    put_be(own, at::length,
           static_cast<std::uint32_t>(before_body - before_length + payload.size()));
    put_be(own, at::epoch, options_.epoch);
    put_be(own, at::magic, magic);
    put_be(own, at::crc, crc32c(payload));
    out.insert(out.end(), payload.begin(), payload.end());
    go_by(c, c.next, *batch);
    return place;
  }

 private:
  // An index says offsets as 31 bits behind the segment's first.
  static constexpr std::uint64_t most_ahead = INT32_MAX;

  [[nodiscard]] static Step step_of(Step::Kind kind) noexcept {
    Step step;
    step.kind = kind;
    return step;
  }
  [[nodiscard]] static Step need(std::uint64_t size) noexcept {
    auto step = step_of(Step::Kind::need);
    step.need = size;
    return step;
  }
  // Its own check holds, so no crash has put it where it does not belong.
  [[nodiscard]] static Step misplaced() noexcept {
    auto step = step_of(Step::Kind::bad);
    step.valid = true;
    return step;
  }
  [[nodiscard]] static bool is_zero(bytes_view window) noexcept {
    return std::all_of(window.begin(), window.end(),
                       [](std::byte byte) { return byte == std::byte{0}; });
  }
  // A file that was given its space early has zeros behind its last batch.
  [[nodiscard]] static Step zeros(cursor& c, bytes_view window) noexcept {
    auto step = step_of(Step::Kind::padding);
    step.used = window.size();
    c.zeros = true;
    return step;
  }
  // The first thing of a file may be a message of an older version, which has its checksum where a
  // batch has the epoch.
  [[nodiscard]] static Step unread(cursor const& c, bytes_view window) noexcept {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    bool const first = !c.begun && !c.loose;
    bool const older = get_be<std::uint8_t>(window, at::magic) < magic &&
                       get_be<std::uint32_t>(window, at::epoch) != 0;
    return step_of(first && older ? Step::Kind::foreign : Step::Kind::bad);
  }

  [[nodiscard]] bool follows(cursor const& c, std::uint64_t base, bool loose) const noexcept {
    bool const based = c.begun || options_.base != any_base;
    if (base >> 63 != 0) return false;
    if (!based) return true;
    if (base < c.next || base - c.base > most_ahead) return false;
    return loose || !options_.dense || base == c.next;
  }
  // No checksum covers an offset, so a tear may spare all of a batch but its first bytes.
  [[nodiscard]] static bool is_torn_offset(cursor const& c, std::uint64_t base) noexcept {
    for (unsigned lost = 8; lost <= 64; lost += 8) {
      auto const rest = lost == 64 ? 0 : c.next << lost >> lost;
      if (base == rest && base != c.next) return true;
    }
    return false;
  }
  static void go_by(cursor& c, std::uint64_t base, holdfast::kafka::Batch const& batch) noexcept {
    c.next = base + static_cast<std::uint64_t>(batch.last_offset_delta) + 1;
    c.last_time_ns = detail::kafka::ns_of(batch.max_ms);
    c.begun = true;
    c.loose = false;
  }
  [[nodiscard]] Step accept(cursor& c, bytes_view window, bytes_view body) const {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    auto const base = get_be<std::uint64_t>(window, at::base_offset);
    if (!follows(c, base, c.loose))
      return is_torn_offset(c, base) ? step_of(Step::Kind::bad) : misplaced();
    if (!holdfast::kafka::is_writable(body)) return misplaced();
    auto const batch = holdfast::kafka::batch_in(body);
    if (!c.begun && options_.base == any_base) c.base = base;
    go_by(c, base, *batch);
    auto step = step_of(Step::Kind::record);
    step.sequence = c.next - 1;
    step.time_ns = c.last_time_ns;
    step.check = get_be<std::uint32_t>(window, at::crc);
    step.payload = body;
    return step;
  }

  Options options_;
};
static_assert(writable_format<KafkaLog>);

HOLDFAST_END

#endif

// ------------ holdfast/format/leveldb.hpp
// Reads and writes the log format of LevelDB and RocksDB, recycled logs included.
//
// Blocks of 32 KiB hold fragments: {masked CRC32C of type and data, length, type} and, in a
// recycled log, the log's number; then data. A record is one full fragment or a first, middles and
// a last. What is left of a block where no header fits is filler. The format does not tell what was
// synced: a valid fragment in a later block is taken to show that what lies before it was written
// whole.
// Zeros behind the last record, as a file has that was given its space early, are no part of the
// log: it ends before them.
#ifndef HOLDFAST_FORMAT_LEVELDB_HPP
#define HOLDFAST_FORMAT_LEVELDB_HPP

HOLDFAST_BEGIN

namespace detail::leveldb {
inline constexpr std::size_t block_size = 32768;
inline constexpr std::size_t header_size = 7;
inline constexpr std::size_t recycled_header_size = 11;
enum class Type : std::uint8_t { zero, full, first, middle, last };
inline constexpr std::uint8_t recycled = 4;  // full, first ... of a recycled log: 5 to 8

// A checksum of bytes that hold checksums would be weak; LevelDB stores them turned and shifted.
[[nodiscard]] constexpr std::uint32_t masked(std::uint32_t crc) noexcept {
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/// One fragment as it lies there.
struct Fragment {
  Type type = Type::zero;
  std::size_t header = header_size;
  std::size_t size = 0;  ///< of its data
  std::uint32_t crc = 0;
  std::uint32_t log_number = 0;
  bool recycles = false;
  bool known = true;  ///< holds data, and not what only a later version understands
};
/// Nothing if no type begins here. `from` has at least a header.
[[nodiscard]] inline std::optional<Fragment> fragment_at(bytes_view from) noexcept {
  auto const type = static_cast<std::uint8_t>(from[6]);
  if (type == 0) return {};
  Fragment out;
  out.known = type <= recycled + static_cast<std::uint8_t>(Type::last);
  // Of RocksDB's later types two have the longer header: sizes of timestamps, and what log came
  // before this one.
  out.recycles = out.known ? type > recycled : type == 11 || type == 131;
  if (out.known) out.type = static_cast<Type>(out.recycles ? type - recycled : type);
  out.header = out.recycles ? recycled_header_size : header_size;
  out.size = get_le<std::uint16_t>(from, 4);
  out.crc = get_le<std::uint32_t>(from, 0);
  return out;
}
[[nodiscard]] inline bool checks(Fragment const& fragment, bytes_view from) noexcept {
  return masked(crc32c(from.subspan(6, fragment.header - 6 + fragment.size))) == fragment.crc;
}
}  // namespace detail::leveldb

/// The format `leveldb`. The records of a log are write batches; here they are bytes. They have no
/// numbers of their own: they are counted.
class LevelDbLog {
 public:
  static constexpr std::uint64_t max_frame = detail::leveldb::block_size;
  static constexpr std::uint64_t searched = detail::leveldb::block_size;

  struct Options {
    /// Of a recycled log, the low 32 bits of its number (RocksDB's file name has it): fragments of
    /// another one end the log. 0 takes the number of the first fragment.
    std::uint32_t log_number = 0;
    bool recycled = false;                                ///< write the longer header
    std::uint64_t max_record = std::uint64_t{256} << 20;  ///< what a record may take in memory
  };
  static constexpr std::uint64_t max_payload = std::uint64_t{256} << 20;

  struct cursor {
    bytes partial{};  ///< of a record whose last fragment has not come
    std::uint64_t begin = 0;
    std::uint64_t count = 0;
    std::uint32_t log_number = 0;
    bool numbered = false;
    bool within = false;
    bool begun = false;     ///< a fragment was read or written
    bool recycled = false;  ///< the first one had the longer header
    bool zeros = false;     ///< behind the last fragment; only zeros may follow
    bool resyncs = false;   ///< behind a gap: the rest of a record whose start is lost is skipped
  };

  LevelDbLog() noexcept : options_{} {}
  explicit LevelDbLog(Options options) noexcept : options_{options} {}

  [[nodiscard]] cursor start() const {
    cursor c;
    c.log_number = options_.log_number;
    c.numbered = options_.log_number != 0;
    return c;
  }

  [[nodiscard]] Step decode(cursor& c, std::uint64_t place, bytes_view window) const {
    using namespace detail::leveldb;  // NOLINT(google-build-using-namespace)
    auto const left = block_size - static_cast<std::size_t>(place % block_size);
    if (left < header_size) return filler(window, left);
    if (window.size() < header_size) return need(header_size);
    auto const found = fragment_at(window);
    if (!found) return zeros(c, window, left);
    if (found->header + found->size > left) return step_of(Step::Kind::bad);
    auto const whole = found->header + found->size;
    if (window.size() < whole) return need(whole);
    if (!checks(*found, window)) return step_of(Step::Kind::bad);
    if (found->recycles) {
      auto const number = get_le<std::uint32_t>(window, header_size);
      if (c.numbered && number != c.log_number) return step_of(Step::Kind::stale);
      // As for RocksDB: a recycled log is one from its first fragment on.
      if (c.begun && !c.recycled) return misplaced();
      c.log_number = number;
      c.numbered = true;
    }
    if (!found->known) return step_of(Step::Kind::newer);
    if (c.zeros) return misplaced();
    if (!c.begun) c.recycled = found->recycles;
    c.begun = true;
    auto step = accept(c, place, *found, window.subspan(found->header, found->size));
    step.used = Step::Kind::bad == step.kind ? 0 : whole;
    step.check = found->crc;
    return step;
  }

  /// Looked for at the starts of blocks, as their readers do.
  [[nodiscard]] std::optional<Witness> witness(cursor const& c,
                                               std::uint64_t place,
                                               bytes_view window) const noexcept {
    using namespace detail::leveldb;  // NOLINT(google-build-using-namespace)
    auto const ahead = (block_size - place % block_size) % block_size;
    for (auto i = static_cast<std::size_t>(ahead); i + header_size <= window.size();
         i += block_size) {
      auto const from = window.subspan(i);
      auto const found = fragment_at(from);
      if (!found || found->header + found->size > std::min(block_size, from.size())) continue;
      if (!checks(*found, from)) continue;
      bool const old =
          found->recycles && c.numbered && get_le<std::uint32_t>(from, header_size) != c.log_number;
      if (!old) return Witness{place + i, place + i};
    }
    return {};
  }
  void resume(cursor& c, std::uint64_t) const noexcept {
    c.within = false;
    c.zeros = false;
    c.resyncs = true;
    c.partial.clear();
  }

  [[nodiscard]] result<void> header(cursor& c, Stamp const&, bytes&) const {
    c = start();
    return ok();
  }
  [[nodiscard]] result<std::uint64_t> mark(cursor&,
                                           std::uint64_t place,
                                           Stamp const&,
                                           bytes&) const {
    return place;
  }
  [[nodiscard]] result<std::uint64_t> encode(
      cursor& c, std::uint64_t place, bytes_view payload, Stamp const&, bytes& out) const {
    using namespace detail::leveldb;  // NOLINT(google-build-using-namespace)
    if (payload.size() > options_.max_record) return failure(errc::too_large, "append", "a record");
    // What was begun is gone on with, whatever the options say.
    c.recycled = c.begun ? c.recycled : options_.recycled;
    if (c.recycled && !c.numbered) c.log_number = options_.log_number;
    c.numbered = c.numbered || c.recycled;
    c.begun = true;
    c.partial = {};  // of the last record that was read
    auto const header = c.recycled ? recycled_header_size : header_size;
    auto at = place;
    for (bool first = true; first || !payload.empty(); first = false) {
      auto left = block_size - static_cast<std::size_t>(at % block_size);
      if (left < header) {
        out.resize(out.size() + left);
        at += left;
        left = block_size;
      }
      auto const some = payload.first(std::min(payload.size(), left - header));
      payload = payload.subspan(some.size());
      auto const type = payload.empty() ? (first ? Type::full : Type::last)
                                        : (first ? Type::first : Type::middle);
      add(c, type, some, out);
      at += header + some.size();
      if (payload.empty()) break;
    }
    ++c.count;
    return place;
  }

 private:
  [[nodiscard]] static Step step_of(Step::Kind kind) noexcept {
    Step step;
    step.kind = kind;
    return step;
  }
  [[nodiscard]] static Step need(std::uint64_t size) noexcept {
    auto step = step_of(Step::Kind::need);
    step.need = size;
    return step;
  }
  // Its own check holds, so no crash has put it where it does not belong.
  [[nodiscard]] static Step misplaced() noexcept {
    auto step = step_of(Step::Kind::bad);
    step.valid = true;
    return step;
  }
  // Zeros up to the end of the block, which a file that was given its blocks before they were
  // written has behind its last record: within one, or with a fragment behind, they are lost bytes.
  [[nodiscard]] static Step zeros(cursor& c, bytes_view window, std::size_t left) noexcept {
    for (auto const byte : window.first(std::min(left, window.size()))) {
      if (byte != std::byte{0}) return step_of(Step::Kind::bad);
    }
    // No room for the longer header.
    using detail::leveldb::recycled_header_size;
    if (left < recycled_header_size && (c.recycled || !c.begun)) return filler(window, left);
    if (c.within) return step_of(Step::Kind::bad);
    auto const step = filler(window, left);
    c.zeros = step.kind == Step::Kind::padding;
    return step;
  }
  // What is too short for a header may be anything.
  [[nodiscard]] static Step filler(bytes_view window, std::size_t left) noexcept {
    if (window.size() < left) return need(left);
    auto step = step_of(Step::Kind::padding);
    step.used = left;
    return step;
  }

  [[nodiscard]] Step accept(cursor& c,
                            std::uint64_t place,
                            detail::leveldb::Fragment const& found,
                            bytes_view data) const {
    using detail::leveldb::Type;
    bool const begins = found.type == Type::full || found.type == Type::first;
    bool const ends = found.type == Type::full || found.type == Type::last;
    if (c.resyncs && !begins) {
      c.resyncs = !ends;
      return step_of(Step::Kind::padding);
    }
    if (begins == c.within) return misplaced();  // without its start, or its end
    if (!begins && c.partial.size() + data.size() > options_.max_record) {
      return step_of(Step::Kind::bad);
    }
    c.resyncs = false;
    if (begins) {
      c.begin = place;
      c.partial.clear();
    }
    if (found.type != Type::full) c.partial.insert(c.partial.end(), data.begin(), data.end());
    c.within = !ends;
    if (!ends) return step_of(Step::Kind::fragment);
    auto step = step_of(Step::Kind::record);
    step.begin = c.begin;
    step.sequence = c.count++;
    step.payload = found.type == Type::full ? data : bytes_view{c.partial};
    return step;
  }

  static void add(cursor const& c, detail::leveldb::Type type, bytes_view data, bytes& out) {
    using namespace detail::leveldb;  // NOLINT(google-build-using-namespace)
    auto const header = c.recycled ? recycled_header_size : header_size;
    auto const begin = out.size();
    out.resize(begin + header + data.size());
    auto const frame = bytes_span{out}.subspan(begin);
    auto const kind = static_cast<std::uint8_t>(type);
    frame[6] = std::byte(c.recycled ? kind + recycled : kind);
    if (c.recycled) put_le(frame, header_size, c.log_number);
    put_le(frame, 4, static_cast<std::uint16_t>(data.size()));
    std::copy(data.begin(), data.end(), frame.begin() + static_cast<std::ptrdiff_t>(header));
    put_le(frame, 0, masked(crc32c(bytes_view{frame}.subspan(6))));
  }

  Options options_;
};
static_assert(writable_format<LevelDbLog>);

HOLDFAST_END

#endif

// ------------ holdfast/lock.hpp
// Takes a lock under any policy, waits for it, and holds it until it is let go.
#ifndef HOLDFAST_LOCK_HPP
#define HOLDFAST_LOCK_HPP

HOLDFAST_BEGIN

/// How `Lock::acquire` waits.
struct Acquire {
  /// 0: looks once; negative: waits for ever. The lease of a holder that died is had only by who
  /// waits for longer than its time and margin.
  std::int64_t timeout_ms = 30'000;
  std::int64_t poll_ms = 10;          ///< between two looks, at first; doubles
  std::int64_t max_poll_ms = 1'000;   ///< up to this; a holder that ends is noticed so late
  std::function<bool()> cancelled{};  ///< asked before each look; what it throws ends the wait
};

namespace detail {
template <lock_policy Policy, world W>
struct LockState {
  LockState(Policy p, W around) : policy{std::move(p)}, world{std::move(around)} {}
  Policy policy;
  W world;
};
}  // namespace detail

/// A lock that is held; lets go of it at its end. Movable; any thread may use it, also while
/// another renews it.
///
/// Whoever writes to something that others may guard too hands it the token, and that refuses
/// whoever comes with a smaller one: a holder may be stopped for longer than its lock lasts, and
/// knows nothing of it.
template <lock_policy Policy, world W>
class Held {
  using Traits = lock_traits<Policy>;
  using State = detail::LockState<Policy, W>;

 public:
  Held(std::shared_ptr<State> state, grant_of<Policy> grant, Owner const& owner)
      : own_{std::make_unique<Own>(std::move(state), std::move(grant), owner)} {}
  Held(Held&&) noexcept = default;
  Held& operator=(Held&& other) noexcept {
    Held gone{std::move(*this)};
    own_ = std::move(other.own_);
    return *this;
  }
  // One that can't be let go lapses with its process or its time; there is nobody to tell here.
  ~Held() {
    if (own_) static_cast<void>(release());
  }

  [[nodiscard]] FencingToken token() const noexcept { return own_->token; }
  [[nodiscard]] Owner const& owner() const noexcept { return own_->owner; }

  /// How long it still holds, in nanoseconds, by this process's clock: at 0 its holder must have
  /// stopped. Nothing where it holds until it is let go. Never waits.
  [[nodiscard]] std::optional<std::int64_t> remaining_ns() const noexcept {
    if constexpr (lapsing<Policy>) {
      if (!own_ || own_->released.load(std::memory_order_acquire) || own_->born.left()) return 0;
      auto const until = own_->until_ns.load(std::memory_order_acquire);
      return std::max<std::int64_t>(0, until - own_->state->world.steady_ns());
    } else {
      return std::nullopt;
    }
  }
  /// Holds it for another whole time from now on. `fenced` once it is another's; after any other
  /// error it holds for as long as it did before.
  [[nodiscard]] result<void> renew() requires renewable<Policy> {
    if (!own_) return failure(errc::spent, "renew");
    if (own_->born.left()) return failure(errc::forked, "renew");  // the mutex may be a thread's
    std::lock_guard const guard{own_->mutex};
    auto renewed = Traits::renew(own_->state->policy, own_->grant);
    own_->look();
    return renewed;
  }
  /// Idempotent. After an error it lapses with its process or its time.
  [[nodiscard]] result<void> release() {
    if (!own_) return ok();
    if (own_->born.left()) return failure(errc::forked, "release");
    // At once, as the call may take time; for good, as a renewal may be under way.
    own_->released.store(true, std::memory_order_release);
    std::lock_guard const guard{own_->mutex};
    return Traits::release(own_->state->policy, own_->grant);
  }

 private:
  struct Own {
    Own(std::shared_ptr<State> s, grant_of<Policy> g, Owner const& o)
        : state{std::move(s)}, grant{std::move(g)}, token{grant.token}, owner{o} {
      look();
    }
    // Until when it holds, for those who must not wait for a call.
    void look() noexcept {
      if constexpr (lapsing<Policy>) {
        // The clock first: a pause in between makes it shorter, never longer.
        auto const now = state->world.steady_ns();
        auto const left = Traits::remaining_ns(state->policy, grant);
        until_ns.store(now + left, std::memory_order_release);
      }
    }
    std::shared_ptr<State> state;
    std::mutex mutex{};
    grant_of<Policy> grant;
    FencingToken token;
    Owner owner;
    std::atomic<std::int64_t> until_ns{0};
    std::atomic<bool> released{false};
    detail::Birthplace born{};
  };
  std::unique_ptr<Own> own_;
};

/// A lock under a policy. Movable; any thread may use it, and what it gave stays held without it.
template <lock_policy Policy, world W = Native>
class Lock {
  using Traits = lock_traits<Policy>;
  using State = detail::LockState<Policy, W>;

 public:
  using held_type = Held<Policy, W>;

  explicit Lock(Policy policy, W world = {})
      : state_{std::make_shared<State>(std::move(policy), std::move(world))} {}

  /// `busy`, naming the holder, while it is held elsewhere. The token exceeds `above` and every
  /// token before it.
  [[nodiscard]] result<held_type> try_acquire(FencingToken above = {}) {
    auto const owner = state_->world.self();
    HOLDFAST_TRY(grant, Traits::try_acquire(state_->policy, owner, above));
    return held_type{state_, std::move(grant), owner};
  }

  /// Waits until it is let go or lapses, also where the policy itself says `timed_out`.
  /// `timed_out`, naming the holder, or `cancelled`; any other error ends the wait.
  [[nodiscard]] result<held_type> acquire(Acquire const& how = {}, FencingToken above = {}) {
    HOLDFAST_TRYV(check(how));
    auto const& w = state_->world;
    auto const begun = w.steady_ns();
    auto poll_ns = how.poll_ms * ms;
    for (;;) {
      if (how.cancelled && how.cancelled()) return failure(errc::cancelled, "acquire");
      auto held = try_acquire(above);
      if (held || how.timeout_ms == 0 || !may_pass(held.error().code())) return held;
      auto const now = w.steady_ns();
      auto const left = how.timeout_ms < 0 ? poll_ns : how.timeout_ms * ms - (now - begun);
      if (left <= 0) return failure(errc::timed_out, "acquire", held.error().detail());
      // No two that wait look at the same time for ever.
      auto const share =
          poll_ns / 2 + static_cast<std::int64_t>(w.random64() % 1024) * (poll_ns / 2048);
      w.wait_until(now + std::min(left, share));
      poll_ns = std::min(2 * poll_ns, how.max_poll_ms * ms);
    }
  }

  /// Who holds it; nothing if nobody does. What a policy can't tell it shows: see there.
  [[nodiscard]] result<std::optional<Holder>> inspect() { return Traits::inspect(state_->policy); }

  /// Takes it away from the holder that was seen (`conflict` if it is another by now); the token
  /// exceeds its. The old holder is not stopped: what it writes to must refuse its token first.
  [[nodiscard]] result<FencingToken> force_unlock(Holder const& seen, FencingToken above = {}) {
    return Traits::force(state_->policy, seen, above);
  }

 private:
  static constexpr std::int64_t ms = 1'000'000;
  [[nodiscard]] static constexpr bool may_pass(errc code) noexcept {
    return code == errc::busy || code == errc::timed_out;
  }
  [[nodiscard]] static result<void> check(Acquire const& how) {
    constexpr std::int64_t century_ms = std::int64_t{100} * 366 * 24 * 3600 * 1000;
    if (how.timeout_ms > century_ms) return failure(errc::invalid, "Acquire", "timeout_ms");
    if (how.poll_ms < 1 || how.poll_ms > how.max_poll_ms || how.max_poll_ms > century_ms) {
      return failure(errc::invalid, "Acquire", "1 <= poll_ms <= max_poll_ms must hold");
    }
    return ok();
  }

  std::shared_ptr<State> state_;
};

HOLDFAST_END

#endif

// ------------ holdfast/policy/retry.hpp
// Tries again what failed for a reason that can pass: how often, after which delays, and until
// when.
//
// Invariants:
// - What is tried again is decided by the class of the error, never by its text.
// - A try never starts after `cancelled` said true, nor a delay that would end after the deadline.
// - All time and chance come from the world, so that a test needs neither to wait nor to be lucky.
#ifndef HOLDFAST_POLICY_RETRY_HPP
#define HOLDFAST_POLICY_RETRY_HPP

HOLDFAST_BEGIN

/// How often and how soon what failed is tried again.
struct Retry {
  bool auto_retry_enabled = true;
  int max_retry_attempts = 3;               ///< tries after the first one
  std::int64_t base_retry_delay_ms = 1000;  ///< before the second try
  std::int64_t max_retry_delay_ms = 30'000;
  double backoff_multiplier = 2;  ///< of each delay by the one before; 1: all are the same
  double jitter = 0.5;            ///< the share of each delay that is drawn at random, 0 to 1
  std::int64_t timeout_ms = 0;    ///< of all tries and delays together; 0: none
};

/// Can this pass by itself, so that the same may succeed later?
[[nodiscard]] constexpr bool can_pass(errc code) noexcept {
  switch (code) {
    case errc::busy:
    case errc::pinned:
    case errc::conflict:
    case errc::full:
    case errc::no_space:
    case errc::too_many_files:
    case errc::no_memory:
    case errc::io:
    case errc::timed_out:
      return true;
    default:
      return false;
  }
}

/// One try.
struct Try {
  int number = 1;
  std::int64_t started_ns = 0;           ///< steady clock
  std::int64_t deadline_ns = INT64_MAX;  ///< steady clock; of all tries together
};

/// A try that failed. Lives for the call of the hook only.
struct FailedTry {
  Try attempt;
  error const& cause;
  std::optional<std::int64_t> delay_ns;  ///< until the next try; nothing: there is none
};

/// What a caller of `retry` decides and hears. What a hook throws ends the retrying.
struct RetryHooks {
  std::function<bool(error const&)> retryable{};  ///< none: `can_pass` of its code
  std::function<bool()> cancelled{};              ///< asked before each try and while waiting
  std::function<void(FailedTry const&)> failed{};
};

namespace detail {
[[nodiscard]] inline result<void> check(Retry const& policy) {
  auto const share = [](double x) { return x >= 0 && x <= 1; };
  if (policy.max_retry_attempts < 0) return failure(errc::invalid, "Retry", "max_retry_attempts");
  if (policy.base_retry_delay_ms < 0) return failure(errc::invalid, "Retry", "base_retry_delay_ms");
  if (policy.max_retry_delay_ms < 0) return failure(errc::invalid, "Retry", "max_retry_delay_ms");
  if (!(policy.backoff_multiplier >= 1)) {
    return failure(errc::invalid, "Retry", "backoff_multiplier");
  }
  if (!share(policy.jitter)) return failure(errc::invalid, "Retry", "jitter");
  if (policy.timeout_ms < 0) return failure(errc::invalid, "Retry", "timeout_ms");
  return ok();
}

// Nanoseconds from now, without running over; nothing is waited for longer than a century.
[[nodiscard]] constexpr std::int64_t ns_of_ms(std::int64_t ms) noexcept {
  constexpr std::int64_t century = std::int64_t{100} * 366 * 24 * 3600 * 1000;
  return std::min(ms, century) * 1'000'000;
}

// The delay after try `number`: grows by the multiplier up to the maximum; of it, the share
// `jitter` is multiplied by `chance` (0 to 1).
[[nodiscard]] inline std::int64_t delay_ns(Retry const& policy,
                                           int number,
                                           double chance) noexcept {
  auto const most = static_cast<double>(ns_of_ms(policy.max_retry_delay_ms));
  auto delay = static_cast<double>(ns_of_ms(policy.base_retry_delay_ms));
  for (int i = 1; i < number && delay < most; ++i) delay *= policy.backoff_multiplier;
  delay = std::min(delay, most);
  return static_cast<std::int64_t>(delay * (1 - policy.jitter + policy.jitter * chance));
}

// Waits, in slices where someone may cancel. False: cancelled.
template <world W>
[[nodiscard]] bool wait_or_cancel(W const& w,
                                  std::int64_t until_ns,
                                  std::function<bool()> const& cancelled) {
  constexpr std::int64_t slice_ns = 50'000'000;
  if (!cancelled) {
    w.wait_until(until_ns);
    return true;
  }
  for (auto now = w.steady_ns(); now < until_ns; now = w.steady_ns()) {
    if (cancelled()) return false;
    w.wait_until(std::min(until_ns, now + slice_ns));
  }
  return !cancelled();
}
}  // namespace detail

/// Calls `work(Try)`, which answers a result, until it succeeds or may not be tried again: the last
/// answer. `cancelled`, with the last cause as detail, if that ended it.
template <world W, class Work>
requires some_result<std::invoke_result_t<Work&, Try const&>>
[[nodiscard]] auto retry(Retry const& policy, W const& w, Work work, RetryHooks const& hooks = {})
    -> std::invoke_result_t<Work&, Try const&> {
  HOLDFAST_TRYV(detail::check(policy));
  if (hooks.cancelled && hooks.cancelled()) return failure(errc::cancelled, "retry");
  auto const begun = w.steady_ns();
  auto const deadline =
      policy.timeout_ms == 0 ? INT64_MAX : begun + detail::ns_of_ms(policy.timeout_ms);
  for (int number = 1;; ++number) {
    Try const attempt{number, w.steady_ns(), deadline};
    auto answer = work(attempt);
    if (answer) return answer;
    auto const cause = answer.error();
    auto const chance = static_cast<double>(w.random64() >> 11) * 0x1p-53;
    auto const delay = detail::delay_ns(policy, number, chance);
    auto const now = w.steady_ns();
    bool const again = policy.auto_retry_enabled && number <= policy.max_retry_attempts &&
                       delay < deadline - now &&
                       (hooks.retryable ? hooks.retryable(cause) : can_pass(cause.code()));
    if (hooks.failed) {
      hooks.failed({attempt, cause, again ? std::optional{delay} : std::nullopt});
    }
    if (!again) return answer;
    if (!detail::wait_or_cancel(w, now + delay, hooks.cancelled)) {
      return failure(errc::cancelled, "retry", cause.text());
    }
  }
}

HOLDFAST_END

#endif

// ------------ holdfast/reprocess/executor.hpp
// Says what runs work, and gives the two simplest: the caller itself, and a few threads.
#ifndef HOLDFAST_REPROCESS_EXECUTOR_HPP
#define HOLDFAST_REPROCESS_EXECUTOR_HPP

#include <condition_variable>
#include <deque>
#include <exception>
#include <new>
#include <thread>

HOLDFAST_BEGIN

/// Runs each piece of work once, at some time, on some thread; perhaps before `post` returns. An
/// error: it will not be run. The work does not throw.
template <class E>
concept executor = std::destructible<E> && requires(E& e, std::function<void()> work) {
  { e.post(std::move(work)) } -> gives<void>;
};

/// Runs work at once, on the thread that posts it.
struct Inline {
  [[nodiscard]] result<void> post(std::function<void()> const& work) const {
    work();
    return ok();
  }
};
static_assert(executor<Inline>);

/// At most so many threads, started when there is work for them, joined at the end. Thread-safe.
class Threads {
 public:
  explicit Threads(std::size_t most) : most_{std::max<std::size_t>(most, 1)} {}
  Threads(Threads const&) = delete;
  Threads& operator=(Threads const&) = delete;
  /// Runs what is posted already, and joins.
  ~Threads() {
    {
      std::lock_guard const guard{mutex_};
      ending_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  [[nodiscard]] result<void> post(std::function<void()> work) {
    std::lock_guard const guard{mutex_};
    queue_.push_back(std::move(work));
    changed_.notify_one();
    if (idle_ >= queue_.size() || threads_.size() == most_) return ok();
    HOLDFAST_MAY_THROW {
      threads_.emplace_back([this] { serve(); });
    }
    HOLDFAST_CAUGHT {
      if (!threads_.empty()) return ok();  // another thread will come to it
      queue_.pop_back();
      return failure(errc::no_memory, "start a thread");
    }
    return ok();
  }

 private:
  void serve() {
    std::unique_lock lock{mutex_};
    for (;;) {
      ++idle_;
      changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      --idle_;
      if (queue_.empty()) return;
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      work = nullptr;  // what it holds on to ends here, not under the lock
      lock.lock();
    }
  }

  std::size_t const most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ending_ = false;
};
static_assert(executor<Threads>);

namespace detail {
/// Calls what may throw: an exception is an error like any other.
template <class F>
[[nodiscard]] std::invoke_result_t<F&> guarded(char const* where, F&& f) noexcept {
#if !defined(__cpp_exceptions)
  static_cast<void>(where);
  return f();
#else
  try {
    return f();
  } catch (std::bad_alloc const&) {
    return failure(errc::no_memory, where, "std::bad_alloc");
  } catch (std::exception const& why) {
    return failure(errc::backend, where, why.what());
  } catch (...) {
    return failure(errc::backend, where, "an exception");
  }
#endif
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/keep_alive.hpp
// Renews a lock that lapses for as long as it is wanted, and tells when it is lost.
#ifndef HOLDFAST_KEEP_ALIVE_HPP
#define HOLDFAST_KEEP_ALIVE_HPP

HOLDFAST_BEGIN

/// What a `KeepAlive` tells; called from the thread that renews. What it throws is swallowed.
struct KeepAliveHooks {
  /// Once it is known that the lock is another's or that its time is over; whoever works under it
  /// must have stopped when this returns. A renewal that hangs holds it up: where this must be told
  /// before another can have the lock, the policy must give up within its margin (over a register:
  /// the patience of that, such as `busy_timeout_ms`).
  std::function<void(error const&)> lost{};
  std::function<void(error const&)> failed{};  ///< a renewal failed that is tried again
};

/// Its end ends the renewing, and waits for a renewal that is under way. The lock stays held for
/// the rest of its time.
class KeepAlive {
 public:
  KeepAlive(KeepAlive&&) noexcept = default;
  KeepAlive& operator=(KeepAlive&& other) noexcept {
    stop();
    state_ = std::move(other.state_);
    return *this;
  }
  ~KeepAlive() { stop(); }

  /// Use `keep_alive`.
  template <renewable Policy, executor Executor, world W>
  requires lapsing<Policy>
  [[nodiscard]] static result<KeepAlive> start(Held<Policy, W>& held,
                                               Executor& on,
                                               KeepAliveHooks hooks,
                                               W w) {
    auto state = std::make_shared<State>();
    state->is_over = [&held] { return *held.remaining_ns() == 0; };
    HOLDFAST_TRYV(on.post([&held, state, told = std::move(hooks), around = std::move(w)] {
      if (state->begin()) state->end(renew_on(held, told, *state, around));
    }));
    return KeepAlive{std::move(state)};
  }

  /// It is renewed no more; idempotent. Not from a hook. In a forked child it does nothing.
  void stop() noexcept {
    if (!state_ || state_->born.left()) return;  // its thread, or who has the mutex, is not here
    std::unique_lock lock{state_->mutex};
    state_->stopped = true;
    // What has not begun never will: its executor may have no thread left for it.
    state_->changed.wait(lock, [this] { return state_->ended || !state_->begun; });
    if (auto const is_over = std::exchange(state_->is_over, nullptr)) {
      state_->lost = state_->lost || is_over();
    }
  }
  /// No renewal can bring it back, or its time was over when it was stopped. Told for sure only
  /// after `stop`. A forked child has lost it.
  [[nodiscard]] bool lost() const {
    if (state_->born.left()) return true;
    std::lock_guard const guard{state_->mutex};
    return state_->lost;
  }

 private:
  struct State {
    std::mutex mutex{};
    std::condition_variable changed{};
    std::function<bool()> is_over{};  // asked once, when it is stopped
    detail::Birthplace born{};
    bool begun = false;
    bool stopped = false;
    bool ended = false;
    bool lost = false;
    [[nodiscard]] bool is_stopped() {
      std::lock_guard const guard{mutex};
      return stopped;
    }
    // False: the lock may be gone.
    [[nodiscard]] bool begin() {
      std::lock_guard const guard{mutex};
      begun = !stopped;
      return begun;
    }
    void end(bool by_loss) {
      std::lock_guard const guard{mutex};
      lost = by_loss;
      ended = true;
      changed.notify_all();
    }
  };
  explicit KeepAlive(std::shared_ptr<State> state) noexcept : state_{std::move(state)} {}

  static void tell(std::function<void(error const&)> const& hook, error const& what) noexcept {
    static_cast<void>(detail::guarded("keep alive", [&]() -> result<void> {
      if (hook) hook(what);
      return ok();
    }));
  }

  // What no other try can change; anything else may pass as long as there is time.
  [[nodiscard]] static constexpr bool is_final(errc code) noexcept {
    return code == errc::fenced || code == errc::spent || code == errc::forked ||
           code == errc::invalid;
  }
  // Renews after a third of its time, and more often while that fails. True: lost.
  template <class Lapsing, class W>
  [[nodiscard]] static bool renew_on(Lapsing& held,
                                     KeepAliveHooks const& hooks,
                                     State& state,
                                     W const& w) {
    constexpr std::int64_t shortest_ns = 5'000'000;  // or a short lease would keep a core busy
    std::function<bool()> const stopped = [&state] { return state.is_stopped(); };
    auto whole = *held.remaining_ns();
    auto left = whole;
    for (auto pause = whole / 3; left > 0;) {
      pause = std::min(left, std::max(pause, shortest_ns));
      if (!detail::wait_or_cancel(w, w.steady_ns() + pause, stopped)) return false;
      auto const renewed = detail::guarded("keep alive", [&] { return held.renew(); });
      left = *held.remaining_ns();
      if (renewed) {
        whole = left;
        pause = whole / 3;
        continue;
      }
      auto const& cause = renewed.error();
      if (is_final(cause.code())) {
        tell(hooks.lost, cause);
        return true;
      }
      if (left > 0) tell(hooks.failed, cause);
      left = *held.remaining_ns();  // the hook may have taken time
      if (left == 0) {
        tell(hooks.lost, error{errc::timed_out, "keep alive", cause.text()});
        return true;
      }
      pause = whole / 10;
    }
    tell(hooks.lost, error{errc::timed_out, "keep alive", "no time is left"});
    return true;
  }

  std::shared_ptr<State> state_;
};

/// Renews `held`, on a thread of the executor that it keeps for itself, until the answer ends. Both
/// must outlive the answer. A lock that has no time left when that thread begins is told as lost at
/// once.
template <renewable Policy, executor Executor, world W>
requires lapsing<Policy>
[[nodiscard]] result<KeepAlive> keep_alive(Held<Policy, W>& held,
                                           Executor& on,
                                           KeepAliveHooks hooks = {},
                                           W w = {}) {
  return KeepAlive::start(held, on, std::move(hooks), std::move(w));
}

HOLDFAST_END

#endif

// ------------ holdfast/recovery/frames.hpp
// Walks the frames of a segment in bounded memory.
#ifndef HOLDFAST_RECOVERY_FRAMES_HPP
#define HOLDFAST_RECOVERY_FRAMES_HPP

HOLDFAST_BEGIN

namespace detail {
/// Reads ahead by a window, which grows up to the longest frame where a frame asks for it. It ends
/// at `end`, whatever the segment grows to meanwhile.
template <segment Segment, segment_format Format>
class Frames {
 public:
  static constexpr std::size_t window_size = std::size_t{256} << 10;
  static constexpr std::uint64_t max_checked = std::uint64_t{64} << 20;

  Frames(Segment const& from, Format format, std::uint64_t end)
      : from_{&from}, format_{std::move(format)}, cursor_{format_.start()}, end_{end} {
    if constexpr (mapped_segment<Segment>) {
      filled_ = std::min(from.mapped().size(), static_cast<std::size_t>(end));
    }
  }

  /// Where the next frame begins.
  [[nodiscard]] std::uint64_t at() const noexcept { return at_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  [[nodiscard]] typename Format::cursor& cursor() noexcept { return cursor_; }

  /// The next frame, gone by if it is valid. `need` and `bad` stay where they are; null at the end.
  /// It and its payload live until the next call.
  [[nodiscard]] result<Step const*> next() {
    if (at_ == end_) return nullptr;
    if (at_ < begin_ || at_ >= begin_ + filled_) {
      HOLDFAST_TRYV(fill(std::min<std::uint64_t>(window_size, end_ - at_)));
    }
    for (;;) {
      // Made in its place: to copy what has just been written field by field costs more than all
      // else (the processor waits for each store before it reads it back as a wider one).
      auto const* const step =
          ::new (static_cast<void*>(&step_)) Step(format_.decode(cursor_, at_, window()));
      bool const more = step->kind == Step::Kind::need && step->need > window().size() &&
                        step->need <= Format::max_frame && begin_ + filled_ < end_;
      if (!more) {
        (is_whole(step->kind) ? at_ : checked_) += step->used;
        if (!is_behind_zeros()) before_zeros_ = at_;
        return step;
      }
      auto const wanted =
          std::min<std::uint64_t>(std::max<std::uint64_t>(step->need, window_size), end_ - at_);
      HOLDFAST_TRYV(fill(wanted));
    }
  }

  /// Looks for a valid frame at `at` or behind it, and gives the first.
  [[nodiscard]] result<std::optional<Witness>> search(std::uint64_t at) {
    for (;;) {
      at_ = std::min(at, end_);
      bool const short_of = window().size() < Format::searched && begin_ + filled_ != end_;
      if (at_ < begin_ || short_of) {
        HOLDFAST_TRYV(fill(std::min<std::uint64_t>(window_size, end_ - at_)));
      }
      auto const found = format_.witness(cursor_, at_, window());
      if (found || begin_ + filled_ >= end_) return found;
      at = begin_ + filled_ - Format::searched + 1;
    }
  }
  /// Goes on at a frame that is known to be there.
  void resume(std::uint64_t at) {
    at_ = before_zeros_ = at;
    format_.resume(cursor_, at);
  }
  void stand(std::uint64_t at) noexcept { at_ = at; }
  /// Goes on behind a gap: at the first valid frame from where `next` stopped, which may be the one
  /// it stopped at where only its order was wrong. False where there is none. Errors: `damaged`
  /// where far more bytes were checked than there are, which only bytes that were made for it do.
  [[nodiscard]] result<bool> go_on() {
    if (checked_ > 8 * end_ + max_checked) {
      return failure(error{errc::damaged, "search segment"}.at(at_));
    }
    // A frame may begin with zeros, which were gone by with those before it.
    if (is_behind_zeros()) at_ = std::min(at_, before_zeros_);
    auto const from = resumed_ == at_ ? at_ + 1 : at_;
    HOLDFAST_TRY(found, search(from));
    if (!found) return false;
    resume(found->at);
    resumed_ = found->at;
    return true;
  }
  /// Tells every byte from `at` on.
  template <class Visit>
  [[nodiscard]] result<void> each_piece(std::uint64_t at, Visit visit) {
    while (at < end_) {
      at_ = at;
      HOLDFAST_TRYV(fill(std::min<std::uint64_t>(window_size, end_ - at)));
      visit(window());
      at += window().size();
    }
    return ok();
  }

  [[nodiscard]] static constexpr bool is_whole(Step::Kind kind) noexcept {
    return kind == Step::Kind::record || kind == Step::Kind::mark || kind == Step::Kind::fragment ||
           kind == Step::Kind::padding;
  }

 private:
  [[nodiscard]] bool is_behind_zeros() const noexcept {
    if constexpr (requires(typename Format::cursor const& c) { c.zeros; }) {
      return cursor_.zeros;
    } else {
      return false;
    }
  }
  [[nodiscard]] bytes_view window() const noexcept {
    if (at_ < begin_) return {};
    auto const gone = std::min<std::uint64_t>(filled_, at_ - begin_);
    return seen().first(filled_).subspan(static_cast<std::size_t>(gone));
  }
  [[nodiscard]] bytes_view seen() const noexcept {
    if constexpr (mapped_segment<Segment>) {
      return from_->mapped();
    } else {
      return bytes_view{buffer_};
    }
  }
  // The segment may have become shorter: then what is missing is an error, not an end.
  [[nodiscard]] result<void> fill(std::uint64_t size) {
    if constexpr (mapped_segment<Segment>) {  // all that there is was there from the beginning
      if (at_ + size <= filled_) return ok();
      return failure(error{errc::conflict, "read segment"}.at(filled_));
    }
    if (buffer_.size() < size) buffer_.resize(static_cast<std::size_t>(size));
    begin_ = at_;
    filled_ = 0;
    HOLDFAST_TRY(got,
                 from_->read_at(at_, bytes_span{buffer_}.first(static_cast<std::size_t>(size))));
    if (got != size) return failure(error{errc::conflict, "read segment"}.at(at_ + got));
    filled_ = got;
    return ok();
  }

  Segment const* from_;
  Format format_;
  typename Format::cursor cursor_;
  Step step_{};
  bytes buffer_;
  std::uint64_t begin_ = 0;  // of what is looked at: the buffer, or the whole map
  std::size_t filled_ = 0;
  std::uint64_t at_ = 0;
  std::uint64_t end_;
  std::uint64_t before_zeros_ = 0;
  std::uint64_t resumed_ = ~std::uint64_t{0};  // where the last gap ended
  std::uint64_t checked_ = 0;                  // bytes of frames that failed
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/recovery/plan.hpp
// What was found in a segment, and what is to be done about it: data, before anything is touched.
#ifndef HOLDFAST_RECOVERY_PLAN_HPP
#define HOLDFAST_RECOVERY_PLAN_HPP

HOLDFAST_BEGIN

/// What is the matter with a segment. From `damage` on, no crash alone explains it.
enum class Verdict : std::uint8_t {
  clean,
  torn_tail,      ///< what was being written when it crashed; nobody was told that it is durable
  damage,         ///< bytes that were durable fail their check
  sealed_damage,  ///< the same in a segment that is no longer written
  hole,           ///< a segment of the log is missing
  foreign,        ///< not a segment of this log
  newer_format,   ///< of a newer version; not to be touched
};
[[nodiscard]] constexpr std::string_view name(Verdict verdict) noexcept {
  constexpr std::string_view names[] = {"clean", "torn tail", "damage",      "sealed damage",
                                        "hole",  "foreign",   "newer format"};
  return names[static_cast<std::size_t>(verdict)];
}
/// The error that says so.
[[nodiscard]] constexpr errc errc_of(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::clean:
    case Verdict::torn_tail:
      return errc::incomplete;
    case Verdict::damage:
    case Verdict::sealed_damage:
      return errc::damaged;
    case Verdict::hole:
      return errc::hole;
    case Verdict::foreign:
      return errc::foreign;
    case Verdict::newer_format:
      return errc::newer_format;
  }
  return errc::unknown;
}

/// How much recovery may do.
enum class Recovery : std::uint8_t {
  refuse,      ///< nothing: what is not clean is an error
  cut,         ///< cut a torn tail, refuse everything worse
  quarantine,  ///< also set aside everything from the damage on, and go on from before it
  salvage,     ///< also keep the records behind damage, which stays where it is
};
[[nodiscard]] constexpr std::string_view name(Recovery recovery) noexcept {
  constexpr std::string_view names[] = {"refuse", "cut", "quarantine", "salvage"};
  return names[static_cast<std::size_t>(recovery)];
}

/// A segment as it was found. The same bytes give the same plan.
struct Plan {
  Verdict verdict = Verdict::clean;
  std::uint64_t size = 0;           ///< of the segment, in bytes
  std::uint64_t kept = 0;           ///< end of the longest valid prefix
  std::uint64_t durable_to = 0;     ///< bytes that are known to have been durable before
  std::uint64_t witness = 0;        ///< where the frame lies that shows damage; 0 if none does
  std::uint64_t records = 0;        ///< in the prefix
  std::uint64_t salvageable = 0;    ///< records behind the damage
  std::uint64_t salvaged_end = 0;   ///< end of the last of them
  std::uint64_t next_sequence = 0;  ///< of the next record
  std::uint64_t unconfirmed = 0;    ///< first byte that this boot wrote and no sync is known of
  std::int64_t first_time_ns = 0;
  std::int64_t last_time_ns = 0;
  std::uint32_t tail_crc = 0;  ///< of the bytes behind the prefix
  bool sealed = false;         ///< is told to have a successor
  std::uint64_t digest = 0;    ///< of all frames of the prefix

  friend bool operator==(Plan const&, Plan const&) = default;

  /// Equal where the bytes are, whoever looks at them and in whichever boot. The witness is left
  /// out: nobody looks for one where a point has told of the damage already.
  [[nodiscard]] std::uint64_t fingerprint() const noexcept {
    std::uint64_t all = 0;
    for (auto const part :
         {static_cast<std::uint64_t>(verdict), size, kept, records, salvageable, salvaged_end,
          next_sequence, static_cast<std::uint64_t>(tail_crc), digest}) {
      all = mixed(all, part);
    }
    return all;
  }
  [[nodiscard]] static constexpr std::uint64_t mixed(std::uint64_t all,
                                                     std::uint64_t part) noexcept {
    all = (all ^ part) * 0x9e37'79b9'7f4a'7c15;
    return all ^ all >> 29;
  }
};

/// What was done to a segment when it was opened.
struct Recovered {
  Plan found;
  std::uint64_t cut_bytes = 0;      ///< set aside, then cut
  std::uint64_t skipped_bytes = 0;  ///< damaged, left in place and skipped by readers
};

HOLDFAST_END

#endif

// ------------ holdfast/recovery/examine.hpp
// Looks at a segment and says what is the matter with it; touches nothing.
//
// What fails its check is a torn tail, unless something shows that it was durable once: a valid
// frame behind it that says so, a point that the caller has kept, or that the segment is sealed.
#ifndef HOLDFAST_RECOVERY_EXAMINE_HPP
#define HOLDFAST_RECOVERY_EXAMINE_HPP

HOLDFAST_BEGIN

/// What is known from elsewhere.
struct Known {
  std::uint64_t durable_to = 0;  ///< bytes that were durable
  bool sealed = false;           ///< it has a successor, so nothing of it may be torn
  std::uint32_t boot = 0;        ///< this boot, as frames name it; 0 = not known
};

namespace detail {
/// One look at one segment.
template <segment Segment, segment_format Format>
class Examination {
 public:
  Examination(Segment const& from, Format const& format, std::uint64_t size, Known const& known)
      : frames_{from, format, size}, known_{known} {
    plan_.size = size;
    plan_.sealed = known.sealed;
  }

  template <class Visit>
  [[nodiscard]] result<Plan> run(Visit& visit) {
    for (;;) {
      auto const at = frames_.at();
      HOLDFAST_TRY(step, frames_.next());
      if (!step && within_) {  // it ends between two fragments of a record
        HOLDFAST_TRYV(judge(Step::Kind::need, false));
        break;
      }
      if (!step) {
        if (ends_with_zeros()) break;  // what is appended goes before them
        plan_.kept = plan_.size;       // padding up to the end is no tail
        plan_.digest = digest_;
        break;
      }
      if (!frames_.is_whole(step->kind)) {
        HOLDFAST_TRYV(judge(step->kind, step->valid));
        break;
      }
      note(at, *step);
      if (step->kind == Step::Kind::record) visit(*step, frames_.at());
    }
    if (awaits_first_) plan_.unconfirmed = plan_.kept;
    if (plan_.verdict == Verdict::clean && plan_.kept < known_.durable_to) {
      plan_.verdict = Verdict::damage;  // cut at a frame's end, and cut all the same
    }
    if (plan_.verdict == Verdict::clean && known_.sealed && lacks_footer()) {
      plan_.verdict = Verdict::sealed_damage;
    }
    plan_.durable_to = std::max(plan_.durable_to, known_.durable_to);
    return plan_;
  }

 private:
  void note(std::uint64_t at, Step const& step) {
    // Its length too: the next one, or the end of the prefix, says where it ended.
    digest_ = Plan::mixed(digest_, at ^ std::uint64_t{step.check} << 32);
    if (step.kind != Step::Kind::padding) within_ = step.kind == Step::Kind::fragment;
    if (step.kind == Step::Kind::padding || step.kind == Step::Kind::fragment) return;
    plan_.kept = frames_.at();
    plan_.digest = digest_;
    confirm(at, step);
    plan_.next_sequence = step.sequence;
    if (step.kind != Step::Kind::record) return;
    if (plan_.records++ == 0) plan_.first_time_ns = step.time_ns;
    plan_.last_time_ns = step.time_ns;
    plan_.next_sequence = step.sequence + 1;
  }

  // A frame tells what was synced before it. One of another boot was read from the disk itself.
  // What this boot has written, or what does not tell who has, may have been lost by a sync that
  // failed, and read back all the same.
  void confirm(std::uint64_t at, Step const& step) {
    bool const proves = step.synced_to > plan_.durable_to;
    if (proves) plan_.durable_to = step.synced_to;
    if (proves || awaits_first_) {
      plan_.unconfirmed = step.kind == Step::Kind::record ? step.begin : at;
    }
    bool const of_another_boot = step.boot != 0 && known_.boot != 0 && step.boot != known_.boot;
    awaits_first_ = of_another_boot || frames_.at() <= known_.durable_to;
    if (of_another_boot) plan_.durable_to = frames_.at();
  }

  [[nodiscard]] result<void> judge(Step::Kind stopped, bool valid) {
    if (stopped == Step::Kind::newer) {
      plan_.verdict = Verdict::newer_format;
      return ok();
    }
    // The header of another log was synced as ours are: that one has begun.
    bool const of_another = stopped == Step::Kind::foreign && valid;
    if (never_begun() && !of_another) {
      plan_.kept = 0;
      plan_.verdict = Verdict::torn_tail;
    } else if (stopped == Step::Kind::foreign) {
      plan_.verdict = Verdict::foreign;
      return ok();
    }
    return look_behind(frames_.at(), stopped == Step::Kind::bad && valid);
  }
  // The header of a new segment is synced before anything follows it.
  [[nodiscard]] bool never_begun() const noexcept {
    if constexpr (requires { Format::header_size; }) {
      return plan_.size <= Format::header_size && known_.durable_to == 0 && !known_.sealed;
    } else {
      return false;
    }
  }

  // A valid frame that does not belong where it lies was put there by no crash.
  [[nodiscard]] result<void> look_behind(std::uint64_t stopped_at, bool misplaced) {
    HOLDFAST_TRYV(frames_.each_piece(
        plan_.kept, [this](bytes_view piece) { plan_.tail_crc = crc32c(piece, plan_.tail_crc); }));
    bool worse = known_.sealed || plan_.kept < known_.durable_to || has_no_header();
    if (misplaced && !worse) plan_.witness = stopped_at;
    worse = worse || misplaced;
    for (auto at = stopped_at + 1; !worse;) {
      HOLDFAST_TRY(found, frames_.search(at));
      if (!found) break;
      worse = found->synced_to > plan_.kept;
      if (worse) plan_.witness = found->at;
      at = found->at + 1;
    }
    plan_.verdict = !worse          ? Verdict::torn_tail
                    : known_.sealed ? Verdict::sealed_damage
                                    : Verdict::damage;
    return worse ? count_behind(stopped_at) : result<void>{ok()};
  }
  [[nodiscard]] bool ends_with_zeros() noexcept {
    if constexpr (requires(typename Format::cursor const& c) { c.zeros; }) {
      return frames_.cursor().zeros;
    } else {
      return false;
    }
  }
  [[nodiscard]] bool lacks_footer() noexcept {
    if constexpr (requires(typename Format::cursor const& c) { c.sealed; }) {
      return !frames_.cursor().sealed;
    } else {
      return false;
    }
  }
  // A header was durable before the first frame, so one that fails its check was damaged.
  [[nodiscard]] bool has_no_header() const noexcept {
    if constexpr (requires { Format::header_size; }) {
      return plan_.kept == 0 && plan_.size > Format::header_size;
    } else {
      return false;
    }
  }

  [[nodiscard]] result<void> count_behind(std::uint64_t from) {
    plan_.salvaged_end = plan_.kept;
    frames_.stand(from);
    for (;;) {
      HOLDFAST_TRY(found, frames_.go_on());
      if (!found) return ok();
      for (;;) {
        HOLDFAST_TRY(step, frames_.next());
        if (!step) return ok();
        if (!frames_.is_whole(step->kind)) break;
        if (step->kind == Step::Kind::padding || step->kind == Step::Kind::fragment) continue;
        plan_.salvaged_end = frames_.at();
        plan_.salvageable += step->kind == Step::Kind::record ? 1 : 0;
      }
    }
  }

  Frames<Segment, Format> frames_;
  Known known_;
  Plan plan_;
  std::uint64_t digest_ = 0;  // of all frames so far, also of those that may not be kept
  bool within_ = false;       // a record whose last fragment has not come
  bool awaits_first_ = true;  // of the frames that no sync is known of
};
struct VisitNothing {
  void operator()(Step const&, std::uint64_t) const noexcept {}
};
}  // namespace detail

/// What a crash, or worse, has left of a segment, and how much of it holds. Reads every byte once,
/// in memory bounded by the longest frame; `visit(step, end)` is told each record of the valid
/// prefix. Bytes that are appended meanwhile are not looked at. Errors: those of reading, and
/// `conflict` if the segment gets shorter meanwhile.
template <segment Segment, segment_format Format, class Visit = detail::VisitNothing>
[[nodiscard]] result<Plan> examine(Segment const& from,
                                   Format const& format,
                                   Known const& known = {},
                                   Visit visit = {}) {
  HOLDFAST_TRY(size, from.size());
  return detail::Examination<Segment, Format>{from, format, size, known}.run(visit);
}

HOLDFAST_END

#endif

// ------------ holdfast/log/index.hpp
// Indexes beside a segment: where a number, or a time, is to be found in it.
//
// Invariants:
// - An index is made from the data alone, and is the same byte for byte each time: it may be
// missing
//   or be thrown away, and nothing but speed changes.
// - It is built aside, synced, and takes its name in one step. One that fails its check is not
// used.
#ifndef HOLDFAST_LOG_INDEX_HPP
#define HOLDFAST_LOG_INDEX_HPP

HOLDFAST_BEGIN

enum class IndexKind : std::uint8_t { sequence, time };

struct IndexOptions {
  std::uint32_t every = 64;  ///< one entry for so many records; 1 is dense
};

namespace detail::index {
inline constexpr std::size_t header_size = 32;
inline constexpr std::size_t entry_size = 16;
inline constexpr std::size_t crc_size = 4;
inline constexpr std::uint32_t version = 1;

[[nodiscard]] constexpr std::uint64_t magic(IndexKind kind) noexcept {
  return kind == IndexKind::sequence ? 0x7864'6971'6573'6668   // "hfseqidx"
                                     : 0x7864'696d'6974'6668;  // "hftimidx"
}
[[nodiscard]] constexpr errc damaged(IndexKind kind) noexcept {
  return kind == IndexKind::sequence ? errc::damaged_index : errc::damaged_time_index;
}
[[nodiscard]] inline std::string path_of(std::string const& segment, IndexKind kind) {
  return segment + (kind == IndexKind::sequence ? ".index" : ".times");
}

/// An index piece by piece; `put(at, bytes)` takes each.
template <class Put>
class Stream {
 public:
  Stream(IndexKind kind, IndexOptions options, Put put)
      : kind_{kind}, options_{options}, put_{std::move(put)} {
    buffer_.reserve(most);
  }

  void add(Step const& record) {
    if (records_++ % std::max<std::uint32_t>(options_.every, 1) != 0 || !sound_) return;
    auto const key =
        kind_ == IndexKind::sequence ? record.sequence : static_cast<std::uint64_t>(record.time_ns);
    auto const at = buffer_.size();
    buffer_.resize(at + entry_size);
    put_le(bytes_span{buffer_}, at, key);
    put_le(bytes_span{buffer_}, at + 8, record.begin);
    ++entries_;
    if (buffer_.size() >= most) sound_ = flush();
  }
  [[nodiscard]] result<void> finish(std::uint64_t covered) {
    HOLDFAST_TRYV(sound_);
    HOLDFAST_TRYV(flush());
    std::array<std::byte, header_size> header{};
    put_le(header, 0, magic(kind_));
    put_le(header, 8, version);
    put_le(header, 12, options_.every);
    put_le(header, 16, entries_);
    put_le(header, 24, covered);
    std::array<std::byte, crc_size> crc{};
    put_le(crc, 0, crc32c(header, crc_));
    HOLDFAST_TRYV(put_(at_, bytes_view{crc}));
    return put_(std::uint64_t{0}, bytes_view{header});
  }
  [[nodiscard]] std::uint64_t size() const noexcept { return at_ + crc_size; }

 private:
  static constexpr std::size_t most = std::size_t{64} << 10;
  [[nodiscard]] result<void> flush() {
    crc_ = crc32c(buffer_, crc_);
    HOLDFAST_TRYV(put_(at_, bytes_view{buffer_}));
    at_ += buffer_.size();
    buffer_.clear();
    return ok();
  }

  IndexKind kind_;
  IndexOptions options_;
  Put put_;
  bytes buffer_{};
  std::uint64_t at_ = header_size;
  std::uint64_t records_ = 0;
  std::uint64_t entries_ = 0;
  std::uint32_t crc_ = 0;
  result<void> sound_ = ok();
};

/// An index that has passed its check.
struct Header {
  std::uint32_t every = 0;
  std::uint64_t entries = 0;
  std::uint64_t covered = 0;
};
template <file_system Fs>
[[nodiscard]] result<Header> check(Fs const& fs,
                                   typename Fs::file& file,
                                   std::string const& path,
                                   IndexKind kind) {
  auto const refuse = [&] { return failure(damaged(kind), "read index", path); };
  HOLDFAST_TRY(size, fs.size(file));
  std::array<std::byte, header_size> raw{};
  HOLDFAST_TRY(got, fs.read_at(file, 0, raw));
  if (got != raw.size() || get_le<std::uint64_t>(raw, 0) != magic(kind)) return refuse();
  if (get_le<std::uint32_t>(raw, 8) != version) return refuse();
  Header const header{get_le<std::uint32_t>(raw, 12), get_le<std::uint64_t>(raw, 16),
                      get_le<std::uint64_t>(raw, 24)};
  if (size < header_size + crc_size ||
      (size - header_size - crc_size) / entry_size != header.entries ||
      (size - header_size - crc_size) % entry_size != 0) {
    return refuse();
  }
  std::uint32_t crc = 0;
  bytes buffer(std::size_t{64} << 10);
  auto const end = size - crc_size;
  for (std::uint64_t at = header_size; at < end;) {
    auto const some = bytes_span{buffer}.first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at)));
    HOLDFAST_TRY(read, fs.read_at(file, at, some));
    if (read != some.size()) return refuse();
    crc = crc32c(some, crc);
    at += some.size();
  }
  std::array<std::byte, crc_size> stored{};
  HOLDFAST_TRY(last, fs.read_at(file, end, stored));
  if (last != stored.size() || get_le<std::uint32_t>(stored, 0) != crc32c(raw, crc))
    return refuse();
  return header;
}
}  // namespace detail::index

/// Makes both indexes of a segment from its data, replacing those that are there.
template <file_system Fs, segment Segment, segment_format Format>
[[nodiscard]] result<Plan> build_indexes(Fs const& fs,
                                         Segment const& from,
                                         Format const& format,
                                         std::string const& path,
                                         IndexOptions options = {}) {
  using detail::index::path_of;
  auto const made = [&](IndexKind kind) -> result<typename Fs::file> {
    auto const aside = path_of(path, kind) + ".new";
    HOLDFAST_TRYV(detail::remove_if_there(fs, aside));  // of a build that crashed
    return fs.open(aside, Open::create);
  };
  HOLDFAST_TRY(sequences, made(IndexKind::sequence));
  HOLDFAST_TRY(times, made(IndexKind::time));
  detail::index::Stream by_sequence{
      IndexKind::sequence, options,
      [&](std::uint64_t at, bytes_view piece) { return fs.write_at(sequences, at, piece); }};
  detail::index::Stream by_time{IndexKind::time, options, [&](std::uint64_t at, bytes_view piece) {
                                  return fs.write_at(times, at, piece);
                                }};
  HOLDFAST_TRY(plan, examine(from, format, {}, [&](Step const& record, std::uint64_t) {
                 by_sequence.add(record);
                 by_time.add(record);
               }));
  HOLDFAST_TRYV(by_sequence.finish(plan.kept));
  HOLDFAST_TRYV(by_time.finish(plan.kept));
  HOLDFAST_TRYV(fs.sync(sequences));
  HOLDFAST_TRYV(fs.sync(times));
  for (auto const kind : {IndexKind::sequence, IndexKind::time}) {
    HOLDFAST_TRYV(fs.rename(path_of(path, kind) + ".new", path_of(path, kind)));
  }
  HOLDFAST_TRYV(fs.sync_directory(detail::parent_of(path)));
  return plan;
}

/// Compares every byte of an index with what the data says. Errors: `not_found`, `damaged_index` or
/// `damaged_time_index` (it fails its own check), `index_mismatch` (it is of other data).
template <file_system Fs, segment Segment, segment_format Format>
[[nodiscard]] result<void> verify_index(Fs const& fs,
                                        Segment const& from,
                                        Format const& format,
                                        std::string const& segment_path,
                                        IndexKind kind) {
  auto const path = detail::index::path_of(segment_path, kind);
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(header, detail::index::check(fs, file, path, kind));
  bytes own;
  auto const compare = [&](std::uint64_t at, bytes_view piece) -> result<void> {
    own.resize(piece.size());
    HOLDFAST_TRY(got, fs.read_at(file, at, own));
    if (got == own.size() && std::equal(own.begin(), own.end(), piece.begin())) return ok();
    return failure(error{errc::index_mismatch, "verify index", path}.at(at));
  };
  detail::index::Stream expected{kind, IndexOptions{header.every}, compare};
  HOLDFAST_TRY(plan, examine(from, format, {},
                             [&](Step const& record, std::uint64_t) { expected.add(record); }));
  HOLDFAST_TRYV(expected.finish(plan.kept));
  HOLDFAST_TRY(size, fs.size(file));
  if (size != expected.size()) return failure(errc::index_mismatch, "verify index", path);
  return ok();
}

/// Where to begin to read for the first record at or behind `key`: the place of a record before it.
/// Nothing where it may be anywhere. Errors as of `verify_index`, but for a mismatch, which shows
/// only against the data.
template <file_system Fs>
[[nodiscard]] result<std::optional<std::uint64_t>> find_in_index(Fs const& fs,
                                                                 std::string const& segment_path,
                                                                 IndexKind kind,
                                                                 std::uint64_t key) {
  using namespace detail::index;  // NOLINT(google-build-using-namespace)
  auto const path = path_of(segment_path, kind);
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(header, check(fs, file, path, kind));
  // Times are signed; moved up, they are in the order of unsigned numbers.
  auto const bias = kind == IndexKind::time ? std::uint64_t{1} << 63 : 0;
  std::uint64_t below = 0;  // entries that are before the key
  std::optional<std::uint64_t> place;
  for (auto above = header.entries; below < above;) {
    auto const middle = below + (above - below) / 2;
    std::array<std::byte, entry_size> entry{};
    HOLDFAST_TRY(got, fs.read_at(file, header_size + middle * entry_size, entry));
    if (got != entry.size()) return failure(damaged(kind), "read index", path);
    if ((get_le<std::uint64_t>(entry, 0) ^ bias) < (key ^ bias)) {
      below = middle + 1;
      place = get_le<std::uint64_t>(entry, 8);
    } else {
      above = middle;
    }
  }
  return place;
}

HOLDFAST_END

#endif

// ------------ holdfast/log/survey.hpp
// Tells which files of a directory are segments of a log, from their names, and how they follow one
// another.
#ifndef HOLDFAST_LOG_SURVEY_HPP
#define HOLDFAST_LOG_SURVEY_HPP

HOLDFAST_BEGIN

/// One segment of a log, as it was found and what was done to it.
struct SegmentReport {
  std::uint64_t base = 0;  ///< the number of its first record, from its name
  Recovered recovered{};
};

/// What opening a log has found and done.
struct LogReport {
  Verdict verdict = Verdict::clean;       ///< of the first segment that is not clean
  std::vector<SegmentReport> segments{};  ///< in their order
  std::vector<std::string> foreign{};     ///< names that are not the log's; left alone
  std::vector<std::string> set_aside{};   ///< whole segments behind a break, under their new names
  std::uint64_t records = 0;              ///< that can be read
  std::uint64_t cut_bytes = 0;
  std::uint64_t skipped_bytes = 0;
  std::uint64_t missing_records = 0;  ///< numbers that no segment has, where salvage goes on
  std::uint64_t fingerprint = 0;      ///< of all that was found: equal where bytes and names are
};

namespace detail {
/// What is to be read of one segment.
struct LogPart {
  std::uint64_t base = 0;
  std::uint64_t end = 0;  ///< bytes
  bool skips_damage = false;
  bool indexed = false;  ///< may have indexes that are of its data
};
}  // namespace detail

namespace detail {
inline constexpr std::size_t digits_of_base = 20;
inline constexpr std::string_view segment_suffix = ".seg";

[[nodiscard]] inline std::string segment_name(std::uint64_t base) {
  auto digits = std::to_string(base);
  return std::string(digits_of_base - digits.size(), '0') + digits + std::string{segment_suffix};
}
/// The base that a name says; nothing if it is not the name of a segment.
[[nodiscard]] inline std::optional<std::uint64_t> base_of(std::string_view name) noexcept {
  if (name.size() != digits_of_base + segment_suffix.size()) return {};
  if (name.substr(digits_of_base) != segment_suffix) return {};
  std::uint64_t base = 0;
  for (char const c : name.substr(0, digits_of_base)) {
    if (c < '0' || c > '9') return {};
    auto const digit = static_cast<std::uint64_t>(c - '0');
    if (base > (~std::uint64_t{0} - digit) / 10) return {};
    base = base * 10 + digit;
  }
  return base;
}
/// What a log or its recovery has put beside a segment.
[[nodiscard]] inline bool is_beside_segment(std::string_view name) noexcept {
  constexpr auto whole = digits_of_base + segment_suffix.size();
  return name.size() > whole && base_of(name.substr(0, whole)) &&
         (name.substr(whole) == ".point" || name.substr(whole) == ".mended" ||
          name.substr(whole, 6) == ".aside" || name.substr(whole, 6) == ".index" ||
          name.substr(whole, 6) == ".times");
}

struct Survey {
  std::vector<std::uint64_t> bases{};
  std::vector<std::string> foreign{};
};
template <file_system Fs>
[[nodiscard]] result<Survey> survey(Fs const& fs, std::string const& directory) {
  Survey out;
  HOLDFAST_TRY(entries, fs.list(directory));
  for (auto const& entry : entries) {
    auto const base = base_of(entry.name);
    if (base && entry.kind == Entry::Kind::file) {
      out.bases.push_back(*base);
    } else if (entry.name != "LOCK" && !is_beside_segment(entry.name)) {
      out.foreign.push_back(entry.name);
    }
  }
  std::sort(out.bases.begin(), out.bases.end());
  return out;
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/log/options.hpp
// Says how a log is opened and written, and how far an opening has come.
#ifndef HOLDFAST_LOG_OPTIONS_HPP
#define HOLDFAST_LOG_OPTIONS_HPP

HOLDFAST_BEGIN

/// How far a log has been verified.
struct VerifiedTo {
  std::uint64_t next_sequence = 0;  ///< all records before it hold
  std::size_t segments = 0;         ///< that hold as a whole
  std::size_t of_segments = 0;      ///< that there are
  bool ended = false;               ///< the log is open, or was refused: nothing more will come
};

/// What an opening tells while it goes on. Thread-safe. It shows only what holds and is durable, in
/// order from the first record on: of the segment that was written last, what its point tells of.
class LogProgress {
 public:
  [[nodiscard]] VerifiedTo seen() const {
    std::scoped_lock const lock{mutex_};
    return seen_;
  }
  /// What can be read by now.
  [[nodiscard]] std::vector<detail::LogPart> parts() const {
    std::scoped_lock const lock{mutex_};
    auto all = whole_;
    if (within_) all.push_back(*within_);
    return all;
  }

  void begin(std::size_t segments) {
    std::scoped_lock const lock{mutex_};
    whole_.clear();
    within_.reset();
    broken_ = false;
    seen_ = {.of_segments = segments};
  }
  /// The first `end` bytes of segment `index` hold; its record there is the one before `next`.
  void advance(std::size_t index, std::uint64_t base, std::uint64_t end, std::uint64_t next) {
    std::scoped_lock const lock{mutex_};
    if (!is_next(index, base)) return;
    within_ = detail::LogPart{.base = base, .end = end};
    seen_.next_sequence = next;
  }
  /// All of the segment does, and it is sealed; told in their order. Where it does not, nothing
  /// behind it is shown.
  void pass(std::size_t index, std::uint64_t base, std::uint64_t end, std::uint64_t next) {
    advance(index, base, end, next);
    std::scoped_lock const lock{mutex_};
    if (!within_ || broken_) return;
    whole_.push_back(*std::exchange(within_, std::nullopt));
    ++seen_.segments;
  }
  void stop() {
    std::scoped_lock const lock{mutex_};
    broken_ = true;
  }
  /// It is open, with these; nothing where it was refused.
  void end(std::optional<std::vector<detail::LogPart>> parts, std::uint64_t next) {
    std::scoped_lock const lock{mutex_};
    seen_.ended = true;
    if (!parts) return;
    whole_ = std::move(*parts);
    within_.reset();
    seen_.segments = whole_.size();
    seen_.next_sequence = next;
  }

 private:
  // A segment that does not begin where the one before it ends shows that something is missing.
  [[nodiscard]] bool is_next(std::size_t index, std::uint64_t base) noexcept {
    if (broken_ || index != whole_.size()) return false;
    broken_ = index != 0 && !within_ && base != seen_.next_sequence;
    return !broken_;
  }

  mutable std::mutex mutex_;
  std::vector<detail::LogPart> whole_{};
  std::optional<detail::LogPart> within_{};
  VerifiedTo seen_{};
  bool broken_ = false;
};

struct LogOptions {
  std::uint64_t segment_size = std::uint64_t{64} << 20;  ///< bytes after which a segment is sealed
  std::uint32_t align = 4096;  ///< as in Framed::Options, for segments that are made from now on
  std::uint64_t first_sequence = 0;  ///< of a log that is made now: the number of its first record
  /// The `fingerprint` of a dry run (`examine_log`): the log is opened only if it still is as that
  /// one found it, else `conflict`, and nothing was touched.
  std::optional<std::uint64_t> plan{};
  /// How many segments are examined at the same time, each in memory of its own, where `post` runs
  /// them: `post = [&](auto work) { return threads.post(std::move(work)); }` with any `executor`.
  std::size_t at_once = 1;
  std::function<result<void>(std::function<void()>)> post{};
  /// Sealed segments are examined through a map of their files, where the file system has one: up
  /// to twice as fast. Then a sector that can't be read ends the process (SIGBUS) instead of being
  /// an error. So does a file that gets shorter meanwhile: not while the log is locked by who opens
  /// it, but `examine_log` takes no lock, so leave it off there unless nobody has the log open.
  bool map_sealed = false;
  /// Hears how far the opening is; `BasicLogFront` reads through it.
  std::shared_ptr<LogProgress> progress{};
};

HOLDFAST_END

#endif

// ------------ holdfast/recovery/records.hpp
// The records of a segment as a range.
#ifndef HOLDFAST_RECOVERY_RECORDS_HPP
#define HOLDFAST_RECOVERY_RECORDS_HPP

HOLDFAST_BEGIN

/// One record. The payload lives until the range goes on.
struct Record {
  std::uint64_t begin = 0;  ///< where its first frame begins, and its last one ends
  std::uint64_t end = 0;
  std::uint64_t sequence = 0;
  std::int64_t time_ns = 0;
  bytes_view payload{};
};

/// Which records to give: those that are at or behind both.
struct From {
  std::uint64_t sequence = 0;
  std::int64_t time_ns = INT64_MIN;
};

namespace detail {
/// Goes over a range that keeps its element in `now_`, reads the next one by `go_on()` and is over
/// where there is none.
template <class Range>
class RecordIterator {
 public:
  using value_type = result<Record>;
  using difference_type = std::ptrdiff_t;
  using reference = result<Record> const&;
  using pointer = result<Record> const*;
  using iterator_category = std::input_iterator_tag;

  RecordIterator() = default;
  explicit RecordIterator(Range* all) noexcept : all_{all} {}
  [[nodiscard]] reference operator*() const noexcept { return *all_->now_; }
  [[nodiscard]] pointer operator->() const noexcept { return &*all_->now_; }
  RecordIterator& operator++() {
    all_->go_on();
    return *this;
  }
  void operator++(int) { ++*this; }
  [[nodiscard]] friend bool operator==(RecordIterator const& i, std::default_sentinel_t) noexcept {
    return i.is_over();
  }

 private:
  [[nodiscard]] bool is_over() const noexcept { return all_ == nullptr || !all_->now_; }
  Range* all_ = nullptr;
};
}  // namespace detail

/// A single-pass range of `result<Record>`, in bounded memory: an error is the last element.
/// Ends where the log ended when it was made. Keeps what it reads from alive. One thread at a time.
template <segment Segment, segment_format Format>
class Records {
 public:
  using iterator = detail::RecordIterator<Records>;

  Records(std::shared_ptr<Segment const> from,
          Format format,
          std::uint64_t end,
          From first,
          bool skips_damage)
      : from_{std::move(from)},
        frames_{*from_, std::move(format), end},
        first_{first},
        skips_damage_{skips_damage} {}

  /// Begins at a record that an index has found, instead of the first: before `begin`.
  [[nodiscard]] result<void> seek(std::uint64_t place) {
    HOLDFAST_TRYV(frames_.next());  // the header, which the cursor needs
    if (place > frames_.at() && place < frames_.end()) frames_.resume(place);
    return ok();
  }
  /// Reads the first record; to be called once.
  [[nodiscard]] iterator begin() {
    go_on();
    return iterator{this};
  }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

 private:
  friend iterator;
  void go_on() {
    bool const ended = now_ && !now_->has_value();
    now_.reset();
    if (ended) return;
    auto found = next();
    if (!found) {
      now_.emplace(boost::outcome_v2::failure(found.error()));
    } else if (found.assume_value()) {
      now_.emplace(*found.assume_value());
    }
  }

  [[nodiscard]] result<std::optional<Record>> next() {
    for (;;) {
      HOLDFAST_TRY(step, frames_.next());
      if (!step) return std::optional<Record>{};
      if (!frames_.is_whole(step->kind)) {
        HOLDFAST_TRY(went_on, skip());
        if (!went_on) return std::optional<Record>{};
        continue;
      }
      if (step->kind != Step::Kind::record) continue;
      if (step->sequence < first_.sequence || step->time_ns < first_.time_ns) continue;
      return std::optional<Record>{
          Record{step->begin, frames_.at(), step->sequence, step->time_ns, step->payload}};
    }
  }
  // What was valid when the log was opened and is not any more is an error, unless damage is known
  // and skipped.
  [[nodiscard]] result<bool> skip() {
    if (!skips_damage_) return failure(error{errc::damaged, "read record"}.at(frames_.at()));
    return frames_.go_on();
  }

  std::shared_ptr<Segment const> from_;
  detail::Frames<Segment, Format> frames_;
  From first_;
  bool skips_damage_;
  std::optional<result<Record>> now_;
};

HOLDFAST_END

#endif

// ------------ holdfast/log/records.hpp
// The records of all segments of a log as one range.
#ifndef HOLDFAST_LOG_RECORDS_HPP
#define HOLDFAST_LOG_RECORDS_HPP

HOLDFAST_BEGIN

/// A single-pass range of `result<Record>` over a list of segments: an error is the last element.
/// Each segment is opened when it is reached; up to there retention may remove it (`not_found`).
template <file_system Fs>
class LogRecords {
 public:
  using iterator = detail::RecordIterator<LogRecords>;

  using Part = detail::LogPart;
  LogRecords(Fs fs, std::string directory, std::vector<Part> parts, From first)
      : fs_{std::move(fs)},
        directory_{std::move(directory)},
        parts_{std::move(parts)},
        first_{first} {
    // A segment that ends before the first wanted record is not opened.
    while (next_ + 1 < parts_.size() && parts_[next_ + 1].base <= first_.sequence) ++next_;
  }

  [[nodiscard]] iterator begin() {
    go_on();
    return iterator{this};
  }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

 private:
  friend iterator;
  using Inner = Records<BasicFileSegment<Fs>, Framed>;

  void go_on() {
    bool const ended = now_ && !now_->has_value();
    now_.reset();
    if (ended) return;
    for (;;) {
      if (inner_) {
        if (at_) {
          ++*at_;
        } else {
          at_ = inner_->begin();
        }
        if (!(*at_ == std::default_sentinel)) {
          now_.emplace(**at_);
          return;
        }
      }
      if (next_ == parts_.size()) return;
      if (auto opened = open(parts_[next_++]); !opened) {
        now_.emplace(boost::outcome_v2::failure(opened.error()));
        return;
      }
    }
  }
  [[nodiscard]] result<void> open(Part const& part) {
    at_.reset();
    inner_.reset();
    auto path = detail::join(directory_, detail::segment_name(part.base));
    HOLDFAST_TRY(file, BasicFileSegment<Fs>::open_to_read(std::move(path), fs_));
    auto from = std::make_shared<BasicFileSegment<Fs> const>(std::move(file));
    inner_.emplace(std::move(from), Framed{{.base = part.base}}, part.end, first_,
                   part.skips_damage);
    return part.indexed ? seek(part) : result<void>{ok()};
  }
  // Without an index that passes its check, all of the segment is read: slower, and the same.
  [[nodiscard]] result<void> seek(Part const& part) {
    auto const path = detail::join(directory_, detail::segment_name(part.base));
    auto place = std::uint64_t{0};
    if (first_.sequence > part.base) {
      auto const found = find_in_index(fs_, path, IndexKind::sequence, first_.sequence);
      if (found) place = std::max(place, found.assume_value().value_or(0));
    }
    if (first_.time_ns != From{}.time_ns) {
      auto const key = static_cast<std::uint64_t>(first_.time_ns);
      auto const found = find_in_index(fs_, path, IndexKind::time, key);
      if (found) place = std::max(place, found.assume_value().value_or(0));
    }
    return place == 0 ? result<void>{ok()} : inner_->seek(place);
  }

  Fs fs_;
  std::string directory_;
  std::vector<Part> parts_;
  From first_;
  std::size_t next_ = 0;
  std::optional<Inner> inner_;
  std::optional<typename Inner::iterator> at_;
  std::optional<result<Record>> now_;
};

HOLDFAST_END

#endif

// ------------ holdfast/recovery/point.hpp
// Keeps how far a segment is durable, for whoever opens it next.
//
// A point is written after the sync that it tells of, and never synced itself: it may be missing or
// old, but never ahead. To a process of the same boot it tells which bytes need not be written
// again; that matters, because a write may spoil what it writes over. To a later boot, if the disk
// has kept it, it tells damage to the last batch from a torn tail.
#ifndef HOLDFAST_RECOVERY_POINT_HPP
#define HOLDFAST_RECOVERY_POINT_HPP

HOLDFAST_BEGIN

namespace detail {
inline constexpr std::uint64_t point_magic = 0x746e'696f'7067'6f6c;  // "logpoint"
inline constexpr std::size_t point_size = 24;

// Tells this segment from another one of its name: its first bytes are never written twice. Short
// of a header's own checksum: the CRC of bytes with their CRC behind them is the same for all.
template <segment Segment>
[[nodiscard]] result<std::uint32_t> identity_of(Segment const& from, std::uint64_t durable_to) {
  std::array<std::byte, 60> start{};
  auto const some = bytes_span{start}.first(
      static_cast<std::size_t>(std::min<std::uint64_t>(start.size(), durable_to)));
  HOLDFAST_TRYV(from.read_at(0, some));
  return crc32c(some);
}

// Another segment came by the name, and left the point behind: it begins with a header of its own.
template <segment Segment, segment_format Format>
[[nodiscard]] result<bool> is_another(Segment const& from, Format const& format) {
  std::array<std::byte, 64> start{};
  HOLDFAST_TRY(got, from.read_at(0, start));
  auto cursor = format.start();
  auto const step = format.decode(cursor, 0, bytes_view{start}.first(got));
  return step.kind == Step::Kind::mark || step.kind == Step::Kind::newer || step.valid;
}

/// How far the segment was durable, as far as is known; 0 where nothing is. A point that tells of
/// other first bytes still counts where these are not the header of another segment: then they were
/// lost.
template <segment Segment, segment_format Format>
[[nodiscard]] result<std::uint64_t> durable_point([[maybe_unused]] Segment const& from,
                                                  [[maybe_unused]] Format const& format) {
  if constexpr (pointed_segment<Segment>) {
    HOLDFAST_TRY(content, from.point());
    if (content.size() < point_size || get_le<std::uint64_t>(content, 0) != point_magic) return 0;
    bytes_view const point{content};
    if (get_le<std::uint32_t>(point, 20) != crc32c(point.first(20))) return 0;
    auto const durable_to = get_le<std::uint64_t>(point, 8);
    HOLDFAST_TRY(identity, identity_of(from, durable_to));
    if (identity == get_le<std::uint32_t>(point, 16)) return durable_to;
    HOLDFAST_TRY(another, is_another(from, format));
    return another ? 0 : durable_to;
  }
  return 0;
}

template <segment Segment>
[[nodiscard]] result<void> keep_point([[maybe_unused]] Segment& beside,
                                      [[maybe_unused]] std::uint64_t durable_to) {
  if constexpr (pointed_segment<Segment>) {
    HOLDFAST_TRY(identity, identity_of(beside, durable_to));
    std::array<std::byte, point_size> point{};
    put_le(point, 0, point_magic);
    put_le(point, 8, durable_to);
    put_le(point, 16, identity);
    put_le(point, 20, crc32c(bytes_view{point}.first(20)));
    return beside.keep_point(point);
  }
  return ok();
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/log/look.hpp
// Looks at the segments of a log, some at a time; touches nothing.
//
// What is found does not depend on how many are looked at together: they are handed out in their
// order, told in their order, and the first that can't be read is the error.
#ifndef HOLDFAST_LOG_LOOK_HPP
#define HOLDFAST_LOG_LOOK_HPP

HOLDFAST_BEGIN

namespace detail {
/// What many threads share that look at `count` things. Whoever comes late finds nothing left, and
/// touches nothing that may be gone.
template <class T>
class Crowd {
 public:
  explicit Crowd(std::size_t count) : found_(count), count_{count} {}

  /// Looks at one after another until none is left.
  template <class Look, class Told>
  void serve(Look const& look, Told const& told) {
    for (;;) {
      // Before one is taken: whoever waits for `busy_` waits for it too.
      busy_.fetch_add(1);
      auto const i = next_.fetch_add(1);
      if (i >= count_) break;
      auto found = caught(look, i);
      bool const failed = !found;
      {
        std::scoped_lock const lock{mutex_};
        found_[i].emplace(std::move(found));
      }
      if (failed) next_.store(count_);
      leave();
      told();
    }
    leave();
  }
  /// Hands out no more, and waits until those who look at one are done.
  void dismiss() noexcept {
    next_.store(count_);
    wait();
  }
  void wait() noexcept {
    for (auto busy = busy_.load(); busy != 0; busy = busy_.load()) busy_.wait(busy);
  }
  /// Calls `use(i, found)` for those that are ready, from where it stopped before, up to the first
  /// that is not or that failed.
  template <class Use>
  void each_ready(Use const& use) {
    std::scoped_lock const lock{mutex_};
    for (; told_ < count_ && found_[told_] && found_[told_]->has_value(); ++told_) {
      use(told_, found_[told_]->assume_value());
    }
  }
  [[nodiscard]] result<std::vector<T>> all() {
    std::vector<T> out;
    out.reserve(count_);
    for (auto& one : found_) {
      HOLDFAST_TRY(found, std::move(*one));  // those behind the first error were not looked at
      out.push_back(std::move(found));
    }
    return out;
  }

 private:
  template <class Look>
  [[nodiscard]] static result<T> caught(Look const& look, std::size_t i) noexcept {
    HOLDFAST_MAY_THROW {
      return look(i);
    }
    HOLDFAST_CAUGHT {
      return failure(errc::no_memory, "look at segment");
    }
    return failure(errc::unknown, "look at segment");
  }
  void leave() noexcept {
    if (busy_.fetch_sub(1) == 1) busy_.notify_all();
  }

  std::mutex mutex_;
  std::vector<std::optional<result<T>>> found_;
  std::size_t count_;
  std::size_t told_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> busy_{0};
};

// Where it can't be run the others do it; where it is run late it finds nothing to do. One that
// throws (no thread is to be had) can't run it either.
template <class Work>
[[nodiscard]] bool post_one(LogOptions const& options, Work work) noexcept {
  HOLDFAST_MAY_THROW {
    return options.post(std::move(work)).has_value();
  }
  HOLDFAST_CAUGHT {
    return false;
  }
  return false;
}

/// `look(i)` for each of `count`, some of them on what `options.post` runs; `told(i, found)` hears
/// each, in order, on this thread.
template <class T, class Look, class Told>
[[nodiscard]] result<std::vector<T>> look_at_all(std::size_t count,
                                                 LogOptions const& options,
                                                 Look const& look,
                                                 Told const& told) {
  auto const crowd = std::make_shared<Crowd<T>>(count);
  // What helpers look with lives here: nobody leaves, also by an exception, while one is at it.
  struct Dismissal {
    Crowd<T>& crowd;
    ~Dismissal() { crowd.dismiss(); }
  } const dismissal{*crowd};
  auto const helpers = options.post ? std::min(options.at_once, count) : 1;
  for (std::size_t i = 1; i < helpers; ++i) {
    static_cast<void>(post_one(options, [crowd, at = &look] {
      crowd->serve([at](std::size_t which) { return (*at)(which); }, [] {});
    }));
  }
  crowd->serve(look, [&] { crowd->each_ready(told); });
  crowd->wait();
  crowd->each_ready(told);
  return crowd->all();
}

/// Ends a progress on every way out, so that nobody waits for what will not come.
class Ending {
 public:
  explicit Ending(LogProgress* progress) noexcept : progress_{progress} {}
  Ending(Ending const&) = delete;
  Ending& operator=(Ending const&) = delete;
  ~Ending() {
    if (progress_ != nullptr) progress_->end({}, 0);
  }
  /// Shows these from now on.
  void with(std::vector<LogPart> parts, std::uint64_t next) {
    if (progress_ != nullptr) progress_->end(std::move(parts), next);
  }

 private:
  LogProgress* progress_;
};

/// Tells `progress` of the records as they pass; rarely, since it takes a lock.
class Passing {
 public:
  Passing(LogProgress* progress, std::size_t index, std::uint64_t base, std::uint64_t limit)
      : progress_{progress}, index_{index}, base_{base}, limit_{limit}, next_{base} {}

  void operator()(Step const& record, std::uint64_t end) {
    if (progress_ == nullptr || end > limit_) return;
    end_ = end;
    next_ = record.sequence + 1;
    if (end_ - told_ >= often) tell();
  }
  void tell() {
    if (progress_ == nullptr || end_ == told_) return;
    progress_->advance(index_, base_, end_, next_);
    told_ = end_;
  }

 private:
  static constexpr std::uint64_t often = std::uint64_t{256} << 10;
  LogProgress* progress_;
  std::size_t index_;
  std::uint64_t base_;
  std::uint64_t limit_;  // what lies behind it may not be durable
  std::uint64_t next_;
  std::uint64_t end_ = 0;
  std::uint64_t told_ = 0;
};

// Through a map of the file, where that was asked for and can be had.
template <file_system Fs>
[[nodiscard]] result<Plan> examine_as([[maybe_unused]] Fs const& fs,
                                      BasicFileSegment<Fs> const& file,
                                      Framed const& format,
                                      Known const& known,
                                      [[maybe_unused]] bool mapped,
                                      Passing& passing) {
  auto const pass = [&passing](Step const& record, std::uint64_t end) { passing(record, end); };
  if constexpr (mapping_files<Fs>) {
    if (mapped) {
      HOLDFAST_TRY(map, BasicMappedSegment<Fs>::open_to_read(file.path(), fs));
      return examine(map, format, known, pass);
    }
  }
  return examine(file, format, known, pass);
}

/// Looks at all segments of a survey. `told(base, plan)` hears each, in order, and `progress`,
/// which may be null, in the place of the one that the options name.
template <file_system Fs, class Told>
[[nodiscard]] result<std::vector<Plan>> look_at_segments(Fs const& fs,
                                                         std::string const& directory,
                                                         std::vector<std::uint64_t> const& bases,
                                                         LogOptions const& options,
                                                         std::uint32_t boot,
                                                         LogProgress* progress,
                                                         Told const& told) {
  if (progress != nullptr) progress->begin(bases.size());
  auto const look = [&](std::size_t i) -> result<Plan> {
    auto const base = bases[i];
    bool const last = i + 1 == bases.size();
    HOLDFAST_TRY(file, BasicFileSegment<Fs>::open_to_read(join(directory, segment_name(base)), fs));
    Framed const format{{.base = base}};
    HOLDFAST_TRY(point, durable_point(file, format));
    Passing passing{progress, i, base, last ? point : ~std::uint64_t{0}};
    Known const known{.durable_to = point, .sealed = !last, .boot = boot};
    HOLDFAST_TRY(plan, examine_as(fs, file, format, known, options.map_sealed && !last, passing));
    passing.tell();
    return plan;
  };
  auto const hear = [&](std::size_t i, Plan const& plan) {
    bool const last = i + 1 == bases.size();
    if (progress != nullptr && plan.verdict != Verdict::clean) progress->stop();
    if (progress != nullptr && !last) {
      progress->pass(i, bases[i], plan.kept, plan.next_sequence);
    }
    told(bases[i], plan);
  };
  return look_at_all<Plan>(bases.size(), options, look, hear);
}

/// Equal where the bytes and the names are.
[[nodiscard]] inline std::uint64_t fingerprint(std::vector<std::uint64_t> const& bases,
                                               std::vector<Plan> const& plans) noexcept {
  std::uint64_t all = bases.size();
  for (std::size_t i = 0; i < bases.size(); ++i) {
    all = Plan::mixed(all, bases[i]);
    all = Plan::mixed(all, plans[i].fingerprint());
  }
  return all;
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/recovery/apply.hpp
// Does to a segment what its plan says, as far as it is allowed to.
//
// The order is the protocol: a durable copy of what will be cut, the cut, what may have been lost
// by a failed sync written again, a sync; only then may anything be appended. A crash anywhere
// leaves either what was found or what will be, and the copy.
#ifndef HOLDFAST_RECOVERY_APPLY_HPP
#define HOLDFAST_RECOVERY_APPLY_HPP

HOLDFAST_BEGIN

/// Would `recovery` open what was found?
[[nodiscard]] constexpr bool may_open(Verdict verdict, Recovery recovery) noexcept {
  switch (verdict) {
    case Verdict::clean:
      return true;
    case Verdict::torn_tail:
      return recovery != Recovery::refuse;
    case Verdict::damage:
    case Verdict::sealed_damage:
      return recovery == Recovery::quarantine || recovery == Recovery::salvage;
    case Verdict::hole:
    case Verdict::foreign:
    case Verdict::newer_format:
      return false;
  }
  return false;
}

namespace detail {
/// Writes the same bytes once more: their pages are dirty again, so the next sync speaks for them.
template <segment Segment>
[[nodiscard]] result<void> rewrite(Segment& into, std::uint64_t begin, std::uint64_t end) {
  constexpr std::uint64_t most = std::uint64_t{256} << 10;
  bytes buffer(static_cast<std::size_t>(std::min(most, end - begin)));
  for (auto at = begin; at < end;) {
    auto const piece = bytes_span{buffer}.first(static_cast<std::size_t>(std::min(most, end - at)));
    HOLDFAST_TRY(got, into.read_at(at, piece));
    if (got != piece.size()) return failure(error{errc::conflict, "recover"}.at(at));
    HOLDFAST_TRYV(into.rewrite(at, piece));
    at += piece.size();
  }
  return ok();
}

// What is cut now is not to be missed by the next one who opens it.
template <segment Segment>
[[nodiscard]] result<void> lower_point([[maybe_unused]] Segment& beside, std::uint64_t durable_to) {
  HOLDFAST_TRYV(keep_point(beside, durable_to));
  if constexpr (pointed_segment<Segment>) return beside.settle_point();
  return ok();
}

/// Gives what was done; the segment ends where it may be appended to, and all of it is durable.
template <segment Segment>
[[nodiscard]] result<Recovered> apply(Segment& to,
                                      Plan const& plan,
                                      Recovery recovery,
                                      bool keeps_points) {
  if (!may_open(plan.verdict, recovery)) {
    return failure(error{errc_of(plan.verdict), "recover"}.at(plan.kept));
  }
  Recovered done{.found = plan};
  bool const worse = plan.verdict == Verdict::damage || plan.verdict == Verdict::sealed_damage;
  bool const salvages = worse && recovery == Recovery::salvage && plan.salvaged_end > plan.kept;
  auto const end = salvages ? plan.salvaged_end : plan.kept;
  if (end < plan.size) {
    HOLDFAST_TRYV(to.set_aside(end, plan.size));
  }
  // Also where nothing is cut: what is missing was cut already.
  if (worse && keeps_points) {
    HOLDFAST_TRYV(lower_point(to, plan.kept));
  }
  if (end < plan.size) {
    HOLDFAST_TRYV(to.truncate(end));
  }
  if (plan.unconfirmed < plan.kept) {
    HOLDFAST_TRYV(rewrite(to, plan.unconfirmed, plan.kept));
  }
  // Also where nothing was changed: the name of the file may not be durable yet.
  HOLDFAST_TRYV(to.sync());
  done.cut_bytes = plan.size - std::max(end, plan.kept);
  done.skipped_bytes = end - plan.kept;
  return done;
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/log/judge.hpp
// Decides from what was found of each segment what becomes of the log; does no I/O.
#ifndef HOLDFAST_LOG_JUDGE_HPP
#define HOLDFAST_LOG_JUDGE_HPP

HOLDFAST_BEGIN

namespace detail {
/// What is to be done with a log.
struct Judgement {
  LogReport report{};
  std::size_t whole = 0;                 ///< segments up to the first break; the others go
  std::uint64_t next = 0;                ///< the number of the next record
  std::optional<error> refused{};        ///< the first reason why it may not be opened
  std::optional<std::uint64_t> where{};  ///< the segment of which that speaks
};

/// Goes over the segments in their order, with what was found of each.
class LogJudge {
 public:
  LogJudge(std::string const& directory, Recovery how) : directory_{directory}, how_{how} {}

  [[nodiscard]] Judgement operator()(Survey const& found, std::vector<Plan> const& plans) {
    out_.report.foreign = found.foreign;
    out_.report.fingerprint = fingerprint(found.bases, plans);
    for (auto& i = out_.whole; i < found.bases.size(); ++i) {
      if (!passes_gap(found.bases[i])) break;
      bool const last = i + 1 == found.bases.size();
      take(found.bases[i], plans[i]);
      // What lacks no more than its footer is no break: the next one follows all the same.
      bool const goes_on = !last && plans[i].next_sequence == found.bases[i + 1];
      if (how_ != Recovery::quarantine || plans[i].verdict == Verdict::clean || last || goes_on) {
        continue;
      }
      ++i;
      break;
    }
    out_.next = expected_.value_or(0);
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string path_of(std::uint64_t base) const {
    return join(directory_, segment_name(base));
  }
  void refuse(error const& why, std::uint64_t base) {
    if (out_.refused) return;
    out_.refused = why;
    out_.where = base;
  }
  void note(Verdict verdict) noexcept {
    if (out_.report.verdict == Verdict::clean) out_.report.verdict = verdict;
  }

  // False: nothing from here on is of the log.
  [[nodiscard]] bool passes_gap(std::uint64_t base) {
    if (!expected_ || base == *expected_) return true;
    // One that begins before the one before it ends is a copy, or was put there by mistake.
    if (base < *expected_) {
      note(Verdict::foreign);
      refuse(error{errc::foreign, "open log", path_of(base)}, base);
      return true;
    }
    note(Verdict::hole);
    out_.report.missing_records += base - *expected_;
    if (how_ == Recovery::refuse || how_ == Recovery::cut) {
      refuse(error{errc::hole, "open log", path_of(*expected_)}, base);
    }
    return how_ != Recovery::quarantine;
  }
  void take(std::uint64_t base, Plan const& plan) {
    out_.report.segments.push_back({base, {.found = plan}});
    note(plan.verdict);
    if (!may_open(plan.verdict, how_)) {
      refuse(error{errc_of(plan.verdict), "open log", path_of(base)}.at(plan.kept), base);
    }
    expected_ = plan.kept == 0 ? base : plan.next_sequence;
    if (how_ == Recovery::salvage) *expected_ += plan.salvageable;
  }

  std::string const& directory_;
  Recovery how_;
  Judgement out_{};
  std::optional<std::uint64_t> expected_{};  // the number with which the next one must begin
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/recovery/told.hpp
// Tells the observer what recovery has done to a segment.
#ifndef HOLDFAST_RECOVERY_TOLD_HPP
#define HOLDFAST_RECOVERY_TOLD_HPP

HOLDFAST_BEGIN

namespace detail {
template <world W>
void tell_step(W const& w, SegmentStep const& step, error const* cause = nullptr) noexcept {
  tell(w, Event{.kind = Event::Kind::segment, .cause = cause, .segment = step});
}

// In the order in which it was done.
template <world W>
void tell_recovered(W const& w, std::uint64_t base, Recovered const& done) noexcept {
  auto const verdict = name(done.found.verdict);
  if (done.cut_bytes != 0) {
    tell_step(w, {SegmentStep::Kind::set_aside, base, done.cut_bytes, verdict});
    tell_step(w, {SegmentStep::Kind::cut, base, done.cut_bytes, verdict});
  }
  if (done.skipped_bytes != 0) {
    tell_step(w, {SegmentStep::Kind::skipped, base, done.skipped_bytes, verdict});
  }
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/recoverable.hpp
// Opens what a crash left of a segment, and appends to it: recovery is the only way to an open one.
#ifndef HOLDFAST_RECOVERABLE_HPP
#define HOLDFAST_RECOVERABLE_HPP

HOLDFAST_BEGIN

struct RecoverableOptions {
  std::uint64_t durable_to = 0;  ///< a point that is known from elsewhere
  bool exact_point = false;      ///< `sync` also leaves a synced mark: damage to the last batch is
                                 ///< then told from a torn tail, for a second sync each time
  std::uint64_t told_as = 0;     ///< its number in a log, for the observer
};

/// Where a log stands.
struct Tail {
  std::uint64_t end = 0;         ///< of the last record or mark
  std::uint64_t durable_to = 0;  ///< everything before it survives a power cut
  std::uint64_t next_sequence = 0;
};

namespace detail {
// How a frame names a boot: never 0.
[[nodiscard]] inline std::uint32_t boot_tag(BootId const& boot) noexcept {
  std::array<std::byte, 16> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = std::byte{boot.id[i]};
  auto const tag = crc32c(raw) & 0xffffff;
  return tag == 0 ? 1 : tag;
}

// A log that another program owns gets no files beside it.
template <class Format>
inline constexpr bool keeps_points = requires {
  Format::keeps_points;
};

// How far the segment was durable, as its point or the caller knows.
template <segment Segment, segment_format Format>
[[nodiscard]] result<std::uint64_t> point_of(Segment const& from,
                                             Format const& format,
                                             std::uint64_t known) {
  if constexpr (keeps_points<Format>) {
    HOLDFAST_TRY(kept, durable_point(from, format));
    return std::max(known, kept);
  } else {
    return known;
  }
}
}  // namespace detail

/// Has a last frame, behind which nothing comes.
template <class F>
concept can_seal_segment = writable_format<F> &&
    requires(F const& f, typename F::cursor& c, Stamp const& stamp, bytes& out) {
  { f.footer(c, std::uint64_t{}, stamp, out) } -> gives<std::uint64_t>;
  { c.sealed } -> std::convertible_to<bool>;
};

/// A segment that may be appended to. Any thread may use it; it moves freely. Its destructor syncs
/// nothing.
template <segment Segment, writable_format Format, Recovery How = Recovery::cut, world W = Native>
class Recoverable {
 public:
  /// Use `open_recoverable`.
  [[nodiscard]] static result<Recoverable> open(Segment from,
                                                Format format,
                                                RecoverableOptions const& options,
                                                std::optional<Plan> const& plan,
                                                W w) {
    auto state = std::make_shared<State>(std::move(from), std::move(format), options, std::move(w));
    HOLDFAST_TRYV(state->recover(plan));
    return Recoverable{std::move(state)};
  }

  /// Appends one record, which is durable after the next `sync`. Errors: `too_large`, those of
  /// writing (then nothing was appended), `poisoned` after a failed sync.
  [[nodiscard]] result<Record> append(bytes_view payload) {
    std::scoped_lock const lock{state_->mutex};
    return state_->append(payload);
  }
  /// Makes all that was appended durable. After `sync_failed` nothing is known of what was appended
  /// since the last sync: `reopen`.
  [[nodiscard]] result<void> sync() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->sync());
    return state_->options.exact_point ? state_->leave_point() : result<void>{ok()};
  }
  /// Syncs, and leaves a point from which damage to anything before it is told from a torn tail.
  [[nodiscard]] result<void> close() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->sync());
    return state_->leave_point();
  }
  /// Syncs, and ends the segment for good, where the format has a footer: nothing can be appended
  /// any more.
  [[nodiscard]] result<void> seal() requires can_seal_segment<Format> {
    std::scoped_lock const lock{state_->mutex};
    return state_->seal();
  }
  /// Its footer is there, and durable.
  [[nodiscard]] bool sealed() const requires can_seal_segment<Format> {
    std::scoped_lock const lock{state_->mutex};
    return state_->usable && state_->cursor.sealed;
  }
  /// Recovers once more; heals after a failed sync.
  [[nodiscard]] result<void> reopen() {
    std::scoped_lock const lock{state_->mutex};
    return state_->recover({});
  }

  [[nodiscard]] Tail tail() const {
    std::scoped_lock const lock{state_->mutex};
    return {state_->end, state_->durable_to, state_->next_sequence};
  }
  /// What the last recovery found and did.
  [[nodiscard]] Recovered recovered() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->recovered;
  }

  /// The records up to now, as they were written, each checked again.
  [[nodiscard]] Records<Segment, Format> records(From first = {}) const {
    std::scoped_lock const lock{state_->mutex};
    return {std::shared_ptr<Segment const>{state_, &state_->store}, state_->format, state_->end,
            first, state_->recovered.skipped_bytes != 0};
  }

 private:
  static constexpr bool points = detail::keeps_points<Format>;

  struct State {
    State(Segment from, Format f, RecoverableOptions const& o, W w)
        : store{std::move(from)},
          format{std::move(f)},
          options{o},
          world_of_it{std::move(w)},
          boot{detail::boot_tag(world_of_it.self().boot)},
          cursor{format.start()} {}

    [[nodiscard]] result<void> recover(std::optional<Plan> const& plan) {
      usable = false;
      // What this object has synced was durable too.
      HOLDFAST_TRY(point,
                   detail::point_of(store, format, std::max(options.durable_to, durable_to)));
      HOLDFAST_TRY(found, examine(store, format, {point, false, boot}));
      tell({SegmentStep::Kind::examined, options.told_as, found.kept, name(found.verdict)});
      if (plan && plan->fingerprint() != found.fingerprint()) {
        return failure(error{errc::conflict, "recover as planned"}.at(found.kept));
      }
      HOLDFAST_TRY(done, detail::apply(store, found, How, points));
      detail::tell_recovered(world_of_it, options.told_as, done);
      recovered = done;
      end = found.kept + done.skipped_bytes;
      if (end == 0) {
        HOLDFAST_TRYV(begin());
      }
      HOLDFAST_TRYV(settle());
      tell({SegmentStep::Kind::begun, options.told_as, end});
      usable = true;
      return ok();
    }
    void tell(SegmentStep const& step) const noexcept { detail::tell_step(world_of_it, step); }
    // The header is durable before anything follows it.
    [[nodiscard]] result<void> begin() {
      scratch.clear();
      auto fresh = format.start();
      HOLDFAST_TRYV(format.header(fresh, stamp(), scratch));
      if (scratch.empty()) return ok();
      HOLDFAST_TRYV(store.append(0, scratch));
      HOLDFAST_TRYV(store.sync());
      end = scratch.size();
      return ok();
    }
    // Brings the cursor to the end, as if all before had been written with it. The end is that of
    // the last record or mark, not of the padding behind it: where what follows is lost, the next
    // one who opens it finds just that, and must not miss anything.
    [[nodiscard]] result<void> settle() {
      detail::Frames<Segment, Format> frames{store, format, end};
      end = next_sequence = 0;
      point_left = false;
      for (;;) {
        HOLDFAST_TRY(step, frames.next());
        if (!step) break;
        if (step->kind == Step::Kind::record) next_sequence = step->sequence + 1;
        if (step->kind == Step::Kind::mark) next_sequence = step->sequence;
        if (step->kind == Step::Kind::record || step->kind == Step::Kind::mark) {
          point_left = step->kind == Step::Kind::mark && step->synced_to == end;
          end = frames.at();
        }
        if (frames.is_whole(step->kind)) continue;
        HOLDFAST_TRY(found, frames.go_on());
        if (!found) break;
      }
      cursor = frames.cursor();
      longer = false;
      keep(end);
      return ok();
    }

    [[nodiscard]] Stamp stamp() const noexcept {
      return {world_of_it.wall_ns(), durable_to, boot, world_of_it.random64(), end == durable_to};
    }
    [[nodiscard]] result<void> check() const noexcept {
      if (!usable) return failure(errc::poisoned, "append");
      return ok();
    }

    [[nodiscard]] result<Record> append(bytes_view payload) {
      HOLDFAST_TRYV(check());
      if constexpr (can_seal_segment<Format>) {
        if (cursor.sealed) return failure(errc::read_only, "append to a sealed segment");
      }
      scratch.clear();
      auto next = cursor;
      auto const now = stamp();
      HOLDFAST_TRY(place, format.encode(next, end, payload, now, scratch));
      HOLDFAST_TRYV(put(place));
      cursor = std::move(next);
      next_sequence = next_after();
      Record const record{place, place + scratch.size(), next_sequence - 1, written_at(now), {}};
      end = record.end;
      return record;
    }
    // A format that numbers its records may give one of them several numbers: it has the last.
    [[nodiscard]] std::uint64_t next_after() const noexcept {
      if constexpr (requires { cursor.next; }) {
        return cursor.next;
      } else {
        return next_sequence + 1;
      }
    }
    // What the record says: never earlier than the one before it, where the format has times.
    [[nodiscard]] std::int64_t written_at(Stamp const& now) const noexcept {
      if constexpr (requires { cursor.last_time_ns; }) {
        return cursor.last_time_ns;
      } else {
        return now.time_ns;
      }
    }
    // What a failed write has left is cut before the next one: it must never look like a record.
    [[nodiscard]] result<void> put(std::uint64_t place) {
      if (longer) {
        HOLDFAST_TRYV(store.truncate(end));
        longer = false;
      }
      longer = true;  // also where it throws
      HOLDFAST_TRYV(store.append(place, scratch));
      longer = false;
      return ok();
    }

    // Everything before `to` is durable. That the point can't be kept takes nothing back: the next
    // one who opens it then knows less.
    void keep(std::uint64_t to) {
      durable_to = to;
      if constexpr (points) static_cast<void>(detail::keep_point(store, to));
    }
    [[nodiscard]] result<void> sync() {
      HOLDFAST_TRYV(check());
      if (durable_to == end) return ok();
      usable = false;  // also where it throws
      HOLDFAST_TRYV(store.sync());
      usable = true;
      keep(end);
      point_left = false;
      return ok();
    }
    [[nodiscard]] result<void> seal() requires can_seal_segment<Format> {
      HOLDFAST_TRYV(sync());
      if (cursor.sealed) return ok();
      scratch.clear();
      auto next = cursor;
      HOLDFAST_TRY(place, format.footer(next, end, stamp(), scratch));
      HOLDFAST_TRYV(put(place));
      cursor = std::move(next);
      end = place + scratch.size();
      HOLDFAST_TRYV(sync());
      tell({SegmentStep::Kind::sealed, options.told_as, end});
      return ok();
    }
    [[nodiscard]] result<void> leave_point() {
      if (point_left) return ok();
      if constexpr (can_seal_segment<Format>) {
        if (cursor.sealed) return ok();
      }
      scratch.clear();
      HOLDFAST_TRY(place, format.mark(cursor, end, stamp(), scratch));
      if (scratch.empty()) return ok();
      HOLDFAST_TRYV(put(place));
      end = place + scratch.size();
      HOLDFAST_TRYV(sync());
      point_left = true;
      return ok();
    }

    Segment store;
    Format format;
    RecoverableOptions options;
    W world_of_it;
    std::uint32_t boot;
    typename Format::cursor cursor;
    std::mutex mutex{};
    bytes scratch{};
    Recovered recovered{};
    std::uint64_t end = 0;
    std::uint64_t durable_to = 0;
    std::uint64_t next_sequence = 0;
    bool usable = false;      // recovered, and no sync has failed since
    bool longer = false;      // a failed write may have left bytes behind the end
    bool point_left = false;  // the last frame is a mark that all before it was durable
  };

  explicit Recoverable(std::shared_ptr<State> state) noexcept : state_{std::move(state)} {}

  std::shared_ptr<State> state_;
};

/// What `open_recoverable` with these options would find, and what it takes as its plan; touches
/// nothing. Errors: those of reading.
template <segment Segment, segment_format Format>
[[nodiscard]] result<Plan> plan_recovery(Segment const& from,
                                         Format const& format,
                                         RecoverableOptions const& options = {}) {
  HOLDFAST_TRY(point, detail::point_of(from, format, options.durable_to));
  return examine(from, format, {.durable_to = point});
}

/// Examines the segment and does what `How` allows: after it the segment ends with its last valid
/// record, all of it is durable, and what was cut lies beside it. With a plan (of `plan_recovery`)
/// it does only what was planned: `conflict` if the segment has changed. Errors: `incomplete`,
/// `damaged`, `foreign`, `newer_format` where `How` refuses what was found (nothing was touched),
/// those of the segment.
template <Recovery How = Recovery::cut, segment Segment, writable_format Format, world W = Native>
[[nodiscard]] result<Recoverable<Segment, Format, How, W>> open_recoverable(
    Segment from,
    Format format,
    RecoverableOptions const& options = {},
    std::optional<Plan> const& plan = {},
    W w = {}) {
  return Recoverable<Segment, Format, How, W>::open(std::move(from), std::move(format), options,
                                                    plan, std::move(w));
}

HOLDFAST_END

#endif

// ------------ holdfast/log/state.hpp
// Keeps what a log that is open is made of, and runs the order of effects of its recovery, its
// rolls and its retention.
#ifndef HOLDFAST_LOG_STATE_HPP
#define HOLDFAST_LOG_STATE_HPP

HOLDFAST_BEGIN

namespace detail {
template <file_system Fs, Recovery How, world W>
struct LogState {
  using Segment = BasicFileSegment<Fs>;
  using Active = Recoverable<Segment, Framed, How, W>;
  using Step = SegmentStep::Kind;

  LogState(std::string at, LogOptions o, Fs f, W w)
      : directory{std::move(at)},
        options{std::move(o)},
        fs{std::move(f)},
        world_of_it{std::move(w)} {}

  [[nodiscard]] std::string path_of(std::uint64_t base) const {
    return join(directory, segment_name(base));
  }
  [[nodiscard]] Framed format(std::uint64_t base) const {
    return Framed{{.base = base, .align = options.align}};
  }
  void tell(SegmentStep const& step, error const* cause = nullptr) const noexcept {
    tell_step(world_of_it, step, cause);
  }

  [[nodiscard]] result<void> open() {
    Ending ending{options.progress.get()};
    HOLDFAST_TRYV(make_directories(fs, directory));
    HOLDFAST_TRY(opened, open_or_create(fs, join(directory, "LOCK")));
    lock_file = std::move(opened);
    HOLDFAST_TRY(locked, fs.try_lock(*lock_file, {}, Mode::exclusive));
    if (!locked) return failure(errc::busy, "open log", directory);
    HOLDFAST_TRYV(recover(options.plan, options.progress.get()));
    ending.with(parts(), active->tail().next_sequence);
    return ok();
  }
  // Readers go on with what they were shown until there is something to show in its place.
  [[nodiscard]] result<void> reopen() {
    Ending ending{options.progress.get()};
    HOLDFAST_TRYV(recover({}, nullptr));
    ending.with(parts(), active->tail().next_sequence);
    return ok();
  }

  [[nodiscard]] result<void> check() const {
    if (!active) return failure(errc::poisoned, "use log", directory);
    return ok();
  }
  // Looks at all segments before any is touched.
  [[nodiscard]] result<void> recover(std::optional<std::uint64_t> const& plan,
                                     LogProgress* progress) {
    active.reset();
    sealed.clear();
    report = {};
    HOLDFAST_TRY(found, survey(fs, directory));
    auto const told = [this](std::uint64_t base, Plan const& seen) {
      tell({Step::examined, base, seen.kept, name(seen.verdict)});
    };
    HOLDFAST_TRY(plans, look_at_segments(fs, directory, found.bases, options,
                                         boot_tag(world_of_it.self().boot), progress, told));
    auto judged = LogJudge{directory, How}(found, plans);
    report = std::move(judged.report);
    if (plan && *plan != report.fingerprint) {
      return failure(errc::conflict, "open log as planned", directory);
    }
    if (judged.refused) {
      tell({Step::refused, *judged.where, 0, name(report.verdict)}, &*judged.refused);
      return failure(*judged.refused);
    }
    // From the last to the first, so that a crash leaves no hole.
    for (auto i = found.bases.size(); i > judged.whole; --i) {
      HOLDFAST_TRYV(set_aside(found.bases[i - 1]));
    }
    return open_all(found.bases.empty() ? options.first_sequence : judged.next);
  }
  // A whole segment behind a break gets another name, under which nothing reads it.
  [[nodiscard]] result<void> set_aside(std::uint64_t base) {
    auto const path = path_of(base);
    HOLDFAST_TRY(free, free_name(path + ".aside"));
    // First, and durably: the next segment of this name must not be taken for one that was cut.
    HOLDFAST_TRYV(remove_if_there(fs, path + ".point"));
    HOLDFAST_TRYV(fs.sync_directory(directory));
    HOLDFAST_TRYV(fs.rename(path, free));
    HOLDFAST_TRYV(fs.sync_directory(directory));
    report.set_aside.push_back(free);
    tell({Step::moved, base});
    return ok();
  }
  [[nodiscard]] result<std::string> free_name(std::string const& wanted) const {
    for (std::uint64_t n = 0;; ++n) {
      auto name = n == 0 ? wanted : wanted + "-" + std::to_string(n);
      HOLDFAST_TRY(there, is_there(fs, name));
      if (!there) return name;
    }
  }

  // Applies the plans: to the sealed ones as far as they need it, to the last one always.
  [[nodiscard]] result<void> open_all(std::uint64_t next) {
    for (std::size_t i = 0; i < report.segments.size(); ++i) {
      auto& one = report.segments[i];
      bool const last = i + 1 == report.segments.size();
      if (last) {
        HOLDFAST_TRYV(activate(one.base));
        one.recovered = active->recovered();
      } else if (one.recovered.found.verdict != Verdict::clean) {
        HOLDFAST_TRY(file, Segment::open(path_of(one.base), fs));
        HOLDFAST_TRY(done, apply(file, one.recovered.found, How, true));
        one.recovered = done;
        tell_recovered(world_of_it, one.base, done);
      }
      auto const& found = one.recovered.found;
      auto const skipped = one.recovered.skipped_bytes;
      if (!last) sealed.push_back({one.base, found.kept + skipped, skipped != 0});
      report.records += found.records + (skipped != 0 ? found.salvageable : 0);
      report.cut_bytes += one.recovered.cut_bytes;
      report.skipped_bytes += skipped;
    }
    if (!active) {
      HOLDFAST_TRYV(activate(next));
    }
    if (!active->sealed()) return ok();
    // It was sealed, and the crash came before its successor.
    return has_records() ? succeed() : unseal();
  }
  // A footer behind no record keeps nothing but appends out. The point goes first: it must never
  // be ahead.
  [[nodiscard]] result<void> unseal() {
    active.reset();
    {
      HOLDFAST_TRY(file, Segment::open(path_of(active_base), fs));
      HOLDFAST_TRY(size, file.size());
      HOLDFAST_TRYV(file.set_aside(Framed::header_size, size));
      HOLDFAST_TRYV(lower_point(file, Framed::header_size));
      HOLDFAST_TRYV(file.truncate(Framed::header_size));
      HOLDFAST_TRYV(file.sync());
      auto const cut = size - Framed::header_size;
      report.cut_bytes += cut;
      tell({Step::set_aside, active_base, cut});
      tell({Step::cut, active_base, cut});
    }
    return activate(active_base);
  }
  [[nodiscard]] result<void> activate(std::uint64_t base) {
    HOLDFAST_TRY(file, Segment::open(path_of(base), fs));
    HOLDFAST_TRY(opened, open_recoverable<How>(std::move(file), format(base), {.told_as = base}, {},
                                               world_of_it));
    active = std::make_unique<Active>(std::move(opened));
    active_base = base;
    return ok();
  }

  [[nodiscard]] result<void> roll_if_full() {
    auto const now = active->tail();
    if (active->sealed()) return succeed();  // a roll has failed half-way
    return now.end >= options.segment_size ? roll() : result<void>{ok()};
  }
  // Its successor would have its name.
  [[nodiscard]] bool has_records() const { return active->tail().next_sequence != active_base; }
  [[nodiscard]] result<void> roll() {
    if (!has_records()) return ok();
    HOLDFAST_TRYV(active->seal());
    return succeed();
  }
  [[nodiscard]] result<void> succeed() {
    auto const now = active->tail();
    LogPart const before{active_base, now.end, active->recovered().skipped_bytes != 0};
    HOLDFAST_TRYV(activate(now.next_sequence));
    sealed.push_back(before);
    return ok();
  }

  [[nodiscard]] result<std::size_t> drop_before(std::uint64_t sequence) {
    std::size_t dropped = 0;
    while (!sealed.empty()) {
      auto const next = sealed.size() > 1 ? sealed[1].base : active_base;
      if (next > sequence) break;
      auto const base = sealed.front().base;
      auto const path = path_of(base);
      for (auto const* beside : {".point", ".index", ".times", ""}) {
        HOLDFAST_TRYV(remove_if_there(fs, path + beside));
      }
      // Before the next one goes, so that no crash leaves a hole.
      HOLDFAST_TRYV(fs.sync_directory(directory));
      tell({Step::dropped, base, sealed.front().end});
      sealed.erase(sealed.begin());
      ++dropped;
    }
    return dropped;
  }

  [[nodiscard]] result<std::size_t> index(IndexOptions const& wanted) {
    std::size_t made = 0;
    for (auto& part : sealed) {
      if (part.skips_damage) continue;  // an index is of a whole segment
      auto const path = path_of(part.base);
      HOLDFAST_TRY(file, Segment::open_to_read(path, fs));
      if (!is_indexed(file, part.base, path)) {
        HOLDFAST_TRYV(build_indexes(fs, file, format(part.base), path, wanted));
        tell({Step::indexed, part.base, part.end});
        ++made;
      }
      part.indexed = true;
    }
    return made;
  }
  // Any reason not to trust an index is a reason to make it again.
  [[nodiscard]] bool is_indexed(Segment const& file,
                                std::uint64_t base,
                                std::string const& path) const {
    for (auto const kind : {IndexKind::sequence, IndexKind::time}) {
      if (!verify_index(fs, file, format(base), path, kind)) return false;
    }
    return true;
  }

  [[nodiscard]] std::vector<LogPart> parts() const {
    auto all = sealed;
    if (active)
      all.push_back({active_base, active->tail().end, active->recovered().skipped_bytes != 0});
    return all;
  }

  std::string directory;
  LogOptions options;
  Fs fs;
  W world_of_it;
  std::mutex mutex{};
  std::optional<typename Fs::file> lock_file{};
  std::vector<LogPart> sealed{};
  std::unique_ptr<Active> active{};  // none after a recovery that failed
  std::uint64_t active_base = 0;
  LogReport report{};
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/log.hpp
// A log: a directory of segments, of which the last is written and all others are sealed.
//
// Invariants:
// - Segment n + 1 begins with the number after the last record of segment n; it is made only after
//   the footer of segment n is durable, and acknowledges nothing before its own header and name
//   are.
// - Names that are not the log's are reported and never touched. A break is never skipped silently:
//   what lies behind it is refused, set aside, or reported as missing.
#ifndef HOLDFAST_LOG_HPP
#define HOLDFAST_LOG_HPP

HOLDFAST_BEGIN

/// A log in a directory. Any thread may use it; it moves freely. Its destructor syncs nothing.
template <file_system Fs, Recovery How = Recovery::cut, world W = Native>
class BasicLog {
 public:
  /// Recovers, and makes the directory and the first segment where there are none. With a plan (a
  /// fingerprint of `examine_log`) it does only what was planned. Errors: `conflict` if the log has
  /// changed since, `busy` while another has it open, `hole`, `damaged`, `foreign` (a segment that
  /// is not the one its name says) and the others of `open_recoverable`, as far as `How` refuses
  /// them; nothing was touched then.
  [[nodiscard]] static result<BasicLog> open(std::string directory,
                                             LogOptions options = {},
                                             Fs fs = {},
                                             W w = {}) {
    auto state = std::make_unique<State>(std::move(directory), std::move(options), std::move(fs),
                                         std::move(w));
    HOLDFAST_TRYV(state->open());
    return BasicLog{std::move(state)};
  }

  /// Appends one record, to a new segment where the last is full. Durable after the next `sync`.
  [[nodiscard]] result<Record> append(bytes_view payload) {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    HOLDFAST_TRYV(state_->roll_if_full());
    return state_->active->append(payload);
  }
  [[nodiscard]] result<void> sync() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    return state_->active->sync();
  }
  [[nodiscard]] result<void> close() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    return state_->active->close();
  }
  /// Seals the last segment and begins the next one.
  [[nodiscard]] result<void> roll() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    return state_->roll();
  }
  /// Recovers once more; heals after a failed sync.
  [[nodiscard]] result<void> reopen() {
    std::scoped_lock const lock{state_->mutex};
    return state_->reopen();
  }
  /// Removes whole sealed segments of which every record is before `sequence`, the oldest first.
  /// Gives how many.
  [[nodiscard]] result<std::size_t> drop_before(std::uint64_t sequence) {
    std::scoped_lock const lock{state_->mutex};
    return state_->drop_before(sequence);
  }

  /// Makes the indexes of all sealed segments whose indexes are missing, damaged or of other data;
  /// each is compared with the data entry by entry. Gives how many segments got new ones.
  [[nodiscard]] result<std::size_t> index(IndexOptions options = {}) {
    std::scoped_lock const lock{state_->mutex};
    return state_->index(options);
  }

  [[nodiscard]] LogReport report() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->report;
  }
  [[nodiscard]] Tail tail() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->active ? state_->active->tail() : Tail{};
  }
  /// The records up to now, each checked again.
  [[nodiscard]] LogRecords<Fs> records(From first = {}) const {
    std::scoped_lock const lock{state_->mutex};
    return {state_->fs, state_->directory, state_->parts(), first};
  }

 private:
  using State = detail::LogState<Fs, How, W>;
  explicit BasicLog(std::unique_ptr<State> state) noexcept : state_{std::move(state)} {}

  std::unique_ptr<State> state_;
};

/// On the real file system.
template <Recovery How = Recovery::cut>
using Log = BasicLog<Posix, How>;

HOLDFAST_END

#endif

// ------------ holdfast/log/directory_log.hpp
// A store of logs: each generation is a whole log, so that `Staged` can switch a compacted one in.
//
// home/name/0000000007/00000000000000000000.seg  ... the segments, with their indexes
// home/name/0000000007/SEAL                      their names, sizes and digests
//
// A generation is written like any log and sealed like any directory. What only an open log needs
// (its lock, its points) is gone before the SEAL is made. Readers recover nothing: what is sealed
// is whole, or it is damaged.
#ifndef HOLDFAST_LOG_DIRECTORY_LOG_HPP
#define HOLDFAST_LOG_DIRECTORY_LOG_HPP

HOLDFAST_BEGIN

struct DirectoryLogOptions {
  std::uint64_t segment_size = std::uint64_t{64} << 20;  ///< bytes after which a segment is sealed
  std::uint64_t first_sequence = 0;  ///< of a new generation: the number of its first record
  std::uint32_t index_every = 0;     ///< `seal` makes indexes, one entry for so many records
  bool verify_on_open = false;       ///< read every file against its digest, before the first view
};

/// Appends to a generation that nobody sees yet. One thread at a time. `spent` once it is sealed.
template <file_system Fs, world W>
class DirectoryLogWriter {
 public:
  using State = detail::LogState<Fs, Recovery::cut, W>;
  DirectoryLogWriter(Building building, std::unique_ptr<State> log)
      : building_{std::move(building)}, fs_{log->fs}, log_{std::move(log)} {}

  /// One record, with the next number. Durable with the seal.
  [[nodiscard]] result<Record> append(bytes_view payload) {
    HOLDFAST_TRYV(writable());
    HOLDFAST_TRYV(building_.note(log_->roll_if_full()));
    return building_.note(log_->active->append(payload));
  }
  /// Seals the segment that is written, and begins the next one.
  [[nodiscard]] result<void> roll() {
    HOLDFAST_TRYV(writable());
    return building_.note(log_->roll());
  }
  /// The number that the next record gets.
  [[nodiscard]] std::uint64_t next_sequence() const {
    return log_ && log_->active ? log_->active->tail().next_sequence : 0;
  }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }
  [[nodiscard]] Building& building() noexcept { return building_; }

  /// Makes it durable and lets go of its files; again is a success. For `seal`.
  [[nodiscard]] result<void> close(std::uint32_t index_every) {
    if (log_) {
      HOLDFAST_TRYV(building_.writable());
      HOLDFAST_TRYV(log_->check());
      HOLDFAST_TRYV(building_.note(log_->active->close()));
      if (index_every != 0) {
        HOLDFAST_TRYV(building_.note(log_->index({.every = index_every})));
      }
      log_.reset();
    }
    return remove_what_only_an_open_log_needs();
  }

 private:
  // Also where a seal failed after the log was let go of.
  [[nodiscard]] result<void> writable() const {
    HOLDFAST_TRYV(building_.writable());
    if (!log_) return failure(errc::spent, "append to log", building_.path);
    return log_->check();
  }
  // Again if it failed half-way: what is left of it would be sealed with the rest.
  [[nodiscard]] result<void> remove_what_only_an_open_log_needs() {
    HOLDFAST_TRY(entries, fs_.list(building_.path));
    for (auto const& entry : entries) {
      if (entry.name != "LOCK" && !entry.name.ends_with(".point")) continue;
      HOLDFAST_TRYV(detail::remove_if_there(fs_, detail::join(building_.path, entry.name)));
    }
    return ok();
  }

  Building building_;
  Fs fs_;
  std::unique_ptr<State> log_;
};

/// Reads a sealed generation; safe from many threads.
template <file_system Fs>
class DirectoryLogReader {
 public:
  DirectoryLogReader(Fs fs, std::string path, Seal const& seal)
      : fs_{std::move(fs)}, path_{std::move(path)}, generation_{seal.generation} {
    for (auto const& file : seal.files) {
      auto const base = detail::base_of(file.name);
      if (!base) continue;
      bool const indexed =
          seal.find(detail::index::path_of(file.name, IndexKind::sequence)) != nullptr;
      parts_.push_back({.base = *base, .end = file.size, .indexed = indexed});
    }
  }

  /// The records, each checked again: damage is the last element.
  [[nodiscard]] LogRecords<Fs> records(From const& first = {}) const {
    return {fs_, path_, parts_, first};
  }
  [[nodiscard]] std::size_t segments() const noexcept { return parts_.size(); }
  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  [[nodiscard]] Generation generation() const noexcept { return generation_; }

 private:
  Fs fs_;
  std::string path_;
  Generation generation_;
  std::vector<detail::LogPart> parts_{};  // ascending, as the names in a SEAL are
};

/// Logs, `home/name/0000000007/...`. A writer appends records, a reader gives them back, checked.
template <file_system Fs, world W = Native>
class BasicDirectoryLog {
 public:
  using writer = DirectoryLogWriter<Fs, W>;
  using reader = DirectoryLogReader<Fs>;
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicDirectoryLog(std::string name,
                             DirectoryLogOptions options = {},
                             Fs fs = {},
                             W w = {})
      : folders_{std::move(name), std::move(fs)}, options_{options}, world_{std::move(w)} {}

  void place(std::string const& home) { folders_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }

  [[nodiscard]] result<writer> create(Generation g) {
    HOLDFAST_TRY(building, folders_.create(g));
    return write(std::move(building));
  }
  /// A new generation that begins as a copy of `from`: what is appended follows its last record.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) {
    HOLDFAST_TRY(building, folders_.copy(folders_, from, g));
    return write(std::move(building));
  }
  /// Makes the same generation, sealed, in another store.
  [[nodiscard]] result<void> copy(Generation g, BasicDirectoryLog& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    return to.folders_.seal(building, Digest::read_back);
  }
  [[nodiscard]] result<void> seal(writer& w) {
    if (w.building().sealed) return ok();
    HOLDFAST_TRYV(w.close(options_.index_every));
    return folders_.seal(w.building(), Digest::read_back);
  }
  [[nodiscard]] result<reader> open(Generation g) const {
    HOLDFAST_TRY(seal, folders_.open(g, options_.verify_on_open));
    return reader{folders_.files(), folders_.path_of(g), seal};
  }
  [[nodiscard]] result<void> drop(Generation g) { return folders_.drop(g); }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return folders_.generations();
  }
  [[nodiscard]] result<std::optional<Generation>> published() const { return folders_.published(); }
  /// Points the symlink `home/name/current` at the folder of g.
  [[nodiscard]] result<void> publish(Generation g) { return folders_.publish(g, {}); }
  [[nodiscard]] result<Space> space(Generation g) const { return folders_.space(g); }
  [[nodiscard]] result<Verified> verify(Generation g) const { return folders_.verify(g); }

 private:
  [[nodiscard]] result<writer> write(Building building) {
    LogOptions const options{.segment_size = options_.segment_size,
                             .first_sequence = options_.first_sequence};
    auto log =
        std::make_unique<typename writer::State>(building.path, options, folders_.files(), world_);
    HOLDFAST_TRYV(log->open());
    return writer{std::move(building), std::move(log)};
  }

  SealedDirectory<Fs> folders_;
  DirectoryLogOptions options_;
  W world_;
};

/// On the real file system.
using DirectoryLog = BasicDirectoryLog<Posix>;
static_assert(publishing_store<DirectoryLog> && placed_store<DirectoryLog>);
static_assert(cloning_store<DirectoryLog> && copying_store<DirectoryLog>);

HOLDFAST_END

#endif

// ------------ holdfast/log/examine.hpp
// Looks at a whole log, as anyone may who can read it; touches nothing and takes no lock.
#ifndef HOLDFAST_LOG_EXAMINE_HPP
#define HOLDFAST_LOG_EXAMINE_HPP

HOLDFAST_BEGIN

/// What opening the log would find, segment by segment, up to the newest; nothing was done. Its
/// `fingerprint` is what `LogOptions::plan` takes. The observer is told each segment. A log that
/// grows meanwhile is looked at as far as it was when its segments were. Errors: those of reading.
template <file_system Fs = Posix, world W = Native>
[[nodiscard]] result<LogReport> examine_log(std::string const& directory,
                                            LogOptions const& options = {},
                                            Fs const& fs = {},
                                            W const& w = {}) {
  detail::Ending const ending{options.progress.get()};
  HOLDFAST_TRY(found, detail::survey(fs, directory));
  auto const told = [&w](std::uint64_t base, Plan const& plan) {
    detail::tell_step(w, {SegmentStep::Kind::examined, base, plan.kept, name(plan.verdict)});
  };
  HOLDFAST_TRY(plans, detail::look_at_segments(fs, directory, found.bases, options, 0,
                                               options.progress.get(), told));
  // As salvage goes: over everything that there is.
  auto report = detail::LogJudge{directory, Recovery::salvage}(found, plans).report;
  for (auto const& one : report.segments) report.records += one.recovered.found.records;
  return report;
}

HOLDFAST_END

#endif

// ------------ holdfast/log/front.hpp
// Reads what holds of a log while it is still being recovered.
//
// What is shown is never taken back: sealed segments that hold, and of the last one what its point
// tells to be durable. Recovery cuts and sets aside only what lies behind that.
#ifndef HOLDFAST_LOG_FRONT_HPP
#define HOLDFAST_LOG_FRONT_HPP

HOLDFAST_BEGIN

/// The readers' side of a log that another thread opens with `{.progress = front.progress()}`. Any
/// thread may use it, before, during and after; where the log is refused it goes on to serve what
/// holds. What is appended later is told by the log alone.
template <file_system Fs>
class BasicLogFront {
 public:
  explicit BasicLogFront(std::string directory, Fs fs = {})
      : directory_{std::move(directory)}, fs_{std::move(fs)} {}

  /// For `LogOptions` (also of `examine_log`, which serves reads without any recovery).
  [[nodiscard]] std::shared_ptr<LogProgress> progress() const noexcept { return progress_; }
  /// How far the log has been verified by now.
  [[nodiscard]] VerifiedTo verified() const { return progress_->seen(); }
  /// The records up to there, each checked again.
  [[nodiscard]] LogRecords<Fs> records(From const& first = {}) const {
    return {fs_, directory_, progress_->parts(), first};
  }

 private:
  std::string directory_;
  Fs fs_;
  std::shared_ptr<LogProgress> progress_ = std::make_shared<LogProgress>();
};

/// On the real file system.
using LogFront = BasicLogFront<Posix>;

HOLDFAST_END

#endif

// ------------ holdfast/log/kafka_index.hpp
// Kafka's own indexes of a segment, made from its data: `.index` says where in the file an offset
// is, `.timeindex` which offset has a time.
//
// They are what Kafka itself makes when it recovers the segment: an entry for about every 4096
// bytes, and at the end the greatest time. Neither has a checksum, so they are verified against the
// data alone. Built aside, synced, and named in one step.
#ifndef HOLDFAST_LOG_KAFKA_INDEX_HPP
#define HOLDFAST_LOG_KAFKA_INDEX_HPP

HOLDFAST_BEGIN

struct KafkaIndexOptions {
  std::uint64_t interval = 4096;  ///< bytes of the log after which there is an entry
};
/// Both indexes of one segment. An entry of `offsets` is {offset behind the segment's first,
/// place}, 4 bytes each; of `times` {milliseconds since 1970, offset behind the first}, 8 and 4.
struct KafkaIndexes {
  bytes offsets{};
  bytes times{};
  Plan plan{};  ///< of the segment they were made from
};

namespace detail::kafka {
inline constexpr std::size_t offset_entry = 8;
inline constexpr std::size_t time_entry = 12;

/// Collects the entries as batches go by.
class IndexMaker {
 public:
  IndexMaker(KafkaIndexOptions const& options, std::uint64_t base)
      : interval_{options.interval}, base_{base} {}

  void add(Step const& batch, std::uint64_t end) {
    if (batch.time_ns > greatest_ns_) {
      greatest_ns_ = batch.time_ns;
      offset_of_greatest_ = batch.sequence;
    }
    if (batch.begin - indexed_to_ > interval_) {
      put_offset(batch.sequence, batch.begin);
      put_time();
      indexed_to_ = batch.begin;
    }
    last_ = end;
  }
  [[nodiscard]] KafkaIndexes finish(Plan const& plan) {
    if (last_ != 0) put_time();
    made_.plan = plan;
    return std::move(made_);
  }

 private:
  void put_offset(std::uint64_t offset, std::uint64_t place) {
    auto const at = made_.offsets.size();
    made_.offsets.resize(at + offset_entry);
    put_be(bytes_span{made_.offsets}, at, static_cast<std::uint32_t>(offset - base_));
    put_be(bytes_span{made_.offsets}, at + 4, static_cast<std::uint32_t>(place));
  }
  // Only a time that is greater than the one before gets an entry.
  void put_time() {
    if (greatest_ns_ <= put_ns_) return;
    put_ns_ = greatest_ns_;
    auto const at = made_.times.size();
    made_.times.resize(at + time_entry);
    put_be(bytes_span{made_.times}, at, greatest_ns_ / 1'000'000);
    put_be(bytes_span{made_.times}, at + 8,
           static_cast<std::uint32_t>(offset_of_greatest_ - base_));
  }

  static constexpr std::int64_t no_time_ns = -1'000'000;
  std::uint64_t interval_;
  std::uint64_t base_;
  KafkaIndexes made_{};
  std::uint64_t indexed_to_ = 0;
  std::uint64_t last_ = 0;
  std::int64_t greatest_ns_ = no_time_ns;
  std::int64_t put_ns_ = no_time_ns;
  std::uint64_t offset_of_greatest_ = 0;
};
}  // namespace detail::kafka

/// The indexes that the segment must have; `base` is its first offset, as its name says it. They
/// hold an entry for every `interval` bytes in memory. Errors: those of reading, and `too_large`
/// where a place does not fit into 31 bits.
template <segment Segment>
[[nodiscard]] result<KafkaIndexes> kafka_indexes_of(Segment const& from,
                                                    std::uint64_t base,
                                                    KafkaIndexOptions const& options = {}) {
  HOLDFAST_TRY(size, from.size());
  if (size > 0x7fff'ffff) return failure(errc::too_large, "index segment");
  detail::kafka::IndexMaker maker{options, base};
  HOLDFAST_TRY(plan, examine(from, KafkaLog{{.base = base}}, {},
                             [&](Step const& batch, std::uint64_t end) { maker.add(batch, end); }));
  return maker.finish(plan);
}

/// Where to begin to read for `offset`: the place of the last indexed batch that is not behind it;
/// 0 where there is none.
[[nodiscard]] inline std::uint64_t find_in_kafka_index(bytes_view offsets,
                                                       std::uint64_t base,
                                                       std::uint64_t offset) noexcept {
  using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
  std::size_t below = 0;          // entries that are not behind it
  for (auto above = offsets.size() / offset_entry; below < above;) {
    auto const middle = below + (above - below) / 2;
    auto const entry = base + get_be<std::uint32_t>(offsets, middle * offset_entry);
    if (entry <= offset) {
      below = middle + 1;
    } else {
      above = middle;
    }
  }
  return below == 0 ? 0 : get_be<std::uint32_t>(offsets, (below - 1) * offset_entry + 4);
}

namespace detail::kafka {
template <file_system Fs>
[[nodiscard]] result<void> write_index(Fs const& fs, std::string const& path, bytes_view content) {
  auto const aside = path + ".new";
  HOLDFAST_TRYV(detail::remove_if_there(fs, aside));  // of a build that crashed
  HOLDFAST_TRY(file, fs.open(aside, Open::create));
  HOLDFAST_TRYV(fs.write_at(file, 0, content));
  HOLDFAST_TRYV(fs.sync(file));
  return fs.rename(aside, path);
}
template <file_system Fs>
[[nodiscard]] result<void> check_index(Fs const& fs, std::string const& path, bytes_view expected) {
  HOLDFAST_TRY(content, detail::read_file(fs, path, std::uint64_t{1} << 31));
  // Of a segment that is being written, zeros lie behind the entries.
  bool const longer = content.size() >= expected.size() &&
                      std::all_of(content.begin() + static_cast<std::ptrdiff_t>(expected.size()),
                                  content.end(), [](std::byte b) { return b == std::byte{0}; });
  if (longer && std::equal(expected.begin(), expected.end(), content.begin())) return ok();
  return failure(errc::index_mismatch, "verify index", path);
}
}  // namespace detail::kafka

/// Makes both indexes durable beside the segment, as `stem.index` and `stem.timeindex`: `stem` is
/// the path of the segment without its `.log`. The directory is synced.
template <file_system Fs>
[[nodiscard]] result<void> write_kafka_indexes(Fs const& fs,
                                               std::string const& stem,
                                               KafkaIndexes const& made) {
  HOLDFAST_TRYV(detail::kafka::write_index(fs, stem + ".index", made.offsets));
  HOLDFAST_TRYV(detail::kafka::write_index(fs, stem + ".timeindex", made.times));
  return fs.sync_directory(detail::parent_of(stem));
}
/// Compares every entry of both. Errors: `not_found`, `index_mismatch`, those of reading.
template <file_system Fs>
[[nodiscard]] result<void> verify_kafka_indexes(Fs const& fs,
                                                std::string const& stem,
                                                KafkaIndexes const& made) {
  HOLDFAST_TRYV(detail::kafka::check_index(fs, stem + ".index", made.offsets));
  return detail::kafka::check_index(fs, stem + ".timeindex", made.times);
}

HOLDFAST_END

#endif

// ------------ holdfast/recovery/compare.hpp
// Says which bytes of a damaged segment can be taken from another copy of it; touches nothing.
//
// Both are walked frame by frame, side by side. Whatever holds here must be the same there, and
// something must: else it is no copy of this segment. A gap is filled only with frames that hold
// there, from the frame where it begins here to the one with which this segment goes on.
#ifndef HOLDFAST_RECOVERY_COMPARE_HPP
#define HOLDFAST_RECOVERY_COMPARE_HPP

HOLDFAST_BEGIN

/// The bytes [begin, end) of a segment.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  friend bool operator==(ByteRange const&, ByteRange const&) = default;
};

/// What a segment lacks that another copy of it has.
struct Missing {
  std::vector<ByteRange> ranges{};  ///< to be taken from there, ascending
  std::uint64_t end = 0;            ///< of the segment with them: what lies behind it goes
};

/// How much of a segment has to be there.
struct Needed {
  std::uint64_t durable_to = 0;  ///< bytes that are known to have been durable
  bool to_the_end = false;       ///< it is sealed: all that the other copy has
};

namespace detail {
template <segment Own, segment Other, segment_format Format>
class Comparison {
 public:
  Comparison(Frames<Own, Format> own, Frames<Other, Format> other, Needed const& needed)
      : own_{std::move(own)}, other_{std::move(other)}, needed_{needed} {}

  [[nodiscard]] result<Missing> run() {
    for (bool goes_on = true; goes_on;) {
      HOLDFAST_TRY(here, own_.next());
      bool const holds = here != nullptr && own_.is_whole(here->kind);
      HOLDFAST_TRY(more, holds ? agree(*here) : fill_gap());
      goes_on = more;
    }
    // Another log, or another segment of this one, has nothing in common with it.
    if (agreed_ == 0) return failure(errc::foreign, "compare with replica");
    return std::move(out_);
  }

 private:
  // Where a segment may end. What does not belong there is padding, or wants its next fragment.
  [[nodiscard]] static bool ends_segment(Step const& step) noexcept {
    return step.kind == Step::Kind::record || step.kind == Step::Kind::mark;
  }
  [[nodiscard]] static result<void> fail_at(std::uint64_t at) {
    return failure(error{errc::damaged, "take from replica"}.at(at));
  }
  // A frame of the other one, gone by; nothing where it ends or does not hold.
  [[nodiscard]] result<Step const*> other_next() {
    HOLDFAST_TRY(step, other_.next());
    return step != nullptr && other_.is_whole(step->kind) ? step : nullptr;
  }

  // The frame that holds here must be there. False: the other one ends before.
  [[nodiscard]] result<bool> agree(Step const& here) {
    if (ends_segment(here)) out_.end = own_.at();
    HOLDFAST_TRY(there, other_next());
    if (!there) {
      HOLDFAST_TRYV(go_alone());
      return false;
    }
    bool const same = here.kind == there->kind && here.used == there->used &&
                      here.sequence == there->sequence && here.check == there->check &&
                      std::equal(here.payload.begin(), here.payload.end(), there->payload.begin(),
                                 there->payload.end());
    if (!same || own_.at() != other_.at()) {
      return failure(error{errc::foreign, "compare with replica"}.at(own_.at()));
    }
    if (here.kind != Step::Kind::padding) ++agreed_;
    return true;
  }
  // What the other one can't show must hold here.
  [[nodiscard]] result<void> go_alone() {
    for (;;) {
      HOLDFAST_TRY(here, own_.next());
      if (!here) break;
      if (!own_.is_whole(here->kind)) {
        HOLDFAST_TRYV(look_behind(here->kind == Step::Kind::bad && here->valid));
        break;
      }
      if (ends_segment(*here)) out_.end = own_.at();
    }
    return out_.end < needed_.durable_to ? fail_at(out_.end) : result<void>{ok()};
  }
  // The other one can't fill what does not hold here. What is cut then must be no more than a crash
  // may take: no frame behind it tells of more that was synced, and none lies where none may.
  [[nodiscard]] result<void> look_behind(bool misplaced) {
    if (misplaced) return fail_at(out_.end);
    for (auto at = own_.at() + 1;;) {
      HOLDFAST_TRY(found, own_.search(at));
      if (!found) return ok();
      if (found->synced_to > out_.end) return fail_at(out_.end);
      at = found->at + 1;
    }
  }

  // Goes on there until the frame with which this segment goes on. False: it does not.
  [[nodiscard]] result<bool> fill_gap() {
    ByteRange gap{own_.at(), own_.at()};
    if (gap.begin == 0) {
      HOLDFAST_TRYV(pass(gap));
      // Only under the same header do the frames here hold.
      own_.cursor() = other_.cursor();
      own_.stand(gap.end);
    }
    HOLDFAST_TRY(found, own_.go_on());
    if (!found) return fill_tail(gap);
    while (other_.at() < own_.at()) {
      HOLDFAST_TRYV(pass(gap));
    }
    if (other_.at() != own_.at()) {
      return failure(error{errc::foreign, "compare with replica"}.at(own_.at()));
    }
    take(gap);
    return true;
  }
  // No further than is needed: what lies behind that may be of another time.
  [[nodiscard]] result<bool> fill_tail(ByteRange gap) {
    while (needed_.to_the_end || gap.end < needed_.durable_to) {
      HOLDFAST_TRY(step, other_next());
      if (!step) break;
      if (ends_segment(*step)) gap.end = other_.at();
    }
    if (gap.end < needed_.durable_to) {
      HOLDFAST_TRYV(fail_at(gap.end));
    }
    take(gap);
    return false;
  }
  [[nodiscard]] result<void> pass(ByteRange& gap) {
    HOLDFAST_TRY(step, other_next());
    if (!step) return fail_at(other_.at());
    gap.end = other_.at();
    return ok();
  }
  void take(ByteRange const& gap) {
    if (gap.begin == gap.end) return;
    out_.end = gap.end;
    if (!out_.ranges.empty() && out_.ranges.back().end == gap.begin) {
      out_.ranges.back().end = gap.end;
    } else {
      out_.ranges.push_back(gap);
    }
  }

  Frames<Own, Format> own_;
  Frames<Other, Format> other_;
  Needed needed_;
  std::uint64_t agreed_ = 0;  // frames that are the same in both
  Missing out_{};
};
}  // namespace detail

/// Compares a damaged segment with another copy of it. Errors: `foreign` where that is no copy of
/// it, `damaged` where what is missing here does not hold there either, those of reading.
template <segment Own, segment Other, segment_format Format>
[[nodiscard]] result<Missing> compare_with(Own const& own,
                                           Other const& other,
                                           Format const& format,
                                           Needed const& needed) {
  HOLDFAST_TRY(own_size, own.size());
  HOLDFAST_TRY(other_size, other.size());
  return detail::Comparison<Own, Other, Format>{
      {own, format, own_size}, {other, format, other_size}, needed}
      .run();
}

HOLDFAST_END

#endif

// ------------ holdfast/log/mend.hpp
// Repairs a log from a replica: damaged ranges, and segments that are missing between others.
//
// The order of effects, for each segment: what holds here is compared with what the replica has;
// the bytes that do not hold are set aside, durably; the whole segment is made aside, synced, and
// examined like any other; only then it takes the name, in one step. So a crash leaves the damaged
// segment or the mended one, and the damaged bytes are kept in both.
#ifndef HOLDFAST_LOG_MEND_HPP
#define HOLDFAST_LOG_MEND_HPP

HOLDFAST_BEGIN

/// Where copies of a log's segments come from: `segment(base)` gives one to read, or `not_found`.
template <class R>
concept log_replica = requires(R const& r, std::uint64_t base) {
  { r.segment(base) } -> some_result;
  requires segment<value_of<decltype(r.segment(base))>>;
};

/// A replica that is a directory of the same file names, such as a backup or a mounted copy.
template <file_system Fs>
class BasicDirectoryReplica {
 public:
  explicit BasicDirectoryReplica(std::string directory, Fs fs = {})
      : directory_{std::move(directory)}, fs_{std::move(fs)} {}
  [[nodiscard]] result<BasicFileSegment<Fs>> segment(std::uint64_t base) const {
    auto path = detail::join(directory_, detail::segment_name(base));
    return BasicFileSegment<Fs>::open_to_read(std::move(path), fs_);
  }

 private:
  std::string directory_;
  Fs fs_;
};
using DirectoryReplica = BasicDirectoryReplica<Posix>;
static_assert(log_replica<DirectoryReplica>);

/// What was done to one segment, or why nothing was.
struct Mended {
  std::uint64_t base = 0;
  std::vector<ByteRange> ranges{};  ///< that were taken from the replica
  bool was_missing = false;         ///< the whole of it was
  std::optional<error> left{};      ///< it is as it was
};

namespace detail {
template <file_system Fs, log_replica Replica, world W>
class Mender {
  using Segment = BasicFileSegment<Fs>;
  using Copy = value_of<decltype(std::declval<Replica const&>().segment(0))>;

 public:
  Mender(std::string const& directory, Replica const& replica, Fs const& fs, W const& w)
      : directory_{directory}, replica_{replica}, fs_{fs}, world_{w} {}

  [[nodiscard]] result<std::vector<Mended>> run(LogOptions const& options) {
    HOLDFAST_TRY(lock, open_or_create(fs_, join(directory_, "LOCK")));
    HOLDFAST_TRY(locked, fs_.try_lock(lock, {}, Mode::exclusive));
    if (!locked) return failure(errc::busy, "mend log", directory_);
    HOLDFAST_TRY(found, survey(fs_, directory_));
    auto const told = [this](std::uint64_t base, Plan const& plan) {
      tell_step(world_, {SegmentStep::Kind::examined, base, plan.kept, name(plan.verdict)});
    };
    HOLDFAST_TRY(plans, look_at_segments(fs_, directory_, found.bases, options, 0, nullptr, told));
    for (std::size_t i = 0; i < found.bases.size(); ++i) {
      bool const last = i + 1 == found.bases.size();
      auto const next = mend(found.bases[i], plans[i], last);
      if (next && !last) fill_hole(found.bases[i], *next, found.bases[i + 1]);
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string path_of(std::uint64_t base) const {
    return join(directory_, segment_name(base));
  }
  [[nodiscard]] static bool wants_mending(Verdict verdict) noexcept {
    // One whose header has rotted looks foreign. A newer one is not for us to judge.
    return verdict == Verdict::damage || verdict == Verdict::sealed_damage ||
           verdict == Verdict::foreign;
  }

  // The number after its last record; nothing where it does not hold even then.
  [[nodiscard]] std::optional<std::uint64_t> mend(std::uint64_t base,
                                                  Plan const& found,
                                                  bool last) {
    if (found.verdict == Verdict::clean) return found.next_sequence;
    if (!wants_mending(found.verdict)) return {};
    auto const done = mend_one(base, last);
    if (done) return done.assume_value();
    out_.push_back({.base = base, .left = done.error()});
    return {};
  }
  [[nodiscard]] result<std::uint64_t> mend_one(std::uint64_t base, bool last) {
    HOLDFAST_TRY(copy, replica_.segment(base));
    HOLDFAST_TRY(own, Segment::open(path_of(base), fs_));
    Framed const format{{.base = base}};
    HOLDFAST_TRY(point, durable_point(own, format));
    // A frame may say more than the point does.
    HOLDFAST_TRY(found, examine(own, format, {.durable_to = point, .sealed = !last}));
    HOLDFAST_TRY(missing, compare_with(own, copy, format, {found.durable_to, !last}));
    HOLDFAST_TRY(size, own.size());
    for (auto const& range : missing.ranges) {
      auto const end = range.end == missing.end ? size : std::min(range.end, size);
      if (range.begin < end) {
        HOLDFAST_TRYV(own.set_aside(range.begin, end));
      }
    }
    bool const to_the_end = !missing.ranges.empty() && missing.ranges.back().end == missing.end;
    if (!to_the_end && missing.end < size) {
      HOLDFAST_TRYV(own.set_aside(missing.end, size));
    }
    tell_step(world_, {SegmentStep::Kind::set_aside, base, size - found.kept});
    HOLDFAST_TRY(next, replace(base, own, copy, missing, {.durable_to = point, .sealed = !last}));
    out_.push_back({.base = base, .ranges = missing.ranges});
    tell_mended(base, missing.ranges);
    return next;
  }
  void tell_mended(std::uint64_t base, std::vector<ByteRange> const& ranges) const noexcept {
    std::uint64_t bytes = 0;
    for (auto const& range : ranges) bytes += range.end - range.begin;
    tell_step(world_, {SegmentStep::Kind::mended, base, bytes});
  }

  // Makes the segment aside, of what holds here and what holds there, and lets it take the name.
  template <segment Own>
  [[nodiscard]] result<std::uint64_t> replace(std::uint64_t base,
                                              Own const& own,
                                              Copy const& copy,
                                              Missing const& missing,
                                              Known const& known) {
    auto const path = path_of(base);
    auto const aside = path + ".mended";
    HOLDFAST_TRYV(remove_if_there(fs_, aside));  // of a repair that crashed
    std::uint64_t next = 0;
    {
      HOLDFAST_TRY(file, fs_.open(aside, Open::create));
      std::uint64_t at = 0;
      for (auto const& range : missing.ranges) {
        HOLDFAST_TRYV(transfer(own, file, {at, range.begin}));
        HOLDFAST_TRYV(transfer(copy, file, range));
        at = range.end;
      }
      HOLDFAST_TRYV(transfer(own, file, {at, missing.end}));
      HOLDFAST_TRYV(fs_.sync(file));
    }
    {
      HOLDFAST_TRY(made, Segment::open_to_read(aside, fs_));
      HOLDFAST_TRY(plan, examine(made, Framed{{.base = base}}, known));
      if (plan.verdict != Verdict::clean) {
        return failure(error{errc_of(plan.verdict), "mend segment", path}.at(plan.kept));
      }
      next = plan.next_sequence;
    }
    HOLDFAST_TRYV(fs_.rename(aside, path));
    HOLDFAST_TRYV(fs_.sync_directory(directory_));
    return next;
  }
  template <segment From>
  [[nodiscard]] result<void> transfer(From const& from,
                                      typename Fs::file& to,
                                      ByteRange const& range) const {
    constexpr std::uint64_t most = std::uint64_t{256} << 10;
    bytes buffer(static_cast<std::size_t>(std::min(most, range.end - range.begin)));
    for (auto at = range.begin; at < range.end;) {
      auto const piece =
          bytes_span{buffer}.first(static_cast<std::size_t>(std::min(most, range.end - at)));
      HOLDFAST_TRY(got, from.read_at(at, piece));
      if (got != piece.size()) return failure(error{errc::conflict, "mend segment"}.at(at + got));
      HOLDFAST_TRYV(fs_.write_at(to, at, piece));
      at += piece.size();
    }
    return ok();
  }

  // Segments that are missing between two that are there, if the replica has them all, and is one
  // of this log: its copy of the one before begins with the same header.
  void fill_hole(std::uint64_t before, std::uint64_t first, std::uint64_t behind) {
    for (auto base = first; base < behind;) {
      auto const next = take_whole(before, base, behind);
      if (!next) {
        out_.push_back({.base = base, .was_missing = true, .left = next.error()});
        return;
      }
      base = next.assume_value();
    }
  }
  [[nodiscard]] result<std::uint64_t> take_whole(std::uint64_t before,
                                                 std::uint64_t base,
                                                 std::uint64_t behind) {
    HOLDFAST_TRYV(check_kinship(before));
    HOLDFAST_TRY(copy, replica_.segment(base));
    Framed const format{{.base = base}};
    HOLDFAST_TRY(plan, examine(copy, format, {.sealed = true}));
    // One that goes on beyond the next one is of another time.
    if (plan.verdict != Verdict::clean || plan.next_sequence > behind ||
        plan.next_sequence == base) {
      return failure(errc_of(plan.verdict), "take segment from replica", path_of(base));
    }
    Missing const all{.ranges = {{0, plan.kept}}, .end = plan.kept};
    HOLDFAST_TRY(next, replace(base, copy, copy, all, {.sealed = true}));
    out_.push_back({.base = base, .ranges = all.ranges, .was_missing = true});
    tell_mended(base, all.ranges);
    return next;
  }
  [[nodiscard]] result<void> check_kinship(std::uint64_t base) const {
    HOLDFAST_TRY(own, Segment::open_to_read(path_of(base), fs_));
    HOLDFAST_TRY(copy, replica_.segment(base));
    bytes here(Framed::header_size), there(Framed::header_size);
    HOLDFAST_TRY(got, own.read_at(0, here));
    HOLDFAST_TRY(got_there, copy.read_at(0, there));
    bool const same = got == here.size() && got_there == there.size() && here == there;
    return same ? result<void>{ok()} : failure(errc::foreign, "compare with replica", directory_);
  }

  std::string const& directory_;
  Replica const& replica_;
  Fs const& fs_;
  W const& world_;
  std::vector<Mended> out_{};
};
}  // namespace detail

/// Takes from a replica what a log that is not open lacks: bytes whose checksums hold there, in a
/// copy that agrees with all that holds here. What crashed tails lack is left to `Log::open`, and
/// segments behind the last one can't be known to be missing. Gives what was done to each segment
/// that needed it, or why nothing was. Errors: `busy`, those of the directory and of reading it.
template <log_replica Replica, file_system Fs = Posix, world W = Native>
[[nodiscard]] result<std::vector<Mended>> repair_from(std::string const& directory,
                                                      Replica const& replica,
                                                      LogOptions const& options = {},
                                                      Fs const& fs = {},
                                                      W const& w = {}) {
  return detail::Mender<Fs, Replica, W>{directory, replica, fs, w}.run(options);
}

HOLDFAST_END

#endif

// ------------ holdfast/log/scrub.hpp
// Reads the sealed segments of a log again, at a chosen pace, and tells what has rotted; never
// writes.
#ifndef HOLDFAST_LOG_SCRUB_HPP
#define HOLDFAST_LOG_SCRUB_HPP

#include <stop_token>

HOLDFAST_BEGIN

struct ScrubOptions {
  std::uint64_t bytes_per_second = std::uint64_t{16} << 20;  ///< 0: as fast as it goes
  std::stop_token stop{};
  std::uint64_t from = 0;  ///< where to go on: `ScrubReport::next` of a scrub that was stopped
};

/// A segment that does not hold any more.
struct Rot {
  std::uint64_t base = 0;
  Plan found{};   ///< as it is now; of one that can't be read, nothing
  error cause{};  ///< `damaged`, `hole`, `foreign` or what reading it answered
};

struct ScrubReport {
  std::size_t segments = 0;  ///< that were read
  std::uint64_t bytes = 0;   ///< of them
  std::vector<Rot> rot{};
  std::uint64_t next = 0;  ///< the segment to go on with; 0 where all were read
  bool whole = false;      ///< it was not stopped
};

namespace detail {
/// Lets bytes pass at a rate, by the steady clock of the world.
template <world W>
class Pace {
 public:
  Pace(W const& w, std::uint64_t bytes_per_second, std::stop_token stop)
      : world_{w}, rate_{bytes_per_second}, stop_{std::move(stop)} {}

  /// Waits until so many may pass. Errors: `cancelled`.
  [[nodiscard]] result<void> take(std::uint64_t size) {
    for (auto now = world_.steady_ns();; now = world_.steady_ns()) {
      if (stop_.stop_requested()) return failure(errc::cancelled, "scrub");
      if (rate_ == 0) return ok();
      if (now >= free_ns_) {
        free_ns_ = now + static_cast<std::int64_t>(size * second_ns / rate_);
        return ok();
      }
      world_.wait_until(std::min(free_ns_, now + patience_ns));
    }
  }

 private:
  static constexpr std::uint64_t second_ns = 1'000'000'000;
  static constexpr std::int64_t patience_ns = 100'000'000;  // until it looks whether to stop
  W const& world_;
  std::uint64_t rate_;
  std::stop_token stop_;
  std::int64_t free_ns_ = 0;  // when what has passed so far is paid for
};

/// A segment that is read at a pace and never written.
template <segment Segment, world W>
class PacedSegment {
 public:
  PacedSegment(Segment inner, Pace<W>& pace) : inner_{std::move(inner)}, pace_{&pace} {}

  [[nodiscard]] result<std::uint64_t> size() const { return inner_.size(); }
  [[nodiscard]] result<std::size_t> read_at(std::uint64_t at, bytes_span into) const {
    HOLDFAST_TRYV(pace_->take(into.size()));
    return inner_.read_at(at, into);
  }
  [[nodiscard]] result<void> append(std::uint64_t, bytes_view) { return refuse(); }
  [[nodiscard]] result<void> set_aside(std::uint64_t, std::uint64_t) { return refuse(); }
  [[nodiscard]] result<void> truncate(std::uint64_t) { return refuse(); }
  [[nodiscard]] result<void> rewrite(std::uint64_t, bytes_view) { return refuse(); }
  [[nodiscard]] result<void> sync() { return refuse(); }

 private:
  [[nodiscard]] static result<void> refuse() { return failure(errc::read_only, "scrub"); }
  Segment inner_;
  Pace<W>* pace_;
};

template <file_system Fs, world W>
class Scrub {
 public:
  Scrub(std::string const& directory, ScrubOptions const& options, Fs const& fs, W const& w)
      : directory_{directory}, options_{options}, fs_{fs}, world_{w}, pace_{w, rate(), stop()} {}

  [[nodiscard]] result<ScrubReport> run() {
    HOLDFAST_TRY(found, survey(fs_, directory_));
    auto const& bases = found.bases;
    for (std::size_t i = 0; i + 1 < bases.size(); ++i) {
      if (bases[i] < options_.from) continue;
      auto const seen = look(bases[i]);
      if (!seen && seen.error().code() == errc::cancelled) {
        out_.next = bases[i];
        return std::move(out_);
      }
      judge(bases[i], bases[i + 1], seen);
    }
    out_.whole = true;
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::uint64_t rate() const noexcept { return options_.bytes_per_second; }
  [[nodiscard]] std::stop_token const& stop() const noexcept { return options_.stop; }

  [[nodiscard]] result<Plan> look(std::uint64_t base) {
    using Segment = BasicFileSegment<Fs>;
    HOLDFAST_TRY(file, Segment::open_to_read(join(directory_, segment_name(base)), fs_));
    Framed const format{{.base = base}};
    HOLDFAST_TRY(point, durable_point(file, format));
    PacedSegment<Segment, W> const paced{std::move(file), pace_};
    return examine(paced, format, {.durable_to = point, .sealed = true});
  }
  void judge(std::uint64_t base, std::uint64_t next, result<Plan> const& seen) {
    if (!seen && seen.error().code() == errc::not_found) return;  // retention has removed it
    ++out_.segments;
    if (!seen) return tell(base, {}, seen.error());
    auto const& plan = seen.assume_value();
    out_.bytes += plan.size;
    auto const path = join(directory_, segment_name(base));
    if (plan.verdict != Verdict::clean) {
      return tell(base, plan, error{errc_of(plan.verdict), "scrub", path}.at(plan.kept));
    }
    tell_step(world_, {SegmentStep::Kind::scrubbed, base, plan.size, name(plan.verdict)});
    if (plan.next_sequence >= next) return;
    auto const missing = join(directory_, segment_name(plan.next_sequence));
    tell(plan.next_sequence, {.verdict = Verdict::hole}, error{errc::hole, "scrub", missing});
  }
  void tell(std::uint64_t base, Plan const& found, error const& cause) {
    out_.rot.push_back({base, found, cause});
    tell_step(world_, {SegmentStep::Kind::rotten, base, found.kept, name(found.verdict)}, &cause);
  }

  std::string const& directory_;
  ScrubOptions const& options_;
  Fs const& fs_;
  W const& world_;
  Pace<W> pace_;
  ScrubReport out_{};
};
}  // namespace detail

/// Reads all sealed segments of a log, also of one that is open and written meanwhile: it takes no
/// lock and writes nothing. Blocks; to be run where it is nobody's concern, and stopped by its
/// token. Rot is told to the observer and in the report, and ends nothing. Errors: those of listing
/// the directory.
template <file_system Fs = Posix, world W = Native>
[[nodiscard]] result<ScrubReport> scrub_log(std::string const& directory,
                                            ScrubOptions const& options = {},
                                            Fs const& fs = {},
                                            W const& w = {}) {
  return detail::Scrub<Fs, W>{directory, options, fs, w}.run();
}

HOLDFAST_END

#endif

// ------------ holdfast/policy/exclusive.hpp
// Excludes the threads of one process from each other: the lock policy for stores in memory.
#ifndef HOLDFAST_POLICY_EXCLUSIVE_HPP
#define HOLDFAST_POLICY_EXCLUSIVE_HPP

HOLDFAST_BEGIN

/// One holder at a time in this process. A copy is another handle on the same lock. Thread-safe.
class Exclusive {
 public:
  static constexpr Guarantees guarantees{.durable = false,
                                         .fenced = true,
                                         .detects_damage = false,
                                         .lifetime = Lifetime::process,
                                         .reach = Reach::process};
  struct Grant {
    FencingToken token;
  };

  Exclusive() : cell_{std::make_shared<Cell>()} {}

  /// `busy` while another grant is out; its token exceeds `above` and every token before.
  [[nodiscard]] result<Grant> try_acquire(Owner const& owner, FencingToken above) {
    std::lock_guard const guard{cell_->mutex};
    if (cell_->holder) return failure(errc::busy, "acquire", "exclusive lock");
    cell_->last = {std::max(cell_->last, above).number + 1};
    cell_->holder = Holder{owner, cell_->last, 0};
    return Grant{cell_->last};
  }

  /// Idempotent; a grant that was forced away is released already.
  [[nodiscard]] result<void> release(Grant& grant) {
    std::lock_guard const guard{cell_->mutex};
    if (cell_->holder && cell_->holder->token == grant.token) cell_->holder.reset();
    return ok();
  }

  [[nodiscard]] result<std::optional<Holder>> inspect() const {
    std::lock_guard const guard{cell_->mutex};
    return cell_->holder;
  }

  /// Takes it from the holder that was seen (`conflict` if it is another by now); the token is
  /// greater than its.
  [[nodiscard]] result<FencingToken> force(Holder const& seen, FencingToken above) {
    std::lock_guard const guard{cell_->mutex};
    if (!cell_->holder || cell_->holder->token != seen.token)
      return failure(errc::conflict, "force", "exclusive lock");
    cell_->holder.reset();
    cell_->last = {std::max(cell_->last, above).number + 1};
    return cell_->last;
  }

 private:
  struct Cell {
    std::mutex mutex;
    std::optional<Holder> holder;
    FencingToken last{};
  };
  std::shared_ptr<Cell> cell_;
};
static_assert(lock_policy<Exclusive>);

HOLDFAST_END

#endif

// ------------ holdfast/policy/file_lock.hpp
// Excludes the processes of one machine from each other with a lock of an open file, and numbers
// every grant.
//
// Invariants:
// - A token is epoch << 32 | n. The epoch is durable before it is used; n is not, so the first
//   grant of a boot raises the epoch.
// - Whoever holds has the byte of the current epoch locked; raising the epoch (force) moves the
//   lock to another byte, so an old holder neither blocks nor counts.
// - All changes of the file are made under the guard byte.
#ifndef HOLDFAST_POLICY_FILE_LOCK_HPP
#define HOLDFAST_POLICY_FILE_LOCK_HPP

HOLDFAST_BEGIN

/// A lock in the file `path`, which is made when it is missing. It lapses with its process, also
/// with a zombie. Thread-safe. Refuses a file system without working locks (`no_locks`).
template <file_system Fs, world W = Native>
class BasicFileLock {
  using file = typename Fs::file;

 public:
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = true,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};
  struct Grant {
    FencingToken token;
    std::uint64_t epoch = 0;
    detail::Birthplace born{};
    bool released = false;
  };

  explicit BasicFileLock(std::string path, Fs fs = {}, W world = {})
      : core_{std::make_unique<Core>(std::move(path), std::move(fs), std::move(world))} {}

  /// `busy`, naming the holder, while it is held elsewhere. The token exceeds `above` and every
  /// token before it.
  [[nodiscard]] result<Grant> try_acquire(Owner const& owner, FencingToken above) {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return fail(errc::forked, "acquire");
    HOLDFAST_TRYV(open_for_writing());
    HOLDFAST_TRY(section, enter(Mode::exclusive));
    HOLDFAST_TRY(seen, read());
    HOLDFAST_TRY(locked,
                 core_->fs.try_lock(*core_->open, byte_of(seen.epoch.number), Mode::exclusive));
    if (!locked || (core_->held_epoch != 0 && core_->held_epoch == seen.epoch.number))
      return busy(seen);
    auto epoch = seen.epoch.number;
    auto last = seen.last ? std::max(seen.last->token, above) : above;
    bool const unknown = !seen.last || seen.epoch.boot != core_->world.self().boot || epoch == 0;
    if (unknown || last.number >> 32 > epoch || (last.number & 0xffffffff) == 0xffffffff) {
      // Whatever comes of it, the byte of the old epoch is let go.
      auto moved = move_to_epoch(seen, std::max(epoch, last.number >> 32) + 1);
      HOLDFAST_TRYV(core_->fs.unlock(*core_->open, byte_of(epoch)));
      HOLDFAST_TRY(raised, std::move(moved));
      if (!raised) return busy(seen);
      epoch = *raised;
    }
    FencingToken const token{std::max(last.number, epoch << 32) + 1};
    core_->held_epoch = epoch;
    core_->held_token = token;
    auto written = write({token, Holder{owner, token, core_->world.wall_ns()}});
    if (!written) {
      core_->held_epoch = 0;
      static_cast<void>(core_->fs.unlock(*core_->open, byte_of(epoch)));
      return detail::failed(written);
    }
    return Grant{token, epoch};
  }

  /// Idempotent; leaves the record of another holder alone. A forked child releases nothing
  /// (`forked`).
  [[nodiscard]] result<void> release(Grant& grant) {
    if (grant.released) return ok();
    if (grant.born.left()) return fail(errc::forked, "release");
    std::lock_guard const guard{core_->mutex};
    grant.released = true;
    if (core_->held_token != grant.token)
      return ok();  // a copy of an old grant: what is held now is another's
    core_->held_epoch = 0;
    core_->held_token = {};
    // The lock is let go even where the record can't be cleared: a record without its lock names
    // nobody.
    auto cleared = clear_record(grant.token);
    HOLDFAST_TRYV(core_->fs.unlock(*core_->open, byte_of(grant.epoch)));
    return cleared;
  }

  /// The holder, if there is one. Needs only permission to read; disturbs nobody.
  [[nodiscard]] result<std::optional<Holder>> inspect() {
    std::lock_guard const guard{core_->mutex};
    auto opened = core_->fs.open(core_->path, Open::read);
    if (!opened && opened.error().code() == errc::not_found) return std::optional<Holder>{};
    HOLDFAST_TRYV(std::move(opened));
    BasicFileLock looker{core_->path, core_->fs, core_->world};
    looker.core_->open = std::move(opened).assume_value();
    HOLDFAST_TRY(section, looker.enter(Mode::shared));
    HOLDFAST_TRY(seen, looker.read());
    HOLDFAST_TRY(nobody,
                 core_->fs.try_lock(*looker.core_->open, byte_of(seen.epoch.number), Mode::shared));
    if (nobody) {
      // Let go before the guard is: whoever acquires next must not find the byte taken by a look.
      HOLDFAST_TRYV(core_->fs.unlock(*looker.core_->open, byte_of(seen.epoch.number)));
      return std::optional<Holder>{};
    }
    if (!seen.last) return std::optional<Holder>{};
    return seen.last->holder;
  }

  /// Force, a new file and a restart of the machine raise the epoch: within one, who had the lock
  /// before has let go of it. No process outlives its machine's boot.
  [[nodiscard]] bool has_ended(Owner const& earlier,
                               FencingToken token,
                               Grant const& ours) const noexcept {
    auto const& self = core_->world.self();
    bool const rebooted = earlier.host == self.host && earlier.boot != self.boot;
    return rebooted || (token < ours.token && token.number >> 32 == ours.token.number >> 32);
  }

  /// Takes the lock away from the holder that was seen (`conflict` if it is another by now). The
  /// old holder is not stopped: raise the fence of what it writes to first.
  [[nodiscard]] result<FencingToken> force(Holder const& seen_holder, FencingToken above) {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return fail(errc::forked, "force");
    HOLDFAST_TRYV(open_for_writing());
    HOLDFAST_TRY(section, enter(Mode::exclusive));
    HOLDFAST_TRY(seen, read());
    bool const same = seen.last && seen.last->holder &&
                      seen.last->holder->owner == seen_holder.owner &&
                      seen.last->token == seen_holder.token;
    if (!same) return fail(errc::conflict, "force");
    HOLDFAST_TRY(epoch, raise(seen, std::max(seen.epoch.number, above.number >> 32) + 1));
    FencingToken const token{epoch << 32};
    HOLDFAST_TRYV(write({token, {}}));
    return token;
  }

 private:
  struct Core {
    Core(std::string where, Fs files, W around)
        : path{std::move(where)}, fs{std::move(files)}, world{std::move(around)} {}
    std::string path;
    Fs fs;
    W world;
    std::mutex mutex;
    std::optional<file> open;
    // What this object holds: a lock of an open file does not exclude its own threads.
    std::uint64_t held_epoch = 0;
    FencingToken held_token{};
    detail::Birthplace born{};
  };
  struct Seen {
    detail::lock_record::Epoch epoch{};
    std::size_t slot = 0;  // where that epoch lies
    std::optional<detail::lock_record::Last> last{};
  };
  // The guard byte, for as long as the scope lasts.
  struct Section {
    Core* core;
    explicit Section(Core& c) noexcept : core{&c} {}
    Section(Section&& other) noexcept : core{std::exchange(other.core, nullptr)} {}
    Section& operator=(Section&&) = delete;
    ~Section() {
      if (core != nullptr) static_cast<void>(core->fs.unlock(*core->open, guard_byte));
    }
  };
  static constexpr Range guard_byte{std::uint64_t{1} << 40, 1};
  static Range byte_of(std::uint64_t epoch) noexcept {
    return {(std::uint64_t{1} << 41) + epoch, 1};
  }

  [[nodiscard]] auto fail(errc code, char const* where) const noexcept {
    return failure(code, where, core_->path);
  }

  [[nodiscard]] result<Grant> busy(Seen const& seen) const {
    auto text = core_->path;
    if (seen.last && seen.last->holder) {
      auto const& owner = seen.last->holder->owner;
      text.append(" held by pid ")
          .append(std::to_string(owner.pid))
          .append(" on ")
          .append(owner.host_name());
    }
    return failure(errc::busy, "acquire", text);
  }

  // While this object holds a lock the file stays open, whatever happens to its name: closing would
  // let go.
  [[nodiscard]] result<void> open_for_writing() {
    auto& c = *core_;
    if (c.held_epoch != 0) return ok();
    c.open.reset();
    auto opened = c.fs.open(c.path, Open::write);
    if (!opened && opened.error().code() == errc::not_found) {
      opened = c.fs.open(c.path, Open::create);
      if (!opened && opened.error().code() == errc::exists) opened = c.fs.open(c.path, Open::write);
    }
    HOLDFAST_TRYV(std::move(opened));
    c.open = std::move(opened).assume_value();
    return ok();
  }

  // After locking, the open file must still be the one that has the name, else two could hold two
  // files.
  [[nodiscard]] result<Section> enter(Mode mode) {
    auto& c = *core_;
    HOLDFAST_TRY(locked, detail::lock_patiently(c.fs, c.world, *c.open, guard_byte, mode));
    if (!locked) return fail(errc::busy, "guard");
    Section section{c};
    HOLDFAST_TRY(ours, c.fs.identity(*c.open));
    HOLDFAST_TRY(named, c.fs.identity(c.path));
    if (ours != named) return fail(errc::foreign, "lock");
    return section;
  }

  [[nodiscard]] result<Seen> read() {
    namespace record = detail::lock_record;
    std::array<std::byte, record::file_size> content{};
    HOLDFAST_TRY(size, core_->fs.read_at(*core_->open, 0, content));
    static_cast<void>(size);  // what is missing reads as zeros, which no slot accepts
    bytes_view const all{content};
    Seen seen;
    for (std::size_t i = 0; i < 2; ++i) {
      auto const slot = all.subspan(i * record::stride, record::slot_size);
      if (record::newer(slot)) return fail(errc::newer_format, "lock");
      auto const epoch = record::decode_epoch(slot);
      if (!epoch || epoch->number <= seen.epoch.number) continue;
      seen.epoch = *epoch;
      seen.slot = i;
    }
    seen.last = record::decode_last(all.subspan(record::holder_at));
    if (seen.last && seen.last->token.number >> 32 != seen.epoch.number) seen.last.reset();
    return seen;
  }

  // Durable before anyone is granted a token of this epoch: the data, and the name of a file that
  // may be new. It goes over the slot before the one that was read, so that one is written again
  // and synced first: whoever raised it may have died before his sync, and what a power cut then
  // leaves of both would be neither.
  [[nodiscard]] result<std::uint64_t> raise(Seen const& seen, std::uint64_t epoch) {
    namespace record = detail::lock_record;
    auto& c = *core_;
    auto const put = [&c](std::size_t slot, record::Epoch const& value) -> result<void> {
      HOLDFAST_TRYV(c.fs.write_at(*c.open, slot * record::stride, record::encode(value)));
      return c.fs.sync(*c.open);
    };
    if (seen.epoch.number != 0) {
      HOLDFAST_TRYV(put(seen.slot, seen.epoch));
    }
    HOLDFAST_TRYV(put(1 - seen.slot, record::Epoch{epoch, c.world.self().boot}));
    HOLDFAST_TRYV(c.fs.sync_directory(detail::parent_of(c.path)));
    return epoch;
  }

  // Nothing if somebody has the byte of the new epoch already.
  [[nodiscard]] result<std::optional<std::uint64_t>> move_to_epoch(Seen const& seen,
                                                                   std::uint64_t epoch) {
    HOLDFAST_TRYV(raise(seen, epoch));
    HOLDFAST_TRY(locked, core_->fs.try_lock(*core_->open, byte_of(epoch), Mode::exclusive));
    return locked ? std::optional{epoch} : std::nullopt;
  }

  [[nodiscard]] result<void> write(detail::lock_record::Last const& last) {
    return core_->fs.write_at(*core_->open, detail::lock_record::holder_at,
                              detail::lock_record::encode(last));
  }

  [[nodiscard]] result<void> clear_record(FencingToken own) {
    HOLDFAST_TRY(section, enter(Mode::exclusive));
    HOLDFAST_TRY(seen, read());
    if (!seen.last || seen.last->token != own) return ok();
    return write({own, {}});
  }

  std::unique_ptr<Core> core_;
};

/// On the real file system.
using FileLock = BasicFileLock<Posix>;
static_assert(lock_policy<FileLock>);

HOLDFAST_END

#endif

// ------------ holdfast/policy/lease.hpp
// A lock that lapses, over any atomic register: whoever is silent for too long may be replaced, on
// one machine or on many.
//
// Invariants:
// - Every change of the record is a `store_if` over the version that was looked at; an unknown
//   outcome is read back before anything is concluded from it.
// - A holder counts from before it sent its last renewal, and stops a margin early. Who wants the
//   lease counts from after it first saw that renewal, on its own clock, and waits a margin longer.
//   Times in the record are for people.
// - Exclusion so assumes clocks that run at about one rate and pauses shorter than the margin.
//   Tokens assume nothing: a resource that compares them is safe without.
#ifndef HOLDFAST_POLICY_LEASE_HPP
#define HOLDFAST_POLICY_LEASE_HPP

HOLDFAST_BEGIN

struct LeaseOptions {
  std::int64_t ttl_ms = 10'000;    ///< a holder that is silent for so long may be replaced
  std::int64_t margin_ms = 1'000;  ///< the holder stops so much earlier, others wait so much longer
};

/// A lease in a register of its own. Thread-safe. After fork() only the parent may use it.
template <atomic_register Register, world W = Native>
class Lease {
  using Record = detail::lease_record::Record;

 public:
  static constexpr Guarantees guarantees{.durable = guarantees_of<Register>().durable,
                                         .fenced = true,
                                         .detects_damage = true,
                                         .lifetime = guarantees_of<Register>().lifetime,
                                         .reach = guarantees_of<Register>().reach};
  class Grant {
   public:
    FencingToken token;

   private:
    friend Lease;
    Grant(Record const& r, Version v, std::int64_t until)
        : token{r.token}, record_{r}, version_{v}, until_ns_{until} {}
    Record record_;
    Version version_;
    std::int64_t until_ns_;  // steady clock
    detail::Birthplace born_{};
    bool over_ = false;  // released, or seen to be another's
  };

  explicit Lease(Register reg, LeaseOptions const& options = {}, W world = {})
      : core_{std::make_unique<Core>(std::move(reg), options, std::move(world))} {}

  /// `busy`, naming the holder, while it is held; a holder has to be seen silent for its whole time
  /// first, so ask again. The token exceeds `above` and every token before it. `uncertain` where
  /// nobody can tell whether it was granted, `timed_out` where the register took longer than the
  /// lease lasts, twice: then it lapses. Errors: `full` where no token is left; `foreign`,
  /// `damaged`, `newer_format` for what is no record of a lease; those of the register.
  [[nodiscard]] result<Grant> try_acquire(Owner const& owner, FencingToken above) {
    HOLDFAST_TRYV(born_here("acquire"));
    std::lock_guard const guard{core_->mutex};
    HOLDFAST_TRYV(usable("acquire"));
    for (int look = 0; look < looks; ++look) {
      HOLDFAST_TRY(seen, load());
      if (seen.record.holder && !has_lapsed(seen)) return busy(*seen.record.holder);
      HOLDFAST_TRY(token, token_after(seen, above));
      Record next{token, core_->world.random64(), 0, core_->ttl_ns, {}};
      next.holder = Holder{owner, next.token, core_->world.wall_ns()};
      auto const sent = core_->world.steady_ns();
      HOLDFAST_TRY(version, put(seen, next));
      if (!version) continue;
      Grant grant{next, *version, sent + core_->ttl_ns - core_->margin_ns};
      if (remaining_ns(grant) > 0) return grant;
      return prolonged(std::move(grant));
    }
    return failure(errc::busy, "acquire", "others keep changing the lease");
  }

  /// How long it still holds, by this process's clock; from 0 on its holder must stop.
  [[nodiscard]] std::int64_t remaining_ns(Grant const& grant) const noexcept {
    if (grant.over_ || grant.born_.left()) return 0;
    return std::max<std::int64_t>(0, grant.until_ns_ - core_->world.steady_ns());
  }

  /// Holds it for another whole time from now on; also late, if nobody has taken it. `fenced` once
  /// it is another's. After any other error the grant stands for as long as it did before.
  [[nodiscard]] result<void> renew(Grant& grant) {
    if (grant.born_.left()) return failure(errc::forked, "renew");
    HOLDFAST_TRYV(born_here("renew"));
    std::lock_guard const guard{core_->mutex};
    if (grant.over_) return failure(errc::spent, "renew");
    HOLDFAST_TRYV(usable("renew"));
    return prolong(grant);
  }

  /// Idempotent; leaves the lease of another holder alone. After an error it lapses by itself.
  [[nodiscard]] result<void> release(Grant& grant) {
    if (grant.over_) return ok();
    if (grant.born_.left()) return failure(errc::forked, "release");
    HOLDFAST_TRYV(born_here("release"));
    std::lock_guard const guard{core_->mutex};
    grant.over_ = true;
    HOLDFAST_TRYV(usable("release"));
    for (int look = 0; look < looks; ++look) {
      HOLDFAST_TRY(seen, load());
      if (!shows(seen, grant)) return ok();
      HOLDFAST_TRY(version, put(seen, vacant(grant.token)));
      if (version) return ok();
    }
    return failure(errc::busy, "release", "others keep changing the lease");
  }

  /// Who has it, or had it when it lapsed.
  [[nodiscard]] result<std::optional<Holder>> inspect() {
    HOLDFAST_TRYV(born_here("inspect"));
    std::lock_guard const guard{core_->mutex};
    HOLDFAST_TRYV(usable("inspect"));
    HOLDFAST_TRY(seen, load());
    return seen.record.holder;
  }

  /// Takes it away from the holder that was seen (`conflict` if it is another by now). The old
  /// holder is not stopped: raise the fence of what it writes to first.
  [[nodiscard]] result<FencingToken> force(Holder const& seen_holder, FencingToken above) {
    HOLDFAST_TRYV(born_here("force"));
    std::lock_guard const guard{core_->mutex};
    HOLDFAST_TRYV(usable("force"));
    for (int look = 0; look < looks; ++look) {
      HOLDFAST_TRY(seen, load());
      auto const& holder = seen.record.holder;
      if (!holder || holder->owner != seen_holder.owner || holder->token != seen_holder.token) {
        return failure(errc::conflict, "force", "another holder, or none");
      }
      HOLDFAST_TRY(token, token_after(seen, above));
      HOLDFAST_TRY(version, put(seen, vacant(token)));
      if (version) return token;
    }
    return failure(errc::busy, "force", "others keep changing the lease");
  }

 private:
  static constexpr int looks = 8;  // at a record that others change meanwhile

  struct Seen {
    Version version{};
    Record record{};  // of an absent register: nobody's
  };
  // A holder that is waited for: what was seen of it, and since when.
  struct Watch {
    Version version;
    std::uint64_t nonce;
    std::int64_t since_ns;
  };
  struct Core {
    Core(Register r, LeaseOptions const& options, W around)
        : reg{std::move(r)}, world{std::move(around)} {
      constexpr std::int64_t century_ms = std::int64_t{100} * 366 * 24 * 3600 * 1000;
      if (options.margin_ms <= 0 || options.ttl_ms <= 0 || options.ttl_ms > century_ms) return;
      if (options.margin_ms >= options.ttl_ms - options.margin_ms) return;
      ttl_ns = options.ttl_ms * 1'000'000;
      margin_ns = options.margin_ms * 1'000'000;
    }
    Register reg;
    W world;
    std::int64_t ttl_ns = 0;  // 0: of no use
    std::int64_t margin_ns = 0;
    std::mutex mutex{};
    std::optional<Watch> watch{};
    bool unsettled = false;            // the register has to be reopened first
    std::optional<Version> refused{};  // over which a store has just been refused
    detail::Birthplace born{};
  };

  [[nodiscard]] result<void> usable(char const* where) {
    auto& c = *core_;
    if (c.born.left()) return failure(errc::forked, where);
    if (c.ttl_ns == 0) return failure(errc::invalid, where, "ttl_ms > 2 * margin_ms > 0 must hold");
    if (!c.unsettled) return ok();
    HOLDFAST_TRYV(register_traits<Register>::reopen(c.reg));
    c.unsettled = false;
    return ok();
  }

  // Asked before the mutex: in a child a thread of the parent may have it for ever.
  [[nodiscard]] result<void> born_here(char const* where) const {
    return core_->born.left() ? failure(errc::forked, where) : result<void>{ok()};
  }
  [[nodiscard]] static result<FencingToken> token_after(Seen const& seen, FencingToken above) {
    auto const last = std::max(seen.record.token, above);
    if (last.number == UINT64_MAX) return failure(errc::full, "lease", "no token is left");
    return FencingToken{last.number + 1};
  }
  [[nodiscard]] static Record vacant(FencingToken token) noexcept { return {token, 0, 0, 0, {}}; }
  [[nodiscard]] static bool shows(Seen const& seen, Grant const& grant) noexcept {
    return seen.record.holder && seen.record.nonce == grant.record_.nonce &&
           seen.record.token == grant.token;
  }

  [[nodiscard]] result<void> prolong(Grant& grant) {
    auto next = grant.record_;
    ++next.renewals;
    auto sent = core_->world.steady_ns();
    Seen base{grant.version_, grant.record_};
    for (int look = 0; look < looks; ++look) {
      HOLDFAST_TRY(version, put(base, next));
      if (version) {
        grant.record_ = next;
        grant.version_ = *version;
        grant.until_ns_ = sent + core_->ttl_ns - core_->margin_ns;
        return ok();
      }
      sent = core_->world.steady_ns();
      HOLDFAST_TRY(seen, load());
      if (!shows(seen, grant)) {
        grant.over_ = true;
        return failure(errc::fenced, "renew", "the lease is another's");
      }
      next.renewals = seen.record.renewals + 1;
      base = std::move(seen);
    }
    return failure(errc::busy, "renew", "others keep changing the lease");
  }
  // What was granted came too late to be of use; as a rule nobody has taken it meanwhile.
  [[nodiscard]] result<Grant> prolonged(Grant grant) {
    auto const again = prolong(grant);
    if (!again && again.error().code() != errc::fenced) return detail::failed(again);
    if (remaining_ns(grant) > 0) return grant;
    return failure(errc::timed_out, "acquire", "an answer so late");
  }

  [[nodiscard]] result<Seen> load() {
    auto& c = *core_;
    HOLDFAST_TRY(seen, load_once());
    auto const refused = std::exchange(c.refused, std::nullopt);
    if (refused != seen.version) return seen;
    // Nobody came first: something is there that no load shows yet, and its writer may be dead.
    c.unsettled = true;
    HOLDFAST_TRYV(usable("load"));
    return load_once();
  }
  [[nodiscard]] result<Seen> load_once() {
    auto loaded = register_traits<Register>::load(core_->reg);
    if (!loaded) return failed(loaded);
    auto const& found = loaded.assume_value();
    if (!found) return Seen{};
    HOLDFAST_TRY(record, detail::lease_record::decode(found->value));
    return Seen{found->version, std::move(record)};
  }

  // The new version, once that record is surely there; nothing if it surely is not, because another
  // came first.
  [[nodiscard]] result<std::optional<Version>> put(Seen const& over, Record const& record) {
    auto& c = *core_;
    auto const stored = register_traits<Register>::store_if(c.reg, over.version,
                                                            detail::lease_record::encode(record));
    if (stored) return std::optional{stored.assume_value()};
    if (stored.error().code() == errc::conflict) {
      c.refused = over.version;
      return std::optional<Version>{};
    }
    if (stored.error().code() != errc::uncertain) return failed(stored);
    c.unsettled = true;
    auto found = read_back(over, record);
    if (found) return found;
    return failure(errc::uncertain, "lease", found.error().text());
  }
  // Some errors leave a register that has to be reopened first.
  template <class T>
  [[nodiscard]] auto failed(result<T> const& answer) {
    auto const code = answer.error().code();
    bool const heals =
        code == errc::uncertain || code == errc::poisoned || code == errc::sync_failed;
    core_->unsettled = core_->unsettled || heals;
    return detail::failed(answer);
  }

  // It may still be on its way: what it was to replace is stored once more, at another version, so
  // that it comes too late or shows.
  [[nodiscard]] result<std::optional<Version>> read_back(Seen const& over, Record const& record) {
    auto& c = *core_;
    for (int look = 0; look < 2; ++look) {
      HOLDFAST_TRYV(usable("read back"));
      HOLDFAST_TRY(seen, load());
      if (seen.record == record) return std::optional{seen.version};
      if (seen.version != over.version) return std::optional<Version>{};
      auto const again = register_traits<Register>::store_if(
          c.reg, over.version, detail::lease_record::encode(over.record));
      if (again) return std::optional<Version>{};
      if (again.error().code() != errc::conflict) return failed(again);
    }
    return failure(errc::busy, "lease", "others keep changing the lease");
  }

  // The same (version, nonce) for the holder's whole time and a margin, on this process's clock
  // from after the first look.
  [[nodiscard]] bool has_lapsed(Seen const& seen) {
    auto& watch = core_->watch;
    auto const now = core_->world.steady_ns();
    bool const same = watch && watch->version == seen.version && watch->nonce == seen.record.nonce;
    if (!same) watch = Watch{seen.version, seen.record.nonce, now};
    return now - watch->since_ns >= seen.record.ttl_ns + core_->margin_ns;
  }

  [[nodiscard]] result<Grant> busy(Holder const& holder) const {
    return failure(errc::busy, "acquire",
                   "held by pid " + std::to_string(holder.owner.pid) + " on " +
                       std::string{holder.owner.host_name()});
  }

  std::unique_ptr<Core> core_;
};

HOLDFAST_END

#endif

// ------------ holdfast/report/text.hpp
// Turns numbers and names into text that a terminal and a person can take.
#ifndef HOLDFAST_REPORT_TEXT_HPP
#define HOLDFAST_REPORT_TEXT_HPP

HOLDFAST_BEGIN

/// Bytes of the UTF-8 sequence at the front; 0 if there is none. Refuses overlong forms,
/// surrogates, and what lies above U+10FFFF.
[[nodiscard]] constexpr std::size_t utf8_length(std::string_view text) noexcept {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto const follows = [&](std::size_t i, unsigned low, unsigned high) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  if (text.empty()) return 0;
  auto const lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    unsigned const low = lead == 0xe0 ? 0xa0 : 0x80;
    unsigned const high = lead == 0xed ? 0x9f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    unsigned const low = lead == 0xf0 ? 0x90 : 0x80;
    unsigned const high = lead == 0xf4 ? 0x8f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

[[nodiscard]] constexpr bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto const size = utf8_length(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

namespace detail {
// Two hexadecimal digits.
[[nodiscard]] inline std::string hex(unsigned char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  return {digits[byte >> 4], digits[byte & 15]};
}
}  // namespace detail

/// A name as a terminal can take it: what is no printable UTF-8 as \xNN.
[[nodiscard]] inline std::string printable(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    auto const size = utf8_length(name);
    auto const byte = static_cast<unsigned char>(name.front());
    if (size == 0 || byte < 0x20 || byte == 0x7f) {
      text.append("\\x").append(detail::hex(byte));
      name.remove_prefix(1);
    } else {
      text.append(name.substr(0, size));
      name.remove_prefix(size);
    }
  }
  return text;
}

/// "1,234,567"
[[nodiscard]] inline std::string grouped(std::uint64_t number) {
  auto text = std::to_string(number);
  for (auto at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

/// So many decimals, whatever the locale.
[[nodiscard]] inline std::string fixed(double number, int decimals = 3) {
  std::array<char, 400> buffer{};  // the largest number has 309 digits before the point
  auto const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                 std::chars_format::fixed, decimals);
  return {buffer.data(), end.ptr};
}

/// "4.2 MiB"
[[nodiscard]] inline std::string human_bytes(std::uint64_t count) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto amount = static_cast<double>(count);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < units.size()) {
    amount /= 1024;
    ++unit;
  }
  return fixed(amount, unit == 0 ? 0 : 1) + " " + units[unit];
}

/// "850 ms", "12.3 s", "4 min 5 s", "3 h 20 min", "5 d 4 h"
[[nodiscard]] inline std::string human_time(std::int64_t ns) {
  if (ns < 0) return "-" + human_time(ns == INT64_MIN ? INT64_MAX : -ns);
  if (ns < 1'000'000'000) return std::to_string(ns / 1'000'000) + " ms";
  auto const tenths = ns / 100'000'000;
  if (tenths < 600) return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
  auto const s = ns / 1'000'000'000;
  auto const two = [](std::int64_t a, char const* of_a, std::int64_t b, char const* of_b) {
    return std::to_string(a) + of_a + std::to_string(b) + of_b;
  };
  if (s < 3600) return two(s / 60, " min ", s % 60, " s");
  if (s < 86'400) return two(s / 3600, " h ", s % 3600 / 60, " min");
  return two(s / 86'400, " d ", s % 86'400 / 3600, " h");
}

HOLDFAST_END

#endif

// ------------ holdfast/report/json.hpp
// Writes one JSON value, whatever bytes are in its texts.
#ifndef HOLDFAST_REPORT_JSON_HPP
#define HOLDFAST_REPORT_JSON_HPP

HOLDFAST_BEGIN

/// Writes one JSON value. A byte that is no UTF-8 becomes the lone surrogate U+DC00 + byte, from
/// which Python's os.fsencode(json.loads(...)) gives the name back. A number that JSON can't say
/// (infinite, not a number) and an empty optional are null.
class Json {
 public:
  /// An object whose fields `fill` writes.
  template <std::invocable Fill>
  Json& object(Fill fill) {
    return nested('{', fill, '}');
  }
  template <std::invocable Fill>
  Json& array(Fill fill) {
    return nested('[', fill, ']');
  }
  Json& key(std::string_view name) {
    comma();
    quote(name);
    text_ += ": ";
    first_ = true;
    return *this;
  }
  Json& value(std::string_view text) {
    comma();
    quote(text);
    return *this;
  }
  Json& value(char const* text) { return value(std::string_view{text}); }
  Json& value(bool yes) { return raw(yes ? "true" : "false"); }
  /// With 3 decimals.
  Json& value(double number) { return raw(number - number == 0 ? fixed(number) : "null"); }
  template <std::integral T>
  requires(!std::same_as<T, bool>) Json& value(T number) { return raw(std::to_string(number)); }
  template <class T>
  Json& value(std::optional<T> const& there) {
    return there ? value(*there) : raw("null");
  }
  template <class T>
  Json& field(std::string_view name, T const& v) {
    return key(name).value(v);
  }
  [[nodiscard]] std::string const& text() const noexcept { return text_; }

 private:
  template <class Fill>
  Json& nested(char open, Fill& fill, char close) {
    comma();
    text_ += open;
    first_ = true;
    fill();
    text_ += close;
    first_ = false;
    return *this;
  }
  Json& raw(std::string_view text) {
    comma();
    text_.append(text);
    return *this;
  }
  void comma() {
    if (!first_) text_ += ", ";
    first_ = false;
  }
  void quote(std::string_view text) {
    text_ += '"';
    while (!text.empty()) {
      auto const size = utf8_length(text);
      auto const byte = static_cast<unsigned char>(text.front());
      if (size == 0) {
        text_.append("\\udc").append(detail::hex(byte));
      } else if (byte == '"' || byte == '\\') {
        text_ += '\\';
        text_ += text.front();
      } else if (byte < 0x20) {
        text_.append("\\u00").append(detail::hex(byte));
      } else {
        text_.append(text.substr(0, size));
      }
      text.remove_prefix(size == 0 ? 1 : size);
    }
    text_ += '"';
  }

  std::string text_;
  bool first_ = true;
};

HOLDFAST_END

#endif

// ------------ holdfast/report/progress.hpp
// Says how far work is: counted by whoever works, read by anyone, as numbers and as lines.
#ifndef HOLDFAST_REPORT_PROGRESS_HPP
#define HOLDFAST_REPORT_PROGRESS_HPP

HOLDFAST_BEGIN

/// Counts what is done of how much. Any thread; one relaxed addition a step.
class Progress {
 public:
  /// How much there is to do; 0 where nobody knows. May grow.
  void expect(std::uint64_t total) noexcept { total_.store(total, std::memory_order_relaxed); }
  void add(std::uint64_t n = 1) noexcept { done_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t done() const noexcept {
    return done_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t total() const noexcept {
    return total_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> total_{0};
};

enum class TaskState : std::uint8_t {
  waiting,  ///< not yet begun
  running,
  done,
  failed,
  stopped,  ///< by a cancel, the deadline, or another task's failure
  hung,     ///< was told to stop and did not
};

/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(TaskState state) noexcept {
  switch (state) {
    case TaskState::waiting:
      return "waiting";
    case TaskState::running:
      return "running";
    case TaskState::done:
      return "done";
    case TaskState::failed:
      return "failed";
    case TaskState::stopped:
      return "stopped";
    case TaskState::hung:
      return "hung";
  }
  return "?";
}

/// How far one task is.
struct TaskProgress {
  std::string name;
  TaskState state = TaskState::waiting;
  std::uint64_t done = 0;
  std::uint64_t total = 0;  ///< 0: nobody knows
  std::string unit{};
  std::int64_t elapsed_ns = 0;  ///< since it began, until it ended
  std::int64_t silent_ns = 0;   ///< how long no step was seen

  /// Units a second since it began.
  [[nodiscard]] double rate() const noexcept {
    return elapsed_ns > 0 ? static_cast<double>(done) * 1e9 / static_cast<double>(elapsed_ns) : 0;
  }
  /// From 0 to 1, where the total is known. A task that is done is whole, whatever it counted.
  [[nodiscard]] std::optional<double> ratio() const noexcept {
    if (state == TaskState::done) return 1.0;
    if (total == 0) return {};
    return std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  }
  /// Time left at the rate so far, where it can be told.
  [[nodiscard]] std::optional<std::int64_t> eta_ns() const noexcept {
    if (state == TaskState::done || (total != 0 && done >= total)) return 0;
    if (total == 0 || done == 0 || elapsed_ns <= 0) return {};
    double const left = static_cast<double>(total - done) / rate() * 1e9;
    return left < 9e18 ? static_cast<std::int64_t>(left) : INT64_MAX;
  }
};

/// How far a run is.
struct RunProgress {
  bool running = false;
  int attempt = 0;  ///< the first is 1
  Generation generation{};
  std::string phase{};  ///< "stage", "tasks", "seal", "validate", "commit", "delay"
  std::int64_t elapsed_ns = 0;
  std::vector<TaskProgress> tasks{};
  unsigned threads = 0;                       ///< tasks that run just now
  std::uint64_t memory_bytes = 0;             ///< reserved by tasks
  std::uint64_t memory_budget_bytes = 0;      ///< 0: no limit
  std::optional<std::uint64_t> disk_bytes{};  ///< of the stage, where someone measures it

  /// The mean of the tasks; one whose total is not known counts as not begun until it is done.
  [[nodiscard]] double ratio() const noexcept {
    if (tasks.empty()) return 0;
    double sum = 0;
    for (auto const& task : tasks) sum += task.ratio().value_or(0);
    return sum / static_cast<double>(tasks.size());
  }
  /// Of the task that takes longest; nothing while one can't tell.
  [[nodiscard]] std::optional<std::int64_t> eta_ns() const noexcept {
    std::int64_t longest = 0;
    for (auto const& task : tasks) {
      auto const eta = task.eta_ns();
      if (!eta) return {};
      longest = std::max(longest, *eta);
    }
    return longest;
  }
  /// The shortest silence of a running task: how long the whole run has shown no sign of life.
  [[nodiscard]] std::int64_t silent_ns() const noexcept {
    std::optional<std::int64_t> least;
    for (auto const& task : tasks) {
      if (task.state != TaskState::running) continue;
      least = std::min(least.value_or(task.silent_ns), task.silent_ns);
    }
    return least.value_or(0);
  }
};

/// "keys: running, 1,200 of 5,000 rows, 24 %, 400 a second, 9.5 s left"
[[nodiscard]] inline std::string line(TaskProgress const& task) {
  auto text = printable(task.name) + ": " + std::string{name(task.state)};
  if (task.state == TaskState::waiting) return text;
  bool const counts = task.done != 0 || task.total != 0;
  if (counts) text += ", " + grouped(task.done);
  if (task.total != 0) text += " of " + grouped(task.total);
  if (counts && !task.unit.empty()) text += " " + printable(task.unit);
  if (task.total != 0) text += ", " + fixed(*task.ratio() * 100, 0) + " %";
  if (counts) text += ", " + fixed(task.rate(), 0) + " a second";
  if (task.state != TaskState::running) return text + ", took " + human_time(task.elapsed_ns);
  if (auto const eta = task.eta_ns()) text += ", " + human_time(*eta) + " left";
  return text;
}

/// A line for the run and one for each task, each with its line break.
[[nodiscard]] inline std::string lines(RunProgress const& run) {
  auto text = "generation " + std::to_string(run.generation.number) + ", attempt " +
              std::to_string(run.attempt) + ": " + run.phase + ", " + fixed(run.ratio() * 100, 0) +
              " % after " + human_time(run.elapsed_ns);
  if (auto const eta = run.eta_ns(); eta && run.phase == "tasks") {
    text += ", " + human_time(*eta) + " left";
  }
  text += '\n';
  for (auto const& task : run.tasks) text += "  " + line(task) + '\n';
  return text;
}

HOLDFAST_END

#endif

// ------------ holdfast/staged/housekeeping.hpp
// Names what staged operations take and answer besides generations: options, commit, collection,
// status.
#ifndef HOLDFAST_STAGED_HOUSEKEEPING_HPP
#define HOLDFAST_STAGED_HOUSEKEEPING_HPP

HOLDFAST_BEGIN

/// How a home is kept.
struct StagedOptions {
  /// Generations that stay revertible, the current one among them; at least 1, at most 48.
  std::size_t retain = 2;
  /// More than `retain` stay, up to 48, while they are younger than this. Milliseconds, by the wall
  /// clock.
  std::int64_t retain_for_ms = 0;
  /// `stage` answers `no_space`, before anything is made, unless so many times the bytes of the
  /// current generation's parts that are to be built again are free, for each file system they lie
  /// on. 0: don't look.
  double headroom = 0;
  /// Of disk that a build may take, of all parts that it builds: so many must be free before it is
  /// begun, and what goes beyond is `no_space`, from the writers where they can tell, else from
  /// `note`, `catch_up` and `seal`. 0: no limit.
  std::uint64_t build_bytes = 0;
  /// And as many bytes beside.
  std::uint64_t min_free_bytes = 0;
  /// Leave what a dead builder has noted for `resume`: opening and `recover` drop it otherwise.
  bool keep_interrupted = false;
  /// Give the current generation its outside names, where the store can.
  bool publish = true;
  /// How long a generation outlives its outside name, for foreign readers that are just opening it.
  /// Milliseconds.
  std::int64_t publish_grace_ms = 1000;
};

/// What a commit makes visible beside the generation.
struct CommitOptions {
  /// Progress values that become visible with the generation, and only with it.
  Marks marks{};
};

/// A commit that stands, whatever `housekeeping` says.
struct Committed {
  Generation generation;
  std::uint64_t sequence = 0;
  /// What could not be done after the switch (publish, drops); the next commit, `collect` or open
  /// goes on with it.
  std::optional<error> housekeeping{};
};

/// What a collection did.
struct Collected {
  std::vector<Generation> dropped;
  std::vector<Generation> waiting;  ///< pinned, in their grace, or failed to drop
  std::optional<error> failure{};   ///< the first drop that failed for another reason than a pin
};

/// Who has a generation open, so that it can't be dropped.
struct PinState {
  Generation generation;
  bool here = false;                ///< this object
  std::optional<bool> elsewhere{};  ///< others, in whatever process; nothing: it can't be told
};

/// What can be told of a home at one moment.
struct Status {
  std::optional<Manifest> manifest;  ///< nothing on a home that was never written
  std::optional<Holder> holder;      ///< who builds, if anyone does
  State state = State::none;         ///< of this object's own run
  std::optional<error> trouble;      ///< why the current generation can't be shown
  std::vector<Generation> foreign;   ///< generations that the record does not list; left alone
  /// Retained ones that have taken updates since their commit, so that their marks have moved on.
  std::vector<Generation> updated{};
  std::optional<Marks> shown{};  ///< marks of what this object shows, moved on by updates
  std::vector<PinState> pins{};  ///< of every generation that is retained or retires
};

namespace detail {
inline bool contains(std::vector<Generation> const& all, Generation g) noexcept {
  return std::find(all.begin(), all.end(), g) != all.end();
}
// A register without pins, or one whose pins may not be looked at, leaves a status a status.
template <class Source>
void add_pins(Source& source, Status& status) {
  auto const add = [&](Generation g) {
    PinState pin{.generation = g, .here = source.readers().is_open(g)};
    if constexpr (requires { source.reg().pinned_elsewhere(g); }) {
      auto const others = source.reg().pinned_elsewhere(g);
      if (others) pin.elsewhere = others.assume_value();
    }
    status.pins.push_back(pin);
  };
  if (!status.manifest) return;
  for (auto const& kept : status.manifest->retained) add(kept.generation);
  for (auto const& retiring : status.manifest->retiring) add(retiring.generation);
}
// A generation that can't be looked at leaves a status a status, too.
template <class Source>
void add_updated(Source& source, Status& status) {
  if (!status.manifest) return;
  for (auto const& kept : status.manifest->retained) {
    auto const updated = any_updated(source.store(), kept.parts);
    if (updated && updated.assume_value()) status.updated.push_back(kept.generation);
  }
}
/// Does what may fail without changing the outcome, and says how it went.
template <class Work>
[[nodiscard]] std::optional<error> housekeep(Work work) noexcept {
  HOLDFAST_MAY_THROW {
    return work();
  }
  HOLDFAST_CAUGHT {
    return error{errc::backend, "housekeeping", "an exception"};
  }
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/report/health.hpp
// Judges a home: up, down or unknown, with every reason.
#ifndef HOLDFAST_REPORT_HEALTH_HPP
#define HOLDFAST_REPORT_HEALTH_HPP

HOLDFAST_BEGIN

/// From which figures on a home is not well. 0: never.
struct HealthOptions {
  /// The mark that holds the time of the data, in seconds since 1970; empty: age is not judged.
  std::string age_mark{};
  std::int64_t max_age_ms = 86'400'000;
  /// No task of a running build made a step for so long.
  std::int64_t max_silent_ms = 600'000;
  /// A build holds the lock for so long.
  std::int64_t max_held_ms = 14'400'000;
  /// More generations than this wait to be deleted.
  std::size_t max_retiring = 8;
};

/// What is judged. What is not known is left out, and not judged.
struct HealthInput {
  result<Status> status = failure(errc::unknown, "status");  ///< as `status()` answered
  std::optional<RunProgress> run{};                          ///< of a build in this process
  std::optional<error> last_failure{};                       ///< of the last run, if it failed
  std::optional<error> housekeeping{};                       ///< of the last commit (`Committed`)
  std::int64_t wall_ns = 0;                                  ///< the wall clock
};

struct Health {
  enum class Verdict : std::uint8_t {
    up,       ///< readers get what they should; `reasons` may still tell what to look after
    down,     ///< readers get nothing, or nothing new for too long
    unknown,  ///< it can't be told
  };
  struct Reason {
    Verdict verdict;   ///< what it speaks for
    std::string what;  ///< a fixed word: "age", "silent", "held", "retiring", ...
    std::string text;  ///< for a person
  };
  Verdict verdict = Verdict::up;
  std::vector<Reason> reasons{};
  std::optional<double> ratio{};  ///< how far a build is, while one runs here
};

/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(Health::Verdict verdict) noexcept {
  switch (verdict) {
    case Health::Verdict::up:
      return "up";
    case Health::Verdict::down:
      return "down";
    case Health::Verdict::unknown:
      return "unknown";
  }
  return "?";
}

namespace detail {
class Judge {
 public:
  Judge(HealthInput const& input, HealthOptions const& options)
      : input_{input}, options_{options} {}

  [[nodiscard]] Health judge() && {
    if (!input_.status) {
      say(Verdict::unknown, "status", input_.status.error().text());
      return std::move(health_);
    }
    auto const& status = input_.status.assume_value();
    serving(status);
    age(status);
    building(status);
    housekeeping(status);
    if (input_.last_failure) {
      say(Verdict::up, "last_run", "the last run failed: " + input_.last_failure->text());
    }
    return std::move(health_);
  }

 private:
  using Verdict = Health::Verdict;

  // Down outweighs unknown, which outweighs up.
  void say(Verdict verdict, char const* what, std::string text) {
    bool const worse =
        verdict == Verdict::down || (verdict == Verdict::unknown && health_.verdict == Verdict::up);
    if (worse) health_.verdict = verdict;
    health_.reasons.push_back({verdict, what, std::move(text)});
  }
  [[nodiscard]] static bool over(std::int64_t ns, std::int64_t limit_ms) {
    return limit_ms != 0 && ns / 1'000'000 > limit_ms;
  }

  void serving(Status const& status) {
    if (status.trouble) say(Verdict::down, "trouble", status.trouble->text());
    if (!status.manifest || status.manifest->current.number == 0) {
      say(Verdict::unknown, "empty", "no generation has been committed yet");
    }
    if (status.state == State::failed) {
      say(Verdict::down, "failed", "a rollback failed; recover() puts it right");
    }
  }

  void age(Status const& status) {
    if (options_.age_mark.empty() || !status.manifest) return;
    auto const* const current = manifest::find(*status.manifest, status.manifest->current);
    if (current == nullptr) return;
    auto const mark = current->marks.find(options_.age_mark);
    if (mark == current->marks.end()) {
      return say(Verdict::unknown, "age", "there is no mark " + options_.age_mark);
    }
    constexpr std::uint64_t longest_s = INT64_MAX / 1'000'000'000;
    auto const of_data = static_cast<std::int64_t>(std::min(mark->second, longest_s));
    auto const ns = input_.wall_ns - of_data * 1'000'000'000;
    if (!over(ns, options_.max_age_ms)) return;
    say(Verdict::down, "age", "the current data is " + human_time(ns) + " old");
  }

  void building(Status const& status) {
    if (input_.run && input_.run->running) {
      health_.ratio = input_.run->ratio();
      auto const silent = input_.run->silent_ns();
      if (over(silent, options_.max_silent_ms)) {
        say(Verdict::down, "silent", "no task made a step for " + human_time(silent));
      }
    }
    if (status.holder && status.holder->acquired_at_ns != 0) {
      auto const held = input_.wall_ns - status.holder->acquired_at_ns;
      if (over(held, options_.max_held_ms)) {
        say(Verdict::down, "held",
            "process " + std::to_string(status.holder->owner.pid) + " on " +
                printable(status.holder->owner.host_name()) + " builds for " + human_time(held));
      }
    }
    if (!status.holder && status.manifest && status.manifest->attempt) {
      say(Verdict::up, "unattended",
          "generation " + std::to_string(status.manifest->attempt->generation.number) +
              " was begun and nobody builds it; the next build drops it");
    }
  }

  void housekeeping(Status const& status) {
    if (input_.housekeeping) {
      say(Verdict::up, "housekeeping", "left for later: " + input_.housekeeping->text());
    }
    auto const waiting = status.manifest ? status.manifest->retiring.size() : 0;
    if (options_.max_retiring != 0 && waiting > options_.max_retiring) {
      say(Verdict::up, "retiring",
          std::to_string(waiting) + " generations wait to be deleted; who holds them?");
    }
    if (!status.foreign.empty()) {
      say(Verdict::up, "foreign",
          std::to_string(status.foreign.size()) + " generations are not the record's; left alone");
    }
  }

  HealthInput const& input_;
  HealthOptions const& options_;
  Health health_{};
};
}  // namespace detail

/// Judges a home at one moment.
[[nodiscard]] inline Health health(HealthInput const& input, HealthOptions const& options = {}) {
  return detail::Judge{input, options}.judge();
}

/// One JSON object: {"status": "up", "ratio": ..., "reasons": [...]}.
[[nodiscard]] inline std::string to_json(Health const& health) {
  Json json;
  json.object([&] {
    json.field("status", name(health.verdict)).field("ratio", health.ratio);
    json.key("reasons").array([&] {
      for (auto const& reason : health.reasons) {
        json.object([&] {
          json.field("status", name(reason.verdict))
              .field("what", reason.what)
              .field("text", reason.text);
        });
      }
    });
  });
  return json.text();
}

/// "up", or "down: ...; ..." on one line.
[[nodiscard]] inline std::string to_text(Health const& health) {
  std::string text{name(health.verdict)};
  char const* between = ": ";
  for (auto const& reason : health.reasons) {
    text.append(std::exchange(between, "; ")).append(printable(reason.text));
  }
  return text;
}

HOLDFAST_END

#endif

// ------------ holdfast/report/json_status.hpp
// Writes a home's status and a run's progress as JSON, for a page or a tool.
#ifndef HOLDFAST_REPORT_JSON_STATUS_HPP
#define HOLDFAST_REPORT_JSON_STATUS_HPP

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] inline double seconds(std::int64_t ns) noexcept {
  return static_cast<double>(ns) / 1e9;
}
[[nodiscard]] inline std::optional<double> seconds(std::optional<std::int64_t> ns) noexcept {
  if (!ns) return {};
  return seconds(*ns);
}

inline void put_null(Json& json) {
  json.value(std::optional<bool>{});
}

inline void put(Json& json, error const& why) {
  json.object([&] {
    json.field("code", message(why.code()))
        .field("where", why.where())
        .field("detail", why.detail())
        .field("native", why.native())
        .field("text", why.text());
  });
}

inline void put(Json& json, std::string_view name, Marks const& marks) {
  json.key(name).object([&] {
    for (auto const& [mark, value] : marks) json.field(mark, value);
  });
}

inline void put(Json& json, std::string_view name, std::vector<Generation> const& all) {
  json.key(name).array([&] {
    for (auto const g : all) json.value(g.number);
  });
}

inline void put_fields(Json& json, TaskProgress const& task) {
  json.field("name", task.name)
      .field("state", name(task.state))
      .field("done", task.done)
      .field("total", task.total)
      .field("unit", task.unit)
      .field("ratio", task.ratio())
      .field("per_second", task.rate())
      .field("seconds", seconds(task.elapsed_ns))
      .field("seconds_left", seconds(task.eta_ns()))
      .field("seconds_silent", seconds(task.silent_ns));
}

inline void put_fields(Json& json, RunProgress const& run) {
  json.field("running", run.running)
      .field("attempt", run.attempt)
      .field("generation", run.generation.number)
      .field("phase", run.phase)
      .field("ratio", run.ratio())
      .field("seconds", seconds(run.elapsed_ns))
      .field("seconds_left", seconds(run.eta_ns()))
      .field("threads", run.threads)
      .field("memory_bytes", run.memory_bytes)
      .field("memory_budget_bytes", run.memory_budget_bytes)
      .field("disk_bytes", run.disk_bytes);
  json.key("tasks").array([&] {
    for (auto const& task : run.tasks) json.object([&] { put_fields(json, task); });
  });
}

// Who builds: by the lock, and since when by its wall clock; what the record says of the attempt.
inline void put_attempt(Json& json, Status const& status, std::int64_t wall_ns) {
  auto const& recorded = status.manifest ? status.manifest->attempt : std::nullopt;
  json.key("holder");
  if (status.holder) {
    auto const& holder = *status.holder;
    json.object([&] {
      json.field("host", holder.owner.host_name())
          .field("pid", holder.owner.pid)
          .field("token", holder.token.number);
      bool const known = holder.acquired_at_ns != 0;
      json.field("seconds_held",
                 known ? std::optional{seconds(wall_ns - holder.acquired_at_ns)} : std::nullopt);
    });
  } else {
    put_null(json);
  }
  json.key("attempt");
  if (!recorded) return put_null(json);
  json.object([&] {
    json.field("generation", recorded->generation.number)
        .field("token", recorded->token.number)
        .field("host", recorded->owner.host_name())
        .field("pid", recorded->owner.pid)
        .field("unattended", !status.holder);
  });
}

inline void put_manifest(Json& json, Status const& status) {
  auto const& m = *status.manifest;
  json.field("current", m.current.number)
      .field("sequence", m.sequence)
      .field("next", m.next)
      .field("fence", m.fence.number);
  json.key("parts").array([&] {
    for (auto const& part : m.part_names) json.value(std::string_view{part});
  });
  auto const* const current = manifest::find(m, m.current);
  put(json, "marks", current != nullptr ? current->marks : Marks{});
  put(json, "shown_marks", status.shown.value_or(Marks{}));
  json.key("retained").array([&] {
    for (auto const& kept : m.retained) {
      json.object([&] {
        json.field("generation", kept.generation.number).field("sequence", kept.sequence);
        put(json, "marks", kept.marks);
        put(json, "parts", kept.parts);
        json.field("updated", contains(status.updated, kept.generation));
      });
    }
  });
}

inline void put_retiring(Json& json, Manifest const& m, std::int64_t wall_ns) {
  json.key("retiring").array([&] {
    for (auto const& retiring : m.retiring) {
      json.object([&] {
        json.field("generation", retiring.generation.number)
            .field("seconds", seconds(wall_ns) - static_cast<double>(retiring.since_ms) / 1e3);
      });
    }
  });
}
inline void put_pins(Json& json, Status const& status) {
  json.key("pins").array([&] {
    for (auto const& pin : status.pins) {
      if (!pin.here && pin.elsewhere == false) continue;
      json.object([&] {
        json.field("generation", pin.generation.number)
            .field("here", pin.here)
            .field("elsewhere", pin.elsewhere);
      });
    }
  });
}
}  // namespace detail

/// A run's progress as one JSON object.
[[nodiscard]] inline std::string to_json(RunProgress const& run) {
  Json json;
  json.object([&] { detail::put_fields(json, run); });
  return json.text();
}

/// A home as one JSON object: what is current, its marks, who builds, what is kept, what waits to
/// be deleted and for how long, who has what open, what is not the home's, what troubles it.
/// `wall_ns` is the wall clock; `run` is what this process does to the home, if anything.
[[nodiscard]] inline std::string to_json(Status const& status,
                                         std::int64_t wall_ns,
                                         std::optional<RunProgress> const& run = {}) {
  Json json;
  json.object([&] {
    json.field("committed", status.manifest && status.manifest->current.number != 0)
        .field("state", name(status.state));
    if (status.manifest) {
      detail::put_manifest(json, status);
      detail::put_retiring(json, *status.manifest, wall_ns);
    }
    detail::put_attempt(json, status, wall_ns);
    detail::put(json, "foreign", status.foreign);
    detail::put_pins(json, status);
    json.key("trouble");
    status.trouble ? detail::put(json, *status.trouble) : detail::put_null(json);
    json.key("run");
    run ? static_cast<void>(json.object([&] { detail::put_fields(json, *run); }))
        : detail::put_null(json);
  });
  return json.text();
}

HOLDFAST_END

#endif

// ------------ holdfast/report/prometheus.hpp
// Writes Prometheus' text format: one HELP and one TYPE line a family, then its samples.
#ifndef HOLDFAST_REPORT_PROMETHEUS_HPP
#define HOLDFAST_REPORT_PROMETHEUS_HPP

#include <initializer_list>

HOLDFAST_BEGIN

/// Collects families of metrics into one text. A family is opened once, and its samples follow it.
class Prometheus {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// Labels that every sample gets; names as Prometheus allows them, values any bytes.
  explicit Prometheus(Labels common = {}) { common_ = written(common); }

  /// Opens a family. `type` is "counter", "gauge" or "histogram".
  Prometheus& family(std::string_view name, std::string_view type, std::string_view help) {
    family_ = name;
    text_.append("# HELP ").append(name).append(" ");
    escape(text_, help, false);
    text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
    return *this;
  }
  Prometheus& sample(double value, Labels labels = {}) { return sample("", value, labels); }
  /// `suffix` is of the family's name: "_bucket", "_sum", "_count".
  Prometheus& sample(std::string_view suffix, double value, Labels labels = {}) {
    text_.append(family_).append(suffix);
    auto own = written(labels);
    if (!common_.empty() && !own.empty()) own += ',';
    own += common_;
    if (!own.empty()) text_.append("{").append(own).append("}");
    text_.append(" ").append(number(value)).append("\n");
    return *this;
  }
  /// The exposition, of content type "text/plain; version=0.0.4".
  [[nodiscard]] std::string const& text() const noexcept { return text_; }

  /// The shortest text that gives the number back.
  [[nodiscard]] static std::string number(double value) {
    if (value != value) return "NaN";
    if (value - value != 0) return value > 0 ? "+Inf" : "-Inf";
    std::array<char, 32> buffer{};
    auto const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    return {buffer.data(), end.ptr};
  }

 private:
  [[nodiscard]] static std::string written(Labels labels) {
    std::string text;
    for (auto const& [name, value] : labels) {
      if (!text.empty()) text += ',';
      text.append(name).append("=\"");
      escape(text, value, true);
      text += '"';
    }
    return text;
  }
  // The format is UTF-8 and has no word for other bytes: each becomes U+FFFD.
  static void escape(std::string& to, std::string_view text, bool quotes) {
    while (!text.empty()) {
      auto const size = utf8_length(text);
      if (size == 0) {
        to += "\xef\xbf\xbd";
      } else if (text.front() == '\\') {
        to += "\\\\";
      } else if (text.front() == '\n') {
        to += "\\n";
      } else if (quotes && text.front() == '"') {
        to += "\\\"";
      } else {
        to.append(text.substr(0, size));
      }
      text.remove_prefix(size == 0 ? 1 : size);
    }
  }

  std::string common_;
  std::string family_;
  std::string text_;
};

HOLDFAST_END

#endif

// ------------ holdfast/report/metrics.hpp
// Counts what an observer hears, and writes it with a home's status and a run's progress as
// metrics.
//
// Counters and histograms come from events, gauges from what is asked for at the time of the scrape
// (`status()`), so that none of them can go stale.
#ifndef HOLDFAST_REPORT_METRICS_HPP
#define HOLDFAST_REPORT_METRICS_HPP

#include <limits>

HOLDFAST_BEGIN

/// Only grows. Thread-safe.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { count_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t count() const noexcept {
    return count_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> count_{0};
};

/// Counts durations by fixed upper bounds. Thread-safe, without locks.
class Histogram {
 public:
  static constexpr std::size_t size = 12;
  /// Upper bounds in seconds, ascending; what is longer than the last counts in a bucket of its
  /// own.
  using Bounds = std::array<double, size>;
  explicit Histogram(Bounds const& bounds) noexcept : bounds_{bounds} {}

  void observe(std::int64_t ns) noexcept {
    std::size_t i = 0;
    while (i<size&& static_cast<double>(ns)> bounds_[i] * 1e9) ++i;
    counts_[i].add();
    sum_ns_.add(ns > 0 ? static_cast<std::uint64_t>(ns) : 0);
  }
  /// Its samples, in the family that is open.
  void put(Prometheus& out, Prometheus::Labels labels = {}) const {
    std::uint64_t below = 0;
    for (std::size_t i = 0; i <= size; ++i) {
      below += counts_[i].count();
      auto const bound = Prometheus::number(i < size ? bounds_[i] : endless);
      put_bucket(out, labels, bound, static_cast<double>(below));
    }
    out.sample("_sum", static_cast<double>(sum_ns_.count()) / 1e9, labels);
    out.sample("_count", static_cast<double>(below), labels);
  }

 private:
  static constexpr double endless = std::numeric_limits<double>::infinity();
  static void put_bucket(Prometheus& out,
                         Prometheus::Labels labels,
                         std::string_view bound,
                         double count) {
    if (labels.size() == 0) {
      out.sample("_bucket", count, {{"le", bound}});
    } else {
      out.sample("_bucket", count, {*labels.begin(), {"le", bound}});
    }
  }

  Bounds bounds_;
  std::array<Counter, size + 1> counts_{};
  Counter sum_ns_{};
};

/// What happened in one home, as this process heard it. Thread-safe; hearing takes no lock but for
/// events of tasks.
class Metrics {
 public:
  Metrics() = default;
  Metrics(Metrics const&) = delete;
  Metrics& operator=(Metrics const&) = delete;

  /// For `observed`; this object must outlive the world that it goes into.
  [[nodiscard]] auto observer() noexcept {
    return [this](Event const& event) noexcept { hear(event); };
  }

  void hear(Event const& event) noexcept {
    using Kind = Event::Kind;
    bool const failed = event.cause != nullptr;
    switch (event.kind) {
      case Kind::transition:
        return transition(event);
      case Kind::recovered:
        return recoveries_.add();
      case Kind::switched:
        return switched(event);
      case Kind::dropped:
        return dropped_.add();
      case Kind::drop_failed:
        return (failed && event.cause->code() == errc::pinned ? drops_postponed_ : drop_failures_)
            .add();
      case Kind::published:
        return published_.add();
      case Kind::publish_failed:
        return publish_failures_.add();
      case Kind::lock_failed:
        return lock_failures_.add();
      case Kind::foreign:
        return;  // a state, not an event: told by the status
      case Kind::task_started:
      case Kind::task_finished:
        return task(event);
      case Kind::hook_failed:
        return hook_failures_.add();
      case Kind::retrying:
        return retries_.add();
      case Kind::segment:
        return log_steps_[static_cast<std::size_t>(event.segment.kind)].add();
    }
  }

  /// Every family that comes from events.
  void put(Prometheus& out) const {
    put_runs(out);
    put_housekeeping(out);
    put_tasks(out);
    put_logs(out);
  }

 private:
  struct Task {
    std::int64_t started_ns = 0;
    Counter failures{};
    Histogram duration{long_bounds};
  };
  // From tenths of a second to the two hours after which a run is ended.
  static constexpr Histogram::Bounds long_bounds{0.1, 0.5, 1,    5,    15,   60,
                                                 300, 900, 1800, 3600, 7200, 14'400};
  static constexpr Histogram::Bounds short_bounds{1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3,
                                                  1e-2, 5e-2, 0.1,  0.5,  1,    5};

  void transition(Event const& event) noexcept {
    state_.store(event.to, std::memory_order_relaxed);
    if (event.to == State::initializing) {
      started_.add();
      began_ns_.store(event.at_ns, std::memory_order_relaxed);
    } else if (event.to == State::committing) {
      committing_ns_.store(event.at_ns, std::memory_order_relaxed);
    } else if (event.to == State::committed) {
      successful_.add();
      stage_.observe(event.at_ns - began_ns_.load(std::memory_order_relaxed));
    } else if (event.from == State::rolling_back) {
      unsuccessful_.add();
      if (event.to == State::failed) rollback_failures_.add();
      stage_.observe(event.at_ns - began_ns_.load(std::memory_order_relaxed));
    }
  }

  // Reverts and refreshes switch too, but time nothing.
  void switched(Event const& event) noexcept {
    switches_.add();
    auto const from = committing_ns_.exchange(0, std::memory_order_relaxed);
    bool const by_commit = state_.load(std::memory_order_relaxed) == State::committing;
    if (by_commit && from != 0) switch_.observe(event.at_ns - from);
  }

  void task(Event const& event) noexcept {
    HOLDFAST_MAY_THROW {
      std::lock_guard const guard{mutex_};
      auto found = tasks_.find(event.task);
      if (found == tasks_.end()) found = tasks_.try_emplace(std::string{event.task}).first;
      auto& task = found->second;
      if (event.kind == Event::Kind::task_started) {
        task.started_ns = event.at_ns;
        return;
      }
      task.duration.observe(event.at_ns - task.started_ns);
      if (event.cause != nullptr) task.failures.add();
    }
    HOLDFAST_CAUGHT {  // no memory: an observer must not throw, and the count says it is short
      lost_.add();
    }
  }

  static void put(Prometheus& out, char const* name, char const* help, Counter const& counter) {
    out.family(name, "counter", help).sample(static_cast<double>(counter.count()));
  }

  void put_runs(Prometheus& out) const {
    put(out, "holdfast_stage_operations_total", "Builds begun.", started_);
    put(out, "holdfast_stage_operations_successful_total", "Builds committed.", successful_);
    put(out, "holdfast_stage_operations_failures_total",
        "Builds rolled back: failed, refused or discarded.", unsuccessful_);
    put(out, "holdfast_stage_rollback_failures_total",
        "Rollbacks that failed and wait for recover().", rollback_failures_);
    put(out, "holdfast_stage_retries_total", "Whole runs tried again.", retries_);
    put(out, "holdfast_switches_total", "Generations shown: commits, reverts, refreshes.",
        switches_);
    out.family("holdfast_stage_duration_seconds", "histogram", "From stage to commit or rollback.");
    stage_.put(out);
    out.family("holdfast_switch_duration_seconds", "histogram",
               "From the begin of the commit until readers get the generation.");
    switch_.put(out);
    out.family("holdfast_stage_state", "gauge", "1 for the state that the builder is in.");
    auto const now = state_.load(std::memory_order_relaxed);
    for (int i = 0; i <= static_cast<int>(State::failed); ++i) {
      auto const state = static_cast<State>(i);
      out.sample(state == now ? 1 : 0, {{"state", name(state)}});
    }
  }

  void put_housekeeping(Prometheus& out) const {
    put(out, "holdfast_recoveries_total", "Attempts dropped that a crash had left.", recoveries_);
    put(out, "holdfast_drops_total", "Generations deleted.", dropped_);
    put(out, "holdfast_drops_postponed_total", "Deletions that wait for a reader.",
        drops_postponed_);
    put(out, "holdfast_drop_failures_total", "Deletions that failed.", drop_failures_);
    put(out, "holdfast_publishes_total", "Generations given their outside names.", published_);
    put(out, "holdfast_publish_failures_total", "Outside names that could not be given.",
        publish_failures_);
    put(out, "holdfast_lock_release_failures_total", "Locks that could not be let go.",
        lock_failures_);
    put(out, "holdfast_hook_failures_total", "Hooks of tasks or runs that failed.", hook_failures_);
    put(out, "holdfast_events_lost_total", "Events not counted for want of memory.", lost_);
  }

  void put_tasks(Prometheus& out) const {
    std::lock_guard const guard{mutex_};
    if (tasks_.empty()) return;
    out.family("holdfast_task_failures_total", "counter", "Tasks that failed or were stopped.");
    for (auto const& [name, task] : tasks_) {
      out.sample(static_cast<double>(task.failures.count()), {{"task", name}});
    }
    out.family("holdfast_task_duration_seconds", "histogram",
               "From the begin of a task to its end.");
    for (auto const& [name, task] : tasks_) task.duration.put(out, {{"task", name}});
  }

  void put_logs(Prometheus& out) const {
    out.family("holdfast_log_steps_total", "counter",
               "What was seen of segments, or done to them.");
    for (std::size_t i = 1; i < log_steps_.size(); ++i) {
      auto const step = name(static_cast<SegmentStep::Kind>(i));
      out.sample(static_cast<double>(log_steps_[i].count()), {{"step", step}});
    }
  }

  std::atomic<State> state_{State::none};
  std::atomic<std::int64_t> began_ns_{0};
  std::atomic<std::int64_t> committing_ns_{0};
  Counter started_, successful_, unsuccessful_, rollback_failures_, retries_, switches_;
  Counter recoveries_, dropped_, drops_postponed_, drop_failures_, published_, publish_failures_;
  Counter lock_failures_, hook_failures_, lost_;
  std::array<Counter, static_cast<std::size_t>(SegmentStep::Kind::mended) + 1> log_steps_{};
  Histogram stage_{long_bounds};
  Histogram switch_{short_bounds};
  mutable std::mutex mutex_;
  std::map<std::string, Task, std::less<>> tasks_;
};

namespace detail {
inline void put_gauge(Prometheus& out, char const* name, char const* help, double value) {
  out.family(name, "gauge", help).sample(value);
}
}  // namespace detail

/// The gauges of a run, as `Reprocess::status` gives it.
inline void put(Prometheus& out, RunProgress const& run) {
  using detail::put_gauge;
  put_gauge(out, "holdfast_stage_running", "1 while a run is under way.", run.running);
  put_gauge(out, "holdfast_stage_attempt", "Number of the run's attempt.", run.attempt);
  put_gauge(out, "holdfast_stage_progress_ratio", "Done part of the run.", run.ratio());
  put_gauge(out, "holdfast_stage_threads", "Tasks that run.", run.threads);
  put_gauge(out, "holdfast_stage_memory_bytes", "Memory reserved by tasks.",
            static_cast<double>(run.memory_bytes));
  put_gauge(out, "holdfast_stage_memory_budget_bytes", "Memory that tasks may reserve.",
            static_cast<double>(run.memory_budget_bytes));
  if (run.disk_bytes) {
    put_gauge(out, "holdfast_stage_disk_bytes", "Disk that the stage takes.",
              static_cast<double>(*run.disk_bytes));
  }
  if (run.tasks.empty()) return;
  out.family("holdfast_task_progress_ratio", "gauge", "Done part of a task, where it is known.");
  for (auto const& task : run.tasks) {
    if (auto const ratio = task.ratio()) out.sample(*ratio, {{"task", task.name}});
  }
  out.family("holdfast_task_items", "gauge", "Steps that a task has done.");
  for (auto const& task : run.tasks) {
    out.sample(static_cast<double>(task.done), {{"task", task.name}, {"unit", task.unit}});
  }
  out.family("holdfast_task_silent_seconds", "gauge", "How long a task has made no step.");
  for (auto const& task : run.tasks) {
    out.sample(static_cast<double>(task.silent_ns) / 1e9, {{"task", task.name}});
  }
}

/// The gauges of a home, as `status()` gives it.
inline void put(Prometheus& out, Status const& status) {
  using detail::put_gauge;
  auto const& m = status.manifest;
  auto const size = [](auto const& all) { return static_cast<double>(all.size()); };
  put_gauge(out, "holdfast_current_generation", "What readers get; 0: nothing yet.",
            m ? static_cast<double>(m->current.number) : 0);
  put_gauge(out, "holdfast_retained_generations", "Generations that can be reverted to.",
            m ? size(m->retained) : 0);
  put_gauge(out, "holdfast_retiring_generations", "Generations that wait to be deleted.",
            m ? size(m->retiring) : 0);
  put_gauge(out, "holdfast_foreign_generations", "Generations that are not the record's.",
            size(status.foreign));
  auto const pinned = [&](auto const& by) {
    return static_cast<double>(std::count_if(status.pins.begin(), status.pins.end(), by));
  };
  out.family("holdfast_pinned_generations", "gauge", "Generations that someone has open.")
      .sample(pinned([](PinState const& pin) { return pin.here; }), {{"by", "this object"}})
      .sample(pinned([](PinState const& pin) { return pin.elsewhere == true; }),
              {{"by", "others"}});
  put_gauge(out, "holdfast_trouble", "1 if the current generation can't be shown.",
            status.trouble.has_value());
  put_gauge(out, "holdfast_lock_held", "1 while someone builds, in whatever process.",
            status.holder.has_value());
  put_gauge(out, "holdfast_attempt_recorded", "1 if the record has an attempt.",
            m && m->attempt.has_value());
  auto const* const current = m ? detail::manifest::find(*m, m->current) : nullptr;
  if (current == nullptr || current->marks.empty()) return;
  out.family("holdfast_mark", "gauge", "A mark of the current generation.");
  for (auto const& [mark, value] : current->marks) {
    out.sample(static_cast<double>(value), {{"mark", mark}});
  }
}

HOLDFAST_END

#endif

// ------------ holdfast/report/observer.hpp
// Lets a function hear every event of a world: the one place where logging and metrics come in.
#ifndef HOLDFAST_REPORT_OBSERVER_HPP
#define HOLDFAST_REPORT_OBSERVER_HPP

HOLDFAST_BEGIN

/// A world that tells `Hear` every event, and is `W` in all else. `Hear` must not throw, nor call
/// back into what tells it (which holds its lock): take what is needed from the event, which lives
/// for the call only. Any thread may call it.
template <world W, class Hear>
class Observed {
 public:
  Observed(W inner, Hear hear) : inner_{std::move(inner)}, hear_{std::move(hear)} {}

  [[nodiscard]] std::int64_t wall_ns() const noexcept { return inner_.wall_ns(); }
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return inner_.steady_ns(); }
  void wait_until(std::int64_t steady_ns) const noexcept { inner_.wait_until(steady_ns); }
  [[nodiscard]] std::uint64_t random64() const noexcept { return inner_.random64(); }
  [[nodiscard]] Owner self() const noexcept { return inner_.self(); }
  void on(Event const& event) const noexcept {
    inner_.on(event);
    hear_(event);
  }

 private:
  W inner_;
  Hear hear_;
};

/// `observed(hear)` is the real world with an observer: pass it as the world of `open_staged`.
template <std::invocable<Event const&> Hear, world W = Native>
[[nodiscard]] Observed<W, Hear> observed(Hear hear, W inner = {}) {
  return {std::move(inner), std::move(hear)};
}

HOLDFAST_END

#endif

// ------------ holdfast/reprocess/budget.hpp
// Keeps one account of the memory that all tasks of a run take: reserved before it is used.
#ifndef HOLDFAST_REPROCESS_BUDGET_HPP
#define HOLDFAST_REPROCESS_BUDGET_HPP

HOLDFAST_BEGIN

namespace detail {
// The number after `name` in the text of a kernel file; 0 if there is none.
[[nodiscard]] inline std::uint64_t number_after(std::string_view text, std::string_view name) {
  auto const at = text.find(name);
  if (at == text.npos) return 0;
  return std::strtoull(std::string{text.substr(at + name.size(), 32)}.c_str(), nullptr, 10);
}

[[nodiscard]] inline std::string kernel_text(char const* path) {
  std::string text(4096, '\0');
  text.resize(read_kernel_file(path, text.data(), text.size()));
  return text;
}

/// What this process may still take: of the machine, and of its control group where that has a
/// limit. 0 where the kernel does not tell.
[[nodiscard]] inline std::uint64_t available_memory() {
  auto const free = number_after(kernel_text("/proc/meminfo"), "MemAvailable:") * 1024;
  auto const limit = number_after(kernel_text("/sys/fs/cgroup/memory.max"), "");
  auto const used = number_after(kernel_text("/sys/fs/cgroup/memory.current"), "");
  if (limit == 0) return free;
  auto const left = limit > used ? limit - used : 0;
  return free == 0 ? left : std::min(free, left);
}

/// The account. Thread-safe.
struct Account {
  std::uint64_t limit = 0;  // 0: none
  std::atomic<std::uint64_t> used{0};
};
}  // namespace detail

/// Memory that a task has reserved; given back when this ends.
class [[nodiscard]] Reservation {
 public:
  Reservation(std::shared_ptr<detail::Account> account, std::uint64_t size) noexcept
      : account_{std::move(account)}, size_{size} {}
  Reservation(Reservation&& other) noexcept
      : account_{std::move(other.account_)}, size_{std::exchange(other.size_, 0)} {}
  Reservation& operator=(Reservation&& other) noexcept {
    std::swap(account_, other.account_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Reservation() {
    if (account_) account_->used.fetch_sub(size_, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  std::shared_ptr<detail::Account> account_;
  std::uint64_t size_;
};

namespace detail {
[[nodiscard]] inline result<Reservation> reserve(std::shared_ptr<Account> const& account,
                                                 std::uint64_t size) {
  auto used = account->used.load(std::memory_order_relaxed);
  do {
    auto const limit = account->limit == 0 ? UINT64_MAX : account->limit;
    if (size > limit - std::min(used, limit)) {
      return failure(errc::no_memory, "reserve",
                     std::to_string(size) + " bytes, " + std::to_string(used) +
                         " of the budget of " + std::to_string(limit) + " are taken");
    }
  } while (!account->used.compare_exchange_weak(used, used + size, std::memory_order_relaxed));
  return Reservation{account, size};
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/reprocess/report.hpp
// Keeps what became of a run: every attempt, every task, every error; as values, text and JSON.
#ifndef HOLDFAST_REPROCESS_REPORT_HPP
#define HOLDFAST_REPROCESS_REPORT_HPP

HOLDFAST_BEGIN

/// What became of one task in one attempt.
struct TaskReport {
  TaskProgress progress;               ///< its name, state and figures at its end
  std::optional<error> cause{};        ///< why it failed, or was stopped
  std::vector<error> hook_failures{};  ///< of its own hooks; they change nothing
};

/// What became of one attempt.
struct AttemptReport {
  int number = 1;
  Generation generation{};
  std::string phase{};  ///< the last that it came to
  std::int64_t took_ns = 0;
  std::optional<error> cause{};  ///< nothing: it was committed
  std::string task{};            ///< whose error it is; empty: no task's
  std::vector<TaskReport> tasks{};
};

/// What became of a run.
struct ReprocessReport {
  std::optional<Committed> committed{};  ///< nothing: readers see what they saw before
  Marks marks{};                         ///< as committed
  std::vector<AttemptReport> attempts{};
  std::vector<error> hook_failures{};  ///< of the hooks of the whole run
  std::optional<error> incomplete{};   ///< why something is missing here; what is said stands
  std::int64_t took_ns = 0;
};

namespace detail {
inline void add_line(std::string& to, std::string const& indent, std::string const& text) {
  to.append(indent).append(text).append("\n");
}
inline void add_hooks(std::string& to, std::string const& indent, std::vector<error> const& all) {
  for (auto const& why : all) add_line(to, indent, "a hook failed: " + printable(why.text()));
}
}  // namespace detail

/// For a person: a line for the run, one for each attempt, one for each task, each with its errors.
[[nodiscard]] inline std::string to_text(ReprocessReport const& report) {
  std::string out;
  detail::add_line(
      out, "",
      (report.committed
           ? "generation " + std::to_string(report.committed->generation.number) + " is current"
           : std::string{"nothing was committed"}) +
          ", after " + std::to_string(report.attempts.size()) +
          (report.attempts.size() == 1 ? " attempt in " : " attempts in ") +
          human_time(report.took_ns));
  if (report.committed && report.committed->housekeeping) {
    detail::add_line(out, "  ",
                     "left for later: " + printable(report.committed->housekeeping->text()));
  }
  for (auto const& attempt : report.attempts) {
    detail::add_line(out, "  ",
                     "attempt " + std::to_string(attempt.number) + ", generation " +
                         std::to_string(attempt.generation.number) + ": " +
                         (attempt.cause ? "failed in " + attempt.phase : std::string{"committed"}) +
                         " after " + human_time(attempt.took_ns));
    if (attempt.cause) detail::add_line(out, "    ", printable(attempt.cause->text()));
    for (auto const& task : attempt.tasks) {
      detail::add_line(out, "    ", line(task.progress));
      if (task.cause) detail::add_line(out, "      ", printable(task.cause->text()));
      detail::add_hooks(out, "      ", task.hook_failures);
    }
  }
  detail::add_hooks(out, "  ", report.hook_failures);
  if (report.incomplete) {
    detail::add_line(out, "  ",
                     "this report is incomplete: " + printable(report.incomplete->text()));
  }
  return out;
}

namespace detail {
inline void put_errors(Json& json, std::string_view name, std::vector<error> const& all) {
  json.key(name).array([&] {
    for (auto const& why : all) put(json, why);
  });
}
inline void put_cause(Json& json, std::optional<error> const& why) {
  json.key("error");
  why ? put(json, *why) : put_null(json);
}
inline void put(Json& json, AttemptReport const& attempt) {
  json.object([&] {
    json.field("number", attempt.number)
        .field("generation", attempt.generation.number)
        .field("phase", attempt.phase)
        .field("seconds", seconds(attempt.took_ns))
        .field("task", attempt.task);
    put_cause(json, attempt.cause);
    json.key("tasks").array([&] {
      for (auto const& task : attempt.tasks) {
        json.object([&] {
          put_fields(json, task.progress);
          put_cause(json, task.cause);
          put_errors(json, "hook_failures", task.hook_failures);
        });
      }
    });
  });
}
}  // namespace detail

/// The whole report as one JSON object.
[[nodiscard]] inline std::string to_json(ReprocessReport const& report) {
  Json json;
  json.object([&] {
    json.field("committed", report.committed.has_value());
    if (report.committed) {
      json.field("generation", report.committed->generation.number)
          .field("sequence", report.committed->sequence);
      json.key("housekeeping");
      auto const& left = report.committed->housekeeping;
      left ? detail::put(json, *left) : detail::put_null(json);
    }
    detail::put(json, "marks", report.marks);
    json.field("seconds", detail::seconds(report.took_ns));
    json.key("attempts").array([&] {
      for (auto const& attempt : report.attempts) detail::put(json, attempt);
    });
    detail::put_errors(json, "hook_failures", report.hook_failures);
    json.key("incomplete");
    report.incomplete ? detail::put(json, *report.incomplete) : detail::put_null(json);
  });
  return json.text();
}

HOLDFAST_END

#endif

// ------------ holdfast/reprocess/crew.hpp
// Keeps what the tasks of one attempt share, and waits for them to end or to be given up.
//
// A task that does not stop when told can't be ended from outside. It is given up: the run answers,
// the attempt stays whole in memory, and whoever ends last of those given up discards the stage.
#ifndef HOLDFAST_REPROCESS_CREW_HPP
#define HOLDFAST_REPROCESS_CREW_HPP

#include <chrono>

HOLDFAST_BEGIN

namespace detail {
/// Why tasks have to stop.
enum class Stop : std::uint8_t { none, cancel, deadline, another_failed };

/// One task of an attempt. Guarded by the crew's mutex, but for `progress`, and for `marks` and
/// `hook_failures` while the task runs: they are its thread's then.
struct TaskSlot {
  TaskSlot(std::string name_, std::string unit_) : name{std::move(name_)}, unit{std::move(unit_)} {}
  std::string name;
  std::string unit;
  Progress progress{};
  TaskState state = TaskState::waiting;
  std::int64_t started_ns = 0;
  std::int64_t ended_ns = 0;
  std::uint64_t seen = 0;    // the progress at the last look that found it grown
  std::int64_t seen_ns = 0;  // when that was
  std::optional<error> cause{};
  Marks marks{};
  std::vector<error> hook_failures{};
};

class Crew {
 public:
  int number = 1;
  Generation generation{};
  std::int64_t started_ns = 0;
  std::int64_t deadline_ns = INT64_MAX;
  double batch_size_multiplier = 1;
  std::function<std::int64_t()> now{};  // steady clock
  std::shared_ptr<Account> account = std::make_shared<Account>();
  std::vector<std::unique_ptr<TaskSlot>> slots{};
  std::thread::id caller = std::this_thread::get_id();  // who waits for the tasks
  std::stop_source source{};
  std::mutex mutex{};
  std::condition_variable changed{};
  std::size_t running = 0;  // posted and not ended
  bool given_up = false;

  // The first reason stays. Callbacks that tasks have registered run in this thread.
  void stop(Stop why) {
    auto none = Stop::none;
    reason_.compare_exchange_strong(none, why);
    source.request_stop();
    std::lock_guard const guard{mutex};  // whoever waits has either seen it or is told
    changed.notify_all();
  }
  [[nodiscard]] Stop stopped() const noexcept { return reason_.load(); }

  [[nodiscard]] result<void> check() const {
    switch (reason_.load(std::memory_order_relaxed)) {
      case Stop::none:
        return ok();
      case Stop::cancel:
        return failure(errc::cancelled, "task");
      case Stop::deadline:
        return failure(errc::timed_out, "task");
      case Stop::another_failed:
        return failure(errc::cancelled, "task", "another task failed");
    }
    return ok();
  }

  // False: it has to stop before it began.
  [[nodiscard]] bool begin(TaskSlot& slot) {
    std::lock_guard const guard{mutex};
    slot.started_ns = slot.seen_ns = now();
    slot.state = TaskState::running;
    return stopped() == Stop::none;
  }

  // What became of a task. An error that only passes on the word to stop is no failure of its own.
  void settle(TaskSlot& slot, result<void> const& done) {
    std::lock_guard const guard{mutex};
    slot.ended_ns = now();
    if (slot.started_ns == 0) slot.started_ns = slot.ended_ns;
    if (done) {
      slot.state = TaskState::done;
      return;
    }
    slot.cause = done.error();
    auto const told = check();
    bool const obeyed = !told && told.error().code() == slot.cause->code();
    slot.state = obeyed ? TaskState::stopped : TaskState::failed;
  }

  // Waits until no task runs. False: some were told to stop, did not within the grace, and are
  // given up. `tick(now)` gives the time at which it wants to be called next.
  template <class Tick>
  [[nodiscard]] bool wait(std::int64_t grace_ns, Tick tick) {
    auto give_up_ns = INT64_MAX;
    for (auto due = tick(now());; due = tick(now())) {
      std::unique_lock lock{mutex};
      auto at = now();
      while (running != 0 && at < due) {
        if (stopped() == Stop::none && at >= deadline_ns) {
          lock.unlock();
          stop(Stop::deadline);
          lock.lock();
          continue;
        }
        bool const told = stopped() != Stop::none;
        if (told && give_up_ns == INT64_MAX) give_up_ns = at + grace_ns;
        if (at >= give_up_ns) return give_up();
        auto const next = std::min({due, told ? INT64_MAX : deadline_ns, give_up_ns});
        // Not for ever: the world's clock may run otherwise than the one that waits here.
        changed.wait_for(lock, std::chrono::nanoseconds{std::min(next - at, longest_wait_ns)});
        at = now();
      }
      if (running == 0) return true;
    }
  }

  [[nodiscard]] TaskProgress look(TaskSlot& slot, std::int64_t at) const {
    TaskProgress seen{.name = slot.name, .state = slot.state, .unit = slot.unit};
    seen.done = slot.progress.done();
    seen.total = slot.progress.total();
    if (slot.state == TaskState::waiting) return seen;
    if (slot.seen != seen.done) {
      slot.seen = seen.done;
      slot.seen_ns = at;
    }
    bool const ended = slot.ended_ns != 0;
    seen.elapsed_ns = (ended ? slot.ended_ns : at) - slot.started_ns;
    seen.silent_ns = ended ? 0 : at - slot.seen_ns;
    return seen;
  }

  void look(RunProgress& run) {
    std::lock_guard const guard{mutex};
    auto const at = now();
    run.attempt = number;
    run.generation = generation;
    run.elapsed_ns = at - started_ns;
    run.memory_bytes = account->used.load(std::memory_order_relaxed);
    run.memory_budget_bytes = account->limit;
    for (auto const& slot : slots) {
      run.tasks.push_back(look(*slot, at));
      run.threads += slot->state == TaskState::running;
    }
  }

  [[nodiscard]] std::vector<TaskReport> report() {
    std::lock_guard const guard{mutex};
    std::vector<TaskReport> all;
    for (auto const& slot : slots) {
      all.push_back({look(*slot, now()), slot->cause, {}});
      // What the task's thread may still write is left out.
      if (slot->state != TaskState::hung) all.back().hook_failures = slot->hook_failures;
    }
    return all;
  }

 private:
  static constexpr std::int64_t longest_wait_ns = 1'000'000'000;

  [[nodiscard]] bool give_up() {
    given_up = true;
    auto const code = check().error().code();
    for (auto const& slot : slots) {
      if (slot->state == TaskState::running) {
        slot->state = TaskState::hung;
        slot->cause = error{code, "task", "it was told to stop and did not"};
      } else if (slot->state == TaskState::waiting) {
        slot->cause = error{code, "task", "the executor did not begin it"};
      }
    }
    return false;
  }

  std::atomic<Stop> reason_{Stop::none};
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/reprocess/task.hpp
// Gives a task what it works with: progress, marks, a budget, and the word to stop.
#ifndef HOLDFAST_REPROCESS_TASK_HPP
#define HOLDFAST_REPROCESS_TASK_HPP

HOLDFAST_BEGIN

/// One task in one attempt, as the task sees it. Belongs to the thread that the task was called on;
/// other threads of the task may call `add`, `step`, `check` and `reserve`.
class TaskRun {
 public:
  TaskRun(detail::Crew& crew, detail::TaskSlot& slot) noexcept
      : crew_{&crew}, slot_{&slot}, watched_{crew.caller != std::this_thread::get_id()} {}

  [[nodiscard]] std::string const& name() const noexcept { return slot_->name; }
  /// The number that the generation will have.
  [[nodiscard]] Generation generation() const noexcept { return crew_->generation; }
  /// The first is 1.
  [[nodiscard]] int attempt() const noexcept { return crew_->number; }

  /// How much there is to do, in units of the task.
  void expect(std::uint64_t total) noexcept { slot_->progress.expect(total); }
  void add(std::uint64_t n = 1) noexcept { slot_->progress.add(n); }
  /// An error as soon as the task has to stop: `cancelled` or `timed_out`. To be asked often, and
  /// passed on.
  [[nodiscard]] result<void> check() const {
    // Nobody else looks at the clock while the task runs on the thread of the caller.
    if (!watched_ && crew_->now() >= crew_->deadline_ns) crew_->stop(detail::Stop::deadline);
    return crew_->check();
  }
  /// `n` more are done; then as `check`.
  [[nodiscard]] result<void> step(std::uint64_t n = 1) {
    add(n);
    return check();
  }
  /// For what can wait by itself (std::condition_variable_any, callbacks). A deadline comes through
  /// it too, but not where an `Inline` executor leaves nobody to watch the clock.
  [[nodiscard]] std::stop_token stop_token() const noexcept { return crew_->source.get_token(); }

  /// A mark to commit with the generation. Tasks may agree on one; `conflict` ends the attempt
  /// where they don't.
  void mark(std::string mark, std::uint64_t value) { slot_->marks[std::move(mark)] = value; }
  /// Memory out of the budget of the run, until the reservation ends; `no_memory` where it does not
  /// suffice.
  [[nodiscard]] result<Reservation> reserve(std::uint64_t size) const {
    return detail::reserve(crew_->account, size);
  }
  /// How large a batch may be here, given how large it would be where others are served meanwhile.
  [[nodiscard]] std::size_t batch(std::size_t usual) const noexcept {
    auto const size = static_cast<double>(usual) * crew_->batch_size_multiplier;
    return std::max<std::size_t>(1, static_cast<std::size_t>(std::min(size, 1e15)));
  }

 private:
  detail::Crew* crew_;
  detail::TaskSlot* slot_;
  bool watched_;
};

/// A named part of a reprocessing. `Writer` is the stage's writer (a tuple where there are several
/// stores), shared by all tasks: each binds the part that is its own. `Reader` is what readers get.
template <class Writer, class Reader>
struct ReprocessTask {
  std::string name{};
  std::function<result<void>(Writer&, TaskRun&)> run{};
  /// Looks at the sealed, unseen generation once all tasks are done. False: `rejected`.
  std::function<result<bool>(Reader const&)> validate{};
  /// Before `run`, on its thread. Its failure is kept in the report and changes nothing.
  std::function<result<void>(TaskRun const&)> on_start{};
  /// After the attempt has ended, with what became of the task and of the attempt; as above.
  std::function<result<void>(TaskReport const&, AttemptReport const&)> on_complete{};
  /// What its progress counts.
  std::string unit{};
};

HOLDFAST_END

#endif

// ------------ holdfast/reprocess/attempt.hpp
// Runs the tasks of one attempt into one stage, and names what went wrong.
#ifndef HOLDFAST_REPROCESS_ATTEMPT_HPP
#define HOLDFAST_REPROCESS_ATTEMPT_HPP

HOLDFAST_BEGIN

namespace detail {
template <class Db>
using writer_of_db =
    std::remove_reference_t<decltype(std::declval<typename Db::stage_type&>().writer())>;
template <class Db>
using reader_of_db = typename Db::view_type::Reader;

/// An error, and whose it is; an empty name: no task's.
struct Blame {
  std::string task;
  error cause;
};

// As the whole run tells it: the task's name goes before its own words.
[[nodiscard]] inline error headline(Blame const& blame) {
  auto const& [task, cause] = blame;
  if (task.empty()) return cause;
  auto text = "task " + task;
  if (*cause.where() != '\0') text.append(", ").append(cause.where());
  if (!cause.detail().empty()) text.append(": ").append(cause.detail());
  return error{cause.code(), "reprocess", text, cause.native()}
      .at(cause.offset())
      .with(cause.ticket());
}

/// One attempt: its stage and its tasks. Shared with the threads that work, for those given up.
template <class Db, world W>
class ReprocessAttempt : public Crew, public std::enable_shared_from_this<ReprocessAttempt<Db, W>> {
 public:
  using Writer = writer_of_db<Db>;
  using Reader = reader_of_db<Db>;
  using Task = ReprocessTask<Writer, Reader>;
  using Tasks = std::vector<std::shared_ptr<Task const>>;

  ReprocessAttempt(W world, Tasks tasks) : tasks_{std::move(tasks)}, world_{std::move(world)} {
    for (auto const& task : tasks_) {
      slots.push_back(std::make_unique<TaskSlot>(task->name, task->unit));
    }
    now = [w = world_] { return w.steady_ns(); };
  }

  std::optional<typename Db::stage_type> stage{};
  std::optional<Blame> blame{};  // the caller's thread alone

  void tell(Event event) const noexcept {
    event.generation = generation;
    detail::tell(world_, event);
  }

  // Runs the tasks from `from` to `to`. `grave` says of which errors to tell before others.
  template <executor E, class Tick>
  [[nodiscard]] result<void> run(std::size_t from,
                                 std::size_t to,
                                 E& on,
                                 std::int64_t grace_ns,
                                 std::function<bool(error const&)> const& grave,
                                 Tick tick) {
    auto* const writer = &stage->writer();
    for (auto i = from; i < to; ++i) post(on, i, writer);
    bool const ended = wait(grace_ns, tick);
    blame = who_failed(!ended, grave);
    if (blame) return failure(headline(*blame));
    return check();
  }

  // What all tasks agree to commit.
  [[nodiscard]] result<Marks> marks() {
    Marks all;
    for (auto const& slot : slots) {
      for (auto const& [mark, value] : slot->marks) {
        if (all.try_emplace(mark, value).first->second == value) continue;
        blame = Blame{slot->name, error{errc::conflict, "mark", mark}};
        return failure(headline(*blame));
      }
    }
    return all;
  }

  // Asks every task, so that all that is wrong is told at once.
  [[nodiscard]] result<void> validate(Reader const& reader) {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      auto const& task = *tasks_[i];
      if (!task.validate) continue;
      auto valid = guarded("validate", [&] { return task.validate(reader); });
      if (valid && valid.assume_value()) continue;
      auto const cause = valid ? error{errc::rejected, "validate"} : valid.assume_error();
      std::lock_guard const guard{mutex};
      slots[i]->state = TaskState::failed;
      slots[i]->cause = cause;
      if (!blame) blame = Blame{task.name, cause};
    }
    if (blame) return failure(headline(*blame));
    return ok();
  }

  [[nodiscard]] bool has_validation() const {
    for (auto const& task : tasks_) {
      if (task->validate) return true;
    }
    return false;
  }

  // The last hooks. Their failures are added to the report that they are shown.
  void complete(AttemptReport& report) const {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (!tasks_[i]->on_complete) continue;
      auto const done =
          guarded("on_complete", [&] { return tasks_[i]->on_complete(report.tasks[i], report); });
      if (!done) hook_failed(report.tasks[i].hook_failures, tasks_[i]->name, done.error());
    }
  }

 private:
  void hook_failed(std::vector<error>& kept, std::string const& task, error const& why) const {
    kept.push_back(why);
    tell({.kind = Event::Kind::hook_failed, .cause = &why, .task = task});
  }

  template <executor E>
  void post(E& on, std::size_t i, Writer* writer) {
    {
      std::lock_guard const guard{mutex};
      ++running;
    }
    auto const posted = guarded("post", [&]() -> result<void> {
      return on.post([self = this->shared_from_this(), i, writer] { self->work(i, *writer); });
    });
    if (posted) return;
    settle(*slots[i], posted);
    stop(Stop::another_failed);
    end();
  }

  void work(std::size_t i, Writer& writer) noexcept {
    auto& slot = *slots[i];
    if (begin(slot)) {
      tell({.kind = Event::Kind::task_started, .task = slot.name});
      auto const done = call(*tasks_[i], slot, writer);
      settle(slot, done);
      tell({.kind = Event::Kind::task_finished,
            .cause = done ? nullptr : &done.assume_error(),
            .task = slot.name});
      if (!done) stop(Stop::another_failed);
    } else {
      settle(slot, check());
    }
    end();
  }

  [[nodiscard]] result<void> call(Task const& task, TaskSlot& slot, Writer& writer) {
    TaskRun run{*this, slot};
    if (task.on_start) {
      auto const heard = guarded("on_start", [&] { return task.on_start(run); });
      if (!heard) hook_failed(slot.hook_failures, slot.name, heard.error());
    }
    return guarded("task", [&] { return task.run(writer, run); });
  }

  // The last of those given up drops the stage, before anyone may think that all have ended.
  void end() {
    std::unique_lock lock{mutex};
    if (given_up && running == 1) {
      lock.unlock();
      stage.reset();
      lock.lock();
    }
    --running;
    changed.notify_all();
  }

  [[nodiscard]] std::optional<Blame> who_failed(bool hung,
                                                std::function<bool(error const&)> const& grave) {
    std::lock_guard const guard{mutex};
    TaskSlot const* worst = nullptr;
    auto const rank = [&](TaskSlot const& slot) {
      if (!slot.cause) return 0;
      if (slot.state == TaskState::hung || (hung && slot.state == TaskState::waiting)) return 4;
      if (slot.state == TaskState::failed) return grave(*slot.cause) ? 3 : 2;
      return slot.state == TaskState::stopped ? 1 : 0;
    };
    for (auto const& slot : slots) {
      auto const of_it = rank(*slot);
      if (of_it == 0) continue;
      auto const of_worst = worst == nullptr ? 0 : rank(*worst);
      if (of_it > of_worst || (of_it == of_worst && slot->ended_ns < worst->ended_ns)) {
        worst = slot.get();
      }
    }
    if (worst == nullptr) return {};
    return Blame{worst->name, *worst->cause};
  }

  Tasks tasks_;
  W world_;
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/reprocess/flight.hpp
// Keeps what one run came to, so that no failure after its commit hides the commit.
#ifndef HOLDFAST_REPROCESS_FLIGHT_HPP
#define HOLDFAST_REPROCESS_FLIGHT_HPP

HOLDFAST_BEGIN

namespace detail {
/// One run: its own thread's until it ended, but for `phase`; from then on nobody changes it.
template <class Tasks>
struct Flight {
  Tasks tasks{};
  std::stop_source cancel{};
  char const* phase = "none";  // guarded by the mutex of the object that runs it
  ReprocessReport report{};
  /// Of the last attempt, then of the run.
  result<Committed> outcome = failure(errc::no_memory, "reprocess", "the run did not begin");

  /// The run ended so. What a commit answered stands, also where its answer was lost: who only
  /// heard of what failed next would think that nothing had happened.
  void end(result<Committed> const& answer) noexcept {
    bool const open = !outcome && outcome.error().code() == errc::uncertain;
    if (answer || (!outcome && !open)) {
      outcome = answer;
    } else if (outcome || !(answer.assume_error() == outcome.assume_error())) {
      report.incomplete = answer.assume_error();
    }
    if (outcome) report.committed = outcome.assume_value();
  }
  /// Without the memory for the whole report: the commit alone.
  [[nodiscard]] result<ReprocessReport> answer() const noexcept {
    if (!outcome) return failure(outcome.error());
    auto whole = guarded("reprocess", [&]() -> result<ReprocessReport> { return report; });
    if (whole) return whole;
    ReprocessReport least;
    least.committed = report.committed;
    least.incomplete = whole.error();
    return least;
  }
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/reprocess/options.hpp
// Names what can be set for a reprocessing: limits, retries, intervals, hooks.
//
// Each of Recon's staging parameters has its place, under its own name:
//   enabled, timeout, memory.factor, thread.pool.size,     ReprocessOptions
//   batch.size.multiplier, progress.report.interval,
//   health.check.interval
//   auto.retry.enabled, max.retry.attempts, retry.delay    ReprocessOptions::retry
//   base.path                                              the home: a stage lies beside what it
//                                                          replaces, in the same file system
//   cleanup.retention                                      StagedOptions
#ifndef HOLDFAST_REPROCESS_OPTIONS_HPP
#define HOLDFAST_REPROCESS_OPTIONS_HPP

HOLDFAST_BEGIN

/// Limits of a reprocessing. Checked by each run, before it begins anything.
struct ReprocessOptions {
  bool enabled = true;                    ///< false: every run answers `denied`
  std::int64_t timeout_ms = 7'200'000;    ///< of one attempt; 0: none
  std::int64_t stop_grace_ms = 10'000;    ///< for tasks to end after they were told to stop
  double memory_factor = 0.5;             ///< of the memory that is free when an attempt begins
  std::uint64_t memory_budget_bytes = 0;  ///< the same in bytes; 0: `memory_factor` decides
  std::size_t thread_pool_size = 4;       ///< of the threads that are used if no executor is given
  double batch_size_multiplier = 2;       ///< of a batch that serves nobody yet: `TaskRun::batch`
  std::int64_t progress_report_interval_ms = 30'000;
  std::int64_t health_check_interval_ms = 10'000;  ///< how often it looks who makes no progress
  /// Of the whole run, a fixed delay apart. `timeout_ms` of it: of all attempts together.
  Retry retry{.max_retry_attempts = 3,
              .base_retry_delay_ms = 600'000,
              .max_retry_delay_ms = 600'000,
              .backoff_multiplier = 1,
              .jitter = 0};
};

/// What a reprocessing asks and tells. What a hook throws is kept in the report and changes nothing
/// else. Called on the thread that runs, while it waits for tasks: not with an `Inline` executor.
struct ReprocessHooks {
  /// None: what can pass, and a sync that failed, since each attempt writes anew.
  std::function<bool(error const&)> retryable{};
  std::function<void(RunProgress const&)> on_progress{};  ///< each progress_report_interval_ms
  std::function<void(RunProgress const&)> on_health{};    ///< each health_check_interval_ms
  /// How much disk the stage takes, for reports. None: as the home's stores tell.
  std::function<result<std::uint64_t>(Generation)> disk_bytes{};
};

namespace detail {
[[nodiscard]] inline result<void> check(ReprocessOptions const& options) {
  auto const wrong = [](char const* field) {
    return failure(errc::invalid, "ReprocessOptions", field);
  };
  if (!options.enabled)
    return failure(errc::denied, "reprocess", "ReprocessOptions::enabled is off");
  if (options.timeout_ms < 0) return wrong("timeout_ms");
  if (options.stop_grace_ms < 0) return wrong("stop_grace_ms");
  if (!(options.memory_factor > 0 && options.memory_factor <= 1)) return wrong("memory_factor");
  if (options.thread_pool_size == 0) return wrong("thread_pool_size");
  if (!(options.batch_size_multiplier > 0 && options.batch_size_multiplier <= 1e6)) {
    return wrong("batch_size_multiplier");
  }
  if (options.progress_report_interval_ms <= 0) return wrong("progress_report_interval_ms");
  if (options.health_check_interval_ms <= 0) return wrong("health_check_interval_ms");
  return check(options.retry);
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/reprocess/task_list.hpp
// Keeps the tasks of a reprocessing, and picks those that a run is to do.
#ifndef HOLDFAST_REPROCESS_TASK_LIST_HPP
#define HOLDFAST_REPROCESS_TASK_LIST_HPP

HOLDFAST_BEGIN

namespace detail {
template <class Task>
struct TaskList {
  using Tasks = std::vector<std::shared_ptr<Task const>>;
  Tasks first{};
  Tasks parallel{};

  [[nodiscard]] static bool has(Tasks const& all, std::string_view name) {
    return std::any_of(all.begin(), all.end(),
                       [&](auto const& task) { return task->name == name; });
  }

  // The tasks of these names (none: all), behind those that come first and always run. Some tasks
  // alone need a stage that carries the rest over.
  [[nodiscard]] result<Tasks> select(std::vector<std::string> const& names, bool carries) const {
    auto all = first;
    for (auto const& task : parallel) {
      bool const wanted =
          names.empty() || std::find(names.begin(), names.end(), task->name) != names.end();
      if (wanted) all.push_back(task);
    }
    for (auto const& name : names) {
      if (!has(all, name)) return failure(errc::not_found, "reprocess", "task " + name);
    }
    if (all.empty()) return failure(errc::invalid, "reprocess", "there are no tasks");
    for (auto const& task : all) {
      HOLDFAST_TRYV(check(all, *task));
    }
    if (!carries && all.size() != first.size() + parallel.size()) {
      return failure(errc::invalid, "reprocess",
                     "a run of some tasks must say how its stage begins (ReprocessRequest::stage)");
    }
    return all;
  }

 private:
  [[nodiscard]] static result<void> check(Tasks const& all, Task const& task) {
    if (task.name.empty() || !task.run) {
      return failure(errc::invalid, "reprocess", "a task needs a name and a run: " + task.name);
    }
    auto const same = [&](auto const& other) { return other->name == task.name; };
    if (std::count_if(all.begin(), all.end(), same) == 1) return ok();
    return failure(errc::exists, "reprocess", "task " + task.name);
  }
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/reprocess.hpp
// Rebuilds derived state by named tasks, in parallel into one stage, while the old generation is
// served: all of them succeed and it is switched, or nothing changes and the report says why.
//
// Invariants:
// - Nothing is committed unless every task of the attempt ended well, every validation said true,
//   and nobody told it to stop before the commit began.
// - No error is lost: those of parallel tasks and of hooks are all in the report.
// - A hook changes no outcome.
// - A task that does not stop when told keeps its stage, and with it the lock of the home, until it
//   ends; no other run begins before that. It can't make anything visible any more.
#ifndef HOLDFAST_REPROCESS_HPP
#define HOLDFAST_REPROCESS_HPP

HOLDFAST_BEGIN

/// What one run is to do.
template <class Db>
struct ReprocessRequest {
  /// Names of the tasks to run; none: all. Tasks added by `first` always run.
  std::vector<std::string> tasks{};
  /// How the stage begins; none: `db.stage()`, empty. A run of some tasks must say it, since what
  /// the other tasks would have written has to come from somewhere.
  std::function<result<typename Db::stage_type>(Db&)> stage{};
  std::stop_token stop{};
  /// If a run that covers these tasks is under way: wait for it and take its answer. Else `busy`.
  bool join = false;
};

/// Tasks over one `Staged`, and the runs of them: one at a time. `Db` must outlive it. May be used
/// from any thread, but for `add` and `first`, which come before any run. What tasks refer to must
/// outlive this object; its destructor waits for tasks that did not stop when told.
template <class Db, executor E = Threads, world W = Native>
class Reprocess {
  using Attempt = detail::ReprocessAttempt<Db, W>;

 public:
  using writer_type = typename Attempt::Writer;
  using reader_type = typename Attempt::Reader;
  using task_type = typename Attempt::Task;
  using request_type = ReprocessRequest<Db>;

  /// On threads of its own.
  explicit Reprocess(Db& db,
                     ReprocessOptions options = {},
                     ReprocessHooks hooks = {},
                     W world = {}) requires std::same_as<E, Threads>
      : db_{&db},
        options_{options},
        hooks_{std::move(hooks)},
        world_{std::move(world)},
        executor_{options.thread_pool_size} {}
  /// On an executor that is given.
  Reprocess(Db& db,
            E on,
            ReprocessOptions options = {},
            ReprocessHooks hooks = {},
            W world = {}) requires std::move_constructible<E> : db_{&db},
                                                                options_{options},
                                                                hooks_{std::move(hooks)},
                                                                world_{std::move(world)},
                                                                executor_{std::move(on)} {}
  Reprocess(Reprocess const&) = delete;
  Reprocess& operator=(Reprocess const&) = delete;
  ~Reprocess() {
    std::unique_lock lock{mutex_};
    auto const left = left_;
    lock.unlock();
    if (!left) return;
    std::unique_lock waiting{left->mutex};
    left->changed.wait(waiting, [&] { return left->running == 0; });
  }

  /// A task that runs beside the others. Tasks that write to the same part must agree about it.
  void add(task_type task) {
    tasks_.parallel.push_back(std::make_shared<task_type>(std::move(task)));
  }
  /// A task that runs before all others, one after another in the order given: for what they all
  /// read.
  void first(task_type task) {
    tasks_.first.push_back(std::make_shared<task_type>(std::move(task)));
  }

  /// One run, with its retries: the report of a commit, or the error that ended it, which names the
  /// task; `report` has all the rest. `busy` while another run is under way; `denied` where it is
  /// switched off. A commit that stays `uncertain` carries its ticket for `db.resolve`.
  [[nodiscard]] result<ReprocessReport> run(request_type const& what = {}) {
    HOLDFAST_TRYV(detail::check(options_));
    HOLDFAST_TRY(tasks, tasks_.select(what.tasks, static_cast<bool>(what.stage)));
    std::unique_lock lock{mutex_};
    if (flight_) return join(lock, what, tasks);
    HOLDFAST_TRYV(check_left());
    auto const flight = std::make_shared<Flight>();
    flight->tasks = std::move(tasks);
    flight_ = flight;
    lock.unlock();
    Landing const landing{*this};
    std::stop_callback const link{what.stop, [&] { flight->cancel.request_stop(); }};
    flight->end(detail::guarded("reprocess", [&] { return fly(*flight, what); }));
    return flight->answer();
  }

  /// Tells the run that is under way to stop. False if there is none.
  bool cancel() {
    std::unique_lock lock{mutex_};
    auto const flight = flight_;
    lock.unlock();
    return flight && flight->cancel.request_stop();
  }

  /// How far the run is; or the last one was, where none is under way.
  [[nodiscard]] RunProgress status() const {
    RunProgress run;
    std::unique_lock lock{mutex_};
    run.running = flight_ != nullptr;
    run.phase = flight_ ? flight_->phase : "none";
    auto const attempt = attempt_;
    lock.unlock();
    if (attempt) attempt->look(run);
    if (run.running && run.generation.number != 0) add_disk_bytes(run);
    return run;
  }

  /// What became of the last run that ended, with every error; nothing before the first.
  [[nodiscard]] std::optional<ReprocessReport> report() const {
    std::unique_lock lock{mutex_};
    auto const last = landed_flight_;
    lock.unlock();
    if (!last) return {};
    return last->report;
  }

 private:
  // By the hook, else as the home's stores tell.
  void add_disk_bytes(RunProgress& run) const {
    if (hooks_.disk_bytes) {
      auto const used =
          detail::guarded("disk_bytes", [&] { return hooks_.disk_bytes(run.generation); });
      if (used) run.disk_bytes = used.assume_value();
    } else if constexpr (requires { db_->disk_bytes(run.generation); }) {
      auto const used = db_->disk_bytes(run.generation);
      if (used) run.disk_bytes = used.assume_value();
    }
  }

  using TaskList = detail::TaskList<task_type>;
  using Tasks = typename TaskList::Tasks;
  using Flight = detail::Flight<Tasks>;
  // Lets the next run begin, whatever happened.
  struct Landing {
    Reprocess& self;
    explicit Landing(Reprocess& of) : self{of} {}
    Landing(Landing const&) = delete;
    Landing& operator=(Landing const&) = delete;
    ~Landing() {
      {
        std::lock_guard const guard{self.mutex_};
        self.landed_flight_ = std::move(self.flight_);
        self.flight_ = nullptr;
      }
      self.landed_.notify_all();
    }
  };

  [[nodiscard]] result<ReprocessReport> join(std::unique_lock<std::mutex>& lock,
                                             request_type const& what,
                                             Tasks const& tasks) {
    auto const flight = flight_;
    bool const covered = std::all_of(tasks.begin(), tasks.end(), [&](auto const& task) {
      return TaskList::has(flight->tasks, task->name);
    });
    if (!what.join || !covered) {
      return failure(errc::busy, "reprocess", std::string{"another run is in "} + flight->phase);
    }
    bool const ended = landed_.wait(lock, what.stop, [&] { return flight_ != flight; });
    if (!ended) return failure(errc::cancelled, "reprocess", "while waiting for another run");
    return flight->answer();
  }

  // Tasks of an earlier run that were given up have to end before their place is built on again.
  [[nodiscard]] result<void> check_left() {
    if (!left_) return ok();
    {
      std::lock_guard const guard{left_->mutex};
      if (left_->running != 0) {
        std::string names;
        for (auto const& slot : left_->slots) {
          if (slot->state == TaskState::hung) names += " " + slot->name;
        }
        return failure(errc::busy, "reprocess", "tasks of an earlier run have not ended:" + names);
      }
    }
    left_.reset();
    return ok();
  }

  [[nodiscard]] result<Committed> fly(Flight& flight, request_type const& what) {
    auto const begun = world_.steady_ns();
    RetryHooks hooks;
    hooks.retryable = [&](error const& why) { return !left_ && retryable(why); };
    hooks.cancelled = [&] { return flight.cancel.stop_requested(); };
    hooks.failed = [&](FailedTry const& failed) {
      if (!failed.delay_ns) return;
      enter(flight, "delay");
      detail::tell(world_, Event{.kind = Event::Kind::retrying, .cause = &failed.cause});
    };
    auto done = retry(
        options_.retry, world_, [&](Try const& of) { return attempt(flight, what, of); }, hooks);
    flight.report.took_ns = world_.steady_ns() - begun;
    return done;
  }

  [[nodiscard]] bool retryable(error const& why) const {
    if (hooks_.retryable) return hooks_.retryable(why);
    return can_pass(why.code()) || why.code() == errc::sync_failed;
  }

  [[nodiscard]] result<Committed> attempt(Flight& flight, request_type const& what, Try const& of) {
    auto const crew = std::make_shared<Attempt>(world_, flight.tasks);
    crew->number = of.number;
    crew->started_ns = of.started_ns;
    crew->deadline_ns = of.deadline_ns;
    if (options_.timeout_ms != 0) {
      auto const own = of.started_ns + detail::ns_of_ms(options_.timeout_ms);
      crew->deadline_ns = std::min(crew->deadline_ns, own);
    }
    crew->batch_size_multiplier = options_.batch_size_multiplier;
    crew->account->limit = options_.memory_budget_bytes;
    if (crew->account->limit == 0) {
      crew->account->limit = static_cast<std::uint64_t>(
          static_cast<double>(detail::available_memory()) * options_.memory_factor);
    }
    {
      std::lock_guard const guard{mutex_};
      attempt_ = crew;
    }
    flight.outcome = detail::guarded("reprocess", [&] { return build(flight, what, *crew); });
    // Drops what was not committed, then tells.
    if (!crew->given_up) crew->stage.reset();  // written by this thread alone
    auto const told = detail::guarded("report", [&] { return close(flight, crew); });
    if (!told) flight.report.incomplete = told.error();
    return flight.outcome;
  }

  [[nodiscard]] result<void> close(Flight& flight, std::shared_ptr<Attempt> const& crew) {
    auto const& done = flight.outcome;
    {
      std::lock_guard const guard{mutex_};
      if (crew->given_up) left_ = crew;
    }
    AttemptReport report{.number = crew->number, .generation = crew->generation};
    report.took_ns = world_.steady_ns() - crew->started_ns;
    report.tasks = crew->report();
    if (!done) report.cause = done.error();
    if (!done && crew->blame) report.task = crew->blame->task;
    {
      std::lock_guard const guard{mutex_};
      report.phase = flight.phase;
    }
    crew->complete(report);
    flight.report.attempts.push_back(std::move(report));
    return ok();
  }

  [[nodiscard]] result<Committed> build(Flight& flight, request_type const& what, Attempt& crew) {
    enter(flight, "stage");
    {
      HOLDFAST_TRY(stage, what.stage ? what.stage(*db_) : db_->stage());
      {
        std::lock_guard const guard{crew.mutex};
        crew.generation = stage.generation();
      }
      crew.stage.emplace(std::move(stage));
    }
    std::stop_callback const cancel{flight.cancel.get_token(),
                                    [&] { crew.stop(detail::Stop::cancel); }};
    enter(flight, "tasks");
    auto const grace_ns = detail::ns_of_ms(options_.stop_grace_ms);
    auto const grave = [this](error const& why) { return !retryable(why); };
    for (std::size_t i = 0; i <= tasks_.first.size(); ++i) {
      auto const to = i < tasks_.first.size() ? i + 1 : crew.slots.size();
      HOLDFAST_TRYV(crew.run(i, to, executor_, grace_ns, grave, ticker(flight)));
    }
    HOLDFAST_TRY(marks, crew.marks());
    enter(flight, "seal");
    HOLDFAST_TRY(sealed, std::move(*crew.stage).seal());
    enter(flight, "validate");
    HOLDFAST_TRY(ready, validated(std::move(sealed), crew));
    HOLDFAST_TRYV(crew.check());
    enter(flight, "commit");
    flight.report.marks = marks;
    return committed(std::move(ready).commit({.marks = std::move(marks)}));
  }

  template <class Ready>
  [[nodiscard]] static result<Ready> validated(Ready ready, Attempt& crew) {
    if (!crew.has_validation()) return ready;
    return std::move(ready).validate(
        [&](reader_type const& reader) { return crew.validate(reader); });
  }

  // A commit whose answer was lost is asked for once; where that fails too, the ticket is passed
  // on.
  [[nodiscard]] result<Committed> committed(result<Committed> done) {
    if (done || done.error().code() != errc::uncertain) return done;
    auto const ticket = done.error().ticket();
    auto const outcome = detail::guarded("resolve", [&] { return db_->resolve(ticket); });
    if (!outcome || outcome.assume_value() == Outcome::unknown) return done;
    if (outcome.assume_value() == Outcome::not_committed) {
      return failure(errc::io, "commit", "its answer was lost, and it was not applied");
    }
    return Committed{{ticket.generation}, ticket.sequence, {}};
  }

  void enter(Flight& flight, char const* phase) const {
    std::lock_guard const guard{mutex_};
    flight.phase = phase;
  }

  // Looks at the tasks and tells, each at its interval; gives when it is to be called next.
  [[nodiscard]] auto ticker(Flight& flight) {
    auto const health_ns = detail::ns_of_ms(options_.health_check_interval_ms);
    auto const report_ns = detail::ns_of_ms(options_.progress_report_interval_ms);
    auto const begun = world_.steady_ns();
    return [this, &flight, health_ns, report_ns, health = begun + health_ns,
            report = begun + report_ns](std::int64_t at) mutable {
      if (at >= health) {
        hear(flight, "on_health", hooks_.on_health);
        health = at + health_ns;
      }
      if (at >= report) {
        hear(flight, "on_progress", hooks_.on_progress);
        report = at + report_ns;
      }
      return std::min(health, report);
    };
  }

  void hear(Flight& flight,
            char const* which,
            std::function<void(RunProgress const&)> const& hook) {
    constexpr std::size_t most_kept = 16;  // of a hook that fails each time
    auto const seen = status();            // also where nobody hears: who is silent is seen by it
    if (!hook) return;
    auto const heard = detail::guarded(which, [&]() -> result<void> {
      hook(seen);
      return ok();
    });
    if (heard) return;
    auto& kept = flight.report.hook_failures;
    if (kept.size() < most_kept) kept.push_back(heard.error());
    detail::tell(world_, Event{.kind = Event::Kind::hook_failed, .cause = &heard.error()});
  }

  Db* db_;
  ReprocessOptions options_;
  ReprocessHooks hooks_;
  W world_;
  TaskList tasks_;
  mutable std::mutex mutex_;
  std::condition_variable_any landed_;
  std::shared_ptr<Flight> flight_;         // the run under way
  std::shared_ptr<Flight> landed_flight_;  // the last that ended
  std::shared_ptr<Attempt> attempt_;       // the last one
  std::shared_ptr<Attempt> left_;          // has tasks that were given up
  E executor_;
};

HOLDFAST_END

#endif

// ------------ holdfast/staged/catch_up.hpp
// Brings a build up to a source that moved on meanwhile: most of it while updates go on, the last
// bounded tail while none can come.
//
// The order of what counts:
//   1. pull, round by round                 until little is left; updates of the home go on
//   2. barrier, shared                      no process updates the home from here on; views go on,
//                                           and who refreshes or opens may wait behind an updater
//   3. marks of the current generation      all that was acknowledged is at or below them
//   4. pull                                 until the build has them too
//   5. seal, commit, and only then the barrier is let go: nothing is acknowledged in between
#ifndef HOLDFAST_STAGED_CATCH_UP_HPP
#define HOLDFAST_STAGED_CATCH_UP_HPP

HOLDFAST_BEGIN

/// What a feed is asked for: to write what comes next into the writer that it is given with this.
struct Pull {
  Marks after;                  ///< the build has everything up to here
  std::optional<Marks> upto{};  ///< nothing beyond: what a part that is carried over has
  std::size_t most = 0;         ///< records at most
  bool tail = false;            ///< updates of the home wait until the commit
};
/// What a feed did.
struct Pulled {
  Marks marks{};            ///< the build has everything up to here now
  std::size_t records = 0;  ///< that were written; 0: the source has no more just now
};

/// How a build catches up. The bounds keep a source that is faster than the build from keeping it,
/// or the updates that wait, for ever.
struct CatchUpOptions {
  /// What the writer has already; empty: what a copy began with, or catching up came to before. A
  /// build that was resumed has to be told: keep it in the note.
  Marks from{};
  std::size_t records_a_round = 10'000;
  std::size_t rounds = 1'000;         ///< before the tail
  std::size_t near_records = 1'000;   ///< the tail begins once a round brought no more
  std::size_t tail_records = 10'000;  ///< while updates wait
};

/// How a build caught up.
struct CaughtUp {
  Marks marks;  ///< of all that the build has: the commit gets them
  std::size_t rounds = 0;
  std::size_t records = 0;
  std::size_t tail_records = 0;  ///< of these, while updates waited
};

namespace detail {
/// How far the build has to come, by the marks of what is current.
struct CatchUpGoal {
  bool updates = false;            // somebody may update it
  Marks least{};                   // of all that is current, its commit's among them
  Marks updated{};                 // names that its updates have
  std::optional<Marks> exactly{};  // of what is carried over
};

/// `own` are the marks of each part's updates. `torn` if parts that are carried over differ.
[[nodiscard]] inline result<CatchUpGoal> catch_up_goal(Kept const& current,
                                                       std::vector<std::optional<Marks>> const& own,
                                                       std::vector<bool> const& carries) {
  CatchUpGoal goal;
  std::vector<Marks> parts;
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (!own[i]) continue;
    goal.updates = true;
    parts.push_back(merged(current.marks, *own[i]));
    goal.updated = merged(std::move(goal.updated), *own[i]);
    if (i >= carries.size() || !carries[i]) continue;
    if (goal.exactly && *goal.exactly != parts.back()) {
      return failure(errc::torn, "catch_up: parts that are carried over are at unequal marks");
    }
    goal.exactly = parts.back();
  }
  goal.least = least(parts);
  return goal;
}
/// What the build has to come to. Of names that neither updates nor the feed have, as a commit may
/// give them, nothing is known.
[[nodiscard]] inline Marks wanted_of(CatchUpGoal const& goal, Marks const& at) {
  auto wanted = goal.exactly ? *goal.exactly : goal.least;
  if (at.empty()) return wanted;
  std::erase_if(wanted, [&](auto const& mark) {
    return !at.contains(mark.first) && !goal.updated.contains(mark.first);
  });
  return wanted;
}

/// The first name whose mark is below `wanted`; nothing where all are reached.
[[nodiscard]] inline std::optional<std::string> short_of(Marks const& at, Marks const& wanted) {
  for (auto const& [name, value] : wanted) {
    auto const found = at.find(name);
    if (found == at.end()) return name + ": no mark of " + std::to_string(value);
    if (found->second >= value) continue;
    return name + ": " + std::to_string(found->second) + " of " + std::to_string(value);
  }
  return std::nullopt;
}

/// Where the build is after a round. `invalid` where it did not move on, or moved too far.
[[nodiscard]] inline result<Marks> moved_on(Marks const& at,
                                            Pulled const& pulled,
                                            std::optional<Marks> const& upto) {
  auto next = merged(at, pulled.marks);
  if (auto const back = short_of(next, at)) {
    return failure(errc::invalid, "catch_up: the feed's marks went back", *back);
  }
  if (pulled.records != 0 && next == at) {
    return failure(errc::invalid, "catch_up: the feed gave records without marks for them");
  }
  for (auto const& [name, value] : next) {
    if (!upto) break;
    auto const limit = upto->find(name);
    if (limit == upto->end() || value <= limit->second) continue;
    return failure(errc::invalid, "catch_up: the feed went past what is carried over", name);
  }
  return next;
}

/// One catching up. `Source` tells what is current, and keeps updates out.
template <class Source>
class CatchUp {
 public:
  using Quiet = typename Source::Quiet;

  CatchUp(Source& source,
          Kept const* current,
          std::vector<bool> const& carries,
          CatchUpOptions const& options)
      : source_{source}, current_{current}, carries_{carries}, options_{options} {}

  /// `marks` is where the build is, after an error too. `quiet` is held on success alone.
  template <class Feed>
  [[nodiscard]] result<CaughtUp> run(Feed feed, Marks& marks, Quiet& quiet) {
    if (!options_.from.empty()) marks = options_.from;
    LetGo let_go{quiet};
    HOLDFAST_TRYV(chase_and_end(feed, marks, quiet));
    let_go.armed = false;
    done_.marks = marks;
    return std::move(done_);
  }

 private:
  // Whatever fails or throws, updates go on.
  struct LetGo {
    Quiet& quiet;
    bool armed = true;
    explicit LetGo(Quiet& held) noexcept : quiet{held} {}
    LetGo(LetGo const&) = delete;
    LetGo& operator=(LetGo const&) = delete;
    ~LetGo() {
      if (armed) quiet.reset();
    }
  };

  template <class Feed>
  [[nodiscard]] result<void> chase_and_end(Feed& feed, Marks& marks, Quiet& quiet) {
    // Whoever catches up again holds it already.
    if (!quiet) {
      HOLDFAST_TRYV(chase(feed, marks));
    }
    return end(feed, marks, quiet);
  }

  template <class Feed>
  [[nodiscard]] result<void> chase(Feed& feed, Marks& marks) {
    bool const carrying = std::find(carries_.begin(), carries_.end(), true) != carries_.end();
    for (; done_.rounds < options_.rounds; ++done_.rounds) {
      std::optional<Marks> upto;
      if (carrying) {
        Quiet brief;
        HOLDFAST_TRY(goal, goal_now(brief));
        auto const wanted = wanted_of(goal, marks);
        upto = std::move(goal.exactly);
        if (upto && !short_of(marks, wanted)) return ok();
      }
      Pull const pull{marks, std::move(upto), options_.records_a_round, false};
      HOLDFAST_TRY(records, ask(feed, pull, marks));
      if (records <= options_.near_records) return ok();
    }
    return failure(errc::timed_out, "catch_up: the source is faster than the build",
                   std::to_string(done_.rounds) + " rounds, " + std::to_string(done_.records) +
                       " records: CatchUpOptions::rounds");
  }

  template <class Feed>
  [[nodiscard]] result<void> end(Feed& feed, Marks& marks, Quiet& quiet) {
    HOLDFAST_TRY(goal, goal_now(quiet));
    for (;;) {
      auto const missing = short_of(marks, wanted_of(goal, marks));
      // Without updates there is no telling where the end is, but by the source.
      if (!missing && goal.updates) break;
      if (done_.tail_records >= options_.tail_records) {
        return failure(errc::timed_out, "catch_up: the tail does not end",
                       std::to_string(done_.tail_records) +
                           " records: CatchUpOptions::tail_records" +
                           (missing ? "; " + *missing : std::string{}));
      }
      Pull const pull{marks, goal.exactly, options_.tail_records - done_.tail_records, true};
      HOLDFAST_TRY(records, ask(feed, pull, marks));
      done_.tail_records += records;
      if (records != 0) continue;
      if (!missing) break;
      return failure(errc::invalid, "catch_up: the feed ended before what readers see", *missing);
    }
    if (goal.exactly) marks = merged(std::move(marks), *goal.exactly);
    return ok();
  }

  template <class Feed>
  [[nodiscard]] result<std::size_t> ask(Feed& feed, Pull const& pull, Marks& marks) {
    HOLDFAST_TRY(pulled, feed(pull));
    HOLDFAST_TRY(next, moved_on(marks, pulled, pull.upto));
    marks = std::move(next);
    done_.records += pulled.records;
    return pulled.records;
  }

  [[nodiscard]] result<CatchUpGoal> goal_now(Quiet& quiet) {
    if (current_ == nullptr) return CatchUpGoal{};
    HOLDFAST_TRY(own, source_.own_marks(*current_, quiet));
    return catch_up_goal(*current_, own, carries_);
  }

  Source& source_;
  Kept const* current_;
  std::vector<bool> const& carries_;
  CatchUpOptions const& options_;
  CaughtUp done_{};
};

/// The marks of a commit: those that the build caught up to, and others of the caller's.
[[nodiscard]] inline result<Marks> marks_of_commit(std::optional<Marks> const& caught,
                                                   Marks const& given) {
  if (!caught) return given;
  for (auto const& [name, value] : given) {
    auto const found = caught->find(name);
    if (found == caught->end() || found->second == value) continue;
    return failure(errc::invalid, "commit: another mark than the build caught up to", name);
  }
  return merged(*caught, given);
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/readers.hpp
// Shows readers one generation of everything, switches it in one store, and closes old ones when
// nobody holds them.
#ifndef HOLDFAST_STAGED_READERS_HPP
#define HOLDFAST_STAGED_READERS_HPP

HOLDFAST_BEGIN

namespace detail {
/// An open generation: its reader, what the record says of it, and the hold that keeps other
/// processes from dropping it.
template <class Reader, class Hold>
struct Shown {
  Shown(Kept what, Reader&& opened, Hold&& held)
      : kept{std::move(what)}, hold{std::move(held)}, reader{std::move(opened)} {}
  Kept kept;
  bool moves = false;  // its generation takes updates: `kept.marks` are those that it shows
  Hold hold;           // before the reader: let go only after it is closed
  Reader reader;
  std::atomic<std::uint64_t> pins{0};
  std::unique_ptr<Shown> next{};  // in the list of what is open
};

/// Where a view keeps its protection: a slot of its thread, or a count when the slots are all in
/// use.
template <class Shown>
struct Protection {
  Shown* shown = nullptr;
  HazardSlot* slot = nullptr;

  void release() const noexcept {
    if (slot != nullptr) [[likely]] {
      slot->store(nullptr, std::memory_order_release);
    } else if (shown != nullptr) {
      shown->pins.fetch_sub(1, std::memory_order_release);
    }
  }
};

template <class Reader, class Hold>
class Readers {
 public:
  using Shown = detail::Shown<Reader, Hold>;

  explicit Readers(std::uint64_t id) : slots_{id} {}

  [[nodiscard]] Birthplace const& born() const noexcept { return born_; }
  [[nodiscard]] Shown* current() const noexcept { return current_.load(std::memory_order_acquire); }

  /// Protects the current generation for this thread; nothing is shown when there is none. Never
  /// waits.
  [[nodiscard]] Protection<Shown> protect() {
    HazardSlot* const slot = slots_.quick_slot();
    if (slot != nullptr) [[likely]] {
      Shown* const shown = current_.load(std::memory_order_acquire);
      PinSlots::protect_quickly(*slot, shown);
      if (shown == current_.load(std::memory_order_acquire) && shown != nullptr) [[likely]] {
        return {shown, slot};
      }
      slot->store(nullptr, std::memory_order_release);
    }
    return protect_slowly();
  }

  /// The switch: from here on readers get `shown`. Allocates nothing: it can't fail after a commit.
  void show(std::unique_ptr<Shown> shown) noexcept {
    std::lock_guard const guard{mutex_};
    shown->next = std::move(open_);
    open_ = std::move(shown);
    current_.store(open_.get(), std::memory_order_seq_cst);
  }

  /// Closes what is neither current nor held. Returns at once; what is held is closed by a later
  /// call.
  void reclaim() {
    std::unique_ptr<Shown> closing;  // closed outside the lock: closing a database takes time
    {
      std::lock_guard const guard{mutex_};
      if (!open_ || !open_->next) return;
      auto const held = slots_.protected_pointers();
      // The slots are read before the counts: a pin is counted before its view gives up the slot.
      auto const keep = [&](Shown const& shown) {
        return &shown == current_.load(std::memory_order_relaxed) ||
               std::find(held.begin(), held.end(), &shown) != held.end() ||
               shown.pins.load(std::memory_order_acquire) != 0;
      };
      for (auto* at = &open_; *at;) {
        if (keep(**at)) {
          at = &(*at)->next;
          continue;
        }
        auto gone = std::exchange(*at, std::move((*at)->next));
        gone->next = std::move(closing);
        closing = std::move(gone);
      }
    }
  }

  /// Is this generation, or a part of it, open in this object?
  [[nodiscard]] bool is_open(Generation g) {
    std::lock_guard const guard{mutex_};
    auto const* shown = open_.get();
    while (shown != nullptr && !manifest::has_parts_of(shown->kept, g)) shown = shown->next.get();
    return shown != nullptr;
  }

 private:
  // The first view of a thread or of a forked child, a switch in between, nested views beyond the
  // slots, a kernel without membarrier.
  [[gnu::noinline]] Protection<Shown> protect_slowly() {
    if (born_.left()) return {};  // nobody would see what a child protects
    HazardSlot* const slot = slots_.slot();
    if (slot == nullptr) return count();
    Shown* shown = current_.load(std::memory_order_acquire);
    while (shown != nullptr) {
      slots_.protect(*slot, shown);
      Shown* const again =
          current_.load(std::memory_order_seq_cst);  // not before a barrier of our own
      if (again == shown) return {shown, slot};
      shown = again;
    }
    slot->store(nullptr, std::memory_order_release);
    return {};
  }

  Protection<Shown> count() {
    std::lock_guard const guard{mutex_};
    Shown* const shown = current_.load(std::memory_order_relaxed);
    if (shown != nullptr) shown->pins.fetch_add(1, std::memory_order_relaxed);
    return {shown, nullptr};
  }

  std::atomic<Shown*> current_{nullptr};
  PinSlots slots_;
  Birthplace born_;
  std::mutex mutex_;
  std::unique_ptr<Shown> open_;  // the newest first
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/view.hpp
// Gives the two ways to hold a generation while reading it: a guard for the stack and a handle that
// moves.
#ifndef HOLDFAST_STAGED_VIEW_HPP
#define HOLDFAST_STAGED_VIEW_HPP

HOLDFAST_BEGIN

/// One generation of everything, held for a scope. Stays on the thread and stack that made it and
/// ends before the object it came from. `*view` is the const reader (a tuple of them for
/// `Together`), valid as long as the view.
template <class Shown>
class [[nodiscard]] View {
 public:
  using Reader = decltype(Shown::reader);
  explicit View(detail::Protection<Shown> protection) noexcept : protection_{protection} {}
  View(View const&) = delete;
  View& operator=(View const&) = delete;
  ~View() { protection_.release(); }

  [[nodiscard]] Reader const& operator*() const& noexcept { return protection_.shown->reader; }
  Reader const& operator*() const&& = delete;  // the reader would outlive its view
  [[nodiscard]] Reader const* operator->() const& noexcept { return &protection_.shown->reader; }
  Reader const* operator->() const&& = delete;
  [[nodiscard]] Generation generation() const noexcept {
    return protection_.shown->kept.generation;
  }
  /// Of the commit or revert that made this generation current.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return protection_.shown->kept.sequence; }
  [[nodiscard]] Marks const& marks() const& noexcept { return protection_.shown->kept.marks; }

 private:
  detail::Protection<Shown> protection_;
};

/// One generation of everything, held until the handle ends: for coroutines and other threads.
/// Keeps alive what it came from.
template <class Shown>
class [[nodiscard]] Pin {
 public:
  using Reader = decltype(Shown::reader);
  Pin(std::shared_ptr<void> keeper, Shown* shown) noexcept
      : keeper_{std::move(keeper)}, shown_{shown} {}
  Pin(Pin&& other) noexcept
      : keeper_{std::move(other.keeper_)}, shown_{std::exchange(other.shown_, nullptr)} {}
  Pin& operator=(Pin&& other) noexcept {
    std::swap(keeper_, other.keeper_);
    std::swap(shown_, other.shown_);
    return *this;
  }
  ~Pin() {
    if (shown_ != nullptr) shown_->pins.fetch_sub(1, std::memory_order_release);
  }

  /// False after it was moved from; reading it then is an error of the program.
  explicit operator bool() const noexcept { return shown_ != nullptr; }
  [[nodiscard]] Reader const& operator*() const& noexcept { return shown_->reader; }
  Reader const& operator*() const&& = delete;
  [[nodiscard]] Reader const* operator->() const& noexcept { return &shown_->reader; }
  Reader const* operator->() const&& = delete;
  [[nodiscard]] Generation generation() const noexcept { return shown_->kept.generation; }
  [[nodiscard]] std::uint64_t sequence() const noexcept { return shown_->kept.sequence; }
  [[nodiscard]] Marks const& marks() const& noexcept { return shown_->kept.marks; }

 private:
  std::shared_ptr<void> keeper_;
  Shown* shown_;
};

HOLDFAST_END

#endif

// ------------ holdfast/staged/source.hpp
// Reads a home: loads its record, opens the generation the record names, and shows it to this
// process.
#ifndef HOLDFAST_STAGED_SOURCE_HPP
#define HOLDFAST_STAGED_SOURCE_HPP

HOLDFAST_BEGIN

namespace detail {
struct NoHold {};
template <class Register>
struct HoldOf {
  using type = NoHold;
};
template <pinning_register Register>
struct HoldOf<Register> {
  using type = std::vector<hold_of<Register>>;  // one a generation that has parts in it
};

template <class Register>
struct QuietOf {
  using type = NoHold;
};
template <barred_register Register>
struct QuietOf<Register> {
  using type = typename decltype(register_traits<Register>::enter(std::declval<Register&>(),
                                                                  Mode::shared))::value_type;
};

/// The record and which write of the register it is.
struct Loaded {
  Version version;
  Manifest manifest;
};

/// The reading half of a home. Writes nothing, takes no stage lock. Thread-safe.
template <generation_store Store, atomic_register Register>
class Source {
 public:
  using Hold = typename HoldOf<Register>::type;
  using ReadersT = Readers<reader_of<Store>, Hold>;
  using Shown = typename ReadersT::Shown;
  /// As long as it lives nothing that it was entered for takes an update from another process.
  using Quiet = std::optional<typename QuietOf<Register>::type>;

  Source(Store store, Register reg)
      : store_{std::move(store)}, register_{std::move(reg)}, readers_{kernel_random64()} {}

  [[nodiscard]] Store& store() noexcept { return store_; }
  [[nodiscard]] Register& reg() noexcept { return register_; }
  [[nodiscard]] ReadersT& readers() noexcept { return readers_; }
  [[nodiscard]] Birthplace const& born() const noexcept { return readers_.born(); }

  [[nodiscard]] result<std::optional<Loaded>> load() {
    HOLDFAST_TRY(found, register_traits<Register>::load(register_));
    if (!found) return std::optional<Loaded>{};
    HOLDFAST_TRY(manifest, manifest::decode(as_text(found->value)));
    return std::optional{Loaded{found->version, std::move(manifest)}};
  }

  /// The part names as the record has them: those of a parted store, else the store's own name.
  [[nodiscard]] std::vector<std::string> part_names() const {
    if constexpr (parted_store<Store>) {
      return store_traits<Store>::part_names(store_);
    } else if constexpr (requires { store_traits<Store>::name(store_); }) {
      return {std::string{store_traits<Store>::name(store_)}};
    } else {
      return {"store"};
    }
  }

  /// Opens a generation and keeps other processes from dropping it. It is not shown yet. `torn` if
  /// its parts took updates and are not at equal marks.
  [[nodiscard]] result<std::unique_ptr<Shown>> open(Kept kept) {
    HOLDFAST_TRY(opened, look(std::move(kept)));
    HOLDFAST_TRYV(settle_marks(*opened, opened->kept.marks));
    return std::move(opened);
  }
  /// The same for the only one who updates it, between updates.
  [[nodiscard]] result<std::unique_ptr<Shown>> open_unbarred(Kept kept) {
    HOLDFAST_TRY(held, hold(kept));
    HOLDFAST_TRY(reader, open_parts(kept));
    auto opened = std::make_unique<Shown>(std::move(kept), std::move(reader), std::move(held));
    HOLDFAST_TRYV(settle_marks(*opened, opened->kept.marks));
    return opened;
  }
  /// The same as `open`, and it takes no update before `quiet` ends: for a switch to it.
  [[nodiscard]] result<std::unique_ptr<Shown>> open_for_switch(Kept kept, Quiet& quiet) {
    HOLDFAST_TRYV(enter(kept, quiet));
    return open_unbarred(std::move(kept));
  }
  /// Gives what was built the marks of its commit. A part that is carried over is opened again,
  /// since updates of it may have gone on, and takes none before `quiet` ends. `torn` unless its
  /// marks, counted on from those of the generation that it comes from, are those of the commit.
  [[nodiscard]] result<void> settle_build(std::unique_ptr<Shown>& opened,
                                          Kept const* from,
                                          Marks const& commit,
                                          Quiet& quiet) {
    if constexpr (updatable_store<Store>) {
      auto kept = opened->kept;
      bool const carries = std::any_of(kept.parts.begin(), kept.parts.end(),
                                       [&](Generation g) { return g != kept.generation; });
      if (carries && from != nullptr) {
        HOLDFAST_TRY(moves, updates_of(store_, kept.parts));
        if (moves) {
          HOLDFAST_TRYV(enter(kept, quiet));
          HOLDFAST_TRY(held, hold(kept));
          HOLDFAST_TRY(reader, open_parts(kept));
          auto again = std::make_unique<Shown>(std::move(kept), std::move(reader), std::move(held));
          HOLDFAST_TRYV(check_carried(*again, from->marks, commit));
          opened = std::move(again);
        }
      }
    }
    return settle_marks(*opened, commit);
  }
  /// The same, whatever the marks of its parts.
  [[nodiscard]] result<std::unique_ptr<Shown>> look(Kept kept) {
    Quiet quiet;
    return look(std::move(kept), quiet);
  }
  /// The same for who may hold `quiet` already: who enters twice would wait for whoever waits for
  /// him.
  [[nodiscard]] result<std::unique_ptr<Shown>> look(Kept kept, Quiet& quiet) {
    HOLDFAST_TRY(held, hold(kept));
    HOLDFAST_TRY(reader, open_quietly(kept, quiet));
    return std::make_unique<Shown>(std::move(kept), std::move(reader), std::move(held));
  }
  /// The marks of its parts' updates, nothing for one that takes none. If any does, none comes
  /// before `quiet` ends.
  [[nodiscard]] result<std::vector<std::optional<Marks>>> own_marks(Kept const& kept,
                                                                    Quiet& quiet) {
    std::vector<std::optional<Marks>> own;
    if constexpr (updatable_store<Store>) {
      HOLDFAST_TRYV(enter(kept, quiet));
      HOLDFAST_TRY(held, hold(kept));
      HOLDFAST_TRY(reader, open_parts(kept));
      detail::add_marks_of(store_, reader, own);
    }
    return own;
  }
  /// Gives what was opened the marks that it shows: those of its commit, moved on by updates.
  [[nodiscard]] result<void> settle_marks(Shown& opened, Marks const& committed) {
    if constexpr (updatable_store<Store>) {
      std::vector<std::optional<Marks>> own;
      detail::add_marks_of(store_, opened.reader, own);
      std::vector<Marks> parts;
      for (auto const& part : own) {
        opened.moves = opened.moves || part.has_value();
        parts.push_back(merged(committed, part.value_or(Marks{})));
      }
      if (!all_equal(parts)) return failure(errc::torn, "open: parts at unequal marks");
      opened.kept.marks = std::move(parts.front());
    } else {
      opened.kept.marks = committed;
    }
    return ok();
  }

  /// Keeps other processes from dropping a generation, and those it has parts of.
  [[nodiscard]] result<Hold> hold(Kept const& kept) {
    Hold hold{};
    if constexpr (pinning_register<Register>) {
      auto pinned = kept.parts;
      std::sort(pinned.begin(), pinned.end());
      pinned.erase(std::unique(pinned.begin(), pinned.end()), pinned.end());
      for (auto const g : pinned) {
        HOLDFAST_TRY(one, register_traits<Register>::pin(register_, g));
        hold.push_back(std::move(one));
      }
    }
    return hold;
  }

  /// Gives the outside names to a generation's parts.
  [[nodiscard]] result<void> publish(Kept const& kept) requires publishing_store<Store> {
    if constexpr (requires { store_traits<Store>::publish_parts(store_, kept.parts); }) {
      return store_traits<Store>::publish_parts(store_, kept.parts);
    } else {
      return store_traits<Store>::publish(store_, kept.generation);
    }
  }

  /// Shows what the record names now: the generation if that changed anything.
  [[nodiscard]] result<std::optional<Generation>> refresh() {
    if (born().left()) return failure(errc::forked, "refresh");
    std::lock_guard const guard{refreshing_};
    auto switched = try_refresh();
    trouble_.reset();
    if (!switched) trouble_ = switched.error();
    return switched;
  }

  /// Puts a newer state of the generation that is shown, or of another, in front of readers.
  void move_on(std::unique_ptr<Shown> next) {
    std::lock_guard const guard{refreshing_};
    trouble_.reset();
    readers_.show(std::move(next));
    readers_.reclaim();
  }
  /// Why there is nothing newer to show.
  void complain(error const& why) {
    std::lock_guard const guard{refreshing_};
    trouble_ = why;
  }

  /// Puts an opened generation in front of readers.
  void show(std::unique_ptr<Shown> next) {
    std::lock_guard const guard{refreshing_};
    trouble_.reset();
    auto const* const current = readers_.current();
    if (current != nullptr && current->kept.sequence >= next->kept.sequence) return;
    readers_.show(std::move(next));
  }

  // Inlined by every compiler: the call would cost more than the view.
  [[nodiscard, gnu::always_inline]] result<View<Shown>> view() {
    auto const protection = readers_.protect();
    if (protection.shown == nullptr) [[unlikely]] {
      return failure(why_nothing());
    }
    return result<View<Shown>>{boost::outcome_v2::in_place_type<View<Shown>>, protection};
  }

  [[nodiscard]] result<Pin<Shown>> pin(std::shared_ptr<void> keeper) {
    auto protection = readers_.protect();
    if (protection.shown == nullptr) return failure(why_nothing());
    protection.shown->pins.fetch_add(1, std::memory_order_relaxed);
    protection.release();  // counted before: the reclaimer reads the slots first
    return Pin<Shown>{std::move(keeper), protection.shown};
  }

  /// Those of the generation that is shown, if one is.
  [[nodiscard]] std::optional<Marks> shown_marks() {
    auto const protection = readers_.protect();
    if (protection.shown == nullptr) return std::nullopt;
    auto marks = protection.shown->kept.marks;
    protection.release();
    return marks;
  }

  /// Why the last `refresh` showed nothing new, if it failed.
  [[nodiscard]] std::optional<error> trouble() {
    std::lock_guard const guard{refreshing_};
    return trouble_;
  }

 private:
  [[nodiscard]] result<void> enter([[maybe_unused]] Kept const& kept,
                                   [[maybe_unused]] Quiet& quiet) {
    if constexpr (updatable_store<Store> && barred_register<Register>) {
      if (quiet) return ok();
      HOLDFAST_TRY(moves, updates_of(store_, kept.parts));
      if (!moves) return ok();
      HOLDFAST_TRY(entered, register_traits<Register>::enter(register_, Mode::shared));
      quiet.emplace(std::move(entered));
    }
    return ok();
  }
  [[nodiscard]] result<void> check_carried(Shown const& opened,
                                           Marks const& from,
                                           Marks const& commit) {
    std::vector<std::optional<Marks>> own;
    detail::add_marks_of(store_, opened.reader, own);
    auto const names = part_names();
    for (std::size_t i = 0; i < own.size() && i < opened.kept.parts.size(); ++i) {
      if (!own[i] || opened.kept.parts[i] == opened.kept.generation) continue;
      if (merged(from, *own[i]) == commit) continue;
      return failure(errc::torn, "commit: a part that is carried over is at other marks",
                     i < names.size() ? names[i] : std::string{});
    }
    return ok();
  }
  // Between the transactions of an update its parts are at unequal marks: none is under way behind
  // the barrier.
  [[nodiscard]] result<reader_of<Store>> open_quietly(Kept const& kept, Quiet& held) {
    if (held) return open_parts(kept);
    Quiet quiet;
    HOLDFAST_TRYV(enter(kept, quiet));
    return open_parts(kept);
  }
  [[nodiscard]] result<reader_of<Store>> open_parts(Kept const& kept) {
    if constexpr (mixing_store<Store>) {
      return store_traits<Store>::open_parts(store_, kept.parts);
    } else {
      bool const mixed = std::any_of(kept.parts.begin(), kept.parts.end(),
                                     [&](Generation g) { return g != kept.generation; });
      if (mixed) return failure(errc::newer_format, "open", "parts of several generations");
      return store_traits<Store>::open(store_, kept.generation);
    }
  }

  // Between reading the record and pinning, another process may retire the generation: then the
  // record has changed.
  [[nodiscard]] result<std::optional<Generation>> try_refresh() {
    for (int attempt = 0;; ++attempt) {
      HOLDFAST_TRY(loaded, load());
      if (!loaded || loaded->manifest.current.number == 0) return std::optional<Generation>{};
      auto const* kept = manifest::find(loaded->manifest, loaded->manifest.current);
      auto const* current = readers_.current();
      bool const known = current != nullptr && current->kept.sequence >= kept->sequence;
      if (known && (!current->moves || current->kept.sequence > kept->sequence))
        return std::optional<Generation>{};
      auto opened = open(*kept);
      if (known && opened && opened.assume_value()->kept.marks == current->kept.marks) {
        // No update since. What was opened now holds up less: a log that was read from can end.
        readers_.show(std::move(opened).assume_value());
        readers_.reclaim();
        return std::optional<Generation>{};
      }
      HOLDFAST_TRY(after, load());
      bool const stays = after && manifest::find(after->manifest, kept->generation) != nullptr;
      if (opened && stays) {
        readers_.show(std::move(opened).assume_value());
        readers_.reclaim();
        return std::optional{kept->generation};
      }
      if (attempt == 16 || (!opened && stays && opened.error().code() != errc::busy)) {
        if (!opened) return detail::failed(opened);
        return failure(errc::busy, "refresh",
                       "the current generation changes faster than it opens");
      }
    }
  }

  // An error and not a result: a view stays in registers where nothing takes its address.
  [[nodiscard, gnu::noinline]] error why_nothing() {
    if (born().left()) return error{errc::forked, "view"};
    auto const why = trouble();
    return why ? *why : error{errc::no_generation, "view"};
  }

  Store store_;
  Register register_;
  ReadersT readers_;  // after the register: its holds end first
  std::mutex refreshing_;
  std::optional<error> trouble_;
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/keeper.hpp
// Keeps a home in order: recovers what a crash left, deletes what retires, publishes what is
// current, tells the observer.
#ifndef HOLDFAST_STAGED_KEEPER_HPP
#define HOLDFAST_STAGED_KEEPER_HPP

#include <cassert>

HOLDFAST_BEGIN

namespace detail {
/// What every writing operation of a home rests on. `*_locked` wants `mutex_` held, and where it
/// says so the stage lock.
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class Keeper {
 public:
  using Source = detail::Source<Store, Register>;
  using Shown = typename Source::Shown;
  using Grant = grant_of<Locking>;

  Keeper(StagedOptions options, Store store, Register reg, Locking lock, W world)
      : options_{options},
        source_{std::move(store), std::move(reg)},
        lock_{std::move(lock)},
        world_{std::move(world)} {}
  Keeper(Keeper const&) = delete;
  Keeper& operator=(Keeper const&) = delete;

  [[nodiscard]] Source& source() noexcept { return source_; }
  [[nodiscard]] State state() const noexcept { return state_.load(std::memory_order_relaxed); }

  /// Closes what nobody reads any more and deletes what retires. Works while others build.
  [[nodiscard]] result<Collected> collect() {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, "collect");
    return collect_locked();
  }

  [[nodiscard]] result<bool> refresh() {
    HOLDFAST_TRY(shown, source_.refresh());
    if (shown) tell({.kind = Event::Kind::switched, .generation = *shown});
    return shown.has_value();
  }

  [[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes(Generation g) {
    std::vector<Generation> const parts(source_.part_names().size(), g);
    return disk_bytes_of(source_.store(), parts);
  }
  /// What the record says now; nothing on a home that was never written.
  [[nodiscard]] result<Status> status() {
    if (source_.born().left()) return failure(errc::forked, "status");
    HOLDFAST_TRY(loaded, source_.load());
    Status status;
    if (loaded) status.manifest = std::move(loaded->manifest);
    HOLDFAST_TRY(holder, lock_traits<Locking>::inspect(lock_));
    status.holder = holder;
    status.state = state();
    status.trouble = source_.trouble();
    add_pins(source_, status);
    add_updated(source_, status);
    status.shown = source_.shown_marks();
    std::lock_guard const guard{mutex_};
    status.foreign = foreign_;
    return status;
  }

  /// Stops every commit until `unhold`, also one that is under way: it answers `held`. Needs only
  /// the register.
  [[nodiscard]] result<void> hold(std::string_view reason) {
    if (reason.size() > manifest::max_reason) return failure(errc::too_large, "hold", reason);
    return change("hold", [&](Manifest& m) { m.hold = std::string{reason}; });
  }
  [[nodiscard]] result<void> unhold() {
    return change("unhold", [](Manifest& m) { m.hold.reset(); });
  }

 protected:
  // One store of the record, whoever builds; its new version makes a commit under way fail.
  template <class Edit>
  [[nodiscard]] result<void> change(char const* where, Edit edit) {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, where);
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(loaded, require_loaded(where));
      auto next = loaded.manifest;
      edit(next);
      auto const stored = store(loaded.version, as_bytes(manifest::encode(next)));
      if (stored) return ok();
      if (stored.error().code() != errc::conflict || round == 16) return detail::failed(stored);
    }
  }

  // The stage lock for a scope.
  struct Granted {
    Keeper& core;
    Grant& grant;
    Granted(Keeper& c, Grant& g) noexcept : core{c}, grant{g} {}
    Granted(Granted const&) = delete;
    Granted& operator=(Granted const&) = delete;
    ~Granted() { core.release(grant); }
  };
  void tell(Event const& event) noexcept { detail::tell(world_, event); }

  void go(State to, Generation g, error const* cause = nullptr) noexcept {
    auto const from = state_.exchange(to, std::memory_order_relaxed);
    assert(allowed(from, to));
    tell(
        {.kind = Event::Kind::transition, .from = from, .to = to, .generation = g, .cause = cause});
  }

  // Its token exceeds the record's fence, so that recovery can fence out whoever built before.
  [[nodiscard]] result<Grant> acquire() {
    auto const loaded = source_.load();  // an error of the record is told once the lock is had
    auto const fence =
        loaded && loaded.assume_value() ? loaded.assume_value()->manifest.fence : FencingToken{};
    return lock_traits<Locking>::try_acquire(lock_, world_.self(), fence);
  }

  // A lock that can't be let go lapses with its process; the work that was done under it stands.
  void release(Grant& grant) noexcept {
    auto released = lock_traits<Locking>::release(lock_, grant);
    if (!released) tell({.kind = Event::Kind::lock_failed, .cause = &released.assume_error()});
  }

  [[nodiscard]] result<Loaded> require_loaded(char const* where) {
    HOLDFAST_TRY(loaded, source_.load());
    if (!loaded) return failure(errc::no_generation, where);
    return std::move(*loaded);
  }

  // An exception out of a register leaves open whether it stored.
  [[nodiscard]] result<Version> store(Version expected, bytes_view value) {
    result<Version> stored = failure(errc::uncertain, "store", "the register threw");
    HOLDFAST_MAY_THROW {
      stored = register_traits<Register>::store_if(source_.reg(), expected, value);
    }
    HOLDFAST_CAUGHT {}
    if (!stored && stored.error().code() == errc::uncertain) unsettled_ = true;
    return stored;
  }

  [[nodiscard]] result<void> reopen() {
    HOLDFAST_TRYV(register_traits<Register>::reopen(source_.reg()));
    unsettled_ = false;
    return ok();
  }

  // What recovery could not do: drop an attempt. Reading and reverting go on then, building does
  // not.
  struct Recovery {
    std::optional<error> left;
  };

  // Under the stage lock nobody else builds, so an attempt in the record is one that a crash, a
  // failure or force ended. Its author may still be alive: it is fenced out durably before anything
  // of it is dropped. Gives why an attempt could not be dropped: reading and reverting go on then,
  // building does not.
  // An attempt of one who is surely dead may stay, if it is to be resumed.
  [[nodiscard]] result<Recovery> recover_locked(Grant const& grant, bool may_stay = false) {
    auto const token = grant.token;
    HOLDFAST_TRYV(reopen());
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(loaded, source_.load());
      HOLDFAST_TRY(remains, store_traits<Store>::generations(source_.store()));
      if (!loaded && !remains.empty()) {
        return failure(errc::register_lost, "open",
                       "generation " + std::to_string(remains.back().number));
      }
      auto const version = loaded ? loaded->version : Version::none;
      auto next = loaded ? loaded->manifest : fresh();
      std::optional<error> left;
      if (loaded) {
        HOLDFAST_TRYV(check_home(next, remains));
        bool const stays = may_stay && next.attempt && has_ended(*next.attempt, grant);
        if (!stays && next.attempt && next.fence <= next.attempt->token) {
          next = manifest::fence_out(std::move(next), token);
        } else {
          left = clean(next, stays);
          if (next == loaded->manifest) {
            if (!left) settle_recovery();
            return Recovery{left};
          }
        }
      }
      auto const stored = store(version, as_bytes(manifest::encode(next)));
      bool const again = stored || stored.error().code() == errc::conflict;
      if (!again) return detail::failed(stored);
      if (round == 16) return failure(errc::busy, "recover", "the record changes all the time");
    }
  }

  [[nodiscard]] bool has_ended([[maybe_unused]] AttemptRecord const& attempt,
                               [[maybe_unused]] Grant const& ours) const {
    if constexpr (vouching_lock<Locking>) {
      return lock_.has_ended(attempt.owner, attempt.token, ours);
    } else {
      return false;
    }
  }

  void settle_recovery() {
    dropped_.clear();
    recovered_ = true;
    if (state() == State::failed) go(State::none, {});
  }

  [[nodiscard]] Manifest fresh() {
    Manifest m;
    for (std::size_t i = 0; i < m.home.size(); ++i)
      m.home[i] = static_cast<std::uint8_t>(world_.random64());
    m.part_names = source_.part_names();
    return m;
  }

  // Refuses before anything is touched. What lies there unlisted is reported and left alone.
  [[nodiscard]] result<void> check_home(Manifest const& m, std::vector<Generation> const& remains) {
    if (m.part_names != source_.part_names()) {
      return failure(errc::foreign, "open",
                     "the home has other parts than the store that opens it");
    }
    foreign_.clear();
    for (auto const g : remains) {
      if (g.number >= m.next) {
        return failure(errc::stale_register, "open",
                       "generation " + std::to_string(g.number) + " lies in the store");
      }
      if (manifest::lists(m, g)) continue;
      foreign_.push_back(g);
      tell({.kind = Event::Kind::foreign, .generation = g});
    }
    return ok();
  }

  // Drops what the record lists as ended, and takes it out. The record is confirmed: a load gives
  // nothing else.
  [[nodiscard]] std::optional<error> clean(Manifest& m, bool attempt_stays) {
    std::optional<error> left;
    if (m.attempt && !attempt_stays) {
      auto const g = m.attempt->generation;
      auto const dropped = store_traits<Store>::drop(source_.store(), g);
      if (!dropped) left = dropped.error();
      tell({.kind = left ? Event::Kind::drop_failed : Event::Kind::recovered,
            .generation = g,
            .token = m.attempt->token,
            .cause = left ? &*left : nullptr});
      if (!left) m = manifest::end(std::move(m));
    }
    auto const collected = drop_retiring(m);
    m = manifest::without(std::move(m), collected.dropped);
    m = manifest::without(std::move(m), dropped_);
    return left;
  }

  // `patient` leaves foreign readers of a published name their grace.
  [[nodiscard]] Collected drop_retiring(Manifest const& m, bool patient = true) {
    Collected out;
    for (auto const& retiring : m.retiring) {
      if (contains(dropped_, retiring.generation)) continue;
      if (manifest::carried(m, retiring.generation)) continue;  // parts of it are still current
      auto dropped = drop(retiring, patient);
      auto const* cause = dropped ? nullptr : &dropped.assume_error();
      if (cause == nullptr) {
        out.dropped.push_back(retiring.generation);
      } else {
        out.waiting.push_back(retiring.generation);
        if (cause->code() != errc::pinned && !out.failure) out.failure = *cause;
      }
      tell({.kind = cause == nullptr ? Event::Kind::dropped : Event::Kind::drop_failed,
            .generation = retiring.generation,
            .cause = cause});
    }
    return out;
  }

  [[nodiscard]] result<void> drop(Retiring const& retiring, bool patient) {
    auto const g = retiring.generation;
    if (source_.readers().is_open(g)) return failure(errc::pinned, "drop");
    if (patient && in_grace(retiring)) {
      return failure(errc::pinned, "drop", "grace for readers of the published name");
    }
    if constexpr (pinning_register<Register>) {
      HOLDFAST_TRY(alone, register_traits<Register>::try_exclude(source_.reg(), g));
      return store_traits<Store>::drop(source_.store(), g);
    } else {
      return store_traits<Store>::drop(source_.store(), g);
    }
  }

  // A clock that went back counts as expired: the grace is a courtesy, and what is open stays
  // readable.
  [[nodiscard]] bool in_grace([[maybe_unused]] Retiring const& retiring) const noexcept {
    if constexpr (publishing_store<Store>) {
      auto const age_ms = world_.wall_ns() / 1'000'000 - retiring.since_ms;
      return options_.publish && age_ms >= 0 && age_ms < options_.publish_grace_ms;
    }
    return false;
  }

  [[nodiscard]] result<Collected> collect_locked(bool patient = true) {
    source_.readers().reclaim();
    HOLDFAST_TRY(loaded, source_.load());
    if (!loaded) return Collected{};
    auto out = drop_retiring(loaded->manifest, patient);
    dropped_.insert(dropped_.end(), out.dropped.begin(), out.dropped.end());
    return out;
  }

  // As long as no later commit shows, a write of this one may still be under way: the same value at
  // a new version makes it fail, and any build that is under way too.
  [[nodiscard]] result<Outcome> settle(Ticket const& ticket) {
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(loaded, require_loaded("resolve"));
      auto const outcome = manifest::outcome(loaded.manifest, ticket);
      if (outcome != Outcome::not_committed || loaded.manifest.sequence >= ticket.sequence)
        return outcome;
      auto stored = store(loaded.version, as_bytes(manifest::encode(loaded.manifest)));
      if (stored) return outcome;
      if (stored.error().code() != errc::conflict || round == 16) return detail::failed(stored);
    }
  }

  // Read before and after: a revert in between would else be overtaken by the name of the
  // generation it left.
  std::optional<error> publish_locked() {
    if constexpr (publishing_store<Store>) {
      if (!options_.publish) return {};
      for (int round = 0; round < 16; ++round) {
        auto before = require_loaded("publish");
        if (!before) return before.error();
        auto const& m = before.assume_value().manifest;
        auto const g = m.current;
        if (g.number == 0) return {};
        auto published = source_.publish(*manifest::find(m, g));
        auto const* cause = published ? nullptr : &published.assume_error();
        tell({.kind = published ? Event::Kind::published : Event::Kind::publish_failed,
              .generation = g,
              .cause = cause});
        if (!published) return published.error();
        auto after = require_loaded("publish");
        if (after && after.assume_value().manifest.current == g) return {};
      }
      return error{errc::busy, "publish",
                   "the current generation changes faster than it is published"};
    }
    return {};
  }

  StagedOptions options_;
  Source source_;
  Locking lock_;
  W world_;
  std::mutex mutex_;
  std::atomic<State> state_{State::none};
  std::vector<Generation> dropped_;  // deleted, but still listed as retiring
  std::vector<Generation> foreign_;
  bool recovered_ = false;
  bool unsettled_ = false;  // a store answered `uncertain` since the register was last opened
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/builder.hpp
// Begins and ends attempts: records one before anything of it exists, and rolls one back whatever
// fails.
#ifndef HOLDFAST_STAGED_BUILDER_HPP
#define HOLDFAST_STAGED_BUILDER_HPP

HOLDFAST_BEGIN

namespace detail {
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class Builder : public Keeper<Store, Register, Locking, W> {
 public:
  using Base = Keeper<Store, Register, Locking, W>;
  using typename Base::Grant;
  using typename Base::Shown;

  /// One build, from `stage` to its end. On the heap: references into the writer survive moves of
  /// the handle.
  struct Attempt {
    Attempt(Grant&& granted, std::vector<bool> carried)
        : grant{std::move(granted)}, carries{std::move(carried)} {}
    virtual ~Attempt() = default;
    Attempt(Attempt const&) = delete;
    Attempt& operator=(Attempt const&) = delete;
    virtual result<void> create(Store& store, Kept const* current) = 0;
    virtual result<void> create_shown(Store& store, Shown const& current) = 0;
    virtual result<void> resume(Store& store) = 0;
    virtual result<void> seal(Store& store) = 0;
    virtual void close() noexcept = 0;  // the writer, whatever is written
    virtual result<void> limit(std::uint64_t bytes) = 0;
    [[nodiscard]] virtual result<std::uint64_t> taken() const = 0;

    Grant grant;
    std::vector<bool> carries;  // which parts are not built but taken from the current generation
    bool needs_current = false;
    bool copies_shown = false;  // begins as a copy of what may take updates meanwhile
    bool recorded = false;  // the record lists it: from here on it is rolled back, not just let go
    Generation generation{};
    std::uint64_t nonce = 0;
    Version version;    // of the register after the attempt was recorded
    Manifest manifest;  // as recorded then
    std::vector<Generation> parts{};
    std::unique_ptr<Shown> opened{};
    Marks marks{};                         // from which catching up goes on
    std::optional<Marks> caught_up{};      // what it came to: no update came since
    typename Base::Source::Quiet quiet{};  // none comes until the commit
    bool others = false;                   // what lies under its number is not ours and stays
    bool resumed = false;                  // what it began with is the caller's to know
    bool lost = false;                     // a sync failed: it can only be dropped
    bool overtaken = false;                // others changed the record meanwhile
  };
  using AttemptPtr = std::unique_ptr<Attempt>;
  /// One that is written through such a writer.
  template <class Writer>
  struct AttemptWith : Attempt {
    using Attempt::Attempt;
    std::optional<Writer> writer{};
  };
  /// A build of the parts that `Selection` names.
  template <class Selection>
  struct AttemptOf final : AttemptWith<typename Selection::Writer> {
    using AttemptWith<typename Selection::Writer>::AttemptWith;
    result<void> create(Store& store, Kept const* current) override {
      HOLDFAST_TRY(made, Selection::create(store, this->generation, current));
      this->writer.emplace(std::move(made));
      if constexpr (requires { &Selection::create_shown; }) this->marks = current->marks;
      return ok();
    }
    result<void> create_shown([[maybe_unused]] Store& store,
                              [[maybe_unused]] Shown const& current) override {
      if constexpr (requires {
                      Selection::create_shown(store, this->generation, current.kept,
                                              current.reader);
                    }) {
        HOLDFAST_TRY(
            made, Selection::create_shown(store, this->generation, current.kept, current.reader));
        this->writer.emplace(std::move(made));
        this->marks = current.kept.marks;
        return ok();
      } else {
        return failure(errc::invalid, "copy");
      }
    }
    result<void> resume([[maybe_unused]] Store& store) override {
      if constexpr (requires { Selection::resume(store, this->generation); }) {
        HOLDFAST_TRY(made, Selection::resume(store, this->generation));
        this->writer.emplace(std::move(made));
        return ok();
      } else {
        return failure(errc::not_found, "resume");
      }
    }
    result<void> seal(Store& store) override { return Selection::seal(store, *this->writer); }
    void close() noexcept override { this->writer.reset(); }
    result<void> limit(std::uint64_t bytes) override { return limit_build(*this->writer, bytes); }
    [[nodiscard]] result<std::uint64_t> taken() const override {
      std::uint64_t all = 0;
      HOLDFAST_TRYV(add_taken(*this->writer, all));
      return all;
    }
  };

  using Base::Base;

 protected:
  using Base::check_home, Base::collect_locked, Base::go, Base::recover_locked, Base::release;
  using Base::dropped_, Base::options_, Base::recovered_, Base::source_, Base::world_;
  using Base::publish_locked;
  using Base::require_loaded, Base::store;

  // Discards an attempt that did not come to be, also when a callback throws.
  struct Rollback {
    Builder& core;
    AttemptPtr& attempt;
    bool armed = true;
    Rollback(Builder& c, AttemptPtr& a) noexcept : core{c}, attempt{a} {}
    Rollback(Rollback const&) = delete;
    Rollback& operator=(Rollback const&) = delete;
    ~Rollback() {
      if (armed) core.discard_locked(std::move(attempt));
    }
  };

  [[nodiscard]] result<void> check_alive(Attempt const& attempt, char const* where) {
    if (source_.born().left()) return failure(errc::forked, where);
    if (attempt.lost) return failure(errc::sync_failed, where);
    return ok();
  }

  // Whatever throws from here on, the lock is let go.
  template <class Selection>
  [[nodiscard]] AttemptPtr own(Grant& grant) {
    HOLDFAST_MAY_THROW {
      auto carries = Selection::carries(source_.store(), source_.part_names().size());
      auto made = std::make_unique<AttemptOf<Selection>>(std::move(grant), std::move(carries));
      made->needs_current = Selection::needs_current;
      made->copies_shown = updatable_store<Store> && requires {
        &Selection::create_shown;
      };
      return made;
    }
    HOLDFAST_CAUGHT {
      release(grant);
      HOLDFAST_RETHROW;
    }
  }

  // Records the attempt: the first of a run's two durable stores.
  [[nodiscard]] result<void> begin(Attempt& attempt) {
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(found, source_.load());
      if (!recovered_ || !found || found->manifest.attempt) {
        HOLDFAST_TRY(recovery, recover_locked(attempt.grant));
        if (recovery.left) return failure(*recovery.left);
      }
      HOLDFAST_TRY(loaded, require_loaded("stage"));
      // Each time: what was put under the next number since the home was opened must not pass for
      // the attempt's.
      HOLDFAST_TRY(remains, store_traits<Store>::generations(source_.store()));
      HOLDFAST_TRYV(check_home(loaded.manifest, remains));
      HOLDFAST_TRYV(check_headroom(loaded.manifest, attempt));
      auto const nonce = world_.random64();
      auto planned = plan(loaded.manifest, attempt, nonce);
      if (!planned &&
          (planned.error().code() == errc::full || planned.error().code() == errc::too_large)) {
        HOLDFAST_TRYV(
            collect_locked(false));  // the grace is a courtesy; a full record would stop all builds
        planned = plan(loaded.manifest, attempt, nonce);
      }
      HOLDFAST_TRY(next, std::move(planned));
      auto const text = manifest::encode(next);
      attempt.parts = parts_of(next, attempt);
      auto stored = store(loaded.version, as_bytes(text));
      if (stored) {  // from here on nothing may throw: the record lists it
        dropped_.clear();
        attempt.recorded = true;
        settle_record(attempt, std::move(next), stored.assume_value());
        return ok();
      }
      recovered_ = false;
      // Uncertain only for the record of the attempt: readers are not concerned, and the next
      // recovery finds out.
      if (stored.error().code() == errc::uncertain)
        return failure(stored.error().as(errc::sync_failed));
      if (stored.error().code() != errc::conflict || round == 16) return detail::failed(stored);
    }
  }

  // The record lists the attempt now.
  static void settle_record(Attempt& attempt, Manifest next, Version version) noexcept {
    attempt.generation = next.attempt->generation;
    attempt.nonce = next.attempt->nonce;
    attempt.version = version;
    attempt.manifest = std::move(next);
  }

  // `m` lists the attempt.
  [[nodiscard]] static std::vector<Generation> parts_of(Manifest const& m, Attempt const& attempt) {
    return manifest::parts_of_build(m.attempt->generation, manifest::find(m, m.current),
                                    attempt.carries);
  }

  // The parts that are to be built, each with what it takes now and what it would find.
  [[nodiscard]] result<std::vector<std::optional<Space>>> measure(
      std::vector<Generation> const& parts) {
    if constexpr (requires { source_.store().spaces(parts); }) {
      return source_.store().spaces(parts);
    } else if constexpr (measuring_store<Store>) {
      HOLDFAST_TRY(space, store_traits<Store>::space(source_.store(), parts.front()));
      return std::vector{std::optional{space}};
    } else {
      return std::vector<std::optional<Space>>(parts.size());
    }
  }

  // Parts on one file system share what is free there.
  [[nodiscard]] result<void> check_headroom(Manifest const& m, Attempt const& attempt) {
    auto const budget = options_.build_bytes;
    if (options_.headroom <= 0 && options_.min_free_bytes == 0 && budget == 0) return ok();
    auto const* current = manifest::find(m, m.current);
    std::vector<Generation> const none(m.part_names.size());
    HOLDFAST_TRY(spaces, measure(current != nullptr ? current->parts : none));
    std::map<std::uint64_t, std::uint64_t> wanted;
    for (std::size_t i = 0; i < spaces.size(); ++i) {
      if (!spaces[i] || attempt.carries[i]) continue;
      auto const like_now = options_.headroom * static_cast<double>(spaces[i]->used);
      auto const first = wanted.try_emplace(spaces[i]->device, options_.min_free_bytes).first;
      first->second += static_cast<std::uint64_t>(like_now);
      auto const needed = std::max(first->second, budget);
      if (needed <= spaces[i]->free) continue;
      return failure(errc::no_space, "stage",
                     m.part_names[i] + ": " + std::to_string(needed) + " bytes wanted, " +
                         std::to_string(spaces[i]->free) + " free");
    }
    return ok();
  }

  // Before its seal as its writers tell, after it as the store does.
  [[nodiscard]] result<void> check_budget(Attempt const& attempt, bool sealed) {
    if (options_.build_bytes == 0) return ok();
    std::uint64_t taken = 0;
    if (sealed) {
      HOLDFAST_TRY(spaces, measure(attempt.parts));
      for (std::size_t i = 0; i < spaces.size(); ++i) {
        if (spaces[i] && !attempt.carries[i]) taken += spaces[i]->used;
      }
    } else {
      HOLDFAST_TRY(told, attempt.taken());
      taken = told;
    }
    if (taken <= options_.build_bytes) return ok();
    return failure(errc::no_space, "the build takes more than StagedOptions::build_bytes",
                   std::to_string(taken) + " of " + std::to_string(options_.build_bytes));
  }

  // Bytes that a build may make of the record: an operator must still be able to hold and revert.
  [[nodiscard]] std::size_t room() {
    auto const limit = register_traits<Register>::max_size(source_.reg());
    return limit - std::min(manifest::reserve, limit / 8);
  }

  // The record of the attempt, if a commit after it will fit too.
  [[nodiscard]] result<Manifest> plan(Manifest const& m,
                                      Attempt const& attempt,
                                      std::uint64_t nonce) {
    if (attempt.needs_current && m.current.number == 0)
      return failure(errc::no_generation, "stage", "nothing to carry over or to begin with");
    HOLDFAST_TRY(next, manifest::begin(manifest::without(m, dropped_), attempt.grant.token,
                                       world_.self(), nonce));
    auto const committed = manifest::commit(next, {}, parts_of(next, attempt), {options_.retain},
                                            world_.wall_ns() / 1'000'000);
    auto const size = std::max(manifest::encode(committed).size(), manifest::encode(next).size());
    auto const limit = room();
    if (size <= limit) return std::move(next);
    return failure(errc::too_large, "stage",
                   "the record: " + std::to_string(size) + " of " + std::to_string(limit) +
                       " bytes, " + std::to_string(m.retiring.size()) + " retiring, " +
                       std::to_string(m.retained.size()) + " retained");
  }

  // Runs in destructors, also when memory is short: whatever fails or throws, the lock is let go,
  // and what is left is for the next recovery, since the record lists it.
  void discard_locked(AttemptPtr attempt) noexcept {
    std::optional<error> failed;
    if (attempt->recorded) {
      go(State::rolling_back, attempt->generation);
      failed = housekeep([&] { return roll_back(*attempt); });
      go(failed ? State::failed : State::none, attempt->generation, failed ? &*failed : nullptr);
    }
    if (failed) recovered_ = false;
    // Whoever reverted meanwhile left the outside names to the one that holds the lock.
    if (attempt->overtaken) static_cast<void>(housekeep([&] { return publish_locked(); }));
    release(attempt->grant);
    building_ = false;
  }

  [[nodiscard]] std::optional<error> roll_back(Attempt& attempt) {
    attempt.opened.reset();
    attempt.close();
    result<void> done = ok();
    if (!attempt.others) done = store_traits<Store>::drop(source_.store(), attempt.generation);
    if (done) done = end_attempt(attempt);
    if (!done) return done.error();
    return {};
  }

  // Others may have reverted meanwhile; only our own attempt is taken out.
  [[nodiscard]] result<void> end_attempt(Attempt& attempt) {
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(loaded, require_loaded("discard"));
      attempt.overtaken |= loaded.version != attempt.version;
      auto const& listed = loaded.manifest.attempt;
      if (!listed || listed->nonce != attempt.nonce) return ok();
      auto stored =
          store(loaded.version, as_bytes(manifest::encode(manifest::end(loaded.manifest))));
      if (stored) return ok();
      if (stored.error().code() != errc::conflict || round == 16) return detail::failed(stored);
    }
  }

  bool building_ = false;
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/resumer.hpp
// Goes on with the build of a builder that is surely dead, from its last note.
//
// The order of effects:
//   1. stage lock: nobody builds; the lock vouches that the author of the attempt is gone
//   2. register: {fence = token, attempt = the same generation, ours}   whoever might still come
//                                                                        can't commit it
//   3. store: back to the last note
// Where the lock can't vouch, or nothing was noted, the attempt is dropped and another one begins.
#ifndef HOLDFAST_STAGED_RESUMER_HPP
#define HOLDFAST_STAGED_RESUMER_HPP

HOLDFAST_BEGIN

namespace detail {
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class Resumer : public Builder<Store, Register, Locking, W> {
 public:
  using Base = Builder<Store, Register, Locking, W>;
  using Base::Base;
  using typename Base::Attempt;
  using typename Base::AttemptPtr;

  /// All that the build has, and these words, durable on return.
  template <class Note>
  [[nodiscard]] result<void> note(Attempt& attempt, Note write) {
    HOLDFAST_TRYV(Base::check_alive(attempt, "note"));
    HOLDFAST_TRYV(Base::check_budget(attempt, false));
    auto noted = write(Base::source_.store());
    if (!noted && noted.error().code() == errc::sync_failed) attempt.lost = true;
    return noted;
  }

  /// Ends this object's part in an attempt that stays in the record.
  void leave(AttemptPtr attempt) noexcept {
    if (Base::source_.born().left()) {
      static_cast<void>(attempt.release());  // as with a discard
      return;
    }
    std::lock_guard const guard{Base::mutex_};
    Base::go(State::rolling_back, attempt->generation);
    attempt->opened.reset();
    attempt->close();
    attempt->quiet.reset();
    Base::go(State::none, attempt->generation);
    Base::release(attempt->grant);
    Base::recovered_ = false;
    Base::building_ = false;
  }

 protected:
  // True if it goes on with another's: then its writer is there.
  [[nodiscard]] result<bool> take_over_or_begin(Attempt& attempt) {
    HOLDFAST_TRY(taken, take_over(attempt));
    if (taken) {
      auto const resumed = attempt.resume(Base::source_.store());
      attempt.recorded = resumed.has_value();
      if (resumed) return true;
      auto const code = resumed.error().code();
      bool const nothing =
          code == errc::not_found || code == errc::damaged || code == errc::foreign;
      // What can pass must not cost what was built: the attempt stays for who comes next.
      if (!nothing) return failed(resumed);
      auto const left = Base::roll_back(attempt);
      if (left) {
        Base::recovered_ = false;
        return failure(*left);
      }
    }
    HOLDFAST_TRYV(Base::begin(attempt));
    return false;
  }

 private:
  [[nodiscard]] result<bool> take_over(Attempt& attempt) {
    HOLDFAST_TRYV(Base::reopen());
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(found, Base::source_.load());
      if (!found || !found->manifest.attempt) return false;
      if (!Base::has_ended(*found->manifest.attempt, attempt.grant)) return false;
      if (attempt.needs_current && found->manifest.current.number == 0) return false;
      HOLDFAST_TRY(remains, store_traits<Store>::generations(Base::source_.store()));
      HOLDFAST_TRYV(Base::check_home(found->manifest, remains));
      auto const nonce = Base::world_.random64();
      HOLDFAST_TRY(next, manifest::take_over(found->manifest, attempt.grant.token,
                                             Base::world_.self(), nonce));
      auto const text = manifest::encode(next);
      attempt.parts = Base::parts_of(next, attempt);
      auto const stored = Base::store(found->version, as_bytes(text));
      if (stored) {
        Base::settle_record(attempt, std::move(next), stored.assume_value());
        return true;
      }
      auto const code = stored.error().code();
      if (code == errc::uncertain) return failure(stored.error().as(errc::sync_failed));
      if (code != errc::conflict || round == 16) return failed(stored);
    }
  }
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/selection.hpp
// Says which parts a build writes: all of the store, or those of a `Together` that it names.
#ifndef HOLDFAST_STAGED_SELECTION_HPP
#define HOLDFAST_STAGED_SELECTION_HPP

HOLDFAST_BEGIN

namespace detail {
template <generation_store Store>
struct Whole {
  using Writer = writer_of<Store>;
  static constexpr bool needs_current = false;
  [[nodiscard]] static result<Writer> create(Store& store, Generation g, Kept const*) {
    return store_traits<Store>::create(store, g);
  }
  [[nodiscard]] static result<Writer> resume(Store& store,
                                             Generation g) requires resuming_store<Store> {
    return resume_traits<Store>::resume(store, g);
  }
  [[nodiscard]] static result<void> note(Store& store, Writer& writer, bytes_view words) {
    return resume_traits<Store>::note(store, writer, words);
  }
  [[nodiscard]] static std::vector<bytes> notes(Store const& store, Writer const& writer) {
    return resume_traits<Store>::notes(store, writer);
  }
  [[nodiscard]] static result<void> seal(Store& store, Writer& writer) {
    return store_traits<Store>::seal(store, writer);
  }
  [[nodiscard]] static std::vector<bool> carries(Store const&, std::size_t parts) {
    return std::vector<bool>(parts, false);
  }
};

/// The whole store again, beginning as a copy of the current generation.
template <cloning_store Store>
struct Copied : Whole<Store> {
  static constexpr bool needs_current = true;
  /// As it is shown to whoever opens it now.
  [[nodiscard]] static result<writer_of<Store>> create_shown(Store& store,
                                                             Generation g,
                                                             Kept const& current,
                                                             reader_of<Store> const& shown) {
    return CopiesShown<Store>::clone(store, shown, current.parts, g);
  }
  [[nodiscard]] static result<writer_of<Store>> create(Store& store,
                                                       Generation g,
                                                       Kept const* current) {
    if constexpr (requires { store.clone_parts(current->parts, g); }) {
      return store.clone_parts(current->parts, g);
    } else {
      return store_traits<Store>::clone(store, current->generation, g);
    }
  }
};

/// A store whose parts can be built one without the other.
template <class Store, std::size_t... I>
concept selects = mixing_store<Store> &&
    requires(Store& store, Store const& c, Generation g, std::index_sequence<I...> some) {
  { store.create(g, some) } -> some_result;
  { c.carried(some) } -> std::same_as<std::vector<bool>>;
};

template <class Store, std::size_t... I>
struct Some {
  using Which = std::index_sequence<I...>;
  using Writer =
      value_of<decltype(std::declval<Store&>().create(std::declval<Generation>(), Which{}))>;
  static constexpr bool needs_current = true;  // for what is carried over
  [[nodiscard]] static result<Writer> create(Store& store, Generation g, Kept const*) {
    return store.create(g, Which{});
  }
  [[nodiscard]] static result<Writer> resume(Store& store,
                                             Generation g) requires resuming_store<Store> {
    return resume_traits<Store>::resume(store, g, Which{});
  }
  [[nodiscard]] static result<void> note(Store& store, Writer& writer, bytes_view words) {
    return resume_traits<Store>::note(store, writer, words, Which{});
  }
  [[nodiscard]] static std::vector<bytes> notes(Store const& store, Writer const& writer) {
    return resume_traits<Store>::notes(store, writer, Which{});
  }
  [[nodiscard]] static result<void> seal(Store& store, Writer& writer) {
    return store.seal(writer, Which{});
  }
  [[nodiscard]] static std::vector<bool> carries(Store const& store, std::size_t) {
    return store.carried(Which{});
  }
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/core.hpp
// Runs the protocol of a home for writing: open, recover, stage, seal, commit, discard, resolve,
// revert, collect.
//
// The order of durable effects of a run:
//   1. register: {fence = token, next = g + 1, attempt = g}   before anything of g exists, so that
//                                                             a crash leaves nothing unlisted
//   2. store:    create(g), fill, seal(g)                     durable, still unseen
//   3. register: {current = g, marks, no attempt}             the commit point
//   4. store:    publish(g), drop of what retires             may fail or be cut off; the next open
//                                                             goes on
#ifndef HOLDFAST_STAGED_CORE_HPP
#define HOLDFAST_STAGED_CORE_HPP

HOLDFAST_BEGIN

namespace detail {
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class StagedCore : public Resumer<Store, Register, Locking, W> {
  using Base = Resumer<Store, Register, Locking, W>;
  using Base::acquire, Base::collect_locked, Base::go, Base::publish_locked;
  using Base::begin, Base::building_, Base::check_alive, Base::discard_locked;
  using Base::mutex_, Base::options_, Base::recovered_, Base::recover_locked, Base::release;
  using Base::reopen, Base::require_loaded, Base::settle, Base::store, Base::tell;
  using Base::source_, Base::unsettled_, Base::world_;
  using typename Base::Granted;
  using typename Base::Rollback;
  using typename Base::Source;

 public:
  using typename Base::Attempt;
  using typename Base::AttemptPtr;
  using typename Base::Shown;
  using Whole = detail::Whole<Store>;
  template <std::size_t... I>
  using Some = detail::Some<Store, I...>;
  template <class Writer>
  using AttemptWith = typename Base::template AttemptWith<Writer>;

  using Base::Base;
  // A commit that is still uncertain is left to whoever opens the home next.
  ~StagedCore() {
    if (pending_ && !source_.born().left()) release(pending_->grant);
  }

  /// Recovers if nobody else builds, and shows the current generation. One that can't be opened is
  /// told by `view`: the home can still be reverted or built anew.
  [[nodiscard]] result<void> open() {
    if (options_.retain < 1 || options_.retain > manifest::max_retained) {
      return failure(errc::invalid, "open", "StagedOptions::retain must be from 1 to 48");
    }
    std::lock_guard const guard{mutex_};
    auto grant = acquire();
    if (grant) {
      Granted const granted{*this, grant.assume_value()};
      HOLDFAST_TRYV(recover_locked(grant.assume_value(), options_.keep_interrupted));
      publish_locked();
    } else if (grant.error().code() != errc::busy) {
      return detail::failed(grant);
    }
    static_cast<void>(source_.refresh());  // kept as the answer of `view`
    return ok();
  }

  /// Puts right what a crash or a failure left. Leaves the state `failed`.
  [[nodiscard]] result<void> recover() {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(check_free("recover"));
    HOLDFAST_TRY(grant, acquire());
    Granted const granted{*this, grant};
    HOLDFAST_TRY(recovery, recover_locked(grant, options_.keep_interrupted));
    if (recovery.left) return failure(*recovery.left);
    publish_locked();
    static_cast<void>(source_.refresh());
    return ok();
  }

  /// `resume`: goes on with what a dead builder left, if there is anything to go on with.
  template <class Selection>
  [[nodiscard]] result<AttemptPtr> stage(bool resume = false) {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(check_free("stage"));
    HOLDFAST_TRY(grant, acquire());
    auto attempt = Base::template own<Selection>(grant);
    Rollback rollback{*this, attempt};
    bool resumed = false;
    if (resume) {
      HOLDFAST_TRY(taken, Base::take_over_or_begin(*attempt));
      resumed = attempt->resumed = taken;
    } else {
      HOLDFAST_TRYV(begin(*attempt));
    }
    building_ = true;
    go(State::initializing, attempt->generation);
    auto const& m = attempt->manifest;
    auto created = resumed ? result<void>{ok()} : create(*attempt, manifest::find(m, m.current));
    if (!created) {
      attempt->others = created.error().code() == errc::exists;
      return detail::failed(created);
    }
    if (options_.build_bytes != 0) {
      HOLDFAST_TRYV(attempt->limit(options_.build_bytes));
    }
    go(State::processing, attempt->generation);
    rollback.armed = false;
    return attempt;
  }

  /// Without a barrier nothing would keep updates out.
  static constexpr bool can_catch_up = !updatable_store<Store> || barred_register<Register>;
  /// From its success to the commit or the end of the attempt no process updates the home.
  template <class Feed>
  [[nodiscard]] result<CaughtUp> catch_up(Attempt& attempt,
                                          CatchUpOptions const& options,
                                          Feed feed) {
    HOLDFAST_TRYV(check_alive(attempt, "catch_up"));
    if (attempt.resumed && attempt.marks.empty() && options.from.empty()) {
      return failure(errc::invalid, "catch_up: CatchUpOptions::from, as the build was noted");
    }
    auto const within = [&](Pull const& pull) -> result<Pulled> {
      HOLDFAST_TRYV(Base::check_budget(attempt, false));
      return feed(pull);
    };
    attempt.caught_up.reset();
    auto const& before = attempt.manifest;
    CatchUp<Source> work{source_, manifest::find(before, before.current), attempt.carries, options};
    auto caught = work.run(within, attempt.marks, attempt.quiet);
    if (caught) attempt.caught_up = attempt.marks;
    return caught;
  }

  /// Durable, still unseen. May be called again after it failed, unless a sync failed.
  [[nodiscard]] result<void> seal(Attempt& attempt) {
    HOLDFAST_TRYV(check_alive(attempt, "seal"));
    HOLDFAST_TRYV(Base::check_budget(attempt, false));
    auto sealed = attempt.seal(source_.store());
    if (sealed) sealed = Base::check_budget(attempt, true);
    if (sealed) {
      go(State::ready_to_commit, attempt.generation);
    } else if (sealed.error().code() == errc::sync_failed) {
      attempt.lost = true;
    }
    return sealed;
  }

  /// Opens the sealed generation for a look before the switch, which needs it opened anyway.
  [[nodiscard]] result<reader_of<Store> const*> look(Attempt& attempt) {
    HOLDFAST_TRYV(check_alive(attempt, "validate"));
    if (!attempt.opened) {
      HOLDFAST_TRY(opened, source_.look({attempt.generation, 0, {}, attempt.parts}, attempt.quiet));
      attempt.opened = std::move(opened);
    }
    return &attempt.opened->reader;
  }

  /// The switch. An error before anything was written leaves the attempt whole; `conflict`,
  /// `fenced` and other failures discard it; `uncertain` keeps it aside until `resolve`.
  [[nodiscard]] result<Committed> commit(AttemptPtr& attempt, CommitOptions options) {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(look(*attempt));  // opened before the switch: it can't leave readers with nothing
    HOLDFAST_TRY(marks, marks_of_commit(attempt->caught_up, options.marks));
    manifest::Retention keep{options_.retain, options_.retain_for_ms};
    auto next = committed(*attempt, marks, keep);
    // A record has room for what must stay; what is kept only because it is young gives way to it
    // and to the next attempt.
    while (!fits(next, manifest::attempt_size) && next.retained.size() > options_.retain) {
      keep.most = next.retained.size() - 1;
      next = committed(*attempt, marks, keep);
    }
    if (!fits(next)) {
      return failure(
          errc::too_large, "commit",
          "marks of all retained generations: " + std::to_string(manifest::size_of_marks(next)) +
              " of " + std::to_string(manifest::max_marks) + " bytes");
    }
    auto const text = manifest::encode(next);
    // What is carried over may have taken updates: then the marks of this commit must be its own,
    // and stay so until the record names it.
    auto const& before = attempt->manifest;
    auto const settled = source_.settle_build(
        attempt->opened, manifest::find(before, before.current), marks, attempt->quiet);
    if (!settled) {
      if (!attempt->caught_up) attempt->quiet.reset();
      return detail::failed(settled);
    }
    attempt->opened->kept = next.retained.front();
    attempt->close();
    go(State::committing, attempt->generation);
    auto stored = store(attempt->version, as_bytes(text));
    Ticket const ticket{next.sequence, attempt->nonce, attempt->generation.number};
    if (stored) return switched(std::move(attempt), ticket);
    auto cause = stored.error();
    if (cause.code() == errc::uncertain) {
      // No update comes before it is known: it may be of what this commit has replaced.
      pending_ = std::move(attempt);
      pending_ticket_ = ticket;
      return failure(cause.with(ticket));
    }
    if (cause.code() == errc::conflict) cause = why_conflict(cause, attempt->grant.token);
    discard_locked(std::move(attempt));
    return failure(cause);
  }

  /// Drops the attempt: what readers see does not change. What can't be dropped now is left to
  /// `recover`.
  void discard(AttemptPtr attempt) noexcept {
    if (source_.born().left()) {
      // A forked child only closes, at its end; the mutex may be held for ever.
      static_cast<void>(attempt.release());
      return;
    }
    std::lock_guard const guard{mutex_};
    discard_locked(std::move(attempt));
  }

  /// Settles a commit whose outcome was not known. `unknown` = so long ago that the record has
  /// forgotten it.
  [[nodiscard]] result<Outcome> resolve(Ticket const& ticket) {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, "resolve");
    bool const ours = pending_ && pending_ticket_ == ticket;
    if (unsettled_) {
      HOLDFAST_TRYV(reopen());
    }
    HOLDFAST_TRY(outcome, settle(ticket));
    if (!ours) {
      if (outcome == Outcome::committed) follow();
      return outcome;
    }
    auto attempt = std::move(pending_);
    if (outcome == Outcome::committed) {
      static_cast<void>(switched(std::move(attempt), ticket));
    } else {
      discard_locked(std::move(attempt));
    }
    return outcome;
  }

  /// Makes a retained generation current again, with its marks. Needs only the register: works
  /// while others build. `torn` where it shares a part that has taken updates since.
  [[nodiscard]] result<Committed> revert(Generation to) {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, "revert");
    for (int attempt = 0;; ++attempt) {
      HOLDFAST_TRY(loaded, require_loaded("revert"));
      auto const nonce = world_.random64();
      HOLDFAST_TRY(next, manifest::revert(loaded.manifest, to, nonce));
      typename Source::Quiet quiet;  // no update comes between the look and the switch
      auto found = source_.open_for_switch(next.retained.front(), quiet);
      if (!found && attempt < 16 && changed_since(loaded.version))
        continue;  // it may have retired meanwhile
      if (!found && found.error().code() == errc::torn) return why_torn(to);
      HOLDFAST_TRY(opened, std::move(found));
      auto stored = store(loaded.version, as_bytes(manifest::encode(next)));
      quiet.reset();
      if (stored) {
        source_.show(std::move(opened));
        tell({.kind = Event::Kind::switched, .generation = to});
        return Committed{to, next.sequence, housekeep([&] { return publish_alone(); })};
      }
      auto const cause = stored.error();
      if (cause.code() == errc::uncertain)
        return failure(cause.with({next.sequence, nonce, to.number}));
      if (cause.code() != errc::conflict || attempt == 16) return failure(cause);
    }
  }

 private:
  [[nodiscard]] Manifest committed(Attempt const& attempt,
                                   Marks const& marks,
                                   manifest::Retention const& keep) {
    return manifest::commit(attempt.manifest, marks, attempt.parts, keep,
                            world_.wall_ns() / 1'000'000);
  }
  [[nodiscard]] bool fits(Manifest const& m, std::size_t beside = 0) {
    return manifest::encode(m).size() + beside <= Base::room() &&
           manifest::size_of_marks(m) <= manifest::max_marks;
  }

  // All parts of a copy are at the marks of one instant, whatever updates come meanwhile.
  [[nodiscard]] result<void> create(Attempt& attempt, Kept const* current) {
    if (!attempt.copies_shown || current == nullptr) {
      return attempt.create(source_.store(), current);
    }
    HOLDFAST_TRY(shown, source_.open(*current));
    return attempt.create_shown(source_.store(), *shown);
  }

  // There is one copy of a part, at the marks of its last update: the others are at those of a
  // past.
  [[nodiscard]] static auto why_torn(Generation to) {
    return failure(errc::torn, "revert",
                   "generation " + std::to_string(to.number) +
                       " shares a part that has taken updates since, so that its parts are at "
                       "unequal marks: revert to another one, or build anew");
  }

  [[nodiscard]] error why_conflict(error const& cause, FencingToken token) {
    auto const loaded = source_.load();
    if (!loaded || !loaded.assume_value()) return cause;
    auto const& m = loaded.assume_value()->manifest;
    if (m.fence > token) return cause.as(errc::fenced);
    if (m.hold) return error{errc::held, "commit", *m.hold};
    return cause;
  }

  [[nodiscard]] result<void> check_free(char const* where) {
    if (source_.born().left()) return failure(errc::forked, where);
    if (pending_) return failure(error{errc::uncertain, where}.with(pending_ticket_));
    if (building_) return failure(errc::busy, where, "this object builds already");
    return ok();
  }

  // After the commit point: nothing here changes the outcome, also where a store throws.
  [[nodiscard]] result<Committed> switched(AttemptPtr attempt, Ticket const& ticket) {
    attempt->quiet.reset();
    source_.show(std::move(attempt->opened));
    tell({.kind = Event::Kind::switched,
          .generation = attempt->generation,
          .token = attempt->grant.token});
    go(State::committed, attempt->generation);
    Committed done{attempt->generation, ticket.sequence,
                   housekeep([&] { return publish_locked(); })};
    release(attempt->grant);
    building_ = false;
    go(State::none, attempt->generation);
    auto const collecting = housekeep([&]() -> std::optional<error> {
      auto const collected = collect_locked();
      if (!collected) return collected.error();
      return collected.assume_value().failure;
    });
    if (!done.housekeeping) done.housekeeping = collecting;
    return done;
  }

  [[nodiscard]] bool changed_since(Version version) {
    auto const loaded = source_.load();
    return loaded && loaded.assume_value() && loaded.assume_value()->version != version;
  }

  // After a commit or revert of an earlier handle turned out to stand: its outcome is told, what
  // follows may lag.
  void follow() noexcept {
    static_cast<void>(housekeep([&]() -> std::optional<error> {
      auto const shown = source_.refresh();
      if (!shown) return shown.error();
      return publish_alone();
    }));
  }

  // For `revert`, which does not hold the stage lock: whoever holds it publishes when done.
  std::optional<error> publish_alone() {
    if constexpr (publishing_store<Store>) {
      if (building_) return publish_locked();  // also while a commit is uncertain
      auto grant = acquire();
      if (!grant) return grant.error();
      Granted const granted{*this, grant.assume_value()};
      return publish_locked();
    }
    return {};
  }

  AttemptPtr pending_;  // its commit is uncertain
  Ticket pending_ticket_;
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/home.hpp
// Lays out a home in a directory: its folder, its readme, each store in its place.
#ifndef HOLDFAST_STAGED_HOME_HPP
#define HOLDFAST_STAGED_HOME_HPP

HOLDFAST_BEGIN

namespace detail {
inline constexpr std::string_view home_readme =
    "This folder is managed by holdfast. CURRENT is its one record: `strings CURRENT` shows it.\n"
    "Each part has a folder with one numbered folder a generation. Do not edit, move or delete\n"
    "anything here by hand: what the record does not list is never touched, and what it lists\n"
    "is never rebuilt by itself.\n";

// The readme is for people only: not synced, made again where a crash left it empty, and not worth
// refusing a home for.
template <file_system Fs>
[[nodiscard]] result<void> make_home(Fs const& fs, std::string const& home) {
  HOLDFAST_TRYV(make_directories(fs, home));
  auto const path = join(home, "README.txt");
  auto file = fs.open(path, Open::create);
  if (!file && file.error().code() == errc::exists) return ok();
  if (!file) {
    // A home that is there already must open on a full disk too.
    if (fs.identity(join(home, "CURRENT"))) return ok();
    return failed(file);
  }
  static_cast<void>(fs.write_at(file.assume_value(), 0, as_bytes(home_readme)));
  return ok();
}

template <placed_store Store>
[[nodiscard]] Store placed(Store store, std::string const& home) {
  store_traits<Store>::place(store, home);
  return store;
}

template <placed_store First>
[[nodiscard]] First together(std::string const& home, First first) {
  return placed(std::move(first), home);
}
template <placed_store First, placed_store Second, placed_store... Rest>
[[nodiscard]] auto together(std::string const& home, First first, Second second, Rest... rest) {
  return Together<First, Second, Rest...>{placed(std::move(first), home),
                                          placed(std::move(second), home),
                                          placed(std::move(rest), home)...};
}

template <class... Stores>
constexpr bool explain_placed() {
  return ((explain_store<Stores>() && explain_place<Stores>()) && ...);
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/operations.hpp
// Does what an operator asks of a home that goes on serving: verify a generation, back it up.
#ifndef HOLDFAST_STAGED_OPERATIONS_HPP
#define HOLDFAST_STAGED_OPERATIONS_HPP

HOLDFAST_BEGIN

/// What a look at every byte of one part of a generation found.
struct PartVerdict {
  std::string part;
  Generation generation;   ///< the part's own, an earlier one if it was carried over
  result<Verified> found;  ///< what the look could go by, or what is wrong
};

namespace detail {
// A retained generation, held so that nobody drops it meanwhile.
template <class Source>
struct HeldGeneration {
  Manifest manifest;
  Kept kept;
  typename Source::Hold hold;
};

template <class Source>
[[nodiscard]] result<HeldGeneration<Source>> hold_generation(Source& source,
                                                             std::optional<Generation> wanted,
                                                             char const* where) {
  if (source.born().left()) return failure(errc::forked, where);
  for (int attempt = 0;; ++attempt) {
    HOLDFAST_TRY(loaded, source.load());
    if (!loaded || loaded->manifest.current.number == 0) return failure(errc::no_generation, where);
    auto const g = wanted.value_or(loaded->manifest.current);
    auto const* kept = manifest::find(loaded->manifest, g);
    if (kept == nullptr) return failure(errc::not_retained, where, std::to_string(g.number));
    auto held = source.hold(*kept);
    HOLDFAST_TRY(after, source.load());  // it may have retired before it was held
    bool const stays = after && manifest::find(after->manifest, g) != nullptr;
    if (held && stays) {
      return HeldGeneration<Source>{std::move(after->manifest), *kept,
                                    std::move(held).assume_value()};
    }
    if (!held && (attempt == 16 || held.error().code() != errc::busy)) return failed(held);
    if (attempt == 16) return failure(errc::busy, where, "generations retire all the time");
  }
}

template <generation_store Store>
[[nodiscard]] std::vector<PartVerdict> verify_each_part(Store& store,
                                                        std::vector<std::string> const& names,
                                                        std::vector<Generation> const& parts) {
  std::vector<PartVerdict> verdicts;
  if constexpr (requires { store.verify_parts(parts); }) {
    auto const found = store.verify_parts(parts);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      verdicts.push_back({names[i], parts[i], found[i]});
    }
  } else {
    verdicts.push_back({names.front(), parts.front(), verify(store, parts.front())});
  }
  return verdicts;
}

template <class Source>
[[nodiscard]] result<std::vector<PartVerdict>> verify_generation(Source& source, Generation g) {
  HOLDFAST_TRY(held, hold_generation(source, g, "verify"));
  return verify_each_part(source.store(), held.manifest.part_names, held.kept.parts);
}

/// The record of a home that begins with this generation alone.
inline void keep_only(Manifest& m, Kept kept) {
  m.current = kept.generation;
  // What was carried over is listed, or nothing would ever drop it.
  for (auto const g : kept.parts) {
    auto const listed = [g](Retiring const& retiring) { return retiring.generation == g; };
    bool const once = std::none_of(m.retiring.begin(), m.retiring.end(), listed);
    if (g != m.current && once) m.retiring.push_back({g, 0});
  }
  m.retained = {std::move(kept)};
}

/// The record comes last: a backup that was cut off has none, and does not open.
template <class Source, class Store, atomic_register Register, world W = Native>
[[nodiscard]] result<Generation> back_up(Source& source,
                                         Store& to,
                                         Register& reg,
                                         W const& world = {}) {
  HOLDFAST_TRY(taken, register_traits<Register>::load(reg));
  if (taken) return failure(errc::exists, "backup", "there is a home already");
  HOLDFAST_TRY(remains, store_traits<Store>::generations(to));
  if (!remains.empty()) return failure(errc::exists, "backup", "generations lie there already");
  HOLDFAST_TRY(held, hold_generation(source, std::nullopt, "backup"));
  if constexpr (updatable_store<Store>) {
    // A state of one instant is open before anything is copied: updates go on meanwhile.
    HOLDFAST_TRY(shown, source.open(held.kept));
    HOLDFAST_TRYV(CopiesShown<Store>::copy(source.store(), shown->reader, held.kept.parts, to));
    held.kept.marks = shown->kept.marks;
  } else if constexpr (requires { source.store().copy_parts(held.kept.parts, to); }) {
    HOLDFAST_TRYV(source.store().copy_parts(held.kept.parts, to));
  } else {
    HOLDFAST_TRYV(store_traits<Store>::copy(source.store(), held.kept.generation, to));
  }
  auto m = std::move(held.manifest);
  for (auto& byte : m.home) byte = static_cast<std::uint8_t>(world.random64());
  m.attempt.reset();
  m.hold.reset();
  m.commits.clear();  // outcomes are asked of the home that they happened in
  m.retiring.clear();
  keep_only(m, std::move(held.kept));
  auto const text = manifest::encode(m);
  HOLDFAST_TRYV(register_traits<Register>::store_if(reg, Version::none, as_bytes(text)));
  return m.current;
}

template <generation_store Store, class Source, class... Stores>
[[nodiscard]] result<Generation> back_up_to(Source& source,
                                            std::string const& to,
                                            Stores... stores) {
  HOLDFAST_TRYV(make_home(Posix{}, to));
  Store there = together(to, std::move(stores)...);
  FileRegister record{join(to, "CURRENT")};
  return back_up(source, there, record);
}
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/follower.hpp
// Reads a home that other processes build: shows what they committed, and writes nothing.
#ifndef HOLDFAST_STAGED_FOLLOWER_HPP
#define HOLDFAST_STAGED_FOLLOWER_HPP

HOLDFAST_BEGIN

/// A home opened for reading; made by `open_view`. Movable; handles stay valid. May be used from
/// any thread. What it shows is kept from being dropped, where the register can do that. Views must
/// end before it does.
template <generation_store Store, atomic_register Register>
class Follower {
  using Source = detail::Source<Store, Register>;

 public:
  using view_type = View<typename Source::Shown>;
  using pin_type = Pin<typename Source::Shown>;

  explicit Follower(std::shared_ptr<Source> source) noexcept : source_{std::move(source)} {}

  /// The generation shown by the last `refresh`, for this scope. Never waits.
  [[nodiscard, gnu::always_inline]] result<view_type> view() const {
    if (!source_) [[unlikely]] {
      return failure(errc::spent, "view");
    }
    return source_->view();
  }
  /// The same, for as long as the handle lives.
  [[nodiscard]] result<pin_type> pin() const {
    if (!source_) return failure(errc::spent, "pin");
    return source_->pin(source_);
  }
  /// Shows what is current now. True if that changed something.
  [[nodiscard]] result<bool> refresh() {
    if (!source_) return failure(errc::spent, "refresh");
    HOLDFAST_TRY(shown, source_->refresh());
    return shown.has_value();
  }
  /// Looks at every byte of a retained generation, part by part; readers and builds go on.
  [[nodiscard]] result<std::vector<PartVerdict>> verify(Generation g) const {
    if (!source_) return failure(errc::spent, "verify");
    return detail::verify_generation(*source_, g);
  }
  /// Copies the current generation into a new home, as that of `open_staged` does.
  template <class... Stores>
  requires copying_store<Store>
  [[nodiscard]] result<Generation> backup(std::string const& to, Stores... stores) const {
    if (!source_) return failure(errc::spent, "backup");
    return detail::back_up_to<Store>(*source_, to, std::move(stores)...);
  }
  /// What the record says. Who builds is not told here: ask the lock.
  [[nodiscard]] result<Status> status() const {
    if (!source_) return failure(errc::spent, "status");
    if (source_->born().left()) return failure(errc::forked, "status");
    HOLDFAST_TRY(loaded, source_->load());
    Status status;
    if (loaded) status.manifest = std::move(loaded->manifest);
    status.trouble = source_->trouble();
    detail::add_pins(*source_, status);
    detail::add_updated(*source_, status);
    status.shown = source_->shown_marks();
    return status;
  }

 private:
  std::shared_ptr<Source> source_;
};

HOLDFAST_END

#endif

// ------------ holdfast/staged/handles.hpp
// Gives a build its handles: a Stage to write through, a Ready to validate and commit. Dropped,
// they discard.
#ifndef HOLDFAST_STAGED_HANDLES_HPP
#define HOLDFAST_STAGED_HANDLES_HPP

HOLDFAST_BEGIN

namespace detail {
/// What both handles share: one attempt, discarded when the handle ends with it.
template <class Core>
class Handle {
 public:
  Handle(std::shared_ptr<Core> core, typename Core::AttemptPtr attempt) noexcept
      : core_{std::move(core)}, attempt_{std::move(attempt)} {}
  Handle(Handle&&) noexcept = default;
  Handle& operator=(Handle&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(attempt_, other.attempt_);
    return *this;
  }
  ~Handle() { discard(); }

  /// The number that the generation will have; 0 after the handle was moved from.
  [[nodiscard]] Generation generation() const noexcept {
    return attempt_ ? attempt_->generation : Generation{};
  }
  /// The token under which this build writes.
  [[nodiscard]] FencingToken token() const noexcept {
    return attempt_ ? attempt_->grant.token : FencingToken{};
  }
  /// Ends the build; nothing that readers see changes.
  void discard() noexcept {
    if (attempt_) core_->discard(std::move(attempt_));
  }

 protected:
  [[nodiscard]] result<void> check(char const* where) const noexcept {
    if (!attempt_) return failure(errc::spent, where);
    return ok();
  }
  std::shared_ptr<Core> core_;
  typename Core::AttemptPtr attempt_;
};
}  // namespace detail

/// A sealed generation that nobody sees yet. One thread at a time.
template <class Core>
class [[nodiscard]] Ready : public detail::Handle<Core> {
 public:
  using detail::Handle<Core>::Handle;

  /// Shows `look` the unseen generation's reader; goes on with this handle if it answers true (or
  /// an ok result<void>). False discards and answers `rejected`; an error or an exception discards
  /// and is passed on.
  template <class Look>
  [[nodiscard]] result<Ready> validate(Look&& look) && {
    HOLDFAST_TRYV(this->check("validate"));
    Ready self{std::move(*this)};  // discards on every way out but the last
    HOLDFAST_TRY(reader, self.core_->look(*self.attempt_));
    using Answer = std::invoke_result_t<Look, reader_of_core const&>;
    if constexpr (some_result<Answer>) {
      auto answer = std::forward<Look>(look)(*reader);
      if (!answer) return detail::failed(answer);
      if constexpr (std::is_same_v<value_of<Answer>, bool>) {
        if (!answer.assume_value()) return failure(errc::rejected, "validate");
      }
    } else {
      if (!std::forward<Look>(look)(*reader)) return failure(errc::rejected, "validate");
    }
    return self;
  }

  /// The switch, all or nothing. The error of a commit that was not applied is `conflict` or
  /// `fenced`, and the build is discarded; `uncertain` carries a ticket for `resolve`; `too_large`
  /// leaves this handle whole.
  [[nodiscard]] result<Committed> commit(CommitOptions options = {}) && {
    HOLDFAST_TRYV(this->check("commit"));
    return this->core_->commit(this->attempt_, std::move(options));
  }

 private:
  using reader_of_core = decltype(Core::Shown::reader);
};

namespace detail {
template <class Core>
using StoreOf = std::remove_reference_t<decltype(std::declval<Core&>().source().store())>;
}  // namespace detail

/// A build in progress. One thread at a time; the writer stays where it is when the handle moves.
template <class Core, class Selection = typename Core::Whole>
class [[nodiscard]] Stage : public detail::Handle<Core> {
 public:
  using detail::Handle<Core>::Handle;

  /// The store's writer (a tuple of them for `Together`, those of the parts that are built). The
  /// handle must not have been moved from.
  [[nodiscard]] typename Selection::Writer& writer() & noexcept {
    using AttemptWith = typename Core::template AttemptWith<typename Selection::Writer>;
    return *static_cast<AttemptWith&>(*this->attempt_).writer;
  }
  typename Selection::Writer& writer() && = delete;

  /// Makes all that was written up to now durable, with these words (at most 64 KiB, in the place
  /// of the last ones): "done up to". Who resumes the build after a crash finds it as it was here.
  /// An error leaves the note before; after `sync_failed` the build can only be dropped.
  [[nodiscard]] result<void> note(bytes_view words) & requires
      resuming_store<detail::StoreOf<Core>> {
    HOLDFAST_TRYV(this->check("note"));
    return this->core_->note(*this->attempt_, [&](detail::StoreOf<Core>& store) {
      return Selection::note(store, writer(), words);
    });
  }
  /// The last words of each part that is built, empty where there are none: a crash amid a note
  /// leaves it to some of them.
  [[nodiscard]] std::vector<bytes> notes() & requires resuming_store<detail::StoreOf<Core>> {
    if (!this->attempt_) return {};
    return Selection::notes(this->core_->source().store(), writer());
  }
  /// Ends this handle and leaves the build, up to its last note, for who resumes it.
  void leave() && noexcept {
    if (this->attempt_) this->core_->leave(std::move(this->attempt_));
  }

  /// Brings the build up to a source that moves on: `feed(writer, pull)` writes what comes after
  /// `pull.after`, and answers how far that is, in 0 records where there is no more. First while
  /// updates of the home go on, then, within `tail_records`, while they wait: until the commit or
  /// the end of this handle, so that the commit, whose marks are those that it came to, misses
  /// nothing that an updater was told to be applied. Seal and commit soon: who updates is
  /// `timed_out` after some seconds. `timed_out`, naming the bound, where the feed does not end;
  /// then and after any other error updates go on, and it may be called again.
  template <class Feed>
  requires(
      Core::can_catch_up&&
          std::is_invocable_r_v<result<Pulled>, Feed&, typename Selection::Writer&, Pull const&>)
      [[nodiscard]] result<CaughtUp> catch_up(Feed&& feed, CatchUpOptions const& options = {}) & {
    HOLDFAST_TRYV(this->check("catch_up"));
    auto const pull = [&](Pull const& wanted) -> result<Pulled> { return feed(writer(), wanted); };
    return this->core_->catch_up(*this->attempt_, options, pull);
  }
  /// From where `catch_up` goes on: what a copy began with, or where the last one came to.
  [[nodiscard]] Marks marks() const { return this->attempt_ ? this->attempt_->marks : Marks{}; }

  /// Makes it durable, still unseen. An error gives the stage back: it is whole and may be sealed
  /// again, unless it says `sync_failed`.
  [[nodiscard]] result<Ready<Core>> seal() && {
    HOLDFAST_TRYV(this->check("seal"));
    HOLDFAST_TRYV(this->core_->seal(*this->attempt_));
    return Ready<Core>{std::move(this->core_), std::move(this->attempt_)};
  }
};

HOLDFAST_END

#endif

// ------------ holdfast/staged/rebuild_plan.hpp
// Decides, without any I/O, which generation a home whose record is lost should be given back.
//
// Invariants:
// - What is proposed is whole in every part.
// - Only what an outside name gives (a name lags, it never leads) or an old record lists is said to
//   have been committed; anything else is said to be a guess.
// - A number that was ever seen is not given out again.
#ifndef HOLDFAST_STAGED_REBUILD_PLAN_HPP
#define HOLDFAST_STAGED_REBUILD_PLAN_HPP

HOLDFAST_BEGIN

/// A generation that a home could be given back, and what a look at every byte of it found.
struct RebuildCandidate {
  Generation generation;
  std::vector<PartVerdict> parts;  ///< in the order of the part names
  bool named = false;              ///< the outside names give it: it was committed
  bool recorded = false;           ///< an old record lists it: it was committed

  [[nodiscard]] bool whole() const noexcept {
    return std::all_of(parts.begin(), parts.end(),
                       [](PartVerdict const& part) { return part.found.has_value(); });
  }
  [[nodiscard]] std::vector<Generation> generations() const {
    std::vector<Generation> all;
    for (auto const& part : parts) all.push_back(part.generation);
    return all;
  }
};

/// What can be done about the record of a home. Made by `plan_rebuild`, which touches nothing.
struct RebuildPlan {
  std::vector<std::string> part_names;
  /// Why the home can't be opened with the record that it has. Nothing: it can.
  std::optional<error> trouble;
  std::optional<Manifest> record;            ///< the newest that is surely durable; perhaps old
  std::vector<RebuildCandidate> candidates;  ///< whole in every part, newest first
  std::vector<RebuildCandidate> broken;      ///< not whole in some part, newest first
  std::optional<std::size_t> proposed;       ///< among the candidates
  std::string why;                           ///< of the proposal, or of its absence
  std::uint64_t next = 1;                    ///< the number that the next build will have
  std::uint64_t sequence = 0;                ///< the highest that any record was seen to have
  FencingToken fence;                        ///< the greatest token that any was seen to have

  /// The first candidate of this number: of several mixes the one that is known better.
  [[nodiscard]] RebuildCandidate const* find(Generation g) const noexcept {
    auto const at =
        std::find_if(candidates.begin(), candidates.end(),
                     [g](RebuildCandidate const& each) { return each.generation == g; });
    return at == candidates.end() ? nullptr : &*at;
  }
  [[nodiscard]] RebuildCandidate const* proposal() const noexcept {
    return proposed ? &candidates[*proposed] : nullptr;
  }
};

namespace detail {
/// What was found in the stores: for each number, what each part has of it.
struct Remains {
  std::map<Generation, std::vector<PartVerdict>> verdicts;
  std::vector<std::optional<Generation>> named;  ///< by the outside name of each part

  [[nodiscard]] PartVerdict of(std::string const& name, std::size_t part, Generation g) const {
    auto const at = verdicts.find(g);
    if (at != verdicts.end()) return at->second[part];
    return {name, g, failure(errc::not_found, "find generation", name)};
  }
  // Was it built there to its end, whatever has become of it?
  [[nodiscard]] bool built(std::size_t part, Generation g) const {
    auto const at = verdicts.find(g);
    if (at == verdicts.end()) return false;
    auto const& found = at->second[part].found;
    return found ||
           (found.error().code() != errc::not_found && found.error().code() != errc::unsealed);
  }
};

// The parts that the outside names give together. A part that was built in g has it, so that its
// name lags; else it was carried over, from what its name gives.
struct NamedMix {
  Generation generation;
  std::vector<Generation> parts;
  bool certain = true;
};
[[nodiscard]] inline std::optional<NamedMix> named_mix(Remains const& remains) {
  NamedMix mix;
  for (auto const& named : remains.named) {
    if (named) mix.generation = std::max(mix.generation, *named);
  }
  if (mix.generation.number == 0) return {};
  for (std::size_t i = 0; i < remains.named.size(); ++i) {
    auto from = mix.generation;
    if (!remains.built(i, from) && remains.named[i]) from = *remains.named[i];
    // A name that lags gives an older part than was carried over: only the folders between tell.
    for (auto const& [between, verdicts] : remains.verdicts) {
      bool const passed = from < between && between < mix.generation && remains.built(i, between);
      if (passed) mix.certain = false;
    }
    mix.parts.push_back(from);
  }
  return mix;
}

class Planner {
 public:
  Planner(RebuildPlan& plan, Remains const& remains) : plan_{plan}, remains_{remains} {}

  void decide() {
    auto const mix = named_mix(remains_);
    if (mix && mix->certain) add(mix->generation, mix->parts, true, false);
    if (plan_.record) {
      for (auto const& kept : plan_.record->retained) {
        add(kept.generation, kept.parts, false, true);
      }
    }
    for (auto const& [g, verdicts] : remains_.verdicts) {
      add(g, std::vector<Generation>(plan_.part_names.size(), g), false, false);
    }
    sort_out();
    propose(mix);
  }

 private:
  void add(Generation g, std::vector<Generation> const& parts, bool named, bool recorded) {
    for (auto& known : all_) {
      if (known.generation != g || known.generations() != parts) continue;
      known.named |= named;
      known.recorded |= recorded;
      return;
    }
    RebuildCandidate next{g, {}, named, recorded};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      next.parts.push_back(remains_.of(plan_.part_names[i], i, parts[i]));
    }
    all_.push_back(std::move(next));
  }

  // Of one number the mix that is known better comes first; one that is not whole is of no interest
  // where another is.
  void sort_out() {
    std::sort(all_.begin(), all_.end(), [](auto const& a, auto const& b) {
      if (a.generation != b.generation) return a.generation > b.generation;
      auto const known = [](auto const& of) { return int{of.named} + int{of.recorded}; };
      if (known(a) != known(b)) return known(a) > known(b);
      return a.generations() > b.generations();
    });
    for (auto& each : all_) {
      if (each.whole()) plan_.candidates.push_back(each);
    }
    for (auto& each : all_) {
      if (plan_.find(each.generation) == nullptr) plan_.broken.push_back(std::move(each));
    }
  }

  void propose(std::optional<NamedMix> const& mix) {
    auto const& all = plan_.candidates;
    if (all.empty()) {
      plan_.why = "no generation is whole in every part; restore a backup into an empty folder";
      return;
    }
    auto const named = std::find_if(all.begin(), all.end(), [](auto const& c) { return c.named; });
    auto const number = [](RebuildCandidate const& of) {
      return std::to_string(of.generation.number);
    };
    if (named != all.end()) {
      plan_.proposed = static_cast<std::size_t>(named - all.begin());
      plan_.why = "the outside names give it, and a name never leads: it was committed";
      if (named != all.begin()) {
        plan_.why += "; generation " + number(all.front()) +
                     " is whole too and newer: it may have been committed last, or never";
      }
      return;
    }
    plan_.proposed = 0;
    if (mix) {
      plan_.why = "the outside names give generation " + std::to_string(mix->generation.number) +
                  (mix->certain ? ", which is not whole; " : ", but not for sure of which parts; ");
    }
    plan_.why += "it is the newest whole one";
    if (all.front().recorded) {
      plan_.why += ", and an old record lists it: it was committed";
      return;
    }
    plan_.why += "; nothing says that it was ever committed";
    auto const sure =
        std::find_if(all.begin(), all.end(), [](auto const& c) { return c.recorded; });
    if (sure != all.end()) {
      plan_.why += ", as an old record does of generation " + number(*sure);
    }
  }

  RebuildPlan& plan_;
  Remains const& remains_;
  std::vector<RebuildCandidate> all_;
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/rebuild.hpp
// Gives a home whose record is lost a new one: looks and proposes first, then moves what is left of
// the old record aside and names one whole generation.
//
// The order of durable effects:
//   1. lock:      a token above every one that a record was seen to have; builders are kept out
//   2. CURRENT    gets the name CURRENT.replaced-N: nothing is deleted
//   3. its hint   the same; a crash from here on leaves stores without a record, which no open
//                 takes for an empty home, and which can be rebuilt again
//   4. register:  {fence = token, next, current = g}   whole, or not there at all
#ifndef HOLDFAST_STAGED_REBUILD_HPP
#define HOLDFAST_STAGED_REBUILD_HPP

HOLDFAST_BEGIN

struct RebuildOptions {
  /// Replace a record with which the home can be opened.
  bool replace_usable = false;
  /// Those that the chosen generation was committed with, as far as its builder knows them; a part
  /// that took updates has those of its last one itself. Without them an updater refuses it.
  Marks marks{};
};

/// A home that has a record again. The marks of its generation are lost unless they were given: set
/// them with the next commit. A process that had the home open for writing must open it again.
struct Rebuilt {
  Generation generation;
  FencingToken fence;                    ///< whoever built under a smaller token can't commit
  std::vector<std::string> moved_aside;  ///< what was left of the old record, by its new names
  Marks marks{};  ///< as given; empty: the generation takes no updates before the next commit
};

namespace detail {
// The outside names by part, as far as the store tells them.
template <class Store>
[[nodiscard]] result<void> add_published(Store& store,
                                         std::size_t names,
                                         std::vector<std::optional<Generation>>& all) {
  if constexpr (requires { store.published_parts(); }) {
    HOLDFAST_TRY(each, store.published_parts());
    all.insert(all.end(), each.begin(), each.end());
  } else if constexpr (requires { store.stores(); }) {
    result<void> done = ok();
    auto const add = [&](auto& part) {
      std::vector<std::string> own;
      add_names(part, own);
      if (done) done = add_published(part, own.size(), all);
    };
    std::apply([&](auto&... parts) { (add(parts), ...); }, store.stores());
    return done;
  } else if constexpr (requires { store.published(); }) {
    HOLDFAST_TRY(one, store.published());
    all.push_back(one);
  } else {
    all.insert(all.end(), names, std::nullopt);
  }
  return ok();
}

/// Looks at a home in a directory, whose register is HOME/CURRENT and whose lock HOME/LOCK.
template <generation_store Store, file_system Fs, world W>
class Rebuilder {
  using Register = BasicFileRegister<Fs, W>;
  using Lock = BasicFileLock<Fs, W>;

 public:
  Rebuilder(std::string home, Store store, Fs fs, W world)
      : home_{std::move(home)},
        fs_{std::move(fs)},
        world_{std::move(world)},
        source_{std::move(store), Register{join(home_, "CURRENT"), fs_, world_}} {}

  /// Writes nothing and takes no lock.
  [[nodiscard]] result<RebuildPlan> plan() {
    HOLDFAST_TRY(plan, look());
    Remains remains;
    for (auto const g : remains_) {
      std::vector<Generation> const parts(plan.part_names.size(), g);
      remains.verdicts.emplace(g, verify_each_part(source_.store(), plan.part_names, parts));
    }
    HOLDFAST_TRYV(add_published(source_.store(), plan.part_names.size(), remains.named));
    Planner{plan, remains}.decide();
    return std::move(plan);
  }

  [[nodiscard]] result<Rebuilt> rebuild(RebuildCandidate const& chosen,
                                        RebuildOptions const& options) {
    HOLDFAST_TRY(before, look());
    Lock lock{join(home_, "LOCK"), fs_, world_};
    HOLDFAST_TRY(grant, lock.try_acquire(world_.self(), before.fence));
    auto done = rebuild_locked(chosen, options, before, grant.token);
    // A lock that can't be let go ends with the object; the record stands or does not.
    static_cast<void>(lock.release(grant));
    return done;
  }

 private:
  [[nodiscard]] auto fail(errc code, std::string_view why) const noexcept {
    return failure(code, "rebuild the register", why);
  }

  // What the records and the names of the folders tell; no file of a generation is opened.
  [[nodiscard]] result<RebuildPlan> look() {
    RebuildPlan plan;
    plan.part_names = source_.part_names();
    HOLDFAST_TRY(remains, store_traits<Store>::generations(source_.store()));
    remains_ = remains;
    HOLDFAST_TRYV(read_old_records(plan));
    std::vector<std::optional<Generation>> named;
    HOLDFAST_TRYV(add_published(source_.store(), plan.part_names.size(), named));
    auto highest = plan.next - 1;
    if (!remains.empty()) highest = std::max(highest, remains.back().number);
    for (auto const& name : named) highest = std::max(highest, name.value_or(Generation{}).number);
    if (highest == UINT64_MAX) {
      return fail(errc::full, "no generation has a number left");
    }
    HOLDFAST_TRYV(judge(plan));
    plan.next = highest + 1;
    return plan;
  }

  // Can the home be opened with the record that it has? A record that may not be read is not lost.
  [[nodiscard]] result<void> judge(RebuildPlan& plan) {
    auto const loaded = source_.load();
    if (!loaded) {
      auto const& why = loaded.error();
      bool const told = why.code() != errc::denied && why.code() != errc::too_many_files &&
                        why.code() != errc::no_memory && why.code() != errc::newer_format &&
                        why.code() != errc::busy;
      if (!told) return failure(why);
      plan.trouble = why;
      return ok();
    }
    auto const& found = loaded.assume_value();
    if (!found) {
      // A record that its writer did not live to confirm: the next open does.
      if (unsettled_) return ok();
      if (remains_.empty()) return fail(errc::not_found, home_ + ": nothing lies there");
      plan.trouble = error{errc::register_lost, "load", join(home_, "CURRENT")};
      return ok();
    }
    auto const& m = found->manifest;
    if (m.part_names != plan.part_names) {
      return fail(errc::foreign, "the home has other parts than the stores that were named");
    }
    if (!remains_.empty() && remains_.back().number >= m.next) {
      plan.trouble =
          error{errc::stale_register, "load",
                "generation " + std::to_string(remains_.back().number) + " lies in the store"};
    }
    return ok();
  }

  // CURRENT and all that was moved aside before: numbers and tokens of each were given out.
  [[nodiscard]] result<void> read_old_records(RebuildPlan& plan) {
    unsettled_ = false;
    auto entries = fs_.list(home_);
    if (!entries && entries.error().code() == errc::not_found) return ok();
    HOLDFAST_TRY(names, std::move(entries));
    std::vector<ring::Hint> hints;
    for (auto const& entry : names) {
      if (entry.kind != Entry::Kind::file || !entry.name.starts_with("CURRENT.hint")) continue;
      auto const hint = HintFile<Fs>{join(home_, entry.name)}.read(fs_);
      if (hint && hint.assume_value()) hints.push_back(*hint.assume_value());
    }
    for (auto const& entry : names) {
      bool const current = entry.name == "CURRENT";
      if (entry.kind != Entry::Kind::file) continue;
      if (!current && !entry.name.starts_with("CURRENT.replaced-")) continue;
      auto old = read_old_record(join(home_, entry.name), hints);
      if (current && old.newest) unsettled_ = true;
      for (auto const& m : {old.newest, old.durable}) {
        if (!m) continue;
        plan.next = std::max(plan.next, m->next);
        plan.sequence = std::max(plan.sequence, m->sequence);
        plan.fence = std::max(plan.fence, m->fence);
      }
      auto& m = old.durable;
      bool const ours = m && m->part_names == plan.part_names;
      bool const newer =
          ours && (!plan.record || std::pair{m->sequence, m->next} >
                                       std::pair{plan.record->sequence, plan.record->next});
      if (newer) plan.record = std::move(m);
    }
    return ok();
  }

  struct OldRecord {
    std::optional<Manifest> newest;   // whole, whatever may be missing above it: what it gave out
    std::optional<Manifest> durable;  // no power cut can take it back: what it lists was committed
  };
  [[nodiscard]] OldRecord read_old_record(std::string const& path,
                                          std::vector<ring::Hint> const& hints) const {
    auto const content = read_file(fs_, path, ring::slots * ring::slot_size);
    if (!content) return {};
    auto const found = ring::scan(content.assume_value(), {}, world_.self().boot, Version::none);
    // A hint is written after its record was durable, and may have been moved without it.
    bool const told = std::any_of(hints.begin(), hints.end(), [&](ring::Hint const& hint) {
      return found.newest && hint.version == found.newest->version;
    });
    auto const read = [](std::optional<ring::Record> const& from) -> std::optional<Manifest> {
      if (!from) return {};
      auto m = manifest::decode(as_text(from->value));
      if (!m) return {};
      return std::move(m).assume_value();
    };
    return {read(found.newest), read(told ? found.newest : found.confirmed)};
  }

  [[nodiscard]] result<Rebuilt> rebuild_locked(RebuildCandidate const& chosen,
                                               RebuildOptions const& options,
                                               RebuildPlan const& before,
                                               FencingToken token) {
    // Whoever is about to write to the old record writes before, or finds it gone.
    std::optional<typename Fs::file> ring;
    HOLDFAST_TRYV(lock_old_record(ring));
    HOLDFAST_TRY(now, look());
    if (!now.trouble && !options.replace_usable) {
      return fail(errc::exists, home_ + " has a record that can be used");
    }
    // Whoever changed it built or reverted meanwhile, so that what was chosen may be old.
    bool const same =
        now.fence == before.fence && now.next == before.next && now.sequence == before.sequence;
    if (!same || now.fence >= token) return fail(errc::conflict, "the record changed meanwhile");
    auto const parts = chosen.generations();
    if (parts.size() != now.part_names.size() || chosen.generation.number == 0) {
      return fail(errc::invalid, "the choice is not of this home");
    }
    for (auto const& part : verify_each_part(source_.store(), now.part_names, parts)) {
      HOLDFAST_TRYV(part.found);
    }
    auto const record = record_of(now, chosen.generation, parts, token, options.marks);
    if (manifest::size_of_marks(record) > manifest::max_marks) {
      return fail(errc::too_large, "the marks");
    }
    auto const text = manifest::encode(record);
    HOLDFAST_TRY(aside, move_aside());
    // Another object than that which looked: it has seen nothing of the old record.
    Register fresh{join(home_, "CURRENT"), fs_, world_};
    HOLDFAST_TRYV(fresh.store_if(Version::none, as_bytes(text)));
    return Rebuilt{chosen.generation, token, std::move(aside), options.marks};
  }

  [[nodiscard]] Manifest record_of(RebuildPlan const& plan,
                                   Generation g,
                                   std::vector<Generation> const& parts,
                                   FencingToken token,
                                   Marks const& marks) const {
    // Readers that live on show only what has a higher sequence than they saw. Of commits there
    // were no more than numbers; this leaves room for the reverts.
    constexpr std::uint64_t reverts = std::uint64_t{1} << 20;
    Manifest m;
    for (auto& byte : m.home) byte = static_cast<std::uint8_t>(world_.random64());
    m.part_names = plan.part_names;
    m.sequence = std::max(plan.sequence, plan.next) + reverts;
    m.fence = token;
    m.next = plan.next;
    keep_only(m, {g, m.sequence, marks, parts, world_.wall_ns() / 1'000'000});
    return m;
  }

  [[nodiscard]] result<void> lock_old_record(std::optional<typename Fs::file>& ring) const {
    auto opened = fs_.open(join(home_, "CURRENT"), Open::write);
    auto const code = opened ? errc::unknown : opened.error().code();
    // What is no file of ours no register writes to either.
    if (code == errc::not_found || code == errc::foreign || code == errc::invalid) return ok();
    HOLDFAST_TRYV(std::move(opened));
    ring = std::move(opened).assume_value();
    HOLDFAST_TRY(locked, lock_patiently(fs_, world_, *ring, Range{}, Mode::exclusive));
    if (!locked) return fail(errc::busy, "another process writes the record");
    return ok();
  }

  // The ring before its hint: a hint alone says "lost", a ring alone may pass for a good one.
  [[nodiscard]] result<std::vector<std::string>> move_aside() const {
    HOLDFAST_TRY(number, free_number());
    std::vector<std::string> moved;
    for (std::string const name : {"CURRENT", "CURRENT.hint"}) {
      auto const from = join(home_, name);
      auto const there = fs_.identity(from);
      if (!there && there.error().code() == errc::not_found) continue;
      auto const to = name + ".replaced-" + std::to_string(number);
      HOLDFAST_TRYV(fs_.rename(from, join(home_, to)));
      HOLDFAST_TRYV(fs_.sync_directory(home_));
      moved.push_back(to);
    }
    return moved;
  }

  [[nodiscard]] result<std::uint64_t> free_number() const {
    HOLDFAST_TRY(entries, fs_.list(home_));
    std::uint64_t highest = 0;
    for (auto const& entry : entries) {
      for (std::string_view const prefix : {"CURRENT.replaced-", "CURRENT.hint.replaced-"}) {
        if (!entry.name.starts_with(prefix)) continue;
        std::uint64_t number = 0;
        auto const* const end = entry.name.data() + entry.name.size();
        auto const read = std::from_chars(entry.name.data() + prefix.size(), end, number);
        if (read.ec == std::errc{} && read.ptr == end) highest = std::max(highest, number);
      }
    }
    return highest + 1;
  }

  std::string home_;
  Fs fs_;
  W world_;
  Source<Store, Register> source_;
  std::vector<Generation> remains_;
  bool unsettled_ = false;  // CURRENT holds a record, confirmed or not
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/refused.hpp
// Takes the place of what could not be opened, so that the line that says why stays the only error.
#ifndef HOLDFAST_STAGED_REFUSED_HPP
#define HOLDFAST_STAGED_REFUSED_HPP

HOLDFAST_BEGIN

namespace detail {
/// What a factory gives after `explain` has spoken: accepts every further use, so that the line
/// stays the only one.
struct refused {
  template <class... Args>
  constexpr refused(Args&&...) noexcept {}
  template <class T>
  requires(!std::same_as<T, refused>) operator T&() const;
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return false; }
  [[nodiscard]] constexpr bool has_value() const noexcept { return false; }
  [[nodiscard]] constexpr bool has_error() const noexcept { return true; }
  [[nodiscard]] refused value() const noexcept { return {}; }
  [[nodiscard]] refused assume_value() const noexcept { return {}; }
  [[nodiscard]] holdfast::error error() const noexcept { return {}; }
  [[nodiscard]] holdfast::error assume_error() const noexcept { return {}; }
  refused operator*() const noexcept { return {}; }
  refused const* operator->() const noexcept { return this; }
  template <class... Args>
  refused stage(Args&&...) const noexcept {
    return {};
  }
  refused writer() const noexcept { return {}; }
  refused seal() const noexcept { return {}; }
  template <class... Args>
  refused validate(Args&&...) const noexcept {
    return {};
  }
  refused commit(CommitOptions const& = {}) const noexcept { return {}; }
  refused view() const noexcept { return {}; }
  refused pin() const noexcept { return {}; }
  refused refresh() const noexcept { return {}; }
  refused collect() const noexcept { return {}; }
  refused recover() const noexcept { return {}; }
  refused status() const noexcept { return {}; }
  refused marks() const noexcept { return {}; }
  template <class... Args>
  refused apply(Args&&...) const noexcept {
    return {};
  }
  template <class... Args>
  refused revert(Args&&...) const noexcept {
    return {};
  }
  template <class... Args>
  refused resolve(Args&&...) const noexcept {
    return {};
  }
};
}  // namespace detail

HOLDFAST_END

#endif

// ------------ holdfast/staged/updater.hpp
// Updates the current generation in place between rebuilds, part by part with one mark, and shows
// only states in which all parts have it.
//
// The order of effects of an update:
//   1. lock UPDATES, for the object's life      one process updates a home
//   2. barrier, exclusively                     no other process opens a reader, or commits what
//                                               has a part of this, in between
//   3. record: the generation is still current  else nothing is fed to a retired one
//   4. each part: data and marks, one transaction, durable
//   5. barrier let go, a reader of the new state shown here
// A crash within 4 leaves parts at unequal marks. Nothing shows that state; the feed is replayed
// from the least of them, and a part that is further on skips what it has. That is whole updates:
// until the parts are equal no update goes past what the furthest of them has.
#ifndef HOLDFAST_STAGED_UPDATER_HPP
#define HOLDFAST_STAGED_UPDATER_HPP

HOLDFAST_BEGIN

/// What an update did. It stands, whatever `housekeeping` says.
struct Applied {
  Marks marks;           ///< of all parts now
  bool skipped = false;  ///< every part had it already: nothing was done
  /// Why the new state can't be shown; views stay with the one before.
  std::optional<error> housekeeping{};
};

namespace detail {
template <updatable_store Store, atomic_register Register, lock_policy Locking, world W>
class UpdaterCore {
 public:
  using Source = detail::Source<Store, Register>;
  using Shown = typename Source::Shown;
  using Batch = batch_of<Store>;

  UpdaterCore(Store store, Register reg, Locking lock, W world)
      : only_{std::move(lock)},
        source_{std::move(store), std::move(reg)},
        world_{std::move(world)} {}
  UpdaterCore(UpdaterCore const&) = delete;
  UpdaterCore& operator=(UpdaterCore const&) = delete;

  [[nodiscard]] Source& source() noexcept { return source_; }

  [[nodiscard]] result<void> open() {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRY(grant,
                 lock_traits<Locking>::try_acquire(only_.lock, world_.self(), FencingToken{}));
    only_.grant.emplace(std::move(grant));
    return follow();
  }

  [[nodiscard]] result<Marks> marks() {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(usable("marks"));
    return least(target_->marks);
  }

  [[nodiscard]] result<Applied> apply(Marks const& update, Batch const& batch) {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(usable("apply"));
    // Of every part before any has it: what one refuses is refused.
    auto const fresh = any_wants(target_->marks, update, "updater");
    if (!fresh || !fresh.assume_value()) {
      HOLDFAST_TRYV(check_current());
      HOLDFAST_TRYV(fresh);
      return Applied{least(target_->marks), true, show_again()};
    }
    auto const applied = behind_barrier(update, batch);
    if (!applied) {
      if (applied.error().code() == errc::conflict) return detail::failed(applied);
      // How far it came is read again: what is not known is not gone by.
      if (applied.error().code() == errc::sync_failed) broken_ = applied.error();
      auto const found = read_marks(target_->held.kept);
      if (!found && !broken_) broken_ = found.error();
      if (found) target_->marks = found.assume_value();
      return detail::failed(applied);
    }
    for (auto& part : target_->marks) {
      HOLDFAST_TRY(wants, is_fresh(part, update, "updater"));
      if (wants) part = merged(std::move(part), update);
    }
    return Applied{least(target_->marks), false, show()};
  }

  [[nodiscard]] result<bool> refresh() {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, "refresh");
    HOLDFAST_TRY(loaded, source_.load());
    if (target_ && loaded && !broken_ && is_target(loaded->manifest)) {
      show_again();  // where it can't be shown, `view` says why
      return false;
    }
    HOLDFAST_TRYV(follow());
    return true;
  }

 private:
  // The generation that is updated: held, so that nobody drops it, and how far each part is.
  struct Target {
    HeldGeneration<Source> held;
    std::vector<Marks> marks;
  };
  // Declared before what it protects: let go once every database is closed, so that whoever comes
  // next finds them free.
  struct Only {
    explicit Only(Locking policy) : lock{std::move(policy)} {}
    Only(Only const&) = delete;
    Only& operator=(Only const&) = delete;
    ~Only() {
      // A lock that can't be let go lapses with its process; there is nobody to tell here.
      if (grant && !born.left()) static_cast<void>(lock_traits<Locking>::release(lock, *grant));
    }
    Locking lock;
    std::optional<grant_of<Locking>> grant{};
    Birthplace born{};
  };

  [[nodiscard]] result<void> usable(char const* where) const {
    if (source_.born().left()) return failure(errc::forked, where);
    if (broken_) return failure(errc::poisoned, where, broken_->detail());
    if (!target_) return failure(errc::no_generation, where);
    return ok();
  }

  // Moves to what the record names now.
  [[nodiscard]] result<void> follow() {
    HOLDFAST_TRY(held, hold_generation(source_, std::nullopt, "update"));
    HOLDFAST_TRYV(check_updatable(held.kept));
    HOLDFAST_TRY(marks, read_marks(held.kept));
    target_.emplace(Target{std::move(held), std::move(marks)});
    broken_.reset();
    show();  // where it can't be shown, `view` says why
    return ok();
  }

  // Refused before any part is changed: one that can't follow would be torn from the others for
  // good, and without the marks of its commit nobody knows where a part is.
  [[nodiscard]] result<void> check_updatable(Kept const& kept) {
    HOLDFAST_TRY(each, updates_of_each(source_.store(), kept.parts));
    auto const names = source_.part_names();
    for (std::size_t i = 0; i < each.size(); ++i) {
      if (each[i]) continue;
      return failure(errc::invalid, "update: a part was sealed without updates",
                     i < names.size() ? names[i] : std::string{});
    }
    if (!kept.marks.empty()) return ok();
    return failure(errc::invalid, "update: the record has no marks to go on from",
                   "commit with marks, or give them to rebuild_register");
  }

  // A part without marks of its own is where its commit was.
  [[nodiscard]] result<std::vector<Marks>> read_marks(Kept const& kept) {
    HOLDFAST_TRY(parts, marks_at(source_.store(), kept.parts));
    std::vector<Marks> all;
    for (auto const& own : parts) all.push_back(merged(kept.marks, own));
    return all;
  }

  [[nodiscard]] bool is_target(Manifest const& m) const {
    auto const* const kept = manifest::find(m, m.current);
    auto const& ours = target_->held.kept;
    return kept != nullptr && kept->generation == ours.generation && kept->parts == ours.parts;
  }
  [[nodiscard]] result<void> check_current() {
    HOLDFAST_TRY(loaded, source_.load());
    if (loaded && is_target(loaded->manifest)) return ok();
    return failure(errc::conflict, "apply: another generation is current; refresh");
  }

  [[nodiscard]] result<void> behind_barrier(Marks const& update, Batch const& batch) {
    if constexpr (barred_register<Register>) {
      HOLDFAST_TRY(alone, register_traits<Register>::enter(source_.reg(), Mode::exclusive));
      HOLDFAST_TRYV(check_current());
      return apply_to(source_.store(), target_->held.kept.parts, batch, update);
    } else {
      HOLDFAST_TRYV(check_current());
      return apply_to(source_.store(), target_->held.kept.parts, batch, update);
    }
  }

  // No barrier: nobody but this object changes anything, and its mutex is held.
  std::optional<error> show() {
    auto next = housekeep([&]() -> std::optional<error> {
      if (!all_equal(target_->marks)) return error{errc::torn, "update: replay the feed"};
      auto opened = source_.open_unbarred(target_->held.kept);
      if (!opened) return opened.error();
      source_.move_on(std::move(opened).assume_value());
      return std::nullopt;
    });
    if (next) source_.complain(*next);
    return next;
  }

  // What could not be shown once may be now. The mutex is held: nobody else shows or reclaims.
  std::optional<error> show_again() {
    auto const* const now = source_.readers().current();
    bool const right = now != nullptr && !source_.trouble() &&
                       now->kept.sequence == target_->held.kept.sequence &&
                       now->kept.marks == target_->marks.front();
    if (right) return std::nullopt;
    return show();
  }

  Only only_;  // the first: it ends last
  Source source_;
  W world_;
  std::mutex mutex_;
  std::optional<Target> target_;
  std::optional<error> broken_;  // what is on the disk is not known since
};
}  // namespace detail

/// A home opened for updates of its current generation; made by `open_updater`. Movable; handles
/// stay valid. May be used from any thread. Views must end before it does.
template <updatable_store Store, atomic_register Register, lock_policy Locking, world W>
class Updater {
  using Core = detail::UpdaterCore<Store, Register, Locking, W>;

 public:
  using view_type = View<typename Core::Shown>;
  using pin_type = Pin<typename Core::Shown>;
  using batch_type = typename Core::Batch;

  explicit Updater(std::shared_ptr<Core> core) noexcept : core_{std::move(core)} {}

  /// Where the feed has to go on: what every part has. After a crash some parts may have more;
  /// until they are equal the feed is replayed with the bounds that its updates had.
  [[nodiscard]] result<Marks> marks() const {
    if (!core_) return failure(errc::spent, "marks");
    return core_->marks();
  }

  /// Applies an update to every part, durable on return, and shows the new state; `batches` are
  /// those of the parts in their order. Parts that have it already skip it. `invalid` if its marks
  /// are in part reached, or if it goes past the furthest part while parts differ: that part would
  /// be given again what it has, so replay the updates as they were. `conflict` once another
  /// generation is current: nothing was applied then, and `refresh` moves on. `timed_out` if
  /// another process has been opening a reader for so long. After any other error apply the same
  /// again, or go on from `marks`; after `sync_failed` all answer `poisoned`, and the home has to
  /// be opened again. RocksDB tells a failed sync as `io`, and may refuse what comes after it.
  /// Loads the record once.
  template <class... Batches>
  requires std::constructible_from<batch_type, Batches...>
  [[nodiscard]] result<Applied> apply(Marks const& marks, Batches&&... batches) {
    if (!core_) return failure(errc::spent, "apply");
    return core_->apply(marks, batch_type{std::forward<Batches>(batches)...});
  }

  /// Moves to the generation that a commit or revert made current. True if it did: the feed goes on
  /// from `marks`.
  [[nodiscard]] result<bool> refresh() {
    if (!core_) return failure(errc::spent, "refresh");
    return core_->refresh();
  }

  /// The newest state in which all parts are at equal marks, for this scope. Never waits. `torn`
  /// while a crash has left none, until the feed is replayed.
  [[nodiscard]] result<view_type> view() const {
    if (!core_) [[unlikely]] {
      return failure(errc::spent, "view");
    }
    return core_->source().view();
  }
  /// The same, for as long as the handle lives.
  [[nodiscard]] result<pin_type> pin() const {
    if (!core_) return failure(errc::spent, "pin");
    return core_->source().pin(core_);
  }

 private:
  std::shared_ptr<Core> core_;
};

HOLDFAST_END

#endif

// ------------ holdfast/staged.hpp
// Builds derived state aside, switches to it in one atomic step, and shows readers one generation
// of everything.
//
// Laws S1 to S19. In short: readers never see a mix and never wait; a commit is all or nothing over
// every part, its marks included; a crash anywhere leaves the old or the new; nothing that the
// record does not list is ever dropped.
#ifndef HOLDFAST_STAGED_HPP
#define HOLDFAST_STAGED_HPP

HOLDFAST_BEGIN

/// A home opened for building and reading; made by `open_staged`. Movable; handles stay valid. May
/// be used from any thread. Views must end before it does.
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class Staged {
  using Core = detail::StagedCore<Store, Register, Locking, W>;

 public:
  using stage_type = Stage<Core>;
  using ready_type = Ready<Core>;
  using view_type = View<typename Core::Shown>;
  using pin_type = Pin<typename Core::Shown>;

  explicit Staged(std::shared_ptr<Core> core) noexcept : core_{std::move(core)} {}

  /// Starts a build of the next generation; readers go on. `busy`, naming the holder, while another
  /// builds; `full` while too many old generations are still read.
  [[nodiscard]] result<stage_type> stage() {
    if (!core_) return failure(errc::spent, "stage");
    HOLDFAST_TRY(attempt, core_->template stage<typename Core::Whole>());
    return stage_type{core_, std::move(attempt)};
  }
  /// The same for some parts of a `Together`, named by `hf::only<I...>`: the others are carried
  /// over from the current generation, unchanged. `no_generation` before the first commit.
  template <std::size_t... I>
  requires(detail::selects<Store, I...>)
      [[nodiscard]] result<Stage<Core, detail::Some<Store, I...>>> stage(Only<I...>) {
    if (!core_) return failure(errc::spent, "stage");
    HOLDFAST_TRY(attempt, core_->template stage<detail::Some<Store, I...>>());
    return Stage<Core, detail::Some<Store, I...>>{core_, std::move(attempt)};
  }

  /// The same, going on with what a builder left that died, or let its handle `leave`: as it was at
  /// its last note, which `notes` tells. Where it noted nothing, or is not surely dead, begins
  /// anew. What it left is there as long as nobody calls `stage`, or opens the home without
  /// `keep_interrupted`.
  [[nodiscard]] result<stage_type> resume() requires resuming_store<Store> {
    if (!core_) return failure(errc::spent, "resume");
    HOLDFAST_TRY(attempt, core_->template stage<typename Core::Whole>(true));
    return stage_type{core_, std::move(attempt)};
  }
  template <std::size_t... I>
  requires(resuming_store<Store>&& detail::selects<Store, I...>)
      [[nodiscard]] result<Stage<Core, detail::Some<Store, I...>>> resume(Only<I...>) {
    if (!core_) return failure(errc::spent, "resume");
    HOLDFAST_TRY(attempt, core_->template stage<detail::Some<Store, I...>>(true));
    return Stage<Core, detail::Some<Store, I...>>{core_, std::move(attempt)};
  }

  /// The same, beginning as a copy of the current generation, as it is shown now: `marks` of the
  /// stage tells how far that is, and `catch_up` goes on from there. What updates come after it, a
  /// commit without catching up takes back. `no_generation` before the first commit.
  [[nodiscard]] auto stage_from_current() requires cloning_store<Store> {
    using Answer = result<stage_type>;
    if (!core_) return Answer{failure(errc::spent, "stage")};
    auto attempt = core_->template stage<detail::Copied<Store>>();
    if (!attempt) return Answer{detail::failed(attempt)};
    return Answer{stage_type{core_, std::move(attempt).assume_value()}};
  }

  /// The current generation, for this scope. Never waits. `no_generation` before the first commit.
  [[nodiscard, gnu::always_inline]] result<view_type> view() const {
    if (!core_) [[unlikely]] {
      return failure(errc::spent, "view");
    }
    return core_->source().view();
  }

  /// The current generation, for as long as the handle lives and wherever it goes.
  [[nodiscard]] result<pin_type> pin() const {
    if (!core_) return failure(errc::spent, "pin");
    return core_->source().pin(core_);
  }

  /// Makes a retained generation current again. A build under way will get `conflict`.
  [[nodiscard]] result<Committed> revert(Generation to) {
    if (!core_) return failure(errc::spent, "revert");
    return core_->revert(to);
  }

  /// Stops every commit until `unhold`, also one that is under way: it answers `held`, naming the
  /// reason (at most 120 bytes). Views, `revert` and collection go on.
  [[nodiscard]] result<void> hold(std::string_view reason) {
    if (!core_) return failure(errc::spent, "hold");
    return core_->hold(reason);
  }
  [[nodiscard]] result<void> unhold() {
    if (!core_) return failure(errc::spent, "unhold");
    return core_->unhold();
  }

  /// Settles a commit that answered `uncertain`, in this process or after a restart.
  [[nodiscard]] result<Outcome> resolve(Ticket const& ticket) {
    if (!core_) return failure(errc::spent, "resolve");
    return core_->resolve(ticket);
  }

  /// Puts right what a failure left; not needed after a crash, opening does it.
  [[nodiscard]] result<void> recover() {
    if (!core_) return failure(errc::spent, "recover");
    return core_->recover();
  }

  /// Shows what other processes committed or reverted to. True if that changed something.
  [[nodiscard]] result<bool> refresh() {
    if (!core_) return failure(errc::spent, "refresh");
    return core_->refresh();
  }

  /// Deletes what retires and is not read any more. A commit does this too.
  [[nodiscard]] result<Collected> collect() {
    if (!core_) return failure(errc::spent, "collect");
    return core_->collect();
  }

  /// Looks at every byte of a retained generation, part by part; readers and builds go on.
  [[nodiscard]] result<std::vector<PartVerdict>> verify(Generation g) const {
    if (!core_) return failure(errc::spent, "verify");
    return detail::verify_generation(core_->source(), g);
  }
  /// Copies the current generation into a new home in the directory `to`, whose stores are named
  /// like these; readers and builds go on. `exists` if anything is there already.
  template <class... Stores>
  requires copying_store<Store>
  [[nodiscard]] result<Generation> backup(std::string const& to, Stores... stores) const {
    if (!core_) return failure(errc::spent, "backup");
    return detail::back_up_to<Store>(core_->source(), to, std::move(stores)...);
  }

  /// What a generation takes of the disk, also one that is being built, with what updates added;
  /// nothing where its stores can't tell.
  [[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes(Generation g) const {
    if (!core_) return failure(errc::spent, "disk_bytes");
    return core_->disk_bytes(g);
  }
  [[nodiscard]] result<Status> status() const {
    if (!core_) return failure(errc::spent, "status");
    return core_->status();
  }
  [[nodiscard]] State state() const noexcept { return core_ ? core_->state() : State::none; }

 private:
  std::shared_ptr<Core> core_;
};

/// Opens a home for building and reading: recovers what a crash left unless another process builds
/// just now, and shows the current generation. Every part of `store` must live and reach as far as
/// `reg`.
template <class Store, class Register, class Locking, class W = Native>
[[nodiscard]] auto open_staged(
    StagedOptions options, Store store, Register reg, Locking lock, W world = {}) {
  if constexpr (explain_staged<Store, Register, Locking>()) {
    using Opened = Staged<Store, Register, Locking, W>;
    using Core = detail::StagedCore<Store, Register, Locking, W>;
    auto core = std::make_shared<Core>(options, std::move(store), std::move(reg), std::move(lock),
                                       std::move(world));
    auto opened = core->open();
    if (!opened) return result<Opened>{detail::failed(opened)};
    return result<Opened>{Opened{std::move(core)}};
  } else {
    return detail::refused{};
  }
}

namespace detail {
// What the short forms take: not what belongs to the long one.
template <class T>
concept store_argument =
    !std::same_as<T, StagedOptions> && !world<T> && !atomic_register<T> && !lock_policy<T>;
}  // namespace detail

/// The same for a home in a directory, which is made if it is missing: the record in HOME/CURRENT,
/// the lock in HOME/LOCK, each store in HOME/its name. Several stores become one `Together`.
template <world W, detail::store_argument... Stores>
requires(sizeof...(Stores) > 0) [[nodiscard]] auto open_staged(std::string home,
                                                               StagedOptions options,
                                                               W world,
                                                               Stores... stores) {
  if constexpr (detail::explain_placed<Stores...>()) {
    using Store = decltype(detail::together(home, std::move(stores)...));
    using Opened = decltype(open_staged(options, std::declval<Store>(), FileRegister{home},
                                        FileLock{home}, world));
    auto made = detail::make_home(Posix{}, home);
    if (!made) return Opened{detail::failed(made)};
    return open_staged(options, detail::together(home, std::move(stores)...),
                       FileRegister{detail::join(home, "CURRENT")},
                       FileLock{detail::join(home, "LOCK")}, std::move(world));
  } else {
    return detail::refused{};
  }
}
template <detail::store_argument... Stores>
requires(sizeof...(Stores) > 0)
    [[nodiscard]] auto open_staged(std::string home, StagedOptions options, Stores... stores) {
  return open_staged(std::move(home), options, Native{}, std::move(stores)...);
}
template <detail::store_argument... Stores>
requires(sizeof...(Stores) > 0) [[nodiscard]] auto open_staged(std::string home, Stores... stores) {
  return open_staged(std::move(home), StagedOptions{}, Native{}, std::move(stores)...);
}

/// Opens a home for reading only, from any process: never writes, locks out a builder or recovers,
/// and needs no permission to write. Call `refresh` to follow switches made elsewhere.
template <class Store, class Register>
requires(!std::convertible_to<Store, std::string>)
    [[nodiscard]] auto open_view(Store store, Register reg) {
  if constexpr (explain_store<Store>() && explain_register<Register>() &&
                explain_guarantees<Store, Register>()) {
    using Opened = Follower<Store, Register>;
    auto source =
        std::make_shared<detail::Source<Store, Register>>(std::move(store), std::move(reg));
    auto loaded = source->load();
    if (!loaded) return result<Opened>{detail::failed(loaded)};
    static_cast<void>(source->refresh());  // kept as the answer of `view`
    return result<Opened>{Opened{std::move(source)}};
  } else {
    return detail::refused{};
  }
}
template <class... Stores>
requires(sizeof...(Stores) > 0) [[nodiscard]] auto open_view(std::string home, Stores... stores) {
  if constexpr (detail::explain_placed<Stores...>()) {
    return open_view(detail::together(home, std::move(stores)...),
                     FileRegister{detail::join(home, "CURRENT")});
  } else {
    return detail::refused{};
  }
}

/// Opens a home for updates of its current generation, between rebuilds: by one process at a time,
/// `busy` names it. Builders and readers go on.
template <class Store, class Register, class Locking, class W = Native>
requires(!std::convertible_to<Store, std::string>)
    [[nodiscard]] auto open_updater(Store store, Register reg, Locking lock, W world = {}) {
  if constexpr (explain_staged<Store, Register, Locking>() && explain_updates<Store>()) {
    using Opened = Updater<Store, Register, Locking, W>;
    auto core = std::make_shared<detail::UpdaterCore<Store, Register, Locking, W>>(
        std::move(store), std::move(reg), std::move(lock), std::move(world));
    auto opened = core->open();
    if (!opened) return result<Opened>{detail::failed(opened)};
    return result<Opened>{Opened{std::move(core)}};
  } else {
    return detail::refused{};
  }
}
/// The same for a home in a directory, with the lock in HOME/UPDATES.
template <class... Stores>
requires(sizeof...(Stores) > 0)
    [[nodiscard]] auto open_updater(std::string home, Stores... stores) {
  if constexpr (detail::explain_placed<Stores...>()) {
    return open_updater(detail::together(home, std::move(stores)...),
                        FileRegister{detail::join(home, "CURRENT")},
                        FileLock{detail::join(home, "UPDATES")});
  } else {
    return detail::refused{};
  }
}

/// What can be done about a home whose record is missing, unreadable or older than what it names:
/// which generations are whole, and which of them it should be given back. Touches nothing, takes
/// no lock, needs no permission to write.
template <detail::store_argument... Stores>
requires(sizeof...(Stores) > 0)
    [[nodiscard]] result<RebuildPlan> plan_rebuild(std::string home, Stores... stores) {
  auto store = detail::together(home, std::move(stores)...);
  return detail::Rebuilder{std::move(home), std::move(store), Posix{}, Native{}}.plan();
}
/// Gives the home a new record that names one candidate of a plan and fences out whoever builds.
/// What is left of the old record gets another name; other generations stay, and are foreign from
/// then on. `exists` if the record can be used, `busy` while a builder holds the lock.
template <detail::store_argument... Stores>
requires(sizeof...(Stores) > 0)
    [[nodiscard]] result<Rebuilt> rebuild_register(std::string home,
                                                   RebuildCandidate const& chosen,
                                                   RebuildOptions const& options,
                                                   Stores... stores) {
  auto store = detail::together(home, std::move(stores)...);
  return detail::Rebuilder{std::move(home), std::move(store), Posix{}, Native{}}.rebuild(chosen,
                                                                                         options);
}

HOLDFAST_END

#endif

// ------------ holdfast/version.hpp
// The library's version: the one place that states it; the build reads it from here.
#ifndef HOLDFAST_VERSION_HPP
#define HOLDFAST_VERSION_HPP

#define HOLDFAST_VERSION_MAJOR 0
#define HOLDFAST_VERSION_MINOR 1
#define HOLDFAST_VERSION_PATCH 0

/// One number to compare in `#if`: 0.1.0 is 100, 1.2.3 is 10203.
#define HOLDFAST_VERSION \
  (HOLDFAST_VERSION_MAJOR * 10000 + HOLDFAST_VERSION_MINOR * 100 + HOLDFAST_VERSION_PATCH)

#endif

// ------------ holdfast/holdfast.hpp
// All of holdfast that needs no client library. Written by cmake/update_headers.py.
#ifndef HOLDFAST_HOLDFAST_HPP
#define HOLDFAST_HOLDFAST_HPP

#endif
