// SPDX-License-Identifier: BSL-1.0
// Tells an event in a world where nobody listens, and, as the control, in one where somebody does.
#include "holdfast/event.hpp"
#include "holdfast/world.hpp"

struct Listening : hf::Native {
  void on(hf::Event const& event) const noexcept;
};

extern "C" void tell_nobody(hf::Native const& world, hf::Generation const& g) {
  hf::detail::tell(world, {.kind = hf::Event::Kind::switched, .generation = g, .task = "a task"});
}
extern "C" void tell_somebody(Listening const& world, hf::Generation const& g) {
  hf::detail::tell(world, {.kind = hf::Event::Kind::switched, .generation = g, .task = "a task"});
}
