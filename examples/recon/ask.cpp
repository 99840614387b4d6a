// SPDX-License-Identifier: BSL-1.0
// The commands that ask: status, summary, histogram, container, verify. None writes to the home.
#include <algorithm>
#include <cstdlib>

#include "check.hpp"
#include "commands.hpp"
#include "home.hpp"

namespace recon {
namespace {
// Lets `use` read one generation.
template <class Use>
hf::result<void> read(Args const& args, Use use) {
  auto const system = system_of(args);
  HOLDFAST_TRY(reader, system->reader());
  return reader->read(use);
}

// What a person calls a path below the root, as the rows have it.
hf::result<std::string> relative(std::string path, std::string const& root) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.empty() || path == "." || path == root) return std::string{};
  if (path.front() != '/') return path;
  auto const prefix = root == "/" ? root : root + '/';
  if (path.starts_with(prefix)) return path.substr(prefix.size());
  return hf::failure(hf::errc::not_found, "not below the tree that was read", path);
}

void print(Counts const& total, Counts const& own) {
  std::printf("  all below    %s\n", describe(total).c_str());
  std::printf("  directly     %s\n", describe(own).c_str());
}

void put(Json& json, std::vector<hf::Kept> const& retained) {
  json.key("retained").array([&] {
    for (auto const& kept : retained) {
      json.object([&] {
        json.field("generation", kept.generation.number).field("sequence", kept.sequence);
        json.key("marks").object([&] {
          for (auto const& [name, value] : kept.marks) json.field(name, value);
        });
      });
    }
  });
}

void put(Json& json, hf::Manifest const& manifest, std::optional<hf::Holder> const& holder) {
  json.field("generation", manifest.current.number).field("sequence", manifest.sequence);
  put(json, manifest.retained);
  json.key("retiring").array([&] {
    for (auto const& retiring : manifest.retiring) json.value(retiring.generation.number);
  });
  json.field("attempt", manifest.attempt ? manifest.attempt->generation.number : 0);
  json.field("builder_pid", holder ? holder->owner.pid : 0);
}

void print(hf::Manifest const& manifest, std::optional<hf::Holder> const& holder) {
  std::printf("generation %s is current (commit %s)\n", grouped(manifest.current.number).c_str(),
              grouped(manifest.sequence).c_str());
  for (auto const& kept : manifest.retained) {
    std::printf("  retained %s:", grouped(kept.generation.number).c_str());
    for (auto const& [name, value] : kept.marks) {
      std::printf(" %s=%s", name.c_str(), std::to_string(value).c_str());
    }
    std::printf("\n");
  }
  for (auto const& retiring : manifest.retiring) {
    std::printf("  retiring %s\n", grouped(retiring.generation.number).c_str());
  }
  if (manifest.attempt) {
    std::printf("  attempt  %s, %s\n", grouped(manifest.attempt->generation.number).c_str(),
                holder ? ("built by pid " + std::to_string(holder->owner.pid)).c_str()
                       : "left by a crash; the next writer drops it");
  }
}
}  // namespace

int status(Args const& args) {
  auto const home = home_of(args);
  auto const followed = follow_home(home);
  if (!followed) return fail(args, followed.error());
  auto const told = followed.assume_value().status();
  if (!told) return fail(args, told.error());
  auto const holder = holder_of(home);
  if (!holder) return fail(args, holder.error());
  auto const& status = told.assume_value();
  if (!status.manifest) return fail(args, hf::error{hf::errc::no_generation, "status", home});
  answer(
      args,
      [&](Json& json) {
        put(json, *status.manifest, holder.assume_value());
        json.field("trouble", status.trouble ? status.trouble->text() : "");
      },
      [&] {
        print(*status.manifest, holder.assume_value());
        if (status.trouble) std::printf("  trouble: %s\n", status.trouble->text().c_str());
      });
  return status.trouble ? Exit::failed : Exit::right;
}

int summary(Args const& args) {
  auto const read_it = [&](Parts const& parts, Shown const& shown) -> hf::result<void> {
    HOLDFAST_TRY(origin, origin_of_keys(parts));
    HOLDFAST_TRY(path, relative(args.operand(), origin.root));
    HOLDFAST_TRY(row, directory(parts, path));
    answer(
        args,
        [&](Json& json) {
          json.field("path", args.operand()).field("root", origin.root);
          json.field("generation", shown.generation);
          put(json, row.total);
          json.key("own").object([&] { put(json, row.own); });
        },
        [&] {
          std::printf("%s (generation %s)\n", printable(args.operand()).c_str(),
                      grouped(shown.generation).c_str());
          print(row.total, row.own);
        });
    return hf::ok();
  };
  auto const done = read(args, read_it);
  return done ? Exit::right : fail(args, done.error());
}

