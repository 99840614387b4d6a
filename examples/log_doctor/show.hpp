// SPDX-License-Identifier: BSL-1.0
// What log_doctor says of a log, to people and to programs.
#ifndef HOLDFAST_EXAMPLES_LOG_DOCTOR_SHOW_HPP
#define HOLDFAST_EXAMPLES_LOG_DOCTOR_SHOW_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "args.hpp"
#include "holdfast/event.hpp"
#include "holdfast/log/mend.hpp"
#include "holdfast/log/options.hpp"
#include "holdfast/log/scrub.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/recovery/apply.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/recovery/records.hpp"
#include "holdfast/report/json.hpp"

inline int fail(hf::error const& cause) {
  std::fprintf(stderr, "log_doctor: %s\n", cause.text().c_str());
  return refused;
}
inline unsigned long long wide(std::uint64_t n) {
  return n;
}

inline bool opens(hf::Verdict verdict, hf::Recovery recovery) {
  bool const passes_holes =
      recovery == hf::Recovery::quarantine || recovery == hf::Recovery::salvage;
  return verdict == hf::Verdict::hole ? passes_holes : hf::may_open(verdict, recovery);
}
inline int judged(hf::Verdict verdict, hf::Recovery recovery) {
  if (verdict == hf::Verdict::clean) return clean;
  return opens(verdict, recovery) ? repairable : refused;
}
// What a repair does, or did, to one segment. What lies behind a break is set aside as a whole.
inline std::string_view action(hf::Plan const& plan, hf::Recovery recovery) {
  if (plan.verdict == hf::Verdict::clean) return "none";
  if (!hf::may_open(plan.verdict, recovery)) return "refuse";
  bool const worse = plan.verdict != hf::Verdict::torn_tail;
  bool const skips = recovery == hf::Recovery::salvage && plan.salvaged_end > plan.kept;
  return worse && skips ? "skip" : "set aside and cut";
}

inline void write(hf::Json& out, hf::SegmentReport const& one, hf::Recovery recovery) {
  auto const& plan = one.recovered.found;
  out.object([&] {
    out.field("base", one.base).field("verdict", hf::name(plan.verdict));
    out.field("action", action(plan, recovery));
    out.field("size", plan.size).field("kept", plan.kept).field("records", plan.records);
    out.field("salvageable", plan.salvageable).field("witness", plan.witness);
    out.field("cut_bytes", one.recovered.cut_bytes);
    out.field("skipped_bytes", one.recovered.skipped_bytes);
  });
}
inline void show_json(hf::LogReport const& report, hf::Recovery recovery) {
  hf::Json out;
  out.object([&] {
    out.field("verdict", hf::name(report.verdict)).field("records", report.records);
    out.field("missing_records", report.missing_records);
    // A text: more digits than a reader's numbers may have.
    out.field("fingerprint", std::to_string(report.fingerprint));
    out.key("segments").array([&] {
      for (auto const& one : report.segments) write(out, one, recovery);
    });
    out.key("foreign").array([&] {
      for (auto const& name : report.foreign) out.value(name);
    });
    out.key("set_aside").array([&] {
      for (auto const& name : report.set_aside) out.value(name);
    });
  });
  std::puts(out.text().c_str());
}
inline void show(hf::LogReport const& report, Args const& args) {
  if (args.json) return show_json(report, args.recovery);
  for (auto const& one : report.segments) {
    auto const& plan = one.recovered.found;
    std::printf("%020llu  %s: %llu records, %llu of %llu bytes hold", wide(one.base),
                std::string{hf::name(plan.verdict)}.c_str(), wide(plan.records), wide(plan.kept),
                wide(plan.size));
    if (plan.salvageable != 0) {
      std::printf(", %llu records behind the damage", wide(plan.salvageable));
    }
    if (plan.verdict != hf::Verdict::clean) {
      std::printf("; to %s: %s", std::string{hf::name(args.recovery)}.c_str(),
                  std::string{action(plan, args.recovery)}.c_str());
    }
    std::puts("");
  }
  for (auto const& name : report.foreign) std::printf("left alone: %s\n", name.c_str());
  for (auto const& name : report.set_aside) std::printf("set aside: %s\n", name.c_str());
  std::printf("%s: %llu records, fingerprint %llu\n", std::string{hf::name(report.verdict)}.c_str(),
              wide(report.records), wide(report.fingerprint));
}

