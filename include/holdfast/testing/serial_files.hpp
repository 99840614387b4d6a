// SPDX-License-Identifier: BSL-1.0
// The files of a simulated process whose program has threads: they call one at a time.
#ifndef HOLDFAST_TESTING_SERIAL_FILES_HPP
#define HOLDFAST_TESTING_SERIAL_FILES_HPP

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/disk/machine.hpp"
#include "holdfast/testing/simulated_disk.hpp"

HOLDFAST_BEGIN

namespace testing {
/// Models `file_system` over `Files`, which is SimulatedFiles or an adaptor made from one. All that
/// uses one machine must do so through this. What runs before each call of the machine runs only
/// before those of the thread that made this one, and unlocked: it may wait for other threads.
template <class Files = SimulatedFiles>
class SerialFiles {
 public:
  class file {
   public:
    file(file&& other) noexcept
        : mutex_{other.mutex_}, inner_{std::exchange(other.inner_, std::nullopt)} {}
    file& operator=(file&& other) noexcept {
      std::swap(mutex_, other.mutex_);
      std::swap(inner_, other.inner_);
      return *this;
    }
    ~file() {
      if (!inner_) return;
      std::scoped_lock const lock{*mutex_};  // closing lets go of the machine's locks
      inner_.reset();
    }

   private:
    friend SerialFiles;
    file(std::recursive_mutex& mutex, typename Files::file inner)
        : mutex_{&mutex}, inner_{std::move(inner)} {}
    std::recursive_mutex* mutex_;
    std::optional<typename Files::file> inner_;
  };

  explicit SerialFiles(SimulatedProcess const& process)
      : process_{process}, files_{process.files}, mutex_{&process.machine().mutex} {}

  [[nodiscard]] result<file> open(std::string const& path, Open how) const {
    return call([&]() -> result<file> {
      HOLDFAST_TRY(opened, files_.open(path, how));
      return file{*mutex_, std::move(opened)};
    });
  }
  [[nodiscard]] result<std::size_t> read_at(file& f, std::uint64_t at, bytes_span into) const {
    return call([&] { return files_.read_at(*f.inner_, at, into); });
  }
  [[nodiscard]] result<void> write_at(file& f, std::uint64_t at, bytes_view from) const {
    return call([&] { return files_.write_at(*f.inner_, at, from); });
  }
  [[nodiscard]] result<std::uint64_t> size(file& f) const {
    return call([&] { return files_.size(*f.inner_); });
  }
  [[nodiscard]] result<void> resize(file& f, std::uint64_t size) const {
    return call([&] { return files_.resize(*f.inner_, size); });
  }
  [[nodiscard]] result<void> sync(file& f) const {
    return call([&] { return files_.sync(*f.inner_); });
  }
  [[nodiscard]] result<bool> try_lock(file& f, Range range, Mode mode) const {
    return call([&] { return files_.try_lock(*f.inner_, range, mode); });
  }
  [[nodiscard]] result<void> unlock(file& f, Range range) const {
    return call([&] { return files_.unlock(*f.inner_, range); });
  }
  [[nodiscard]] result<FileId> identity(file& f) const {
    return call([&] { return files_.identity(*f.inner_); });
  }
  [[nodiscard]] result<FileId> identity(std::string const& path) const {
    return call([&] { return files_.identity(path); });
  }
  [[nodiscard]] result<void> make_directory(std::string const& path) const {
    return call([&] { return files_.make_directory(path); });
  }
  [[nodiscard]] result<void> sync_directory(std::string const& path) const {
    return call([&] { return files_.sync_directory(path); });
  }
  [[nodiscard]] result<void> rename(std::string const& from, std::string const& to) const {
    return call([&] { return files_.rename(from, to); });
  }
  [[nodiscard]] result<void> link(std::string const& from, std::string const& to) const {
    return call([&] { return files_.link(from, to); });
  }
  [[nodiscard]] result<void> symlink(std::string const& target, std::string const& at) const {
    return call([&] { return files_.symlink(target, at); });
  }
  [[nodiscard]] result<std::string> read_link(std::string const& path) const {
    return call([&] { return files_.read_link(path); });
  }
  [[nodiscard]] result<void> remove(std::string const& path) const {
    return call([&] { return files_.remove(path); });
  }
  [[nodiscard]] result<std::vector<Entry>> list(std::string const& path) const {
    return call([&] { return files_.list(path); });
  }

 private:
  template <class Call>
  auto call(Call&& make) const {
    std::unique_lock lock{*mutex_};
    auto& machine = process_.machine();
    bool const interleaves = machine.before_call && !machine.in_hook &&
                             std::this_thread::get_id() == owner_ && process_.alive();
    if (interleaves) {
      machine.in_hook = true;
      lock.unlock();
      machine.before_call();
      lock.lock();
      machine.in_hook = false;
    }
    bool const was_in_hook = std::exchange(machine.in_hook, true);  // it has run, or must not
    auto outcome = std::forward<Call>(make)();
    machine.in_hook = was_in_hook;
    return outcome;
  }

  SimulatedProcess process_;
  Files files_;
  std::recursive_mutex* mutex_;
  std::thread::id owner_ = std::this_thread::get_id();
};
static_assert(file_system<SerialFiles<>>);
}  // namespace testing

HOLDFAST_END

#endif
