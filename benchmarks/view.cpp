// SPDX-License-Identifier: BSL-1.0
// Times pinning the current generation for a read, against a bare pointer and the usual ways to
// share one.
#define _LGPL_SOURCE 1
#define URCU_INLINE_SMALL_FUNCTIONS 1
#if HOLDFAST_BENCH_HAS_URCU
#include <urcu/urcu-memb.h>
#endif

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"
#include "support.hpp"

namespace {
struct Value {
  std::uint64_t number = 42;
};
// Its reader is the value itself, so that a view costs one pointer more than nothing.
struct Store {
  hf::result<Value> create(hf::Generation g) {
    all.push_back(g);
    return Value{};
  }
  hf::result<void> seal(Value&) { return hf::ok(); }
  hf::result<Value> open(hf::Generation) { return Value{}; }
  hf::result<void> drop(hf::Generation g) {
    std::erase(all, g);
    return hf::ok();
  }
  hf::result<std::vector<hf::Generation>> generations() { return all; }
  std::vector<hf::Generation> all{};
};

void commit_next(auto& db) {
  auto stage = bench::must(db.stage());
  stage.writer().number = 42;
  auto ready = bench::must(std::move(stage).seal());
  static_cast<void>(bench::must(std::move(ready).commit()));
}

std::atomic<Value*> raw_pointer{new Value};
void read_raw(std::uint64_t times) {
  for (std::uint64_t i = 0; i < times; ++i) {
    bench::keep(raw_pointer.load(std::memory_order_acquire)->number);
  }
}

template <class Db>
void read_view(Db const& db, std::uint64_t times) {
  for (std::uint64_t i = 0; i < times; ++i) {
    auto view = db.view();
    bench::keep(view.assume_value()->number);
  }
}

template <class Db>
void read_nested(Db const& db, std::uint64_t times) {
  auto const outer = db.view();
  auto const second = db.view();
  read_view(db, times);
  bench::keep(outer.assume_value()->number + second.assume_value()->number);
}

// Each thread does `times`; the figure is that of the slowest.
void on_two_threads(std::function<void(std::uint64_t)> const& run, std::uint64_t times) {
  std::thread other{[&] { run(times); }};
  run(times);
  other.join();
}

std::vector<bench::Contender> peers() {
  static std::shared_mutex shared;
  static Value const value;
  static std::atomic<std::shared_ptr<Value>> pointer{std::make_shared<Value>()};
  static std::atomic<Value*> hazard{nullptr};
  std::vector<bench::Contender> all;
#if HOLDFAST_BENCH_HAS_URCU
  all.push_back({"liburcu memb", [](std::uint64_t times) {
                   urcu_memb_register_thread();
                   for (std::uint64_t i = 0; i < times; ++i) {
                     urcu_memb_read_lock();
                     bench::keep(raw_pointer.load(std::memory_order_acquire)->number);
                     urcu_memb_read_unlock();
                   }
                   urcu_memb_unregister_thread();
                 }});
#endif
  all.push_back({"hazard pointer with a fence", [](std::uint64_t times) {
                   for (std::uint64_t i = 0; i < times; ++i) {
                     Value* seen = raw_pointer.load(std::memory_order_acquire);
                     do {
                       hazard.store(seen, std::memory_order_seq_cst);
                     } while (seen !=
                              std::exchange(seen, raw_pointer.load(std::memory_order_acquire)));
                     bench::keep(seen->number);
                     hazard.store(nullptr, std::memory_order_release);
                   }
                 }});
  all.push_back({"std::shared_mutex", [](std::uint64_t times) {
                   for (std::uint64_t i = 0; i < times; ++i) {
                     std::shared_lock const lock{shared};
                     bench::keep(value.number);
                   }
                 }});
  all.push_back({"std::atomic<std::shared_ptr>", [](std::uint64_t times) {
                   for (std::uint64_t i = 0; i < times; ++i) {
                     auto const held = pointer.load(std::memory_order_acquire);
                     bench::keep(held->number);
                   }
                 }});
  return all;
}

void rows_of_views(bench::Report const& report) {
  auto db = bench::must(
      hf::open_staged(hf::StagedOptions{}, Store{}, hf::MemoryRegister{}, hf::Exclusive{}));
  commit_next(db);
  std::vector<bench::Contender> all{
      {"raw", read_raw},
      {"view", [&](std::uint64_t n) { read_view(db, n); }},
      {"nested", [&](std::uint64_t n) { read_nested(db, n); }},
      {"two threads",
       [&](std::uint64_t n) { on_two_threads([&](std::uint64_t m) { read_view(db, m); }, n); }}};
  auto const others = peers();
  all.insert(all.end(), others.begin(), others.end());
  auto const taken = bench::compare(all, 20'000'000, 5);
  double const ns = 1e9;
  bench::Row row{"view", "ns", taken[1] * ns, taken[0] * ns, {}, 1.8, 0, "raw load + deref"};
  for (std::size_t i = 4; i < all.size(); ++i) row.peers.emplace_back(all[i].name, taken[i] * ns);
  report.add(row);
  report.add({"view, nested in two others",
              "ns",
              taken[2] * ns,
              taken[0] * ns,
              {},
              2.2,
              0,
              "raw load + deref"});
  report.add({"view over atomic<shared_ptr>",
              "ns",
              taken[1] * ns,
              taken[0] * ns,
              {},
              0.06,
              taken.back() * ns,
              "atomic<shared_ptr>"});
  report.add(
      {"view, 2 threads", "ns", taken[3] * ns, taken[0] * ns, {}, 1.1, taken[1] * ns, "1 thread"});
}

void row_with_writer(bench::Report const& report) {
  auto db = bench::must(
      hf::open_staged(hf::StagedOptions{}, Store{}, hf::MemoryRegister{}, hf::Exclusive{}));
  commit_next(db);
  std::atomic<bool> switching{false}, done{false};
  std::thread writer{[&] {
    while (!done.load()) {
      if (switching.load()) commit_next(db);
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }};
  auto const taken = bench::compare({{"alone", [&](std::uint64_t n) { read_view(db, n); }},
                                     {"with a writer",
                                      [&](std::uint64_t n) {
                                        switching = true;
                                        read_view(db, n);
                                        switching = false;
                                      }}},
                                    100'000'000, 5);
  done = true;
  writer.join();
  report.add({"view, 1000 switches a second",
              "ns",
              taken[1] * 1e9,
              taken[0] * 1e9,
              {},
              1.05,
              0,
              "no writer"});
}

// The switch as readers see it; closing what was current comes later and never waits for readers.
void rows_of_publish(bench::Report const& report) {
  using Readers = hf::detail::Readers<Value, int>;
  Readers readers{7};
  std::uint64_t sequence = 0;
  auto const publish = [&](std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
      readers.show(std::make_unique<Readers::Shown>(hf::Kept{{1}, ++sequence, {}, {}}, Value{}, 0));
    }
  };
  auto const reclaim = [&](std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
      publish(1);
      readers.reclaim();
    }
  };
  auto const pointer_store = [](std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
      delete raw_pointer.exchange(new Value, std::memory_order_seq_cst);
    }
  };
  auto const barrier = [](std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
      hf::detail::membarrier(hf::detail::membarrier_private_expedited);
    }
  };
  std::vector<bench::Contender> all{{"pointer", pointer_store},
                                    {"publish", publish},
                                    {"membarrier", barrier},
                                    {"reclaim", reclaim}};
#if HOLDFAST_BENCH_HAS_URCU
  all.push_back({"liburcu synchronize", [](std::uint64_t times) {
                   urcu_memb_register_thread();
                   for (std::uint64_t i = 0; i < times; ++i) urcu_memb_synchronize_rcu();
                   urcu_memb_unregister_thread();
                 }});
#endif
  auto const taken = bench::compare(all, 2'000, 9);
  bench::Row row{"publish in memory", "us", taken[1] * 1e6, taken[0] * 1e6, {}, 1, 0.5, "0.5 us"};
  if (taken.size() > 4) row.peers.emplace_back("liburcu synchronize_rcu", taken[4] * 1e6);
  report.add(row);
  report.add(
      {"publish and reclaim", "us", taken[3] * 1e6, taken[2] * 1e6, {}, 1.25, 0, "membarrier"});
}
}  // namespace

int main(int argc, char** argv) {
  bench::Report const report{argc, argv};
  rows_of_views(report);
  row_with_writer(report);
  rows_of_publish(report);
}
