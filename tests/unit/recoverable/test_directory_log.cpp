// SPDX-License-Identifier: BSL-1.0
// A log is a store of generations: the laws of stores hold, and Staged switches a compacted one in.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/log/directory_log.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/check_laws.hpp"
#include "holdfast/testing/faults_store.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace directory_log {
using hf::Generation;
using LogFiles = hf::testing::SimulatedFiles;
using LogWorld = hf::testing::SimulatedWorld;
using Logs = hf::BasicDirectoryLog<LogFiles, LogWorld>;

// Each file is a record: its name, a zero, its content.
struct LogsAsFiles {
  hf::DirectoryLogOptions options{.segment_size = 5000};
  Logs operator()(hf::testing::SimulatedProcess const& p) const {
    Logs store{"events", options, p.files, p.world};
    store.place("/db");
    return store;
  }
  hf::result<void> put(Logs::writer& writer, hf::testing::Files const& files) const {
    for (auto const& file : files) {
      hf::bytes record;
      for (char const c : file.name) record.push_back(static_cast<std::byte>(c));
      record.push_back({});
      record.insert(record.end(), file.content.begin(), file.content.end());
      HOLDFAST_TRYV(writer.append(record));
    }
    return hf::ok();
  }
  hf::result<hf::testing::Files> get(Logs::reader const& reader) const {
    hf::testing::Files files;
    for (auto const& record : reader.records()) {
      if (!record) return hf::failure(record.error());
      auto const text = hf::as_text(record.value().payload);
      auto const end = text.find('\0');
      auto const content = record.value().payload.subspan(end + 1);
      files.push_back({std::string{text.substr(0, end)}, {content.begin(), content.end()}});
    }
    return files;
  }
};

struct LogHome {
  hf::testing::SimulatedDisk disk{};
  hf::testing::SimulatedProcess process = disk.start();
  LogsAsFiles make{};

  [[nodiscard]] Logs store() const { return make(process); }
};
std::vector<std::pair<std::uint64_t, std::string>> events_of(Logs::reader const& reader,
                                                             hf::From const& first = {}) {
  std::vector<std::pair<std::uint64_t, std::string>> all;
  for (auto const& record : reader.records(first)) {
    REQUIRE(record);
    all.emplace_back(record.value().sequence, hf::as_text(record.value().payload));
  }
  return all;
}
}  // namespace directory_log

using namespace directory_log;  // NOLINT(google-build-using-namespace)

TEST_CASE("a store of logs keeps the laws of stores", "[log][store][laws]") {
  auto const report =
      hf::testing::check_laws<Logs>(LogsAsFiles{}, {.seed = 1, .variants = 3, .states = 60});
  for (auto const& result : report.laws) {
    CAPTURE(result.law.id, result.seen, result.note);
    bool const threads = result.law.id == hf::testing::laws::b7.id;
    CHECK(result.outcome ==
          (threads ? hf::testing::LawOutcome::unreached : hf::testing::LawOutcome::held));
  }
  CHECK(report.ok());
}

TEST_CASE("a store of logs endures an error of every call, short writes and a full disk",
          "[log][store][faults]") {
  using namespace hf::testing;  // NOLINT(google-build-using-namespace)
  using Place = kit::KitPlace<kit::StoreKit<LogsAsFiles>>;
  auto const ordeal = store_ordeal("logs", Place{{LogsAsFiles{}}}, {});
  ExploreOptions const crashes{.depth = 1, .max_states = 3, .thin = 4};
  FaultLoop found;
  fail_each_call(ordeal, {}, crashes, found);
  fail_each_call(ordeal, {.takes_effect = true}, crashes, found);
  fail_each_call(ordeal, {.call = Call::write, .number = ENOSPC, .half = true}, crashes, found);
  fail_each_call(ordeal, {.call = Call::sync}, crashes, found);
  fill_the_disk(ordeal, crashes, found);
  INFO(found.report);
  CHECK(found.report.empty());
  CHECK(found.runs > 200);
}

