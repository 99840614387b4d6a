// SPDX-License-Identifier: BSL-1.0
// What a view gives lives as long as the view: `*` of a temporary does not compile.
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
#ifdef HOLDFAST_CONTROL
  HOLDFAST_TRY(view, db.view());
  auto const& reader = *view;
#else
  auto const& reader = *db.view().value();
#endif
  static_cast<void>(*reader);
  return hf::ok();
}
