// SPDX-License-Identifier: BSL-1.0
// Tests the law kit: which laws are checked, in which order, and what is reported of them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/detail/lock_record.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/detail/ring.hpp"
#include "holdfast/testing/bindings/catch2.hpp"
#include "holdfast/testing/catalogue.hpp"
#include "holdfast/testing/check_laws.hpp"

using namespace hf::testing;  // NOLINT(google-build-using-namespace)

namespace {
constexpr LawBudget small{.seed = 1, .variants = 2, .states = 40};
constexpr Law root_law{"T-1", "A root.", "root"};
constexpr Law child_law{"T-2", "A child.", "child", {"T-1"}};
constexpr Law grandchild_law{"T-3", "A grandchild.", "grandchild", {"T-2"}};

// The root breaks with seed 5 and above; how often each law is asked is counted.
struct Asked {
  int root = 0;
  int child = 0;
};
Subject family(Asked& asked) {
  Subject subject{.name = "family", .laws = {root_law, child_law, grandchild_law}};
  subject.probes = {{root_law.id,
                     [&asked](std::uint64_t seed) {
                       ++asked.root;
                       return seed < 5 ? Verdict{} : root_law.broken("less", std::to_string(seed));
                     }},
                    {child_law.id, [&asked](std::uint64_t) {
                       ++asked.child;
                       return Verdict{};
                     }}};
  return subject;
}
LawOutcome outcome_of(LawReport const& report, std::string_view id) {
  for (auto const& result : report.laws) {
    if (result.law.id == id) return result.outcome;
  }
  FAIL("no law " << id);
  return LawOutcome::held;
}

using Folders = hf::BasicDirectoryStore<SimulatedFiles>;
struct SimulatedFolders {
  Folders operator()(SimulatedProcess const& p) const {
    Folders store{"keys", {}, p.files};
    store.place("/db");
    return store;
  }
};
struct RealFolders {
  hf::DirectoryStore operator()(std::string const& folder) const {
    hf::DirectoryStore store{"keys"};
    store.place(folder);
    return store;
  }
};
struct MemoryRegisters {
  hf::MemoryRegister operator()(std::string const&) const { return {}; }
};
struct FileRegisters {
  using Register = hf::BasicFileRegister<SimulatedFiles, SimulatedWorld>;
  Register operator()(SimulatedProcess const& p) const {
    return Register{"/db/CURRENT", p.files, p.world};
  }
};
}  // namespace

TEST_CASE("ids of laws are unique, and parents are laws", "[laws]") {
  std::vector<std::string_view> ids;
  for (auto const& law : catalogue) {
    CAPTURE(law.id);
    ids.push_back(law.id);
    CHECK(!law.name.empty());
    CHECK(law.id.substr(0, 3) == "HF-");
    for (auto const parent : law.parents) {
      CHECK((parent.empty() || (parent != law.id && find_law(parent) != nullptr)));
    }
  }
  std::sort(ids.begin(), ids.end());
  CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
}

TEST_CASE("a law whose parent is broken is not checked, nor one that rests on it", "[laws]") {
  Asked asked;
  auto const report = check(family(asked), {.seed = 4, .variants = 3});
  CHECK(outcome_of(report, "T-1") == LawOutcome::broken);
  CHECK(outcome_of(report, "T-2") == LawOutcome::unchecked);
  CHECK(outcome_of(report, "T-3") == LawOutcome::unchecked);
  CHECK(asked.root == 2);  // 4 holds, 5 does not
  CHECK(asked.child == 0);
  CHECK_FALSE(report.ok());
}

TEST_CASE("a report's seed breaks the law again with one variant", "[laws]") {
  Asked asked;
  auto const report = check(family(asked), {.seed = 1, .variants = 8});
  auto const seed = report.laws.front().seed;
  CHECK(seed == 5);
  CHECK_FALSE(check(family(asked), {.seed = seed, .variants = 1}).ok());
  CHECK(check(family(asked), {.seed = seed - 1, .variants = 1}).ok());
}