int histogram(Args const& args) {
  auto const read_it = [&](Parts const& parts, Shown const& shown) -> hf::result<void> {
    HOLDFAST_TRY(volumes, histograms(parts));
    Histogram all;
    std::uint64_t most = 1;
    for (auto const& [name, bins] : volumes) {
      if (args.has("--volume") && name != args.get("--volume")) continue;
      for (auto const& [bound, share] : bins) {
        all[bound].files += share.files;
        all[bound].bytes += share.bytes;
        most = std::max(most, all[bound].files);
      }
    }
    answer(
        args,
        [&](Json& json) {
          json.field("generation", shown.generation);
          json.key("bins").array([&] {
            for (auto const& bin : all) {
              json.object([&] {
                json.field("below", bin.first)
                    .field("files", bin.second.files)
                    .field("bytes", bin.second.bytes);
              });
            }
          });
        },
        [&] {
          for (auto const& [bound, share] : all) {
            std::printf("  below %9s %11s files %10s  %s\n", human_bytes(bound).c_str(),
                        grouped(share.files).c_str(), human_bytes(share.bytes).c_str(),
                        std::string(share.files * 40 / most, '#').c_str());
          }
        });
    return hf::ok();
  };
  auto const done = read(args, read_it);
  return done ? Exit::right : fail(args, done.error());
}

int container(Args const& args) {
  char* end = nullptr;
  auto const id = std::strtoull(args.operand().c_str(), &end, 10);
  if (end == args.operand().c_str() || *end != '\0') {
    std::fprintf(stderr, "recon: container: a container is a number\n");
    return Exit::misused;
  }
  auto const limit = args.number("--limit", 20);
  auto const read_it = [&](Parts const& parts, Shown const& shown) -> hf::result<void> {
    HOLDFAST_TRY(counted, find(parts, rows::key(rows::container, id)));
    if (!counted) return hf::failure(hf::errc::not_found, "find the container", args.operand());
    HOLDFAST_TRY(share, rows::decode_share(*counted));
    std::vector<std::pair<std::string, std::uint64_t>> keys;
    HOLDFAST_TRYV(each(parts, rows::key(rows::container_key, id),
                       [&](auto path, auto value) -> hf::result<void> {
                         HOLDFAST_TRY(size, rows::decode_number(value));
                         if (keys.size() < limit) keys.emplace_back(path, size);
                         return hf::ok();
                       }));
    answer(
        args,
        [&](Json& json) {
          json.field("container", std::uint64_t{id}).field("generation", shown.generation);
          json.field("files", share.files).field("bytes", share.bytes);
          json.key("keys").array([&] {
            for (auto const& key : keys) {
              json.object([&] { json.field("path", key.first).field("size", key.second); });
            }
          });
        },
        [&] {
          std::printf("container %s: %s files, %s\n", args.operand().c_str(),
                      grouped(share.files).c_str(), human_bytes(share.bytes).c_str());
          for (auto const& [path, size] : keys) {
            std::printf("  %12s  %s\n", grouped(size).c_str(), printable(path).c_str());
          }
          if (keys.size() < share.files) std::printf("  ... (--limit N shows more)\n");
        });
    return hf::ok();
  };
  auto const done = read(args, read_it);
  return done ? Exit::right : fail(args, done.error());
}

int verify(Args const& args) {
  Verified verified;
  Shown seen;
  auto const done = read(args, [&](Parts const& parts, Shown const& shown) -> hf::result<void> {
    HOLDFAST_TRY(all, verify(parts));
    verified = std::move(all);
    seen = shown;
    return hf::ok();
  });
  if (!done) return fail(args, done.error());
  // A record that had to be made again has no marks.
  bool const marked = seen.marks && !seen.marks->empty();
  if (marked && *seen.marks != marks_of(verified.counts, verified.digest)) {
    verified.differences.push_back("the marks of the generation differ from its rows");
  }
  if (seen.marks && seen.generation != verified.run) {
    verified.differences.push_back("the generation holds the rows of another one");
  }
  bool const right = verified.differences.empty();
  answer(
      args,
      [&](Json& json) {
        json.field("right", right).field("generation", seen.generation).field("run", verified.run);
        json.field("root", verified.root).field("rows", verified.rows);
        put(json, verified.counts);
        json.key("differences").array([&] {
          for (auto const& difference : verified.differences) json.value(difference);
        });
      },
      [&] {
        std::printf("%s: generation %s, %s rows, %s\n", right ? "right" : "WRONG",
                    grouped(seen.generation).c_str(), grouped(verified.rows).c_str(),
                    describe(verified.counts).c_str());
        for (auto const& difference : verified.differences) {
          std::printf("  %s\n", difference.c_str());
        }
      });
  return right ? Exit::right : Exit::wrong;
}

}  // namespace recon
