// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/flows.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "userspace/dataplane/fake_dataplane.h"

using namespace mizar;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kTimeout = 500;

TableSizes sizes_with(std::uint32_t flows) {
  TableSizes s;
  s.flows = flows;
  return s;
}

class FlowsTest : public ::testing::Test {
 protected:
  // The flow of 198.18.0.1:PORT with 198.18.0.2:53.
  static mz_flow_key key(std::uint16_t port, std::uint32_t vni = 7) {
    mz_flow_key k{};
    k.vni = vni;
    k.local = Addr::v4(0xc6120001).abi();
    k.remote = Addr::v4(0xc6120002).abi();
    k.local_port = htons(port);
    k.remote_port = htons(53);
    k.proto = IPPROTO_UDP;
    return k;
  }
  void put(std::uint16_t port, std::uint32_t idle = 0, unsigned ifindex = 10, std::uint32_t vni = 7) {
    mz_flow f{};
    f.seen = dp.jiffies - idle;
    f.timeout = kTimeout;
    f.ifindex = ifindex;
    ASSERT_TRUE(dp.flows().put(key(port, vni), f));
    dp.stats.opened++;
  }
  // The key of what BACKEND answers to that flow.
  static mz_flow_key answers(std::uint16_t port, std::uint16_t backend) {
    mz_flow_key k = key(port);
    k.remote = Addr::v4(0xc6120009).abi();
    k.remote_port = htons(backend);
    return k;
  }
  // A flow that a backend serves, with that key.
  void translated(std::uint16_t port, std::uint16_t backend, std::uint32_t idle = 0) {
    const mz_flow_key second = answers(port, backend);
    mz_flow f{};
    f.seen = dp.jiffies - idle;
    f.timeout = kTimeout;
    f.ifindex = 10;
    f.flags = MZ_FLOW_F_NAT;
    f.to = second.remote;
    f.to_port = second.remote_port;
    ASSERT_TRUE(dp.flows().put(key(port), f));
    mz_flow back{};
    back.seen = dp.jiffies - kTimeout * 2;  // packets touch the flow alone
    back.ifindex = 10;
    back.flags = MZ_FLOW_F_REVERSE;
    back.to = key(port).remote;
    back.to_port = key(port).remote_port;
    ASSERT_TRUE(dp.flows().put(second, back));
  }
  bool has(std::uint16_t port) { return dp.flows().get(key(port)).has_value(); }
  // Steps until the walk that has begun, or begins now, is over.
  void walk(Flows::Clock::time_point now) {
    for (int i = 0; i < 20; i++) ASSERT_TRUE(flows.step(now));
  }
  std::size_t count(const FlowFilter& f) { return flows.find(f, 0)->flows.size(); }

  FakeDataplane dp{sizes_with(16)};
  std::set<unsigned> ports{10, 11};
  Flows flows{dp, [this] { return ports; }};
  Flows::Clock::time_point start = Flows::Clock::now();
};

TEST_F(FlowsTest, WhatHasEndedGoesAndNothingElse) {
  put(1, kTimeout);
  put(2, kTimeout + 1);
  put(3);
  walk(start);
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(2));
  EXPECT_TRUE(has(3));
  EXPECT_EQ(flows.used(), 2u);
}

// The entry that answers find goes with its flow: it would bring the flow back.
TEST_F(FlowsTest, WhatNobodyServesAnyMoreIsForgotten) {
  translated(1, 8001);
  translated(2, 8002);
  translated(3, 8001, kTimeout + 1);  // ended, and not yet taken out
  put(4);
  const auto forgotten = flows.forget_unless([](const mz_flow_key&, const mz_flow& f) { return f.to_port == htons(8002); });
  ASSERT_TRUE(forgotten);
  EXPECT_EQ(forgotten->size(), 2u);
  EXPECT_FALSE(has(1));
  EXPECT_TRUE(has(2));
  EXPECT_FALSE(has(3));
  EXPECT_TRUE(has(4)) << "no service's";
  EXPECT_EQ(dp.flows().entries()->size(), 3u) << "flow 2, the key of its answers, flow 4";
}

