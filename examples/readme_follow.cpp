// SPDX-License-Identifier: BSL-1.0
// The README's reader in another process: it follows the switches and writes nothing.
#include <cstdio>
#include <string>
#include <utility>

#include "holdfast/backend/directory.hpp"
#include "holdfast/staged.hpp"
#include "readme_scratch.hpp"

namespace {
hf::result<void> publish(std::string const& home, std::string const& text) {
  HOLDFAST_TRY(db, hf::open_staged(home, hf::DirectoryStore{"pages"}));
  HOLDFAST_TRY(stage, db.stage());
  HOLDFAST_TRYV(stage.writer().put("index", hf::as_bytes(text)));
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit({.marks = {{"length", text.size()}}}));
  return hf::ok();
}

// [readme]
template <class Follower>
hf::result<void> answer(Follower& db) {
  HOLDFAST_TRY(switched, db.refresh());  // cheap; true if something else is current now
  HOLDFAST_TRY(view, db.view());         // held: nobody deletes it meanwhile
  HOLDFAST_TRY(page, view->get("index"));
  std::printf("generation %d%s: %zu bytes, %d by its mark\n",
              static_cast<int>(view.generation().number), switched ? " is new" : "", page.size(),
              static_cast<int>(view.marks().at("length")));
  return hf::ok();
}

hf::result<void> follow(std::string const& home) {
  HOLDFAST_TRY(db, hf::open_view(home, hf::DirectoryStore{"pages"}));
  HOLDFAST_TRYV(answer(db));
  HOLDFAST_TRYV(publish(home, "another process may do this at any time"));
  return answer(db);
}
// [readme]
}  // namespace

int main() {
  readme::Scratch const scratch;
  return readme::run([&]() -> hf::result<void> {
    HOLDFAST_TRYV(publish(scratch.path(), "the first page"));
    return follow(scratch.path());
  });
}
