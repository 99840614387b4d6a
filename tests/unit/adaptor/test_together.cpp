// SPDX-License-Identifier: BSL-1.0
// Stores together: one store over several, that makes, seals and drops all of them or says why not.
#include <memory>
#include <new>
#include <string>
#include <tuple>

#include "../backend/scratch.hpp"
#include "catch.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/directory.hpp"

using Catch::Matchers::ContainsSubstring;
using hf::as_bytes;
using hf::errc;
using scratch::code;
using scratch::said;

namespace {
using Two = hf::Together<hf::DirectoryStore, hf::DirectoryStore>;
static_assert(hf::publishing_store<Two> && hf::placed_store<Two> && hf::parted_store<Two>);
static_assert(Two::guarantees == hf::DirectoryStore::guarantees);

// A store that notes what it was asked for, and fails on demand; it has neither name nor place.
struct Notes {
  std::string calls;
  std::string failing;
  bool throwing = false;
};
struct Noted {
  static constexpr hf::Guarantees guarantees{.durable = true, .lifetime = hf::Lifetime::boot};
  struct Writer {
    std::shared_ptr<Notes> notes;
    std::unique_ptr<int> open = std::make_unique<int>(1);
    explicit Writer(std::shared_ptr<Notes> n) : notes{std::move(n)} {}
    Writer(Writer&&) = default;
    Writer& operator=(Writer&&) = default;
    ~Writer() {
      if (open) notes->calls += "close ";
    }
  };
  std::shared_ptr<Notes> notes = std::make_shared<Notes>();

  hf::result<void> step(std::string const& what) {
    notes->calls += what + ' ';
    if (notes->failing != what) return hf::ok();
    if (notes->throwing) throw std::bad_alloc{};
    return boost::outcome_v2::failure(hf::error{errc::io, "noted", what});
  }
  hf::result<Writer> create(hf::Generation) {
    HOLDFAST_TRYV(step("create"));
    return Writer{notes};
  }
  hf::result<void> seal(Writer&) { return step("seal"); }
  hf::result<int> open(hf::Generation) {
    HOLDFAST_TRYV(step("open"));
    return 5;
  }
  hf::result<void> drop(hf::Generation) { return step("drop"); }
  hf::result<std::vector<hf::Generation>> generations() {
    HOLDFAST_TRYV(step("list"));
    return std::vector<hf::Generation>{{3}, {1}};
  }
};
static_assert(hf::generation_store<Noted> && !hf::publishing_store<Noted>);

using Mixed = hf::Together<hf::DirectoryStore, Noted>;
static_assert(hf::publishing_store<Mixed> && !hf::placed_store<Mixed>);
static_assert(!hf::publishing_store<hf::Together<Noted, Noted>>);
static_assert(Mixed::guarantees.lifetime == hf::Lifetime::boot);
static_assert(Mixed::guarantees.durable && !Mixed::guarantees.detects_damage);

Two two_in(scratch::Folder const& home, std::string second = "values") {
  Two two{hf::DirectoryStore{"keys"}, hf::DirectoryStore{std::move(second)}};
  two.place(home.path());
  return two;
}
}  // namespace

TEST_CASE("stores together make, seal, open and drop one generation of each", "[together]") {
  scratch::Folder home;
  auto store = two_in(home);
  auto writer = store.create({4});
  REQUIRE(writer);
  auto& [keys, values] = writer.value();
  REQUIRE(keys.put("a", as_bytes("key")));
  REQUIRE(values.put("a", as_bytes("value")));
  CHECK(code(store.open({4})) == errc::unsealed);
  REQUIRE(store.seal(writer.value()));
  REQUIRE(store.seal(writer.value()));

  auto const reader = store.open({4});
  REQUIRE(reader);
  CHECK(scratch::text(std::get<0>(reader.value()).get("a").value()) == "key");
  CHECK(scratch::text(std::get<1>(reader.value()).get("a").value()) == "value");
  CHECK(store.part_names() == std::vector<std::string>{"keys", "values"});
  CHECK(store.name() == "keys+values");
  REQUIRE(store.publish({4}));
  CHECK(scratch::read(home / "values/current/a") == "value");
  CHECK(code(store.drop({4})) == errc::pinned);
  std::filesystem::remove(home / "keys/current");
  std::filesystem::remove(home / "values/current");
  REQUIRE(store.drop({4}));
  REQUIRE(store.drop({4}));
  CHECK(store.generations().value().empty());
}

