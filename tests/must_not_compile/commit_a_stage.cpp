// SPDX-License-Identifier: BSL-1.0
// Only what is sealed can be committed: a stage has no `commit`.
// expect: commit
// errors: 1
#include <utility>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

hf::result<void> run() {
  HOLDFAST_TRY(db, hf::open_staged(hf::StagedOptions{}, hf::MemoryStore<int>{},
                                   hf::MemoryRegister{}, hf::Exclusive{}));
  HOLDFAST_TRY(stage, db.stage());
#ifdef HOLDFAST_CONTROL
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit());
#else
  static_cast<void>(std::move(stage).commit());
#endif
  return hf::ok();
}
