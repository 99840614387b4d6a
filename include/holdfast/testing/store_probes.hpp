// SPDX-License-Identifier: BSL-1.0
// The laws of a store that a run without crashes can check, each a function over a factory.
//
// A `Kit` has what the factory makes and how to fill and read it: `make`, `put(writer, files)` and
// `get(reader)`, which gives the files in the order of their names.
#ifndef HOLDFAST_TESTING_STORE_PROBES_HPP
#define HOLDFAST_TESTING_STORE_PROBES_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/store_laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// A store on a bench of its own, opened, with what one needs to work on it.
template <class Kit>
class StoreTrial {
  using Make = typename Kit::make_type;
  using Bench = BenchOf<Make>;

 public:
  using Store = MadeBy<Make>;
  using Reader = reader_of<Store>;
  static constexpr bool lasts = guarantees_of<Store>().lifetime != Lifetime::process;

  StoreTrial(Kit const& kit, std::uint64_t seed)
      : kit_{kit}, bench_{seed}, store_{bench_.made_by(kit.make)} {}

  [[nodiscard]] Store& store() noexcept { return store_; }
  [[nodiscard]] Bench const& bench() const noexcept { return bench_; }
  /// As another process finds it, if it outlives the one that made it.
  void reopen() {
    if constexpr (lasts) store_ = bench_.made_elsewhere_by(kit_.make);
  }

  [[nodiscard]] Verdict create(Law const& law, std::uint64_t g) {
    auto writer = store_traits<Store>::create(store_, {g});
    if (!writer) return law.refused("create", writer.error());
    writer_.emplace(std::move(writer).assume_value());
    auto const put = kit_.put(*writer_, files_of(g, 0));
    if (!put) return law.refused("put", put.error());
    return {};
  }
  [[nodiscard]] Verdict seal(Law const& law) {
    auto const sealed = store_traits<Store>::seal(store_, *writer_);
    if (!sealed) return law.refused("seal", sealed.error());
    return {};
  }
  [[nodiscard]] Verdict build(Law const& law, std::uint64_t g) {
    if (auto broken = create(law, g)) return broken;
    return seal(law);
  }
  [[nodiscard]] Verdict drop(Law const& law, std::uint64_t g) {
    auto const dropped = store_traits<Store>::drop(store_, {g});
    if (!dropped) return law.refused("drop", dropped.error());
    return {};
  }

  [[nodiscard]] Verdict shows(Law const& law, std::uint64_t g) {
    auto const reader = store_traits<Store>::open(store_, {g});
    if (!reader) return law.refused("open " + std::to_string(g), reader.error());
    return reads(law, reader.assume_value(), g);
  }
  [[nodiscard]] Verdict reads(Law const& law, Reader const& reader, std::uint64_t g) const {
    auto const files = kit_.get(reader);
    if (!files) return law.refused("get " + std::to_string(g), files.error());
    if (files.assume_value() == files_of(g, 0)) return {};
    return law.broken("generation " + std::to_string(g) + " as put", "other bytes");
  }
  /// True if what is there as g opens and is something else than what was put as g.
  [[nodiscard]] bool shows_wrong_data(std::uint64_t g) {
    auto const reader = store_traits<Store>::open(store_, {g});
    if (!reader) return false;
    auto const files = kit_.get(reader.assume_value());
    return files && files.assume_value() != files_of(g, 0);
  }
  [[nodiscard]] bool opens(std::uint64_t g) {
    return store_traits<Store>::open(store_, {g}).has_value();
  }
  [[nodiscard]] Verdict lists(Law const& law, std::vector<Generation> const& expected) {
    auto const listed = store_traits<Store>::generations(store_);
    if (!listed) return law.refused("generations", listed.error());
    if (listed.assume_value() == expected) return {};
    return law.broken(text_of(expected), text_of(listed.assume_value()));
  }

 private:
  [[nodiscard]] static std::string text_of(std::vector<Generation> const& all) {
    std::string text = "generations";
    for (auto const g : all) text += " " + std::to_string(g.number);
    return text;
  }

  Kit const& kit_;
  Bench bench_;
  Store store_;
  std::optional<writer_of<Store>> writer_{};
};

/// B1 without crashes: also to another process, if it outlives the one that wrote it.
template <class Kit>
[[nodiscard]] Verdict sealed_opens_as_put(Kit const& kit, std::uint64_t seed) {
  StoreTrial<Kit> trial{kit, seed};
  for (auto const g : {seed, seed + 1, seed + 3}) {
    if (auto broken = trial.build(b1, g)) return broken;
    if (auto broken = trial.shows(b1, g)) return broken;
    trial.reopen();
    if (auto broken = trial.shows(b1, g)) return broken;
  }
  return {};
}

/// B2.
template <class Kit>
[[nodiscard]] Verdict sealing_again_changes_nothing(Kit const& kit, std::uint64_t seed) {
  StoreTrial<Kit> trial{kit, seed};
  if (auto broken = trial.build(b2, seed)) return broken;
  if (auto broken = trial.seal(b2)) return broken;
  if (auto broken = trial.shows(b2, seed)) return broken;
  trial.reopen();
  return trial.shows(b2, seed);
}

