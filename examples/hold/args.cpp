// SPDX-License-Identifier: BSL-1.0
// Reads the arguments of `hold`.
#include "args.hpp"

#include <cstdlib>
#include <utility>

namespace hold {
namespace {
std::optional<double> seconds(std::string const& text) {
  char* end = nullptr;
  double const value = std::strtod(text.c_str(), &end);
  bool const sane = !text.empty() && *end == '\0' && value >= 0 && value <= 1e9;
  return sane ? std::optional{value} : std::nullopt;
}

std::string read_url(std::string const& url, Args& into) {
  auto const colon = url.find(':');
  if (colon == std::string::npos) return "not a policy: " + url + " (file:PATH or sqlite:PATH)";
  into.scheme = url.substr(0, colon);
  into.path = url.substr(colon + 1);
  if (into.scheme != "file" && into.scheme != "sqlite") {
    return "no policy of the name " + into.scheme + "; there are file:PATH and sqlite:PATH";
  }
  return into.path.empty() ? "a path is missing behind " + url : std::string{};
}

// Gives what is wrong; `at` moves on.
std::string read_option(std::vector<std::string> const& words, std::size_t& at, Args& into) {
  auto const& name = words[at++];
  if (name == "--json") {
    into.json = true;
    return {};
  }
  if (name != "--wait" && name != "--ttl") return "no option of the name " + name;
  if (at == words.size()) return "a number of seconds is missing behind " + name;
  auto const value = seconds(words[at++]);
  if (!value) return "not a number of seconds: " + words[at - 1];
  if (name == "--wait") into.wait_s = value;
  if (name == "--ttl" && *value < 1) return "--ttl must be a second or more";
  if (name == "--ttl") into.ttl_s = *value;
  return {};
}
}  // namespace

std::variant<Args, std::string> parse(std::vector<std::string> const& words) {
  Args args;
  std::size_t at = 0;
  if (at < words.size() && words[at] == "status") args.what = Args::What::status;
  if (at < words.size() && words[at] == "force-unlock") args.what = Args::What::force_unlock;
  if (args.what != Args::What::run) ++at;
  if (at == words.size()) return std::string{"a policy is missing"};
  if (auto wrong = read_url(words[at++], args); !wrong.empty()) return wrong;
  while (at < words.size() && words[at] != "--") {
    if (auto wrong = read_option(words, at, args); !wrong.empty()) return wrong;
  }
  bool const runs = args.what == Args::What::run;
  if (at < words.size())
    args.command.assign(words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
  if (runs && args.command.empty()) return std::string{"a command is missing behind --"};
  if (!runs && at < words.size()) return std::string{"only a run takes a command"};
  if (runs && args.json) return std::string{"--json belongs to status and force-unlock"};
  return args;
}
}  // namespace hold
