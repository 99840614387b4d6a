// SPDX-License-Identifier: BSL-1.0
// The writer lives as long as its stage: none is given of a temporary.
// expect: writer
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
  *stage.writer() = 1;
#else
  *std::move(stage).writer() = 1;
#endif
  return hf::ok();
}
