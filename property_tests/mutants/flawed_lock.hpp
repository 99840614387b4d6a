// SPDX-License-Identifier: BSL-1.0
// The library's file lock, right, or with one flaw, over any file system.
#ifndef HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_LOCK_HPP
#define HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_LOCK_HPP

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "flaws.hpp"
#include "holdfast/detail/lock_record.hpp"
#include "holdfast/policy/file_lock.hpp"

namespace mutants {
template <class Fs, class World>
class FlawedLock {
  using Inner = hf::BasicFileLock<Flawed<Fs>, World>;

 public:
  using Grant = typename Inner::Grant;
  static constexpr hf::Guarantees guarantees = Inner::guarantees;

  FlawedLock(std::string path, Fs fs, World world, Flaw flaw)
      : core_{std::make_unique<Core>(Core{Inner{path, Flawed<Fs>{fs, flaw}, std::move(world)}, path,
                                          std::move(fs), flaw})} {}

  [[nodiscard]] hf::result<Grant> try_acquire(hf::Owner const& owner, hf::FencingToken above) {
    auto& c = *core_;
    if (c.flaw == Flaw::is_held_by_a_file) {
      auto made = c.fs.open(c.path + ".held", hf::Open::create);
      if (!made && made.error().code() == hf::errc::exists)
        return hf::failure(hf::errc::busy, "acquire", c.path);
      HOLDFAST_TRYV(std::move(made));
    }
    HOLDFAST_TRY(grant, c.inner.try_acquire(owner, above));
    c.last = grant;
    if (c.flaw == Flaw::repeats_tokens) grant.token = {above.number + 1};
    return std::move(grant);
  }
  [[nodiscard]] hf::result<void> release(Grant& grant) {
    auto& c = *core_;
    if (c.flaw == Flaw::releases_in_a_child && grant.born.left()) return hf::ok();
    if (c.flaw == Flaw::is_held_by_a_file && !grant.released)
      static_cast<void>(c.fs.remove(c.path + ".held"));
    bool const any = c.flaw == Flaw::releases_by_any_grant || c.flaw == Flaw::repeats_tokens;
    return c.inner.release(any && c.last ? *c.last : grant);
  }
  [[nodiscard]] hf::result<std::optional<hf::Holder>> inspect() {
    auto& c = *core_;
    if (c.flaw == Flaw::reads_metadata_unchecked) return read_unchecked();
    HOLDFAST_TRY(seen, c.inner.inspect());
    if (c.flaw == Flaw::remembers_the_dead && !seen) return c.seen;
    c.seen = seen;
    return std::move(seen);
  }
  [[nodiscard]] hf::result<hf::FencingToken> force(hf::Holder const& seen, hf::FencingToken above) {
    auto& c = *core_;
    if (c.flaw != Flaw::forces_whoever_holds) return c.inner.force(seen, above);
    HOLDFAST_TRY(now, c.inner.inspect());
    return c.inner.force(now ? *now : seen, above);
  }

 private:
  struct Core {
    Inner inner;
    std::string path;
    Fs fs;
    Flaw flaw;
    std::optional<Grant> last{};
    std::optional<hf::Holder> seen{};
  };

  // The record as it lies there, its checksum put right first.
  [[nodiscard]] hf::result<std::optional<hf::Holder>> read_unchecked() {
    namespace record = hf::detail::lock_record;
    HOLDFAST_TRY(content, hf::detail::read_file(core_->fs, core_->path, 1 << 16));
    content.resize(record::file_size);
    record::Slot slot;
    std::copy_n(content.begin() + record::holder_at, slot.size(), slot.begin());
    record::finish(slot);
    auto const last = record::decode_last(slot);
    return last ? last->holder : std::nullopt;
  }

  std::unique_ptr<Core> core_;
};
}  // namespace mutants

#endif
