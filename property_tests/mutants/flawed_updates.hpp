// SPDX-License-Identifier: BSL-1.0
// A small store that takes updates, right, or with one flaw: each state is a whole file of its own,
// with its number and checksum, and the newest whole one counts.
#ifndef HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_UPDATES_HPP
#define HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_UPDATES_HPP

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/building.hpp"
#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/detail/update_marks.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/update_concepts.hpp"

namespace mutants {
enum class UpdateFlaw : std::uint8_t {
  none,
  marks_before_data,
  no_sync,
  applies_again,
  goes_on_from_the_seal,
  removes_before_it_writes,
  changes_without_saying_so,
  readers_follow,
  readers_without_marks,
};

class StateStore {
  using Fs = hf::testing::SimulatedFiles;
  using Files = hf::testing::Files;
  struct State {
    hf::Marks marks;
    Files files;
  };

 public:
  using batch_type = Files;
  static constexpr hf::Guarantees guarantees{.durable = true,
                                             .fenced = false,
                                             .detects_damage = false,
                                             .lifetime = hf::Lifetime::disk,
                                             .reach = hf::Reach::host};
  struct writer {
    hf::Building building;
    Files files;
    void put_over(Files const& over) { files = changed({{}, std::move(files)}, over, {}).files; }
  };
  struct reader {
    State state;
    std::shared_ptr<hf::result<State>> newest;  // of the store: what a flawed reader goes by
  };

  StateStore(std::string name, Fs fs, UpdateFlaw flaw)
      : fs_{fs}, folders_{std::move(name), std::move(fs)}, flaw_{flaw} {
    folders_.place("/db");
  }

  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }
  [[nodiscard]] hf::result<writer> create(hf::Generation g) {
    HOLDFAST_TRY(building, folders_.create(g));
    building.updates = true;
    return writer{std::move(building), {}};
  }
  [[nodiscard]] hf::result<void> seal(writer& w) {
    if (!w.building.sealed && !w.building.sealing) {
      HOLDFAST_TRYV(write(w.building.path, 0, {{}, w.files}));
    }
    return folders_.seal(w.building, hf::Digest::none);
  }
  [[nodiscard]] hf::result<reader> open(hf::Generation g) const {
    HOLDFAST_TRYV(folders_.open(g, false));
    HOLDFAST_TRY(state, newest(g));
    *shown_ = state;
    return reader{state, shown_};
  }
  [[nodiscard]] hf::result<void> drop(hf::Generation g) { return folders_.drop(g); }
  [[nodiscard]] auto generations() const { return folders_.generations(); }
  [[nodiscard]] auto updates(hf::Generation g) const { return folders_.updates(g); }

  [[nodiscard]] hf::result<void> apply(hf::Generation g,
                                       Files const& batch,
                                       hf::Marks const& marks) {
    HOLDFAST_TRY(state, newest(g));
    HOLDFAST_TRY(fresh, hf::detail::is_fresh(state.marks, marks, "states"));
    if (!fresh && flaw_ != UpdateFlaw::applies_again) return hf::ok();
    if (flaw_ != UpdateFlaw::changes_without_saying_so) {
      HOLDFAST_TRYV(folders_.begin_updates(g));
    }
    auto const next = changed(begins_ && flaw_ == UpdateFlaw::goes_on_from_the_seal
                                  ? State{state.marks, sealed_files_}
                                  : state,
                              batch, marks);
    begins_ = false;
    HOLDFAST_TRYV(put(g, state, next));
    *shown_ = next;
    return hf::ok();
  }
  [[nodiscard]] hf::result<hf::Marks> marks(hf::Generation g) const {
    HOLDFAST_TRY(state, newest(g));
    // What a killed process has written counts once it is durable.
    HOLDFAST_TRY(file,
                 fs_.open(path_of(folders_.path_of(g), number_of(state.marks)), hf::Open::read));
    HOLDFAST_TRYV(fs_.sync(file));
    HOLDFAST_TRYV(fs_.sync_directory(folders_.path_of(g)));
    return state.marks;
  }
  [[nodiscard]] std::optional<hf::Marks> marks_of(reader const& from) const {
    if (flaw_ == UpdateFlaw::readers_without_marks) return std::nullopt;
    return from.state.marks;
  }
  /// The files that a generation begins with, for the flaw that goes back to them.
  void remember(Files files) { sealed_files_ = std::move(files); }

 private:
  static std::string path_of(std::string const& folder, std::uint64_t number) {
    return folder + "/state-" + std::to_string(number);
  }
  static std::uint64_t number_of(hf::Marks const& marks) {
    return marks.empty() ? 0 : marks.begin()->second;
  }
  static State changed(State state, Files const& batch, hf::Marks const& marks) {
    std::map<std::string, hf::bytes> all;
    for (auto const& file : state.files) all[file.name] = file.content;
    for (auto const& file : batch) all[file.name] = file.content;
    State next{hf::detail::merged(std::move(state.marks), marks), {}};
    for (auto const& [name, content] : all) next.files.push_back({name, content});
    return next;
  }

