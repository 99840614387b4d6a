// SPDX-License-Identifier: BSL-1.0
// A store that can't be read can't be followed either.
// expect: generation_store: needs  result<Reader> open\(Generation\)
// errors: 1
#include <vector>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/staged.hpp"

struct Store {
  hf::result<int> create(hf::Generation) { return 1; }
  hf::result<void> seal(int&) { return hf::ok(); }
#ifdef HOLDFAST_CONTROL
  hf::result<int> open(hf::Generation) {
    return 1;
  }
#endif
  hf::result<void> drop(hf::Generation) {
    return hf::ok();
  }
  hf::result<std::vector<hf::Generation>> generations() {
    return std::vector<hf::Generation>{};
  }
};

hf::result<void> follow() {
  HOLDFAST_TRY(db, hf::open_view(Store{}, hf::MemoryRegister{}));
  HOLDFAST_TRY(view, db.view());
  static_cast<void>(*view);
  return hf::ok();
}
