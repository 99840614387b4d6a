// SPDX-License-Identifier: BSL-1.0
// Any file system, with its calls counted, and of which any can be made to fail.
#ifndef HOLDFAST_TESTING_FAULTY_FILES_HPP
#define HOLDFAST_TESTING_FAULTY_FILES_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/faults.hpp"
#include "holdfast/testing/faults_memory.hpp"

HOLDFAST_BEGIN

namespace testing {
/// `Fs`, but for the calls that its `Faults` make fail. Copies share their faults. A file of `Fs`
/// tells its `path()`; an `Fs` with `fail_sync(file)` is told of a sync that fails.
template <class Fs>
class FaultyFiles {
 public:
  using file = typename Fs::file;

  FaultyFiles() : FaultyFiles{Fs{}, std::make_shared<Faults>()} {}
  FaultyFiles(Fs real, std::shared_ptr<Faults> faults) noexcept
      : real_{std::move(real)}, faults_{std::move(faults)} {}

  [[nodiscard]] Faults& calls() const noexcept { return *faults_; }

  [[nodiscard]] result<file> open(std::string const& path, Open how) const {
    auto const call = how == Open::create ? Call::create : Call::open;
    return run<file>(call, path, "open", how != Open::read, [&] { return real_.open(path, how); });
  }
  [[nodiscard]] result<std::size_t> read_at(file& f, std::uint64_t at, bytes_span into) const {
    return run<std::size_t>(Call::read, f.path(), "read", false,
                            [&] { return real_.read_at(f, at, into); });
  }
  [[nodiscard]] result<void> write_at(file& f, std::uint64_t at, bytes_view from) const {
    SparedAllocations const spared;
    auto const failing = faults_->next(Call::write, f.path(), true, from.size());
    if (!failing) return real_.write_at(f, at, from);
    auto const size = failing->takes_effect ? from.size() : failing->written;
    if (size != 0) static_cast<void>(real_.write_at(f, at, from.first(size)));
    return failure(detail::errc_of(failing->number), "write", f.path(), failing->number);
  }
  [[nodiscard]] result<std::uint64_t> size(file& f) const {
    return run<std::uint64_t>(Call::size, f.path(), "stat", false, [&] { return real_.size(f); });
  }
  [[nodiscard]] result<void> resize(file& f, std::uint64_t size) const {
    return run<void>(Call::resize, f.path(), "resize", true, [&] { return real_.resize(f, size); });
  }
  [[nodiscard]] result<void> sync(file& f) const {
    SparedAllocations const spared;
    auto const failing = faults_->next(Call::sync, f.path(), false);
    if (!failing) return real_.sync(f);
    if (failing->takes_effect) {
      static_cast<void>(real_.sync(f));
    } else if constexpr (requires { real_.fail_sync(f); }) {
      real_.fail_sync(f);
    }
    return failure(errc::sync_failed, "sync", f.path(), failing->number);
  }
  [[nodiscard]] result<bool> try_lock(file& f, Range range, Mode mode) const {
    return run<bool>(Call::lock, f.path(), "lock", false,
                     [&] { return real_.try_lock(f, range, mode); });
  }
  [[nodiscard]] result<void> unlock(file& f, Range range) const {
    return run<void>(Call::unlock, f.path(), "unlock", false,
                     [&] { return real_.unlock(f, range); });
  }
  [[nodiscard]] result<bool> is_locked(file& f, Range range) const requires requires(Fs const& fs) {
    fs.is_locked(f, range);
  }
  {
    return run<bool>(Call::lock, f.path(), "look at locks", false,
                     [&] { return real_.is_locked(f, range); });
  }
  [[nodiscard]] result<FileId> identity(file& f) const {
    return run<FileId>(Call::identity, f.path(), "stat", false, [&] { return real_.identity(f); });
  }
  [[nodiscard]] result<FileId> identity(std::string const& path) const {
    return run<FileId>(Call::identity, path, "stat", false, [&] { return real_.identity(path); });
  }
  [[nodiscard]] result<void> make_directory(std::string const& path) const {
    return run<void>(Call::make_directory, path, "make directory", true,
                     [&] { return real_.make_directory(path); });
  }
  [[nodiscard]] result<void> sync_directory(std::string const& path) const {
    return run<void>(Call::sync_directory, path, "sync directory", false,
                     [&] { return real_.sync_directory(path); });
  }
  [[nodiscard]] result<void> rename(std::string const& from, std::string const& to) const {
    return run<void>(Call::rename, to, "rename", true, [&] { return real_.rename(from, to); });
  }
  [[nodiscard]] result<void> exchange(std::string const& a, std::string const& b) const requires
      requires(Fs const& fs) {
    fs.exchange(a, b);
  }
  {
    return run<void>(Call::rename, b, "exchange", true, [&] { return real_.exchange(a, b); });
  }
  [[nodiscard]] result<void> link(std::string const& from, std::string const& to) const {
    return run<void>(Call::link, to, "link", true, [&] { return real_.link(from, to); });
  }
  [[nodiscard]] result<void> symlink(std::string const& target, std::string const& at) const {
    return run<void>(Call::symlink, at, "symlink", true, [&] { return real_.symlink(target, at); });
  }
  [[nodiscard]] result<std::string> read_link(std::string const& path) const {
    return run<std::string>(Call::read_link, path, "read link", false,
                            [&] { return real_.read_link(path); });
  }
  [[nodiscard]] result<void> remove(std::string const& path) const {
    return run<void>(Call::remove, path, "remove", true, [&] { return real_.remove(path); });
  }
  [[nodiscard]] result<std::vector<Entry>> list(std::string const& path) const {
    return run<std::vector<Entry>>(Call::list, path, "list", false,
                                   [&] { return real_.list(path); });
  }

 private:
  template <class T, class Do>
  result<T> run(
      Call call, std::string const& path, char const* where, bool changes, Do whole) const {
    SparedAllocations const spared;
    auto const failing = faults_->next(call, path, changes);
    if (!failing) return whole();
    if (failing->takes_effect) static_cast<void>(whole());
    auto const code =
        call == Call::sync_directory ? errc::sync_failed : detail::errc_of(failing->number);
    return failure(code, where, path, failing->number);
  }

  Fs real_;
  std::shared_ptr<Faults> faults_;
};
static_assert(file_system<FaultyFiles<Posix>>);
}  // namespace testing

HOLDFAST_END

#endif
