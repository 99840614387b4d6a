// SPDX-License-Identifier: BSL-1.0
// The README's store of one's own: a map in memory, one checksummed file a generation on disk.
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/file_blobs.hpp"
#include "holdfast/staged.hpp"
#include "readme_scratch.hpp"

namespace {
// [readme]
struct WordStore {
  using Words = std::map<std::string, int>;
  struct Writer {
    hf::Generation generation;
    Words words;
  };
  static constexpr hf::Guarantees guarantees = hf::FileBlobs::guarantees;

  hf::result<Writer> create(hf::Generation g) {
    HOLDFAST_TRYV(files.create(g));
    return Writer{g, {}};
  }
  hf::result<void> seal(Writer& w) {
    std::ostringstream text;
    for (auto const& [word, count] : w.words) text << word << ' ' << count << '\n';
    return files.put(w.generation, hf::as_bytes(text.str()));  // checksummed, synced, sealed
  }
  hf::result<Words> open(hf::Generation g) const {
    HOLDFAST_TRY(content, files.get(g));  // checked
    std::istringstream text{std::string{hf::as_text(content)}};
    Words words;
    for (auto [word, count] = std::pair{std::string{}, 0}; text >> word >> count;)
      words[word] = count;
    return words;
  }
  hf::result<void> drop(hf::Generation g) { return files.drop(g); }
  hf::result<std::vector<hf::Generation>> generations() const { return files.generations(); }
  std::string name() const { return files.name(); }
  void place(std::string const& home) { files.place(home); }

  hf::FileBlobs files{"words"};
};
static_assert(hf::placed_store<WordStore>);
// [readme]

hf::result<void> count_words(std::string const& home) {
  HOLDFAST_TRY(db, hf::open_staged(home, WordStore{}));
  HOLDFAST_TRY(stage, db.stage());
  stage.writer().words = {{"apple", 3}, {"pear", 4}};
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit());
  HOLDFAST_TRY(view, db.view());
  std::printf("%d pears\n", view->at("pear"));
  return hf::ok();
}
}  // namespace

int main() {
  readme::Scratch const scratch;
  return readme::run([&] { return count_words(scratch.path()); });
}
