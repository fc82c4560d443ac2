// SPDX-License-Identifier: Apache-2.0
// The clocks of limits with times of the tests' choosing, and from several threads at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

// What a target gives (bpf/target/native.h is C alone).
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define MZ_CONSTANT
#define mz_atomic_take(at, n) __sync_fetch_and_add(at, n)
#define mz_atomic_swap(at, from, to) __sync_val_compare_and_swap(at, from, to)
#include "bpf/lib/clock.h"
#include "userspace/qos/spec.h"

namespace {

constexpr std::uint64_t kMs = 1'000'000ull << MZ_TICK_BITS;
constexpr std::uint64_t kNow = 1000 * kMs;

TEST(Clock, AnIdleOneGoesAtOnceAndThenInPlaces) {
  __u64 c = 0;
  EXPECT_EQ(mz_clock_take(&c, 5 * kMs, kNow, 0), 0u);
  EXPECT_EQ(mz_clock_take(&c, 5 * kMs, kNow, 0), 5 * kMs);
  EXPECT_EQ(mz_clock_take(&c, 3 * kMs, kNow + kMs, 0), 9 * kMs);
  EXPECT_EQ(c, kNow + 13 * kMs);
  EXPECT_EQ(mz_clock_ahead(&c, kNow), 13 * kMs);
  EXPECT_EQ(mz_clock_ahead(&c, kNow + 13 * kMs), 0u);
  EXPECT_EQ(mz_clock_ahead(&c, kNow + 14 * kMs), 0u);
}

TEST(Clock, SilenceEarnsABurstAndNoMore) {
  for (const std::uint64_t idle : {4 * kMs, 10 * kMs, 1000 * kMs}) {
    __u64 c = kNow - idle;
    int at_once = 0;
    while (mz_clock_take(&c, kMs, kNow, 4 * kMs) == 0) at_once++;
    EXPECT_EQ(at_once, 5) << idle;  // four that were saved, and the one whose turn it is
  }
  __u64 c = kNow - 2 * kMs;  // not so long
  int at_once = 0;
  while (mz_clock_take(&c, kMs, kNow, 4 * kMs) == 0) at_once++;
  EXPECT_EQ(at_once, 3);
}

TEST(Clock, WrapsAround) {
  const std::uint64_t before = 0 - 2 * kMs;  // time itself wraps between two packets
  __u64 c = before;
  EXPECT_EQ(mz_clock_take(&c, 5 * kMs, before, 0), 0u);
  EXPECT_EQ(c, 3 * kMs);
  EXPECT_EQ(mz_clock_take(&c, 5 * kMs, before, 0), 5 * kMs);
  EXPECT_EQ(mz_clock_take(&c, 5 * kMs, kMs, 0), 7 * kMs);
}

TEST(Clock, TimeThatGoesBackAndYearsOfSilenceAreIdleness) {
  __u64 c = kNow + MZ_CLOCK_MOST + 1;  // no packet was ever let in so far ahead
  EXPECT_EQ(mz_clock_ahead(&c, kNow), 0u);
  EXPECT_EQ(mz_clock_take(&c, kMs, kNow, 0), 0u);
  EXPECT_EQ(c, kNow + kMs);
  c = kNow + MZ_CLOCK_MOST;
  EXPECT_EQ(mz_clock_ahead(&c, kNow), MZ_CLOCK_MOST);
  c = kNow + (1ull << 63) - 1;  // half a turn behind, or before
  EXPECT_EQ(mz_clock_take(&c, kMs, kNow, 0), 0u);
  EXPECT_EQ(c, kNow + kMs);
}

// Every place is handed out once, and the clock ends where the sum of all costs is: two CPUs
// cannot overshoot.
TEST(Clock, TwoCpusHandOutEachPlaceOnce) {
  constexpr int kEach = 200000, kThreads = 4;
  constexpr std::uint64_t kCost = 1000;
  __u64 c = kNow;
  std::atomic<int> ready = 0;
  std::vector<std::vector<std::uint64_t>> places(kThreads);
  std::vector<std::thread> all;
  for (int t = 0; t < kThreads; t++)
    all.emplace_back([&, t] {
      ready++;
      while (ready < kThreads) std::this_thread::yield();
      places[t].reserve(kEach);
      for (int i = 0; i < kEach; i++) places[t].push_back(mz_clock_take(&c, kCost, kNow, 0));
    });
  for (auto& t : all) t.join();
  std::vector<std::uint64_t> merged;
  for (const auto& p : places) merged.insert(merged.end(), p.begin(), p.end());
  std::sort(merged.begin(), merged.end());
  ASSERT_EQ(merged.size(), std::size_t{kThreads} * kEach);
  for (std::size_t i = 0; i < merged.size(); i++) ASSERT_EQ(merged[i], i * kCost);
  EXPECT_EQ(c, kNow + kThreads * kEach * kCost);
}

// All of them find it idle at the same moment.
TEST(Clock, TwoCpusWakeAnIdleOneOnce) {
  for (int round = 0; round < 500; round++) {
    __u64 c = 5;
    std::atomic<int> ready = 0;
    std::uint64_t got[2];
    const auto take = [&](int t) {
      ready++;
      while (ready < 2) std::this_thread::yield();
      got[t] = mz_clock_take(&c, kMs, kNow, 0);
    };
    std::thread other([&] { take(1); });
    take(0);
    other.join();
    EXPECT_EQ(std::min(got[0], got[1]), 0u);
    EXPECT_EQ(std::max(got[0], got[1]), kMs);
    EXPECT_EQ(c, kNow + 2 * kMs);
  }
}

// What rows say of a rate is that rate to a tenth of a percent, whatever its packets' sizes.
TEST(Clock, CostsAreTheRates) {
  for (const double rate : {8e3, 64e3, 1e6, 9.97e6, 1e8, 1e9, 1e10, 1e11, 4e11}) {
    mizar::QosShaper s;
    s.whole.rate = static_cast<std::uint64_t>(rate);
    const mz_limit l = mizar::shaper_row(s, 0).whole;
    for (const std::uint32_t bytes : {60u, 64u, 590u, 1514u, 9014u, 65536u, 524288u}) {
      const double ns = static_cast<double>(mz_cost(bytes, l.byte)) / (1 << MZ_TICK_BITS);
      EXPECT_NEAR(ns * rate / (bytes * 8e9), 1, bytes < 590 ? 0.004 : 0.001) << rate << " bit/s, " << bytes << " bytes";
    }
  }
}

TEST(Codel, DropsOnlyAfterAnIntervalAndThenFaster) {
  mz_limit_clock c{};
  const std::uint64_t target = 5 * kMs, queue = 6 * kMs, interval = 100 * kMs;
  EXPECT_FALSE(mz_codel(&c, queue, target, kNow));
  EXPECT_FALSE(mz_codel(&c, queue, target, kNow + interval - 1));
  std::uint64_t now = kNow + interval;
  for (int n = 1; n <= 40; n++) {
    EXPECT_TRUE(mz_codel(&c, queue, target, now)) << n;
    const double gap = 100.0 / std::sqrt(std::min(n, 32));  // RFC 8289 3.3
    EXPECT_FALSE(mz_codel(&c, queue, target, now + static_cast<std::uint64_t>(gap * 0.99 * kMs))) << n;
    now += static_cast<std::uint64_t>(gap * 1.005 * kMs);
  }
  EXPECT_FALSE(mz_codel(&c, target, target, now));  // short again: all is forgotten
  EXPECT_FALSE(mz_codel(&c, queue, target, now + interval));
  EXPECT_TRUE(mz_codel(&c, queue, target, now + 2 * interval));
}

}  // namespace
