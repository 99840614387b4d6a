// SPDX-License-Identifier: BSL-1.0
// A view reads: what it gives is const.
// expect: const|read-only
// errors: 1
#include <utility>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

hf::result<void> run() {
  HOLDFAST_TRY(db, hf::open_staged(hf::StagedOptions{}, hf::MemoryStore<int>{},
                                   hf::MemoryRegister{}, hf::Exclusive{}));
  HOLDFAST_TRY(view, db.view());
#ifdef HOLDFAST_CONTROL
  static_cast<void>(**view == 1);
#else
  **view = 1;
#endif
  return hf::ok();
}
