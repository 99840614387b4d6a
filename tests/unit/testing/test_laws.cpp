// SPDX-License-Identifier: BSL-1.0
// Tests the judges: each law accepts the histories it allows and names itself for those it forbids.
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "holdfast/testing/register_laws.hpp"
#include "holdfast/testing/staged_laws.hpp"
#include "holdfast/testing/store_laws.hpp"

using namespace hf::testing;  // NOLINT(google-build-using-namespace)

namespace {
Note started(std::uint64_t n, std::uint64_t base, std::uint64_t content = 0) {
  return {Note::Kind::started, n, base, content};
}
Note acked(std::uint64_t n) {
  return {Note::Kind::acked, n, 0, 0};
}
Note failed(std::uint64_t n) {
  return {Note::Kind::failed, n, 0, 0};
}
Note shown(std::uint64_t n) {
  return {Note::Kind::shown, n, 0, 0};
}
Note given(std::uint64_t n, std::uint64_t value = 0) {
  return {Note::Kind::given, n, 0, value};
}

std::string law(Verdict const& verdict) {
  return verdict ? verdict->law : "holds";
}
std::string gives(History const& history, std::uint64_t seen) {
  return law(laws::register_gives(history, seen));
}
SeenHome home(std::uint64_t sequence, std::uint64_t content) {
  return {sequence, content, content, {content, content}, {}};
}
std::string shows(History const& history, SeenHome const& seen) {
  std::uint64_t number = 0;
  return law(laws::home_may_show(history, seen, number));
}
}  // namespace

TEST_CASE("a load gives what was acknowledged, or what may still win", "[laws]") {
  CHECK(gives({}, 0) == "holds");
  CHECK(gives({started(1, 0)}, 0) == "holds");
  CHECK(gives({started(1, 0)}, 1) == "holds");
  CHECK(gives({}, 1) == "HF-REGISTER-001");
  CHECK(gives({started(1, 0), acked(1)}, 0) == "HF-REGISTER-001");
  CHECK(gives({started(1, 0), acked(1), started(2, 1)}, 1) == "holds");
}

TEST_CASE("a store that was ruled out, or lost its race, never shows", "[laws]") {
  CHECK(gives({started(1, 0), failed(1)}, 1) == "HF-REGISTER-002");
  CHECK(gives({started(1, 0), started(2, 0), acked(2)}, 1) == "HF-REGISTER-001");
  CHECK(gives({started(1, 0), started(2, 0), shown(2)}, 1) == "HF-REGISTER-003");
}

TEST_CASE("what was shown is not taken back, though what replaces it may still win", "[laws]") {
  CHECK(gives({started(1, 0), shown(1)}, 0) == "HF-REGISTER-003");
  CHECK(gives({started(1, 0), shown(0)}, 1) == "holds");
}

TEST_CASE("versions neither fall nor name two values", "[laws]") {
  History const history{given(5, 2)};
  CHECK(law(laws::register_version_stays(history, 2, {5, 0})) == "holds");
  CHECK(law(laws::register_version_stays(history, 2, {6, 0})) == "holds");
  CHECK(law(laws::register_version_stays(history, 2, {4, 0})) == "HF-REGISTER-004");
  CHECK(law(laws::register_version_stays(history, 3, {5, 0})) == "HF-REGISTER-004");
  CHECK(law(laws::register_version_is_new(history, 3, {6, 0})) == "holds");
  CHECK(law(laws::register_version_is_new(history, 2, {5, 0})) == "holds");
  CHECK(law(laws::register_version_is_new(history, 3, {5, 0})) == "HF-REGISTER-004");
}

TEST_CASE("an observation may agree with any instant since it began", "[laws]") {
  History const history{started(1, 0), acked(1)};
  auto const judge = [](History const& h) { return laws::register_gives(h, 0); };
  CHECK(law(laws::agrees_since(history, 2, judge)) == "HF-REGISTER-001");
  CHECK(law(laws::agrees_since(history, 1, judge)) == "holds");
}

TEST_CASE("S1, S16 and damage are seen in one view", "[laws]") {
  CHECK(law(laws::home_is_whole(home(1, 7))) == "holds");
  CHECK(law(laws::home_is_whole({1, 7, 7, {7, 6}, {}})) == "HF-STAGED-001");
  CHECK(law(laws::home_is_whole({1, 7, 6, {7, 7}, {}})) == "HF-STAGED-016");
  CHECK(law(laws::home_is_whole({1, 7, 7, {7, 7}, "other bytes"})) == "HF-STAGED-002");
}

TEST_CASE("S2, S3 and S6 are seen against the history", "[laws]") {
  History const history{started(1, 0, 11), acked(1), started(2, 1, 12)};
  CHECK(shows(history, home(1, 11)) == "holds");
  CHECK(shows(history, home(2, 12)) == "holds");
  CHECK(shows(history, {}) == "HF-STAGED-003");
  CHECK(shows(history, home(2, 13)) == "HF-STAGED-002");
  CHECK(shows(history, home(3, 12)) == "HF-STAGED-006");
  History const reverted{started(1, 0, 11), acked(1),          started(2, 1, 12),
                         acked(2),          started(3, 2, 11), acked(3)};
  CHECK(shows(reverted, home(3, 11)) == "holds");
  CHECK(shows(reverted, home(1, 11)) == "HF-STAGED-003");
}

TEST_CASE("S6: a generation number is given out once", "[laws]") {
  CHECK(law(laws::generation_is_new({given(3)}, 4)) == "holds");
  CHECK(law(laws::generation_is_new({given(3)}, 3)) == "HF-STAGED-006");
  CHECK(law(laws::generation_is_new({given(3)}, 2)) == "HF-STAGED-006");
}

TEST_CASE("B1 to B5 are seen against the history of a generation", "[laws]") {
  auto const seen = [](bool listed, bool opens, bool exact) {
    return laws::SeenGeneration{7, listed, opens, exact, "why"};
  };
  auto const judge = [](History const& history, laws::SeenGeneration const& s) {
    return law(laws::generation_is_kept(history, s));
  };
  History const sealed{started(7, 0), acked(7)};
  Note const dropping{Note::Kind::dropping, 7, 0, 0};
  Note const dropped{Note::Kind::dropped, 7, 0, 0};
  CHECK(judge(sealed, seen(true, true, true)) == "holds");
  CHECK(judge(sealed, seen(true, false, false)) == "HF-STORE-001");
  CHECK(judge(sealed, seen(true, true, false)) == "HF-STORE-001");
  CHECK(judge(sealed, seen(false, true, true)) == "HF-STORE-004");
  CHECK(judge({}, seen(true, true, true)) == "HF-STORE-005");
  CHECK(judge({}, seen(true, false, false)) == "holds");
  CHECK(judge({started(7, 0), acked(7), dropping}, seen(true, false, false)) == "holds");
  CHECK(judge({started(7, 0), acked(7), dropping, dropped}, seen(true, false, false)) ==
        "HF-STORE-003");
}
