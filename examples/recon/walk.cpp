// SPDX-License-Identifier: BSL-1.0
// Reads a directory tree depth first: the files of a folder, then its folders, each in byte order.
#include "walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "text.hpp"

namespace recon {
namespace {

struct CloseDirectory {
  void operator()(DIR* d) const noexcept { ::closedir(d); }
};
using OpenDirectory = std::unique_ptr<DIR, CloseDirectory>;

struct Listed {
  std::string name;
  unsigned char type;
};

// A folder whose own folders are still to be read.
struct Frame {
  OpenDirectory open;
  std::uint64_t id;
  std::vector<std::string> folders;  // descending: the next one is at the back
};

class Walker {
 public:
  Walker(Tree& tree, WalkOptions const& options) : tree_{tree}, options_{options} {
    struct stat home {};
    if (!options.leave_out.empty() && ::stat(options.leave_out.c_str(), &home) == 0) home_ = home;
  }

  hf::result<void> run() {
    int const fd = ::open(tree_.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return hf::failure(hf::errc::io, "read the tree", tree_.root, errno);
    tree_.volumes.push_back({"."});
    tree_.directories.push_back({});
    enter(fd, 0);
    while (!frames_.empty() && !tree_.cut) {
      auto& top = frames_.back();
      if (top.folders.empty()) {
        frames_.pop_back();
        continue;
      }
      auto const name = std::move(top.folders.back());
      top.folders.pop_back();
      descend(top, name);
    }
    add_up();
    return hf::ok();
  }

 private:
  void descend(Frame const& parent, std::string const& name) {
    auto const path = join(parent.id, name);
    int const fd = ::openat(::dirfd(parent.open.get()), name.c_str(),
                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int const why = errno;
    if (fd < 0 && (why == ENOENT || why == ENOTDIR || why == ELOOP)) return skip(path, why);
    struct stat seen {};
    if (fd >= 0 && ::fstat(fd, &seen) == 0 && home_ && seen.st_dev == home_->st_dev &&
        seen.st_ino == home_->st_ino) {
      ::close(fd);
      return;
    }
    auto const id = tree_.directories.size();
    tree_.directories.push_back({parent.id, path});
    auto& directory = tree_.directories.back();
    directory.volume = tree_.directories[parent.id].volume;
    if (parent.id == 0) {
      directory.volume = tree_.volumes.size();
      tree_.volumes.push_back({name});
    }
    tree_.directories[parent.id].own.directories += 1;
    tree_.volumes[directory.volume].counts.directories += 1;
    count_entry();
    if (fd < 0) return skip(path, why);  // it is there, and counts, but what it holds is unknown
    enter(fd, id);
  }

  // Lists a folder and counts what is no folder. Its descriptor stays open while folders are left:
  // they are opened by it, so that no path is ever too long.
  void enter(int fd, std::uint64_t id) {
    OpenDirectory open{::fdopendir(fd)};
    std::vector<Listed> entries;
    errno = 0;
    while (auto const* entry = ::readdir(open.get())) {
      std::string name{entry->d_name};
      if (name != "." && name != "..") entries.push_back({std::move(name), entry->d_type});
      errno = 0;
    }
    if (errno != 0) skip(tree_.directories[id].path, errno);
    std::sort(entries.begin(), entries.end(),
              [](Listed const& a, Listed const& b) { return a.name < b.name; });
    std::vector<std::string> folders;
    for (auto& entry : entries) {
      if (entry.type == DT_DIR) {
        folders.push_back(std::move(entry.name));
      } else if (count(fd, id, entry) == S_IFDIR) {
        folders.push_back(std::move(entry.name));
      }
      if (tree_.cut) return;
    }
    std::reverse(folders.begin(), folders.end());
    if (!folders.empty()) frames_.push_back({std::move(open), id, std::move(folders)});
  }

  // Gives the type of the entry if only stat could tell it.
  mode_t count(int fd, std::uint64_t id, Listed const& entry) {
    auto& own = tree_.directories[id].own;
    auto& volume = tree_.volumes[tree_.directories[id].volume];
    mode_t type = entry.type == DT_LNK ? S_IFLNK : 0;
    struct stat seen {};
    if (type == 0) {
      if (::fstatat(fd, entry.name.c_str(), &seen, AT_SYMLINK_NOFOLLOW) != 0) {
        skip(join(id, entry.name), errno);
        return 0;
      }
      type = seen.st_mode & S_IFMT;
    }
    if (type == S_IFDIR) return type;
    Counts one;
    if (type == S_IFREG) {
      auto const size = static_cast<std::uint64_t>(seen.st_size);
      one = {.files = 1, .bytes = size};
      auto& bin = volume.histogram[upper_bound(size)];
      bin.files += 1;
      bin.bytes += size;
      tree_.files.push_back({id, entry.name, size});
      tree_.cut = tree_.files.size() == options_.max_files;
    } else {
      (type == S_IFLNK ? one.symlinks : one.other) = 1;
    }
    own += one;
    volume.counts += one;
    count_entry();
    return type;
  }

  void count_entry() {
    ++entries_;
    if (options_.slow_us != 0) ::usleep(static_cast<useconds_t>(options_.slow_us));
    bool const tell = options_.slow_us != 0 || entries_ % 256 == 0;
    if (tell && options_.progress) options_.progress(entries_);
  }

  void skip(std::string const& path, int why) {
    auto& skipped = tree_.skipped;
    bool const gone = why == ENOENT || why == ENOTDIR || why == ELOOP || why == ESTALE;
    (gone                            ? skipped.vanished
     : why == EACCES || why == EPERM ? skipped.denied
                                     : skipped.failed) += 1;
    if (skipped.examples.size() < 5) skipped.examples.push_back(path + ": " + std::strerror(why));
  }

  [[nodiscard]] std::string join(std::uint64_t id, std::string const& name) const {
    auto const& folder = tree_.directories[id].path;
    return folder.empty() ? name : folder + '/' + name;
  }

  // A parent comes before its children, so that one pass from the back suffices.
  void add_up() {
    for (auto id = tree_.directories.size(); id-- > 0;) {
      auto& directory = tree_.directories[id];
      directory.total += directory.own;
      if (id != 0) tree_.directories[directory.parent].total += directory.total;
    }
  }

  Tree& tree_;
  WalkOptions const& options_;
  std::optional<struct stat> home_;
  std::vector<Frame> frames_;
  std::uint64_t entries_ = 0;
};

// A descriptor stays open for each level of a tree.
void allow_many_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

auto refuse(int why, std::string const& root) {
  auto const code = why == ENOENT    ? hf::errc::not_found
                    : why == EACCES  ? hf::errc::denied
                    : why == ENOTDIR ? hf::errc::invalid
                                     : hf::errc::io;
  return hf::failure(code, why == ENOTDIR ? "this is not a folder" : "read the tree", root, why);
}
}  // namespace

hf::result<std::string> resolve_root(std::string const& root) {
  std::unique_ptr<char, decltype(&std::free)> const real{::realpath(root.c_str(), nullptr),
                                                         &std::free};
  if (!real) return refuse(errno, root);
  OpenDirectory const open{::opendir(real.get())};
  if (!open) return refuse(errno, root);
  return std::string{real.get()};
}

hf::result<Tree> walk(std::string const& root, WalkOptions const& options) {
  Tree tree;
  tree.root = root;
  allow_many_files();
  HOLDFAST_TRYV(Walker{tree, options}.run());
  return tree;
}

std::string describe(Tree const& tree) {
  auto const& all = tree.directories.front().total;
  auto text = grouped(all.entries()) + " entries: " + grouped(all.files) + " files (" +
              human_bytes(all.bytes) + "), " + grouped(all.directories) + " folders, " +
              grouped(all.symlinks) + " symlinks, " + grouped(all.other) + " other";
  if (tree.skipped.all() != 0) text += "; skipped " + grouped(tree.skipped.all());
  if (tree.cut) text += "; cut at the file limit";
  return text;
}

}  // namespace recon
