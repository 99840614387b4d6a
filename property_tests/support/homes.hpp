// SPDX-License-Identifier: BSL-1.0
// The home that the crash tests use: two directory stores together, over any simulated file system.
#ifndef HOLDFAST_PROPERTY_TESTS_HOMES_HPP
#define HOLDFAST_PROPERTY_TESTS_HOMES_HPP

#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/staged_actor.hpp"

namespace crash {
/// `Fs` is the simulated file system or an adaptor made from one.
template <class Fs>
struct TwoDirectories {
  using Store = hf::BasicDirectoryStore<Fs>;
  using Both = hf::Together<Store, Store>;
  using Register = hf::BasicFileRegister<Fs, hf::testing::SimulatedWorld>;
  using Lock = hf::BasicFileLock<Fs, hf::testing::SimulatedWorld>;
  using Staged = hf::Staged<Both, Register, Lock, hf::testing::SimulatedWorld>;
  static constexpr std::size_t parts = 2;

  hf::StagedOptions options{};

  [[nodiscard]] hf::result<Staged> open(hf::testing::SimulatedProcess const& p) const {
    HOLDFAST_TRYV(hf::detail::make_directories(Fs{p.files}, "/db"));
    return hf::open_staged(options, store(p), Register{"/db/CURRENT", Fs{p.files}, p.world},
                           Lock{"/db/LOCK", Fs{p.files}, p.world}, p.world);
  }
  [[nodiscard]] auto follow(hf::testing::SimulatedProcess const& p) const {
    return hf::open_view(store(p), Register{"/db/CURRENT", Fs{p.files}, p.world});
  }
  [[nodiscard]] hf::result<void> put(typename Both::writer& writer,
                                     std::size_t part,
                                     hf::testing::Files const& files) const {
    auto& own = part == 0 ? std::get<0>(writer) : std::get<1>(writer);
    for (auto const& file : files) {
      HOLDFAST_TRYV(own.put(file.name, file.content));
    }
    return hf::ok();
  }
  [[nodiscard]] hf::result<hf::testing::Files> get(typename Both::reader const& reader,
                                                   std::size_t part) const {
    auto const& own = part == 0 ? std::get<0>(reader) : std::get<1>(reader);
    hf::testing::Files files;
    for (auto const& name : own.names()) {
      HOLDFAST_TRY(content, own.get(name));
      files.push_back({name, content});
    }
    return files;
  }
  [[nodiscard]] auto generations(hf::testing::SimulatedProcess const& p) const {
    auto both = store(p);
    return both.generations();
  }

 private:
  [[nodiscard]] static Both store(hf::testing::SimulatedProcess const& p) {
    Both both{Store{"keys", {}, Fs{p.files}}, Store{"stats", {}, Fs{p.files}}};
    both.place("/db");
    return both;
  }
};
}  // namespace crash

#endif
