// SPDX-License-Identifier: BSL-1.0
// Recovers logs of RocksDB and LevelDB beside the real libraries, which run in another process:
// what is kept is the same, but for the differences that docs/format.md lists, and no others.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "../damage/damages.hpp"
#include "catch.hpp"
#include "holdfast/format/leveldb.hpp"
#include "holdfast/recoverable.hpp"
#include "memory_segment.hpp"
#include "places.hpp"

namespace {
using hf::Recovery;
using Lines = std::vector<std::string>;
constexpr std::size_t block = 32768;

hf::bytes content_of(std::string const& path) {
  auto const text = support::read_file(path);
  auto const view = hf::as_bytes(text);
  return {view.begin(), view.end()};
}
void run(std::string const& arguments) {
  INFO(arguments);
  std::string command{HOLDFAST_LOG_ORACLE " "};
  command.append(arguments);
  REQUIRE(std::system(command.c_str()) == 0);
}
/// A database whose log has records of these sizes.
struct Database {
  std::string library;
  std::string home;
  hf::bytes log{};
  hf::LevelDbLog format{};

  Database(support::Place const& place,
           std::string of,
           std::vector<std::size_t> const& sizes,
           std::string const& how = "make")
      : library{std::move(of)}, home{place / library} {
    std::string words;
    for (auto const size : sizes) words += " " + std::to_string(size);
    run(how + " " + library + " " + home + words + " > " + home + ".path");
    auto path = support::read_file(home + ".path");
    path.pop_back();
    log = content_of(path);
    auto const number = static_cast<std::uint32_t>(std::stoul(path.substr(path.rfind('/') + 1)));
    if (how == "recycle") format = hf::LevelDbLog{{.log_number = number}};
  }
  [[nodiscard]] Lines judge(std::string const& mode, Lines const& cases) const {
    std::ofstream input{home + ".cases"};
    for (auto const& line : cases) input << line << "\n";
    input.close();
    run("judge " + library + " " + home + " " + mode + " < " + home + ".cases > " + home +
        ".answers");
    Lines answers;
    std::ifstream output{home + ".answers"};
    for (std::string line; std::getline(output, line);) answers.push_back(line);
    REQUIRE(answers.size() == cases.size());
    return answers;
  }
};

/// What ours makes of the same bytes, in the words of the oracle.
template <Recovery How>
std::string judged(hf::bytes const& content, hf::LevelDbLog const& format) {
  auto const log = hf::open_recoverable<How>(segments::MemorySegment{content}, format);
  if (!log) return "refused";
  std::string line = "kept";
  for (auto const& record : log.value().records()) {
    REQUIRE(record);
    auto const& batch = record.value().payload;  // sequence, count, tag, length of the key, key
    REQUIRE(batch.size() >= 22);
    line += " " + std::to_string(std::stoul(std::string{hf::as_text(batch.subspan(14, 8))}));
  }
  return line;
}
std::string judged(Recovery how, hf::bytes const& content, hf::LevelDbLog const& format) {
  switch (how) {
    case Recovery::refuse:
      return judged<Recovery::refuse>(content, format);
    case Recovery::cut:
      return judged<Recovery::cut>(content, format);
    case Recovery::quarantine:
      return judged<Recovery::quarantine>(content, format);
    default:
      return judged<Recovery::salvage>(content, format);
  }
}

struct Case {
  std::string line;
  hf::bytes content;
  bool cut = false;
  std::size_t at = 0;  // size, or bit
};
Case cut_to(hf::bytes const& log, std::size_t size) {
  return {"cut " + std::to_string(size),
          {log.begin(), log.begin() + static_cast<std::ptrdiff_t>(size)},
          true,
          size};
}
Case flipped(hf::bytes log, std::size_t bit) {
  log[bit / 8] ^= std::byte{1} << bit % 8;
  return {"flip " + std::to_string(bit), std::move(log), false, bit};
}

/// Where the fragments of a log begin, up to what an earlier use has left.
std::vector<std::size_t> fragments_of(hf::bytes const& log) {
  std::vector<std::size_t> all;
  for (std::size_t at = 0; at + 7 <= log.size();) {
    if (block - at % block < 7) {
      at += block - at % block;
      continue;
    }
    auto const type = static_cast<unsigned>(log[at + 6]);
    if (type == 0 || type > 8) break;
    all.push_back(at);
    at += (type > 4 ? 11u : 7u) + hf::get_le<std::uint16_t>(hf::bytes_view{log}, at + 4);
  }
  return all;
}
/// Of a case that flips within a fragment's header.
struct InHeader {
  std::size_t begin = 0;
  std::size_t byte = ~std::size_t{0};
};
InHeader header_of(Case const& one) {
  InHeader found;
  if (one.cut) return found;
  auto original = one.content;
  original[one.at / 8] ^= std::byte{1} << one.at % 8;
  for (auto const begin : fragments_of(original)) {
    auto const size = static_cast<unsigned>(original[begin + 6]) > 4 ? 11u : 7u;
    if (one.at / 8 >= begin && one.at / 8 < begin + size) found = {begin, one.at / 8 - begin};
  }
  return found;
}
// Another type, or the number of another log.
bool turns_recycled(Case const& one) {
  auto const byte = header_of(one).byte;
  return (byte == 6 && one.at % 8 == 2) || (byte >= 7 && byte < 11);
}
bool reaches_behind_the_end(Case const& one) {
  auto const header = header_of(one);
  if (header.byte != 4 && header.byte != 5) return false;
  auto const size = hf::get_le<std::uint16_t>(hf::bytes_view{one.content}, header.begin + 4);
  return header.begin + 7 + size > one.content.size();
}
bool in_the_last_block(Case const& one) {
  return one.at / 8 / block == (one.content.size() - 1) / block;
}

// The differences, each with its reason in docs/format.md.
struct Known {
  char const* name;
  std::function<bool(Case const&, std::string const& ours, std::string const& theirs)> is;
};
bool keeps_a_prefix(std::string const& line) {
  if (line.rfind("kept", 0) != 0) return false;
  std::string all = "kept";
  for (std::size_t n = 0; all.size() < line.size(); ++n) all += " " + std::to_string(n);
  return all == line;
}
Known const damaged_tail{"damage in the last block may be a torn tail",
                         [](Case const& one, std::string const& ours, std::string const& theirs) {
                           return !one.cut && in_the_last_block(one) && keeps_a_prefix(ours) &&
                                  theirs == "refused";
                         }};
Known const taken_for_old{"a type that turns into that of a recycled log ends it unseen",
                          [](Case const& one, std::string const& ours, std::string const& theirs) {
                            return turns_recycled(one) && ours == "refused" &&
                                   keeps_a_prefix(theirs);
                          }};
Known const writer_died{"what reaches behind the end is a torn tail without a word",
                        [](Case const& one, std::string const& ours, std::string const& theirs) {
                          return (one.cut || reaches_behind_the_end(one)) && ours == "refused" &&
                                 keeps_a_prefix(theirs);
                        }};

struct Pair {
  std::string library;
  std::string mode;
  Recovery how;
  std::vector<Known> flips;  // the differences that are known
  std::vector<Known> cuts;
};
std::vector<Pair> pairs() {
  return {{"rocksdb", "absolute", Recovery::refuse, {taken_for_old}, {}},
          {"rocksdb", "tail", Recovery::cut, {damaged_tail}, {}},
          {"rocksdb", "point", Recovery::quarantine, {}, {}},
          {"rocksdb", "skip", Recovery::salvage, {}, {}},
          {"leveldb", "paranoid", Recovery::refuse, {writer_died}, {writer_died}},
          {"leveldb", "default", Recovery::salvage, {}, {}}};
}

/// Every case is answered alike, or by one of the known differences, and each of those is met.
void compare(Database const& database,
             Pair const& pair,
             std::vector<Case> const& cases,
             std::vector<Known> const& known) {
  Lines lines;
  for (auto const& one : cases) lines.push_back(one.line);
  auto const theirs = database.judge(pair.mode, lines);
  std::set<std::string> met;
  std::size_t alike = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    auto const ours = judged(pair.how, cases[i].content, database.format);
    if (ours == theirs[i]) {
      ++alike;
      continue;
    }
    auto const found = std::find_if(known.begin(), known.end(), [&](Known const& difference) {
      return difference.is(cases[i], ours, theirs[i]);
    });
    INFO(pair.library << " " << pair.mode << ", " << cases[i].line << "\nours: " << ours
                      << "\ntheirs: " << theirs[i]);
    REQUIRE(found != known.end());
    met.insert(found->name);
  }
  INFO(pair.library << " " << pair.mode << ": " << cases.size() << " cases, " << alike << " alike");
  CHECK(alike > 0);
  CHECK(met.size() == known.size());
  if (damage::soaks()) {
    WARN(pair.library << " " << pair.mode << ": " << cases.size() << " cases, " << alike
                      << " alike, " << cases.size() - alike << " as documented");
  }
}
}  // namespace