TEST_CASE("generations together are those of any part", "[together]") {
  scratch::Folder home;
  Mixed store{hf::DirectoryStore{"keys"}, Noted{}};
  std::get<0>(store.stores()).place(home.path());
  REQUIRE(std::get<0>(store.stores()).create({2}));
  REQUIRE(std::get<0>(store.stores()).create({3}));
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{1, 2, 3});
  CHECK(store.part_names() == std::vector<std::string>{"keys", "part 1"});
  std::get<1>(store.stores()).notes->failing = "list";
  CHECK(code(store.generations()) == errc::io);
}

TEST_CASE("two parts of one name are refused, and touch nothing", "[together]") {
  scratch::Folder home;
  auto store = two_in(home, "keys");
  CHECK(code(store.check()) == errc::invalid);
  CHECK(code(store.create({1})) == errc::invalid);
  CHECK(code(store.open({1})) == errc::invalid);
  CHECK(code(store.drop({1})) == errc::invalid);
  CHECK(code(store.generations()) == errc::invalid);
  CHECK(code(store.publish({1})) == errc::invalid);
  CHECK_THAT(said(store.check()), ContainsSubstring("keys"));
  CHECK_FALSE(std::filesystem::exists(home / "keys"));
}

TEST_CASE("a store of stores may be a part", "[together]") {
  scratch::Folder home;
  hf::Together store{two_in(home), hf::DirectoryStore{"more"}};
  store.place(home.path());
  CHECK(store.part_names() == std::vector<std::string>{"keys", "values", "more"});
  auto writer = store.create({1});
  REQUIRE(writer);
  REQUIRE(std::get<1>(std::get<0>(writer.value())).put("a", as_bytes("inner")));
  REQUIRE(store.seal(writer.value()));
  auto const reader = store.open({1});
  REQUIRE(reader);
  CHECK(scratch::text(std::get<1>(std::get<0>(reader.value())).get("a").value()) == "inner");

  hf::Together twins{two_in(home), hf::DirectoryStore{"values"}};
  CHECK_THAT(said(twins.check()), ContainsSubstring("values"));
}

TEST_CASE("a part that can't be created takes those before it back", "[together]") {
  Noted first;
  Noted last;
  scratch::Folder home;
  hf::Together store{first, hf::DirectoryStore{"keys"}, last};
  auto& keys = std::get<1>(store.stores());
  keys.place(home.path());
  SECTION("by an error") {
    last.notes->failing = "create";
    CHECK(code(store.create({1})) == errc::io);
    CHECK(first.notes->calls == "create close drop ");
    CHECK(last.notes->calls == "create ");
    CHECK(keys.generations().value().empty());
  }
  SECTION("by an exception") {
    last.notes->failing = "create";
    last.notes->throwing = true;
    CHECK_THROWS_AS(store.create({1}), std::bad_alloc);
    CHECK(first.notes->calls == "create close drop ");
    CHECK(keys.generations().value().empty());
  }
  SECTION("but the remains that were in the way stay") {
    REQUIRE(keys.create({1}));
    CHECK(code(store.create({1})) == errc::exists);
    CHECK(first.notes->calls == "create close drop ");
    CHECK(last.notes->calls.empty());
    CHECK(scratch::numbers(keys.generations().value()) == std::vector<std::uint64_t>{1});
  }
}

TEST_CASE("seal and open stop at the first error, drop does not", "[together]") {
  Noted first;
  Noted last;
  hf::Together store{first, last};
  auto writer = store.create({1});
  REQUIRE(writer);
  first.notes->failing = "seal";
  CHECK(code(store.seal(writer.value())) == errc::io);
  first.notes->failing = "open";
  CHECK(code(store.open({1})) == errc::io);
  first.notes->failing = "drop";
  CHECK(code(store.drop({1})) == errc::io);
  CHECK(last.notes->calls == "create drop ");
  last.notes->failing = "seal";
  first.notes->failing = "";
  CHECK(code(store.seal(writer.value())) == errc::io);
  last.notes->failing = "";
  REQUIRE(store.seal(writer.value()));
}
