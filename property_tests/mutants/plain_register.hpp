// SPDX-License-Identifier: BSL-1.0
// A register in a file that each store replaces by a rename: right, or with one flaw.
#ifndef HOLDFAST_PROPERTY_TESTS_MUTANTS_PLAIN_REGISTER_HPP
#define HOLDFAST_PROPERTY_TESTS_MUTANTS_PLAIN_REGISTER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "flaws.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/result.hpp"

namespace mutants {
class PlainRegister {
 public:
  static constexpr hf::Guarantees guarantees{.durable = true,
                                             .fenced = false,
                                             .detects_damage = true,
                                             .lifetime = hf::Lifetime::disk,
                                             .reach = hf::Reach::host};

  PlainRegister(FlawedFiles fs, Flaw flaw)
      : core_{std::make_unique<Core>(Core{std::move(fs), flaw})} {}
  PlainRegister(PlainRegister&&) = default;
  PlainRegister& operator=(PlainRegister&&) = default;
  ~PlainRegister() {
    if (core_ && core_->flaw == Flaw::finishes_when_it_closes)
      static_cast<void>(core_->fs.rename(fresh, path));
  }

  [[nodiscard]] std::size_t max_size() const noexcept { return 2048; }

  /// What is there once its name is durable: a rename that a crash can take back is not shown.
  [[nodiscard]] hf::result<std::optional<hf::Versioned>> load() {
    HOLDFAST_TRY(found, read());
    if (found && core_->flaw != Flaw::shows_the_unconfirmed) {
      HOLDFAST_TRYV(core_->fs.sync_directory("/db"));
    }
    if (found) found->version = told(found->version);
    return std::move(found);
  }

  [[nodiscard]] hf::result<hf::Version> store_if(hf::Version expected, hf::bytes_view value) {
    HOLDFAST_TRY(lock, open_lock());
    HOLDFAST_TRY(locked, core_->fs.try_lock(lock, {}, hf::Mode::exclusive));
    if (!locked) return hf::failure(hf::errc::busy, "store", path);
    HOLDFAST_TRY(found, read());
    auto const version = found ? found->version : hf::Version::none;
    bool const same = (found ? told(version) : version) == expected;
    if (!same && core_->flaw != Flaw::compares_no_version)
      return hf::failure(hf::errc::conflict, "store", path);
    hf::Version const next{version.sequence + 1, 1};
    HOLDFAST_TRYV(remove_fresh());
    HOLDFAST_TRYV(hf::detail::write_new_file(core_->fs, fresh, encode(next, value)));
    HOLDFAST_TRYV(core_->fs.rename(fresh, path));
    auto const synced = core_->fs.sync_directory("/db");
    if (!synced) return hf::failure(synced.error().as(hf::errc::uncertain));
    if (core_->flaw == Flaw::tells_unknown_as_failed && next.sequence % 3 == 0)
      return hf::failure(hf::errc::io, "store", path);
    return told(next);
  }

  /// Makes the newest durable; what was not finished goes, unless it is to be finished later.
  [[nodiscard]] hf::result<void> reopen() {
    if (core_->flaw != Flaw::finishes_when_it_closes) {
      HOLDFAST_TRYV(remove_fresh());
    }
    return core_->fs.sync_directory("/db");
  }

 private:
  static constexpr std::size_t header = 16;  // sequence, length, checksum
  static constexpr char const* path = "/db/PLAIN";
  static constexpr char const* fresh = "/db/PLAIN.new";
  struct Core {
    FlawedFiles fs;
    Flaw flaw;
  };

  [[nodiscard]] hf::Version told(hf::Version version) const noexcept {
    if (core_->flaw == Flaw::repeats_versions) version.sequence = (version.sequence + 1) / 2;
    return version;
  }
  [[nodiscard]] hf::result<void> remove_fresh() {
    auto removed = core_->fs.remove(fresh);
    if (!removed && removed.error().code() == hf::errc::not_found) return hf::ok();
    return removed;
  }
  [[nodiscard]] hf::result<FlawedFiles::file> open_lock() {
    auto made = core_->fs.open("/db/PLAIN.lock", hf::Open::create);
    if (!made && made.error().code() == hf::errc::exists)
      return core_->fs.open("/db/PLAIN.lock", hf::Open::write);
    return made;
  }
  [[nodiscard]] static hf::bytes encode(hf::Version version, hf::bytes_view value) {
    hf::bytes out(header + value.size());
    hf::put_le(out, 0, version.sequence);
    hf::put_le(out, 8, static_cast<std::uint32_t>(value.size()));
    std::copy(value.begin(), value.end(), out.begin() + header);
    hf::put_le(out, 12, checksum(out));
    return out;
  }
  [[nodiscard]] static std::uint32_t checksum(hf::bytes_view all) {
    return hf::crc32c(all.subspan(header), hf::crc32c(all.first(12)));
  }
  [[nodiscard]] hf::result<std::optional<hf::Versioned>> read() {
    auto content = hf::detail::read_file(core_->fs, path, 1 << 16);
    if (!content && content.error().code() == hf::errc::not_found)
      return std::optional<hf::Versioned>{};
    if (!content) return hf::failure(content.error());
    hf::bytes_view const all{content.assume_value()};
    bool const whole = all.size() >= header &&
                       hf::get_le<std::uint32_t>(all, 8) == all.size() - header &&
                       hf::get_le<std::uint32_t>(all, 12) == checksum(all);
    if (!whole) return hf::failure(hf::errc::damaged, "load", path);
    return std::optional{
        hf::Versioned{{hf::get_le<std::uint64_t>(all, 0), 1}, {all.begin() + header, all.end()}}};
  }

  std::unique_ptr<Core> core_;
};
static_assert(hf::atomic_register<PlainRegister>);
}  // namespace mutants

#endif
