// SPDX-License-Identifier: BSL-1.0
// The real file system with a list of what was called, and calls that fail.
#ifndef HOLDFAST_TESTS_UNIT_BACKEND_FAULTY_FILES_HPP
#define HOLDFAST_TESTS_UNIT_BACKEND_FAULTY_FILES_HPP

#include <memory>
#include <string>
#include <vector>

#include "holdfast/file_system.hpp"
#include "holdfast/posix.hpp"

struct Faults {
  std::vector<std::string> calls;    ///< every call with an effect: "sync SEAL", "remove a"
  std::vector<std::string> failing;  ///< the beginnings of calls; the first such call fails, once
  hf::errc code = hf::errc::io;
};

/// Copies share their faults.
class FaultyFiles : public hf::Posix {
 public:
  std::shared_ptr<Faults> faults = std::make_shared<Faults>();

  hf::result<file> open(std::string const& path, hf::Open how) const {
    if (how == hf::Open::create) {
      HOLDFAST_TRYV(step("create", path));
    }
    return Posix::open(path, how);
  }
  hf::result<void> write_at(file& f, std::uint64_t at, hf::bytes_view from) const {
    HOLDFAST_TRYV(step("write", f.path()));
    return Posix::write_at(f, at, from);
  }
  hf::result<void> sync(file& f) const {
    HOLDFAST_TRYV(step("sync", f.path()));
    return Posix::sync(f);
  }
  hf::result<void> make_directory(std::string const& path) const {
    HOLDFAST_TRYV(step("make", path));
    return Posix::make_directory(path);
  }
  hf::result<void> sync_directory(std::string const& path) const {
    HOLDFAST_TRYV(step("settle", path));
    return Posix::sync_directory(path);
  }
  hf::result<void> rename(std::string const& from, std::string const& to) const {
    HOLDFAST_TRYV(step("rename", to));
    return Posix::rename(from, to);
  }
  hf::result<void> remove(std::string const& path) const {
    HOLDFAST_TRYV(step("remove", path));
    return Posix::remove(path);
  }

 private:
  hf::result<void> step(std::string const& what, std::string const& path) const {
    auto const call = what + ' ' + path.substr(path.rfind('/') + 1);
    faults->calls.push_back(call);
    auto const begins = [&](std::string const& failing) { return call.starts_with(failing); };
    if (std::erase_if(faults->failing, begins) == 0) return hf::ok();
    return boost::outcome_v2::failure(hf::error{faults->code, "injected", path});
  }
};
static_assert(hf::file_system<FaultyFiles>);

#endif
