// SPDX-License-Identifier: BSL-1.0
// A home in a folder, of two directory stores, over files that can fail and a world that is
// watched.
#ifndef HOLDFAST_TESTS_SUPPORT_FILE_HOME_HPP
#define HOLDFAST_TESTS_SUPPORT_FILE_HOME_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "failing_files.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/staged.hpp"
#include "places.hpp"
#include "test_world.hpp"

namespace support {
/// Opens as often as a test wants; each object stands for a process of its own.
struct FileHome {
  using Folders = hf::BasicDirectoryStore<FailingFiles>;
  using Store = hf::Together<Folders, Folders>;
  using Register = hf::BasicFileRegister<FailingFiles, TestWorld>;
  using Lock = hf::BasicFileLock<FailingFiles, TestWorld>;
  using Staged = hf::Staged<Store, Register, Lock, TestWorld>;
  using Follower = hf::Follower<Store, Register>;

  Place place{On::memory};
  std::string path = place / "home";
  FailingFiles files{};
  TestWorld world{};
  std::pair<std::string, std::string> names{"keys", "stats"};
  hf::StagedOptions options{.publish_grace_ms = 0};

  FileHome() { fs::create_directory(path); }

  [[nodiscard]] std::string operator/(std::string const& name) const { return path + "/" + name; }
  [[nodiscard]] Store store() const {
    Store both{Folders{names.first, {}, files}, Folders{names.second, {}, files}};
    both.place(path);
    return both;
  }
  [[nodiscard]] Register reg() const { return Register{*this / "CURRENT", files, world}; }
  [[nodiscard]] Lock lock() const { return Lock{*this / "LOCK", files, world}; }
  [[nodiscard]] hf::result<Staged> open() const {
    return hf::open_staged(options, store(), reg(), lock(), world);
  }
  [[nodiscard]] hf::result<Follower> follow() const { return hf::open_view(store(), reg()); }

  /// The folders of generations in each store.
  [[nodiscard]] std::vector<std::uint64_t> in_store(std::string const& name) const {
    std::vector<std::uint64_t> numbers;
    for (auto const& folder : names_in(*this / name)) {
      if (folder[0] >= '0' && folder[0] <= '9') numbers.push_back(std::stoull(folder));
    }
    return numbers;
  }
  [[nodiscard]] std::string folder(std::string const& name, std::uint64_t g) const {
    auto const digits = std::to_string(g);
    return *this / (name + "/" + std::string(10 - digits.size(), '0') + digits);
  }
};

/// The same text in both stores.
template <class Stage>
[[nodiscard]] hf::result<void> fill(Stage& stage, std::string_view text) {
  HOLDFAST_TRYV(std::get<0>(stage.writer()).put("value", hf::as_bytes(text)));
  return std::get<1>(stage.writer()).put("deep/er/value", hf::as_bytes(text));
}
/// One build from stage to commit.
template <class Staged>
[[nodiscard]] hf::result<hf::Committed> commit_files(Staged& db,
                                                     std::string_view text,
                                                     hf::Marks marks = {}) {
  HOLDFAST_TRY(stage, db.stage());
  HOLDFAST_TRYV(fill(stage, text));
  HOLDFAST_TRY(ready, std::move(stage).seal());
  return std::move(ready).commit({.marks = std::move(marks)});
}

/// As many as that, each with its number as text and as mark.
inline void commit_some(FileHome const& home, int count) {
  auto db = home.open().value();
  for (int i = 1; i <= count; ++i) {
    commit_files(db, std::to_string(i), {{"n", static_cast<std::uint64_t>(i)}}).value();
  }
}

/// The text that both stores have in this view; says so if they differ.
template <class View>
[[nodiscard]] std::string text_in(View const& view) {
  auto const& [keys, stats] = *view;
  auto const one = keys.get("value");
  auto const other = stats.get("deep/er/value");
  if (!one || !other) return "unreadable";
  std::string const text{hf::as_text(one.value())};
  return text == hf::as_text(other.value()) ? text : "mixed";
}
/// What readers see now, or why they see nothing.
template <class Reads>
[[nodiscard]] std::string shown_files(Reads const& db) {
  auto const view = db.view();
  if (!view) return std::string{hf::message(view.error().code())};
  return text_in(view.value());
}
}  // namespace support

#endif
