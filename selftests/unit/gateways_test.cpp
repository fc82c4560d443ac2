// SPDX-License-Identifier: Apache-2.0
// Outside addresses in the data plane's tables: userspace/transitd/gateways.h.
#include "userspace/transitd/gateways.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/proto/text.h"

using namespace mizar;

namespace {

constexpr const char* kState = R"(
host: g1
hosts: [{name: g1, id: 1, address: 192.0.2.1}]
vpcs:
  - {name: red, vni: 7, cidr: 10.0.0.0/16, cidr6: "fd00:a::/32"}
  - {name: blue, vni: 8, cidr: 10.0.0.0/16, cidr6: "fd00:a::/32"}
gateways:
)";
constexpr const char* kServes = R"(
  - name: out
    vpc: red
    destinations: [0.0.0.0/0]
    serves: true
    pools: [198.51.100.0/28]
    ports_per_endpoint: 512
    addresses:
      - {address: 10.0.0.5, outside: 198.51.100.1, first_port: 1024, last_port: 1535}
      - {address: 10.0.0.6, outside: 198.51.100.9, first_port: 0, last_port: 65535}
    forwards: [{protocol: tcp, outside: 198.51.100.1, outside_port: 8080, address: 10.0.0.5, port: 80}]
)";

Result<Goal> parsed(const std::string& gateways) {
  v1::GoalState state;
  const auto read = parse_text(kState + gateways, "test", state);
  EXPECT_TRUE(read) << read.error().what;
  return parse_goal(state);
}
Goal goal_of(const std::string& gateways) {
  auto g = parsed(gateways);
  EXPECT_TRUE(g) << g.error().what;
  return *g;
}
Goal none() {
  v1::GoalState state;
  EXPECT_TRUE(parse_text("host: g1\nhosts: [{name: g1, id: 1, address: 192.0.2.1}]\n", "test", state));
  return *parse_goal(state);
}
std::string without(std::string text, const std::string& what, const std::string& instead = "") {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), instead);
}

// A sound text with one thing wrong is refused, by name.
struct Wrong {
  const char* what;
  const char* instead;
  const char* says;
};
void refuses(const char* sound, std::initializer_list<Wrong> wrong) {
  for (const Wrong& w : wrong) {
    const auto g = parsed(without(sound, w.what, w.instead));
    ASSERT_FALSE(g) << w.instead;
    EXPECT_EQ(g.error().code, Code::invalid_argument);
    EXPECT_NE(g.error().what.find(w.says), std::string::npos) << g.error().what;
  }
}

mz_addr ip(const char* text) { return Addr::parse(text)->abi(); }

class GatewaysTest : public ::testing::Test {
 protected:
  std::optional<mz_inside> inside(const char* a, std::uint16_t port = 0, std::uint16_t proto = 0) {
    return dp.insides().get({7, ip(a), htons(port), proto});
  }
  std::optional<mz_outside> outside(const char* a, std::uint16_t port, std::uint16_t proto = 0) {
    return dp.outsides().get({ip(a), htons(port), proto});
  }
  std::optional<mz_pool> pool(const char* a, unsigned len) { return dp.pools().get({96 + len, ip(a)}); }

  FakeDataplane dp{TableSizes{}};
  Gateways gateways{dp};
};