// The key of a backend's answers: it lives as long as its flow does, and is no flow.
TEST_F(FlowsTest, TheSecondKeyOfATranslatedFlowGoesWithIt) {
  const auto has_second = [&](std::uint16_t port) { return dp.flows().get(answers(port, 5353)).has_value(); };
  translated(1, 5353);
  translated(2, 5353, kTimeout + 1);
  walk(start);
  EXPECT_TRUE(has(1));
  EXPECT_TRUE(has_second(1));
  EXPECT_FALSE(has(2));
  EXPECT_FALSE(has_second(2));
  EXPECT_EQ(flows.used(), 2u);
  EXPECT_EQ(count({}), 1u);
  // The flow goes elsewhere by now.
  auto other = *dp.flows().get(key(1));
  other.to_port = htons(5354);
  ASSERT_TRUE(dp.flows().put(key(1), other));
  walk(start + Flows::kPause);
  EXPECT_FALSE(has_second(1));
}

// A port outside is free when the flows that had it are gone, and not by chance: two
// walks in a row have to say so.
TEST_F(FlowsTest, AMappingGoesSomeTimeAfterItsLastFlow) {
  const auto map = [&](std::uint16_t port, std::uint16_t outside) {
    const mz_addr local = key(1).local;
    ASSERT_TRUE(dp.mappings().put({7, local, htons(port), IPPROTO_UDP, 0}, {htons(outside), 0, dp.jiffies}));
    ASSERT_TRUE(dp.mappings().put({7, local, htons(outside), IPPROTO_UDP, 1}, {htons(port), 0, dp.jiffies}));
  };
  const auto mapped = [&](std::uint16_t port, std::uint8_t outside) {
    return dp.mappings().get({7, key(1).local, htons(port), IPPROTO_UDP, outside}).has_value();
  };
  const auto leave = [&](std::uint16_t port, std::uint16_t outside) {
    put(port);
    auto f = *dp.flows().get(key(port));
    f.flags = MZ_FLOW_F_SOURCE;
    f.from_port = htons(outside);
    ASSERT_TRUE(dp.flows().put(key(port), f));
  };
  map(1, 2001);
  map(2, 2002);
  leave(1, 2001);
  walk(start);
  EXPECT_TRUE(mapped(2, 0));  // perhaps its flow is just being made
  walk(start + Flows::kPause);
  EXPECT_TRUE(mapped(1, 0));
  EXPECT_TRUE(mapped(2001, 1));
  EXPECT_FALSE(mapped(2, 0));
  EXPECT_FALSE(mapped(2002, 1));
  ASSERT_TRUE(dp.flows().erase(key(1)));
  walk(start + 2 * Flows::kPause);
  // A new flow of the port comes, as the data plane notes it.
  auto m = *dp.mappings().get({7, key(1).local, htons(1), IPPROTO_UDP, 0});
  EXPECT_EQ(m.idle, 1);
  m.idle = 0;
  ASSERT_TRUE(dp.mappings().put({7, key(1).local, htons(1), IPPROTO_UDP, 0}, m));
  walk(start + 3 * Flows::kPause);
  EXPECT_TRUE(mapped(1, 0));
  walk(start + 4 * Flows::kPause);
  EXPECT_FALSE(mapped(1, 0));
  EXPECT_FALSE(mapped(2001, 1));
}

