// SPDX-License-Identifier: BSL-1.0
// Any generation store of whose operations each may throw, before it did anything and after it did
// all.
#ifndef HOLDFAST_TESTING_THROWING_STORE_HPP
#define HOLDFAST_TESTING_THROWING_STORE_HPP

#include <string>
#include <utility>
#include <vector>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/faults.hpp"
#include "holdfast/testing/simulated_files.hpp"

HOLDFAST_BEGIN

namespace testing {
/// `Store` is made from a name, options and the simulated file system. Its operations are the
/// user's callbacks: which of them throws, say the faults of the machine.
template <class Store, class Options>
class ThrowingStore : public Store {
 public:
  using reader = typename Store::reader;
  using writer = typename Store::writer;

  ThrowingStore(std::string name, Options options, SimulatedFiles const& files)
      : Store{std::move(name), std::move(options), files}, files_{files} {}

  [[nodiscard]] result<writer> create(Generation g) {
    return around([&] { return Store::create(g); });
  }
  [[nodiscard]] result<void> seal(writer& w) {
    return around([&] { return Store::seal(w); });
  }
  [[nodiscard]] result<reader> open(Generation g) const {
    return around([&] { return Store::open(g); });
  }
  [[nodiscard]] result<void> drop(Generation g) {
    return around([&] { return Store::drop(g); });
  }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return around([&] { return Store::generations(); });
  }
  [[nodiscard]] result<void> publish(Generation g) {
    return around([&] { return Store::publish(g); });
  }

 private:
  template <class Act>
  [[nodiscard]] auto around(Act act) const {
    files_.calls().callback();
    auto done = act();
    files_.calls().callback();
    return done;
  }

  SimulatedFiles files_;
};
}  // namespace testing

HOLDFAST_END

#endif
