// SPDX-License-Identifier: BSL-1.0
// Tests the binding for GoogleTest: a report without a broken law passes, one with one fails.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "holdfast/backend/memory_store.hpp"
#include "holdfast/testing/bindings/gtest.hpp"
#include "holdfast/testing/check_laws.hpp"

namespace {
using Store = hf::MemoryStore<std::map<std::string, hf::bytes>>;

struct Make {
  bool forgets = false;
  Store operator()(std::string const&) const { return Store{}; }
  hf::result<void> put(Store::writer& writer, hf::testing::Files const& files) const {
    for (auto const& file : files) (*writer)[file.name] = file.content;
    return hf::ok();
  }
  hf::result<hf::testing::Files> get(Store::reader const& reader) const {
    hf::testing::Files files;
    for (auto const& [name, content] : *reader) files.push_back({name, content});
    if (forgets) files.clear();
    return files;
  }
};
}  // namespace

TEST(Laws, hold) {
  hf::testing::gtest::check(hf::testing::check_laws<Store>(Make{}));
}

// Run by a test that expects it to fail.
TEST(Laws, DISABLED_broken) {
  hf::testing::gtest::check(hf::testing::check_laws<Store>(Make{true}));
}
