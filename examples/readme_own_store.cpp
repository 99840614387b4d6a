// SPDX-License-Identifier: BSL-1.0
// A staged home of the store that examples/own_store takes through the law kit.
#include <cstdio>
#include <string>
#include <utility>

#include "holdfast/staged.hpp"
#include "own_store/table.hpp"
#include "readme_scratch.hpp"

namespace {
hf::result<void> count_words(std::string const& home) {
  HOLDFAST_TRY(db, hf::open_staged(home, TableStore<>{.files = hf::FileBlobs{"words"}}));
  HOLDFAST_TRY(stage, db.stage());
  stage.writer().rows = {{"apple", "3"}, {"pear", "4"}};
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit());
  HOLDFAST_TRY(view, db.view());
  std::printf("%s pears\n", view->at("pear").c_str());
  return hf::ok();
}
}  // namespace

int main() {
  readme::Scratch const scratch;
  return readme::run([&] { return count_words(scratch.path()); });
}