TEST_CASE("a compacted log is switched in by Staged", "[log][store]") {
  LogHome const home;
  REQUIRE(home.process.files.make_directory("/db"));
  using Register = hf::BasicFileRegister<LogFiles, LogWorld>;
  using Lock = hf::BasicFileLock<LogFiles, LogWorld>;
  auto db = hf::open_staged(
                {}, home.store(), Register{"/db/CURRENT", home.process.files, home.process.world},
                Lock{"/db/LOCK", home.process.files, home.process.world}, home.process.world)
                .value();
  auto const commit = [&](auto stage) {
    auto ready = std::move(stage).seal();
    REQUIRE(ready);
    REQUIRE(std::move(ready).value().commit({}));
  };
  {
    auto stage = db.stage().value();
    for (int i = 0; i < 50; ++i) {
      auto const text = "key" + std::to_string(i % 5) + "=" + std::to_string(i);
      REQUIRE(stage.writer().append(hf::as_bytes(text)));
    }
    commit(std::move(stage));
  }
  auto const old = db.view();
  REQUIRE(old);
  auto const& before = old.value();
  {
    std::map<std::string, std::string> last;
    for (auto const& record : before->records()) {
      std::string const text{hf::as_text(record.value().payload)};
      last[text.substr(0, text.find('='))] = text;
    }
    auto stage = db.stage().value();
    for (auto const& [key, text] : last) REQUIRE(stage.writer().append(hf::as_bytes(text)));
    commit(std::move(stage));
  }
  auto const fresh = db.view();
  REQUIRE(fresh);
  auto const& after = fresh.value();
  CHECK(events_of(*before).size() == 50);  // who has it goes on with the old one
  auto const compacted = events_of(*after);
  REQUIRE(compacted.size() == 5);
  CHECK(compacted.front().second == "key0=45");
}

TEST_CASE("a copy of a log goes on behind its last record", "[log][store]") {
  LogHome const home;
  auto store = home.store();
  {
    auto writer = store.create({1}).value();
    for (auto const* text : {"one", "two"}) REQUIRE(writer.append(hf::as_bytes(text)));
    REQUIRE(store.seal(writer));
    CHECK(writer.append(hf::as_bytes("late")).error().code() == hf::errc::spent);
    REQUIRE(store.seal(writer));
  }
  auto writer = store.clone({1}, {2}).value();
  CHECK(writer.next_sequence() == 2);
  REQUIRE(writer.append(hf::as_bytes("three")));
  REQUIRE(store.seal(writer));
  CHECK(events_of(store.open({1}).value()).size() == 2);
  CHECK(events_of(store.open({2}).value()).back() ==
        std::pair<std::uint64_t, std::string>{2, "three"});
}

TEST_CASE("a log whose seal has failed takes no more records, and may be sealed again",
          "[log][store]") {
  LogHome const home;
  auto store = home.store();
  auto writer = store.create({1}).value();
  REQUIRE(writer.append(hf::as_bytes("one")));
  auto const odd = writer.building().path + "/odd";
  REQUIRE(home.process.files.symlink("elsewhere", odd));  // nothing that a SEAL can name
  REQUIRE_FALSE(store.seal(writer));
  CHECK(writer.append(hf::as_bytes("late")).error().code() == hf::errc::spent);
  CHECK(writer.roll().error().code() == hf::errc::spent);
  REQUIRE(home.process.files.remove(odd));
  REQUIRE(store.seal(writer));
  CHECK(events_of(store.open({1}).value()).size() == 1);
}

TEST_CASE("a compacted log may keep the numbers and the indexes of the old one", "[log][store]") {
  LogHome home;
  home.make.options = {.segment_size = 1, .first_sequence = 1000, .index_every = 1};
  auto store = home.store();
  auto writer = store.create({1}).value();
  for (int i = 0; i < 5; ++i) REQUIRE(writer.append(hf::as_bytes(std::to_string(i))));
  REQUIRE(store.seal(writer));
  auto const reader = store.open({1}).value();
  CHECK(reader.segments() == 5);
  CHECK(events_of(reader).front().first == 1000);
  CHECK(events_of(reader, {.sequence = 1003}).size() == 2);
  auto const names = home.process.files.list(reader.path()).value();
  std::map<std::string, int> kinds;
  for (auto const& entry : names) ++kinds[entry.name.substr(entry.name.find_last_of('.') + 1)];
  CHECK(kinds == std::map<std::string, int>{{"SEAL", 1}, {"index", 4}, {"seg", 5}, {"times", 4}});
}

TEST_CASE("damage to a sealed log is an error, never data", "[log][store]") {
  LogHome const home;
  auto store = home.store();
  auto writer = store.create({1}).value();
  for (int i = 0; i < 20; ++i) REQUIRE(writer.append(hf::as_bytes(std::string(50, 'x'))));
  REQUIRE(store.seal(writer));
  auto const path = store.open({1}).value().path() + "/" + hf::detail::segment_name(0);
  auto file = home.process.files.open(path, hf::Open::write).value();
  SECTION("changed") {
    REQUIRE(home.process.files.write_at(file, 4096 + 45, hf::as_bytes("!")));
    auto const reader = store.open({1}).value();
    auto all = reader.records();
    auto const first = *all.begin();
    REQUIRE_FALSE(first);
    CHECK(first.error().code() == hf::errc::damaged);
    CHECK(store.verify({1}).error().code() == hf::errc::damaged);
  }
  SECTION("cut") {
    REQUIRE(home.process.files.resize(file, 4096));
    CHECK(store.open({1}).error().code() == hf::errc::damaged);
  }
}
