// SPDX-License-Identifier: BSL-1.0
// Tests how operations answer: values, errors, and the two macros that pass errors on.
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "holdfast/result.hpp"

namespace {
using hf::errc;

hf::result<int> half_of(int n) {
  if (n % 2 != 0) return hf::failure(errc::invalid, "halve", std::to_string(n), 7);
  return n / 2;
}
hf::result<std::string> quarter_text(int n) {
  HOLDFAST_TRY(half, half_of(n));
  HOLDFAST_TRY(quarter, half_of(half));
  return std::to_string(quarter);
}
hf::result<void> check_both(int a, int b, int& reached) {
  HOLDFAST_TRYV(half_of(a));
  ++reached;
  HOLDFAST_TRYV(half_of(b));
  ++reached;
  return hf::ok();
}
hf::result<std::unique_ptr<int>> boxed(int n) {
  return std::make_unique<int>(n);
}
hf::result<std::unique_ptr<int>> passed_on(int n) {
  HOLDFAST_TRY(box, boxed(n));
  *box += 1;
  return std::move(box);
}
}  // namespace

TEST_CASE("TRY gives the value, or passes the whole error on through another type", "[result]") {
  CHECK(quarter_text(8).value() == "2");
  auto const failed = quarter_text(6);
  REQUIRE(!failed);
  CHECK(failed.error().code() == errc::invalid);
  CHECK(failed.error().native() == 7);
  CHECK(failed.error().detail() == "3");
  CHECK(std::string{failed.error().where()} == "halve");
}

TEST_CASE("TRYV stops at the first error", "[result]") {
  int reached = 0;
  CHECK(check_both(2, 4, reached));
  CHECK(reached == 2);
  reached = 0;
  CHECK(!check_both(2, 3, reached));
  CHECK(reached == 1);
  reached = 0;
  CHECK(!check_both(3, 2, reached));
  CHECK(reached == 0);
}

TEST_CASE("TRY moves what can only be moved, and leaves a named result whole", "[result]") {
  CHECK(*passed_on(4).value() == 5);
  auto const keeps = [](hf::result<std::string>& named) -> hf::result<std::string> {
    HOLDFAST_TRY(text, named);
    return std::string{text};
  };
  hf::result<std::string> named{std::string(100, 'x')};
  CHECK(keeps(named).value() == std::string(100, 'x'));
  CHECK(named.value() == std::string(100, 'x'));
}

TEST_CASE("a detail that fits is kept whole, a longer one keeps both its ends", "[result]") {
  for (std::size_t size : {0u, 1u, 159u, 160u}) {
    std::string const text(size, 'p');
    CHECK(hf::error{errc::io, "read", text}.detail() == text);
  }
  std::string path = "/begins-here/";
  path += std::string(400, 'm') + "/ends-here.db";
  hf::error const cut{errc::io, "read", path};
  CHECK(cut.detail().size() == 160);
  CHECK(cut.detail().substr(0, 40) == path.substr(0, 40));
  CHECK(cut.detail().substr(40, 3) == "...");
  CHECK(cut.detail().substr(43) == std::string_view{path}.substr(path.size() - 117));
}

TEST_CASE("an error is a value: its text outlives what it was made from", "[result]") {
  static_assert(std::is_trivially_copyable_v<hf::error>);
  static_assert(std::is_nothrow_default_constructible_v<hf::error>);
  auto const made = [] {
    std::string const gone = "/tmp/a file that the error must not point into";
    return hf::error{errc::no_space, "write", gone, 28};
  }();
  CHECK(made.detail() == "/tmp/a file that the error must not point into");
  auto const moved = made.at(512).with({3, 4, 5}).as(errc::uncertain);
  CHECK(moved.code() == errc::uncertain);
  CHECK(moved.offset() == 512);
  CHECK(moved.ticket() == hf::Ticket{3, 4, 5});
  CHECK(moved.native() == 28);
  CHECK(moved.detail() == made.detail());
  CHECK(made.code() == errc::no_space);
  CHECK(made.offset() == 0);
}

TEST_CASE("an error's text tells sentence, operation, thing, place and native code", "[result]") {
  hf::error const full = hf::error{errc::damaged, "open", "CURRENT", 5}.at(4096);
  CHECK(full.text() == "the bytes fail their check (open): CURRENT, at byte 4096, native code 5");
  CHECK(hf::error{errc::busy}.text() == "held by another");
}

TEST_CASE("every code has one sentence of its own", "[result]") {
  std::set<std::string_view> sentences;
  for (int code = 0; code <= static_cast<int>(errc::torn); ++code) {
    auto const sentence = hf::message(static_cast<errc>(code));
    CHECK(!sentence.empty());
    CHECK(sentence != "unknown code");
    CHECK(sentences.insert(sentence).second);
  }
  CHECK(hf::message(static_cast<errc>(200)) == "unknown code");
}

TEST_CASE("errors are equal when all they tell is equal", "[result]") {
  hf::error const one{errc::io, "read", "a", 5};
  CHECK(one == hf::error{errc::io, "read", "a", 5});
  CHECK(!(one == hf::error{errc::io, "read", "b", 5}));
  CHECK(!(one == hf::error{errc::io, "read", "a", 6}));
  CHECK(!(one == hf::error{errc::busy, "read", "a", 5}));
  CHECK(!(one == one.at(1)));
  CHECK(!(one == one.with({1, 0, 0})));
}
