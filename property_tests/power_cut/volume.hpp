// SPDX-License-Identifier: BSL-1.0
// A file system in an image file, mounted through a loop device where only this program sees it,
// whose power can be cut.
#ifndef HOLDFAST_PROPERTY_TESTS_POWER_CUT_VOLUME_HPP
#define HOLDFAST_PROPERTY_TESTS_POWER_CUT_VOLUME_HPP

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

extern char** environ;

namespace power_cut {
/// Why something could not be done; empty: it was.
using Refusal = std::optional<std::string>;
[[nodiscard]] inline Refusal refusal(std::string const& what) {
  return what + ": " + std::strerror(errno);
}

/// An open descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_{fd} {}
  Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

/// A new folder, removed at the end. Nothing is removed through a mount that is still there.
class Scratch {
 public:
  explicit Scratch(std::string const& parent) : path_{parent + "/power-cut-XXXXXX"} {
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  Scratch(Scratch const&) = delete;
  ~Scratch() {
    if (path_.empty()) return;
    ::unlink((path_ + "/image").c_str());
    ::rmdir((path_ + "/mounted").c_str());
    ::rmdir(path_.c_str());
  }
  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// From here on no mount of this process is seen by others, and all of them end with it, however it
/// ends.
[[nodiscard]] inline Refusal hide_mounts() {
  if (::geteuid() != 0) return "only root may mount";
  if (::unshare(CLONE_NEWNS) != 0) return refusal("a mount namespace of its own");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return refusal("making mounts private");
  }
  return {};
}

/// Runs a program that says nothing; its exit code, or 127.
[[nodiscard]] inline int run(std::initializer_list<char const*> words) {
  std::string all;
  for (auto const* word : words) all.append(all.empty() ? "" : " ").append(word);
  all += " >/dev/null 2>&1";
  char const* arguments[] = {"sh", "-c", all.c_str(), nullptr};
  pid_t child = 0;
  int status = 0;
  bool const ran = ::posix_spawn(&child, "/bin/sh", nullptr, nullptr, const_cast<char**>(arguments),
                                 environ) == 0 &&
                   ::waitpid(child, &status, 0) == child && WIFEXITED(status);
  return ran ? WEXITSTATUS(status) : 127;
}

class Volume {
 public:
  /// `type`: ext4 or xfs. Nothing is done yet.
  Volume(std::string type, std::string const& scratch)
      : type_{std::move(type)}, image_{scratch + "/image"}, place_{scratch + "/mounted"} {}
  Volume(Volume const&) = delete;
  ~Volume() { static_cast<void>(unmount()); }

  [[nodiscard]] std::string const& place() const noexcept { return place_; }

  /// Makes the image and mounts it. What it refuses is a reason to skip.
  [[nodiscard]] Refusal make() {
    auto const mkfs = "mkfs." + type_;
    auto const path = "PATH=$PATH:/sbin:/usr/sbin";
    if (run({path, "command -v", mkfs.c_str()}) != 0) return "there is no " + mkfs;
    Descriptor const image{::open(image_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (!image || ::ftruncate(image.get(), size()) != 0) return refusal(image_);
    if (run({path, mkfs.c_str(), "-q", image_.c_str()}) != 0) return mkfs + " failed";
    if (auto refused = attach(image.get())) return refused;
    if (::mkdir(place_.c_str(), 0700) != 0) return refusal(place_);
    return mount();
  }

  /// What a power cut does: the journal stays as it is, what was not written is lost, and every
  /// later call fails. It is one ioctl for both file systems.
  [[nodiscard]] Refusal cut() const {
    constexpr std::uint32_t without_flush = 2;
    constexpr auto shutdown = _IOR('X', 125, std::uint32_t);
    Descriptor const top{::open(place_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!top) return refusal(place_);
    if (::ioctl(top.get(), shutdown, &without_flush) != 0) return refusal("the shutdown ioctl");
    return {};
  }

  [[nodiscard]] Refusal mount() {
    if (::mount(device_.c_str(), place_.c_str(), type_.c_str(), 0, nullptr) != 0) {
      return refusal("mounting " + type_);
    }
    mounted_ = true;
    return {};
  }
  [[nodiscard]] Refusal unmount() {
    if (!mounted_) return {};
    if (::umount2(place_.c_str(), 0) != 0) {
      auto refused = refusal("unmounting");
      // Out of everybody's sight at least, and gone once nobody is in it.
      if (::umount2(place_.c_str(), MNT_DETACH) == 0) mounted_ = false;
      return refused;
    }
    mounted_ = false;
    return {};
  }

 private:
  // The least that each can be made with, and room to work in.
  [[nodiscard]] off_t size() const { return (type_ == "xfs" ? off_t{512} : off_t{192}) << 20; }

  [[nodiscard]] Refusal attach(int image) {
    Descriptor const control{::open("/dev/loop-control", O_RDWR | O_CLOEXEC)};
    if (!control) return refusal("/dev/loop-control");
    for (int attempt = 0; attempt < 16; ++attempt) {
      int const number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
      if (number < 0) return refusal("a free loop device");
      device_ = "/dev/loop" + std::to_string(number);
      loop_ = Descriptor{::open(device_.c_str(), O_RDWR | O_CLOEXEC)};
      if (!loop_) return refusal(device_);
      if (::ioctl(loop_.get(), LOOP_SET_FD, image) == 0) {
        loop_info64 info{};
        info.lo_flags = LO_FLAGS_AUTOCLEAR;  // detached when the last one closes it, us included
        if (::ioctl(loop_.get(), LOOP_SET_STATUS64, &info) == 0) return {};
        auto refused = refusal(device_);
        ::ioctl(loop_.get(), LOOP_CLR_FD, 0);
        return refused;
      }
      if (errno != EBUSY) return refusal(device_);  // busy: somebody else was quicker
    }
    return "every loop device is busy";
  }

  std::string type_;
  std::string image_;
  std::string place_;
  std::string device_{};
  Descriptor loop_{};
  bool mounted_ = false;
};
}  // namespace power_cut

#endif
