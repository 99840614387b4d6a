// SPDX-License-Identifier: BSL-1.0
// A lock that lapses, over any atomic register: whoever is silent for too long may be replaced, on
// one machine or on many.
//
// Invariants:
// - Every change of the record is a `store_if` over the version that was looked at; an unknown
//   outcome is read back before anything is concluded from it.
// - A holder counts from before it sent its last renewal, and stops a margin early. Who wants the
//   lease counts from after it first saw that renewal, on its own clock, and waits a margin longer.
//   Times in the record are for people.
// - Exclusion so assumes clocks that run at about one rate and pauses shorter than the margin.
//   Tokens assume nothing: a resource that compares them is safe without.
#ifndef HOLDFAST_POLICY_LEASE_HPP
#define HOLDFAST_POLICY_LEASE_HPP

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/detail/lease_record.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

struct LeaseOptions {
  std::int64_t ttl_ms = 10'000;    ///< a holder that is silent for so long may be replaced
  std::int64_t margin_ms = 1'000;  ///< the holder stops so much earlier, others wait so much longer
};

/// A lease in a register of its own. Thread-safe. After fork() only the parent may use it.
template <atomic_register Register, world W = Native>
class Lease {
  using Record = detail::lease_record::Record;

 public:
  static constexpr Guarantees guarantees{.durable = guarantees_of<Register>().durable,
                                         .fenced = true,
                                         .detects_damage = true,
                                         .lifetime = guarantees_of<Register>().lifetime,
                                         .reach = guarantees_of<Register>().reach};
  class Grant {
   public:
    FencingToken token;

   private:
    friend Lease;
    Grant(Record const& r, Version v, std::int64_t until)
        : token{r.token}, record_{r}, version_{v}, until_ns_{until} {}
    Record record_;
    Version version_;
    std::int64_t until_ns_;  // steady clock
    detail::Birthplace born_{};
    bool over_ = false;  // released, or seen to be another's
  };

  explicit Lease(Register reg, LeaseOptions const& options = {}, W world = {})
      : core_{std::make_unique<Core>(std::move(reg), options, std::move(world))} {}

  /// `busy`, naming the holder, while it is held; a holder has to be seen silent for its whole time
  /// first, so ask again. The token exceeds `above` and every token before it. `uncertain` where
  /// nobody can tell whether it was granted, `timed_out` where the register took longer than the
  /// lease lasts, twice: then it lapses. Errors: `full` where no token is left; `foreign`,
  /// `damaged`, `newer_format` for what is no record of a lease; those of the register.
  [[nodiscard]] result<Grant> try_acquire(Owner const& owner, FencingToken above) {
    HOLDFAST_TRYV(born_here("acquire"));
    std::lock_guard const guard{core_->mutex};
    HOLDFAST_TRYV(usable("acquire"));
    for (int look = 0; look < looks; ++look) {
      HOLDFAST_TRY(seen, load());
      if (seen.record.holder && !has_lapsed(seen)) return busy(*seen.record.holder);
      HOLDFAST_TRY(token, token_after(seen, above));
      Record next{token, core_->world.random64(), 0, core_->ttl_ns, {}};
      next.holder = Holder{owner, next.token, core_->world.wall_ns()};
      auto const sent = core_->world.steady_ns();
      HOLDFAST_TRY(version, put(seen, next));
      if (!version) continue;
      Grant grant{next, *version, sent + core_->ttl_ns - core_->margin_ns};
      if (remaining_ns(grant) > 0) return grant;
      return prolonged(std::move(grant));
    }
    return failure(errc::busy, "acquire", "others keep changing the lease");
  }

  /// How long it still holds, by this process's clock; from 0 on its holder must stop.
  [[nodiscard]] std::int64_t remaining_ns(Grant const& grant) const noexcept {
    if (grant.over_ || grant.born_.left()) return 0;
    return std::max<std::int64_t>(0, grant.until_ns_ - core_->world.steady_ns());
  }

  /// Holds it for another whole time from now on; also late, if nobody has taken it. `fenced` once
  /// it is another's. After any other error the grant stands for as long as it did before.
  [[nodiscard]] result<void> renew(Grant& grant) {
    if (grant.born_.left()) return failure(errc::forked, "renew");
    HOLDFAST_TRYV(born_here("renew"));
    std::lock_guard const guard{core_->mutex};
    if (grant.over_) return failure(errc::spent, "renew");
    HOLDFAST_TRYV(usable("renew"));
    return prolong(grant);
  }