TEST_CASE("one law alone is checked whatever becomes of its parents", "[laws]") {
  Asked asked;
  auto const report = check_law(family(asked), "T-2", {.seed = 9, .variants = 3});
  REQUIRE(report.laws.size() == 1);
  CHECK(report.ok());
  CHECK(asked.root == 0);
  CHECK(asked.child == 3);
}

TEST_CASE("a probe that throws breaks its law", "[laws]") {
  Subject subject{.name = "thrower", .laws = {root_law}};
  subject.probes = {
      {root_law.id, [](std::uint64_t) -> Verdict { throw std::runtime_error{"no"}; }}};
  auto const report = check(subject);
  CHECK_FALSE(report.ok());
  CHECK(report.laws.front().seen == "no");
}

TEST_CASE("reports are the same for equal budgets", "[laws]") {
  auto const one = check_laws<Folders>(SimulatedFolders{}, small);
  auto const two = check_laws<Folders>(SimulatedFolders{}, small);
  CHECK(one.states > 0);
  CHECK(text(one) == text(two));
  CHECK(json(one) == json(two));
}

TEST_CASE("a store on the simulator is checked in full but for threads", "[laws]") {
  auto const report = check_laws<Folders>(SimulatedFolders{}, small);
  catch2::check(report);
  for (auto const& result : report.laws) {
    CAPTURE(result.law.id);
    bool const threads = result.law.id == laws::b7.id;
    CHECK(result.outcome == (threads ? LawOutcome::unreached : LawOutcome::held));
  }
}

TEST_CASE("a store on real files alone is told what the simulator would add, and how to get it",
          "[laws]") {
  auto const report = check_laws<hf::DirectoryStore>(RealFolders{}, {.variants = 1});
  CHECK(report.ok());
  CHECK(report.states == 0);
  CHECK(outcome_of(report, "HF-STORE-001") == LawOutcome::partly);
  CHECK(outcome_of(report, "HF-STORE-006") == LawOutcome::held);
  CHECK(outcome_of(report, "HF-STORE-009") == LawOutcome::unreached);
  CHECK_THAT(text(report), Catch::Matchers::ContainsSubstring("BasicFileBlobs<Fs>"));
}

TEST_CASE("what a type does not claim is not asked of it", "[laws]") {
  auto const memory = check_laws<hf::MemoryRegister>(MemoryRegisters{}, small);
  CHECK(memory.count(LawOutcome::held) == 3);
  CHECK(memory.laws.size() == 3);
  auto const file = check_laws<FileRegisters::Register>(FileRegisters{}, small);
  catch2::check(file);
  CHECK(file.count(LawOutcome::held) == 8);
}

TEST_CASE("reports hold any bytes: JSON and XML stay well-formed", "[laws]") {
  CHECK(json_string("a\"b\\c\n\x01\x7f") == "\"a\\\"b\\\\c\\n\\u0001\\u007f\"");
  CHECK(json_string("\xff\xc3\xa4\xc3") == "\"\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\"");
  CHECK(xml_text("<a b='c' & \"d\">\n\x02") ==
        "&lt;a b=&apos;c&apos; &amp; &quot;d&quot;&gt;&#10;\xef\xbf\xbd");
  CHECK(xml_text("\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\xef\xbf\xbf") ==
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_CASE("JUnit counts failures and skips what was not checked", "[laws]") {
  Asked asked;
  auto const out = junit(check(family(asked), {.seed = 5, .variants = 1}));
  for (auto const* part :
       {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "tests=\"3\" failures=\"1\" errors=\"0\"",
        "skipped=\"2\"", "<failure type=\"T-1\" message=\"A root. Here: less; seen: 5\">",
        "<skipped message=\"unchecked: not checked: rests on T-1, which is broken\"/>",
        "</testsuites>"}) {
    CHECK_THAT(out, Catch::Matchers::ContainsSubstring(part));
  }
}
