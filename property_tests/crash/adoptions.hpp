// SPDX-License-Identifier: BSL-1.0
// Crashes the handing over of a path at every call: whoever goes by it finds what was there or what
// is current, and what was there is kept.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_ADOPTIONS_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_ADOPTIONS_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/backend/adopt.hpp"
#include "holdfast/file_ops.hpp"
#include "operations.hpp"

namespace crash {
/// The path is /data/old: a folder, or, if `way` is odd, a file. A note `acked 1`: it was handed
/// over.
template <class Home, class Fs>
class AdoptionWork {
 public:
  AdoptionWork(Home home, OperationPlan const& plan) : home_{std::move(home)}, plan_{plan} {}

  [[nodiscard]] hf::testing::Verdict work(hf::testing::Run& run) const {
    if (auto broken = begin_home(run, home_, plan_)) return broken;
    auto const owner = run.start();
    auto const made = make_source(Fs{owner.files});
    if (!made) return operation_whole.refused("make the source", made.error());
    run.crash_from_here();
    hf::testing::Verdict broken;
    auto const reader = run.start();
    run.disk.before_each_call([&] {
      if (!broken) broken = path_leads(Fs{reader.files}, false);
    });
    auto process = run.start();
    if (plan_.kill_after != 0) process.kill_after(plan_.kill_after);
    auto done = finish(process);
    if (!process.alive()) {
      process = run.start();
      done = finish(process);
    }
    run.disk.before_each_call({});
    if (broken) return broken;
    if (!done) return operation_whole.refused("finish the adoption", done.error());
    run.note({hf::testing::Note::Kind::acked, 1, 0, 0});
    return {};
  }

  [[nodiscard]] hf::testing::Recovered recover(hf::testing::Run& run) const {
    hf::testing::Recovered out;
    auto const process = run.start();
    Fs const fs{process.files};
    out.broken = path_leads(fs, noted(run, hf::testing::Note::Kind::acked));
    if (out.broken) return out;
    auto const done = finish(process);
    if (!done) {
      out.broken = operation_whole.refused("finish the adoption again", done.error());
      return out;
    }
    run.note({hf::testing::Note::Kind::acked, 1, 0, 0});
    out.broken = path_leads(fs, true);
    return out;
  }

 private:
  static constexpr std::uint64_t number = 77;  // of what the source holds
  static constexpr char const* source = "/data/old";
  static constexpr std::uint64_t limit = 1 << 20;
  [[nodiscard]] bool is_file() const noexcept { return plan_.way % 2 == 1; }
  [[nodiscard]] std::string target() const { return home_.path + "/keys/current"; }

  [[nodiscard]] hf::result<void> finish(hf::testing::SimulatedProcess const& p) const {
    return hf::finish_adoption(std::string{source}, target(), Fs{p.files});
  }

  [[nodiscard]] hf::result<void> make_source(Fs const& fs) const {
    namespace d = hf::detail;
    HOLDFAST_TRYV(d::make_directories(fs, "/data"));
    for (auto const& file : hf::testing::files_of(number, 0)) {
      auto const path = is_file() ? std::string{source} : d::join(source, file.name);
      HOLDFAST_TRYV(d::make_directories(fs, d::parent_of(path)));
      HOLDFAST_TRYV(d::write_new_file(fs, path, file.content));
      HOLDFAST_TRYV(fs.sync_directory(d::parent_of(path)));
      if (is_file()) break;
    }
    if (!is_file()) {
      HOLDFAST_TRYV(fs.sync_directory(source));
    }
    return fs.sync_directory("/data");
  }
  [[nodiscard]] bool is_old(Fs const& fs, std::string const& at) const {
    for (auto const& file : hf::testing::files_of(number, 0)) {
      auto const path = is_file() ? at : hf::detail::join(at, file.name);
      auto const content = hf::detail::read_file(fs, path, limit);
      if (!content || content.assume_value() != file.content) return false;
      if (is_file()) break;
    }
    return true;
  }

  [[nodiscard]] hf::testing::Verdict path_leads(Fs const& fs, bool handed_over) const {
    auto const link = fs.read_link(source);
    if (link && link.assume_value() == target()) {
      // What was there has one of its two names, or after the whole of it the second.
      std::string const kept = std::string{source} + ".adopted";
      bool const there =
          is_old(fs, kept) || (!handed_over && is_old(fs, std::string{source} + ".next"));
      if (there) return {};
      return operation_whole.broken("what was there under its new name", "something else");
    }
    if (!handed_over && !link && is_old(fs, source)) return {};
    return operation_whole.broken(handed_over ? "the path leads to what is current"
                                              : "the path leads to the old or to what is current",
                                  link ? link.assume_value() : link.error().text());
  }

  Home home_;
  OperationPlan plan_;
};
}  // namespace crash

#endif
