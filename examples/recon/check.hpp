// SPDX-License-Identifier: BSL-1.0
// Judges what the two stores say: whether they answer from one build, and whether every number
// follows from their rows.
#ifndef RECON_CHECK_HPP
#define RECON_CHECK_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "parts.hpp"
#include "tree.hpp"

namespace recon {

/// One answer out of both stores; `mix` says where they disagree, and is empty where they agree.
struct Answer {
  std::uint64_t run = 0;
  Counts counts{};
  std::string mix{};
};

/// Adds up the containers (RocksDB), the histogram and the table counts (SQLite), and looks up the
/// root: some hundred rows. Blank or unreadable stores are an error.
[[nodiscard]] hf::result<Answer> ask(Parts const& parts);

/// What all rows of both stores add up to.
struct Verified {
  std::uint64_t run = 0;
  std::string root{};
  Counts counts{};           ///< of the rows in RocksDB
  Counts counts_of_stats{};  ///< of the rows in SQLite
  std::uint64_t digest = 0;
  std::uint64_t rows = 0;
  std::vector<std::string> differences{};  ///< the first of them; empty: all is right
};

/// Reads every row of both stores and compares whatever can be computed in two ways.
[[nodiscard]] hf::result<Verified> verify(Parts const& parts);

/// The progress that a build commits with its generation, and that its rows must add up to.
[[nodiscard]] hf::Marks marks_of(Counts const& counts, std::uint64_t digest);
[[nodiscard]] hf::Marks marks_of(Tree const& tree);

}  // namespace recon

#endif
