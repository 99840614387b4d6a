// SPDX-License-Identifier: BSL-1.0
// Builds over a source that moves on: what catching up pulls, where it ends, and what waits for it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "barred_home.hpp"
#include "catch.hpp"
#include "holdfast/staged.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using support::BarredHome, support::build_sums, support::count_event, support::until;
using support::code_of;

std::uint64_t event_of(hf::Marks const& marks) {
  auto const found = marks.find("event");
  return found == marks.end() ? 0 : found->second;
}

// Events 1, 2, ... up to `end`, which moves on by itself as far as a test wants it to.
struct Events {
  std::uint64_t end = 0;
  std::uint64_t grows = 0;  // by so many at each pull
  std::vector<hf::Pull> pulls{};

  // Counts them into each part of the writer.
  template <class Writer>
  hf::result<hf::Pulled> operator()(Writer& writer, hf::Pull const& pull) {
    pulls.push_back(pull);
    auto at = event_of(pull.after);
    auto const limit = pull.upto ? event_of(*pull.upto) : end;
    hf::Pulled pulled{pull.after, 0};
    for (; at < limit && pulled.records < pull.most; ++pulled.records) {
      ++at;
      std::apply([](auto&... part) { (++(*part)["n"], ...); }, writer);
    }
    pulled.marks["event"] = at;
    end += grows;
    return pulled;
  }
};

template <class Reads>
std::string sums_of(Reads const& db) {
  auto const view = db.view();
  if (!view) return std::string{hf::message(view.error().code())};
  auto const& [a, b] = *view.value();
  return std::to_string(a->at("n")) + " " + std::to_string(b->at("n")) + " at " +
         std::to_string(event_of(view.value().marks()));
}
template <class Stage>
void begin_sums(Stage& stage, std::uint64_t event) {
  std::apply([&](auto&... part) { (((*part)["n"] = event), ...); }, stage.writer());
}
}  // namespace

TEST_CASE("a build that caught up has every update that was acknowledged", "[updates][catch_up]") {
  BarredHome const home;
  auto db = home.open().value();
  REQUIRE(build_sums(db, 5));
  auto updater = home.update().value();
  auto stage = db.stage().value();
  begin_sums(stage, 5);
  for (std::uint64_t i = 6; i <= 9; ++i) REQUIRE(count_event(updater, i));

  Events events{.end = 9};
  std::optional<support::Code> beside;
  auto const feed = [&](auto& writer, hf::Pull const& pull) {
    // One more comes after each look at the source: in the tail it has to wait.
    auto pulled = events(writer, pull);
    if (!pull.tail) {
      REQUIRE(count_event(updater, ++events.end));
    } else if (!beside) {
      beside = code_of(count_event(updater, events.end + 1));
    }
    return pulled;
  };
  auto const caught = stage.catch_up(feed, {.from = until(5)}).value();
  CHECK(caught.marks == until(10));
  CHECK(stage.marks() == until(10));
  CHECK(caught.records == 5);
  CHECK(caught.tail_records == 1);
  CHECK(beside == hf::errc::timed_out);
  CHECK(code_of(count_event(updater, 11)) == hf::errc::timed_out);
  auto ready = std::move(stage).seal().value();
  CHECK(code_of(std::move(ready).commit({.marks = until(9)})) == hf::errc::invalid);
  ready = std::move(ready)
              .validate([](auto const& reader) { return std::get<0>(reader)->at("n") == 10; })
              .value();
  CHECK(code_of(count_event(updater, 11)) == hf::errc::timed_out);
  REQUIRE(std::move(ready).commit({.marks = {{"run", 2}}}));
  CHECK(sums_of(db) == "10 10 at 10");
  CHECK(db.view().value().marks() == hf::Marks{{"event", 10}, {"run", 2}});
  CHECK(code_of(count_event(updater, 11)) == hf::errc::conflict);
  REQUIRE(updater.refresh().value());
  REQUIRE(count_event(updater, 11));
  CHECK(sums_of(updater) == "11 11 at 11");
}

