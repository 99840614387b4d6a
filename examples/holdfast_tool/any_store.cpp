// SPDX-License-Identifier: BSL-1.0
// Does with the sealed folders of each part what its own backend would.
#include "any_store.hpp"

#include <algorithm>

#include "holdfast/backend/generation_folder.hpp"
#include "holdfast/file_ops.hpp"

namespace tool {
namespace {
using hf::errc, hf::Generation;

// What RocksDB logs while others read what was published is no data.
bool is_log(std::string_view name) {
  return name == "LOG" || name.starts_with("LOG.old.");
}

bool keeps_log(Watched const& files, std::string const& folder) {
  auto const content = hf::detail::read_file(files, folder + "/SEAL", hf::detail::seal_limit);
  if (!content) return false;
  auto const seal = hf::detail::decode_seal(content.assume_value(), folder);
  return seal && std::any_of(seal.assume_value().files.begin(), seal.assume_value().files.end(),
                             [](hf::SealedFile const& file) { return is_log(file.name); });
}

// An error of one part among several says which.
template <class R>
void keep_first(hf::result<void>& all, R const& next) {
  if (all && !next) all = hf::failure(next.error());
}
}  // namespace

std::string AnyStore::name() const {
  std::string all;
  for (auto const& part : names_) all.append(all.empty() ? "" : "+").append(part);
  return all;
}

AnyStore::Folders AnyStore::folders(std::string const& part, Folders::Ignored ignored) const {
  Folders made{part, files_, ignored};
  made.place(home_);
  return made;
}
// A log that was sealed belongs to the data, and is looked at.
AnyStore::Folders AnyStore::folders(std::string const& part, Generation g) const {
  bool const data = keeps_log(files_, path_of(part, g));
  return folders(part, data ? nullptr : is_log);
}

hf::result<AnyStore::writer> AnyStore::create(Generation) {
  return hf::failure(errc::invalid, "create", "this tool builds nothing");
}
hf::result<void> AnyStore::seal(writer&) {
  return hf::failure(errc::invalid, "seal", "this tool builds nothing");
}

hf::result<AnyStore::reader> AnyStore::open(Generation g) {
  return open_parts(all(g));
}
hf::result<AnyStore::reader> AnyStore::open_parts(std::span<Generation const> parts) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    HOLDFAST_TRYV(check_part(names_[i], parts[i]));
  }
  return reader{{parts.begin(), parts.end()}};
}
hf::result<void> AnyStore::check_part(std::string const& part, Generation g) const {
  HOLDFAST_TRYV(folders(part, g).open(g, false));
  return hf::ok();
}

hf::result<std::uint32_t> AnyStore::seal_format(std::string const& part, Generation g) const {
  HOLDFAST_TRY(updates, folders(part, g).updates(g));
  return updates ? hf::detail::updatable_seal_format : hf::detail::seal_format;
}

hf::result<void> AnyStore::drop(Generation g) {
  hf::result<void> all = hf::ok();
  for (auto const& part : names_) keep_first(all, folders(part).drop(g));
  return all;
}
hf::result<std::vector<Generation>> AnyStore::generations() {
  std::vector<Generation> all;
  for (auto const& part : names_) {
    HOLDFAST_TRY(found, generations_of(part));
    all.insert(all.end(), found.begin(), found.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

hf::result<void> AnyStore::publish(Generation g) {
  return publish_parts(all(g));
}
hf::result<void> AnyStore::publish_parts(std::span<Generation const> parts) {
  hf::result<void> all = hf::ok();
  for (std::size_t i = 0; i < names_.size(); ++i) {
    for (auto const& [link, target] : outside_names(hf::detail::join(home_, names_[i]))) {
      if (!hf::detail::generation_named_by(target)) continue;
      auto const slash = target.find('/');
      hf::PublishedName as{.link = link, .inner = {}, .beside = {}};
      if (slash != target.npos) as.inner = target.substr(slash + 1);
      // Beside a database, its journals would be taken for a part of it.
      if (!as.inner.empty()) as.beside = {"-wal", "-journal", "-shm"};
      keep_first(all, folders(names_[i]).publish(parts[i], as));
    }
  }
  return all;
}
hf::result<std::vector<std::optional<Generation>>> AnyStore::published_parts() const {
  std::vector<std::optional<Generation>> all;
  for (auto const& part : names_) {
    HOLDFAST_TRY(one, folders(part).published());
    all.push_back(one);
  }
  return all;
}

hf::result<void> AnyStore::copy(Generation g, AnyStore& to) const {
  return copy_parts(all(g), to);
}
hf::result<void> AnyStore::copy_parts(std::span<Generation const> parts, AnyStore& to) const {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    auto const from = folders(names_[i], parts[i]);
    auto into = to.folders(to.names_[i], is_log);
    HOLDFAST_TRY(seal, from.open(parts[i], false));
    bool const digested =
        std::any_of(seal.files.begin(), seal.files.end(),
                    [](hf::SealedFile const& file) { return file.digest.has_value(); });
    if (keeps_log(files_, from.path_of(parts[i]))) into = to.folders(to.names_[i]);
    HOLDFAST_TRY(building, into.copy(from, parts[i], parts[i]));
    HOLDFAST_TRYV(into.seal(building, digested ? hf::Digest::read_back : hf::Digest::none));
  }
  return hf::ok();
}
std::vector<hf::result<hf::Verified>> AnyStore::verify_parts(
    std::span<Generation const> parts) const {
  std::vector<hf::result<hf::Verified>> found;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    found.push_back(folders(names_[i], parts[i]).verify(parts[i]));
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> outside_names(std::string const& part_folder) {
  std::vector<std::pair<std::string, std::string>> names;
  auto const entries = hf::Posix{}.list(part_folder);
  if (!entries) return names;  // told where the generations of the part are listed
  for (auto const& entry : entries.assume_value()) {
    bool const name = entry.kind == hf::Entry::Kind::symlink;
    if (!name || !hf::detail::is_outside_name(entry.name)) continue;
    auto const target = hf::Posix{}.read_link(hf::detail::join(part_folder, entry.name));
    if (target) names.emplace_back(entry.name, target.assume_value());
  }
  return names;
}

hf::result<std::vector<std::string>> find_parts(std::string const& home) {
  std::vector<std::string> parts;
  HOLDFAST_TRY(entries, hf::Posix{}.list(home));
  for (auto const& entry : entries) {
    if (entry.kind != hf::Entry::Kind::directory) continue;
    auto const folder = hf::detail::join(home, entry.name);
    HOLDFAST_TRY(inside, hf::Posix{}.list(folder));
    bool const numbered = std::any_of(inside.begin(), inside.end(), [](hf::Entry const& one) {
      return one.kind == hf::Entry::Kind::directory &&
             hf::detail::generation_of(one.name).has_value();
    });
    if (numbered || !outside_names(folder).empty()) parts.push_back(entry.name);
  }
  return parts;
}

}  // namespace tool
