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

// ------------ holdfast/checksum.hpp
// Computes CRC32C (Castagnoli, reflected polynomial 0x82f63b78, as in RFC 3720).
#ifndef HOLDFAST_CHECKSUM_HPP
#define HOLDFAST_CHECKSUM_HPP

#include <array>

HOLDFAST_BEGIN

namespace detail {
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[k][b] is the effect of byte b followed by k zero bytes: eight look-ups then take eight
// bytes at once.
consteval CrcTables crc_tables() {
  CrcTables tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0x82f63b78u : 0u);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b) {
      std::uint32_t const before = tables[k - 1][b];
      tables[k][b] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
inline constexpr CrcTables crc_table = crc_tables();
}  // namespace detail

/// CRC32C of `from`, going on from `crc` (the CRC of what came before; 0 to begin).
[[nodiscard]] constexpr std::uint32_t crc32c(bytes_view from, std::uint32_t crc = 0) noexcept {
  auto const& t = detail::crc_table;
  crc = ~crc;
  std::size_t at = 0;
  for (; at + 8 <= from.size(); at += 8) {
    std::uint64_t const word = get_le<std::uint64_t>(from, at) ^ crc;
    crc = t[7][word & 0xff] ^ t[6][(word >> 8) & 0xff] ^ t[5][(word >> 16) & 0xff] ^
          t[4][(word >> 24) & 0xff] ^ t[3][(word >> 32) & 0xff] ^ t[2][(word >> 40) & 0xff] ^
          t[1][(word >> 48) & 0xff] ^ t[0][word >> 56];
  }
  for (; at < from.size(); ++at) {
    crc = (crc >> 8) ^ t[0][(crc ^ static_cast<std::uint32_t>(from[at])) & 0xff];
  }
  return ~crc;
}

HOLDFAST_END

#endif

// ------------ holdfast/ids.hpp
// Names the numbers that must not be mixed up: generations, versions, fencing tokens, owners,
// marks.
#ifndef HOLDFAST_IDS_HPP
#define HOLDFAST_IDS_HPP

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
  busy,
  pinned,
  spent,
  rejected,
  sync_failed,
  poisoned,
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
    case errc::busy:
      return "held by another";
    case errc::pinned:
      return "a reader still holds it";
    case errc::spent:
      return "the handle was moved from or is finished";
    case errc::rejected:
      return "validation rejected the generation";
    case errc::sync_failed:
      return "a sync failed; what was written can't be trusted";
    case errc::poisoned:
      return "unusable since a failed sync; reopen it";
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
  error() noexcept : detail_{} {}
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

// ------------ holdfast/backend/seal_format.hpp
// Says what a SEAL file holds: the generation's number and every name in it with size and digest.
//
// Little-endian: magic "hf SEAL\n", u32 format, u64 generation, u64 parent, u64 count, then a name
// each: u64 size, u8 digested, u32 CRC32C, u32 length, the name. Every format, also a newer one,
// ends in the CRC32C of all bytes before, so that nothing is interpreted unchecked. One encoding
// a seal: names ascend strictly.
#ifndef HOLDFAST_BACKEND_SEAL_FORMAT_HPP
#define HOLDFAST_BACKEND_SEAL_FORMAT_HPP

#include <algorithm>
#include <optional>

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
  put(seal_format);
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

/// `path` is for the error alone.
[[nodiscard]] inline result<Seal> decode_seal(bytes_view from, std::string_view path) {
  auto const refuse = [&](errc code) {
    return boost::outcome_v2::failure(error{code, "read SEAL", path});
  };
  if (from.size() < seal_magic.size() + 8) return refuse(errc::damaged);
  auto const end = from.size() - 4;
  if (crc32c(from.first(end)) != get_le<std::uint32_t>(from, end)) return refuse(errc::damaged);
  SealCursor cursor{from.first(end)};
  if (cursor.text(seal_magic.size()) != seal_magic) return refuse(errc::damaged);
  auto const format = cursor.number<std::uint32_t>();
  if (format > seal_format) return refuse(errc::newer_format);
  Seal seal;
  seal.generation.number = cursor.number<std::uint64_t>();
  seal.parent.number = cursor.number<std::uint64_t>();
  auto const count = cursor.number<std::uint64_t>();
  // A count that can't fit is refused before anything is allocated for it.
  bool const fits = cursor.good && count <= cursor.rest.size() / seal_entry;
  if (format != seal_format || !fits) return refuse(errc::damaged);
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

// ------------ holdfast/file_system.hpp
// The seam for every effect on files: what a file system must offer.
#ifndef HOLDFAST_FILE_SYSTEM_HPP
#define HOLDFAST_FILE_SYSTEM_HPP

HOLDFAST_BEGIN

/// How to open: to read what exists, to read and write what exists, or to make a new file (`exists`
/// if there is one).
enum class Open : std::uint8_t { read, write, create };
/// How many may hold a lock at once.
enum class Mode : std::uint8_t { shared, exclusive };
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

/// Files and directories by path. Paths are bytes, not text. The last component of a path is never
/// followed if it is a symlink. Semantics (the file system's laws):
/// - `read_at` gives fewer bytes than asked for only at the end of the file; `write_at` writes all
/// or fails.
/// - `sync` makes a file's data and size durable; a name is durable after `sync_directory` of its
/// directory. A failed
///   sync answers `sync_failed`, and what was written may be lost although it still reads back.
/// - `try_lock` is a lock of the open file (not of the process): it excludes every other `file`
/// object, also of the same
///   process, lapses when the file is closed, and converts a range that the same `file` holds
///   already. `false` = held by another.
/// - `rename` replaces a file or symlink atomically; `link` and `symlink` never replace (`exists`).
/// - `remove` takes a file, a symlink or an empty directory; `list` is sorted by name.
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
  auto removed = fs.remove(path);
  if (!removed && removed.error().code() == errc::not_found) return ok();
  return removed;
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
[[nodiscard]] inline auto refuse(errc code, char const* where, std::string_view thing) {
  return boost::outcome_v2::failure(error{code, where, thing});
}

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
      return refuse(errc::foreign, "walk", join(folder, name));
    }
  }
  return ok();
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
    auto const into =
        bytes_span{buffer}.first(static_cast<std::size_t>(std::min(step, size - at)));
    HOLDFAST_TRY(got, fs.read_at(file, at, into));
    if (got != into.size()) return refuse(errc::damaged, "digest", path);
    crc = crc32c(into, crc);
  }
  return crc;
}

