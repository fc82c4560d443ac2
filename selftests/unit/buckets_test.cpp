// SPDX-License-Identifier: Apache-2.0
// How hosts share the buckets of a network: control/model/planner.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "control/model/planner.h"
#include "userspace/base/names.h"

namespace centaurus {
namespace {

std::vector<std::uint32_t> pool_of(std::uint32_t n) {
  std::vector<std::uint32_t> ids(n);
  for (std::uint32_t i = 0; i < n; i++) ids[i] = i + 1;
  return ids;
}

Shards rows_of(std::uint32_t key, std::vector<std::uint32_t> pool, std::uint32_t want) {
  return share_buckets(key, std::move(pool), want).value();
}

TEST(Buckets, OneHostHasNoBackup) {
  const auto rows = share_buckets(1, {9}, 0);
  ASSERT_TRUE(rows);
  for (const auto& row : *rows) {
    EXPECT_EQ(row.primary, 9u);
    EXPECT_EQ(row.backup, 0u);
  }
  EXPECT_FALSE(share_buckets(1, {}, 0).has_value());
}

TEST(Buckets, PrimaryIsNeverItsOwnBackup) {
  for (std::uint32_t key = 0; key < 50; key++)
    for (const auto& row : rows_of(key, pool_of(5), 0)) {
      EXPECT_NE(row.primary, row.backup);
      EXPECT_NE(row.primary, 0u);
      EXPECT_NE(row.backup, 0u);
    }
}

TEST(Buckets, OrderOfThePoolDoesNotMatter) {
  auto pool = pool_of(6);
  const auto one = share_buckets(77, pool, 3);
  std::reverse(pool.begin(), pool.end());
  const auto two = share_buckets(77, pool, 3);
  for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) EXPECT_EQ((*one)[b].primary, (*two)[b].primary);
}

TEST(Buckets, AreSharedEvenly) {
  std::map<std::uint32_t, int> count;
  for (std::uint32_t key = 0; key < 100; key++)
    for (const auto& row : rows_of(mz_mix32(key), pool_of(8), 0)) count[row.primary]++;
  for (const auto& [id, n] : count) EXPECT_NEAR(n, 100 * 128 / 8, 160) << "host " << id;
}

// A host joins n others: it takes its share, nobody else gains anything.
TEST(Buckets, GrowingThePoolMovesOnlyTheNewHostsShare) {
  for (const std::uint32_t n : {2u, 4u, 10u}) {
    int moved = 0;
    const int networks = 50;
    for (std::uint32_t key = 0; key < networks; key++) {
      const auto before = share_buckets(mz_mix32(key), pool_of(n), 0);
      const auto after = share_buckets(mz_mix32(key), pool_of(n + 1), 0);
      for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) {
        if ((*before)[b].primary == (*after)[b].primary) continue;
        moved++;
        EXPECT_EQ((*after)[b].primary, n + 1) << "bucket " << b << " moved between old hosts";
        EXPECT_EQ((*after)[b].backup, (*before)[b].primary) << "the old one stays as backup";
      }
    }
    const double share = moved / (networks * double{MZ_BUCKETS});
    EXPECT_NEAR(share, 1.0 / (n + 1), 0.02) << n << " hosts";
  }
}

TEST(Buckets, RemovingAHostMovesOnlyItsBuckets) {
  for (std::uint32_t key = 0; key < 50; key++) {
    auto pool = pool_of(5);
    const auto before = share_buckets(mz_mix32(key), pool, 0);
    std::erase(pool, 3u);
    const auto after = share_buckets(mz_mix32(key), pool, 0);
    for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) {
      const auto& old = (*before)[b];
      EXPECT_EQ((*after)[b].primary, old.primary == 3 ? old.backup : old.primary);
    }
  }
}

TEST(Buckets, TheWantedNumberTakesPart) {
  std::map<std::uint32_t, int> chosen;
  for (std::uint32_t key = 0; key < 200; key++) {
    std::set<std::uint32_t> in;
    for (const auto& row : rows_of(mz_mix32(key), pool_of(10), 2))
      in.insert({row.primary, row.backup});
    EXPECT_EQ(in.size(), 2u);
    for (const auto id : in) chosen[id]++;
  }
  EXPECT_EQ(chosen.size(), 10u) << "every host of the pool serves some network";
  for (const auto& [id, n] : chosen) EXPECT_NEAR(n, 40, 25) << "host " << id;
}

// The numbers every planner of every version has to find.
TEST(Buckets, AreTheSameEverywhere) {
  const auto rows = share_buckets(network_key(7, *mizar::parse_blocks("10.0.1.0/24", "")),
                                  pool_of(4), 0);
  std::string first;
  for (std::uint32_t b = 0; b < 16; b++) first += fmt::format("{}{} ", (*rows)[b].primary,
                                                              (*rows)[b].backup);
  EXPECT_EQ(first, "14 42 42 13 21 42 43 13 41 23 41 24 13 42 31 43 ");
  EXPECT_NE(network_key(7, *mizar::parse_blocks("10.0.1.0/24", "")),
            network_key(8, *mizar::parse_blocks("10.0.1.0/24", "")));
}

}  // namespace
}  // namespace centaurus
