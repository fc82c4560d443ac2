// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "bpf/abi/hash.h"

using namespace mizar;

namespace {

std::vector<MaglevBackend> backends(std::uint32_t n, std::uint32_t weight = 1) {
  std::vector<MaglevBackend> out;
  for (std::uint32_t i = 1; i <= n; i++) out.push_back({i, mz_mix32(i), weight});
  return out;
}

std::map<std::uint32_t, unsigned> shares(const std::vector<std::uint32_t>& rows) {
  std::map<std::uint32_t, unsigned> n;
  for (const auto id : rows) n[id]++;
  return n;
}

// Rows that lead elsewhere, though the backend they led to is still there.
double moved(const std::vector<std::uint32_t>& before, const std::vector<std::uint32_t>& after,
             std::uint32_t gone = 0) {
  unsigned n = 0;
  for (size_t i = 0; i < before.size(); i++) n += before[i] != after[i] && before[i] != gone;
  return static_cast<double>(n) / static_cast<double>(before.size());
}

TEST(Maglev, EveryRowIsSomebodysAndSharesAreEven) {
  const auto size = maglev_size(100);
  const auto rows = maglev_table(backends(100), size);
  ASSERT_EQ(rows.size(), size);
  const auto n = shares(rows);
  EXPECT_EQ(n.size(), 100u);
  EXPECT_FALSE(n.contains(0));
  for (const auto& [id, count] : n) EXPECT_NEAR(count, size / 100.0, 1.0) << id;
}

TEST(Maglev, OneOfAHundredThatGoesMovesFewOthers) {
  const auto size = maglev_size(100);
  const auto all = backends(100);
  const auto before = maglev_table(all, size);
  for (std::uint32_t gone = 1; gone <= 100; gone++) {
    auto rest = all;
    std::erase_if(rest, [&](const auto& b) { return b.id == gone; });
    EXPECT_LE(moved(before, maglev_table(rest, size), gone), 0.02) << gone;
  }
}

TEST(Maglev, OneThatComesMovesFewOthers) {
  const auto size = maglev_size(100);
  ASSERT_EQ(size, maglev_size(101));
  const auto before = maglev_table(backends(100), size);
  const auto after = maglev_table(backends(101), size);
  unsigned n = 0;
  for (size_t i = 0; i < before.size(); i++) n += before[i] != after[i] && after[i] != 101;
  EXPECT_LE(static_cast<double>(n) / size, 0.02);
}

TEST(Maglev, WeightsAreShares) {
  auto some = backends(3);
  some[0].weight = 1;
  some[1].weight = 2;
  some[2].weight = 5;
  const auto size = maglev_size(10);
  auto n = shares(maglev_table(some, size));
  EXPECT_NEAR(n[1], size / 8.0, 2.0);
  EXPECT_NEAR(n[2], size / 4.0, 2.0);
  EXPECT_NEAR(n[3], size * 5 / 8.0, 2.0);
  some[1].weight = 0;
  n = shares(maglev_table(some, size));
  EXPECT_FALSE(n.contains(2));
}

TEST(Maglev, TheOrderDoesNotMatter) {
  auto some = backends(20);
  const auto size = maglev_size(20);
  const auto rows = maglev_table(some, size);
  std::reverse(some.begin(), some.end());
  EXPECT_EQ(maglev_table(some, size), rows);
}

TEST(Maglev, NobodyHasNoRows) {
  EXPECT_TRUE(maglev_table({}, 251).empty());
  EXPECT_TRUE(maglev_table(backends(2, 0), 251).empty());
  EXPECT_EQ(maglev_size(0), 0u);
}

TEST(Maglev, SizesArePrimesOfAHundredRowsEach) {
  for (const std::size_t n : {1u, 2u, 3u, 10u, 100u, 163u, 164u, 655u}) {
    const auto size = maglev_size(n);
    EXPECT_GE(size, n * 100) << n;
    for (std::uint32_t d = 2; d * d <= size; d++) EXPECT_NE(size % d, 0u) << size;
  }
  EXPECT_EQ(maglev_size(100000), 65521u);
}

}  // namespace