/// Checks that a file is there with the size it was sealed with, and with the digest if asked.
template <file_system Fs>
[[nodiscard]] result<void> check_file(Fs const& fs,
                                      std::string const& path,
                                      SealedFile const& sealed,
                                      bool with_digest) {
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(size, fs.size(file));
  if (size != sealed.size) return refuse(errc::damaged, "check size", path);
  if (!with_digest || !sealed.digest) return ok();
  HOLDFAST_TRY(digest, digest_file(fs, file, size, path));
  if (digest != *sealed.digest) return refuse(errc::damaged, "check digest", path);
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
    if (damage) return refuse(errc::damaged, "read", path);
    return failed(content);
  }
  auto const& bytes = content.assume_value();
  bool const same = bytes.size() == sealed.size && (!sealed.digest || crc32c(bytes) == *sealed.digest);
  if (!same) return refuse(errc::damaged, "read", path);
  return content;
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
#include <sys/stat.h>
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

  [[nodiscard]] result<FileId> identity(file& f) const {
    struct stat status {};
    if (::fstat(f.descriptor(), &status) != 0) return detail::os_error("stat", f.path());
    return FileId{status.st_dev, status.st_ino};
  }
  [[nodiscard]] result<FileId> identity(std::string const& path) const {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return detail::os_error("stat", path);
    return FileId{status.st_dev, status.st_ino};
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
    if ((errno == EISDIR || errno == EPERM) && ::rmdir(path.c_str()) == 0) return ok();
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
  static off_t off(std::uint64_t at) noexcept { return static_cast<off_t>(at); }

  static int set_lock(file& f, Range range, short type) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = off(range.at);
    lock.l_len = off(range.size);
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
// home/name/current         a symlink for foreign readers, only if published
//
// Invariants: what a SEAL names was synced before the SEAL was made. No name is ever used again
// while something of it remains. Nothing but numbered folders is listed or dropped.
#ifndef HOLDFAST_BACKEND_SEALED_DIRECTORY_HPP
#define HOLDFAST_BACKEND_SEALED_DIRECTORY_HPP

HOLDFAST_BEGIN

/// Whether seal reads back files whose digest was not taken on their way in.
enum class Digest : std::uint8_t { none, read_back };
/// What `verify` could go by.
enum class Verified : std::uint8_t {
  digests,            ///< every byte of every file, by the digests of the SEAL
  own_checksums,      ///< every byte of the data, by the backend's own checksums
  names_and_sizes,    ///< nothing more: no digests were taken at seal
};

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
  std::string path;                         ///< its folder
  std::map<std::string, SealedFile> known;  ///< files already synced, with their digests
  bool sealed = false;
  bool sync_failed = false;

  /// Remembers a failed sync, and gives the result back.
  template <class R>
  R note(R outcome) {
    if (!outcome && outcome.error().code() == errc::sync_failed) sync_failed = true;
    return outcome;
  }
  /// Whether it may still be written to: `spent` once sealed, `sync_failed` after a failed sync.
  [[nodiscard]] result<void> writable() const {
    if (sync_failed) return detail::refuse(errc::sync_failed, "write", path);
    if (sealed) return detail::refuse(errc::spent, "write", path);
    return ok();
  }
};

template <file_system Fs>
class SealedDirectory {
 public:
  /// Tells names (relative to the generation's folder) that are not its data: neither sealed nor
  /// judged.
  using Ignored = bool (*)(std::string_view name);
  static constexpr std::string_view seal_name = "SEAL";

  explicit SealedDirectory(std::string name, Fs fs = {}, Ignored ignored = nullptr)
      : name_{std::move(name)}, fs_{std::move(fs)}, ignored_{ignored} {}

  void place(std::string const& home) { root_ = detail::join(home, name_); }
  [[nodiscard]] std::string const& name() const noexcept { return name_; }
  [[nodiscard]] Fs const& files() const noexcept { return fs_; }
  [[nodiscard]] std::string path_of(Generation g) const {
    return detail::join(*root_, folder_of(g));
  }

  /// Makes the empty folder of g; any remains of an earlier g are `exists`.
  [[nodiscard]] result<Building> create(Generation g) {
    HOLDFAST_TRYV(usable("create"));
    if (g.number == 0) return detail::refuse(errc::invalid, "create generation 0", name_);
    HOLDFAST_TRYV(detail::make_directories(fs_, *root_));
    Building made{.generation = g, .path = path_of(g), .known = {}};
    HOLDFAST_TRYV(fs_.make_directory(made.path));
    return made;
  }

  /// Idempotent. May be tried again after any failure but `sync_failed`, which stays.
  [[nodiscard]] result<void> seal(Building& building, Digest digest) {
    if (building.sealed) return ok();
    HOLDFAST_TRYV(building.writable());
    HOLDFAST_TRYV(building.note(write_seal(building, digest)));
    building.sealed = true;
    return ok();
  }

