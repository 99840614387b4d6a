// SPDX-License-Identifier: BSL-1.0
// Lays out a home in a directory: its folder, its readme, each store in its place.
#ifndef HOLDFAST_STAGED_HOME_HPP
#define HOLDFAST_STAGED_HOME_HPP

#include <string>
#include <string_view>
#include <utility>

#include "holdfast/adaptor/together.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/explain.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
inline constexpr std::string_view home_readme =
    "This folder is managed by holdfast. CURRENT is its one record: `strings CURRENT` shows it.\n"
    "Each part has a folder with one numbered folder a generation. Do not edit, move or delete\n"
    "anything here by hand: what the record does not list is never touched, and what it lists\n"
    "is never rebuilt by itself.\n";

// The readme is for people only: not synced, made again where a crash left it empty, and not worth
// refusing a home for.
template <file_system Fs>
[[nodiscard]] result<void> make_home(Fs const& fs, std::string const& home) {
  HOLDFAST_TRYV(make_directories(fs, home));
  auto const path = join(home, "README.txt");
  auto file = fs.open(path, Open::create);
  if (!file && file.error().code() == errc::exists) return ok();
  if (!file) {
    // A home that is there already must open on a full disk too.
    if (fs.identity(join(home, "CURRENT"))) return ok();
    return failed(file);
  }
  static_cast<void>(fs.write_at(file.assume_value(), 0, as_bytes(home_readme)));
  return ok();
}

template <placed_store Store>
[[nodiscard]] Store placed(Store store, std::string const& home) {
  store_traits<Store>::place(store, home);
  return store;
}

template <placed_store First>
[[nodiscard]] First together(std::string const& home, First first) {
  return placed(std::move(first), home);
}
template <placed_store First, placed_store Second, placed_store... Rest>
[[nodiscard]] auto together(std::string const& home, First first, Second second, Rest... rest) {
  return Together<First, Second, Rest...>{placed(std::move(first), home),
                                          placed(std::move(second), home),
                                          placed(std::move(rest), home)...};
}

template <class... Stores>
constexpr bool explain_placed() {
  return ((explain_store<Stores>() && explain_place<Stores>()) && ...);
}
}  // namespace detail

HOLDFAST_END

#endif
