// SPDX-License-Identifier: BSL-1.0
// Does what an operator asks of a home that goes on serving: verify a generation, back it up.
#ifndef HOLDFAST_STAGED_OPERATIONS_HPP
#define HOLDFAST_STAGED_OPERATIONS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/adaptor/copies.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/home.hpp"
#include "holdfast/staged/source.hpp"
#include "holdfast/update_concepts.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// What a look at every byte of one part of a generation found.
struct PartVerdict {
  std::string part;
  Generation generation;   ///< the part's own, an earlier one if it was carried over
  result<Verified> found;  ///< what the look could go by, or what is wrong
};

namespace detail {
// A retained generation, held so that nobody drops it meanwhile.
template <class Source>
struct HeldGeneration {
  Manifest manifest;
  Kept kept;
  typename Source::Hold hold;
};

template <class Source>
[[nodiscard]] result<HeldGeneration<Source>> hold_generation(Source& source,
                                                             std::optional<Generation> wanted,
                                                             char const* where) {
  if (source.born().left()) return failure(errc::forked, where);
  for (int attempt = 0;; ++attempt) {
    HOLDFAST_TRY(loaded, source.load());
    if (!loaded || loaded->manifest.current.number == 0) return failure(errc::no_generation, where);
    auto const g = wanted.value_or(loaded->manifest.current);
    auto const* kept = manifest::find(loaded->manifest, g);
    if (kept == nullptr) return failure(errc::not_retained, where, std::to_string(g.number));
    auto held = source.hold(*kept);
    HOLDFAST_TRY(after, source.load());  // it may have retired before it was held
    bool const stays = after && manifest::find(after->manifest, g) != nullptr;
    if (held && stays) {
      return HeldGeneration<Source>{std::move(after->manifest), *kept,
                                    std::move(held).assume_value()};
    }
    if (!held && (attempt == 16 || held.error().code() != errc::busy)) return failed(held);
    if (attempt == 16) return failure(errc::busy, where, "generations retire all the time");
  }
}

template <generation_store Store>
[[nodiscard]] std::vector<PartVerdict> verify_each_part(Store& store,
                                                        std::vector<std::string> const& names,
                                                        std::vector<Generation> const& parts) {
  std::vector<PartVerdict> verdicts;
  if constexpr (requires { store.verify_parts(parts); }) {
    auto const found = store.verify_parts(parts);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      verdicts.push_back({names[i], parts[i], found[i]});
    }
  } else {
    verdicts.push_back({names.front(), parts.front(), verify(store, parts.front())});
  }
  return verdicts;
}

template <class Source>
[[nodiscard]] result<std::vector<PartVerdict>> verify_generation(Source& source, Generation g) {
  HOLDFAST_TRY(held, hold_generation(source, g, "verify"));
  return verify_each_part(source.store(), held.manifest.part_names, held.kept.parts);
}

/// The record of a home that begins with this generation alone.
inline void keep_only(Manifest& m, Kept kept) {
  m.current = kept.generation;
  // What was carried over is listed, or nothing would ever drop it.
  for (auto const g : kept.parts) {
    auto const listed = [g](Retiring const& retiring) { return retiring.generation == g; };
    bool const once = std::none_of(m.retiring.begin(), m.retiring.end(), listed);
    if (g != m.current && once) m.retiring.push_back({g, 0});
  }
  m.retained = {std::move(kept)};
}

/// The record comes last: a backup that was cut off has none, and does not open.
template <class Source, class Store, atomic_register Register, world W = Native>
[[nodiscard]] result<Generation> back_up(Source& source,
                                         Store& to,
                                         Register& reg,
                                         W const& world = {}) {
  HOLDFAST_TRY(taken, register_traits<Register>::load(reg));
  if (taken) return failure(errc::exists, "backup", "there is a home already");
  HOLDFAST_TRY(remains, store_traits<Store>::generations(to));
  if (!remains.empty()) return failure(errc::exists, "backup", "generations lie there already");
  HOLDFAST_TRY(held, hold_generation(source, std::nullopt, "backup"));
  if constexpr (updatable_store<Store>) {
    // A state of one instant is open before anything is copied: updates go on meanwhile.
    HOLDFAST_TRY(shown, source.open(held.kept));
    HOLDFAST_TRYV(CopiesShown<Store>::copy(source.store(), shown->reader, held.kept.parts, to));
    held.kept.marks = shown->kept.marks;
  } else if constexpr (requires { source.store().copy_parts(held.kept.parts, to); }) {
    HOLDFAST_TRYV(source.store().copy_parts(held.kept.parts, to));
  } else {
    HOLDFAST_TRYV(store_traits<Store>::copy(source.store(), held.kept.generation, to));
  }
  auto m = std::move(held.manifest);
  for (auto& byte : m.home) byte = static_cast<std::uint8_t>(world.random64());
  m.attempt.reset();
  m.hold.reset();
  m.commits.clear();  // outcomes are asked of the home that they happened in
  m.retiring.clear();
  keep_only(m, std::move(held.kept));
  auto const text = manifest::encode(m);
  HOLDFAST_TRYV(register_traits<Register>::store_if(reg, Version::none, as_bytes(text)));
  return m.current;
}

template <generation_store Store, class Source, class... Stores>
[[nodiscard]] result<Generation> back_up_to(Source& source,
                                            std::string const& to,
                                            Stores... stores) {
  HOLDFAST_TRYV(make_home(Posix{}, to));
  Store there = together(to, std::move(stores)...);
  FileRegister record{join(to, "CURRENT")};
  return back_up(source, there, record);
}
}  // namespace detail

HOLDFAST_END

#endif