  /// The seal of g, if the folder holds exactly what it says.
  [[nodiscard]] result<Seal> open(Generation g, bool check_digests) const {
    HOLDFAST_TRY(seal, seal_of(g));
    HOLDFAST_TRYV(check_names(seal));
    bool const undigested = has_undigested(seal);
    if (check_digests && undigested) {
      return detail::refuse(errc::invalid, "verify: sealed without digests", path_of(g));
    }
    for (auto const& file : seal.files) {
      if (file.name.ends_with('/')) continue;
      HOLDFAST_TRYV(
          detail::check_file(fs_, detail::join(path_of(g), file.name), file, check_digests));
    }
    return seal;
  }

  /// Checks every file as well as the SEAL allows, and says how well that is.
  [[nodiscard]] result<Verified> verify(Generation g) const {
    HOLDFAST_TRY(seal, seal_of(g));
    bool const undigested = has_undigested(seal);
    HOLDFAST_TRYV(open(g, !undigested));
    return undigested ? Verified::names_and_sizes : Verified::digests;
  }

  /// Missing is a success too, but made durable: a crashed predecessor's removal may not be.
  [[nodiscard]] result<void> drop(Generation g) {
    HOLDFAST_TRYV(usable("drop"));
    auto const found = find(g);
    if (!found && found.error().code() == errc::not_found) {
      auto synced = fs_.sync_directory(*root_);
      bool const no_root = !synced && synced.error().code() == errc::not_found;
      return no_root ? result<void>{ok()} : synced;
    }
    if (!found) return detail::failed(found);
    auto const path = path_of(g);
    // The SEAL goes first and durably: from here on, whatever a crash leaves reads as unsealed.
    auto const removed = fs_.remove(detail::join(path, seal_name));
    if (!removed && removed.error().code() != errc::not_found) return detail::failed(removed);
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
      auto const g = generation_of(entry.name);
      if (g && entry.kind == Entry::Kind::directory) found.push_back(*g);
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  /// Points the symlink at g, which must be sealed; replaces nothing but a symlink.
  [[nodiscard]] result<void> publish(Generation g, PublishedName const& as) {
    HOLDFAST_TRYV(seal_of(g));
    HOLDFAST_TRYV(check_link(g, as));
    auto const fresh = detail::join(*root_, as.link + ".next");
    auto const target =
        as.inner.empty() ? folder_of(g) : detail::join(folder_of(g), as.inner);
    // A crash may have left the symlink that was to be renamed; check_link saw that it is one.
    auto const removed = fs_.remove(fresh);
    if (!removed && removed.error().code() != errc::not_found) return detail::failed(removed);
    HOLDFAST_TRYV(fs_.symlink(target, fresh));
    // One rename: a foreign reader finds the old or the new generation, at every moment.
    HOLDFAST_TRYV(fs_.rename(fresh, detail::join(*root_, as.link)));
    return fs_.sync_directory(*root_);
  }

  /// `invalid` before `place`, or if the name is no plain name.
  [[nodiscard]] result<void> usable(char const* where) const {
    bool const plain =
        detail::is_relative_name(name_) && name_.find('/') == std::string::npos;
    if (plain && root_) return ok();
    return detail::refuse(errc::invalid, where, plain ? name_ + ": place(home) comes first" : name_);
  }

 private:
  [[nodiscard]] static std::string folder_of(Generation g) {
    auto digits = std::to_string(g.number);
    return digits.size() < 10 ? std::string(10 - digits.size(), '0') + digits : digits;
  }

  [[nodiscard]] static std::optional<Generation> generation_of(std::string_view folder) {
    Generation g;
    for (char const c : folder) {
      if (c < '0' || c > '9') return std::nullopt;
      g.number = g.number * 10 + static_cast<std::uint64_t>(c - '0');
    }
    // Whatever wraps around, or has other zeros than ours, does not come back the same.
    if (g.number == 0 || folder_of(g) != folder) return std::nullopt;
    return g;
  }

  [[nodiscard]] bool skips(std::string_view name) const {
    return name == seal_name || (ignored_ != nullptr && ignored_(name));
  }

  // The folder of g: `not_found`, or `foreign` if something else has its name (a symlink, say).
  [[nodiscard]] result<void> find(Generation g) const {
    auto entries = fs_.list(*root_);
    if (!entries) return detail::failed(entries);
    auto const folder = folder_of(g);
    for (auto const& entry : entries.assume_value()) {
      if (entry.name != folder) continue;
      if (entry.kind == Entry::Kind::directory) return ok();
      return detail::refuse(errc::foreign, "find generation", path_of(g));
    }
    return detail::refuse(errc::not_found, "find generation", path_of(g));
  }

  [[nodiscard]] result<std::vector<std::string>> names_of(std::string const& path) const {
    std::vector<std::string> names;
    auto const skip = [this](std::string_view name) { return skips(name); };
    HOLDFAST_TRYV(detail::walk_tree(fs_, path, std::string{}, skip, names));
    return names;
  }

  [[nodiscard]] result<void> write_seal(Building& building, Digest digest) {
    auto const path = detail::join(building.path, seal_name);
    auto const removed = fs_.remove(path);  // what an attempt that failed has left
    if (!removed && removed.error().code() != errc::not_found) return detail::failed(removed);
    Seal seal{.generation = building.generation, .parent = {}, .files = {}};
    HOLDFAST_TRY(names, names_of(building.path));
    for (auto const& name : names) {
      HOLDFAST_TRY(file, settle(building, name, digest));
      seal.files.push_back(file);
    }
    std::sort(seal.files.begin(), seal.files.end(),
              [](SealedFile const& a, SealedFile const& b) { return a.name < b.name; });
    auto const encoded = detail::encode_seal(seal);
    if (encoded.size() > detail::seal_limit) return detail::refuse(errc::too_large, "seal", path);
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
      if (code == errc::not_found) return detail::refuse(errc::unsealed, "open", path_of(g));
      if (code == errc::too_large) return detail::refuse(errc::damaged, "read SEAL", path);
      return detail::failed(content);
    }
    HOLDFAST_TRY(seal, detail::decode_seal(content.assume_value(), path));
    if (seal.generation != g) return detail::refuse(errc::damaged, "read SEAL of another", path);
    return std::move(seal);
  }