/// B3 without crashes.
template <class Kit>
[[nodiscard]] Verdict drop_takes_one(Kit const& kit, std::uint64_t seed) {
  StoreTrial<Kit> trial{kit, seed};
  for (auto const g : {seed, seed + 1, seed + 2}) {
    if (auto broken = trial.build(b3, g)) return broken;
  }
  auto const gone = seed + seed % 3;
  for (int again = 0; again < 2; ++again) {
    if (auto broken = trial.drop(b3, gone)) return broken;
    std::vector<Generation> rest;
    for (auto const g : {seed, seed + 1, seed + 2}) {
      if (g == gone) continue;
      rest.push_back({g});
      if (auto broken = trial.shows(b3, g)) return broken;
    }
    if (trial.opens(gone)) return b3.broken("what was dropped does not open", "it opens");
    if (auto broken = trial.lists(b3, rest)) return broken;
    trial.reopen();
  }
  return {};
}

/// B4 without crashes: sealed or not, in ascending order.
template <class Kit>
[[nodiscard]] Verdict remains_are_listed(Kit const& kit, std::uint64_t seed) {
  StoreTrial<Kit> trial{kit, seed};
  if (auto broken = trial.lists(b4, {})) return broken;
  if (auto broken = trial.build(b4, seed + 9)) return broken;
  if (auto broken = trial.build(b4, seed)) return broken;
  if (auto broken = trial.create(b4, seed + 10)) return broken;
  std::vector<Generation> const all{{seed}, {seed + 9}, {seed + 10}};
  if (auto broken = trial.lists(b4, all)) return broken;
  trial.reopen();
  return trial.lists(b4, all);
}

/// B5 without crashes: neither what was never made nor what was made and not sealed, nor is it
/// made twice.
template <class Kit>
[[nodiscard]] Verdict unsealed_is_no_data(Kit const& kit, std::uint64_t seed) {
  StoreTrial<Kit> trial{kit, seed};
  if (trial.opens(seed)) return b5.broken("what was never made does not open", "it opens");
  if (auto broken = trial.create(b5, seed)) return broken;
  if (trial.opens(seed)) return b5.broken("what is not sealed does not open", "it opens");
  trial.reopen();
  if (trial.opens(seed)) return b5.broken("what was not sealed does not open", "it opens");
  auto const again = store_traits<typename StoreTrial<Kit>::Store>::create(trial.store(), {seed});
  if (again) return b5.broken("remains are never made anew", "they are");
  return {};
}

/// B6, for a reader that was opened before and for one that is opened after.
template <class Kit>
[[nodiscard]] Verdict writing_leaves_others_alone(Kit const& kit, std::uint64_t seed) {
  using Store = typename StoreTrial<Kit>::Store;
  StoreTrial<Kit> trial{kit, seed};
  if (auto broken = trial.build(b6, seed)) return broken;
  auto const before = store_traits<Store>::open(trial.store(), {seed});
  if (!before) return b6.refused("open", before.error());
  auto const same = [&]() -> Verdict {
    if (auto broken = trial.reads(b6, before.assume_value(), seed)) return broken;
    return trial.shows(b6, seed);
  };
  if (auto broken = trial.create(b6, seed + 1)) return broken;
  if (auto broken = same()) return broken;
  if (auto broken = trial.seal(b6)) return broken;
  if (auto broken = same()) return broken;
  if (auto broken = trial.drop(b6, seed + 1)) return broken;
  return same();
}

/// B7. Several threads, many reads each, all of one reader.
template <class Kit>
[[nodiscard]] Verdict threads_share_a_reader(Kit const& kit, std::uint64_t seed) {
  using Store = typename StoreTrial<Kit>::Store;
  constexpr int threads = 4;
  constexpr int reads = 50;
  StoreTrial<Kit> trial{kit, seed};
  if (auto broken = trial.build(b7, seed)) return broken;
  auto const reader = store_traits<Store>::open(trial.store(), {seed});
  if (!reader) return b7.refused("open", reader.error());
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < threads; ++t) {
    readers.emplace_back([&] {
      for (int i = 0; i < reads; ++i) {
        if (trial.reads(b7, reader.assume_value(), seed)) ++wrong;
      }
    });
  }
  for (auto& thread : readers) thread.join();
  if (wrong == 0) return {};
  return b7.broken(std::to_string(threads * reads) + " reads as put",
                   std::to_string(wrong) + " other answers");
}

/// F10: every file is damaged in some places, one at a time; readers are opened afterwards.
template <class Kit>
[[nodiscard]] Verdict damage_is_no_data(Kit const& kit, std::uint64_t seed) {
  StoreTrial<Kit> trial{kit, seed};
  if (auto broken = trial.build(store_damage, seed)) return broken;
  auto const fs = trial.bench().files();
  disk::Dice dice{seed};
  for (auto const& path : files_below(fs, trial.bench().folder())) {
    auto const read = holdfast::detail::read_file(fs, path, std::uint64_t{1} << 24);
    if (!read) return store_damage.refused("read " + path, read.error());
    auto const& content = read.assume_value();
    for (int i = 0; i < 12 && !content.empty(); ++i) {
      auto damaged = content;
      auto const at = static_cast<std::size_t>(dice.below(content.size()));
      if (i % 4 == 3) {
        damaged.resize(at);
      } else {
        damaged[at] ^= static_cast<std::byte>(1u << dice.below(8));
      }
      auto written = overwrite(fs, path, damaged);
      if (!written) return store_damage.refused("damage " + path, written.error());
      trial.reopen();
      if (trial.shows_wrong_data(seed)) {
        auto const how = i % 4 == 3 ? "cut at byte " : "a bit flipped in byte ";
        return store_damage.broken("an error or the data as put",
                                   "other data with " + path + " " + how + std::to_string(at));
      }
    }
    auto const healed = overwrite(fs, path, content);
    if (!healed) return store_damage.refused("heal " + path, healed.error());
  }
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif
