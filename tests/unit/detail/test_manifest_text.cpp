// SPDX-License-Identifier: BSL-1.0
// Tests the manifest as text: what was written is read back, and nothing else is read.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/detail/ring.hpp"
#include "places.hpp"

namespace {
namespace manifest = hf::detail::manifest;
using hf::errc;

hf::Owner an_owner() {
  hf::Owner owner;
  std::string_view const host = "builder-7.example";
  std::copy(host.begin(), host.end(), owner.host.begin());
  owner.boot.id = {0, 1, 2, 0xff, 0xa0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  owner.pid = 4711;
  owner.start_time = 99;
  owner.nonce = std::numeric_limits<std::uint64_t>::max();
  return owner;
}

hf::Manifest full() {
  hf::Manifest m;
  m.home = {0xde, 0xad, 0xbe, 0xef, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0};
  m.part_names = {"keys", "stats"};
  m.sequence = 12;
  m.fence = {(std::uint64_t{3} << 32) + 4};
  m.next = 9;
  m.current = {7};
  m.attempt = hf::AttemptRecord{{8}, m.fence, 17, an_owner()};
  m.retained = {{{7}, 12, {{"offset", 4711}, {"seen at", 0}}, {{7}, {7}}, 1'700'000'000'123},
                {{5}, 10, {}, {{5}, {3}}, -2}};
  m.retiring = {{{2}, 1'700'000'000'000}, {{3}, -1}};
  m.commits = {{12, 17}, {11, 0}};
  m.hold = "3 a.m.";
  return m;
}

bool refused(std::string_view text) {
  auto const read = manifest::decode(text);
  return !read && read.error().code() == errc::damaged;
}
// Whatever is read must be exactly what would be written: one meaning has one text.
bool refused_or_canonical(std::string const& text) {
  auto const read = manifest::decode(text);
  return !read || manifest::encode(read.value()) == text;
}
}  // namespace

TEST_CASE("a manifest is read back as it was written", "[manifest]") {
  auto const m = full();
  auto const text = manifest::encode(m);
  auto const read = manifest::decode(text);
  REQUIRE(read);
  CHECK(read.value() == m);
  CHECK(manifest::encode(read.value()) == text);

  hf::Manifest const fresh{};
  CHECK(manifest::decode(manifest::encode(fresh)).value() == fresh);
}

TEST_CASE("a manifest is lines that a person can read", "[manifest]") {
  auto const text = manifest::encode(full());
  CHECK(text.find("holdfast-manifest 1\n") == 0);
  CHECK(text.find("\nparts keys stats\n") != text.npos);
  CHECK(text.find("\ncurrent 7\n") != text.npos);
  CHECK(text.find("\nretained 7 12 1700000000123 offset=4711 seen%20at=0\n") != text.npos);
  CHECK(text.find("\nretained 5[5,3] 10 ") != text.npos);
  for (char const c : text) CHECK((c == '\n' || (c >= ' ' && c < 127)));
}

TEST_CASE("names of any bytes are read back", "[manifest]") {
  std::string every;
  for (int c = 0; c < 256; ++c) every += static_cast<char>(c);
  for (auto const& name :
       {std::string{}, std::string{"%"}, std::string{"%41"}, std::string{" "}, std::string{"a=b"},
        std::string{"a\nretained 1 1"}, std::string{"=1"}, std::string{"[1,2]"}, every}) {
    auto m = full();
    m.part_names[1] = name;
    m.retained[0].marks = {{name, 1}, {"z", 2}};
    auto const read = manifest::decode(manifest::encode(m));
    REQUIRE(read);
    CHECK(read.value() == m);
  }
}

TEST_CASE("numbers keep their whole range", "[manifest]") {
  auto m = full();
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  m.sequence = m.fence.number = m.next = most;
  m.retained[0].marks["offset"] = most;
  m.retiring[0].since_ms = std::numeric_limits<std::int64_t>::min();
  CHECK(manifest::decode(manifest::encode(m)).value() == m);
  auto text = manifest::encode(m);
  text.replace(text.find("next 18446744073709551615"), 25, "next 18446744073709551616");
  CHECK(refused(text));
}

TEST_CASE("a host name of any length that fits is read back, a longer one refused", "[manifest]") {
  auto m = full();
  m.attempt->owner.host.fill('h');
  m.attempt->owner.host.back() = '\0';
  CHECK(manifest::decode(manifest::encode(m)).value() == m);
  auto text = manifest::encode(m);
  text.insert(text.find("hhh"), "h");
  CHECK(refused(text));
}

TEST_CASE("a manifest that ends early is refused or lacks whole lines", "[manifest]") {
  auto const text = manifest::encode(full());
  for (std::size_t size = 0; size < text.size(); ++size) {
    auto const cut = text.substr(0, size);
    INFO(size);
    if (cut.empty() || cut.back() != '\n') {
      CHECK(refused(cut));
    } else {
      CHECK(refused_or_canonical(cut));
    }
  }
}

TEST_CASE("a manifest with one byte changed, added or taken is refused or means another",
          "[manifest]") {
  auto const text = manifest::encode(full());
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (int c = 0; c < 256; ++c) {
      auto changed = text;
      changed[at] = static_cast<char>(c);
      auto added = text;
      added.insert(at, 1, static_cast<char>(c));
      INFO("byte " << at << ", value " << c);
      if (!refused_or_canonical(changed)) FAIL("changed: " << changed);
      if (!refused_or_canonical(added)) FAIL("added: " << added);
    }
    auto taken = text;
    taken.erase(at, 1);
    if (!refused_or_canonical(taken)) FAIL("taken: " << taken);
  }
  SUCCEED();
}

