// SPDX-License-Identifier: BSL-1.0
// A register without `load` is told so, in one line, and nothing else is said.
// expect: atomic_register: needs  result<std::optional<Versioned>> load\(\)
// errors: 1
#include <cstddef>
#include <optional>
#include <utility>

#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

struct Register {
#ifdef HOLDFAST_CONTROL
  hf::result<std::optional<hf::Versioned>> load() {
    return std::optional<hf::Versioned>{};
  }
#endif
  hf::result<hf::Version> store_if(hf::Version v, hf::bytes_view) {
    return v;
  }
  hf::result<void> reopen() {
    return hf::ok();
  }
  std::size_t max_size() const {
    return 4096;
  }
};

hf::result<void> rebuild() {
  HOLDFAST_TRY(db, hf::open_staged(hf::StagedOptions{}, hf::MemoryStore<int>{}, Register{},
                                   hf::Exclusive{}));
  HOLDFAST_TRY(stage, db.stage());
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit());
  return hf::ok();
}
