// SPDX-License-Identifier: BSL-1.0
// The kinds of log that log_doctor knows; to add one, add its line to `with_format`.
#ifndef HOLDFAST_EXAMPLES_LOG_DOCTOR_FORMATS_HPP
#define HOLDFAST_EXAMPLES_LOG_DOCTOR_FORMATS_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "args.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/format/kafka.hpp"
#include "holdfast/format/kafka_batch.hpp"
#include "holdfast/format/leveldb.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/examine.hpp"
#include "holdfast/log/mend.hpp"
#include "holdfast/log/scrub.hpp"
#include "holdfast/report/observer.hpp"
#include "holdfast/reprocess/executor.hpp"
#include "show.hpp"

/// What a line of text is in a format: its bytes, where nothing else is said.
template <class Format>
struct Line {
  static hf::bytes of(std::string_view line) {
    auto const from = hf::as_bytes(line);
    return {from.begin(), from.end()};
  }
};
template <>
struct Line<hf::KafkaLog> {
  static hf::bytes of(std::string_view line) {
    hf::kafka::Record const record{.value = hf::as_bytes(line)};
    auto const now_ms = hf::Native{}.wall_ns() / 1'000'000;
    return hf::kafka::body_of({.base_ms = now_ms}, std::vector<hf::kafka::Record>{record});
  }
};

/// A directory of segments in the format `framed`.
struct FramedDirectory {
  using World = hf::Observed<hf::Native, Watch>;

  // Options and world of one command, and the threads that it may use.
  struct Setting {
    explicit Setting(Args const& args)
        : threads{args.jobs},
          options{.segment_size = args.segment_size,
                  .plan = args.fingerprint,
                  .at_once = args.jobs,
                  .progress = std::make_shared<hf::LogProgress>()},
          world{hf::observed(Watch{Progress{args.progress}, options.progress})} {
      options.post = [this](auto work) { return threads.post(std::move(work)); };
    }
    hf::Threads threads;
    hf::LogOptions options;
    World world;
  };

  static hf::bytes payload_of(std::string_view line) { return Line<hf::Framed>::of(line); }
  static hf::result<hf::LogReport> look(Args const& args) {
    Setting const with{args};
    return hf::examine_log(args.path, with.options, hf::Posix{}, with.world);
  }
  template <hf::Recovery How, class Use>
  static hf::result<void> open(Args const& args, hf::LogReport const*, Use use) {
    Setting const with{args};
    using Log = hf::BasicLog<hf::Posix, How, World>;
    HOLDFAST_TRY(log, Log::open(args.path, with.options, {}, with.world));
    return use(log, log.report());
  }
  // Without a lock and without recovering anything.
  template <class Use>
  static hf::result<void> read(Args const& args, hf::LogReport const& report, Use use) {
    std::vector<hf::detail::LogPart> parts;
    for (auto const& one : report.segments) {
      parts.push_back({.base = one.base, .end = one.recovered.found.kept});
      if (one.recovered.found.verdict != hf::Verdict::clean) break;
    }
    return use(hf::LogRecords<hf::Posix>{{}, args.path, std::move(parts), {.sequence = args.from}});
  }
  template <class Log>
  static hf::result<std::size_t> index(Log& log, Args const& args) {
    return log.index({.every = args.every});
  }
  static hf::result<hf::ScrubReport> scrub(Args const& args) {
    Setting const with{args};
    hf::ScrubOptions const options{.bytes_per_second = args.rate, .from = args.from};
    return hf::scrub_log(args.path, options, hf::Posix{}, with.world);
  }
  static hf::result<std::vector<hf::Mended>> mend(Args const& args) {
    Setting const with{args};
    hf::DirectoryReplica const replica{args.replica};
    return hf::repair_from(args.path, replica, with.options, hf::Posix{}, with.world);
  }
};

/// One file in any format.
template <class Format>
struct OneFile {
  static hf::bytes payload_of(std::string_view line) { return Line<Format>::of(line); }

  static hf::result<hf::LogReport> look(Args const& args) {
    HOLDFAST_TRY(file, hf::FileSegment::open_to_read(args.path));
    HOLDFAST_TRY(size, file.size());
    Progress const progress{args.progress};
    constexpr std::uint64_t step = std::uint64_t{64} << 20;
    auto const watch = [&, told = std::uint64_t{0}](hf::Step const&, std::uint64_t end) mutable {
      if (end - told < step) return;
      told = end;
      progress(end, size, "bytes");
    };
    HOLDFAST_TRY(plan, hf::examine(file, Format{}, {}, watch));
    return report_of({.found = plan});
  }
  template <hf::Recovery How, class Use>
  static hf::result<void> open(Args const& args, hf::LogReport const* planned, Use use) {
    if constexpr (!hf::writable_format<Format>) {
      return hf::failure(hf::errc::read_only, "write to a log of this format", args.path);
    } else {
      std::optional<hf::Plan> plan;
      if (planned != nullptr) plan = planned->segments.front().recovered.found;
      HOLDFAST_TRY(file, hf::FileSegment::open(args.path));
      HOLDFAST_TRY(log, hf::open_recoverable<How>(std::move(file), Format{}, {}, plan));
      return use(log, report_of(log.recovered()));
    }
  }
  template <class Use>
  static hf::result<void> read(Args const& args, hf::LogReport const& report, Use use) {
    HOLDFAST_TRY(file, hf::FileSegment::open_to_read(args.path));
    auto const from = std::make_shared<hf::FileSegment const>(std::move(file));
    auto const end = report.segments.front().recovered.found.kept;
    hf::From const first{.sequence = args.from};
    return use(hf::Records<hf::FileSegment, Format>{from, {}, end, first, false});
  }
  template <class Log>
  static hf::result<std::size_t> index(Log&, Args const& args) {
    return refuse("index", args);
  }
  static hf::result<hf::ScrubReport> scrub(Args const& args) { return refuse("scrub", args); }
  static hf::result<std::vector<hf::Mended>> mend(Args const& args) { return refuse("mend", args); }

 private:
  static auto refuse(char const* what, Args const& args) {
    return hf::failure(hf::errc::invalid, what, "a log of the format " + args.format);
  }
  static hf::LogReport report_of(hf::Recovered const& one) {
    hf::LogReport report;
    report.verdict = one.found.verdict;
    report.records = one.found.records;
    report.fingerprint = one.found.fingerprint();
    report.segments.push_back({0, one});
    return report;
  }
};

inline constexpr char const* formats = "framed|leveldb|kafka";

/// Calls `use` with the kind of that name, and gives what it gives; nothing where there is none.
template <class Use>
std::optional<int> with_format(std::string_view name, Use use) {
  if (name == "framed") return use(FramedDirectory{});
  if (name == "leveldb") return use(OneFile<hf::LevelDbLog>{});
  if (name == "kafka") return use(OneFile<hf::KafkaLog>{});
  return {};
}

#endif
