// SPDX-License-Identifier: BSL-1.0
// Mutants for the laws of stores.
#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "flawed_store.hpp"
#include "flaws.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/testing/store_subject.hpp"
#include "mutant.hpp"

namespace mutants {
namespace {
using hf::testing::Law, hf::testing::store_subject, hf::testing::SimulatedProcess;

struct Folders {
  Flaw flaw = Flaw::none;
  [[nodiscard]] FlawedStore operator()(SimulatedProcess const& p) const {
    FlawedStore store{"keys", FlawedFiles{p.files, flaw}, flaw};
    store.place("/db");
    return store;
  }
};
struct Unchecked : Folders {
  [[nodiscard]] auto get(FlawedStore::reader const& reader) const {
    return FlawedStore::get(reader, flaw);
  }
};

// A store in memory whose reader looks up one name at a time. With one place for the name, shared
// by all threads, they get in each other's way.
struct Shelf {
  bool shares = false;
  using Books = std::map<std::string, hf::bytes>;
  using Store = hf::MemoryStore<Books>;

  [[nodiscard]] Store operator()(std::string const&) const { return Store{}; }
  [[nodiscard]] hf::result<void> put(Store::writer& writer, hf::testing::Files const& files) const {
    for (auto const& file : files) (*writer)[file.name] = file.content;
    return hf::ok();
  }
  [[nodiscard]] hf::result<hf::testing::Files> get(Store::reader const& reader) const {
    std::atomic<std::size_t> own{0};
    auto& at = shares ? *cursor : own;
    hf::testing::Files files;
    at = 0;
    for (std::size_t i = 0; i < reader->size(); ++i) {
      auto const place = at.fetch_add(1);
      std::this_thread::yield();
      if (place >= reader->size()) break;
      auto const book = std::next(reader->begin(), static_cast<std::ptrdiff_t>(place));
      files.push_back({book->first, book->second});
    }
    return files;
  }
  std::shared_ptr<std::atomic<std::size_t>> cursor = std::make_shared<std::atomic<std::size_t>>(0);
};

Mutant one(Law const& law, char const* name, Flaw flaw) {
  return {law.id, name, store_subject("mutant", Folders{flaw}),
          store_subject("the directory store", Folders{})};
}
}  // namespace

Mutants of_stores() {
  using namespace hf::testing::laws;  // NOLINT(google-build-using-namespace)
  return {one(b1, "no file sync", Flaw::no_file_sync),
          one(b1, "no directory sync", Flaw::no_directory_sync),
          one(b1, "no sync of a nested directory", Flaw::no_nested_directory_sync),
          one(b2, "a second seal is refused", Flaw::refuses_a_second_seal),
          one(b3, "the one before is dropped too", Flaw::drops_the_one_before),
          one(b3, "a drop is not synced", Flaw::no_sync_after_remove),
          one(b4, "only what is sealed is listed", Flaw::lists_the_sealed_alone),
          one(b4, "no directory sync", Flaw::no_directory_sync),
          one(b5, "what is unsealed is sealed and opened", Flaw::opens_what_is_unsealed),
          one(b6, "a build writes into the one before", Flaw::writes_into_the_one_before),
          {b7.id, "threads share one cursor", store_subject("mutant", Shelf{true}),
           store_subject("a store in memory", Shelf{})},
          {store_damage.id, "data is read unchecked",
           store_subject("mutant", Unchecked{{Flaw::reads_unchecked}}),
           store_subject("the directory store, through its paths", Unchecked{})},
          one(store_again, "a look seals what it finds", Flaw::seals_what_it_looks_at)};
}
}  // namespace mutants
