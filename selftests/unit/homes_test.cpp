// SPDX-License-Identifier: Apache-2.0
// What packets may find in the lines of bpf/abi/homes.h, whatever is put and erased.
#include "userspace/dataplane/homes.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "userspace/base/addr.h"

using namespace mizar;

namespace {

constexpr std::uint32_t kVni = 7;

mz_ep_key key_at(std::uint32_t i) { return {kVni, Addr::parse(fmt::format("10.0.{}.{}", i >> 8, i & 255))->abi()}; }

mz_endpoint endpoint_on(std::uint32_t host, std::uint32_t vpc = 3) {
  mz_endpoint e{};
  e.host = host;
  e.vpc = vpc;
  return e;
}

class HomesTest : public ::testing::Test {
 protected:
  std::vector<mz_home_line> lines_{home_lines(0)};
  Homes homes_;

  void SetUp() override { homes_.bind(lines_, {}); }

  mz_home_line& line_of(const mz_ep_key& k) {
    return lines_[mz_home_row(mz_home_key(k.vni, k.ip.w[3]), home_shift(static_cast<std::uint32_t>(lines_.size())))];
  }

  // As a packet asks (bpf/lib/home.h): its home, 0 if there is none, nothing where the table is asked.
  std::optional<std::uint32_t> asked(const mz_ep_key& k) {
    const mz_home_line& l = line_of(k);
    const std::uint64_t key = mz_home_key(k.vni, k.ip.w[3]);
    for (int i = 0; i < MZ_HOMES; i++)
      if (l.key[i] == key) return l.home[i];
    if (l.more != 0) return std::nullopt;
    return 0;
  }
};

TEST(HomesSize, Lines) {
  const struct {
    std::uint32_t endpoints, lines, shift;
  } rows[] = {{0, 64, 58}, {4, 64, 58}, {384, 64, 58}, {390, 128, 57}, {131072, 32768, 49}, {1u << 20, 1u << 18, 46}};
  for (const auto& row : rows) {
    EXPECT_EQ(home_lines(row.endpoints), row.lines) << row.endpoints;
    EXPECT_EQ(home_shift(row.lines), row.shift) << row.endpoints;
  }
}

TEST_F(HomesTest, PutMoveErase) {
  homes_.put(key_at(1), endpoint_on(9));
  EXPECT_EQ(asked(key_at(1)), mz_home(9, 3));
  homes_.put(key_at(1), endpoint_on(10, 4));
  EXPECT_EQ(asked(key_at(1)), mz_home(10, 4));
  EXPECT_EQ(asked({kVni + 1, key_at(1).ip}), 0u) << "another VPC's";
  homes_.erase(key_at(1));
  EXPECT_EQ(asked(key_at(1)), 0u);
  homes_.erase(key_at(1));  // again is no harm
  EXPECT_EQ(asked(key_at(1)), 0u);
}

// IPv6 is asked for in the table, and no line counts it.
TEST_F(HomesTest, Ip6IsNotHere) {
  const mz_ep_key k{kVni, Addr::parse("2001:db8::1")->abi()};
  homes_.put(k, endpoint_on(9));
  homes_.erase(k);
  for (const auto& l : lines_) {
    EXPECT_EQ(l.more, 0u);
    for (const auto key : l.key) EXPECT_EQ(key, 0u);
  }
}

// A counter slot that a line cannot name: the table is asked, from one moment to the next.
TEST_F(HomesTest, SlotThatDoesNotFit) {
  homes_.put(key_at(1), endpoint_on(9));
  homes_.put(key_at(1), endpoint_on(9, MZ_HOME_SLOTS));
  EXPECT_EQ(asked(key_at(1)), std::nullopt);
  homes_.put(key_at(1), endpoint_on(9));
  EXPECT_EQ(asked(key_at(1)), std::nullopt) << "it stays where it is";
  homes_.erase(key_at(1));
  EXPECT_EQ(asked(key_at(1)), 0u);
}

// Twice as many as fit, put and erased at random: whoever is there is found or asked for, and of
// whoever is not, no line knows a home.
TEST_F(HomesTest, FullLines) {
  std::mt19937 random(1);
  std::map<std::uint32_t, std::uint32_t> there;  // number -> host
  const auto many = static_cast<std::uint32_t>(2 * MZ_HOMES * lines_.size());
  std::size_t asks = 0;
  for (int step = 0; step < 20000; step++) {
    const std::uint32_t i = random() % many, host = 1 + random() % 1000;
    if (random() % 3 != 0) {
      homes_.put(key_at(i), endpoint_on(host));
      there[i] = host;
    } else {
      homes_.erase(key_at(i));
      there.erase(i);
    }
    for (const std::uint32_t k : {i, static_cast<std::uint32_t>(random() % many)}) {
      const auto found = asked(key_at(k));
      asks += !found;
      if (found) {
        EXPECT_EQ(*found, there.contains(k) ? mz_home(there[k], 3) : 0u) << "step " << step;
      }
    }
  }
  EXPECT_GT(asks, 0u) << "no line was ever full";
  std::size_t held = 0, more = 0;
  for (const auto& l : lines_) {
    more += l.more;
    for (const auto key : l.key) held += key != 0;
    if (l.more != 0) {
      EXPECT_TRUE(std::ranges::none_of(l.key, [](auto key) { return key == 0; })) << "room, and somebody waits";
    }
  }
  EXPECT_EQ(held + more, there.size());
  for (const auto& [i, host] : std::map(there)) homes_.erase(key_at(i));
  for (const auto& l : lines_) EXPECT_EQ(l.more, 0u);
}

// What an earlier run left: keys that went, homes of before, counts that are wrong.
TEST_F(HomesTest, BindRepairs) {
  for (std::uint32_t i = 0; i < 300; i++) homes_.put(key_at(i), endpoint_on(1));
  for (auto& l : lines_) l.more += 2;
  Homes::Entries entries;
  for (std::uint32_t i = 150; i < 600; i++) entries.emplace_back(key_at(i), endpoint_on(2));
  Homes anew;
  anew.bind(lines_, entries);
  std::size_t held = 0, more = 0;
  for (const auto& l : lines_) {
    more += l.more;
    for (const auto key : l.key) held += key != 0;
  }
  EXPECT_EQ(held + more, entries.size());
  for (std::uint32_t i = 0; i < 600; i++) {
    const auto found = asked(key_at(i));
    if (found) {
      EXPECT_EQ(*found, i < 150 ? 0u : mz_home(2, 3)) << i;
    }
  }
}

// A packet that asks while others of its line come and go.
TEST_F(HomesTest, NeighboursComeAndGo) {
  std::vector<mz_ep_key> line;  // seven of one line
  for (std::uint32_t i = 0; line.size() < 7; i++)
    if (&line_of(key_at(i)) == &line_of(key_at(0))) line.push_back(key_at(i));
  homes_.put(line[0], endpoint_on(5));
  std::atomic<bool> over = false;
  std::atomic<std::uint64_t> wrong = 0, seen = 0;
  std::thread reader([&] {
    const std::uint64_t key = mz_home_key(kVni, line[0].ip.w[3]);
    auto& l = line_of(line[0]);
    while (!over) {
      std::uint32_t home = 0;
      for (int i = 0; i < MZ_HOMES; i++)
        if (__atomic_load_n(&l.key[i], __ATOMIC_ACQUIRE) == key) home |= __atomic_load_n(&l.home[i], __ATOMIC_ACQUIRE);
      wrong += home != mz_home(5, 3);
      seen++;
    }
  });
  std::mt19937 random(1);
  for (int i = 0; i < 200000; i++) {
    const auto& k = line[1 + random() % 6];
    if (random() % 2 != 0)
      homes_.put(k, endpoint_on(6));
    else
      homes_.erase(k);
  }
  while (seen == 0) std::this_thread::yield();
  over = true;
  reader.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
