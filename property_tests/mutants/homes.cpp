// SPDX-License-Identifier: BSL-1.0
// Mutants for the laws of staged switches: one home, and in one of its parts one flaw.
#include <cstddef>
#include <cstdlib>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "flawed_lock.hpp"
#include "flawed_register.hpp"
#include "flawed_store.hpp"
#include "flaws.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/resume_scenario.hpp"
#include "holdfast/testing/simulated_files.hpp"
#include "holdfast/testing/staged_subject.hpp"
#include "mutant.hpp"

namespace mutants {
namespace {
using hf::testing::Law, hf::testing::staged_subject, hf::testing::SimulatedProcess;

// The simulated world, which may not tell an observer of every rollback.
class FlawedWorld : public hf::testing::SimulatedWorld {
 public:
  FlawedWorld(SimulatedWorld world, Flaw flaw) : SimulatedWorld{std::move(world)}, flaw_{flaw} {}
  void on(hf::Event const& event) const noexcept {
    bool const loses = flaw_ == Flaw::loses_an_event && event.to == hf::State::rolling_back;
    if (!loses) SimulatedWorld::on(event);
  }

 private:
  Flaw flaw_;
};

// Which flaw each part has.
struct Flaws {
  Flaw first = Flaw::none;
  Flaw second = Flaw::none;
  Flaw second_files = Flaw::none;
  Flaw reg = Flaw::none;
  Flaw reg_files = Flaw::none;
  Flaw lock = Flaw::none;
  Flaw world = Flaw::none;
};

struct Home {
  using Both = hf::Together<FlawedStore, FlawedStore>;
  using Lock = FlawedLock<hf::testing::SimulatedFiles, hf::testing::SimulatedWorld>;
  using Staged = hf::Staged<Both, FlawedRegister, Lock, FlawedWorld>;
  static constexpr std::size_t parts = 2;

  Flaws flaws{};
  hf::StagedOptions options{};

  [[nodiscard]] hf::result<Staged> open(SimulatedProcess const& p) const {
    HOLDFAST_TRYV(hf::detail::make_directories(p.files, "/db"));
    return hf::open_staged(options, store(p), reg(p),
                           Lock{"/db/LOCK", p.files, p.world, flaws.lock},
                           FlawedWorld{p.world, flaws.world});
  }
  [[nodiscard]] auto follow(SimulatedProcess const& p) const {
    return hf::open_view(store(p), reg(p));
  }
  [[nodiscard]] hf::result<void> put(SimulatedProcess const&,
                                     Both::writer& writer,
                                     std::size_t part,
                                     hf::testing::Files const& files) const {
    auto& own = part == 0 ? std::get<0>(writer) : std::get<1>(writer);
    for (auto const& file : files) {
      HOLDFAST_TRYV(own.put(file.name, file.content));
    }
    return hf::ok();
  }
  [[nodiscard]] hf::result<hf::testing::Files> get(Both::reader const& reader,
                                                   std::size_t part) const {
    auto const& own = part == 0 ? std::get<0>(reader) : std::get<1>(reader);
    return FlawedStore::get(own, flaws.first);
  }
  [[nodiscard]] hf::result<hf::testing::laws::SeenName> published(SimulatedProcess const& p,
                                                                  std::size_t part) const {
    auto const link = p.files.read_link(part == 0 ? "/db/keys/current" : "/db/stats/current");
    if (!link && link.error().code() == hf::errc::not_found) return hf::testing::laws::SeenName{};
    if (!link) return hf::failure(link.error());
    hf::Generation const g{std::strtoull(link.assume_value().c_str(), nullptr, 10)};
    auto both = store(p);
    bool const opens = part == 0 ? std::get<0>(both.stores()).open(g).has_value()
                                 : std::get<1>(both.stores()).open(g).has_value();
    return hf::testing::laws::SeenName{g.number, opens};
  }
  [[nodiscard]] auto generations(SimulatedProcess const& p) const {
    auto both = store(p);
    return both.generations();
  }

 private:
  [[nodiscard]] FlawedRegister reg(SimulatedProcess const& p) const {
    return FlawedRegister{FlawedFiles{p.files, flaws.reg_files}, p.world, flaws.reg};
  }
  [[nodiscard]] Both store(SimulatedProcess const& p) const {
    Both both{FlawedStore{"keys", FlawedFiles{p.files, Flaw::none}, flaws.first},
              FlawedStore{"stats", FlawedFiles{p.files, flaws.second_files}, flaws.second}};
    both.place("/db");
    return both;
  }
};

// A home whose builds are resumed, of two directories over files with one flaw.
struct Unsynced : hf::testing::SimulatedFiles {
  explicit Unsynced(SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<void> sync(file&) const { return hf::ok(); }
};
struct Kept : hf::testing::SimulatedFiles {
  explicit Kept(SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<void> remove(std::string const& path) const {
    return path.find("/unnoted") != path.npos ? hf::result<void>{hf::ok()}
                                              : SimulatedFiles::remove(path);
  }
};
template <class Fs>
struct ResumedHome {
  using Folders = hf::BasicDirectoryStore<Fs>;
  using Both = hf::Together<Folders, Folders>;
  static constexpr std::size_t parts = 2;

