// SPDX-License-Identifier: BSL-1.0
// A lock policy without `try_acquire` is told so, in one line, and nothing else is said.
// expect: lock_policy: needs  result<Grant> try_acquire\(Owner const&, FencingToken above\)
// errors: 1
#include <optional>
#include <utility>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/staged.hpp"

struct Lock {
  struct Grant {
    hf::FencingToken token;
  };
#ifdef HOLDFAST_CONTROL
  hf::result<Grant> try_acquire(hf::Owner const&, hf::FencingToken above) {
    return Grant{above};
  }
#endif
  hf::result<hf::FencingToken> force(hf::Holder const&, hf::FencingToken above) {
    return above;
  }
  hf::result<void> release(Grant&) {
    return hf::ok();
  }
  hf::result<std::optional<hf::Holder>> inspect() {
    return std::optional<hf::Holder>{};
  }
};

hf::result<void> rebuild() {
  HOLDFAST_TRY(db, hf::open_staged(hf::StagedOptions{}, hf::MemoryStore<int>{},
                                   hf::MemoryRegister{}, Lock{}));
  HOLDFAST_TRY(stage, db.stage());
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit());
  return hf::ok();
}
