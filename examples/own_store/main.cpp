// SPDX-License-Identifier: BSL-1.0
// Takes a store of one's own through the law kit, then the same store over files whose sync was
// left out for speed, where the kit must find what a power cut would.
//
//   own_store [--json | --junit]    Exit code: 0 the store keeps its laws and the bug is found
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/staged.hpp"
#include "holdfast/testing/check_laws.hpp"
#include "table.hpp"

// [readme]
using hf::testing::SimulatedFiles;

// Files with a bug: nothing of them is synced.
struct HastyFiles : SimulatedFiles {
  explicit HastyFiles(SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  hf::result<void> sync(file&) const { return hf::ok(); }
};

template <class Fs>
struct Make {
  // As a process of the simulated machine opens it: with every crash state of what it does.
  auto operator()(hf::testing::SimulatedProcess const& process) const {
    TableStore<Fs> store{.files = hf::BasicFileBlobs<Fs>{"table", Fs{process.files}}};
    store.place("/db");
    return store;
  }
  // In a real folder: for what many threads share.
  auto operator()(std::string const& folder) const {
    TableStore<> store{.files = hf::FileBlobs{"table"}};
    store.place(folder);
    return store;
  }
  // What the kit writes, as rows, and rows as what it wrote.
  template <class Writer>
  hf::result<void> put(Writer& writer, hf::testing::Files const& files) const {
    for (auto const& file : files) writer.rows[file.name] = hf::as_text(file.content);
    return hf::ok();
  }
  hf::result<hf::testing::Files> get(TableStore<>::Table const& rows) const {
    hf::testing::Files files;
    for (auto const& [key, value] : rows) {
      auto const content = hf::as_bytes(value);
      files.push_back({key, {content.begin(), content.end()}});
    }
    return files;
  }
};

template <class Fs>
hf::testing::LawReport check() {
  return hf::testing::check_laws<TableStore<Fs>>(Make<Fs>{});
}
// [readme]

int main(int argc, char** argv) {
  auto const good = check<SimulatedFiles>();
  auto const bad = check<HastyFiles>();
  std::string_view const form = argc > 1 ? argv[1] : "";
  for (auto const& report : {good, bad}) {
    auto const out = form == "--json"    ? json(report)
                     : form == "--junit" ? junit(report)
                                         : text(report) + "\n";
    std::fputs(out.c_str(), stdout);
  }
  return good.ok() && !bad.ok() ? 0 : 1;
}