  [[nodiscard]] result<void> check_names(Seal const& seal) const {
    auto const path = path_of(seal.generation);
    HOLDFAST_TRY(names, names_of(path));
    std::sort(names.begin(), names.end());
    for (auto const& name : names) {
      if (seal.find(name) == nullptr) {
        return detail::refuse(errc::damaged, "open: not in SEAL", detail::join(path, name));
      }
    }
    for (auto const& file : seal.files) {
      if (!std::binary_search(names.begin(), names.end(), file.name)) {
        return detail::refuse(errc::damaged, "open: missing", detail::join(path, file.name));
      }
    }
    return ok();
  }

  [[nodiscard]] static bool has_undigested(Seal const& seal) {
    return std::any_of(seal.files.begin(), seal.files.end(), [](SealedFile const& file) {
      return !file.name.ends_with('/') && !file.digest;
    });
  }

  // Refuses a name that is taken by anything but our symlink, or has companions beside either end.
  [[nodiscard]] result<void> check_link(Generation g, PublishedName const& as) const {
    for (bool const inside : {false, true}) {
      auto const folder = inside ? path_of(g) : *root_;
      auto const& end = inside ? as.inner : as.link;
      HOLDFAST_TRY(entries, fs_.list(folder));
      for (auto const& entry : entries) {
        bool const ours = !inside && (entry.name == end || entry.name == end + ".next");
        bool const taken = ours && entry.kind != Entry::Kind::symlink;
        bool const companion =
            std::any_of(as.beside.begin(), as.beside.end(),
                        [&](std::string const& suffix) { return entry.name == end + suffix; });
        if (taken || companion) {
          return detail::refuse(errc::exists, "publish", detail::join(folder, entry.name));
        }
      }
    }
    return ok();
  }

  std::string name_;
  std::optional<std::string> root_;
  Fs fs_;
  Ignored ignored_;
};

HOLDFAST_END

#endif

// ------------ holdfast/guarantees.hpp
// Says what a backend promises, and what a composition of backends can still promise.
#ifndef HOLDFAST_GUARANTEES_HPP
#define HOLDFAST_GUARANTEES_HPP

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

// ------------ holdfast/concepts.hpp
// Says what you bring: the concepts of stores, registers and locks, and the traits through which
// holdfast uses them.
//
// Each operation is a `can_*` of its own, so that a compiler names the one that is missing.
// Specialise `store_traits<T>` (deriving from `member_store_traits<T>`) to change one operation of
// a type that you can't edit.
#ifndef HOLDFAST_CONCEPTS_HPP
#define HOLDFAST_CONCEPTS_HPP

HOLDFAST_BEGIN

template <class R, class T>
concept gives = std::same_as<R, result<T>>;
template <class R>
concept some_result = is_result<std::remove_cvref_t<R>>;
template <some_result R>
using value_of = typename std::remove_cvref_t<R>::value_type;

// ---- stores

/// Forwards each operation of a store to the member of the same name.
template <class T>
struct member_store_traits {
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
  static auto part_names(U const& t) -> decltype(t.part_names()) {
    return t.part_names();
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
template <class T>
struct store_traits : member_store_traits<T> {};

template <class T>
using writer_of = value_of<decltype(store_traits<T>::create(std::declval<T&>(), Generation{}))>;
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
};
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
/// not applied,
///   `uncertain` = perhaps applied (settle it with `reopen`, then `load`).
/// - `load()` never gives what a power cut could still take back.
/// - `reopen()` heals after a failed sync, and makes what is there now durable; on an absent
/// register it does nothing.
template <class T>
concept atomic_register =
    std::movable<T> && can_load<T> && can_store_if<T> && can_reopen<T> && has_max_size<T>;

// ---- locks

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
};
template <class T>
struct lock_traits : member_lock_traits<T> {};

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

// ---- pins between processes

template <class T>
concept can_pin = requires(T& t, Generation g) {
  { register_traits<T>::pin(t, g) } -> some_result;
};
template <class T>
concept can_exclude = requires(T& t, Generation g) {
  { register_traits<T>::try_exclude(t, g) } -> some_result;
};
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

// ------------ holdfast/backend/directory.hpp
// A store of files: each generation is a folder of whatever files the caller puts there.
#ifndef HOLDFAST_BACKEND_DIRECTORY_HPP
#define HOLDFAST_BACKEND_DIRECTORY_HPP

HOLDFAST_BEGIN

struct DirectoryOptions {
  bool verify_on_open = false;  ///< read every file against its digest, before the first view
};

/// Adds files to a generation that nobody sees yet. `spent` once it is sealed.
template <file_system Fs>
class DirectoryWriter {
 public:
  DirectoryWriter(Fs fs, Building building) : fs_{std::move(fs)}, building_{std::move(building)} {}