TEST_F(GatewaysTest, AGatewayKnowsBothWays) {
  ASSERT_TRUE(gateways.apply(goal_of(kServes)));
  const auto shared = inside("10.0.0.5"), whole = inside("10.0.0.6"), port = inside("10.0.0.5", 80, IPPROTO_TCP);
  ASSERT_TRUE(shared && whole && port);
  EXPECT_EQ(Addr(shared->ip).text(), "198.51.100.1");
  EXPECT_EQ(shared->first, 1024);
  EXPECT_EQ(shared->last, 1535);
  EXPECT_EQ(shared->flags, MZ_INSIDE_F_FORWARDS);
  EXPECT_EQ(whole->first, 0);
  EXPECT_EQ(whole->last, 65535);
  EXPECT_EQ(whole->flags, 0);
  EXPECT_EQ(ntohs(port->port), 8080);
  const auto piece = outside("198.51.100.1", 2), floating = outside("198.51.100.9", 0),
             forwarded = outside("198.51.100.1", 8080, IPPROTO_TCP);
  ASSERT_TRUE(piece && floating && forwarded);
  EXPECT_EQ(piece->vni, 7u);
  EXPECT_EQ(Addr(piece->ip).text(), "10.0.0.5");
  EXPECT_EQ(piece->port, 0);
  EXPECT_EQ(Addr(floating->ip).text(), "10.0.0.6");
  EXPECT_EQ(ntohs(forwarded->port), 80);
  ASSERT_TRUE(pool("198.51.100.0", 28));
  EXPECT_EQ(pool("198.51.100.0", 28)->shift, 9);
  EXPECT_EQ(pool("198.51.100.0", 28)->flags, MZ_POOL_F_FORWARDS);
  ASSERT_TRUE(pool("198.51.100.9", 32));
  EXPECT_EQ(pool("198.51.100.9", 32)->shift, 16);
}

TEST_F(GatewaysTest, AnEndpointsHostKnowsTheWayOutAlone) {
  ASSERT_TRUE(gateways.apply(goal_of(without(kServes, "serves: true", "serves: false"))));
  EXPECT_TRUE(inside("10.0.0.5"));
  EXPECT_TRUE(inside("10.0.0.5", 80, IPPROTO_TCP));
  EXPECT_TRUE(dp.outsides().entries()->empty());
  EXPECT_TRUE(dp.pools().entries()->empty());
}

// A forward to a service: the gateway has the way to it, and backends' ports the way back.
constexpr const char* kEntry = R"(
  - name: out
    vpc: red
    destinations: [0.0.0.0/0]
    serves: true
    pools: [198.51.100.0/28]
    ports_per_endpoint: 512
    addresses:
      - {address: 10.0.0.5, outside: 198.51.100.1, first_port: 1024, last_port: 1535}
      - {address: 10.0.0.6, outside: 198.51.100.1, first_port: 1536, last_port: 2047}
    forwards: [{protocol: tcp, outside: 198.51.100.1, outside_port: 80, service: web, port: 80}]
services:
  - name: web
    vpc: red
    address: 10.0.9.1
    ports: [{protocol: tcp, port: 80, backend_port: 8080}, {protocol: udp, port: 53}]
    backends: [{name: a, address: 10.0.0.5}, {name: b, address: 10.0.0.6, weight: 0}, {name: c, address: 10.0.0.7}]
)";

TEST_F(GatewaysTest, APortThatLeadsToAService) {
  ASSERT_TRUE(gateways.apply(goal_of(kEntry)));
  const auto in = outside("198.51.100.1", 80, IPPROTO_TCP);
  ASSERT_TRUE(in);
  EXPECT_EQ(Addr(in->ip).text(), "10.0.9.1");
  EXPECT_EQ(ntohs(in->port), 80);
  EXPECT_EQ(in->flags, MZ_OUTSIDE_F_SERVICE);
  for (const char* backend : {"10.0.0.5", "10.0.0.6"}) {
    const auto port = inside(backend, 8080, IPPROTO_TCP);
    ASSERT_TRUE(port) << backend;
    EXPECT_EQ(Addr(port->ip).text(), "198.51.100.1");
    EXPECT_EQ(ntohs(port->port), 80);
    EXPECT_EQ(inside(backend)->flags, MZ_INSIDE_F_FORWARDS);
  }
  EXPECT_FALSE(inside("10.0.0.7", 8080, IPPROTO_TCP)) << "no endpoint that this host knows the outside address of";
  EXPECT_EQ(pool("198.51.100.0", 28)->flags, MZ_POOL_F_FORWARDS);
}

