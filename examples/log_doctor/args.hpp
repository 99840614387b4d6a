// SPDX-License-Identifier: BSL-1.0
// The command line of log_doctor.
#ifndef HOLDFAST_EXAMPLES_LOG_DOCTOR_ARGS_HPP
#define HOLDFAST_EXAMPLES_LOG_DOCTOR_ARGS_HPP

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/recovery/plan.hpp"

enum Exit : int { clean = 0, repairable = 1, refused = 2 };

struct Args {
  std::string command{};
  std::string path{};
  std::string format{"framed"};
  hf::Recovery recovery = hf::Recovery::cut;
  std::optional<std::uint64_t> fingerprint{};
  std::uint64_t from = 0;    ///< the first record to dump
  std::uint64_t jobs = 1;    ///< segments examined at the same time
  std::uint32_t every = 64;  ///< one entry of an index for so many records
  std::uint64_t segment_size = std::uint64_t{64} << 20;  ///< of a log that is appended to
  std::string replica{};                                 ///< to take from what is damaged here
  std::uint64_t rate = 0;  ///< bytes a second that a scrub may read; 0: no limit
  bool json = false;
  bool progress = false;
};

inline std::optional<hf::Recovery> recovery_named(std::string_view name) {
  for (auto const one :
       {hf::Recovery::refuse, hf::Recovery::cut, hf::Recovery::quarantine, hf::Recovery::salvage}) {
    if (hf::name(one) == name) return one;
  }
  return {};
}

class Parser {
 public:
  Parser(int count, char** values) : values_{values + 1, values + count} {}

  std::optional<Args> parse() {
    Args args{.progress = ::isatty(STDERR_FILENO) == 1};
    std::vector<std::string> plain;
    while (!values_.empty()) {
      auto const one = take();
      if (one.substr(0, 2) != "--") {
        plain.push_back(one);
      } else if (!option(one, args)) {
        return {};
      }
    }
    if (plain.size() != 2) return {};
    args.command = plain[0];
    args.path = plain[1];
    return args;
  }

 private:
  std::string take() {
    std::string one = values_.front();
    values_.erase(values_.begin());
    return one;
  }
  bool option(std::string const& name, Args& args) {
    if (name == "--json") return args.json = true;
    if (name == "--progress") return args.progress = true;
    if (values_.empty()) return false;
    auto const value = take();
    if (name == "--format") return !(args.format = value).empty();
    if (name == "--replica") return !(args.replica = value).empty();
    if (name == "--recovery") {
      auto const named = recovery_named(value);
      if (named) args.recovery = *named;
      return named.has_value();
    }
    char* end = nullptr;
    auto const number = std::strtoull(value.c_str(), &end, 10);
    if (value.empty() || *end != '\0') return false;
    if (name == "--fingerprint") return (args.fingerprint = number).has_value();
    if (name == "--from") return (args.from = number, true);
    if (name == "--rate") return (args.rate = number, true);
    if (name == "--segment-size") return (args.segment_size = number, true);
    if (name == "--jobs" && number != 0) return (args.jobs = number, true);
    if (name == "--every" && number != 0 && number <= UINT32_MAX) {
      args.every = static_cast<std::uint32_t>(number);
      return true;
    }
    return false;
  }

  std::vector<char*> values_;
};

#endif