  /// Makes the file `name` ("a", "a/b/c") with this content, durable on return but for its name.
  /// `exists` if there is one, `invalid` for a name that leads elsewhere. After an error nothing of
  /// it is left.
  [[nodiscard]] result<void> put(std::string_view name, bytes_view content) {
    HOLDFAST_TRYV(building_.writable());
    std::string const relative{name};
    if (!detail::is_relative_name(name) || name == SealedDirectory<Fs>::seal_name) {
      return detail::refuse(errc::invalid, "put", relative);
    }
    for (auto slash = name.find('/'); slash != std::string_view::npos;
         slash = name.find('/', slash + 1)) {
      auto const made = fs_.make_directory(detail::join(path(), name.substr(0, slash)));
      if (!made && made.error().code() != errc::exists) return detail::failed(made);
    }
    auto const file = detail::join(path(), name);
    auto written = building_.note(detail::write_new_file(fs_, file, content));
    if (!written) return discard(file, written.error());
    building_.known.insert_or_assign(relative,
                                     SealedFile{relative, content.size(), crc32c(content)});
    return ok();
  }

  /// The folder, for files of the caller's own: close them before seal, which finds and syncs them.
  [[nodiscard]] std::string const& path() const noexcept { return building_.path; }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }
  [[nodiscard]] Building& building() noexcept { return building_; }

 private:
  // A file that was not written whole must not be sealed.
  [[nodiscard]] result<void> discard(std::string const& file, error const& why) {
    if (why.code() != errc::exists) {
      auto const removed = fs_.remove(file);
      bool const gone = removed || removed.error().code() == errc::not_found;
      if (!gone) broken_ = removed.error();
    }
    return boost::outcome_v2::failure(why);
  }
  Fs fs_;
  Building building_;
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
      return detail::refuse(errc::not_found, "get", detail::join(path_, name));
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

namespace at {  // byte offsets within a slot and a hint
inline constexpr std::size_t magic = 0, form = 8, length = 12, sequence = 16, nonce = 24;
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
  return Hint{{get_le<std::uint64_t>(from, at::sequence), get_le<std::uint64_t>(from, at::nonce)},
              get_boot(from)};
}

/// What a scan of all slots tells.
struct Scan {
  std::optional<Record> newest;     ///< highest sequence, confirmed or not
  std::optional<Record> confirmed;  ///< highest sequence that no power cut can take back
  bool newer_format = false;
  bool stale = false;  ///< the hint names a durable record that is not here
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
  // The hint is written only after its record was durable, so it never runs ahead of an honest
  // ring, in this boot or later.
  if (hint) {
    out.stale = !out.newest || out.newest->version.sequence < hint->version.sequence ||
                (out.newest->version.sequence == hint->version.sequence &&
                 out.newest->version.nonce != hint->version.nonce);
  }
  return out;
}
}  // namespace detail::ring

HOLDFAST_END

#endif

// ------------ holdfast/event.hpp
// Says what an observer is told: the states of a staged run and the events on the way.
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
    foreign,  ///< `generation` lies in the store but the record does not list it; left alone
  };
  Kind kind = Kind::transition;
  State from = State::none;
  State to = State::none;
  Generation generation{};
  FencingToken token{};
  std::int64_t at_ns = 0;  ///< steady clock
  error const* cause = nullptr;
};

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
    case Event::Kind::foreign:
      return "foreign";
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
concept world = std::copyable<W> && requires(W const& w, Event const& e) {
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

// Reads a small kernel file; an unreadable one gives an empty text, and so an identity that matches
// nobody.
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
  self.pid = static_cast<std::uint64_t>(::getpid());
  self.start_time = read_start_time();
  self.nonce = kernel_random64();
  return self;
}
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
  /// This process. A forked child must not use what its parent opened, so the identity is read
  /// once.
  [[nodiscard]] Owner self() const noexcept {
    static Owner const self = detail::read_self();
    return self;
  }
  void on(Event const&) const noexcept {}
};
static_assert(world<Native>);

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

#include <memory>
#include <mutex>

HOLDFAST_BEGIN

/// An atomic register in the file `path`, with `path`.hint and, for pins, PINS beside it.
/// Thread-safe; processes exclude each other with locks of the open file. Reading needs no write
/// permission and takes no lock.
template <file_system Fs, world W = Native>
class BasicFileRegister {
  using file = typename Fs::file;
  struct Core {
    Core(std::string where, Fs files, W around)
        : path{std::move(where)}, fs{std::move(files)}, world{std::move(around)} {}
    std::string path;
    Fs fs;
    W world;
    std::mutex mutex;
    std::optional<file> ring;
    bool ring_writable = false;
    std::optional<file> hint;
    std::optional<file> pins;
    bool pins_writable = false;
    Version known{};  // the newest record that this object synced itself
    bool poisoned = false;
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
    HOLDFAST_TRY(found, look(false));
    if (!found || !found->confirmed) return std::optional<Versioned>{};
    auto const& record = *found->confirmed;
    return std::optional{Versioned{record.version, {record.value.begin(), record.value.end()}}};
  }

  /// Writes `value` if the newest version is `expected`; durable on return. After `uncertain` the
  /// object is poisoned.
  [[nodiscard]] result<Version> store_if(Version expected, bytes_view value) {
    std::lock_guard const guard{core_->mutex};
    if (core_->poisoned) return fail(errc::poisoned, "store");
    if (value.size() > max_size()) return fail(errc::too_large, "store");
    if (expected == Version::none) return create(value);
    HOLDFAST_TRY(lock, lock_ring());
    HOLDFAST_TRY(found, look(true));
    if (!found) return fail(errc::register_lost, "store");
    if (!is_confirmed(*found)) {
      // Left by a writer that died or failed: settle it, so that the caller's next load sees one
      // outcome.
      HOLDFAST_TRYV(put_again(*found));
      return fail(errc::conflict, "store");
    }
    if (found->newest->version != expected) return fail(errc::conflict, "store");
    return put(*found, value);
  }