TEST(GatewayGoal, AnEntryThatCannotBe) {
  refuses(kEntry, {
      {"service: web", "service: x", "forwards[0]: service: 'x' is no service of vpc red"},
      {"service: web, port: 80", "service: web, port: 81", "forwards[0]: port: 'web' does not offer tcp 81"},
      {"outside: 198.51.100.1, outside_port", "outside: \"2001:db8::1\", outside_port",
       "forwards[0]: service: 'web' has no address of the family of 2001:db8::1"},
      {"service: web, port: 80}", "service: web, port: 80}, {protocol: tcp, outside: 198.51.100.1, outside_port: 81, address: 10.0.0.5, port: 8080}",
       "forwards[1]: port: tcp 8080 of 10.0.0.5 has an outside port already"},
  });
}

TEST_F(GatewaysTest, WhatIsNotWantedAnyMoreGoes) {
  ASSERT_TRUE(gateways.apply(goal_of(kServes)));
  ASSERT_TRUE(gateways.apply(none()));
  EXPECT_TRUE(dp.insides().entries()->empty());
  EXPECT_TRUE(dp.outsides().entries()->empty());
  EXPECT_TRUE(dp.pools().entries()->empty());
}

TEST_F(GatewaysTest, AnotherRunTakesUpWhatStands) {
  ASSERT_TRUE(gateways.apply(goal_of(kServes)));
  Gateways next{dp};
  ASSERT_TRUE(next.recover());
  EXPECT_TRUE(*next.apply(goal_of(kServes)));   // flows may be older than that
  EXPECT_FALSE(*next.apply(goal_of(kServes)));  // once
  EXPECT_TRUE(inside("10.0.0.5"));
  ASSERT_TRUE(next.apply(none()));
  EXPECT_TRUE(dp.insides().entries()->empty());
}

// Flows and mappings of another range, or of none, are to go.
TEST_F(GatewaysTest, PortsThatAreNotTheEndpointsAnyMoreAreDoubted) {
  EXPECT_FALSE(*gateways.apply(goal_of(kServes)));
  mz_flow_key key{};
  key.vni = 7;
  key.local = ip("10.0.0.5");
  mz_flow flow{};
  flow.from_port = htons(1535);
  EXPECT_TRUE(gateways.keeps(key, flow));
  mz_mapping_key out{7, key.local, htons(99), IPPROTO_UDP, 0}, back{7, key.local, htons(1535), IPPROTO_UDP, 1};
  EXPECT_TRUE(gateways.keeps(out, mz_mapping{htons(1535), 0, 0}));
  EXPECT_TRUE(gateways.keeps(back, mz_mapping{htons(99), 0, 0}));
  EXPECT_FALSE(gateways.keeps(out, mz_mapping{htons(1536), 0, 0}));
  EXPECT_TRUE(*gateways.apply(goal_of(without(kServes, "first_port: 1024, last_port: 1535", "first_port: 2048, last_port: 2559"))));
  EXPECT_FALSE(gateways.keeps(key, flow));
  EXPECT_FALSE(gateways.keeps(out, mz_mapping{htons(1535), 0, 0}));
  EXPECT_FALSE(gateways.keeps(back, mz_mapping{htons(99), 0, 0}));
  // A floating address translates no port.
  key.local = ip("10.0.0.6");
  EXPECT_FALSE(gateways.keeps(key, flow));
  key.vni = 8;
  EXPECT_FALSE(gateways.keeps(key, flow));
}

TEST_F(GatewaysTest, WhatDoesNotFitIsRefusedAndNamed) {
  TableSizes small;
  small.insides = 2;
  FakeDataplane little{small};
  const auto rc = Gateways(little).check(goal_of(kServes));
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::resource_exhausted);
  EXPECT_NE(rc.error().what.find("3 wanted at a time, the table holds 2; start transitd with a larger --max-outside"),
            std::string::npos)
      << rc.error().what;
  EXPECT_TRUE(gateways.check(goal_of(kServes)));
}

