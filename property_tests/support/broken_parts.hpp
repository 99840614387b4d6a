// SPDX-License-Identifier: BSL-1.0
// Parts of a home that break one rule each, for laws to find.
#ifndef HOLDFAST_PROPERTY_TESTS_BROKEN_PARTS_HPP
#define HOLDFAST_PROPERTY_TESTS_BROKEN_PARTS_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace crash {
using SimulatedStore = hf::BasicDirectoryStore<hf::testing::SimulatedFiles>;
using SimulatedRegister =
    hf::BasicFileRegister<hf::testing::SimulatedFiles, hf::testing::SimulatedWorld>;

/// Opens whatever was sealed last, not what the record names.
struct OpensNewest : SimulatedStore {
  using SimulatedStore::SimulatedStore;
  [[nodiscard]] hf::result<reader> open(hf::Generation g) const {
    HOLDFAST_TRY(all, generations());
    for (; !all.empty(); all.pop_back()) {
      auto newest = SimulatedStore::open(all.back());
      if (newest) return newest;
    }
    return SimulatedStore::open(g);
  }
};

/// Drops the generation before, too.
struct DropsTooMuch : SimulatedStore {
  using SimulatedStore::SimulatedStore;
  [[nodiscard]] hf::result<void> drop(hf::Generation g) {
    if (g.number > 1) {
      HOLDFAST_TRYV(SimulatedStore::drop({g.number - 1}));
    }
    return SimulatedStore::drop(g);
  }
};

/// Says that it dropped, and keeps everything.
struct DropsNothing : SimulatedStore {
  using SimulatedStore::SimulatedStore;
  [[nodiscard]] hf::result<void> drop(hf::Generation) { return hf::ok(); }
};

/// The file register without its pins between processes.
class Unpinned {
 public:
  static constexpr hf::Guarantees guarantees = SimulatedRegister::guarantees;
  Unpinned(std::string path, hf::testing::SimulatedFiles fs, hf::testing::SimulatedWorld world)
      : register_{std::move(path), std::move(fs), std::move(world)} {}
  [[nodiscard]] auto load() { return register_.load(); }
  [[nodiscard]] auto store_if(hf::Version expected, hf::bytes_view value) {
    return register_.store_if(expected, value);
  }
  [[nodiscard]] auto reopen() { return register_.reopen(); }
  [[nodiscard]] std::size_t max_size() const noexcept { return register_.max_size(); }

 private:
  SimulatedRegister register_;
};
}  // namespace crash

#endif