  /// Heals after a failed sync, and makes the newest value durable under a new version. Does
  /// nothing if the file is absent.
  [[nodiscard]] result<void> reopen() {
    std::lock_guard const guard{core_->mutex};
    auto& c = *core_;
    c.ring.reset();
    c.hint.reset();
    c.known = {};
    c.poisoned = false;
    HOLDFAST_TRYV(remove_leftovers());
    auto opened = open_ring(true);
    if (!opened) {
      if (opened.error().code() != errc::not_found) return opened;
      return absent();
    }
    HOLDFAST_TRYV(make_pins());
    HOLDFAST_TRY(lock, lock_ring());
    HOLDFAST_TRY(found, look(true));
    if (!found) return absent();
    HOLDFAST_TRYV(put_again(*found));
    return ok();
  }

  /// Keeps a generation from being excluded, or others from pinning it; ends with the object.
  class Hold {
   public:
    Hold() = default;
    Hold(Core& core, Generation g) noexcept : core_{&core}, generation_{g} {}
    Hold(Hold&& other) noexcept
        : core_{std::exchange(other.core_, nullptr)}, generation_{other.generation_} {}
    Hold& operator=(Hold&& other) noexcept {
      std::swap(core_, other.core_);
      std::swap(generation_, other.generation_);
      return *this;
    }
    ~Hold() {
      // A lock that can't be released lapses with the process; there is nobody to tell here.
      if (core_ != nullptr) static_cast<void>(core_->fs.unlock(*core_->pins, byte(generation_)));
    }

   private:
    Core* core_ = nullptr;
    Generation generation_{};
  };

  /// Needs only permission to read. `busy` while another process decides on `g`. One hold a
  /// generation and object.
  [[nodiscard]] result<Hold> pin(Generation g) {
    HOLDFAST_TRY(locked, lock_pin(g, Mode::shared));
    if (!locked) return fail(errc::busy, "pin");
    return Hold{*core_, g};
  }

  /// Succeeds if no other process pins `g`, and keeps it so while the hold lives; else `pinned`.
  [[nodiscard]] result<Hold> try_exclude(Generation g) {
    HOLDFAST_TRY(locked, lock_pin(g, Mode::exclusive));
    if (!locked) return fail(errc::pinned, "exclude");
    return Hold{*core_, g};
  }

 private:
  using Scan = detail::ring::Scan;
  static constexpr std::int64_t lock_patience_ns = 5'000'000'000;

  static Range byte(Generation g) noexcept { return {g.number, 1}; }

  [[nodiscard]] auto fail(errc code, char const* where) const noexcept {
    return failure(code, where, core_->path);
  }

  [[nodiscard]] bool is_confirmed(Scan const& found) const noexcept {
    return found.confirmed && found.confirmed->version == found.newest->version;
  }

  // A hint without a ring, or a ring without one valid record: what it named may still exist, so
  // this is never "empty".
  [[nodiscard]] result<void> absent() {
    auto hint = core_->fs.identity(core_->path + ".hint");
    if (hint) return fail(errc::register_lost, "open");
    if (hint.error().code() != errc::not_found) return detail::failed(hint);
    return ok();
  }

  [[nodiscard]] result<void> open_ring(bool writable) {
    auto& c = *core_;
    if (c.ring && (c.ring_writable || !writable)) {
      // The file is never replaced by us: another one under the name was put there by someone, and
      // is what counts now.
      HOLDFAST_TRY(ours, c.fs.identity(*c.ring));
      HOLDFAST_TRY(named, c.fs.identity(c.path));
      if (ours == named) return ok();
    }
    c.ring.reset();
    HOLDFAST_TRY(opened, c.fs.open(c.path, writable ? Open::write : Open::read));
    c.ring = std::move(opened);
    c.ring_writable = writable;
    return ok();
  }

  [[nodiscard]] result<std::optional<detail::ring::Hint>> read_hint() {
    auto& c = *core_;
    auto content = detail::read_file(c.fs, c.path + ".hint", detail::ring::hint_size);
    if (content) return detail::ring::decode_hint(content.assume_value());
    auto const code = content.error().code();
    if (code == errc::not_found || code == errc::too_large)
      return std::optional<detail::ring::Hint>{};
    return detail::failed(content);
  }

  // The hint is read before the ring: a ring read later is at least as new as an honest hint.
  // Without the lock a slot may be seen half written, so a bad verdict is believed only when it
  // stays.
  [[nodiscard]] result<std::optional<Scan>> look(bool locked) {
    auto& c = *core_;
    for (int attempt = locked ? 2 : 0;; ++attempt) {
      HOLDFAST_TRY(hint, read_hint());
      auto opened = open_ring(locked);
      if (!opened && opened.error().code() == errc::not_found) {
        if (hint) return fail(errc::register_lost, "load");
        return std::optional<Scan>{};
      }
      HOLDFAST_TRYV(std::move(opened));
      HOLDFAST_TRY(size, c.fs.read_at(*c.ring, 0, c.buffer));
      auto const found =
          detail::ring::scan(bytes_view{c.buffer}.first(size), hint, c.world.self().boot, c.known);
      if (found.newer_format) return fail(errc::newer_format, "load");
      if (found.newest && !found.stale) return std::optional{found};
      if (attempt < 2) continue;
      return fail(found.newest ? errc::stale_register : errc::damaged, "load");
    }
  }

