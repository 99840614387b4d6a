// SPDX-License-Identifier: BSL-1.0
// The real file system whose calls are counted by kind, and of which any can be made to fail.
#ifndef HOLDFAST_TESTS_SUPPORT_FAILING_FILES_HPP
#define HOLDFAST_TESTS_SUPPORT_FAILING_FILES_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/file_system.hpp"
#include "holdfast/posix.hpp"

namespace support {
/// `create` is an `open` that makes a new file; `any` leaves out what can't fail.
enum class Call : std::uint8_t {
  any,
  open,
  create,
  read,
  write,
  size,
  resize,
  sync,
  lock,
  unlock,
  identity,
  make_directory,
  sync_directory,
  rename,
  link,
  symlink,
  read_link,
  remove,
  list,
};
inline constexpr std::size_t kinds_of_call = static_cast<std::size_t>(Call::list) + 1;

/// Which call fails, and how.
struct Fault {
  Call call = Call::any;
  std::string path_has{};   ///< only calls on such a path count; empty: all
  std::uint64_t first = 1;  ///< the n-th call that counts fails ...
  std::uint64_t times = 1;  ///< ... and so many in all
  int number = EIO;
  bool takes_effect = false;  ///< the call is done, and only its answer is an error
  bool half = false;          ///< a write leaves the first half of its bytes
  std::uint64_t seen = 0;     ///< calls that counted so far
};

/// Shared by every copy of a `FailingFiles`. Not thread-safe.
struct Calls {
  std::vector<std::uint64_t> counts = std::vector<std::uint64_t>(kinds_of_call);
  std::optional<Fault> fault;
  std::uint64_t failed = 0;  ///< calls made to fail
  Call last_failed_call = Call::any;
  std::string last_failed{};                            ///< the path of the last of them
  std::function<void(Call, std::string const&)> spy{};  ///< sees each call before it is made

  [[nodiscard]] std::uint64_t count(Call call) const {
    return counts[static_cast<std::size_t>(call)];
  }
  void fail(Fault next) {
    next.seen = 0;
    fault = std::move(next);
    failed = 0;
  }
  void heal() { fault.reset(); }
};

/// Posix, but for the calls that its `Calls` make fail.
class FailingFiles {
 public:
  using file = hf::Posix::file;

  [[nodiscard]] Calls& calls() const noexcept { return *calls_; }

