// SPDX-License-Identifier: BSL-1.0
// A home in memory that several `Staged` objects can share, whose store and register do what a test
// asks for.
#ifndef HOLDFAST_TESTS_SUPPORT_MEMORY_HOME_HPP
#define HOLDFAST_TESTS_SUPPORT_MEMORY_HOME_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"
#include "test_world.hpp"

namespace support {
enum class Op : std::uint8_t { create, seal, open, drop, generations, publish };

/// What every copy of a `TextStore` shares.
struct Texts {
  struct Text {
    std::string value;
    bool sealed = false;
  };
  std::mutex mutex;
  std::map<hf::Generation, Text> all;
  std::vector<hf::Generation> published;
  /// Asked before each operation: an error or an exception is the operation's.
  std::function<hf::result<void>(Op, hf::Generation)> hook;

  [[nodiscard]] hf::result<void> ask(Op op, hf::Generation g) {
    if (hook) return hook(op, g);
    return hf::ok();
  }
  [[nodiscard]] std::vector<std::uint64_t> numbers() {
    std::lock_guard const guard{mutex};
    std::vector<std::uint64_t> some;
    for (auto const& [g, text] : all) some.push_back(g.number);
    return some;
  }
};

/// Keeps one text a generation. A reader looks into the store at each use, so that it notices when
/// what it reads was dropped.
template <bool Publishes>
class BasicTextStore {
 public:
  static constexpr hf::Guarantees guarantees{};
  class writer {
   public:
    explicit writer(hf::Generation g) : generation{g} {}
    void put(std::string text) { value = std::move(text); }
    hf::Generation generation;
    std::string value;
  };
  class reader {
   public:
    reader(std::shared_ptr<Texts> texts, hf::Generation g)
        : texts_{std::move(texts)}, generation_{g} {}
    [[nodiscard]] std::string text() const {
      std::lock_guard const guard{texts_->mutex};
      auto const found = texts_->all.find(generation_);
      return found == texts_->all.end() ? "(dropped)" : found->second.value;
    }

   private:
    std::shared_ptr<Texts> texts_;
    hf::Generation generation_;
  };

  BasicTextStore() : texts_{std::make_shared<Texts>()} {}
  explicit BasicTextStore(std::shared_ptr<Texts> texts) : texts_{std::move(texts)} {}

  hf::result<writer> create(hf::Generation g) {
    HOLDFAST_TRYV(texts_->ask(Op::create, g));
    std::lock_guard const guard{texts_->mutex};
    if (!texts_->all.try_emplace(g).second) return hf::failure(hf::errc::exists, "create");
    return writer{g};
  }
  hf::result<void> seal(writer& w) {
    HOLDFAST_TRYV(texts_->ask(Op::seal, w.generation));
    std::lock_guard const guard{texts_->mutex};
    auto const found = texts_->all.find(w.generation);
    if (found == texts_->all.end()) return hf::failure(hf::errc::not_found, "seal");
    found->second = {w.value, true};
    return hf::ok();
  }
  hf::result<reader> open(hf::Generation g) {
    HOLDFAST_TRYV(texts_->ask(Op::open, g));
    std::lock_guard const guard{texts_->mutex};
    auto const found = texts_->all.find(g);
    if (found == texts_->all.end()) return hf::failure(hf::errc::not_found, "open");
    if (!found->second.sealed) return hf::failure(hf::errc::unsealed, "open");
    return reader{texts_, g};
  }
  hf::result<void> drop(hf::Generation g) {
    HOLDFAST_TRYV(texts_->ask(Op::drop, g));
    std::lock_guard const guard{texts_->mutex};
    texts_->all.erase(g);
    return hf::ok();
  }
  hf::result<std::vector<hf::Generation>> generations() {
    HOLDFAST_TRYV(texts_->ask(Op::generations, {}));
    std::lock_guard const guard{texts_->mutex};
    std::vector<hf::Generation> all;
    for (auto const& [g, text] : texts_->all) all.push_back(g);
    return all;
  }
  hf::result<void> publish(hf::Generation g) requires Publishes {
    HOLDFAST_TRYV(texts_->ask(Op::publish, g));
    texts_->published.push_back(g);
    return hf::ok();
  }

 private:
  std::shared_ptr<Texts> texts_;
};
using TextStore = BasicTextStore<false>;
using PublishedTextStore = BasicTextStore<true>;
static_assert(hf::generation_store<TextStore> && !hf::publishing_store<TextStore>);
static_assert(hf::publishing_store<PublishedTextStore>);

/// What a store to a `ScriptedRegister` does. `late`: the answer is `uncertain`, and the value is
/// there once the register is opened again, as with a sync that failed.
enum class Answer : std::uint8_t {
  store,
  conflict,
  fail,
  lost_and_uncertain,
  stored_and_uncertain,
  late_and_uncertain,
  lost_and_throw,
  stored_and_throw,
};

/// A memory register that answers as it is told to; copies are handles on one register.
class ScriptedRegister {
 public:
  static constexpr hf::Guarantees guarantees = hf::MemoryRegister::guarantees;
  struct Script {
    std::function<Answer(std::string_view)> on_store;  ///< none: store
    std::function<hf::result<void>()> on_reopen;       ///< none: a success
    std::function<void()> before_load;
    std::function<hf::result<bool>()> on_load;  ///< false: as if absent; an error is the load's
    std::size_t limit = 1 << 20;
    std::optional<std::pair<hf::Version, hf::bytes>> late;
    int stores = 0;  ///< that were applied
    int reopens = 0;
  };
  [[nodiscard]] Script& script() const noexcept { return *script_; }

