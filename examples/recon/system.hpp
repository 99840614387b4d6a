// SPDX-License-Identifier: BSL-1.0
// What a way of rebuilding both stores must offer: the same for holdfast and for the two naive
// controls, so that one reader and one checker judge all three.
#ifndef RECON_SYSTEM_HPP
#define RECON_SYSTEM_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "parts.hpp"
#include "progress.hpp"
#include "tree.hpp"

namespace recon {

/// Writes the name of each phase of a run to a descriptor, so that who traces the run can tell
/// where it stands.
class PhaseLog {
 public:
  explicit PhaseLog(int descriptor = -1) noexcept : descriptor_{descriptor} {}
  void enter(std::string_view phase) noexcept;
  [[nodiscard]] std::string_view phase() const noexcept { return phase_; }

 private:
  int descriptor_;
  std::string_view phase_;
};

struct SystemOptions {
  std::string home;
  std::size_t retain = 2;
  std::int64_t grace_ms = 1000;
  int phase_descriptor = -1;
  bool stay = false;  ///< a reader keeps the generation that it saw first
};

struct RebuildOptions {
  std::string root;
  std::uint64_t max_files = 0;
  std::uint64_t slow_us = 0;
};

struct Rebuilt {
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;
  Counts counts{};
  std::uint64_t containers = 0;
  Skipped skipped{};
  bool cut = false;
  double build_ms = 0;   ///< walk and fill
  double switch_ms = 0;  ///< from the first effect that readers can notice to the last
  std::string housekeeping{};
};

/// What a reader is given beside the stores. The naive controls have no marks.
struct Shown {
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;
  std::optional<hf::Marks> marks{};
};

/// Reads in a process of its own, while another one rebuilds.
class Reader {
 public:
  Reader() = default;
  Reader(Reader const&) = delete;
  Reader& operator=(Reader const&) = delete;
  virtual ~Reader() = default;
  using Use = std::function<hf::result<void>(Parts const&, Shown const&)>;
  /// Follows what was switched meanwhile, then lets `use` read.
  [[nodiscard]] virtual hf::result<void> read(Use const& use) = 0;
};

class System {
 public:
  System() = default;
  System(System const&) = delete;
  System& operator=(System const&) = delete;
  virtual ~System() = default;
  [[nodiscard]] virtual hf::result<Rebuilt> rebuild(RebuildOptions const& options,
                                                    Progress& progress) = 0;
  /// What the system does when it starts after a crash, before anyone reads.
  [[nodiscard]] virtual hf::result<void> restart() = 0;
  [[nodiscard]] virtual hf::result<std::unique_ptr<Reader>> reader() = 0;
};

/// `name` is "holdfast", "clear" or "renames"; null for any other.
[[nodiscard]] std::unique_ptr<System> make_system(std::string_view name, SystemOptions options);

[[nodiscard]] std::unique_ptr<System> make_holdfast(SystemOptions options);
[[nodiscard]] std::unique_ptr<System> make_clear_rebuild(SystemOptions options);
[[nodiscard]] std::unique_ptr<System> make_two_renames(SystemOptions options);

/// Milliseconds since it was made.
class Stopwatch {
 public:
  [[nodiscard]] double ms() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace recon

#endif