  [[nodiscard]] hf::result<file> open(std::string const& path, hf::Open how) const {
    auto const call = how == hf::Open::create ? Call::create : Call::open;
    return run<file>(call, path, "open", [&] { return real_.open(path, how); });
  }
  [[nodiscard]] hf::result<std::size_t> read_at(file& f,
                                                std::uint64_t at,
                                                hf::bytes_span into) const {
    return run<std::size_t>(Call::read, f.path(), "read",
                            [&] { return real_.read_at(f, at, into); });
  }
  [[nodiscard]] hf::result<void> write_at(file& f, std::uint64_t at, hf::bytes_view from) const {
    return run<void>(
        Call::write, f.path(), "write", [&] { return real_.write_at(f, at, from); },
        [&] { return real_.write_at(f, at, from.first(from.size() / 2)); });
  }
  [[nodiscard]] hf::result<std::uint64_t> size(file& f) const {
    return run<std::uint64_t>(Call::size, f.path(), "stat", [&] { return real_.size(f); });
  }
  [[nodiscard]] hf::result<void> resize(file& f, std::uint64_t size) const {
    return run<void>(Call::resize, f.path(), "resize", [&] { return real_.resize(f, size); });
  }
  [[nodiscard]] hf::result<void> sync(file& f) const {
    return run<void>(Call::sync, f.path(), "sync", [&] { return real_.sync(f); });
  }
  [[nodiscard]] hf::result<bool> try_lock(file& f, hf::Range range, hf::Mode mode) const {
    return run<bool>(Call::lock, f.path(), "lock", [&] { return real_.try_lock(f, range, mode); });
  }
  [[nodiscard]] hf::result<void> unlock(file& f, hf::Range range) const {
    return run<void>(Call::unlock, f.path(), "unlock", [&] { return real_.unlock(f, range); });
  }
  [[nodiscard]] hf::result<hf::FileId> identity(file& f) const {
    return run<hf::FileId>(Call::identity, f.path(), "stat", [&] { return real_.identity(f); });
  }
  [[nodiscard]] hf::result<hf::FileId> identity(std::string const& path) const {
    return run<hf::FileId>(Call::identity, path, "stat", [&] { return real_.identity(path); });
  }
  [[nodiscard]] hf::result<void> make_directory(std::string const& path) const {
    return run<void>(Call::make_directory, path, "make directory",
                     [&] { return real_.make_directory(path); });
  }
  [[nodiscard]] hf::result<void> sync_directory(std::string const& path) const {
    return run<void>(Call::sync_directory, path, "sync directory",
                     [&] { return real_.sync_directory(path); });
  }
  [[nodiscard]] hf::result<void> rename(std::string const& from, std::string const& to) const {
    return run<void>(Call::rename, to, "rename", [&] { return real_.rename(from, to); });
  }
  [[nodiscard]] hf::result<void> link(std::string const& from, std::string const& to) const {
    return run<void>(Call::link, to, "link", [&] { return real_.link(from, to); });
  }
  [[nodiscard]] hf::result<void> symlink(std::string const& target, std::string const& at) const {
    return run<void>(Call::symlink, at, "symlink", [&] { return real_.symlink(target, at); });
  }
  [[nodiscard]] hf::result<std::string> read_link(std::string const& path) const {
    return run<std::string>(Call::read_link, path, "read link",
                            [&] { return real_.read_link(path); });
  }
  [[nodiscard]] hf::result<void> remove(std::string const& path) const {
    return run<void>(Call::remove, path, "remove", [&] { return real_.remove(path); });
  }
  [[nodiscard]] hf::result<std::vector<hf::Entry>> list(std::string const& path) const {
    return run<std::vector<hf::Entry>>(Call::list, path, "list", [&] { return real_.list(path); });
  }

 private:
  template <class T, class Do, class Half>
  hf::result<T> run(
      Call call, std::string const& path, char const* where, Do whole, Half half) const {
    auto& c = *calls_;
    ++c.counts[static_cast<std::size_t>(Call::any)];
    ++c.counts[static_cast<std::size_t>(call)];
    if (c.spy) c.spy(call, path);
    if (!fails(call, path)) return whole();
    auto const fault = *c.fault;
    ++c.failed;
    c.last_failed = path;
    c.last_failed_call = call;
    if (fault.takes_effect) static_cast<void>(whole());
    if (fault.half) static_cast<void>(half());
    bool const sync = call == Call::sync || call == Call::sync_directory;
    auto const code = sync ? hf::errc::sync_failed : hf::detail::errc_of(fault.number);
    return hf::failure(code, where, path, fault.number);
  }
  template <class T, class Do>
  hf::result<T> run(Call call, std::string const& path, char const* where, Do whole) const {
    return run<T>(call, path, where, whole, [] { return 0; });
  }

  [[nodiscard]] bool fails(Call call, std::string const& path) const {
    if (!calls_->fault) return false;
    auto& fault = *calls_->fault;
    if (fault.call != Call::any && fault.call != call) return false;
    // Letting go of exactly what was locked can't fail, nor is a lock taken that answers an error.
    bool const can = call != Call::unlock && !(call == Call::lock && fault.takes_effect);
    if (fault.call == Call::any && !can) return false;
    if (path.find(fault.path_has) == std::string::npos) return false;
    ++fault.seen;
    return fault.seen >= fault.first && fault.seen - fault.first < fault.times;
  }

  hf::Posix real_;
  std::shared_ptr<Calls> calls_ = std::make_shared<Calls>();
};
static_assert(hf::file_system<FailingFiles>);
}  // namespace support

#endif
