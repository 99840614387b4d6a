// SPDX-License-Identifier: BSL-1.0
// Tests runs over folders of files: a stage that begins as a copy of what is current, and a run
// that fails in its midst.
#include <string>
#include <tuple>

#include "catch.hpp"
#include "file_home.hpp"
#include "holdfast/reprocess.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::TaskRun;
using support::code_of, support::FileHome, support::shown_files;
using Job = hf::Reprocess<FileHome::Staged>;
hf::ReprocessOptions const once{.retry = {.auto_retry_enabled = false}};

// Puts a file beside what `stage_from_current` has copied.
template <std::size_t Part>
Job::task_type puts(std::string name, std::string file, std::string text) {
  return {.name = std::move(name), .run = [=](auto& writer, TaskRun& run) -> hf::result<void> {
            HOLDFAST_TRYV(std::get<Part>(writer).put(file, hf::as_bytes(text)));
            return run.step();
          }};
}
template <std::size_t Part>
std::string text_of_file(FileHome::Staged const& db, std::string const& file) {
  auto const view = db.view();
  auto const content = std::get<Part>(*view.value()).get(file);
  if (!content) return std::string{hf::message(content.error().code())};
  return std::string{hf::as_text(content.value())};
}
auto const from_current = [](FileHome::Staged& db) { return db.stage_from_current(); };
}  // namespace

TEST_CASE("a run of some tasks carries the files of the others over", "[reprocess]") {
  FileHome home;
  auto db = home.open().value();
  REQUIRE(support::commit_files(db, "one"));
  Job job{db, once};
  job.add(puts<0>("keys", "more", "keys"));
  job.add(puts<1>("stats", "more", "stats"));
  auto const report = job.run({.tasks = {"stats"}, .stage = from_current});
  REQUIRE(report);
  CHECK(report.value().committed->generation == hf::Generation{2});
  CHECK(shown_files(db) == "one");
  CHECK(text_of_file<0>(db, "more") == hf::message(errc::not_found));
  CHECK(text_of_file<1>(db, "more") == "stats");
  REQUIRE(job.run({.tasks = {"keys"}, .stage = from_current}));
  CHECK(text_of_file<0>(db, "more") == "keys");
  CHECK(text_of_file<1>(db, "more") == "stats");
  // What the copy has already is not replaced, and the run that tries leaves nothing behind.
  auto const again = job.run({.tasks = {"keys"}, .stage = from_current});
  CHECK(code_of(again) == errc::exists);
  CHECK(shown_files(home.open().value()) == "one");
  CHECK(home.in_store("keys").back() == 3);
  CHECK(home.in_store("stats").back() == 3);
}

TEST_CASE("a run over files whose task fails leaves no file behind", "[reprocess]") {
  FileHome home;
  auto db = home.open().value();
  REQUIRE(support::commit_files(db, "one"));
  auto const before = support::contents(home / "keys");
  Job job{db, once};
  job.add(puts<0>("keys", "more", "keys"));
  job.add({.name = "stats", .run = [](auto&, TaskRun&) -> hf::result<void> {
             return hf::failure(errc::damaged, "the source");
           }});
  CHECK(code_of(job.run({.stage = from_current})) == errc::damaged);
  CHECK(support::contents(home / "keys") == before);
  CHECK(shown_files(db) == "one");
  CHECK(!db.status().value().manifest->attempt);
}

TEST_CASE("a run that begins from what is current needs something current", "[reprocess]") {
  FileHome home;
  auto db = home.open().value();
  Job job{db, once};
  job.add(puts<0>("keys", "value", "one"));
  CHECK(code_of(job.run({.stage = from_current})) == errc::no_generation);
}
