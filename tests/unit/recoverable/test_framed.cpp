// SPDX-License-Identifier: BSL-1.0
// The format framed: its test vectors, and what its decoder makes of any bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/testing/disk/hash.hpp"

namespace {
using Kind = hf::Step::Kind;

// The blocks of docs/format.md that hold hex digits, in their order.
std::vector<hf::bytes> vectors() {
  std::string const here = __FILE__;
  std::ifstream page{here.substr(0, here.find("tests/unit/")) + "docs/format.md"};
  std::vector<hf::bytes> all;
  bool within = false;
  for (std::string line; std::getline(page, line);) {
    if (line.substr(0, 3) == "```") {
      within = line == "```hex";
      if (within) all.emplace_back();
      continue;
    }
    if (!within) continue;
    std::istringstream words{line};
    for (std::string word; words >> word;) {
      all.back().push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
    }
  }
  return all;
}
hf::Framed const framed{{.log = 0x1122334455667788, .base = 7, .align = 0}};
hf::Stamp stamp(std::int64_t time_ns, std::uint64_t synced_to) {
  return {time_ns, synced_to, 0xb007, 0x0123456789abcdef, false};
}
std::string hex(hf::bytes_view from) {
  std::string out;
  for (std::size_t i = 0; i < from.size(); ++i) {
    auto const byte = static_cast<unsigned>(from[i]);
    out += i == 0 ? "" : i % 16 == 0 ? "\n" : " ";
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}
}  // namespace

TEST_CASE("docs/format.md has the bytes that are written and read", "[framed]") {
  hf::Framed::cursor c;
  std::vector<hf::bytes> written(4);
  REQUIRE(framed.header(c, stamp(1000, 0), written[0]));
  REQUIRE(framed.encode(c, 64, hf::as_bytes("holdfast"), stamp(2000, 64), written[1]));
  REQUIRE(framed.encode(c, 112, {}, stamp(1500, 64), written[2]));
  REQUIRE(framed.mark(c, 152, stamp(0, 152), written[3]));
  auto const documented = vectors();
  REQUIRE(documented.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(hex(documented[i]) == hex(written[i]));

  c = framed.start();
  auto const header = framed.decode(c, 0, documented[0]);
  CHECK(header.kind == Kind::mark);
  CHECK(c.salt == 0x0123456789abcdef);
  auto const record = framed.decode(c, 64, documented[1]);
  CHECK(record.kind == Kind::record);
  CHECK(hf::as_text(record.payload) == "holdfast");
  CHECK(record.sequence == 7);
  CHECK(record.time_ns == 2000);
  CHECK(record.boot == 0xb007);
  auto const empty = framed.decode(c, 112, documented[2]);
  CHECK(empty.kind == Kind::record);
  CHECK(empty.time_ns == 2000);
  CHECK(empty.payload.empty());
  auto const mark = framed.decode(c, 152, documented[3]);
  CHECK(mark.kind == Kind::mark);
  CHECK(mark.synced_to == 152);
  CHECK(mark.sequence == 9);
}

TEST_CASE("a frame is valid at one place of one segment alone", "[framed][R8]") {
  hf::bytes header;
  hf::bytes frame;
  hf::Framed::cursor c;
  REQUIRE(framed.header(c, stamp(1, 0), header));
  REQUIRE(framed.encode(c, 64, hf::as_bytes("x"), stamp(1, 64), frame));
  auto fresh = framed.start();
  static_cast<void>(framed.decode(fresh, 0, header));
  for (std::uint64_t place = 0; place < 1024; place += 8) {
    auto own = fresh;
    CHECK((framed.decode(own, place, frame).kind == Kind::record) == (place == 64));
  }
  fresh.salt += 1;
  CHECK(framed.decode(fresh, 64, frame).kind == Kind::bad);
}

TEST_CASE("a burst of up to 32 bits is always seen", "[framed][R4]") {
  hf::bytes whole;
  hf::Framed::cursor c;
  REQUIRE(framed.header(c, stamp(1, 0), whole));
  REQUIRE(framed.encode(c, 64, hf::as_bytes("forty bytes, and a few more than that."), stamp(1, 64),
                        whole));
  hf::testing::disk::Dice dice{1};
  auto fresh = framed.start();
  static_cast<void>(framed.decode(fresh, 0, whole));
  std::size_t missed = 0;
  for (int i = 0; i < 200000; ++i) {
    auto frame = hf::bytes{whole.begin() + 64, whole.end()};
    auto const burst = dice() | 1;
    auto const at = static_cast<std::size_t>(dice.below((frame.size() - 4) * 8));
    for (std::size_t bit = 0; bit < 32; ++bit) {
      if ((burst >> bit & 1) != 0) frame[(at + bit) / 8] ^= std::byte{1} << (at + bit) % 8;
    }
    auto own = fresh;
    if (framed.decode(own, 64, frame).kind == Kind::record) ++missed;
  }
  CHECK(missed == 0);
}
