// SPDX-License-Identifier: BSL-1.0
// What the crash tests of the database stores are about: a SQLite store and a RocksDB store on the
// simulated disk, each alone, and a home of any two stores together.
#ifndef HOLDFAST_PROPERTY_TESTS_DATABASE_PLACES_HPP
#define HOLDFAST_PROPERTY_TESTS_DATABASE_PLACES_HPP

#include <concepts>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/resume_concepts.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/staged_laws.hpp"

namespace crash {
/// The files of a process as `Fs` sees them: some adaptors want the files, some the whole process.
template <class Fs>
[[nodiscard]] Fs files_for(hf::testing::SimulatedProcess const& p) {
  if constexpr (std::constructible_from<Fs, hf::testing::SimulatedProcess const&>) {
    return Fs{p};
  } else {
    return Fs{p.files};
  }
}

/// Something of a database, with what that database runs on, which outlives it.
template <class T, class Ground>
class Grounded {
 public:
  Grounded(std::shared_ptr<Ground> ground, T value)
      : ground_{std::move(ground)}, value_{std::move(value)} {}
  Grounded(Grounded&&) noexcept = default;
  Grounded& operator=(Grounded&& other) noexcept {
    std::swap(ground_, other.ground_);
    std::swap(value_, other.value_);
    return *this;
  }
  ~Grounded() = default;
  [[nodiscard]] T& operator*() noexcept { return value_; }
  [[nodiscard]] T const& operator*() const noexcept { return value_; }

 private:
  std::shared_ptr<Ground> ground_;
  T value_;
};

/// A store that brings what it runs on: a VFS, an Env.
template <class Store, class Ground>
class GroundedStore {
 public:
  using writer = Grounded<typename Store::writer, Ground>;
  using reader = Grounded<typename Store::reader, Ground>;
  static constexpr hf::Guarantees guarantees = Store::guarantees;

  GroundedStore(std::shared_ptr<Ground> ground, Store store)
      : ground_{std::move(ground)}, store_{std::move(store)} {}

  void place(std::string const& home) { store_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return store_.name(); }
  [[nodiscard]] hf::result<writer> create(hf::Generation g) {
    HOLDFAST_TRY(made, store_.create(g));
    return writer{ground_, std::move(made)};
  }
  [[nodiscard]] auto note(writer& w, hf::bytes_view words) requires hf::resuming_store<Store> {
    return store_.note(*w, words);
  }
  [[nodiscard]] hf::result<writer> resume(hf::Generation g) requires hf::resuming_store<Store> {
    HOLDFAST_TRY(made, store_.resume(g));
    return writer{ground_, std::move(made)};
  }
  [[nodiscard]] auto notes(writer const& w) const requires hf::resuming_store<Store> {
    return store_.notes(*w);
  }
  [[nodiscard]] hf::result<void> seal(writer& w) { return store_.seal(*w); }
  [[nodiscard]] hf::result<reader> open(hf::Generation g) const {
    HOLDFAST_TRY(opened, store_.open(g));
    return reader{ground_, std::move(opened)};
  }
  [[nodiscard]] hf::result<void> drop(hf::Generation g) { return store_.drop(g); }
  [[nodiscard]] auto generations() const { return store_.generations(); }
  [[nodiscard]] hf::result<void> publish(hf::Generation g) { return store_.publish(g); }

 private:
  std::shared_ptr<Ground> ground_;
  Store store_;
};

/// A home with two stores together, as two places open and fill them.
template <class First, class Second, class Fs>
struct TwoPlaces {
  using Both = hf::Together<typename First::Store, typename Second::Store>;
  using Register = hf::BasicFileRegister<Fs, hf::testing::SimulatedWorld>;
  using Lock = hf::BasicFileLock<Fs, hf::testing::SimulatedWorld>;
  using Staged = hf::Staged<Both, Register, Lock, hf::testing::SimulatedWorld>;
  static constexpr std::size_t parts = 2;

  hf::StagedOptions options{};
  bool raw = false;  ///< each generation is filled in a way of its own, else all in the plainest
  First first{};
  Second second{};

  [[nodiscard]] hf::result<Staged> open(hf::testing::SimulatedProcess const& p) const {
    HOLDFAST_TRYV(hf::detail::make_directories(files_for<Fs>(p), "/db"));
    return hf::open_staged(options, store(p), Register{"/db/CURRENT", files_for<Fs>(p), p.world},
                           Lock{"/db/LOCK", files_for<Fs>(p), p.world}, p.world);
  }
  [[nodiscard]] auto follow(hf::testing::SimulatedProcess const& p) const {
    return hf::open_view(store(p), Register{"/db/CURRENT", files_for<Fs>(p), p.world});
  }
  [[nodiscard]] hf::result<void> put(hf::testing::SimulatedProcess const& p,
                                     typename Both::writer& writer,
                                     std::size_t part,
                                     hf::testing::Files const& files) const {
    return part == 0 ? filled(first).put(p, std::get<0>(writer), files)
                     : filled(second).put(p, std::get<1>(writer), files);
  }
  [[nodiscard]] hf::result<hf::testing::Files> get(typename Both::reader const& reader,
                                                   std::size_t part) const {
    return part == 0 ? first.get(std::get<0>(reader)) : second.get(std::get<1>(reader));
  }
  /// As a foreign reader: by the symlink alone.
  [[nodiscard]] hf::result<hf::testing::laws::SeenName> published(
      hf::testing::SimulatedProcess const& p, std::size_t part) const {
    auto const link = files_for<Fs>(p).read_link(part == 0 ? First::link : Second::link);
    if (!link && link.error().code() == hf::errc::not_found) return hf::testing::laws::SeenName{};
    if (!link) return hf::failure(link.error());
    hf::Generation const g{std::strtoull(link.assume_value().c_str(), nullptr, 10)};
    bool const opens =
        part == 0 ? first.open(p).open(g).has_value() : second.open(p).open(g).has_value();
    return hf::testing::laws::SeenName{g.number, opens};
  }
  [[nodiscard]] auto generations(hf::testing::SimulatedProcess const& p) const {
    auto both = store(p);
    return both.generations();
  }

 private:
  template <class Place>
  [[nodiscard]] Place filled(Place place) const {
    place.raw = raw;
    return place;
  }
  [[nodiscard]] Both store(hf::testing::SimulatedProcess const& p) const {
    Both both{first.open(p), second.open(p)};
    both.place("/db");
    return both;
  }
};
}  // namespace crash

#endif
