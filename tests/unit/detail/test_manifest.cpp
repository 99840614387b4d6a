// SPDX-License-Identifier: BSL-1.0
// Tests what the one record of a home says next.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "places.hpp"

namespace {
namespace manifest = hf::detail::manifest;
using hf::errc, hf::Generation, hf::Manifest;

Manifest begun(Manifest m, std::uint64_t nonce = 1) {
  return manifest::begin(m, {m.fence.number + 1}, hf::Owner{}, nonce).value();
}
Manifest committed(Manifest m,
                   manifest::Retention keep = {2},
                   hf::Marks marks = {},
                   std::int64_t now_ms = 5) {
  std::vector<Generation> const parts(m.part_names.size(), Generation{m.next});
  return manifest::commit(begun(m, m.next + 100), std::move(marks), parts, keep, now_ms);
}
std::vector<std::uint64_t> numbers(auto const& listed) {
  std::vector<std::uint64_t> all;
  for (auto const& one : listed) all.push_back(one.generation.number);
  return all;
}
using Numbers = std::vector<std::uint64_t>;
}  // namespace

TEST_CASE("an attempt takes the next number, under no token that was fenced out", "[manifest]") {
  Manifest m;
  m.fence = {10};
  CHECK(support::code_of(manifest::begin(m, {9}, {}, 1)) == errc::fenced);
  CHECK(manifest::begin(m, {10}, {}, 1));  // its own recovery has raised the fence
  auto const next = manifest::begin(m, {11}, {}, 1);
  REQUIRE(next);
  CHECK(next.value().attempt->generation == Generation{1});
  CHECK(next.value().next == 2);
  CHECK(next.value().fence.number == 11);
}

TEST_CASE("a number is used once, also when its attempt ended in nothing", "[manifest]") {
  Manifest m;
  Numbers given;
  for (int round = 0; round < 6; ++round) {
    m = begun(m);
    given.push_back(m.attempt->generation.number);
    m = round % 2 == 0 ? manifest::end(m) : manifest::commit(m, {}, {}, {1}, 0);
  }
  CHECK(given == Numbers{1, 2, 3, 4, 5, 6});
}

TEST_CASE("a commit makes the attempt current, with its marks and every part", "[manifest]") {
  Manifest m;
  m.part_names = {"a", "b", "c"};
  m = committed(m, {2}, {{"offset", 7}});
  CHECK(m.current == Generation{1});
  CHECK(m.sequence == 1);
  CHECK(!m.attempt);
  REQUIRE(m.retained.size() == 1);
  CHECK(m.retained[0].marks == hf::Marks{{"offset", 7}});
  CHECK(m.retained[0].sequence == 1);
  CHECK(m.retained[0].parts == std::vector<Generation>{{1}, {1}, {1}});
}

TEST_CASE("what is not kept any more starts to retire, the oldest first", "[manifest]") {
  Manifest m;
  for (int i = 0; i < 5; ++i) m = committed(m, {3});
  CHECK(numbers(m.retained) == Numbers{5, 4, 3});
  CHECK(numbers(m.retiring) == Numbers{1, 2});
  m = committed(m, {1});
  CHECK(numbers(m.retained) == Numbers{6});
  CHECK(numbers(m.retiring).size() == 5);
  m = manifest::without(m, {{1}, {4}});
  CHECK(manifest::find(m, {4}) == nullptr);
  CHECK(!manifest::lists(m, {4}));
  CHECK(manifest::lists(m, {5}));
}

TEST_CASE("fencing out keeps the attempt, and never lowers the fence", "[manifest]") {
  auto m = begun(Manifest{});
  auto const attempt = m.attempt;
  m = manifest::fence_out(m, {50});
  CHECK(m.fence.number == 50);
  CHECK(m.attempt == attempt);
  CHECK(manifest::fence_out(m, {20}).fence.number == 50);
}

TEST_CASE("a revert lowers the generation and raises the sequence", "[manifest]") {
  Manifest m;
  for (int i = 0; i < 3; ++i) m = committed(m, {3}, {{"n", static_cast<std::uint64_t>(i)}});
  auto const back = manifest::revert(m, {2}, 77).value();
  CHECK(back.current == Generation{2});
  CHECK(back.sequence == 4);
  CHECK(back.retained.front().generation == Generation{2});
  CHECK(back.retained.front().marks == hf::Marks{{"n", 1}});
  CHECK(support::code_of(manifest::revert(m, {9}, 77)) == errc::not_retained);
  // What was reverted to is now the newest, so the others retire before it.
  auto const next = committed(back, {2});
  CHECK(numbers(next.retained) == Numbers{4, 2});
}

