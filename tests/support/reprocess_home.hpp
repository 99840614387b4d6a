// SPDX-License-Identifier: BSL-1.0
// A home of two parts in memory, in a world where delays pass at once, and tasks that fill it.
#ifndef HOLDFAST_TESTS_SUPPORT_REPROCESS_HOME_HPP
#define HOLDFAST_TESTS_SUPPORT_REPROCESS_HOME_HPP

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/reprocess.hpp"
#include "holdfast/staged.hpp"
#include "test_world.hpp"

namespace support {
/// The real clock, but for waits: they end at once and the clock is so much later. Copies share one
/// world. Thread-safe.
class HastyWorld {
 public:
  [[nodiscard]] std::int64_t wall_ns() const noexcept { return inner_.wall_ns(); }
  [[nodiscard]] std::int64_t steady_ns() const noexcept {
    return inner_.steady_ns() + own_->skipped.load();
  }
  void wait_until(std::int64_t steady_ns) const noexcept {
    auto const left = steady_ns - this->steady_ns();
    if (left > 0) own_->skipped += left;
  }
  [[nodiscard]] std::uint64_t random64() const noexcept { return inner_.random64(); }
  [[nodiscard]] hf::Owner self() const noexcept { return inner_.self(); }
  void on(hf::Event const& event) const noexcept {
    inner_.on(event);
    std::lock_guard const guard{own_->mutex};
    auto const kind = event.kind;
    if (kind < hf::Event::Kind::task_started) return;
    own_->told.push_back(std::string{hf::name(kind)} + " " + std::string{event.task} +
                         (event.cause != nullptr ? ": " + event.cause->text() : std::string{}));
  }
  /// So much later at once.
  void skip_ms(std::int64_t ms) const noexcept { own_->skipped += ms * 1'000'000; }
  [[nodiscard]] std::int64_t skipped_ms() const { return own_->skipped / 1'000'000; }
  /// What was told of tasks, runs and hooks.
  [[nodiscard]] std::vector<std::string> told() const {
    std::lock_guard const guard{own_->mutex};
    return own_->told;
  }
  [[nodiscard]] bool told(std::string const& what) const {
    auto const all = told();
    return std::find(all.begin(), all.end(), what) != all.end();
  }
  [[nodiscard]] TestWorld const& inner() const noexcept { return inner_; }

 private:
  struct Own {
    std::atomic<std::int64_t> skipped{0};
    std::mutex mutex;
    std::vector<std::string> told;
  };
  TestWorld inner_;
  std::shared_ptr<Own> own_ = std::make_shared<Own>();
};
static_assert(hf::world<HastyWorld>);

/// Two texts, "keys" and "stats". Its first generation has "old" in both.
struct ReprocessHome {
  using Part = hf::MemoryStore<std::string>;
  using Db = hf::Staged<hf::Together<Part, Part>, hf::MemoryRegister, hf::Exclusive, HastyWorld>;
  using Writer = hf::detail::writer_of_db<Db>;
  using Reader = hf::detail::reader_of_db<Db>;
  using Task = hf::ReprocessTask<Writer, Reader>;
  using Job = hf::Reprocess<Db, hf::Threads, HastyWorld>;

  HastyWorld world{};
  hf::Exclusive lock{};
  Db db = start();

  [[nodiscard]] Db start() const {
    auto opened = hf::open_staged(hf::StagedOptions{}, hf::Together{Part{"keys"}, Part{"stats"}},
                                  hf::MemoryRegister{}, lock, world)
                      .value();
    auto stage = opened.stage().value();
    *std::get<0>(stage.writer()) = "old";
    *std::get<1>(stage.writer()) = "old";
    std::move(stage).seal().value().commit({.marks = {{"offset", 1}}}).value();
    return opened;
  }
  /// What readers see: the parts and the mark "offset".
  [[nodiscard]] std::string served() const {
    auto const view = db.view();
    if (!view) return view.error().text();
    auto const& [keys, stats] = *view.value();
    auto const& marks = view.value().marks();
    auto const offset = marks.find("offset");
    return *keys + "/" + *stats + "/" +
           (offset == marks.end() ? "-" : std::to_string(offset->second));
  }
  /// Nobody builds, and nothing of a failed attempt is left.
  [[nodiscard]] bool idle() {
    auto const status = db.status().value();
    return !status.manifest->attempt && !status.holder && db.state() == hf::State::none;
  }
  [[nodiscard]] Job job(hf::ReprocessOptions options = {}, hf::ReprocessHooks hooks = {}) {
    return Job{db, options, std::move(hooks), world};
  }
};

/// Puts `text` into the part `Part`, in one step.
template <std::size_t Part>
[[nodiscard]] ReprocessHome::Task fills(std::string name, std::string text = "new") {
  return {.name = std::move(name),
          .run = [text](ReprocessHome::Writer& writer, hf::TaskRun& run) -> hf::result<void> {
            run.expect(1);
            *std::get<Part>(writer) = text;
            return run.step();
          },
          .unit = "rows"};
}
/// Fails so.
[[nodiscard]] inline ReprocessHome::Task fails(std::string name, hf::error why) {
  return {.name = std::move(name),
          .run = [why](auto&, auto&) -> hf::result<void> { return hf::failure(why); }};
}
/// Works until it is told to stop; a tenth of a minute at most.
[[nodiscard]] inline ReprocessHome::Task endless(std::string name) {
  return {.name = std::move(name), .run = [](auto&, hf::TaskRun& run) -> hf::result<void> {
            for (int i = 0; i < 6000; ++i) {
              HOLDFAST_TRYV(run.step());
              std::this_thread::sleep_for(std::chrono::milliseconds{1});
            }
            return hf::failure(hf::errc::unknown, "nobody stopped the endless task");
          }};
}
/// Waits until `done` is true; false after ten seconds.
template <class Done>
[[nodiscard]] bool eventually(Done done) {
  for (int i = 0; i < 10'000; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return false;
}
}  // namespace support

#endif
