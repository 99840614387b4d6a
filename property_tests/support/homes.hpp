// SPDX-License-Identifier: BSL-1.0
// What the crash tests are about: a register, a directory store, and a home of two of them
// together, over any simulated file system.
#ifndef HOLDFAST_PROPERTY_TESTS_HOMES_HPP
#define HOLDFAST_PROPERTY_TESTS_HOMES_HPP

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/staged_laws.hpp"

namespace crash {
/// Puts the files through the writer, which syncs each, or, if `raw`, as a program of its own
/// would: written beside it and left for the seal to sync.
template <class Fs, class Writer>
[[nodiscard]] hf::result<void> put_all(Fs const& fs,
                                       Writer& writer,
                                       hf::testing::Files const& files,
                                       bool raw) {
  for (auto const& file : files) {
    if (!raw) {
      HOLDFAST_TRYV(writer.put(file.name, file.content));
      continue;
    }
    auto const path = hf::detail::join(writer.path(), file.name);
    HOLDFAST_TRYV(hf::detail::make_directories(fs, hf::detail::parent_of(path)));
    HOLDFAST_TRY(open, fs.open(path, hf::Open::create));
    HOLDFAST_TRYV(fs.write_at(open, 0, file.content));
  }
  return hf::ok();
}
template <class Reader>
[[nodiscard]] hf::result<hf::testing::Files> get_all(Reader const& reader) {
  hf::testing::Files files;
  for (auto const& name : reader.names()) {
    HOLDFAST_TRY(content, reader.get(name));
    files.push_back({name, content});
  }
  return files;
}

/// A directory store alone. `Fs` is the simulated file system or an adaptor made from one.
template <class Fs>
struct OneDirectory {
  using Store = hf::BasicDirectoryStore<Fs>;
  bool raw = false;

  [[nodiscard]] Store open(hf::testing::SimulatedProcess const& p) const {
    Store store{"keys", {}, Fs{p.files}};
    store.place("/db");
    return store;
  }
  [[nodiscard]] auto put(hf::testing::SimulatedProcess const& p,
                         typename Store::writer& writer,
                         hf::testing::Files const& files) const {
    return put_all(Fs{p.files}, writer, files, raw);
  }
  [[nodiscard]] auto get(typename Store::reader const& reader) const { return get_all(reader); }
};

/// A register alone.
template <class Fs>
struct OneRegister {
  [[nodiscard]] auto operator()(hf::testing::SimulatedProcess const& p) const {
    return hf::BasicFileRegister<Fs, hf::testing::SimulatedWorld>{"/db/CURRENT", Fs{p.files},
                                                                  p.world};
  }
};

/// A file lock alone.
template <class Fs>
struct OneLock {
  [[nodiscard]] auto operator()(hf::testing::SimulatedProcess const& p) const {
    return hf::BasicFileLock<Fs, hf::testing::SimulatedWorld>{"/db/LOCK", Fs{p.files}, p.world};
  }
};

/// A home with two directory stores together. The second, and the register, may be others for once.
template <class Fs,
          class Second = hf::BasicDirectoryStore<Fs>,
          class Register = hf::BasicFileRegister<Fs, hf::testing::SimulatedWorld>>
struct TwoDirectories {
  using First = hf::BasicDirectoryStore<Fs>;
  using Both = hf::Together<First, Second>;
  using Lock = hf::BasicFileLock<Fs, hf::testing::SimulatedWorld>;
  using Staged = hf::Staged<Both, Register, Lock, hf::testing::SimulatedWorld>;
  static constexpr std::size_t parts = 2;

  hf::StagedOptions options{};
  bool raw = false;
  std::string path = "/db";

  [[nodiscard]] Both store(hf::testing::SimulatedProcess const& p) const {
    Both both{First{"keys", {}, Fs{p.files}}, Second{"stats", {}, Fs{p.files}}};
    both.place(path);
    return both;
  }
  [[nodiscard]] Register reg(hf::testing::SimulatedProcess const& p) const {
    return Register{path + "/CURRENT", Fs{p.files}, p.world};
  }
  [[nodiscard]] hf::result<Staged> open(hf::testing::SimulatedProcess const& p) const {
    HOLDFAST_TRYV(hf::detail::make_directories(Fs{p.files}, path));
    return hf::open_staged(options, store(p), reg(p), Lock{path + "/LOCK", Fs{p.files}, p.world},
                           p.world);
  }
  [[nodiscard]] auto follow(hf::testing::SimulatedProcess const& p) const {
    return hf::open_view(store(p), reg(p));
  }
  /// Of a build of the first part alone.
  [[nodiscard]] hf::result<void> put(hf::testing::SimulatedProcess const& p,
                                     std::tuple<hf::writer_of<First>>& writer,
                                     std::size_t,
                                     hf::testing::Files const& files) const {
    return put_all(Fs{p.files}, std::get<0>(writer), files, raw);
  }
  [[nodiscard]] hf::result<void> put(hf::testing::SimulatedProcess const& p,
                                     typename Both::writer& writer,
                                     std::size_t part,
                                     hf::testing::Files const& files) const {
    auto& own = part == 0 ? std::get<0>(writer) : std::get<1>(writer);
    return put_all(Fs{p.files}, own, files, raw);
  }
  /// Takes away what a build that begins as a copy has of one part.
  [[nodiscard]] hf::result<void> clear(hf::testing::SimulatedProcess const& p,
                                       typename Both::writer& writer,
                                       std::size_t part) const {
    auto const& folder = part == 0 ? std::get<0>(writer).path() : std::get<1>(writer).path();
    std::vector<std::string> names;
    auto const all = [](std::string_view) { return false; };
    HOLDFAST_TRYV(hf::detail::walk_tree(Fs{p.files}, folder, {}, all, names));
    for (auto const& name : names) {
      if (name.ends_with('/')) continue;
      HOLDFAST_TRYV(p.files.remove(hf::detail::join(folder, name)));
    }
    return hf::ok();
  }
  [[nodiscard]] auto get(typename Both::reader const& reader, std::size_t part) const {
    return get_all(part == 0 ? std::get<0>(reader) : std::get<1>(reader));
  }
  /// As a foreign reader: by the symlink alone.
  [[nodiscard]] hf::result<hf::testing::laws::SeenName> published(
      hf::testing::SimulatedProcess const& p, std::size_t part) const {
    auto const link = p.files.read_link(path + (part == 0 ? "/keys/current" : "/stats/current"));
    if (!link && link.error().code() == hf::errc::not_found) return hf::testing::laws::SeenName{};
    if (!link) return hf::failure(link.error());
    hf::Generation const g{std::strtoull(link.assume_value().c_str(), nullptr, 10)};
    auto both = store(p);
    if (part == 0) {
      HOLDFAST_TRYV(std::get<0>(both.stores()).open(g));
    } else {
      HOLDFAST_TRYV(std::get<1>(both.stores()).open(g));
    }
    return hf::testing::laws::SeenName{g.number, true};
  }
  [[nodiscard]] auto generations(hf::testing::SimulatedProcess const& p) const {
    auto both = store(p);
    return both.generations();
  }
};
}  // namespace crash

#endif
