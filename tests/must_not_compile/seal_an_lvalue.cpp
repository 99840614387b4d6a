// SPDX-License-Identifier: BSL-1.0
// A stage is sealed by giving it away: `seal` on a named stage does not compile.
// expect: seal
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
#else
  HOLDFAST_TRY(ready, stage.seal());
#endif
  static_cast<void>(ready.generation());
  return hf::ok();
}
