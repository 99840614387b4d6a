// SPDX-License-Identifier: BSL-1.0
// Makes of a number a scenario over SQLite or RocksDB, alone or under a staged home.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_DATABASE_VARIANTS_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_DATABASE_VARIANTS_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "../support/database_places.hpp"
#include "../support/rocksdb_place.hpp"
#include "../support/sqlite_place.hpp"
#include "variants.hpp"

namespace crash {
/// Beside a database, for a home of two parts.
template <class Fs>
struct LinkedDirectory : OneDirectory<Fs> {
  static constexpr char const* link = "/db/keys/current";
};
template <class Fs>
using DirectoryAndSqlite = TwoPlaces<LinkedDirectory<Fs>, OneSqlite<Fs>, Fs>;
template <class Fs>
using RocksAndSqlite = TwoPlaces<OneRocks<Fs>, OneSqlite<Fs>, Fs>;

template <class Place>
[[nodiscard]] hf::testing::Scenario database_variant(std::string name, std::uint64_t number) {
  hf::testing::disk::Dice dice{number};
  hf::testing::StorePlan plan;
  plan.seed = number;
  plan.generations = 1 + dice.below(4);
  plan.sector_size = sector_size(dice);
  plan.kill_generation = dice.below(2) == 0 ? 1 + dice.below(plan.generations) : 0;
  plan.kill_after = some_calls(dice, 160);
  plan.drop_unsealed = dice.below(2) == 0;
  return hf::testing::store_scenario(std::move(name), Place{.raw = dice.below(3) != 0}, plan);
}

// Every other number is a staged home.
template <class Fs>
[[nodiscard]] hf::testing::Scenario sqlite_variant(std::string name, std::uint64_t number) {
  return number % 2 == 0 ? home_variant<DirectoryAndSqlite<Fs>>(std::move(name), number)
                         : database_variant<OneSqlite<Fs>>(std::move(name), number);
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario rocksdb_variant(std::string name, std::uint64_t number) {
  return number % 2 == 0 ? home_variant<RocksAndSqlite<Fs>>(std::move(name), number)
                         : database_variant<OneRocks<Fs>>(std::move(name), number);
}
}  // namespace crash

#endif