inline void print(hf::Record const& record, bool json) {
  auto const text = hf::as_text(record.payload).substr(0, 60);
  if (json) {
    hf::Json out;
    out.object([&] {
      out.field("sequence", record.sequence).field("at", record.begin);
      out.field("time_ns", record.time_ns).field("size", record.payload.size());
      out.field("text", hf::as_text(record.payload));
    });
    std::puts(out.text().c_str());
    return;
  }
  std::printf("%llu at %llu, %zu bytes: ", wide(record.sequence), wide(record.begin),
              record.payload.size());
  for (char const c : text) std::putchar(c >= ' ' && c <= '~' ? c : '.');
  std::puts(record.payload.size() > text.size() ? " ..." : "");
}

inline void show(hf::ScrubReport const& report, bool json) {
  if (json) {
    hf::Json out;
    out.object([&] {
      out.field("segments", report.segments).field("bytes", report.bytes);
      out.key("rot").array([&] {
        for (auto const& one : report.rot) {
          out.object([&] { out.field("base", one.base).field("cause", one.cause.text()); });
        }
      });
    });
    std::puts(out.text().c_str());
    return;
  }
  for (auto const& one : report.rot) std::printf("rot: %s\n", one.cause.text().c_str());
  std::printf("%zu segments, %llu bytes read, %zu with rot\n", report.segments, wide(report.bytes),
              report.rot.size());
}
inline void show(std::vector<hf::Mended> const& all, bool json) {
  auto const bytes = [](hf::Mended const& one) {
    std::uint64_t sum = 0;
    for (auto const& range : one.ranges) sum += range.end - range.begin;
    return sum;
  };
  auto const left = [](hf::Mended const& one) { return one.left ? one.left->text() : ""; };
  if (json) {
    hf::Json out;
    out.object([&] {
      out.key("mended").array([&] {
        for (auto const& one : all) {
          out.object([&] {
            out.field("base", one.base).field("bytes", bytes(one));
            out.field("was_missing", one.was_missing).field("left", left(one));
          });
        }
      });
    });
    std::puts(out.text().c_str());
    return;
  }
  for (auto const& one : all) {
    if (one.left) std::printf("%020llu  left: %s\n", wide(one.base), left(one).c_str());
    if (one.left) continue;
    std::printf("%020llu  %llu bytes taken from the replica%s\n", wide(one.base), wide(bytes(one)),
                one.was_missing ? ": it was missing" : "");
  }
  std::printf("%zu segments wanted mending\n", all.size());
}

/// To those who watch, not to the programs that read.
class Progress {
 public:
  explicit Progress(bool shown) : shown_{shown} {}
  void operator()(std::uint64_t done, std::uint64_t all, char const* unit) const {
    if (!shown_) return;
    std::fprintf(stderr, "\r%llu of %llu %s%s", wide(done), wide(all), unit,
                 done == all ? "\n" : "");
  }

 private:
  bool shown_;
};

/// Hears the steps of a log.
struct Watch {
  Progress progress;
  std::shared_ptr<hf::LogProgress> of;
  std::shared_ptr<std::uint64_t> examined = std::make_shared<std::uint64_t>(0);

  void operator()(hf::Event const& event) const noexcept {
    if (event.segment.kind != hf::SegmentStep::Kind::examined) return;
    auto const all = of->seen().of_segments;
    if (++*examined <= all) progress(*examined, all, "segments");
  }
};

#endif