TEST_CASE("a manifest whose current generation is not retained is refused", "[manifest]") {
  auto m = full();
  m.current = {6};
  CHECK(refused(manifest::encode(m)));
}

TEST_CASE("a manifest with text after its end, or none at all, is refused", "[manifest]") {
  auto const text = manifest::encode(full());
  CHECK(refused(text + "x"));
  CHECK(refused(text + "\n"));
  CHECK(refused(text + "unknown 1\n"));
  CHECK(refused(text + text));
  CHECK(refused(""));
  CHECK(refused("\n"));
  CHECK(refused(std::string(4096, '\0')));
}

TEST_CASE("a manifest of a newer format is told apart from damage", "[manifest]") {
  auto text = manifest::encode(full());
  text.replace(0, 19, "holdfast-manifest 2");
  CHECK(support::code_of(manifest::decode(text)) == errc::newer_format);
  text = "holdfast-manifest 7\nwhatever a later version may say\n";
  CHECK(support::code_of(manifest::decode(text)) == errc::newer_format);
  text.replace(0, 19, "holdfast-manifest 0");
  CHECK(refused(text));
}

TEST_CASE("lists longer than their limits are refused before they grow", "[manifest]") {
  auto m = full();
  m.commits.assign(manifest::max_commits, {1, 1});
  CHECK(manifest::decode(manifest::encode(m)));
  m.commits.push_back({1, 1});
  CHECK(refused(manifest::encode(m)));
  m = full();
  m.retiring.assign(manifest::max_listed + 1, {{2}, 0});
  CHECK(refused(manifest::encode(m)));
  m = full();
  m.retained.assign(manifest::max_listed + 1, m.retained[0]);
  CHECK(refused(manifest::encode(m)));
}

TEST_CASE("any bytes are refused in bounded time", "[manifest]") {
  std::string text = manifest::encode(full());
  std::uint64_t state = 42;
  auto const draw = [&state] {
    state = state * 6364136223846793005 + 1442695040888963407;
    return state >> 33;
  };
  for (int round = 0; round < 20'000; ++round) {
    auto changed = text;
    for (auto edits = 1 + draw() % 6; edits > 0; --edits) {
      auto const at = draw() % changed.size();
      changed.replace(at, draw() % 5, text.substr(draw() % text.size(), draw() % 5));
    }
    if (!refused_or_canonical(changed)) FAIL(changed);
  }
  SUCCEED();
}

TEST_CASE("a record with all it may list, but for marks, fits a slot of the ring", "[manifest]") {
  auto m = full();
  m.attempt->owner.host.fill('h');
  m.attempt->owner.host.back() = '\0';
  constexpr std::uint64_t large = 9'999'999'999;
  m.sequence = m.next = large;
  m.fence.number = m.attempt->nonce = std::numeric_limits<std::uint64_t>::max();
  m.retained.assign(manifest::max_retained, {{large}, large, {}, {{large}, {large}}});
  m.retiring.assign(manifest::max_listed - manifest::max_retained, {{large}, 1'700'000'000'000});
  m.commits.assign(manifest::max_commits, {large, std::numeric_limits<std::uint64_t>::max()});
  CHECK(manifest::encode(m).size() <= hf::detail::ring::max_value);
}