  // Ends with the scope, also where an error returns.
  struct RingLock {
    Core* core;
    explicit RingLock(Core& c) noexcept : core{&c} {}
    RingLock(RingLock&& other) noexcept : core{std::exchange(other.core, nullptr)} {}
    RingLock& operator=(RingLock&&) = delete;
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
    auto const deadline = c.world.steady_ns() + lock_patience_ns;
    for (;;) {
      HOLDFAST_TRY(locked, c.fs.try_lock(*c.ring, Range{}, Mode::exclusive));
      if (locked) return RingLock{c};
      auto const now = c.world.steady_ns();
      if (now >= deadline) return fail(errc::busy, "lock");
      c.world.wait_until(now + 200'000);
    }
  }

  // One write, one sync: the commit. From the first byte written until the sync succeeds the
  // outcome is not known.
  [[nodiscard]] result<Version> put(Scan const& found, bytes_view value) {
    auto& c = *core_;
    auto const last = found.newest->version.sequence;
    auto const confirmed = found.confirmed ? found.confirmed->version.sequence : 0;
    if (last + 1 - confirmed >= detail::ring::slots) return fail(errc::poisoned, "store");
    detail::ring::Record const record{
        {last + 1, c.world.random64()}, confirmed, c.world.self().boot, value};
    std::array<std::byte, detail::ring::slot_size> slot;
    detail::ring::encode(record, slot);
    auto const at = record.version.sequence % detail::ring::slots * detail::ring::slot_size;
    auto done = c.fs.write_at(*c.ring, at, slot);
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
    HOLDFAST_TRYV(put(found, value));
    return ok();
  }

  // Tells readers of other processes. Without it they see the record only once the next one names
  // it, and nothing else depends on it; so a hint that can't be written does not make a durable
  // commit fail.
  void confirm(Version version) noexcept {
    auto& c = *core_;
    c.known = version;
    auto const content = detail::ring::encode(detail::ring::Hint{version, c.world.self().boot});
    auto const path = c.path + ".hint";
    if (!c.hint) {
      auto opened = c.fs.open(path, Open::write);
      if (!opened) opened = c.fs.open(path, Open::create);
      if (!opened) return;
      c.hint = std::move(opened).assume_value();
    }
    static_cast<void>(c.fs.write_at(*c.hint, 0, content));
  }

  // A file that is complete before it has its name, and never takes the place of another.
  [[nodiscard]] result<Version> create(bytes_view value) {
    auto& c = *core_;
    HOLDFAST_TRY(found, look(false));
    if (found) return fail(errc::conflict, "store");
    HOLDFAST_TRYV(make_pins());
    detail::ring::Record const record{{1, c.world.random64()}, 0, c.world.self().boot, value};
    bytes content(detail::ring::slots * detail::ring::slot_size);
    detail::ring::encode(record,
                         std::span<std::byte, detail::ring::slot_size>{
                             content.data() + detail::ring::slot_size, detail::ring::slot_size});
    auto const fresh = c.path + ".new-" + std::to_string(record.version.nonce);
    auto linked = detail::write_new_file(c.fs, fresh, content);
    if (linked) linked = c.fs.link(fresh, c.path);
    auto removed = c.fs.remove(fresh);
    if (!linked) {
      auto const lost =
          linked.error().code() == errc::exists || linked.error().code() == errc::not_found;
      return failure(lost ? linked.error().as(errc::conflict) : linked.error());
    }
    HOLDFAST_TRYV(std::move(removed));
    auto synced = c.fs.sync_directory(detail::parent_of(c.path));
    if (!synced) {
      c.poisoned = true;
      return failure(synced.error().as(errc::uncertain));
    }
    confirm(record.version);
    return record.version;
  }

  // What a crashed `create` left: never linked, or a second name of the ring.
  [[nodiscard]] result<void> remove_leftovers() {
    auto& c = *core_;
    auto const directory = detail::parent_of(c.path);
    auto entries = c.fs.list(directory);
    if (!entries && entries.error().code() == errc::not_found) return ok();
    HOLDFAST_TRYV(std::move(entries));
    auto const prefix = c.path.substr(c.path.rfind('/') + 1) + ".new-";
    for (auto const& entry : entries.assume_value()) {
      if (entry.name.compare(0, prefix.size(), prefix) != 0) continue;
      auto removed = c.fs.remove(detail::join(directory, entry.name));
      if (!removed && removed.error().code() != errc::not_found) return removed;
    }
    return ok();
  }

  [[nodiscard]] std::string pins_path() const {
    return detail::join(detail::parent_of(core_->path), "PINS");
  }

  // Made before the ring has its name, so that the ring's directory sync covers it.
  [[nodiscard]] result<void> make_pins() {
    auto made = core_->fs.open(pins_path(), Open::create);
    if (!made && made.error().code() != errc::exists) return detail::failed(made);
    return ok();
  }

  [[nodiscard]] result<bool> lock_pin(Generation g, Mode mode) {
    std::lock_guard const guard{core_->mutex};
    auto& c = *core_;
    // Opened once and kept: closing it would let every hold go.
    if (!c.pins) {
      auto opened = c.fs.open(pins_path(), Open::write);
      c.pins_writable = opened.has_value();
      if (!opened) opened = c.fs.open(pins_path(), Open::read);
      HOLDFAST_TRYV(std::move(opened));
      c.pins = std::move(opened).assume_value();
    }
    if (mode == Mode::exclusive && !c.pins_writable) return fail(errc::denied, "exclude");
    return c.fs.try_lock(*c.pins, byte(g), mode);
  }

