// SPDX-License-Identifier: BSL-1.0
// Rebuilds, recovers and follows a home through holdfast.
#include "home.hpp"

#include <sys/stat.h>

#include <memory>
#include <utility>

#include "check.hpp"
#include "fill.hpp"
#include "walk.hpp"

namespace recon {
namespace {
hf::RocksStore keys_store() {
  return hf::RocksStore{"keys"};
}
hf::SqliteStore stats_store() {
  return hf::SqliteStore{"stats", {.schema = stats_schema}};
}

hf::result<void> check_folder(std::string const& home, bool must_exist) {
  struct stat seen {};
  bool const there = ::stat(home.c_str(), &seen) == 0;
  if (there && !S_ISDIR(seen.st_mode)) {
    return hf::failure(hf::errc::invalid, "the home is not a folder", home);
  }
  if (!there && must_exist) return hf::failure(hf::errc::not_found, "open the home", home, errno);
  return hf::ok();
}

class HoldfastReader : public Reader {
 public:
  HoldfastReader(Followed followed, bool stay) : followed_{std::move(followed)}, stay_{stay} {}

  hf::result<void> read(Use const& use) override {
    if (!stay_) {
      HOLDFAST_TRYV(followed_.refresh());
    }
    HOLDFAST_TRY(view, followed_.view());
    auto const& [keys, stats] = *view;
    HOLDFAST_TRY(lease, stats.connection());
    return use({&keys.db(), lease.handle()},
               {view.generation().number, view.sequence(), view.marks()});
  }

 private:
  Followed followed_;
  bool stay_;
};

class Holdfast : public System {
 public:
  explicit Holdfast(SystemOptions options)
      : options_{std::move(options)}, watch_{PhaseLog{options_.phase_descriptor}} {}

  hf::result<Rebuilt> rebuild(RebuildOptions const& what, Progress& progress) override {
    auto const begun_ns = hf::Native{}.steady_ns();
    HOLDFAST_TRY(home, open_home(options_, watch_));
    Tree tree;
    Observed world;
    world.watch = &watch_;
    // Who wants it again runs it again; reading a large tree may take longer than any deadline.
    Job job{home, {.timeout_ms = 0, .retry = {.auto_retry_enabled = false}}, {}, world};
    job.first(walk_task(what, tree, progress));
    job.add(keys_task(tree));
    job.add(stats_task(tree));
    watch_.tasks_left = 3;
    HOLDFAST_TRY(report, job.run());
    auto const& done = *report.committed;
    Rebuilt rebuilt{.generation = done.generation.number, .sequence = done.sequence};
    rebuilt.counts = tree.directories.front().total;
    rebuilt.containers = tree.files.empty() ? 0 : container_of(tree.files.size() - 1);
    rebuilt.skipped = std::move(tree.skipped);
    rebuilt.cut = tree.cut;
    rebuilt.build_ms = static_cast<double>(watch_.built_ns - begun_ns) / 1e6;
    rebuilt.switch_ms = static_cast<double>(watch_.switched_ns - watch_.committing_ns) / 1e6;
    if (done.housekeeping) rebuilt.housekeeping = done.housekeeping->text();
    return rebuilt;
  }

  hf::result<void> restart() override {
    HOLDFAST_TRY(home, open_home(options_, watch_));
    return hf::ok();
  }

  hf::result<std::unique_ptr<Reader>> reader() override {
    HOLDFAST_TRY(followed, follow_home(options_.home));
    return std::unique_ptr<Reader>{
        std::make_unique<HoldfastReader>(std::move(followed), options_.stay)};
  }

 private:
  using Writer = Job::writer_type;

  // Reads the tree, which the other tasks write; its sums are the marks.
  Job::task_type walk_task(RebuildOptions const& what, Tree& tree, Progress& progress) const {
    return {
        .name = "walk", .run = [&, this](Writer&, hf::TaskRun& run) -> hf::result<void> {
          auto const tell = [&](std::uint64_t n) { progress.step("reading", n); };
          HOLDFAST_TRY(read, walk(what.root, {what.max_files, what.slow_us, options_.home, tell}));
          tree = std::move(read);
          progress.line("read " + describe(tree));
          for (auto const& [name, value] : marks_of(tree)) run.mark(name, value);
          return hf::ok();
        }};
  }
  static Job::task_type keys_task(Tree const& tree) {
    return {.name = "keys",
            .run = [&](Writer& writer, hf::TaskRun& run) -> hf::result<void> {
              HOLDFAST_TRY(bulk, std::get<0>(writer).sorted_bulk());
              auto const put = [&bulk = bulk, &run](auto key, auto value) -> hf::result<void> {
                HOLDFAST_TRYV(run.step());
                return bulk->put(key, value);
              };
              return fill_keys(tree, run.generation().number, put);
            },
            .validate = agrees,
            .unit = "rows"};
  }
  static Job::task_type stats_task(Tree const& tree) {
    return {.name = "stats", .run = [&](Writer& writer, hf::TaskRun& run) {
              return fill_stats(tree, run.generation().number, std::get<1>(writer).handle());
            }};
  }

  // A look at the unseen generation before the switch: do both stores tell the same?
  static hf::result<bool> agrees(std::tuple<hf::RocksReader, hf::SqliteReader> const& reader) {
    auto const& [keys, stats] = reader;
    HOLDFAST_TRY(lease, stats.connection());
    HOLDFAST_TRY(answer, ask({&keys.db(), lease.handle()}));
    return answer.mix.empty();
  }

  SystemOptions options_;
  Watch watch_;
};
}  // namespace

void Observed::on(hf::Event const& event) const noexcept {
  using Kind = hf::Event::Kind;
  auto& phases = watch->phases;
  if (event.kind == Kind::transition) {
    if (event.to == hf::State::initializing) phases.enter("build");
    if (event.to == hf::State::ready_to_commit) phases.enter("commit");
    if (event.to == hf::State::committing) watch->committing_ns = event.at_ns;
    if (event.to == hf::State::rolling_back) phases.enter("rollback");
  } else if (event.kind == Kind::task_finished) {
    if (--watch->tasks_left != 0 || event.cause != nullptr) return;
    watch->built_ns = event.at_ns;
    phases.enter("seal");
  } else if (event.kind == Kind::switched && phases.phase() == "commit") {
    watch->switched_ns = event.at_ns;
    phases.enter("publish");
  } else if (event.kind == Kind::published && phases.phase() == "publish") {
    phases.enter("collection");
  }
}

hf::result<Home> open_home(SystemOptions const& options, Watch& watch) {
  auto const& home = options.home;
  HOLDFAST_TRYV(check_folder(home, false));
  watch.phases.enter("open");
  Observed world;
  world.watch = &watch;
  return hf::open_staged(
      home, hf::StagedOptions{.retain = options.retain, .publish_grace_ms = options.grace_ms},
      world, keys_store(), stats_store());
}

hf::result<Followed> follow_home(std::string const& home) {
  HOLDFAST_TRYV(check_folder(home, true));
  return hf::open_view(home, keys_store(), stats_store());
}

hf::result<std::optional<hf::Holder>> holder_of(std::string const& home) {
  hf::FileLock lock{home + "/LOCK"};
  return lock.inspect();
}

std::unique_ptr<System> make_holdfast(SystemOptions options) {
  return std::make_unique<Holdfast>(std::move(options));
}

}  // namespace recon
