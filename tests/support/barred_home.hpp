// SPDX-License-Identifier: BSL-1.0
// A home in memory of two parts that take updates, whose register has a barrier that waits for
// nobody.
#ifndef HOLDFAST_TESTS_SUPPORT_BARRED_HOME_HPP
#define HOLDFAST_TESTS_SUPPORT_BARRED_HOME_HPP

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

namespace support {
using Sum = std::map<std::string, std::uint64_t>;
using SumStore = hf::MemoryStore<Sum>;

// A register with a barrier that waits for nobody, and calls out where another process could come
// between.
class BarredMemory {
  struct State {
    int shared = 0;
    bool alone = false;
    std::function<void()> before_store{};
    std::function<void()> before_update{};
  };

 public:
  class Hold {
   public:
    Hold(std::shared_ptr<State> state, hf::Mode mode) : state_{std::move(state)}, mode_{mode} {
      mode_ == hf::Mode::shared ? void(++state_->shared) : void(state_->alone = true);
    }
    Hold(Hold&&) noexcept = default;
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (!state_) return;
      mode_ == hf::Mode::shared ? void(--state_->shared) : void(state_->alone = false);
    }

   private:
    std::shared_ptr<State> state_;
    hf::Mode mode_;
  };
  static constexpr hf::Guarantees guarantees = hf::MemoryRegister::guarantees;

  [[nodiscard]] auto load() const { return inner_.load(); }
  [[nodiscard]] auto store_if(hf::Version expected, hf::bytes_view value) {
    if (auto const call = std::exchange(state_->before_store, nullptr)) call();
    return inner_.store_if(expected, value);
  }
  [[nodiscard]] auto reopen() { return inner_.reopen(); }
  [[nodiscard]] std::size_t max_size() const noexcept { return inner_.max_size(); }
  [[nodiscard]] hf::result<Hold> enter(hf::Mode mode) {
    if (mode == hf::Mode::exclusive) {
      if (auto const call = std::exchange(state_->before_update, nullptr)) call();
    }
    bool const free = !state_->alone && (mode == hf::Mode::shared || state_->shared == 0);
    if (!free) return hf::failure(hf::errc::timed_out, "enter");
    return Hold{state_, mode};
  }
  [[nodiscard]] State& state() const { return *state_; }

 private:
  hf::MemoryRegister inner_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
};
static_assert(hf::barred_register<BarredMemory>);

struct BarredHome {
  SumStore a{"a"};
  SumStore b{"b"};
  BarredMemory record;
  hf::Exclusive lock;
  hf::Exclusive updates;
  [[nodiscard]] auto store() const { return hf::Together<SumStore, SumStore>{a, b}; }
  [[nodiscard]] auto open() const {
    return hf::open_staged(hf::StagedOptions{.retain = 3, .publish = false}, store(), record, lock);
  }
  [[nodiscard]] auto update() const { return hf::open_updater(store(), record, updates); }
};

inline hf::Marks until(std::uint64_t event) {
  return {{"event", event}};
}
template <class Staged>
hf::result<hf::Committed> build_sums(Staged& db, std::uint64_t event) {
  HOLDFAST_TRY(stage, db.stage());
  auto& [a, b] = stage.writer();
  (*a)["n"] = (*b)["n"] = event;
  HOLDFAST_TRY(ready, std::move(stage).seal());
  return std::move(ready).commit({.marks = until(event)});
}
template <class Updater>
hf::result<hf::Applied> count_event(Updater& updater, std::uint64_t event) {
  auto const one = [](Sum& sum) -> hf::result<void> {
    ++sum["n"];
    return hf::ok();
  };
  return updater.apply(until(event), one, one);
}
}  // namespace support

#endif
