// SPDX-License-Identifier: BSL-1.0
// A store of values in this process's memory: for tests, and for state that may be rebuilt.
#ifndef HOLDFAST_BACKEND_MEMORY_STORE_HPP
#define HOLDFAST_BACKEND_MEMORY_STORE_HPP

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/update_marks.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/update_concepts.hpp"

HOLDFAST_BEGIN

/// Each generation is a T. A writer gives `T&`; seal moves it out of the writer, so that nobody can
/// change what readers see. A reader gives `T const&` and keeps it alive, also when it is dropped.
/// A copy of the store is another handle on the same values.
template <class T>
requires std::default_initializable<T> && std::move_constructible<T>
class MemoryStore {
  struct Value {
    std::shared_ptr<T const> value;  // null until it is sealed
    Marks marks;
  };
  using Values = std::map<Generation, Value>;
  struct State {
    std::mutex mutex;
    Values values;
  };

 public:
  class writer {
   public:
    [[nodiscard]] T& operator*() const noexcept { return *value_; }
    [[nodiscard]] T* operator->() const noexcept { return value_.get(); }

   private:
    friend class MemoryStore;
    explicit writer(Generation g) : generation_{g}, value_{std::make_unique<T>()} {}
    Generation generation_;
    std::unique_ptr<T> value_;
    bool sealed_ = false;
  };
  class reader {
   public:
    [[nodiscard]] T const& operator*() const noexcept { return *value_; }
    [[nodiscard]] T const* operator->() const noexcept { return value_.get(); }

   private:
    friend class MemoryStore;
    explicit reader(Value shown) : value_{std::move(shown.value)}, marks_{std::move(shown.marks)} {}
    std::shared_ptr<T const> value_;
    Marks marks_;
  };
  /// Changes a copy, which readers see once it returned without an error.
  using batch_type = std::function<result<void>(T&)>;
  static constexpr Guarantees guarantees{};

  explicit MemoryStore(std::string name = "memory")
      : name_{std::move(name)}, state_{std::make_shared<State>()} {}

  /// Memory needs no place.
  void place(std::string const&) noexcept {}
  [[nodiscard]] std::string const& name() const noexcept { return name_; }

  [[nodiscard]] result<writer> create(Generation g) {
    if (g.number == 0) return refuse(errc::invalid, "create generation 0");
    writer made{g};
    std::scoped_lock const lock{state_->mutex};
    if (!state_->values.try_emplace(g).second) return refuse(errc::exists, "create");
    return made;
  }
  /// A new generation that begins as a copy of `from`.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) requires std::copyable<T> {
    HOLDFAST_TRY(old, open(from));
    if (!old.marks_.empty()) return refuse(errc::invalid, "copy: it has taken updates");
    HOLDFAST_TRY(made, create(g));
    *made.value_ = *old;
    return made;
  }
  /// A new generation that begins as what this reader shows.
  [[nodiscard]] result<writer> begin_as(reader const& shown,
                                        Generation g) requires std::copyable<T> {
    HOLDFAST_TRY(made, create(g));
    *made.value_ = *shown;
    return made;
  }
  [[nodiscard]] result<void> seal(writer& w) {
    if (w.sealed_) return ok();
    std::scoped_lock const lock{state_->mutex};
    auto const found = state_->values.find(w.generation_);
    if (found == state_->values.end()) return refuse(errc::not_found, "seal what was dropped");
    found->second.value = std::make_shared<T const>(std::move(*w.value_));
    w.sealed_ = true;
    return ok();
  }
  [[nodiscard]] result<reader> open(Generation g) const {
    std::scoped_lock const lock{state_->mutex};
    auto const found = state_->values.find(g);
    if (found == state_->values.end()) return refuse(errc::not_found, "open");
    if (!found->second.value) return refuse(errc::unsealed, "open");
    return reader{found->second};
  }
  [[nodiscard]] result<void> drop(Generation g) {
    typename Values::node_type gone;  // destroys the value after the lock was let go
    std::scoped_lock const lock{state_->mutex};
    gone = state_->values.extract(g);
    return ok();
  }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    std::scoped_lock const lock{state_->mutex};
    std::vector<Generation> all;
    for (auto const& [g, value] : state_->values) all.push_back(g);
    return all;
  }

  [[nodiscard]] result<bool> updated(Generation g) const requires std::copyable<T> {
    HOLDFAST_TRY(now, open(g));
    return !now.marks_.empty();
  }
  /// Every generation takes updates.
  [[nodiscard]] result<bool> updates(Generation) const requires std::copyable<T> { return true; }
  [[nodiscard]] result<void> apply(Generation g,
                                   batch_type const& batch,
                                   Marks const& marks) requires std::copyable<T> {
    HOLDFAST_TRY(old, open(g));
    HOLDFAST_TRY(fresh, detail::is_fresh(old.marks_, marks, name_));
    if (!fresh) return ok();
    auto next = std::make_shared<T>(*old);
    HOLDFAST_TRYV(batch(*next));
    Value changed{std::move(next), detail::merged(old.marks_, marks)};
    std::scoped_lock const lock{state_->mutex};
    auto const found = state_->values.find(g);
    if (found == state_->values.end()) return refuse(errc::not_found, "apply to what was dropped");
    if (found->second.marks != old.marks_) return refuse(errc::fenced, "apply");
    found->second = std::move(changed);
    return ok();
  }
  [[nodiscard]] result<Marks> marks(Generation g) const requires std::copyable<T> {
    HOLDFAST_TRY(now, open(g));
    return now.marks_;
  }
  [[nodiscard]] std::optional<Marks> marks_of(reader const& from) const requires std::copyable<T> {
    return from.marks_;
  }

 private:
  [[nodiscard]] auto refuse(errc code, char const* where) const {
    return failure(code, where, name_);
  }
  std::string name_;
  std::shared_ptr<State> state_;
};
static_assert(placed_store<MemoryStore<int>> && updatable_store<MemoryStore<int>>);

HOLDFAST_END

#endif