TEST_CASE("a part that is built alone catches up to just what is carried over",
          "[updates][catch_up]") {
  BarredHome const home;
  auto db = home.open().value();
  REQUIRE(build_sums(db, 5));
  auto updater = home.update().value();
  REQUIRE(count_event(updater, 6));
  auto stage = db.stage(hf::only<0>).value();
  begin_sums(stage, 5);
  REQUIRE(count_event(updater, 7));
  Events events{.end = 100};
  auto const caught = stage.catch_up(events, {.from = until(5)}).value();
  CHECK(caught.marks == until(7));
  REQUIRE(std::move(stage).seal().value().commit());
  CHECK(sums_of(db) == "7 7 at 7");

  stage = db.stage(hf::only<0>).value();
  begin_sums(stage, 5);
  auto const too_far = stage.catch_up(
      [](auto&, hf::Pull const&) -> hf::result<hf::Pulled> {
        return hf::Pulled{until(8), 3};
      },
      {.from = until(5)});
  CHECK(code_of(too_far) == hf::errc::invalid);
  CHECK(stage.marks() == until(5));
}

TEST_CASE("catching up ends at its bounds, names them, and lets updates go on",
          "[updates][catch_up]") {
  BarredHome const home;
  auto db = home.open().value();
  REQUIRE(build_sums(db, 5));
  auto updater = home.update().value();
  auto stage = db.stage().value();
  begin_sums(stage, 5);
  hf::CatchUpOptions const few{
      .from = until(5), .records_a_round = 10, .rounds = 3, .near_records = 2, .tail_records = 4};
  Events fast{.end = 100, .grows = 100};
  auto const chased = stage.catch_up(fast, few);
  REQUIRE(code_of(chased) == hf::errc::timed_out);
  CHECK(chased.error().text().find("CatchUpOptions::rounds") != std::string::npos);
  CHECK(stage.marks() == until(35));
  REQUIRE(count_event(updater, 6));

  // In a home that has updates the tail ends with them, whatever the source has.
  begin_sums(stage, 5);
  Events slow{.end = 6, .grows = 1};
  auto const caught = stage.catch_up(slow, few).value();
  CHECK(caught.marks == until(6));
  CHECK(caught.tail_records == 0);
  // They may have come to more than the tail is given.
  begin_sums(stage, 5);
  auto const skips = [&](auto&, hf::Pull const& pull) -> hf::result<hf::Pulled> {
    if (!pull.tail) return hf::Pulled{pull.after, 0};
    return hf::Pulled{until(event_of(pull.after) + 1), 2};
  };
  stage.discard();
  for (std::uint64_t i = 7; i <= 12; ++i) REQUIRE(count_event(updater, i));
  stage = db.stage().value();
  auto const ended = stage.catch_up(skips, few);
  REQUIRE(code_of(ended) == hf::errc::timed_out);
  CHECK(ended.error().text().find("CatchUpOptions::tail_records; event: 7 of 12") !=
        std::string::npos);
  REQUIRE(count_event(updater, 13));
}

TEST_CASE("a feed that ends early, goes back or gives no marks is refused", "[updates][catch_up]") {
  BarredHome const home;
  auto db = home.open().value();
  REQUIRE(build_sums(db, 5));
  auto updater = home.update().value();
  REQUIRE(count_event(updater, 6));
  auto stage = db.stage().value();
  begin_sums(stage, 5);
  Events short_one{.end = 5};
  auto const ended = stage.catch_up(short_one, {.from = until(5)});
  REQUIRE(code_of(ended) == hf::errc::invalid);
  CHECK(ended.error().text().find("event: 5 of 6") != std::string::npos);
  auto const answers = [](hf::Pulled const& pulled) {
    return [pulled](auto&, hf::Pull const&) -> hf::result<hf::Pulled> { return pulled; };
  };
  CHECK(code_of(stage.catch_up(answers({until(4), 1}))) == hf::errc::invalid);
  CHECK(code_of(stage.catch_up(answers({{}, 1}))) == hf::errc::invalid);
  CHECK(code_of(stage.catch_up([](auto&, hf::Pull const&) -> hf::result<hf::Pulled> {
          return hf::failure(hf::errc::io, "the source");
        })) == hf::errc::io);
  CHECK_THROWS_AS(stage.catch_up([](auto&, hf::Pull const& pull) -> hf::result<hf::Pulled> {
    if (pull.tail) throw std::runtime_error{"the source"};
    return hf::Pulled{pull.after, 0};
  }),
                  std::runtime_error);
  REQUIRE(count_event(updater, 7));  // nothing waits
  auto ready = std::move(stage).seal().value();
  REQUIRE(std::move(ready).commit({.marks = until(5)}));
  CHECK(code_of(stage.catch_up(short_one)) == hf::errc::spent);
}

