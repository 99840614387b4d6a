// SPDX-License-Identifier: BSL-1.0
// Keeps generations from being dropped by other processes: generation g is byte g of a file, pinned
// by a shared lock.
#ifndef HOLDFAST_BACKEND_PINS_FILE_HPP
#define HOLDFAST_BACKEND_PINS_FILE_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Pins in the file `path`. They lapse with the process, also with a zombie. Thread-safe.
template <file_system Fs>
class PinsFile {
  struct Core {
    std::string path;
    Fs fs;
    std::mutex mutex;
    std::optional<typename Fs::file> file;
    bool writable = false;
    detail::Birthplace born{};
    // One lock serves all holds of a generation: the file is the same, so another lock would
    // convert it.
    struct Held {
      Mode mode;
      std::size_t count;
    };
    std::map<std::uint64_t, Held> holds;

    Core(std::string where, Fs files) : path{std::move(where)}, fs{std::move(files)} {}
    static Range byte(Generation g) noexcept { return {g.number, 1}; }
  };

 public:
  explicit PinsFile(std::string path, Fs fs)
      : core_{std::make_shared<Core>(std::move(path), std::move(fs))} {}

  /// Ends with the object; keeps the file open.
  class Hold {
   public:
    Hold() = default;
    Hold(std::shared_ptr<Core> core, Generation g) noexcept
        : core_{std::move(core)}, generation_{g} {}
    Hold(Hold&& other) noexcept = default;
    Hold& operator=(Hold&& other) noexcept {
      std::swap(core_, other.core_);
      std::swap(generation_, other.generation_);
      return *this;
    }
    ~Hold() {
      if (core_ == nullptr || core_->born.left()) return;  // a child shares the locks of its parent
      std::lock_guard const guard{core_->mutex};
      auto const held = core_->holds.find(generation_.number);
      if (--held->second.count != 0) return;
      core_->holds.erase(held);
      // A lock that can't be released lapses with the process; there is nobody to tell here.
      static_cast<void>(core_->fs.unlock(*core_->file, Core::byte(generation_)));
    }

   private:
    std::shared_ptr<Core> core_;
    Generation generation_{};
  };

  /// Makes the file if it is missing. Its name is durable after a sync of its directory.
  [[nodiscard]] result<void> make() {
    auto made = core_->fs.open(core_->path, Open::create);
    if (!made && made.error().code() != errc::exists) return detail::failed(made);
    return ok();
  }

  /// Needs only permission to read. `busy` while another process has excluded `g`.
  [[nodiscard]] result<Hold> pin(Generation g) { return hold(g, Mode::shared, errc::busy, "pin"); }

  /// `pinned` if anyone pins `g`, also through this object.
  [[nodiscard]] result<Hold> try_exclude(Generation g) {
    return hold(g, Mode::exclusive, errc::pinned, "exclude");
  }

  /// Does another object, in whatever process, pin or exclude `g`? Only looks, and needs only
  /// permission to read.
  [[nodiscard]] result<bool> pinned_elsewhere(Generation g) requires
      requires(Fs const& fs, typename Fs::file& file) {
    fs.is_locked(file, Range{});
  }
  {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return failure(errc::forked, "look at pins", core_->path);
    HOLDFAST_TRYV(open());
    return core_->fs.is_locked(*core_->file, Core::byte(g));
  }

 private:
  [[nodiscard]] result<Hold> hold(Generation g, Mode mode, errc refusal, char const* where) {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return failure(errc::forked, where, core_->path);
    HOLDFAST_TRYV(open());
    auto& holds = core_->holds;
    auto const held = holds.find(g.number);
    if (held != holds.end()) {
      if (mode == Mode::exclusive || held->second.mode == Mode::exclusive) {
        return failure(refusal, where, core_->path);
      }
      held->second.count += 1;
      return Hold{core_, g};
    }
    if (mode == Mode::exclusive && !core_->writable)
      return failure(errc::denied, where, core_->path);
    // Allocates before there is a lock to lose.
    auto const place = holds.emplace(g.number, typename Core::Held{mode, 1}).first;
    auto locked = core_->fs.try_lock(*core_->file, Core::byte(g), mode);
    if (locked && locked.assume_value()) {
      auto const same = is_named();
      if (same && same.assume_value()) return Hold{core_, g};
      // Replaced just now: others lock another file.
      static_cast<void>(core_->fs.unlock(*core_->file, Core::byte(g)));
      holds.erase(place);
      if (!same) return detail::failed(same);
      return failure(refusal, where, core_->path);
    }
    holds.erase(place);
    if (!locked) return detail::failed(locked);
    return failure(refusal, where, core_->path);
  }

  // Is the open file still the one that has the name? Locks of another one exclude nobody.
  [[nodiscard]] result<bool> is_named() const {
    HOLDFAST_TRY(ours, core_->fs.identity(*core_->file));
    auto const named = core_->fs.identity(core_->path);
    if (!named && named.error().code() != errc::not_found) return detail::failed(named);
    return named.has_value() && named.assume_value() == ours;
  }

  // Kept open: closing the file would let every hold go.
  [[nodiscard]] result<void> open() {
    if (core_->file) {
      HOLDFAST_TRY(same, is_named());
      if (same) return ok();
      if (!core_->holds.empty()) return failure(errc::busy, "PINS was replaced", core_->path);
      core_->file.reset();
    }
    auto opened = core_->fs.open(core_->path, Open::write);
    bool const writable = opened.has_value();
    bool const refused = !writable && (opened.error().code() == errc::denied ||
                                       opened.error().code() == errc::read_only);
    if (refused) opened = core_->fs.open(core_->path, Open::read);
    HOLDFAST_TRYV(std::move(opened));
    core_->writable = writable;
    core_->file = std::move(opened).assume_value();
    return ok();
  }

  std::shared_ptr<Core> core_;
};

HOLDFAST_END

#endif
