// SPDX-License-Identifier: BSL-1.0
// Of a composition the part that does not live as long as the register is refused.
// expect: guarantees: this part does not (live as long|reach as far) as the register
// expect: MemoryStore<int>
// errors: 1
#include <utility>

#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/staged.hpp"

hf::result<void> rebuild() {
#ifdef HOLDFAST_CONTROL
  hf::DirectoryStore second{"second"};
#else
  hf::MemoryStore<int> second{"second"};
#endif
  HOLDFAST_TRY(db, hf::open_staged("home", hf::DirectoryStore{"first"}, std::move(second)));
  HOLDFAST_TRY(stage, db.stage());
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit());
  return hf::ok();
}
