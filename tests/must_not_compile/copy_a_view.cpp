// SPDX-License-Identifier: BSL-1.0
// A view stays where it was made: it can be neither copied nor moved.
// expect: deleted
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
  auto& same = view;
#else
  auto same = view;
#endif
  static_cast<void>(same.generation());
  return hf::ok();
}
