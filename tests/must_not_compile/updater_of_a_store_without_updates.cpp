// SPDX-License-Identifier: BSL-1.0
// A store whose generations can't be changed in place is refused by an updater, by name.
// expect: updatable_store: needs  batch_type
// errors: 1
#include <optional>
#include <vector>

#include "holdfast/backend/memory_register.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

struct Store {
  hf::result<int> create(hf::Generation) { return 1; }
  hf::result<void> seal(int&) { return hf::ok(); }
  hf::result<int> open(hf::Generation) { return 1; }
  hf::result<void> drop(hf::Generation) { return hf::ok(); }
  hf::result<std::vector<hf::Generation>> generations() { return std::vector<hf::Generation>{}; }
#ifdef HOLDFAST_CONTROL
  using batch_type = int;
  hf::result<bool> updates(hf::Generation) const {
    return true;
  }
  hf::result<void> apply(hf::Generation, int, hf::Marks const&) {
    return hf::ok();
  }
  hf::result<hf::Marks> marks(hf::Generation) {
    return hf::Marks{};
  }
  std::optional<hf::Marks> marks_of(int const&) const {
    return hf::Marks{};
  }
#endif
};

hf::result<void> update() {
  HOLDFAST_TRY(updater, hf::open_updater(Store{}, hf::MemoryRegister{}, hf::Exclusive{}));
  HOLDFAST_TRY(view, updater.view());
  static_cast<void>(*view);
  return hf::ok();
}
