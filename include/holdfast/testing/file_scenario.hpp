// SPDX-License-Identifier: BSL-1.0
// A file system under test: files are made and replaced, synced as one should; crashed and judged.
#ifndef HOLDFAST_TESTING_FILE_SCENARIO_HPP
#define HOLDFAST_TESTING_FILE_SCENARIO_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/file_laws.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
struct FilePlan {
  std::uint64_t seed = 1;
  std::uint64_t files = 4;  ///< numbered from 1; each replaces /db/current and is kept besides
  std::size_t sector_size = 4096;
  bool reader_at_every_call = false;  ///< a process that reads /db/current before every call
};

/// A scenario over the file systems that `make(SimulatedProcess)` gives. A note `started n` says
/// that file n may be there, `acked n` that it must.
template <class Make>
class FileWork {
 public:
  FileWork(Make make, FilePlan const& plan) : make_{std::move(make)}, plan_{plan} {}

  [[nodiscard]] Verdict work(Run& run) const {
    auto const fs = make_(run.start());
    if (auto const made = holdfast::detail::make_directories(fs, "/db"); !made)
      return laws::file_durable.refused("make directory", made.error());
    Verdict broken;  // by the reader
    auto const reader = make_(run.start());
    if (plan_.reader_at_every_call) {
      run.disk.before_each_call([&] {
        if (!broken) broken = look_at_current(run, reader);
      });
    }
    auto own = write(run, fs);
    run.disk.before_each_call({});  // its captures end here
    return broken ? std::move(broken) : std::move(own);
  }

  [[nodiscard]] Recovered recover(Run& run) const {
    auto const fs = make_(run.start());
    Recovered out;
    out.broken = look_at_current(run, fs);
    for (std::uint64_t n = 1; n <= plan_.files && !out.broken; ++n) {
      if (!is(run, Note::Kind::acked, n)) continue;
      auto const content = holdfast::detail::read_file(fs, path_of(n), limit);
      if (!content) {
        out.broken =
            laws::file_durable.refused("reading file " + std::to_string(n), content.error());
      } else if (content.assume_value() != value_of(n)) {
        out.broken =
            laws::file_durable.broken("file " + std::to_string(n) + " as written", "other bytes");
      }
    }
    return out;
  }

 private:
  static constexpr std::uint64_t limit = 1 << 20;
  [[nodiscard]] static std::string path_of(std::uint64_t n) { return "/db/" + std::to_string(n); }
  [[nodiscard]] bytes value_of(std::uint64_t n) const {
    disk::Dice dice{disk::mixed(plan_.seed, n)};
    return value_of_number(n, static_cast<std::size_t>(16 + dice.below(6000)));
  }
  [[nodiscard]] static bool is(Run const& run, Note::Kind kind, std::uint64_t n) {
    for (auto const& note : run.history()) {
      if (note.kind == kind && note.number == n) return true;
    }
    return false;
  }

  template <class Fs>
  [[nodiscard]] Verdict write(Run& run, Fs const& fs) const {
    for (std::uint64_t n = 1; n <= plan_.files; ++n) {
      run.note({Note::Kind::started, n, 0, 0});
      auto const done = save(fs, n);
      if (!done) return laws::file_durable.refused("saving a file", done.error());
      run.note({Note::Kind::acked, n, 0, 0});
    }
    return {};
  }
  template <class Fs>
  [[nodiscard]] result<void> save(Fs const& fs, std::uint64_t n) const {
    HOLDFAST_TRYV(holdfast::detail::write_new_file(fs, path_of(n), value_of(n)));
    // A second name of it, so that one rename replaces the current one.
    HOLDFAST_TRYV(fs.link(path_of(n), "/db/next"));
    HOLDFAST_TRYV(fs.rename("/db/next", "/db/current"));
    return fs.sync_directory("/db");
  }

  // The current file is one of those that were started, whole; there is one once one was
  // acknowledged.
  template <class Fs>
  [[nodiscard]] Verdict look_at_current(Run const& run, Fs const& fs) const {
    auto const content = holdfast::detail::read_file(fs, "/db/current", limit);
    if (!content) {
      bool const missing = content.error().code() == errc::not_found;
      if (missing && !is(run, Note::Kind::acked, 1)) return {};
      return laws::file_rename.refused("reading the current file", content.error());
    }
    auto const& found = content.assume_value();
    auto const n = found.size() < 8 ? 0 : get_le<std::uint64_t>(found, 0);
    if (is(run, Note::Kind::started, n) && found == value_of(n)) return {};
    return laws::file_rename.broken("a whole file", std::to_string(found.size()) + " other bytes");
  }

  Make make_;
  FilePlan plan_;
};

template <class Make>
[[nodiscard]] Scenario file_scenario(std::string name, Make make, FilePlan const& plan) {
  FileWork<Make> const work{std::move(make), plan};
  return {std::move(name), plan.sector_size, [work](Run& run) { return work.work(run); },
          [work](Run& run) { return work.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif
