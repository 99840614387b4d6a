// SPDX-License-Identifier: BSL-1.0
// A register without `store_if` is told so, in one line, and nothing else is said.
// expect: atomic_register: needs  result<Version> store_if\(Version, bytes_view\)
// errors: 1
#include <cstddef>
#include <optional>
#include <utility>

#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

struct Register {
  hf::result<std::optional<hf::Versioned>> load() { return std::optional<hf::Versioned>{}; }
#ifdef HOLDFAST_CONTROL
  hf::result<hf::Version> store_if(hf::Version v, hf::bytes_view) {
    return v;
  }
#endif
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
