// SPDX-License-Identifier: BSL-1.0
// A user's program: switches to a first generation in memory and reads it.
#include <holdfast/holdfast.hpp>

int main() {
  auto db = hf::open_staged(hf::StagedOptions{}, hf::MemoryStore<int>{}, hf::MemoryRegister{},
                            hf::Exclusive{});
  if (!db) return 1;
  auto stage = db.value().stage();
  if (!stage) return 1;
  *stage.value().writer() = 42;
  auto ready = std::move(stage).value().seal();
  if (!ready || !std::move(ready).value().commit()) return 1;
  auto const view = db.value().view();
  return view && **view.value() == 42 ? 0 : 1;
}
