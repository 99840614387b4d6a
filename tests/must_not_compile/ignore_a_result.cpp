// SPDX-License-Identifier: BSL-1.0
// Nothing that can fail may be ignored.
// expect: nodiscard|warn_unused_result
// errors: 1

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

#pragma GCC diagnostic error "-Wunused-result"

hf::result<void> run() {
  HOLDFAST_TRY(db, hf::open_staged(hf::StagedOptions{}, hf::MemoryStore<int>{},
                                   hf::MemoryRegister{}, hf::Exclusive{}));
#ifdef HOLDFAST_CONTROL
  HOLDFAST_TRYV(db.recover());
#else
  db.recover();
#endif
  return hf::ok();
}