  /// Idempotent; leaves the lease of another holder alone. After an error it lapses by itself.
  [[nodiscard]] result<void> release(Grant& grant) {
    if (grant.over_) return ok();
    if (grant.born_.left()) return failure(errc::forked, "release");
    HOLDFAST_TRYV(born_here("release"));
    std::lock_guard const guard{core_->mutex};
    grant.over_ = true;
    HOLDFAST_TRYV(usable("release"));
    for (int look = 0; look < looks; ++look) {
      HOLDFAST_TRY(seen, load());
      if (!shows(seen, grant)) return ok();
      HOLDFAST_TRY(version, put(seen, vacant(grant.token)));
      if (version) return ok();
    }
    return failure(errc::busy, "release", "others keep changing the lease");
  }

  /// Who has it, or had it when it lapsed.
  [[nodiscard]] result<std::optional<Holder>> inspect() {
    HOLDFAST_TRYV(born_here("inspect"));
    std::lock_guard const guard{core_->mutex};
    HOLDFAST_TRYV(usable("inspect"));
    HOLDFAST_TRY(seen, load());
    return seen.record.holder;
  }

  /// Takes it away from the holder that was seen (`conflict` if it is another by now). The old
  /// holder is not stopped: raise the fence of what it writes to first.
  [[nodiscard]] result<FencingToken> force(Holder const& seen_holder, FencingToken above) {
    HOLDFAST_TRYV(born_here("force"));
    std::lock_guard const guard{core_->mutex};
    HOLDFAST_TRYV(usable("force"));
    for (int look = 0; look < looks; ++look) {
      HOLDFAST_TRY(seen, load());
      auto const& holder = seen.record.holder;
      if (!holder || holder->owner != seen_holder.owner || holder->token != seen_holder.token) {
        return failure(errc::conflict, "force", "another holder, or none");
      }
      HOLDFAST_TRY(token, token_after(seen, above));
      HOLDFAST_TRY(version, put(seen, vacant(token)));
      if (version) return token;
    }
    return failure(errc::busy, "force", "others keep changing the lease");
  }

 private:
  static constexpr int looks = 8;  // at a record that others change meanwhile

  struct Seen {
    Version version{};
    Record record{};  // of an absent register: nobody's
  };
  // A holder that is waited for: what was seen of it, and since when.
  struct Watch {
    Version version;
    std::uint64_t nonce;
    std::int64_t since_ns;
  };
  struct Core {
    Core(Register r, LeaseOptions const& options, W around)
        : reg{std::move(r)}, world{std::move(around)} {
      constexpr std::int64_t century_ms = std::int64_t{100} * 366 * 24 * 3600 * 1000;
      if (options.margin_ms <= 0 || options.ttl_ms <= 0 || options.ttl_ms > century_ms) return;
      if (options.margin_ms >= options.ttl_ms - options.margin_ms) return;
      ttl_ns = options.ttl_ms * 1'000'000;
      margin_ns = options.margin_ms * 1'000'000;
    }
    Register reg;
    W world;
    std::int64_t ttl_ns = 0;  // 0: of no use
    std::int64_t margin_ns = 0;
    std::mutex mutex{};
    std::optional<Watch> watch{};
    bool unsettled = false;            // the register has to be reopened first
    std::optional<Version> refused{};  // over which a store has just been refused
    detail::Birthplace born{};
  };

  [[nodiscard]] result<void> usable(char const* where) {
    auto& c = *core_;
    if (c.born.left()) return failure(errc::forked, where);
    if (c.ttl_ns == 0) return failure(errc::invalid, where, "ttl_ms > 2 * margin_ms > 0 must hold");
    if (!c.unsettled) return ok();
    HOLDFAST_TRYV(register_traits<Register>::reopen(c.reg));
    c.unsettled = false;
    return ok();
  }

  // Asked before the mutex: in a child a thread of the parent may have it for ever.
  [[nodiscard]] result<void> born_here(char const* where) const {
    return core_->born.left() ? failure(errc::forked, where) : result<void>{ok()};
  }
  [[nodiscard]] static result<FencingToken> token_after(Seen const& seen, FencingToken above) {
    auto const last = std::max(seen.record.token, above);
    if (last.number == UINT64_MAX) return failure(errc::full, "lease", "no token is left");
    return FencingToken{last.number + 1};
  }
  [[nodiscard]] static Record vacant(FencingToken token) noexcept { return {token, 0, 0, 0, {}}; }
  [[nodiscard]] static bool shows(Seen const& seen, Grant const& grant) noexcept {
    return seen.record.holder && seen.record.nonce == grant.record_.nonce &&
           seen.record.token == grant.token;
  }

