// SPDX-License-Identifier: BSL-1.0
// The command that asks in a loop: counts answers, failures and mixes, and when they came.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <map>

#include "check.hpp"
#include "commands.hpp"

namespace recon {
namespace {
volatile std::sig_atomic_t stopped = 0;
void stop(int) {
  stopped = 1;
}

// CLOCK_MONOTONIC, so that other processes can lay their own events beside it.
std::int64_t now_ms() {
  auto const now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

struct Bucket {
  std::uint64_t right = 0;
  std::uint64_t failed = 0;
  std::uint64_t mixed = 0;
};

class Tally {
 public:
  void right(Shown const& shown) {
    all_.right += 1;
    bucket().right += 1;
    backwards_ += shown.sequence < sequence_;
    switches_ += sequence_ != 0 && shown.sequence != sequence_;
    sequence_ = shown.sequence;
    generation_ = shown.generation;
  }
  void mixed(std::string const& how) {
    all_.mixed += 1;
    bucket().mixed += 1;
    keep("mixed: " + how);
  }
  void failed(std::string const& why) {
    all_.failed += 1;
    bucket().failed += 1;
    keep("failed: " + why);
  }
  [[nodiscard]] bool clean() const {
    return all_.right != 0 && all_.failed == 0 && all_.mixed == 0 && backwards_ == 0;
  }

  void put(Json& json) const {
    json.field("answers", all_.right + all_.failed + all_.mixed)
        .field("right", all_.right)
        .field("failed", all_.failed)
        .field("mixed", all_.mixed)
        .field("switches", switches_)
        .field("backwards", backwards_)
        .field("generation", generation_);
    json.key("examples").array([&] {
      for (auto const& example : examples_) {
        json.object([&] { json.field("count", example.second).field("what", example.first); });
      }
    });
    json.field("bucket_ms", bucket_ms);
    // Milliseconds of CLOCK_MONOTONIC, right, failed, mixed.
    json.key("timeline").array([&] {
      for (auto const& bucket : buckets_) {
        auto const& in = bucket.second;
        json.array([&] {
          json.value(bucket.first * bucket_ms).value(in.right).value(in.failed).value(in.mixed);
        });
      }
    });
  }
  void print() const {
    std::printf("%s answers, %s failed, %s mixed; %s switches, %s of them backwards\n",
                grouped(all_.right + all_.failed + all_.mixed).c_str(),
                grouped(all_.failed).c_str(), grouped(all_.mixed).c_str(),
                grouped(switches_).c_str(), grouped(backwards_).c_str());
    for (auto const& [text, count] : examples_) {
      std::printf("  %s times %s\n", grouped(count).c_str(), printable(text).c_str());
    }
  }

 private:
  static constexpr std::int64_t bucket_ms = 100;
  Bucket& bucket() { return buckets_[now_ms() / bucket_ms]; }
  void keep(std::string const& text) {
    auto const found = examples_.find(text);
    if (found != examples_.end()) {
      found->second += 1;
    } else if (examples_.size() < 5) {
      examples_.emplace(text, 1);
    }
  }

  Bucket all_;
  std::map<std::int64_t, Bucket> buckets_;
  std::map<std::string, std::uint64_t> examples_;
  std::uint64_t sequence_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t switches_ = 0;
  std::uint64_t backwards_ = 0;
};

// One answer: out of both stores, which must agree with each other and with the marks.
void ask_once(Reader& reader, Tally& tally) {
  auto const done = reader.read([&](Parts const& parts, Shown const& shown) -> hf::result<void> {
    HOLDFAST_TRY(answer, ask(parts));
    auto mix = answer.mix;
    if (shown.marks && !shown.marks->empty()) {
      auto const of = [&](char const* name) { return shown.marks->at(name); };
      bool const same = of("files") == answer.counts.files && of("bytes") == answer.counts.bytes &&
                        of("entries") == answer.counts.entries() && shown.generation == answer.run;
      if (!same) mix = "stores and marks are of different generations";
    }
    mix.empty() ? tally.right(shown) : tally.mixed(mix);
    return hf::ok();
  });
  if (!done) tally.failed(done.error().text());
}
}  // namespace

int watch(Args const& args) {
  auto const system = system_of(args);
  auto reader = system->reader();
  if (!reader) return fail(args, reader.error());
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  auto const until = now_ms() + static_cast<std::int64_t>(args.number("--seconds", 10)) * 1000;
  auto const pause = static_cast<useconds_t>(args.number("--pause-us", 0));
  Tally tally;
  while (stopped == 0 && now_ms() < until) {
    ask_once(*reader.assume_value(), tally);
    if (pause != 0) ::usleep(pause);
  }
  answer(
      args, [&](Json& json) { tally.put(json); }, [&] { tally.print(); });
  return tally.clean() ? Exit::right : Exit::wrong;
}

}  // namespace recon