  std::unique_ptr<Core> core_;
};

using FileRegister = BasicFileRegister<Posix>;
static_assert(pinning_register<FileRegister>);

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

// ------------ holdfast/detail/lock_record.hpp
// Lays out what a lock file holds: two slots for the durable epoch and one for the holder.
#ifndef HOLDFAST_DETAIL_LOCK_RECORD_HPP
#define HOLDFAST_DETAIL_LOCK_RECORD_HPP

HOLDFAST_BEGIN

namespace detail::lock_record {
// A sector each: raising the epoch leaves the slot of the epoch before it alone.
inline constexpr std::size_t slot_size = 512;
inline constexpr std::size_t file_size = 3 * slot_size;
inline constexpr std::size_t holder_at = 2 * slot_size;
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
inline constexpr std::size_t held = 32, since = 40, pid = 48, start = 56, nonce = 64;
inline constexpr std::size_t owner_boot = 72, host = 88, end = 152;
}  // namespace at

inline void put_array(bytes_span into, std::size_t where, auto const& from) noexcept {
  for (std::size_t i = 0; i < from.size(); ++i) into[where + i] = static_cast<std::byte>(from[i]);
}
inline void get_array(bytes_view from, std::size_t where, auto& into) noexcept {
  for (std::size_t i = 0; i < into.size(); ++i) {
    into[i] = static_cast<std::remove_reference_t<decltype(into[0])>>(from[where + i]);
  }
}
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
    put_le(slot, at::pid, owner.pid);
    put_le(slot, at::start, owner.start_time);
    put_le(slot, at::nonce, owner.nonce);
    put_array(slot, at::owner_boot, owner.boot.id);
    put_array(slot, at::host, owner.host);
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
  holder.owner.pid = get_le<std::uint64_t>(slot, at::pid);
  holder.owner.start_time = get_le<std::uint64_t>(slot, at::start);
  holder.owner.nonce = get_le<std::uint64_t>(slot, at::nonce);
  get_array(slot, at::owner_boot, holder.owner.boot.id);
  get_array(slot, at::host, holder.owner.host);
  last.holder = holder;
  return last;
}
}  // namespace detail::lock_record

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
// grant of a boot raises the epoch.
// - Whoever holds has the byte of the current epoch locked; raising the epoch (force) moves the
// lock to another byte, so an
//   old holder neither blocks nor counts. All changes of the file are made under the guard byte.
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
      auto raised = raise(std::max(epoch, last.number >> 32) + 1);
      if (!raised) {
        static_cast<void>(core_->fs.unlock(*core_->open, byte_of(epoch)));
        return detail::failed(raised);
      }
      HOLDFAST_TRY(
          moved, core_->fs.try_lock(*core_->open, byte_of(raised.assume_value()), Mode::exclusive));
      HOLDFAST_TRYV(core_->fs.unlock(*core_->open, byte_of(epoch)));
      if (!moved) return busy(seen);
      epoch = raised.assume_value();
    }
    FencingToken const token{std::max(last.number, epoch << 32) + 1};
    core_->held_epoch = epoch;
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
    core_->held_epoch = 0;
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
    if (nobody || !seen.last) return std::optional<Holder>{};
    return seen.last->holder;
  }

  /// Takes the lock away from the holder that was seen (`conflict` if it is another by now). The
  /// old holder is not stopped: raise the fence of what it writes to first.
  [[nodiscard]] result<FencingToken> force(Holder const& seen_holder, FencingToken above) {
    std::lock_guard const guard{core_->mutex};
    HOLDFAST_TRYV(open_for_writing());
    HOLDFAST_TRY(section, enter(Mode::exclusive));
    HOLDFAST_TRY(seen, read());
    bool const same = seen.last && seen.last->holder &&
                      seen.last->holder->owner == seen_holder.owner &&
                      seen.last->token == seen_holder.token;
    if (!same) return fail(errc::conflict, "force");
    HOLDFAST_TRY(epoch, raise(std::max(seen.epoch.number, above.number >> 32) + 1));
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
    bool writable = false;
    std::uint64_t held_epoch =
        0;  // what this object holds: a lock of an open file does not exclude its own threads
  };
  struct Seen {
    detail::lock_record::Epoch epoch;
    std::optional<detail::lock_record::Last> last;
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
  static constexpr std::int64_t patience_ns = 5'000'000'000;
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
    auto const deadline = c.world.steady_ns() + patience_ns;
    for (;;) {
      HOLDFAST_TRY(locked, c.fs.try_lock(*c.open, guard_byte, mode));
      if (locked) break;
      auto const now = c.world.steady_ns();
      if (now >= deadline) return fail(errc::busy, "guard");
      c.world.wait_until(now + 200'000);
    }
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
      auto const slot = all.subspan(i * record::slot_size, record::slot_size);
      if (record::newer(slot)) return fail(errc::newer_format, "lock");
      auto const epoch = record::decode_epoch(slot);
      if (epoch && epoch->number > seen.epoch.number) seen.epoch = *epoch;
    }
    seen.last = record::decode_last(all.subspan(record::holder_at));
    if (seen.last && seen.last->token.number >> 32 != seen.epoch.number) seen.last.reset();
    return seen;
  }

  // Durable before anyone is granted a token of this epoch: the data, and the name of a file that
  // may be new.
  [[nodiscard]] result<std::uint64_t> raise(std::uint64_t epoch) {
    namespace record = detail::lock_record;
    auto& c = *core_;
    auto const slot = record::encode(record::Epoch{epoch, c.world.self().boot});
    HOLDFAST_TRYV(c.fs.write_at(*c.open, epoch % 2 * record::slot_size, slot));
    HOLDFAST_TRYV(c.fs.sync(*c.open));
    HOLDFAST_TRYV(c.fs.sync_directory(detail::parent_of(c.path)));
    return epoch;
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

using FileLock = BasicFileLock<Posix>;
static_assert(lock_policy<FileLock>);

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
