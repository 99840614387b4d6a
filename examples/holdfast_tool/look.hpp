// SPDX-License-Identifier: BSL-1.0
// Takes down what a home looks like, without writing a byte to it.
#ifndef HOLDFAST_TOOL_LOOK_HPP
#define HOLDFAST_TOOL_LOOK_HPP

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "any_store.hpp"
#include "holdfast/detail/manifest.hpp"
#include "processes.hpp"

namespace tool {

/// What one part has of one generation.
struct Remains {
  std::uint64_t bytes = 0;  ///< as the disk counts them
  bool sealed = false;
  std::uint32_t format = 0;          ///< of its SEAL; 0: none that can be read
  bool updated = false;              ///< it was changed in place since
  std::int64_t touched_ns = 0;       ///< when anything in it last changed, by the wall clock
  std::optional<hf::error> wrong{};  ///< why it can't be opened
};
struct PartLook {
  std::string name;
  bool missing = false;  ///< the part has no folder
  std::map<hf::Generation, Remains> generations{};
  std::vector<std::pair<std::string, std::string>> names{};  ///< outside names and their targets
};

struct Disk {
  std::uint64_t free = 0;
  bool read_only = false;
};

/// Everything at one moment. What may not be read is told as the error that said so.
struct Look {
  std::string home;
  std::int64_t now_ns = 0;               ///< wall clock
  std::optional<hf::Manifest> record{};  ///< as the library reads it
  std::optional<hf::error> trouble{};    ///< why it can't, or why the record can't be trusted
  std::vector<std::string> part_names{};
  bool parts_told = false;  ///< by a record; else they are what folders there are
  std::optional<hf::Holder> holder{};
  std::optional<hf::error> lock_trouble{};
  std::vector<PartLook> parts{};
  Pins pins{};
  Disk disk{};
  bool hint_missing = false;
  std::vector<std::string> aside{};  ///< records that were moved aside

  [[nodiscard]] std::uint64_t bytes_of(hf::Generation g) const;
  /// Has one of its parts taken updates since it was sealed?
  [[nodiscard]] bool updated(hf::Kept const& kept) const;
  [[nodiscard]] std::vector<hf::Generation> generations() const;
  [[nodiscard]] Pin const* pin(hf::Generation g) const;
  /// The first part of it that can't be opened, in words; empty if all can.
  [[nodiscard]] std::string wrong_with(hf::Kept const& kept) const;
  /// Lies in the store although the record does not list it.
  [[nodiscard]] bool foreign(hf::Generation g) const;
  /// Listed to be dropped, and no retained generation has parts of it.
  [[nodiscard]] std::vector<hf::Retiring> droppable() const;
};

/// The parts of a home: as a record tells them, if any can still be read; else by its folders.
struct PartNames {
  std::vector<std::string> names;
  bool told = false;
};
[[nodiscard]] hf::result<PartNames> part_names_of(std::string const& home);

/// `not_found` if there is no such folder, `invalid` if it is no home.
[[nodiscard]] hf::result<Look> look_at(std::string const& home);

}  // namespace tool

#endif
