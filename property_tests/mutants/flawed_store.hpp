// SPDX-License-Identifier: BSL-1.0
// The library's directory store, right, or with one flaw.
#ifndef HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_STORE_HPP
#define HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_STORE_HPP

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "flaws.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/files.hpp"

namespace mutants {
/// The files of the process that opened a store last in this thread: a reader does not give its own
/// away.
inline thread_local std::shared_ptr<FlawedFiles> last_files{};

class FlawedStore {
  using Inner = hf::BasicDirectoryStore<FlawedFiles>;

 public:
  using writer = Inner::writer;
  using reader = Inner::reader;
  static constexpr hf::Guarantees guarantees = Inner::guarantees;

  /// `fs` may have a flaw of its own.
  FlawedStore(std::string name, FlawedFiles fs, Flaw flaw)
      : inner_{name, {}, fs}, folders_{std::move(name), fs}, flaw_{flaw} {
    last_files = std::make_shared<FlawedFiles>(std::move(fs));
  }

  void place(std::string const& home) {
    inner_.place(home);
    folders_.place(home);
  }
  [[nodiscard]] std::string const& name() const noexcept { return inner_.name(); }

  [[nodiscard]] hf::result<writer> create(hf::Generation g) {
    if (flaw_ == Flaw::writes_into_the_one_before && g.number > 1) {
      HOLDFAST_TRYV(spoil({g.number - 1}));
    }
    return inner_.create(g);
  }
  [[nodiscard]] hf::result<void> seal(writer& w) {
    if (flaw_ == Flaw::refuses_a_second_seal && w.building().sealed)
      return hf::failure(hf::errc::spent, "seal", w.path());
    HOLDFAST_TRYV(inner_.seal(w));
    if (flaw_ != Flaw::publishes_when_it_seals) return hf::ok();
    return inner_.publish(w.generation());
  }
  [[nodiscard]] hf::result<reader> open(hf::Generation g) const {
    if (flaw_ == Flaw::opens_the_newest) return open_newest(g);
    auto opened = inner_.open(g);
    bool const unsealed = !opened && opened.error().code() == hf::errc::unsealed;
    bool const seals =
        flaw_ == Flaw::opens_what_is_unsealed || flaw_ == Flaw::seals_what_it_looks_at;
    if (!unsealed || !seals) return opened;
    hf::Building building{.generation = g, .path = folders_.path_of(g)};
    auto folders = folders_;
    HOLDFAST_TRYV(folders.seal(building, hf::Digest::read_back));
    return flaw_ == Flaw::opens_what_is_unsealed ? inner_.open(g) : std::move(opened);
  }
  [[nodiscard]] hf::result<void> drop(hf::Generation g) {
    if (flaw_ == Flaw::drops_nothing || flaw_ == Flaw::commits_discards) return hf::ok();
    if (flaw_ == Flaw::drops_the_one_before && g.number > 1) {
      HOLDFAST_TRYV(inner_.drop({g.number - 1}));
    }
    if (flaw_ == Flaw::drops_all_before) {
      HOLDFAST_TRY(all, inner_.generations());
      for (auto const other : all) {
        if (other >= g) break;
        HOLDFAST_TRYV(inner_.drop(other));
      }
    }
    return inner_.drop(g);
  }
  [[nodiscard]] hf::result<std::vector<hf::Generation>> generations() const {
    HOLDFAST_TRY(all, inner_.generations());
    if (flaw_ == Flaw::lists_the_sealed_alone)
      std::erase_if(all, [&](hf::Generation g) { return !inner_.open(g); });
    return std::move(all);
  }
  [[nodiscard]] hf::result<void> publish(hf::Generation g) {
    return flaw_ == Flaw::drops_all_before ? hf::ok() : inner_.publish(g);
  }

  /// What a reader of this store gives for all its names.
  [[nodiscard]] static hf::result<hf::testing::Files> get(reader const& from, Flaw flaw) {
    hf::testing::Files files;
    for (auto const& name : from.names()) {
      auto content = flaw == Flaw::reads_unchecked
                         ? hf::detail::read_file(*last_files, from.path() + "/" + name, 1 << 20)
                         : from.get(name);
      if (!content) return hf::failure(content.error());
      files.push_back({name, std::move(content).assume_value()});
    }
    return files;
  }

 private:
  [[nodiscard]] hf::result<reader> open_newest(hf::Generation g) const {
    HOLDFAST_TRY(all, inner_.generations());
    for (; !all.empty(); all.pop_back()) {
      auto newest = inner_.open(all.back());
      if (newest) return newest;
    }
    return inner_.open(g);
  }
  [[nodiscard]] hf::result<void> spoil(hf::Generation g) const {
    auto const& fs = folders_.files();
    auto const paths = hf::testing::files_below(fs, folders_.path_of(g));
    return paths.empty() ? hf::ok() : hf::testing::overwrite(fs, paths.back(), hf::bytes(3));
  }

  Inner inner_;
  hf::SealedDirectory<FlawedFiles> folders_;
  Flaw flaw_;
};
static_assert(hf::publishing_store<FlawedStore> && hf::placed_store<FlawedStore>);
}  // namespace mutants

#endif