  // The state before goes once the next one is durable.
  [[nodiscard]] hf::result<void> put(hf::Generation g, State const& before, State const& next) {
    auto const folder = folders_.path_of(g);
    auto const old = path_of(folder, number_of(before.marks));
    if (flaw_ == UpdateFlaw::removes_before_it_writes) {
      HOLDFAST_TRYV(fs_.remove(old));
      HOLDFAST_TRYV(fs_.sync_directory(folder));
      return write(folder, number_of(next.marks), next);
    }
    if (flaw_ == UpdateFlaw::marks_before_data) {
      HOLDFAST_TRYV(write(folder, number_of(next.marks), {next.marks, before.files}));
    }
    if (flaw_ != UpdateFlaw::applies_again || number_of(next.marks) != number_of(before.marks)) {
      HOLDFAST_TRYV(write(folder, number_of(next.marks), next));
      return fs_.remove(old);
    }
    return write(folder, number_of(next.marks), next);
  }
  [[nodiscard]] hf::result<void> write(std::string const& folder,
                                       std::uint64_t number,
                                       State const& state) const {
    auto const content = encode(state);
    auto const path = path_of(folder, number);
    HOLDFAST_TRYV(hf::detail::remove_if_there(fs_, path));
    HOLDFAST_TRY(file, fs_.open(path, hf::Open::create));
    HOLDFAST_TRYV(fs_.write_at(file, 0, content));
    if (flaw_ == UpdateFlaw::no_sync && number != 0) return hf::ok();
    HOLDFAST_TRYV(fs_.sync(file));
    return fs_.sync_directory(folder);
  }

  [[nodiscard]] hf::result<State> newest(hf::Generation g) const {
    auto const folder = folders_.path_of(g);
    HOLDFAST_TRY(entries, fs_.list(folder));
    std::vector<std::uint64_t> numbers;
    for (auto const& entry : entries) {
      if (entry.name.starts_with("state-")) numbers.push_back(std::stoull(entry.name.substr(6)));
    }
    std::sort(numbers.rbegin(), numbers.rend());
    for (auto const number : numbers) {
      HOLDFAST_TRY(content, hf::detail::read_file(fs_, path_of(folder, number), 1 << 20));
      if (auto state = decode(content)) return *std::move(state);
    }
    return hf::failure(hf::errc::damaged, "no whole state", folder);
  }

  static hf::bytes encode(State const& state) {
    hf::bytes out;
    auto const put = [&out](std::uint64_t number) {
      out.resize(out.size() + 8);
      hf::put_le(hf::bytes_span{out}, out.size() - 8, number);
    };
    auto const put_bytes = [&](hf::bytes_view content) {
      put(content.size());
      out.insert(out.end(), content.begin(), content.end());
    };
    put(state.marks.size());
    for (auto const& [name, value] : state.marks) {
      put_bytes(hf::as_bytes(name));
      put(value);
    }
    put(state.files.size());
    for (auto const& file : state.files) {
      put_bytes(hf::as_bytes(file.name));
      put_bytes(file.content);
    }
    put(hf::crc32c(hf::bytes_view{out}));
    return out;
  }
  static std::optional<State> decode(hf::bytes const& from) {
    if (from.size() < 24) return std::nullopt;
    auto const end = from.size() - 8;
    auto const sum = hf::get_le<std::uint64_t>(hf::bytes_view{from}, end);
    if (sum != hf::crc32c(hf::bytes_view{from}.first(end))) return std::nullopt;
    hf::detail::SealCursor cursor{hf::bytes_view{from}.first(end)};
    auto const text = [&cursor] { return cursor.text(cursor.number<std::uint64_t>()); };
    State state;
    for (auto left = cursor.number<std::uint64_t>(); left > 0; --left) {
      std::string const name{text()};
      state.marks[name] = cursor.number<std::uint64_t>();
    }
    for (auto left = cursor.number<std::uint64_t>(); left > 0; --left) {
      std::string const name{text()};
      auto const content = hf::as_bytes(text());
      state.files.push_back({name, {content.begin(), content.end()}});
    }
    return cursor.good ? std::optional{std::move(state)} : std::nullopt;
  }

  Fs fs_;
  hf::SealedDirectory<Fs> folders_;
  UpdateFlaw flaw_;
  bool begins_ = true;
  Files sealed_files_{};
  std::shared_ptr<hf::result<State>> shown_ =
      std::make_shared<hf::result<State>>(hf::failure(hf::errc::not_found, "nothing shown"));
};
static_assert(hf::updatable_store<StateStore>);
}  // namespace mutants

#endif