TEST_CASE("a flipped bit of a log leaves what RocksDB and LevelDB keep", "[oracle][leveldb]") {
  support::Place const place{support::On::memory};
  for (auto const& pair : pairs()) {
    Database const database{place, pair.library, {20, 50, 10}};
    std::vector<Case> cases;
    for (std::size_t bit = 0; bit < 8 * database.log.size(); ++bit) {
      auto one = flipped(database.log, bit);
      // RocksDB 7.8 goes round for ever there.
      if (pair.mode == "skip" && turns_recycled(one)) continue;
      bool const in_header = header_of(one).byte != InHeader{}.byte;
      if (damage::soaks() || bit % 23 == 0 || (in_header && bit % 5 == 0) || turns_recycled(one) ||
          reaches_behind_the_end(one)) {
        cases.push_back(std::move(one));
      }
    }
    compare(database, pair, cases, pair.flips);
    support::fs::remove_all(database.home);
  }
}

TEST_CASE("a flipped bit of a recycled log, or a cut one, leaves what RocksDB keeps",
          "[oracle][leveldb]") {
  support::Place const place{support::On::memory};
  for (auto const& pair : pairs()) {
    if (pair.library != "rocksdb") continue;
    Database const database{place, pair.library, {20, 50, 10}, "recycle"};
    auto const used = fragments_of(database.log).back() + 80;
    REQUIRE(database.log.size() > used + 1000);  // what is left of its earlier use
    std::vector<Case> cases;
    for (std::size_t bit = 0; bit < 8 * used; ++bit) {
      auto one = flipped(database.log, bit);
      if (pair.mode == "skip" && turns_recycled(one)) continue;
      bool const in_type = header_of(one).byte == 6;
      if (!damage::soaks() && bit % 37 != 0 && !in_type) continue;
      // With its first type another one, RocksDB takes the log for one that was never recycled, and
      // refuses it where it tolerates any other damage.
      if (pair.mode == "tail" && bit / 8 == 6) continue;
      cases.push_back(std::move(one));
    }
    std::vector<Known> known;
    if (pair.mode == "absolute") known.push_back(taken_for_old);
    compare(database, pair, cases, known);
    cases.clear();
    for (std::size_t size = 0; size < used; size += damage::soaks() ? 1 : 11) {
      cases.push_back(cut_to(database.log, size));
    }
    compare(database, pair, cases, {});
    support::fs::remove_all(database.home);
  }
}

