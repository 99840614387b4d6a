// SPDX-License-Identifier: BSL-1.0
// A commit takes its handle: `commit` on a named one does not compile.
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
  HOLDFAST_TRY(ready, std::move(stage).seal());
#ifdef HOLDFAST_CONTROL
  HOLDFAST_TRYV(std::move(ready).commit());
#else
  HOLDFAST_TRYV(ready.commit());
#endif
  return hf::ok();
}
