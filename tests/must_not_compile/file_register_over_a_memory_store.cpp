// SPDX-License-Identifier: BSL-1.0
// A register must not outlive what it names: a file register over a store in memory is refused.
// expect: guarantees: this part does not (live as long|reach as far) as the register
// errors: 1
#include <utility>

#include "holdfast/backend/file_register.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

hf::result<void> rebuild() {
#ifdef HOLDFAST_CONTROL
  hf::MemoryRegister reg;
#else
  hf::FileRegister reg{"CURRENT"};
#endif
  HOLDFAST_TRY(db, hf::open_staged(hf::StagedOptions{}, hf::MemoryStore<int>{}, std::move(reg),
                                   hf::Exclusive{}));
  HOLDFAST_TRY(stage, db.stage());
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit());
  return hf::ok();
}