TEST_CASE("a log that is cut in its last two blocks leaves what RocksDB and LevelDB keep",
          "[oracle][leveldb]") {
  support::Place const place{support::On::memory};
  for (auto const& pair : pairs()) {
    // Records of several blocks, of one that ends where its block does, and the last in a block.
    Database const database{place, pair.library, {40000, 25000, 100, 3000, 20000, 9600, 300, 5}};
    auto const& log = database.log;
    auto const first = ((log.size() - 1) / block - 1) * block;
    std::set<std::size_t> sizes{log.size()};
    for (auto const begin : fragments_of(log)) {
      for (std::size_t i = 0; i < 16; ++i) {
        if (begin + i >= first + 5 && begin + i < log.size() + 5) sizes.insert(begin + i - 5);
      }
    }
    for (std::size_t size = first; damage::soaks() && size <= log.size(); ++size)
      sizes.insert(size);
    std::vector<Case> cases;
    for (auto const size : sizes) cases.push_back(cut_to(log, size));
    compare(database, pair, cases, pair.cuts);
    support::fs::remove_all(database.home);
  }
}

TEST_CASE("RocksDB and LevelDB open a log that ours has written", "[oracle][leveldb]") {
  support::Place const place{support::On::memory};
  std::vector<std::size_t> const sizes{10, 40000, 0, 33000, 5, 90000, 1, 300};
  hf::LevelDbLog const format;
  auto cursor = format.start();
  hf::bytes log;
  std::string expected = "kept";
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    auto const key = std::to_string(100 + i);
    hf::bytes batch(12);  // sequence and count
    hf::put_le(hf::bytes_span{batch}, 0, std::uint64_t{i + 1});
    hf::put_le(hf::bytes_span{batch}, 8, std::uint32_t{1});
    batch.push_back(std::byte{1});
    batch.push_back(std::byte{8});
    auto const add = [&batch](std::string const& text) {
      for (char const c : text) batch.push_back(static_cast<std::byte>(c));
    };
    add("00000" + key);
    auto length = sizes[i];
    for (; length > 127; length >>= 7) batch.push_back(std::byte((length & 127) | 128));
    batch.push_back(std::byte(length));
    add(std::string(sizes[i], 'v'));
    REQUIRE(format.encode(cursor, log.size(), batch, {}, log));
    expected += " " + key;
  }
  support::write_file(place / "ours.log", std::string{hf::as_text(log)});
  for (auto const& pair : pairs()) {
    INFO(pair.library << " " << pair.mode);
    Database const database{place, pair.library, {1}};
    CHECK(database.judge(pair.mode, {"file " + place / "ours.log"}) == Lines{expected});
    support::fs::remove_all(database.home);
  }
}