  hf::result<std::optional<hf::Versioned>> load() {
    if (script_->before_load) script_->before_load();
    if (script_->on_load) {
      HOLDFAST_TRY(there, script_->on_load());
      if (!there) return std::optional<hf::Versioned>{};
    }
    return inner_.load();
  }
  hf::result<hf::Version> store_if(hf::Version expected, hf::bytes_view value) {
    auto const answer = script_->on_store ? script_->on_store(hf::as_text(value)) : Answer::store;
    switch (answer) {
      case Answer::store:
        return put(expected, value);
      case Answer::conflict:
        return hf::failure(hf::errc::conflict, "store");
      case Answer::fail:
        return hf::failure(hf::errc::io, "store");
      case Answer::stored_and_uncertain:
        static_cast<void>(put(expected, value));
        break;
      case Answer::late_and_uncertain:
        script_->late.emplace(expected, hf::bytes{value.begin(), value.end()});
        break;
      case Answer::lost_and_uncertain:
        break;
      case Answer::stored_and_throw:
        static_cast<void>(put(expected, value));
        [[fallthrough]];
      case Answer::lost_and_throw:
        throw std::runtime_error{"the register's client threw"};
    }
    return hf::failure(hf::errc::uncertain, "store");
  }
  hf::result<void> reopen() {
    if (script_->on_reopen) {
      HOLDFAST_TRYV(script_->on_reopen());
    }
    ++script_->reopens;
    if (auto const late = std::exchange(script_->late, std::nullopt)) {
      static_cast<void>(put(late->first, late->second));
    }
    return hf::ok();
  }
  [[nodiscard]] std::size_t max_size() const noexcept { return script_->limit; }

 private:
  hf::result<hf::Version> put(hf::Version expected, hf::bytes_view value) {
    auto stored = inner_.store_if(expected, value);
    if (stored) ++script_->stores;
    return stored;
  }
  hf::MemoryRegister inner_;
  std::shared_ptr<Script> script_ = std::make_shared<Script>();
};
static_assert(hf::atomic_register<ScriptedRegister>);

/// A home of which several objects can be opened, as if each were a process after the other.
template <class Store = TextStore>
struct BasicMemoryHome {
  using Staged = hf::Staged<Store, ScriptedRegister, hf::Exclusive, TestWorld>;
  std::shared_ptr<Texts> texts = std::make_shared<Texts>();
  ScriptedRegister reg{};
  hf::Exclusive lock{};
  TestWorld world{};

  [[nodiscard]] hf::result<Staged> open(hf::StagedOptions options = {}) const {
    return hf::open_staged(options, Store{texts}, reg, lock, world);
  }
  [[nodiscard]] std::vector<std::uint64_t> in_store() const { return texts->numbers(); }
};
using MemoryHome = BasicMemoryHome<>;
using PublishedHome = BasicMemoryHome<PublishedTextStore>;

/// One build from stage to commit.
template <class Staged>
[[nodiscard]] hf::result<hf::Committed> commit_text(Staged& db,
                                                    std::string text,
                                                    hf::Marks marks = {}) {
  HOLDFAST_TRY(stage, db.stage());
  stage.writer().put(std::move(text));
  HOLDFAST_TRY(ready, std::move(stage).seal());
  return std::move(ready).commit({.marks = std::move(marks)});
}
/// What readers see now, or why they see nothing.
template <class Staged>
[[nodiscard]] std::string shown(Staged const& db) {
  auto const view = db.view();
  if (!view) return std::string{hf::message(view.error().code())};
  return (*view.value()).text();
}
/// Answers the first store of a commit of `number` (not those before it) as told.
inline void answer_commit(MemoryHome const& home, std::uint64_t number, Answer answer) {
  auto const line = "\ncurrent " + std::to_string(number) + "\n";
  home.reg.script().on_store = [line, answer, used = false](std::string_view value) mutable {
    if (used || value.find(line) == value.npos) return Answer::store;
    used = true;
    return answer;
  };
}
/// The next store, whatever it says.
inline void answer_next(MemoryHome const& home, Answer answer) {
  home.reg.script().on_store = [answer, used = false](std::string_view) mutable {
    return std::exchange(used, true) ? Answer::store : answer;
  };
}

/// A home with the generation "one".
struct StartedHome {
  MemoryHome home{};
  MemoryHome::Staged db = start();
  [[nodiscard]] MemoryHome::Staged start() const {
    auto opened = home.open().value();
    commit_text(opened, "one").value();
    return opened;
  }
};
}  // namespace support

#endif