TEST(GatewayGoal, WhatIsWrongIsNamed) {
  refuses(kServes, {
      {"name: out", "name: 'no good'", "gateways[0]: name"},
      {"vpc: red", "vpc: green", "gateway green/out: vpc: 'green' does not stand in vpcs"},
      {"[0.0.0.0/0]", "[]", "gateway red/out: destinations: there is none; 0.0.0.0/0 is all of IPv4"},
      {"[0.0.0.0/0]", "[1.2.3.4/0]", "gateway red/out: destinations[0]"},
      {"[198.51.100.0/28]", "[198.0.0.0/8]", "pools[0]: 198.0.0.0/8 has more than 65536 addresses"},
      {"[198.51.100.0/28]", "[198.51.100.0/28, 198.51.100.8/29]", "198.51.100.8/29 overlaps 198.51.100.0/28"},
      {"ports_per_endpoint: 512", "ports_per_endpoint: 500", "ports_per_endpoint: 500 must be a power of 2"},
      {"ports_per_endpoint: 512", "ports_per_endpoint: 32", "ports_per_endpoint: 32 must be a power of 2, 64..32768"},
      {"ports_per_endpoint: 512", "ports_per_endpoint: 65536", "ports_per_endpoint: 65536 must be"},
      {"address: 10.0.0.5, outside", "address: 10.1.0.5, outside", "addresses[0]: address: 10.1.0.5"},
      {"address: 10.0.0.6", "address: 10.0.0.5", "addresses[1]: address: 10.0.0.5 is already that of"},
      {"outside: 198.51.100.9", "outside: '2001:db8::9'", "addresses[1]: outside: 2001:db8::9 is not of the family"},
      {"outside: 198.51.100.9", "outside: 198.51.100.1", "addresses[1]: outside: ports 0..65535 of 198.51.100.1 overlap another's"},
      {"first_port: 1024, last_port: 1535", "first_port: 1535, last_port: 1024", "1535..1024 is reversed"},
      {"first_port: 1024, last_port: 1535", "first_port: 1024, last_port: 1534", "must begin at a multiple of its size"},
      {"first_port: 1024, last_port: 1535", "first_port: 768, last_port: 1279", "must begin at a multiple of its size"},
      {"first_port: 1024, last_port: 1535", "first_port: 1024, last_port: 65536", "is out of range, ports are 0..65535"},
      {"protocol: tcp", "protocol: gre", "forwards[0]: protocol: 'gre' must be tcp, udp or sctp"},
      {"protocol: tcp", "protocol: sctp", "forwards[0]"},
      {"outside_port: 8080", "outside_port: 0", "forwards[0]: outside_port: 0 is out of range"},
      {"address: 10.0.0.5, port: 80", "address: 10.9.0.5.1, port: 80", "forwards[0]: address"},
      {"address: 10.0.0.5, port: 80}", "address: 10.0.0.5, port: 80}, {protocol: tcp, outside: 198.51.100.1, outside_port: 8080, address: 10.0.0.5, port: 81}",
       "forwards[1]: outside_port: tcp 8080 of 198.51.100.1 is forwarded already"},
      {"address: 10.0.0.5, port: 80}", "address: 10.0.0.5, port: 80}, {protocol: tcp, outside: 198.51.100.1, outside_port: 8081, address: 10.0.0.5, port: 80}",
       "forwards[1]: port: tcp 80 of 10.0.0.5 has an outside port already"},
  });
  const auto two = parsed(std::string(kServes) + without(without(kServes, "name: out", "name: other"), "[198.51.100.0/28]", "[]"));
  ASSERT_FALSE(two);
  EXPECT_NE(two.error().what.find("gateway red/other: vpc: has a gateway already: red/out"), std::string::npos) << two.error().what;
}

TEST(GatewayGoal, IsWrittenAsItWasRead) {
  const Goal goal = goal_of(kServes);
  const auto again = parse_goal(to_state(goal));
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_EQ(to_state(*again).SerializeAsString(), to_state(goal).SerializeAsString());
  const v1::Gateway g = to_state(goal).gateways(0);
  EXPECT_EQ(g.addresses(0).last_port(), 1535u);
  EXPECT_EQ(g.forwards(0).outside_port(), 8080u);
  EXPECT_EQ(g.pools(0), "198.51.100.0/28");
  EXPECT_TRUE(g.serves());
}

}  // namespace
