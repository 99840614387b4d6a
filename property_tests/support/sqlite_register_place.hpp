// SPDX-License-Identifier: BSL-1.0
// A register in a SQLite database on a simulated disk.
#ifndef HOLDFAST_PROPERTY_TESTS_SQLITE_REGISTER_PLACE_HPP
#define HOLDFAST_PROPERTY_TESTS_SQLITE_REGISTER_PLACE_HPP

#include <memory>
#include <utility>

#include "database_places.hpp"
#include "holdfast/backend/sqlite_register.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/sqlite_vfs.hpp"

namespace crash {
/// With the VFS that it goes through, which ends last.
template <class Fs>
class GroundedRegister {
  using World = hf::testing::SimulatedWorld;
  using Vfs = hf::testing::SqliteVfs<Fs, World>;
  using Register = hf::BasicSqliteRegister<Fs, World>;

 public:
  static constexpr hf::Guarantees guarantees = Register::guarantees;
  explicit GroundedRegister(hf::testing::SimulatedProcess const& p)
      : vfs_{std::make_shared<Vfs>(files_for<Fs>(p), p.world, "/db")},
        register_{"/db/registers.sqlite3", {.vfs = vfs_->name()}, files_for<Fs>(p), p.world} {}

  [[nodiscard]] auto load() { return register_.load(); }
  [[nodiscard]] auto store_if(hf::Version expected, hf::bytes_view value) {
    return register_.store_if(expected, value);
  }
  [[nodiscard]] auto reopen() { return register_.reopen(); }
  [[nodiscard]] std::size_t max_size() const noexcept { return register_.max_size(); }

 private:
  std::shared_ptr<Vfs> vfs_;
  Register register_;
};
template <class Fs>
struct SqliteRegisters {
  [[nodiscard]] GroundedRegister<Fs> operator()(hf::testing::SimulatedProcess const& p) const {
    return GroundedRegister<Fs>{p};
  }
};
}  // namespace crash

#endif