  [[nodiscard]] auto open(SimulatedProcess const& p) const {
    using Register =
        hf::BasicFileRegister<hf::testing::SimulatedFiles, hf::testing::SimulatedWorld>;
    using Lock = hf::BasicFileLock<hf::testing::SimulatedFiles, hf::testing::SimulatedWorld>;
    auto const made = hf::detail::make_directories(p.files, "/db");
    Both both{Folders{"keys", {}, Fs{p.files}}, Folders{"stats", {}, Fs{p.files}}};
    both.place("/db");
    auto opened = hf::open_staged(hf::StagedOptions{.keep_interrupted = true, .publish = false},
                                  std::move(both), Register{"/db/CURRENT", p.files, p.world},
                                  Lock{"/db/LOCK", p.files, p.world}, p.world);
    return made ? std::move(opened) : decltype(opened){hf::failure(made.error())};
  }
  [[nodiscard]] hf::result<void> put(SimulatedProcess const&,
                                     typename Both::writer& writer,
                                     std::size_t part,
                                     hf::testing::Files const& files) const {
    auto& own = part == 0 ? std::get<0>(writer) : std::get<1>(writer);
    return own.put(files.front().name, files.front().content);
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
};
template <class Fs>
Mutant resumed(char const* name) {
  return {hf::testing::laws::resumes.id, name,
          hf::testing::resume_subject("mutant", ResumedHome<Fs>{}),
          hf::testing::resume_subject("a home of two directories that is resumed",
                                      ResumedHome<hf::testing::SimulatedFiles>{})};
}

Mutant one(Law const& law, char const* name, Flaws const& flaws) {
  return {law.id, name, staged_subject("mutant", Home{flaws}),
          staged_subject("a home of two directory stores", Home{})};
}
}  // namespace

Mutants of_homes() {
  using namespace hf::testing::laws;  // NOLINT(google-build-using-namespace)
  Flaws const commits_discards{.first = Flaw::commits_discards,
                               .second = Flaw::commits_discards,
                               .reg = Flaw::commits_discards};
  Flaws const unsynced_record{.reg_files = Flaw::no_file_sync};
  return {
      one(s1, "the second store opens its newest", {.second = Flaw::opens_the_newest}),
      one(s2, "what was never committed is shown", commits_discards),
      one(s3, "no file sync of the record", unsynced_record),
      one(s4, "an unfinished commit is finished on closing",
          {.reg = Flaw::finishes_when_it_closes}),
      one(s5, "a commit flips twice", {.reg = Flaw::flips_twice}),
      one(s6, "generation number reused", {.reg = Flaw::reuses_numbers}),
      one(s7, "a discard becomes a commit", commits_discards),
      one(s8, "a rollback is not told", {.world = Flaw::loses_an_event}),
      one(s9, "pinned generation dropped", {.reg = Flaw::pins_another}),
      one(s10, "nothing is dropped", {.second = Flaw::drops_nothing}),
      one(s11, "readers wait for a writer", {.reg = Flaw::locks_readers_out}),
      one(s12, "a refused build becomes a commit", commits_discards),
      one(s13, "an unknown outcome told as a failure", {.reg = Flaw::tells_unknown_as_failed}),
      one(s14, "version not compared", {.reg = Flaw::compares_no_version}),
      one(s15, "data is read unchecked", {.first = Flaw::reads_unchecked}),
      one(s16, "marks committed apart", {.reg = Flaw::marks_come_later}),
      one(s18, "foreign generation dropped",
          {.first = Flaw::drops_all_before, .second = Flaw::drops_all_before}),
      one(s19, "a list kept beside makes the commit fail", {.reg = Flaw::fails_after_the_store}),
      one(published, "published when sealed", {.first = Flaw::publishes_when_it_seals}),
      one(staged_recovers, "second store unsynced", {.second_files = Flaw::no_file_sync}),
      one(staged_recovers, "collection before the switch is synced", unsynced_record),
      resumed<Unsynced>("files are not synced"),
      resumed<Kept>("what came after the note stays")};
}
}  // namespace mutants
