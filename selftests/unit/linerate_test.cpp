// SPDX-License-Identifier: Apache-2.0
// transit-linerate's searches over devices that are known, its pacing, its frames.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cmath>

#include "bpf/abi/wire.h"
#include "tools/linerate/generator.h"
#include "tools/linerate/search.h"

namespace linerate {
namespace {

// Carries `limit` frames a second and keeps a queue of `buffer`; its generator makes at most `generator`.
struct Device {
  double limit = 0, generator = 1e9, buffer = 0;
  double seconds = 0.1, full_seconds = 10;
  unsigned trials = 0;

  Outcome carry(double asked, double rate, double lasted) {
    trials++;
    Outcome o;
    o.asked = asked;
    o.seconds = lasted;
    o.sent = static_cast<std::uint64_t>(rate * lasted);
    o.received = static_cast<std::uint64_t>(std::min(rate * lasted, limit * lasted + buffer));
    return o;
  }
  TryRate by_rate() {
    return [this](double rate, bool full) -> Result<Outcome> {
      return carry(rate, std::min(rate, generator), full ? full_seconds : seconds);
    };
  }
  TryBurst by_burst() {
    return [this](std::uint64_t n) -> Result<Outcome> {
      Outcome o;
      o.sent = n;
      o.received = std::min(n, static_cast<std::uint64_t>(buffer));
      trials++;
      return o;
    };
  }
};

struct ThroughputCase {
  const char* name;
  Device device;
  double high, least, most;  // of the rate that is to be found
  Limit limit;
};

TEST(LinerateSearch, Throughput) {
  const ThroughputCase cases[] = {
      {"all of it", {.limit = 2e6}, 1e6, 1e6, 1e6, Limit::none},
      {"just all of it", {.limit = 1e6}, 1e6, 1e6, 1e6, Limit::none},
      {"half", {.limit = 500'000}, 1e6, 495'000, 500'000, Limit::loss},
      {"a hundredth", {.limit = 10'000}, 1e6, 5'000, 10'000, Limit::loss},
      {"nothing", {.limit = 0}, 1e6, 0, 0, Limit::loss},
      {"the generator's limit", {.limit = 1e6, .generator = 300'000}, 1e6, 295'000, 303'100, Limit::generator},
      {"far below the line", {.limit = 1e9, .generator = 300'000}, 1e9, 295'000, 303'100, Limit::generator},
      {"loss below the generator's limit", {.limit = 200'000, .generator = 300'000}, 1e6, 195'000, 200'000, Limit::loss},
      // A queue carries short trials over; only the full length shows it.
      {"a queue that fills", {.limit = 500'000, .buffer = 20'000}, 1e6, 497'000, 502'000, Limit::loss},
  };
  for (auto c : cases) {
    const auto t = find_throughput(c.high, 0.005, 1, c.device.by_rate());
    ASSERT_TRUE(t) << c.name;
    EXPECT_GE(t->rate, c.least) << c.name;
    EXPECT_LE(t->rate, c.most) << c.name;
    EXPECT_EQ(static_cast<int>(t->limit), static_cast<int>(c.limit)) << c.name;
    EXPECT_EQ(t->trials, c.device.trials) << c.name;
    EXPECT_LT(t->trials, 30u) << c.name;
    EXPECT_TRUE(t->rate == 0 || t->outcome.clean()) << c.name;
  }
}

TEST(LinerateSearch, ThroughputIsHeldAsOftenAsAsked) {
  unsigned full = 0;
  Device d{.limit = 1e6};
  const auto by_rate = d.by_rate();
  const auto t = find_throughput(1e6, 0.005, 5, [&](double rate, bool is_full) {
    full += is_full;
    return by_rate(rate, is_full);
  });
  ASSERT_TRUE(t);
  EXPECT_EQ(full, 5u);
}

TEST(LinerateSearch, FramesThatArriveChangedAreNoThroughput) {
  const auto t = find_throughput(1e6, 0.005, 1, [](double rate, bool) -> Result<Outcome> {
    Outcome o{.asked = rate, .seconds = 1, .sent = static_cast<std::uint64_t>(rate)};
    o.received = o.sent;
    o.corrupted = rate > 250'000;
    return o;
  });
  ASSERT_TRUE(t);
  EXPECT_LE(t->rate, 250'000);
  EXPECT_GT(t->rate, 240'000);
}

TEST(LinerateSearch, ErrorsAndInterruptsEndIt) {
  const TryRate broken = [](double, bool) -> Result<Outcome> { return mizar::fail(mizar::Code::internal, "broken"); };
  const TryRate stopped = [](double rate, bool) -> Result<Outcome> {
    return Outcome{.asked = rate, .seconds = 1, .interrupted = true};
  };
  for (const auto& t : {broken, stopped}) {
    EXPECT_FALSE(find_throughput(1e6, 0.005, 1, t));
    EXPECT_FALSE(loss_curve(1e6, t));
  }
}

TEST(LinerateSearch, LossInStepsOfATenth) {
  Device d{.limit = 650'000};
  const auto curve = loss_curve(1e6, d.by_rate());
  ASSERT_TRUE(curve);
  ASSERT_EQ(curve->size(), 6u);  // 100, 90, 80, 70 lose; 60 and 50 do not
  for (std::size_t i = 0; i < curve->size(); i++) {
    const double rate = 1e6 - 1e5 * static_cast<double>(i);
    EXPECT_DOUBLE_EQ((*curve)[i].asked, rate);
    EXPECT_NEAR((*curve)[i].loss(), std::max(0.0, 1 - 650'000 / rate), 1e-6) << rate;
  }
}

TEST(LinerateSearch, LossAtEveryStep) {
  Device d{.limit = 0};
  const auto curve = loss_curve(1e6, d.by_rate());
  ASSERT_TRUE(curve);
  EXPECT_EQ(curve->size(), 10u);
}

TEST(LinerateSearch, BackToBack) {
  for (const double room : {0.0, 1.0, 256.0, 99'999.0}) {
    Device d{.buffer = room};
    const auto b = back_to_back(100'000, 2, d.by_burst());
    ASSERT_TRUE(b);
    EXPECT_LE(b->frames, room);
    EXPECT_GE(b->frames, std::floor(room * 0.98));
    EXPECT_FALSE(b->all);
  }
  Device d{.buffer = 100'000};
  const auto b = back_to_back(100'000, 3, d.by_burst());
  ASSERT_TRUE(b);
  EXPECT_DOUBLE_EQ(b->frames, 100'000);
  EXPECT_TRUE(b->all);
  EXPECT_EQ(d.trials, 3u);
}

TEST(LinerateSearch, RefusedFramesAreNeitherSentNorLost) {
  const Outcome o{.asked = 1000, .seconds = 1, .sent = 1000, .refused = 400, .received = 600};
  EXPECT_EQ(o.lost(), 0u);
  EXPECT_DOUBLE_EQ(o.rate(), 600);
  EXPECT_FALSE(o.generated());
}

// ---- latency -----------------------------------------------------------------------

TEST(LinerateLatency, BucketsAreInOrderAndNarrow) {
  std::uint32_t last = 0;
  for (std::uint64_t ns = 0; ns < 1ull << 35; ns += 1 + ns / 100) {
    const std::uint32_t b = mz_lr_bucket(ns);
    ASSERT_GE(b, last) << ns;
    ASSERT_LT(b, std::uint32_t{MZ_LR_BUCKETS});
    last = b;
    Latency l;
    l.count = 1;
    l.buckets[b] = 1;
    l.max = ~0ull;
    ASSERT_GE(l.quantile(0.5), ns);
    ASSERT_LE(l.quantile(0.5), ns + ns / 31) << ns;
  }
  EXPECT_EQ(mz_lr_bucket(1ull << 40), MZ_LR_BUCKETS - 1u);
}

TEST(LinerateLatency, Quantiles) {
  Latency l;
  for (std::uint64_t ns = 1; ns <= 1000; ns++) {
    l.count++;
    l.max = ns;
    l.buckets[mz_lr_bucket(ns)]++;
  }
  EXPECT_NEAR(static_cast<double>(l.quantile(0.5)), 500, 16);
  EXPECT_NEAR(static_cast<double>(l.quantile(0.99)), 990, 16);
  EXPECT_EQ(l.quantile(1), 1000u);
  EXPECT_EQ(Latency{}.quantile(0.5), 0u);
}

// ---- pacing ------------------------------------------------------------------------

constexpr std::uint64_t kMs = 1'000'000;

mz_lr_pace pace_of(double rate) {
  mz_lr_sender s{};
  Load{rate, 1, 1, 0}.begin(s);
  return s.pace;
}

TEST(LineratePace, KeepsTheRate) {
  for (const double rate : {100.0, 5'000.0, 1e6, 1.488e7}) {
    mz_lr_pace p = pace_of(rate);
    const auto frames = static_cast<std::uint64_t>(rate / 10);
    std::uint64_t now = 5 * kMs, sent = 0;
    for (; sent < frames; now += 37) {
      sent += mz_lr_due(&p, now, sent);
      ASSERT_LE(static_cast<double>(sent), rate * static_cast<double>(now - 5 * kMs) / kSecond * (1 + 1e-6) + 1);
    }
    EXPECT_NEAR(static_cast<double>(now - 5 * kMs), 1e8 - kSecond / rate, 1e4) << rate;
    EXPECT_NEAR(seconds_of({rate, frames, 1, 0}, p), 0.1, 1e-4) << rate;
  }
}

TEST(LineratePace, DoesNotMakeUpForLongGaps) {
  mz_lr_pace p = pace_of(1e6);
  EXPECT_EQ(mz_lr_due(&p, kMs, 0), 1u);
  std::uint64_t sent = 1;
  for (std::uint64_t n = 0; (n = mz_lr_due(&p, 100 * kMs, sent)) != 0;) sent += n;
  EXPECT_EQ(sent, 1'001u);  // a millisecond of the rate
  EXPECT_EQ(mz_lr_due(&p, 100 * kMs + 3'000, sent), 3u);
}

TEST(LineratePace, WithoutARateAlways) {
  mz_lr_pace p = pace_of(0);
  EXPECT_EQ(mz_lr_due(&p, kMs, 1u << 30), std::uint64_t{MZ_LR_BATCH});
  EXPECT_NEAR(seconds_of({0, 64, 1, 0}, p), 0, 1e-6);
}

// ---- frames ------------------------------------------------------------------------

std::uint16_t word_at(const Frame& f, unsigned at) { return static_cast<std::uint16_t>(f.bytes[at] << 8 | f.bytes[at + 1]); }

// Of the 20 bytes there, as a receiver sums them.
bool checksum_right(std::span<const std::uint8_t> ip) {
  std::uint32_t sum = 0;
  for (unsigned i = 0; i < 20; i += 2) sum += static_cast<std::uint32_t>(ip[i] << 8 | ip[i + 1]);
  sum = (sum & 0xffff) + (sum >> 16);
  return ((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

FrameSpec plain(unsigned size) {
  FrameSpec s;
  s.size = size;
  s.to_mac = {2, 0, 0, 0, 0, 9};
  s.from = mizar::Addr::v4(0xc6120001);
  s.to = mizar::Addr::v4(0xc6130001);
  return s;
}

TEST(LinerateFrame, OfAllSizes) {
  for (const unsigned size : {64u, 128u, 1518u, 9000u}) {
    const Frame f = make_frame(plain(size));
    ASSERT_EQ(f.bytes.size(), size - 4);
    EXPECT_EQ(word_at(f, 16), size - 18);  // IP
    EXPECT_EQ(word_at(f, 38), size - 38);  // UDP
    EXPECT_EQ(word_at(f, 36), MZ_LR_PORT);
    EXPECT_EQ(f.layout.stamp_at, 42u);
    EXPECT_LE(f.layout.words * 8, f.bytes.size());
    EXPECT_TRUE(checksum_right({f.bytes.data() + 14, 20}));
  }
  EXPECT_EQ(smallest_size(false), 64u);
  EXPECT_EQ(mtu_needed(1518), 1500u);
}

TEST(LinerateFrame, InATunnelForManyEndpoints) {
  FrameSpec s = plain(256);
  s.tunnel = Tunnel{100, 7, mizar::Addr::v4(0x0a000101), {mizar::Addr::v4(0x0a000400), 22}};
  const Frame f = make_frame(s);
  EXPECT_EQ(word_at(f, 36), MZ_GENEVE_PORT);
  EXPECT_EQ(f.layout.stamp_at, MZ_OUTER_LEN4 + 42);
  EXPECT_EQ(f.layout.inner_at, MZ_OUTER_LEN4 + 14);
  std::vector<std::uint8_t> bytes = f.bytes;
  mz_lr_sender sender{};
  sender.seed = 1;
  std::uint32_t others = 0;
  for (int i = 0; i < 1000; i++) {
    stamp_frame(bytes, f.layout, sender, 0);
    const std::uint8_t* dst = bytes.data() + f.layout.inner_at + 16;
    EXPECT_EQ(dst[0], 10);
    EXPECT_EQ(dst[2] & 0xfc, 4);
    others += dst[3] != 0;
    ASSERT_TRUE(checksum_right({bytes.data() + f.layout.inner_at, 20}));
  }
  EXPECT_GT(others, 900u);
  EXPECT_EQ(sender.seq, 1000u);
}

}  // namespace
}  // namespace linerate