  [[nodiscard]] result<void> prolong(Grant& grant) {
    auto next = grant.record_;
    ++next.renewals;
    auto sent = core_->world.steady_ns();
    Seen base{grant.version_, grant.record_};
    for (int look = 0; look < looks; ++look) {
      HOLDFAST_TRY(version, put(base, next));
      if (version) {
        grant.record_ = next;
        grant.version_ = *version;
        grant.until_ns_ = sent + core_->ttl_ns - core_->margin_ns;
        return ok();
      }
      sent = core_->world.steady_ns();
      HOLDFAST_TRY(seen, load());
      if (!shows(seen, grant)) {
        grant.over_ = true;
        return failure(errc::fenced, "renew", "the lease is another's");
      }
      next.renewals = seen.record.renewals + 1;
      base = std::move(seen);
    }
    return failure(errc::busy, "renew", "others keep changing the lease");
  }
  // What was granted came too late to be of use; as a rule nobody has taken it meanwhile.
  [[nodiscard]] result<Grant> prolonged(Grant grant) {
    auto const again = prolong(grant);
    if (!again && again.error().code() != errc::fenced) return detail::failed(again);
    if (remaining_ns(grant) > 0) return grant;
    return failure(errc::timed_out, "acquire", "an answer so late");
  }

  [[nodiscard]] result<Seen> load() {
    auto& c = *core_;
    HOLDFAST_TRY(seen, load_once());
    auto const refused = std::exchange(c.refused, std::nullopt);
    if (refused != seen.version) return seen;
    // Nobody came first: something is there that no load shows yet, and its writer may be dead.
    c.unsettled = true;
    HOLDFAST_TRYV(usable("load"));
    return load_once();
  }
  [[nodiscard]] result<Seen> load_once() {
    auto loaded = register_traits<Register>::load(core_->reg);
    if (!loaded) return failed(loaded);
    auto const& found = loaded.assume_value();
    if (!found) return Seen{};
    HOLDFAST_TRY(record, detail::lease_record::decode(found->value));
    return Seen{found->version, std::move(record)};
  }

  // The new version, once that record is surely there; nothing if it surely is not, because another
  // came first.
  [[nodiscard]] result<std::optional<Version>> put(Seen const& over, Record const& record) {
    auto& c = *core_;
    auto const stored = register_traits<Register>::store_if(c.reg, over.version,
                                                            detail::lease_record::encode(record));
    if (stored) return std::optional{stored.assume_value()};
    if (stored.error().code() == errc::conflict) {
      c.refused = over.version;
      return std::optional<Version>{};
    }
    if (stored.error().code() != errc::uncertain) return failed(stored);
    c.unsettled = true;
    auto found = read_back(over, record);
    if (found) return found;
    return failure(errc::uncertain, "lease", found.error().text());
  }
  // Some errors leave a register that has to be reopened first.
  template <class T>
  [[nodiscard]] auto failed(result<T> const& answer) {
    auto const code = answer.error().code();
    bool const heals =
        code == errc::uncertain || code == errc::poisoned || code == errc::sync_failed;
    core_->unsettled = core_->unsettled || heals;
    return detail::failed(answer);
  }

  // It may still be on its way: what it was to replace is stored once more, at another version, so
  // that it comes too late or shows.
  [[nodiscard]] result<std::optional<Version>> read_back(Seen const& over, Record const& record) {
    auto& c = *core_;
    for (int look = 0; look < 2; ++look) {
      HOLDFAST_TRYV(usable("read back"));
      HOLDFAST_TRY(seen, load());
      if (seen.record == record) return std::optional{seen.version};
      if (seen.version != over.version) return std::optional<Version>{};
      auto const again = register_traits<Register>::store_if(
          c.reg, over.version, detail::lease_record::encode(over.record));
      if (again) return std::optional<Version>{};
      if (again.error().code() != errc::conflict) return failed(again);
    }
    return failure(errc::busy, "lease", "others keep changing the lease");
  }

  // The same (version, nonce) for the holder's whole time and a margin, on this process's clock
  // from after the first look.
  [[nodiscard]] bool has_lapsed(Seen const& seen) {
    auto& watch = core_->watch;
    auto const now = core_->world.steady_ns();
    bool const same = watch && watch->version == seen.version && watch->nonce == seen.record.nonce;
    if (!same) watch = Watch{seen.version, seen.record.nonce, now};
    return now - watch->since_ns >= seen.record.ttl_ns + core_->margin_ns;
  }

  [[nodiscard]] result<Grant> busy(Holder const& holder) const {
    return failure(errc::busy, "acquire",
                   "held by pid " + std::to_string(holder.owner.pid) + " on " +
                       std::string{holder.owner.host_name()});
  }

  std::unique_ptr<Core> core_;
};

HOLDFAST_END

#endif