TEST_CASE("a build comes to the marks of the commit before it, also where no update came since",
          "[updates][catch_up]") {
  BarredHome const home;
  auto db = home.open().value();
  REQUIRE(build_sums(db, 10));
  auto stage = db.stage().value();
  begin_sums(stage, 0);
  Events behind{.end = 7};
  auto const ended = stage.catch_up(behind);
  REQUIRE(code_of(ended) == hf::errc::invalid);
  CHECK(ended.error().text().find("event: 7 of 10") != std::string::npos);
  auto const nothing = [](auto&, hf::Pull const&) -> hf::result<hf::Pulled> {
    return hf::Pulled{};
  };
  CHECK(code_of(db.stage()) == hf::errc::busy);
  stage.discard();
  stage = db.stage().value();
  CHECK(code_of(stage.catch_up(nothing)) == hf::errc::invalid);
  begin_sums(stage, 0);
  behind.end = 10;
  CHECK(stage.catch_up(behind).value().marks == until(10));
}

TEST_CASE("a first build, and one of a store without updates, catch up to the end of the source",
          "[catch_up]") {
  BarredHome const home;
  auto db = home.open().value();
  auto first = db.stage().value();
  begin_sums(first, 0);
  Events events{.end = 25};
  auto const caught = first.catch_up(events, {.records_a_round = 10, .near_records = 9}).value();
  CHECK(caught.rounds == 2);
  CHECK(caught.records == 25);
  REQUIRE(std::move(first).seal().value().commit());
  CHECK(sums_of(db) == "25 25 at 25");

  support::MemoryHome const plain;
  auto texts = plain.open().value();
  auto stage = texts.stage().value();
  REQUIRE(stage.catch_up([](auto& writer, hf::Pull const& pull) -> hf::result<hf::Pulled> {
    if (!pull.after.empty()) return hf::Pulled{pull.after, 0};
    writer.put("caught up");
    return hf::Pulled{until(1), 1};
  }));
  REQUIRE(std::move(stage).seal().value().commit());
  CHECK(support::shown(texts) == "caught up");
  CHECK(texts.view().value().marks() == until(1));
}

TEST_CASE("updates wait for a commit whose outcome is not known, and go on with a discard",
          "[updates][catch_up]") {
  BarredHome const home;
  auto db = home.open().value();
  REQUIRE(build_sums(db, 5));
  auto updater = home.update().value();
  REQUIRE(count_event(updater, 6));
  Events events{.end = 6};
  {
    auto stage = db.stage().value();
    begin_sums(stage, 5);
    REQUIRE(stage.catch_up(events, {.from = until(5)}));
    CHECK(code_of(count_event(updater, 7)) == hf::errc::timed_out);
  }
  REQUIRE(count_event(updater, 7));
  events.end = 7;
  auto stage = db.stage().value();
  begin_sums(stage, 5);
  REQUIRE(stage.catch_up(events, {.from = until(5)}));
  auto ready = std::move(stage).seal().value();
  home.record.state().before_store = [] { throw std::runtime_error{"the register"}; };
  auto const done = std::move(ready).commit();
  REQUIRE(code_of(done) == hf::errc::uncertain);
  CHECK(code_of(count_event(updater, 8)) == hf::errc::timed_out);
  CHECK(db.resolve(done.error().ticket()).value() == hf::Outcome::not_committed);
  REQUIRE(count_event(updater, 8));
}