// A mapping of another protocol, or of a flow that is not translated, is none of it.
TEST_F(FlowsTest, OnlyFlowsOfTheMappingKeepIt) {
  put(1);
  ASSERT_TRUE(dp.mappings().put({7, key(1).local, htons(1), IPPROTO_UDP, 0}, {htons(2001), 1, 0}));
  ASSERT_TRUE(dp.mappings().put({7, key(1).local, htons(1), IPPROTO_TCP, 0}, {htons(2002), 1, 0}));
  ASSERT_TRUE(dp.mappings().put({8, key(1).local, htons(1), IPPROTO_UDP, 0}, {htons(2003), 1, 0}));
  walk(start);
  EXPECT_TRUE(dp.mappings().entries()->empty());
}

TEST_F(FlowsTest, PortsThatWereTakenAwayAreForgotten) {
  put(1);
  put(2);
  auto f = *dp.flows().get(key(2));
  f.flags = MZ_FLOW_F_SOURCE;
  ASSERT_TRUE(dp.flows().put(key(2), f));
  ASSERT_TRUE(dp.mappings().put({7, key(1).local, htons(2), IPPROTO_UDP, 0}, {htons(2001), 0, 0}));
  ASSERT_TRUE(dp.mappings().put({7, key(1).local, htons(9), IPPROTO_UDP, 0}, {htons(2009), 0, 0}));
  const auto rc = flows.forget_ports_unless(
      {[](const mz_flow_key&, const mz_flow&) { return false; },
       [](const mz_mapping_key& k, const mz_mapping&) { return ntohs(k.port) == 9; }});
  ASSERT_TRUE(rc);
  EXPECT_TRUE(has(1));  // not translated
  EXPECT_FALSE(has(2));
  EXPECT_EQ(dp.mappings().entries()->size(), 1u);
}

TEST_F(FlowsTest, APacketFromTheFutureKeepsItsFlow) {
  put(1, static_cast<std::uint32_t>(-3));  // another CPU's clock tick came first
  walk(start);
  EXPECT_TRUE(has(1));
}

TEST_F(FlowsTest, TheClockMayWrap) {
  dp.jiffies = 5;
  put(1, 20);
  put(2, 5 + kTimeout + 1);
  walk(start);
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(2));
}

TEST_F(FlowsTest, FlowsOfAnEndpointThatIsGoneGo) {
  put(1, 0, 10);
  put(2, 0, 11);
  ports.erase(11);
  walk(start);
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(2));
}

TEST_F(FlowsTest, EachEndpointsUseIsCountedAnew) {
  for (std::uint16_t p = 1; p <= 5; p++) put(p, 0, 10);
  put(6, 0, 11);
  ASSERT_TRUE(dp.flow_use().put(10, 77));
  ASSERT_TRUE(dp.flow_use().put(11, 77));
  walk(start);
  EXPECT_EQ(dp.flow_use().get(10), 5u);
  EXPECT_EQ(dp.flow_use().get(11), 1u);
  ASSERT_TRUE(flows.flush({.ifindex = 11}));
  walk(start);
  EXPECT_EQ(dp.flow_use().get(11), 0u);
}

TEST_F(FlowsTest, WalksBeginAPauseApartUnlessHurried) {
  walk(start);
  put(1, kTimeout + 1);
  walk(start + Flows::kPause - 1ms);
  EXPECT_TRUE(has(1));
  walk(start + Flows::kPause);
  EXPECT_FALSE(has(1));
  put(2, kTimeout + 1);
  flows.hurry();
  walk(start + Flows::kPause);
  EXPECT_FALSE(has(2));
}

TEST_F(FlowsTest, AWalkTakesSteps) {
  for (std::uint16_t p = 1; p <= 5; p++) put(p, kTimeout + 1);
  ASSERT_TRUE(flows.step(start));
  EXPECT_EQ(dp.flows().entries()->size(), 3u);
}

TEST_F(FlowsTest, AFailureEndsTheWalkAndTheNextOneWorks) {
  for (std::uint16_t p = 1; p <= 3; p++) put(p);
  dp.flow_use().fail_next = 1;
  EXPECT_TRUE(flows.step(start));
  EXPECT_FALSE(flows.step(start));
  flows.hurry();
  walk(start);
  EXPECT_EQ(flows.used(), 3u);
}