TEST_CASE("a revert keeps a running attempt in the record", "[manifest]") {
  Manifest m;
  for (int i = 0; i < 2; ++i) m = committed(m, {2});
  m = begun(m, 55);
  auto const back = manifest::revert(m, {1}, 77).value();
  CHECK(back.attempt == m.attempt);
  CHECK(back.next == m.next);
}

TEST_CASE("a full list refuses an attempt and takes one again when there is room", "[manifest]") {
  Manifest m;
  for (std::size_t i = 0; i < manifest::max_listed; ++i) m = committed(m, {1});
  CHECK(m.retained.size() + m.retiring.size() == manifest::max_listed);
  auto const refused = manifest::begin(m, {m.fence.number + 1}, {}, 1);
  CHECK(support::code_of(refused) == errc::full);
  m = manifest::without(m, {{3}});
  CHECK(manifest::begin(m, {m.fence.number + 1}, {}, 1));
}

TEST_CASE("a commit's author learns its outcome as long as it is remembered", "[manifest]") {
  using hf::Outcome;
  Manifest m;
  for (int i = 0; i < 3; ++i) m = committed(m);  // sequences 1 to 3 with nonces 101 to 103
  CHECK(manifest::outcome(m, {2, 102, 2}) == Outcome::committed);
  CHECK(manifest::outcome(m, {2, 999, 2}) == Outcome::not_committed);
  CHECK(manifest::outcome(m, {4, 104, 4}) == Outcome::not_committed);
  for (int i = 0; i < 16; ++i) m = committed(m);
  CHECK(m.commits.size() == manifest::max_commits);
  CHECK(manifest::outcome(m, {2, 102, 2}) == Outcome::unknown);
  CHECK(manifest::outcome(m, {4, 104, 4}) == Outcome::committed);
}

TEST_CASE("what is young stays retained beyond the least number, up to a limit", "[manifest]") {
  Manifest m;
  m.part_names = {"keys"};
  manifest::Retention const keep{.least = 2, .young_ms = 100};
  for (std::int64_t now : {1000, 1010, 1020, 1030}) m = committed(m, keep, {}, now);
  CHECK(numbers(m.retained) == Numbers{4, 3, 2, 1});
  m = committed(m, keep, {}, 1115);
  CHECK(numbers(m.retained) == Numbers{5, 4, 3});
  m = committed(m, keep, {}, 9999);
  CHECK(numbers(m.retained) == Numbers{6, 5});
  for (std::size_t i = 0; i < 2 * manifest::max_retained; ++i) {
    m.retiring.clear();
    m = committed(m, keep, {}, 9999);
  }
  CHECK(m.retained.size() == manifest::max_retained);
}

TEST_CASE("a generation with parts that another carries is not free to go", "[manifest]") {
  Manifest m;
  m.part_names = {"keys", "stats"};
  m = committed(m, {1});
  auto const carrying = manifest::commit(begun(m, 7), {}, {{1}, {2}}, {1}, 50);
  REQUIRE(carrying.retiring.size() == 1);
  CHECK(carrying.retiring[0].generation == Generation{1});
  CHECK(manifest::carried(carrying, {1}));
  CHECK(manifest::decode(manifest::encode(carrying)).value() == carrying);

  auto const later = committed(carrying, {1}, {}, 90);
  CHECK(!manifest::carried(later, {1}));
  REQUIRE(later.retiring.size() == 2);
  CHECK(later.retiring[0].since_ms == 90);  // from now on nobody is given the old name any more
}

TEST_CASE("parts of a generation that nothing lists make no sense", "[manifest]") {
  Manifest m;
  m.part_names = {"keys", "stats"};
  m = manifest::commit(begun(committed(m, {1}), 7), {}, {{1}, {2}}, {1}, 50);
  m.retiring.clear();
  CHECK(support::code_of(manifest::decode(manifest::encode(m))) == errc::damaged);
}

TEST_CASE("where the clock went back nothing counts as young", "[manifest]") {
  Manifest m;
  m.part_names = {"keys"};
  for (std::int64_t now : {9000, 1000, 900, 800, 700}) {
    m = committed(m, {.least = 2, .young_ms = 50}, {}, now);
  }
  CHECK(numbers(m.retained) == Numbers{5, 4});
}
