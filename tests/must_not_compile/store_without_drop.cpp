// SPDX-License-Identifier: BSL-1.0
// A store without `drop` is told so, in one line, and nothing else is said.
// expect: generation_store: needs  result<void> drop\(Generation\)
// errors: 1
#include <utility>
#include <vector>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

struct Store {
  hf::result<int> create(hf::Generation) { return 1; }
  hf::result<void> seal(int&) { return hf::ok(); }
  hf::result<int> open(hf::Generation) { return 1; }
#ifdef HOLDFAST_CONTROL
  hf::result<void> drop(hf::Generation) {
    return hf::ok();
  }
#endif
  hf::result<std::vector<hf::Generation>> generations() {
    return std::vector<hf::Generation>{};
  }
};

// As a user writes it: the line about the store stays the only one.
hf::result<void> rebuild() {
  HOLDFAST_TRY(
      db, hf::open_staged(hf::StagedOptions{}, Store{}, hf::MemoryRegister{}, hf::Exclusive{}));
  HOLDFAST_TRY(stage, db.stage());
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRY(done, std::move(ready).commit({.marks = {{"offset", 1}}}));
  HOLDFAST_TRY(view, db.view());
  static_cast<void>(*view);
  static_cast<void>(done);
  return hf::ok();
}