TEST_F(FlowsTest, WhatWasPushedOutOfAFullTableIsCounted) {
  for (std::uint16_t p = 1; p <= 16; p++) put(p);
  walk(start);
  EXPECT_EQ(flows.evicted(), 0u);
  for (std::uint16_t p = 1; p <= 3; p++) {  // the kernel makes room for three more
    ASSERT_TRUE(dp.flows().erase(key(p)));
    put(static_cast<std::uint16_t>(100 + p));
  }
  ASSERT_TRUE(flows.flush({.port = 16}));  // not pushed out
  walk(start);
  EXPECT_EQ(flows.evicted(), 3u);
  walk(start + 1h);
  EXPECT_EQ(flows.evicted(), 3u);
}

TEST_F(FlowsTest, InATableWithRoomNothingIsPushedOut) {
  put(1);
  walk(start);
  dp.stats.opened += 2;  // came and went by itself between two counts
  walk(start + 1h);
  EXPECT_EQ(flows.evicted(), 0u);
}

TEST_F(FlowsTest, FindsByEachField) {
  put(1);
  put(2, 0, 11);
  put(3, 0, 10, 8);
  put(4, kTimeout + 1);
  EXPECT_EQ(count({}), 3u);
  EXPECT_EQ(count({.vni = 8}), 1u);
  EXPECT_EQ(count({.ifindex = 11}), 1u);
  EXPECT_EQ(count({.address = Addr::v4(0xc6120001)}), 3u);
  EXPECT_EQ(count({.address = Addr::v4(0xc6120002)}), 3u);
  EXPECT_EQ(count({.address = Addr::v4(0xc6120003)}), 0u);
  EXPECT_EQ(count({.protocol = IPPROTO_UDP}), 3u);
  EXPECT_EQ(count({.protocol = IPPROTO_TCP}), 0u);
  EXPECT_EQ(count({.port = 2}), 1u);
  EXPECT_EQ(count({.port = 53}), 3u);
  const auto two = flows.find({}, 2);
  EXPECT_EQ(two->flows.size(), 2u);
  EXPECT_EQ(two->more, 1u);
}

TEST_F(FlowsTest, FlushTakesThoseThatMatch) {
  put(1);
  put(2);
  put(3, 0, 10, 8);
  EXPECT_EQ(*flows.flush({.vni = 7, .port = 2}), 1u);
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(2));
  EXPECT_EQ(*flows.flush({}), 2u);
  EXPECT_EQ(*flows.flush({}), 0u);
}

TEST(FlowText, ProtocolsHaveNamesAndNumbers) {
  EXPECT_EQ(*parse_protocol("tcp"), unsigned{IPPROTO_TCP});
  EXPECT_EQ(*parse_protocol("47"), 47u);
  EXPECT_EQ(protocol_text(IPPROTO_ICMPV6), "icmpv6");
  EXPECT_EQ(protocol_text(47), "47");
  for (const char* bad : {"", "TCP", "256", "-1", "6x"}) {
    const auto rc = parse_protocol(bad);
    ASSERT_FALSE(rc) << bad;
    EXPECT_EQ(rc.error().code, Code::invalid_argument);
  }
}

TEST(FlowText, StatesAreNamedByProtocol) {
  mz_flow_key k{};
  mz_flow f{};
  k.proto = IPPROTO_TCP;
  f.state = MZ_FLOW_CLOSED;
  EXPECT_EQ(flow_state_text(k, f), "TIME_WAIT");
  k.proto = IPPROTO_UDP;
  f.state = MZ_FLOW_OPENING;
  EXPECT_EQ(flow_state_text(k, f), "UNREPLIED");
  f.state = 99;
  EXPECT_EQ(flow_state_text(k, f), "?");
}

}  // namespace
