// SPDX-License-Identifier: BSL-1.0
// Writes a manifest as lines of text and reads it back; whatever is not exactly such a text is
// damage.
#ifndef HOLDFAST_DETAIL_MANIFEST_TEXT_HPP
#define HOLDFAST_DETAIL_MANIFEST_TEXT_HPP

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

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
