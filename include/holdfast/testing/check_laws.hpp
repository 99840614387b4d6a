// SPDX-License-Identifier: BSL-1.0
// Checks a type of yours against every law that its concepts and guarantees call for, in one call.
//
//   auto const report = hf::testing::check_laws<MyStore>(make);
//   std::puts(text(report).c_str());   // or json(report), or junit(report)
//   return report.ok() ? 0 : 1;
//
// `make` is callable and copyable. Each call gives the thing as one process opens it:
//   make(SimulatedProcess const&)    over process.files and process.world, in the directory /db:
//                                    with crash states
//   make(std::string const& folder)  in a folder of the real file system: without
// Both, if it has both. A store's `make` may have `put(writer, files)` and `get(reader)`, which
// gives the files in the order of their names; else writers need `put(name, bytes)` and readers
// `names()` and `get(name)`. A codec is its own `make` (codec_subject.hpp), so is the format of a
// segment, and what `make` is for a `Staged` says staged_home.hpp.
#ifndef HOLDFAST_TESTING_CHECK_LAWS_HPP
#define HOLDFAST_TESTING_CHECK_LAWS_HPP

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/codec_subject.hpp"
#include "holdfast/testing/file_subject.hpp"
#include "holdfast/testing/law_report.hpp"
#include "holdfast/testing/lock_subject.hpp"
#include "holdfast/testing/register_subject.hpp"
#include "holdfast/testing/segment_subject.hpp"
#include "holdfast/testing/staged_subject.hpp"
#include "holdfast/testing/store_subject.hpp"
#include "holdfast/testing/subject.hpp"

HOLDFAST_BEGIN

namespace testing {
namespace kit {
template <class T>
inline constexpr bool is_staged = false;
template <class... Parts>
inline constexpr bool is_staged<Staged<Parts...>> = true;

template <class T>
concept codec = requires(T const& t, disk::Dice& dice, bytes const& from) {
  t.decode(t.encode(t.value(dice)));
  t.decode(from);
};

/// A type's name as the compiler spells it.
template <class T>
[[nodiscard]] std::string type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  return std::string{text.substr(0, text.find_first_of(";]"))};
}

/// Where both can be made, crash states need the simulated one.
template <class T, class Make>
constexpr void check_made() {
  static_assert(makes_simulated<Make> || makes_in_folder<Make>,
                "check_laws: needs  T make(SimulatedProcess const&)  or  T make(std::string const& "
                "folder)");
  if constexpr (makes_simulated<Make> || makes_in_folder<Make>) {
    static_assert(std::same_as<MadeBy<Make>, T>,
                  "check_laws: what is made is not the T that was asked for");
  }
}
}  // namespace kit

/// What `check_laws<T>` checks, under a name of yours.
template <class T, class Make>
[[nodiscard]] Subject subject_of(std::string name, Make make) {
  if constexpr (kit::is_staged<T>) {
    return staged_subject(std::move(name), std::move(make));
  } else if constexpr (kit::codec<T>) {
    return codec_subject(std::move(name), std::move(make));
  } else if constexpr (writable_format<T>) {
    return segment_subject(std::move(name), FormatPlace<T>{std::move(make)});
  } else {
    kit::check_made<T, Make>();
    if constexpr (generation_store<T>) {
      return store_subject(std::move(name), std::move(make));
    } else if constexpr (atomic_register<T>) {
      return register_subject(std::move(name), std::move(make));
    } else if constexpr (lock_policy<T>) {
      return lock_subject(std::move(name), std::move(make));
    } else {
      static_assert(file_system<T>,
                    "check_laws: T is no store, register, lock policy, file system, codec, "
                    "format or Staged; explain_store<T>() and its kin say what is missing");
      return file_subject(std::move(name), std::move(make));
    }
  }
}

/// All laws of T, parents first. The same seed does the same again.
template <class T, class Make>
[[nodiscard]] LawReport check_laws(Make make, LawBudget const& budget = {}) {
  return check(subject_of<T>(kit::type_name<T>(), std::move(make)), budget);
}
/// One law of T, whatever becomes of the others. A report without any: T is not concerned.
template <class T, class Make>
[[nodiscard]] LawReport check_law(std::string_view id, Make make, LawBudget const& budget = {}) {
  return check_law(subject_of<T>(kit::type_name<T>(), std::move(make)), id, budget);
}
}  // namespace testing

HOLDFAST_END

#endif
