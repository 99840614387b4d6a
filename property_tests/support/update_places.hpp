// SPDX-License-Identifier: BSL-1.0
// SQLite and RocksDB stores on the simulated disk whose generations take updates.
#ifndef HOLDFAST_PROPERTY_TESTS_UPDATE_PLACES_HPP
#define HOLDFAST_PROPERTY_TESTS_UPDATE_PLACES_HPP

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "database_places.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/testing/sqlite_vfs.hpp"
#include "rocksdb_place.hpp"
#include "sqlite_place.hpp"

namespace crash {
/// A store with what it runs on, which outlives it and all that it gives.
template <class Inner, class Ground>
class UpdatedStore {
 public:
  using writer = Grounded<typename Inner::writer, Ground>;
  using reader = Grounded<typename Inner::reader, Ground>;
  using batch_type = typename Inner::batch_type;
  static constexpr hf::Guarantees guarantees = Inner::guarantees;

  UpdatedStore(std::shared_ptr<Ground> ground, Inner inner)
      : ground_{std::move(ground)}, inner_{std::move(inner)} {}
  UpdatedStore(UpdatedStore&&) noexcept = default;
  UpdatedStore& operator=(UpdatedStore&& other) noexcept {
    std::swap(ground_, other.ground_);
    std::swap(inner_, other.inner_);
    return *this;
  }
  ~UpdatedStore() = default;

  void place(std::string const& home) { inner_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return inner_.name(); }
  [[nodiscard]] hf::result<writer> create(hf::Generation g) {
    HOLDFAST_TRY(made, inner_.create(g));
    return writer{ground_, std::move(made)};
  }
  [[nodiscard]] hf::result<void> seal(writer& w) { return inner_.seal(*w); }
  [[nodiscard]] hf::result<reader> open(hf::Generation g) const {
    HOLDFAST_TRY(opened, inner_.open(g));
    return reader{ground_, std::move(opened)};
  }
  [[nodiscard]] hf::result<void> drop(hf::Generation g) { return inner_.drop(g); }
  [[nodiscard]] auto generations() const { return inner_.generations(); }
  [[nodiscard]] auto updates(hf::Generation g) const { return inner_.updates(g); }
  [[nodiscard]] auto apply(hf::Generation g, batch_type const& batch, hf::Marks const& marks) {
    return inner_.apply(g, batch, marks);
  }
  [[nodiscard]] auto marks(hf::Generation g) { return inner_.marks(g); }
  [[nodiscard]] std::optional<hf::Marks> marks_of(reader const& from) const {
    return inner_.marks_of(*from);
  }

 private:
  std::shared_ptr<Ground> ground_;
  Inner inner_;
};

template <class Fs>
struct UpdatedSqlite {
  using Vfs = hf::testing::SqliteVfs<Fs, hf::testing::SimulatedWorld>;
  using Store = UpdatedStore<hf::BasicSqliteStore<Fs>, Vfs>;
  static constexpr bool pads_its_log = true;  // a write never touches a sector that is done with

  [[nodiscard]] Store open(hf::testing::SimulatedProcess const& p) const {
    auto const fs = files_for<Fs>(p);
    auto vfs = vfs_of(p);
    hf::SqliteOptions const options{.schema = "CREATE TABLE files(name PRIMARY KEY, content)",
                                    .page_size = 1024,
                                    .vfs = vfs->name(),
                                    .updates = true,
                                    .connections = 1};
    hf::BasicSqliteStore<Fs> store{"stats", options, fs};
    store.place("/db");
    return Store{std::move(vfs), std::move(store)};
  }
  [[nodiscard]] hf::result<void> put(hf::testing::SimulatedProcess const&,
                                     typename Store::writer& writer,
                                     hf::testing::Files const& files) const {
    return put_rows((*writer).handle(), files);
  }
  [[nodiscard]] hf::SqliteBatch batch(hf::testing::Files const& files) const {
    return hf::SqliteBatch{[files](sqlite3* db) -> hf::result<void> {
      for (auto const& file : files) {
        HOLDFAST_TRYV(
            hf::detail::exec_sqlite(db, "DELETE FROM files WHERE name = '" + file.name + "'"));
      }
      return put_rows(db, files);
    }};
  }
  [[nodiscard]] hf::result<hf::testing::Files> get(typename Store::reader const& reader) const {
    HOLDFAST_TRY(lease, (*reader).connection());
    return get_rows(lease.handle());
  }

 private:
  // One for all stores of a process: their connections share the memory of the log.
  [[nodiscard]] static std::shared_ptr<Vfs> vfs_of(hf::testing::SimulatedProcess const& p) {
    static thread_local std::map<std::pair<void const*, std::uint64_t>, std::weak_ptr<Vfs>> all;
    std::erase_if(all, [](auto const& known) { return known.second.expired(); });
    auto& known = all[{&p.machine(), p.world.self().pid}];
    auto vfs = known.lock();
    if (!vfs) known = vfs = std::make_shared<Vfs>(files_for<Fs>(p), p.world, "/db");
    return vfs;
  }
};

template <class Fs>
struct UpdatedRocks {
  using Store = UpdatedStore<hf::BasicRocksStore<Fs>, rocksdb::Env>;
  static constexpr bool pads_its_log = false;

  [[nodiscard]] Store open(hf::testing::SimulatedProcess const& p) const {
    auto const fs = files_for<Fs>(p);
    auto env = rocksdb_env(fs);
    hf::RocksOptions options{.options = small_rocksdb(env.get())};
    options.updates = true;
    hf::BasicRocksStore<Fs> store{"keys", std::move(options), fs};
    store.place("/db");
    return Store{std::move(env), std::move(store)};
  }
  [[nodiscard]] hf::result<void> put(hf::testing::SimulatedProcess const&,
                                     typename Store::writer& writer,
                                     hf::testing::Files const& files) const {
    return put_pairs(*writer, files, RocksWay::puts);
  }
  [[nodiscard]] rocksdb::WriteBatch batch(hf::testing::Files const& files) const {
    rocksdb::WriteBatch batch;
    for (auto const& file : files) {
      std::string const content{reinterpret_cast<char const*>(file.content.data()),
                                file.content.size()};
      static_cast<void>(batch.Put(file.name, content));  // of the default family: it can't fail
    }
    return batch;
  }
  [[nodiscard]] auto get(typename Store::reader const& reader) const { return get_pairs(*reader); }
};
}  // namespace crash

#endif
