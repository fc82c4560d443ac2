// SPDX-License-Identifier: Apache-2.0
// The daemon with real links and namespaces, and a data plane that forwards
// nothing: what it configures and programs for both families.
#include "userspace/transitd/daemon.h"

#include <arpa/inet.h>

#include "bpf/abi/wire.h"
#include "selftests/unit/daemon_world.h"

namespace mizar {
namespace {

using namespace test;

TEST_F(DaemonTest, AnEndpointHasBothAddressesAndRoutes) {
  ASSERT_OK(apply(kState));
  EXPECT_EQ(endpoint("a").problem(), "");
  EXPECT_TRUE(endpoint("a").ready());
  EXPECT_TRUE(has_address("a", "10.0.1.5"));
  EXPECT_TRUE(has_address("a", "fd00:0:0:1::5")) << "in effect when apply returns";
  auto nl = inside("a");
  EXPECT_EQ(must(nl.route_to(addr("10.9.9.9"))).gateway.text(), "10.0.1.1");
  EXPECT_EQ(must(nl.route_to(addr("fd00:0:0:9::9"))).gateway.text(), "fe80::4d:5aff:fe00:1");
  EXPECT_TRUE(must(nl.route_to(addr("fd00:0:0:1::9"))).on_link) << "prefix of its network's length";
  EXPECT_FALSE(must(nl.route_to(addr("fd00:0:0:2::9"))).on_link);
}

TEST_F(DaemonTest, WithoutAnIpv6AddressNothingIpv6IsConfigured) {
  ASSERT_OK(apply(state_with("address6: \"fd00:0:0:1::5\", ", "")));
  EXPECT_TRUE(has_address("a", "10.0.1.5"));
  auto nl = inside("a");
  EXPECT_EQ(code(nl.route_to(addr("fd00:0:0:1::9"))), Code::unavailable);
}

TEST_F(DaemonTest, AnIpv6OnlyEndpoint) {
  ASSERT_OK(apply(state_with("address: 10.0.1.5, ", "")));
  EXPECT_TRUE(endpoint("a").ready());
  EXPECT_TRUE(has_address("a", "fd00:0:0:1::5"));
  auto nl = inside("a");
  EXPECT_EQ(code(nl.route_to(addr("10.0.1.9"))), Code::unavailable);
}

TEST_F(DaemonTest, ANamespaceWithoutIpv6IsAProblemThatSaysSo) {
  disable_ipv6("a", true);
  ASSERT_OK(apply(kState));
  EXPECT_FALSE(endpoint("a").ready());
  EXPECT_EQ(endpoint("a").problem(),
            "fd00:0:0:1::5: IPv6 is off in the namespace: sysctl "
            "net.ipv6.conf.all.disable_ipv6=0, or take address6 away");
  EXPECT_TRUE(has_address("a", "10.0.1.5")) << "IPv4 works meanwhile";
  disable_ipv6("a", false);
  ASSERT_OK(apply(kState));
  EXPECT_TRUE(endpoint("a").ready()) << endpoint("a").problem();
  EXPECT_TRUE(has_address("a", "fd00:0:0:1::5"));
}

TEST_F(DaemonTest, AnMtuTooSmallForIpv6IsAProblemThatSaysSo) {
  ASSERT_OK(here_->set_link(uplink_, {.mtu = 1300}));
  ASSERT_OK(apply(kState));
  EXPECT_EQ(endpoint("a").problem(),
            "MTU 1234 is too small for IPv6, which needs 1280: raise the uplink's");
}

// The hosts of the goal decide what the underlay adds to a packet.
TEST_F(DaemonTest, TheMtuLeavesRoomForTheUnderlaysFamily) {
  ASSERT_OK(apply(kState));
  EXPECT_EQ(endpoint("a").mtu(), 1500 - MZ_OVERHEAD4);
  EXPECT_EQ(daemon_->status().endpoint_mtu(), 1500 - MZ_OVERHEAD4);
  const auto before = endpoint("a").ifindex();
  ASSERT_OK(apply(state_with("address: 192.0.2.2, ", "")));
  EXPECT_EQ(endpoint("a").mtu(), 1500 - MZ_OVERHEAD6);
  EXPECT_EQ(endpoint("a").ifindex(), before);
  EXPECT_EQ(must(inside("a").link("eth0")).mtu, 1500 - MZ_OVERHEAD6);
  EXPECT_EQ(dp_.ports().get(before % MZ_PORTS)->mtu, 1500 - MZ_OVERHEAD6);
  EXPECT_TRUE(has_address("a", "fd00:0:0:1::5"));
}

TEST_F(DaemonTest, WhatIsWrongWithGroupsIsLoggedOncePerChange) {
  const auto said = [this] {
    dp_.groups().fail_next = 1;
    testing::internal::CaptureStderr();
    EXPECT_OK(apply(state_with("/64\"}", "/64\", broadcast: true}")));
    const auto all = testing::internal::GetCapturedStderr();
    return all.find("groups: table mz_groups: told to fail") != std::string::npos;
  };
  EXPECT_TRUE(said());
  EXPECT_FALSE(said());
  dp_.groups().fail_next = 0;
  ASSERT_OK(apply(state_with("/64\"}", "/64\", broadcast: true}")));
  ASSERT_OK(apply(kState));
  EXPECT_TRUE(said());
}

TEST_F(DaemonTest, TheProgramsKnowTheHostsOwnAddresses) {
  ASSERT_OK(apply(kState));
  EXPECT_EQ(Addr(dp_.loaded_cfg.self_ip4).text(), "192.0.2.1");
  EXPECT_EQ(Addr(dp_.loaded_cfg.self_ip6).text(), "2001:db8::1");
  EXPECT_EQ(dp_.loaded_cfg.uplink, uplink_);
  ASSERT_OK(apply(state_with("address: 192.0.2.1, ", "")));
  EXPECT_EQ(Addr(dp_.loaded_cfg.self_ip4), Addr());
  EXPECT_EQ(Addr(dp_.loaded_cfg.self_ip6).text(), "2001:db8::1");
  EXPECT_EQ(Addr(dp_.hosts().get(2)->ip).text(), "2001:db8::2");
  ASSERT_OK(apply(state_with(", address6: \"2001:db8::1\"", "")));
  EXPECT_EQ(Addr(dp_.loaded_cfg.self_ip4).text(), "192.0.2.1");
  EXPECT_EQ(Addr(dp_.loaded_cfg.self_ip6), Addr());
  EXPECT_EQ(Addr(dp_.hosts().get(2)->ip).text(), "192.0.2.2");
}

TEST_F(DaemonTest, StatusTellsBothAddressesAndTheOneInUse) {
  const std::string more = R"(address6: "2001:db8::2"}
  - {name: w4, id: 4, address: 192.0.2.4}
  - {name: w6, id: 6, address6: "2001:db8::6"})";
  ASSERT_OK(apply(state_with("address6: \"2001:db8::2\"}", more)));
  auto s = daemon_->status();
  EXPECT_EQ(s.address() + " " + s.address6(), "192.0.2.1 2001:db8::1");
  ASSERT_EQ(s.peers_size(), 3);
  EXPECT_EQ(s.peers(0).address() + " " + s.peers(0).address6(), "192.0.2.2 2001:db8::2");
  EXPECT_EQ(s.peers(0).underlay(), "192.0.2.2");
  EXPECT_EQ(s.peers(1).underlay(), "192.0.2.4");
  EXPECT_EQ(s.peers(2).underlay(), "2001:db8::6");
  EXPECT_NE(s.peers(2).via().find("up0 on link"), std::string::npos) << s.peers(2).via();

  std::string v4 = state_with("address6: \"2001:db8::2\"}", more);
  v4.replace(v4.find(", address6: \"2001:db8::1\""), 25, "");
  ASSERT_OK(apply(v4));
  s = daemon_->status();
  EXPECT_EQ(s.peers(2).underlay(), "");
  EXPECT_EQ(s.peers(2).via(), "no family in common");
  EXPECT_EQ(dp_.hosts().get(6)->flags, 0u);
}

TEST_F(DaemonTest, BothAddressesAreOnTheUplink) {
  const auto wire = must(net::NetnsRef::open("wire"));
  link("up1", wire);
  address("up1", "2001:db8:1::1/64");
  const auto other = apply(state_with("2001:db8::1", "2001:db8:1::1"));
  EXPECT_EQ(other ? "" : other.error().what,
            "host addresses 192.0.2.1 and 2001:db8:1::1 are on up0 and up1: both must be on the uplink");
  const auto none = apply(state_with("2001:db8::1", "2001:db8:2::1"));
  EXPECT_EQ(none ? "" : none.error().what,
            "host address 2001:db8:2::1 is on no interface: configure it, or fix the goal state");
}

// A second address does not cost an endpoint its interface; one less does.
TEST_F(DaemonTest, AnAddressIsAddedToTheInterfaceThatStands) {
  ASSERT_OK(apply(state_with("address6: \"fd00:0:0:1::5\", ", "")));
  const auto first = endpoint("a").ifindex();
  ASSERT_OK(apply(kState));
  EXPECT_EQ(endpoint("a").ifindex(), first);
  EXPECT_TRUE(has_address("a", "fd00:0:0:1::5"));
  EXPECT_EQ(Addr(dp_.ports().get(first % MZ_PORTS)->ip6).text(), "fd00:0:0:1::5");
  ASSERT_OK(apply(state_with("address6: \"fd00:0:0:1::5\", ", "")));
  EXPECT_FALSE(has_address("a", "fd00:0:0:1::5"));
  EXPECT_TRUE(has_address("a", "10.0.1.5"));
}

TEST_F(DaemonTest, PathsOfBothAddressesGoWhenAnEndpointComes) {
  ASSERT_OK(dp_.paths().put(endpoint_key(7, addr("10.0.1.5")), {2, 1, 1}));
  ASSERT_OK(dp_.paths().put(endpoint_key(7, addr("fd00:0:0:1::5")), {2, 1, 1}));
  ASSERT_OK(dp_.paths().put(endpoint_key(7, addr("fd00:0:0:1::6")), {2, 1, 1}));
  ASSERT_OK(apply(kState));
  const auto left = must(dp_.paths().entries());
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(Addr(left[0].first.ip).text(), "fd00:0:0:1::6");
}

TEST_F(DaemonTest, AnAddedEndpointGetsAnAddressInEachFamilyOfItsNetwork) {
  std::string none = kState;
  none.resize(none.find("endpoints:"));
  ASSERT_OK(apply(none));
  const auto both = [](const v1::Endpoint& e) { return e.address() + " " + e.address6(); };
  EXPECT_EQ(both(must(add("{netns: a, vpc: red}")).endpoint()), "10.0.1.2 fd00:0:0:1::2");
  EXPECT_TRUE(has_address("a", "fd00:0:0:1::2"));
  EXPECT_EQ(both(must(add("{name: b, netns: a, interface: eth1, vpc: red, "
                          "address6: 'fd00:0:0:1::3'}")).endpoint()),
            "10.0.1.3 fd00:0:0:1::3");
  EXPECT_EQ(both(must(add("{name: c, netns: a, interface: eth2, vpc: red}")).endpoint()),
            "10.0.1.4 fd00:0:0:1::4");
  // A network of one family, made for this host.
  EXPECT_EQ(both(must(add("{name: d, netns: a, interface: eth3, vpc: six, vni: 9, "
                          "cidr6: 'fd00:6::/64'}")).endpoint()),
            " fd00:6::2");
  // By the address, where there is more than one network.
  const auto e = must(add("{name: e, netns: a, interface: eth4, vpc: red, network: m, "
                          "cidr6: 'fd00:0:0:2::/64'}"));
  EXPECT_EQ(both(e.endpoint()), " fd00:0:0:2::2");
  EXPECT_EQ(must(add("{name: f, netns: a, interface: eth5, vpc: red, "
                     "address6: 'fd00:0:0:2::9'}")).endpoint().network(), "m");
  EXPECT_EQ(must(add("{name: g, netns: a, interface: eth6, vpc: red, address: 10.0.1.9}"))
                .endpoint().network(), "n");

  v1::DeleteRequest gone;
  gone.set_kind(v1::KIND_ENDPOINT);
  gone.set_name("red/b");
  ASSERT_OK(daemon_->remove(gone));
  EXPECT_FALSE(dp_.endpoints().get(endpoint_key(7, addr("10.0.1.3"))));
  EXPECT_FALSE(dp_.endpoints().get(endpoint_key(7, addr("fd00:0:0:1::3"))));
  EXPECT_EQ(both(must(add("{name: h, netns: a, interface: eth7, vpc: red, network: n}")).endpoint()),
            "10.0.1.3 fd00:0:0:1::3");
}

TEST_F(DaemonTest, AddRefuses) {
  ASSERT_OK(apply(kState));
  const struct {
    const char *request, *error;
  } rows[] = {
      {"{name: b, netns: a, interface: eth1, vpc: red, address: 'fd00:0:0:1::9'}",
       "endpoint b: address: must be IPv4; IPv6 goes in address6"},
      {"{name: b, netns: a, interface: eth1, vpc: red, address6: 'fd00:0:0:1::5'}",
       "endpoint red/b: address6: fd00:0:0:1::5 is already that of endpoint red/a"},
      {"{name: b, netns: a, interface: eth1, vpc: new, vni: 9}",
       "vpc new: cidr: needed to make it, or cidr6"},
      {"{name: b, netns: a, interface: eth1, vpc: new, vni: 9, cidr6: 'fd00:9::/126'}", ""},
      {"{name: c, netns: a, interface: eth2, vpc: new}", ""},
      {"{name: d, netns: a, interface: eth3, vpc: new}",
       "network new/default: no free address in fd00:9::/126"},
  };
  for (const auto& row : rows) {
    const auto got = add(row.request);
    EXPECT_EQ(got ? "" : got.error().what, row.error) << row.request;
  }
}

TEST_F(DaemonTest, WhatAProcessBesideItHasToKnow) {
  const auto empty = daemon_->local(0);
  EXPECT_NE(empty.generation(), 0u);
  EXPECT_EQ(empty.state().host(), "");
  ASSERT_OK(apply(kState));
  const auto first = daemon_->local(empty.generation());
  EXPECT_NE(first.generation(), empty.generation());
  EXPECT_EQ(first.state().endpoints_size(), 1);
  ASSERT_EQ(first.ports_size(), 1);
  EXPECT_EQ(first.ports(0).endpoint(), "red/a");
  EXPECT_EQ(first.ports(0).ifindex(), endpoint("a").ifindex());
  EXPECT_EQ(first.ports(0).mtu(), endpoint("a").mtu());
  // The same again: only that.
  const auto same = daemon_->local(first.generation());
  EXPECT_EQ(same.generation(), first.generation());
  EXPECT_FALSE(same.has_state());
  EXPECT_EQ(same.ports_size(), 0);
  ASSERT_OK(add("{name: b, netns: a, interface: eth1, vpc: new, vni: 9, cidr: 10.9.0.0/24, "
                "domain: corp.example, dns: [192.0.2.53], user_data: hello}"));
  const auto added = daemon_->local(first.generation());
  EXPECT_EQ(added.ports_size(), 2);
  EXPECT_EQ(added.state().vpcs(1).domain(), "corp.example");
  EXPECT_EQ(added.state().networks(1).dns(0), "192.0.2.53");
  EXPECT_EQ(added.state().endpoints(1).user_data(), "hello");
  v1::DeleteRequest gone;
  gone.set_kind(v1::KIND_ENDPOINT);
  gone.set_name("new/b");
  ASSERT_OK(daemon_->remove(gone));
  EXPECT_EQ(daemon_->local(added.generation()).ports_size(), 1);
  // A daemon that starts again does not go on counting where the old one was.
  const auto before = daemon_->local(0).generation();
  start({});
  EXPECT_NE(daemon_->local(0).generation(), before);
  EXPECT_EQ(daemon_->local(before).ports_size(), 1);
}

// An endpoint of another host that is deleted is no longer told to who asks.
TEST_F(DaemonTest, NamesGoWithTheirObjects) {
  ASSERT_OK(apply(std::string(kState) + R"(names:
  - {name: far, vpc: red, network: n, address: 10.0.1.77}
  - {name: a, vpc: red, network: n, address: 10.0.1.5}
)"));
  v1::DeleteRequest gone;
  gone.set_kind(v1::KIND_ENDPOINT);
  gone.set_name("red/a");
  ASSERT_OK(daemon_->remove(gone));
  EXPECT_EQ(daemon_->local(0).state().names_size(), 1);
  gone.set_kind(v1::KIND_NETWORK);
  gone.set_name("red/n");
  ASSERT_OK(daemon_->remove(gone));
  gone.set_kind(v1::KIND_VPC);
  gone.set_name("red");
  ASSERT_OK(daemon_->remove(gone));
  EXPECT_EQ(daemon_->local(0).state().names_size(), 0);
}

constexpr const char* kServices = R"(services:
  - {name: www, vpc: red, address: 10.0.9.1, ports: [{protocol: tcp, port: 80}],
     backends: [{name: a, address: 10.0.1.5}, {name: b, address: 10.0.1.6}]}
)";
mz_vip_key www() { return {7, Addr::parse("10.0.9.1")->abi(), htons(80), 6}; }

TEST_F(DaemonTest, ServicesComeStayAndGo) {
  EXPECT_EQ(must(apply(kState)).added(), 6u);
  EXPECT_EQ(must(apply(std::string(kState) + kServices)).added(), 2u) << "the VIP and its port";
  const auto vip = dp_.vips().get(www());
  ASSERT_TRUE(vip);
  EXPECT_EQ(vip->size, 251u);
  EXPECT_NE(dp_.ports().get(endpoint("a").ifindex() % MZ_PORTS)->flags & MZ_EP_F_VIPS, 0u);
  const auto tables = [this] {
    std::map<std::string, std::uint64_t> used;
    const auto s = daemon_->status();
    for (const auto& t : s.tables()) used[t.name()] = t.used();
    return used;
  };
  EXPECT_EQ(tables().at("vips"), 2u);
  EXPECT_EQ(tables().at("backends"), 2u);
  // A daemon that starts again takes up what stands.
  const auto writes = dp_.vips().writes + dp_.vip_rows().writes + dp_.backends().writes;
  start({});
  EXPECT_EQ(dp_.vips().writes + dp_.vip_rows().writes + dp_.backends().writes, writes);
  // Its addresses are nobody else's; the VPC is in use.
  EXPECT_EQ(add("{name: x, netns: a, interface: eth1, vpc: red, network: m, cidr: 10.0.9.0/24, address: 10.0.9.2}").error().what,
            "service red/www: address: network red/m: 10.0.9.1 is the network's gateway");
  v1::DeleteRequest gone;
  gone.set_kind(v1::KIND_ENDPOINT);
  gone.set_name("red/a");
  ASSERT_OK(daemon_->remove(gone));
  gone.set_kind(v1::KIND_NETWORK);
  gone.set_name("red/n");
  ASSERT_OK(daemon_->remove(gone));
  gone.set_kind(v1::KIND_VPC);
  gone.set_name("red");
  EXPECT_EQ(daemon_->remove(gone).error().what, "red: still used by service red/www; delete that first");
  gone.set_kind(v1::KIND_SERVICE);
  gone.set_name("red/www");
  ASSERT_OK(daemon_->remove(gone));
  EXPECT_FALSE(dp_.vips().get(www()));
  EXPECT_EQ(daemon_->remove(gone).error().code, Code::not_found);
}

// kServices with health; b lives on `host`.
std::string probed(const char* host = "w1") {
  std::string s = std::string(kState) + kServices;
  return s.replace(s.find("backends: [{name: a, address: 10.0.1.5}, {name: b, address: 10.0.1.6}]"), 70,
                   "health: {protocol: tcp}, backends: [{name: a, address: 10.0.1.5, host: w1}, "
                   "{name: b, address: 10.0.1.6, host: " + std::string(host) + "}]");
}

class HealthDaemonTest : public DaemonTest {
 protected:
  Result<v1::ReportHealthReply> report(const char* address, bool healthy) {
    v1::ReportHealthRequest r;
    auto* v = r.add_verdicts();
    v->set_service("red/www");
    v->set_address(address);
    v->set_healthy(healthy);
    v->set_problem(static_cast<std::uint32_t>(healthy ? Problem::none : Problem::refused));
    return daemon_->report_health(r);
  }
  // "a+ b-": who is healthy, and in brackets who serves.
  std::string told() {
    std::string all;
    const auto reply = daemon_->services();
    for (const auto& b : reply.services(0).backends()) {
      const char* state = b.state() == v1::HEALTHY ? "+" : b.state() == v1::UNHEALTHY ? "-" : "?";
      all += b.serving() ? "[" + b.name() + state + "]" : b.name() + state;
    }
    return all;
  }
};

// Who serves is what the responders say; nobody but a plan takes flows away.
TEST_F(HealthDaemonTest, HealthDecidesWhoServes) {
  EXPECT_EQ(report("10.0.1.5", true).error().code, Code::failed_precondition) << "there is no goal yet";
  ASSERT_OK(apply(probed()));
  EXPECT_EQ(told(), "a?b?");
  EXPECT_EQ(dp_.vips().get(www())->size, 0u);
  ASSERT_OK(report("10.0.1.5", true));
  ASSERT_OK(report("10.0.1.6", false));
  EXPECT_EQ(told(), "[a+]b-");
  EXPECT_EQ(dp_.vips().get(www())->size, 251u);
  EXPECT_EQ(daemon_->services().services(0).backends(1).problem(), "connection refused");
  const auto writes = dp_.vips().writes + dp_.vip_rows().writes + dp_.backends().writes;
  ASSERT_OK(report("10.0.1.5", true));
  start({});
  EXPECT_EQ(told(), "[a?]b?") << "the tables say who was in";
  EXPECT_EQ(dp_.vips().writes + dp_.vip_rows().writes + dp_.backends().writes, writes);
  ASSERT_OK(report("10.0.1.5", false));
  EXPECT_EQ(dp_.vips().get(www())->size, 0u);
  ASSERT_OK(apply(std::string(kState) + kServices));
  EXPECT_EQ(told(), "") << "nobody asks";
  EXPECT_EQ(dp_.vips().get(www())->size, 251u);
}

// The verdicts are those of the goal in force, whatever was tried.
TEST_F(HealthDaemonTest, APlanThatFailsForgetsNoVerdict) {
  ASSERT_OK(apply(probed()));
  ASSERT_OK(report("10.0.1.5", true));
  ASSERT_OK(report("10.0.1.6", true));
  EXPECT_EQ(told(), "[a+][b+]");
  std::string less = probed();
  less.replace(less.find(", {name: b, address: 10.0.1.6, host: w1}"), 40, "");
  less.replace(less.find("host: w1,\n"), 9, "host: w1, max_flows: 9,");
  dp_.ports().fail_next = 1;  // behind the services
  EXPECT_FALSE(apply(less));
  EXPECT_EQ(told(), "[a+][b+]");
  ASSERT_OK(apply(less));
  EXPECT_EQ(told(), "[a+]");
  ASSERT_OK(apply(probed()));
  EXPECT_EQ(told(), "[a+]b?") << "who comes back is a stranger";
}

TEST_F(HealthDaemonTest, WhatDidNotGetIntoTheTablesIsTriedAgain) {
  ASSERT_OK(apply(probed()));
  dp_.vips().fail_next = 1;
  EXPECT_FALSE(report("10.0.1.5", true));
  EXPECT_EQ(told(), "a+b?");
  EXPECT_TRUE(until([this] { return told() == "[a+]b?"; }));
}

// w2 answers no probe. Nobody but the daemon tells of that.
TEST_F(HealthDaemonTest, SoIsWhatLivenessSays) {
  ASSERT_OK(apply(probed("w2")));
  ASSERT_OK(report("10.0.1.5", true));
  ASSERT_OK(report("10.0.1.6", true));
  EXPECT_EQ(told(), "[a+][b+]");
  dp_.vip_rows().fail_next = 1;
  EXPECT_TRUE(until([this] { return told() == "[a+]b+"; }));
  EXPECT_EQ(dp_.vip_rows().fail_next, 0);
}

// The next packet of a flow to a backend that is none any more chooses anew.
TEST_F(DaemonTest, FlowsToAGoneBackendAreForgotten) {
  ASSERT_OK(apply(std::string(kState) + kServices));
  const auto flow_to = [this](const char* backend, std::uint16_t port) {
    mz_flow_key k{7, addr("10.0.1.5").abi(), addr("10.0.9.1").abi(), htons(port), htons(80), 6};
    mz_flow f{};
    f.flags = MZ_FLOW_F_NAT;
    f.seen = dp_.jiffies;
    f.timeout = 1000;
    f.ifindex = endpoint("a").ifindex();
    f.to = addr(backend).abi();
    f.to_port = htons(80);
    EXPECT_OK(dp_.flows().put(k, f));
    return k;
  };
  const auto stays = flow_to("10.0.1.5", 1), goes = flow_to("10.0.1.6", 2);
  std::string less = std::string(kState) + kServices;
  less.replace(less.find(", {name: b, address: 10.0.1.6}"), 30, "");
  ASSERT_OK(apply(less));
  EXPECT_TRUE(dp_.flows().get(stays));
  EXPECT_FALSE(dp_.flows().get(goes));
  // Or while no daemon ran.
  const auto late = flow_to("10.0.1.6", 3);
  start({});
  EXPECT_TRUE(dp_.flows().get(stays));
  EXPECT_FALSE(dp_.flows().get(late));
}

TEST_F(DaemonTest, AnAddedEndpointGetsNoVip) {
  std::string services = kServices;
  services.replace(services.find("10.0.9.1"), 8, "10.0.1.2");
  ASSERT_OK(apply(kState + services));
  EXPECT_EQ(must(add("{name: b, netns: a, interface: eth1, vpc: red}")).endpoint().address(), "10.0.1.3");
  EXPECT_EQ(add("{name: c, netns: a, interface: eth2, vpc: red, address: 10.0.1.2}").error().what,
            "service red/www: address: 10.0.1.2 is already that of endpoint red/c");
}

TEST_F(DaemonTest, ServicesNeedFlows) {
  DaemonOptions o;
  o.no_flows = true;
  start(o);
  EXPECT_EQ(apply(std::string(kState) + kServices).error().what,
            "service red/www: needs flows, which are off on this host; start transitd without --no-flows");
  ASSERT_OK(apply(kState));
}

constexpr const char* kGateway = R"(gateways:
  - {name: out, vpc: red, destinations: [0.0.0.0/0], serves: true, pools: [198.51.100.0/29],
     addresses: [{address: 10.0.1.5, outside: 198.51.100.1, first_port: 1024, last_port: 2047}]}
)";

TEST_F(DaemonTest, AGatewayNeedsAnOutsideInterface) {
  const std::string text = std::string(kState) + kGateway;
  EXPECT_EQ(apply(text).error().what,
            "gateway red/out: this host has no outside interface; start transitd with --outside INTERFACE");
  ASSERT_OK(apply(kState));
  EXPECT_EQ(apply(text).error().code, Code::failed_precondition);  // with programs, too
  DaemonOptions o;
  o.outside = "up9";
  start(o);
  EXPECT_EQ(apply(text).error().what.find("outside interface up9: "), 0u) << apply(text).error().what;
  o.no_flows = true;
  start(o);
  EXPECT_EQ(apply(text).error().what.find("gateway red/out: needs flows"), 0u);
  ASSERT_OK(apply(kState));
}

TEST_F(DaemonTest, APeeringComesAndGoes) {
  std::string text = state_with("networks:", "  - {name: blue, vni: 8, cidr: 10.0.0.0/16}\nnetworks:");
  text += "\npeerings: [{name: trade, vpc: red, peer: blue, parts: [10.0.3.0/24], answers_only: true}]";
  const auto row = [this] { return dp_.networks().get(network_key(7, *Prefix::parse("10.0.3.0/24"))); };
  ASSERT_OK(apply(text));
  ASSERT_TRUE(row());
  EXPECT_EQ(row()->peer, 8u);
  v1::DeleteRequest d;
  d.set_kind(v1::KIND_VPC);
  d.set_name("blue");
  EXPECT_EQ(daemon_->remove(d).error().what, "blue: still used by peering red/trade; delete that first");
  d.set_kind(v1::KIND_PEERING);
  d.set_name("red/trade");
  ASSERT_OK(daemon_->remove(d));
  EXPECT_FALSE(row());
  DaemonOptions o;
  o.no_flows = true;
  start(o);
  EXPECT_EQ(apply(text).error().what.find("peering red/trade: needs flows"), 0u);
  ASSERT_OK(apply(text.replace(text.find("answers_only: true"), 18, "answers_only: false")));
}

TEST_F(DaemonTest, AGatewayComesStaysAndGoes) {
  const unsigned outside = link("out0", must(net::NetnsRef::open("wire")));
  const std::set<Prefix> pool = {*Prefix::parse("198.51.100.0/29")};
  DaemonOptions o;
  o.outside = "out0";
  start(o);
  const auto attached = [&](Hook hook, unsigned ifindex) {
    const auto all = dp_.attachments();
    return std::any_of(all.begin(), all.end(), [&](const Attachment& a) { return a.hook == hook && a.ifindex == ifindex; });
  };
  const std::string text = std::string(kState) + kGateway;
  ASSERT_OK(apply(text));
  EXPECT_TRUE(attached(Hook::gateway_in, outside));
  EXPECT_TRUE(attached(Hook::gateway_out, uplink_));
  EXPECT_FALSE(attached(Hook::uplink_hop, uplink_));  // a gateway is no hop
  const auto programs = daemon_->status().programs();
  EXPECT_TRUE(std::any_of(programs.begin(), programs.end(), [](const auto& p) { return p.starts_with("gateway-in ") && p.ends_with(" out0"); }));
  EXPECT_EQ(dp_.loaded_cfg.outside, outside);
  EXPECT_EQ(dp_.loaded_cfg.inner_mtu, 1434u);
  EXPECT_EQ(must(here_->pool_routes()), pool);
  EXPECT_TRUE(dp_.insides().get({7, addr("10.0.1.5").abi(), 0, 0}));
  v1::LoadFunctionRequest f;
  f.mutable_function()->set_name("f");
  f.mutable_function()->set_interface("out0");
  EXPECT_EQ(daemon_->load_function(f).error().what,
            "function f: interface out0 has another purpose: give it one of its own");
  start(o);  // another run takes it up
  EXPECT_TRUE(attached(Hook::gateway_in, outside));
  EXPECT_EQ(must(here_->pool_routes()), pool);
  v1::DeleteRequest d;
  d.set_kind(v1::KIND_VPC);
  d.set_name("red");
  EXPECT_EQ(daemon_->remove(d).error().code, Code::failed_precondition);
  d.set_kind(v1::KIND_GATEWAY);
  d.set_name("red/out");
  ASSERT_OK(daemon_->remove(d));
  EXPECT_FALSE(attached(Hook::gateway_in, outside));
  EXPECT_FALSE(attached(Hook::gateway_out, uplink_));
  EXPECT_TRUE(must(here_->pool_routes()).empty());
  EXPECT_TRUE(dp_.insides().entries()->empty());
}

TEST_F(DaemonTest, ATraceNamesTheServiceAndTheBackend) {
  ASSERT_OK(apply(std::string(kState) + kServices));
  const auto row = dp_.vip_rows().get(dp_.vips().get(www())->first);
  dp_.tracing.notes = {{MZ_ST_SERVICE, MZ_OBJ_VIP, dp_.vips().get(www())->id, 251},
                       {MZ_ST_SERVICE, MZ_OBJ_BACKEND, *row, 0},
                       {MZ_ST_SERVICE, MZ_OBJ_VIP, dp_.vips().get(www())->id, 0}};
  v1::TraceRequest r;
  r.set_endpoint("red/a");
  r.set_destination("10.0.9.1");
  r.set_protocol("tcp");
  const auto steps = must(daemon_->trace(r));
  ASSERT_EQ(steps.steps_size(), 3);
  EXPECT_EQ(steps.steps(0).decision(), "red/www tcp 80: one of 251 rows");
  EXPECT_TRUE(steps.steps(1).decision() == "backend 10.0.1.5 (red/a), port 80" ||
              steps.steps(1).decision() == "backend 10.0.1.6 (red/b), port 80") << steps.steps(1).decision();
  EXPECT_EQ(steps.steps(2).decision(), "red/www tcp 80: nobody serves it");
}

// A host nobody planned for takes the uplink's address.
TEST_F(DaemonTest, StandaloneOnAnIpv6Underlay) {
  ASSERT_OK(here_->delete_address(uplink_, Prefix{addr("192.0.2.1"), 24}));
  DaemonOptions o;
  o.uplink = "up0";
  start(o);
  EXPECT_EQ(must(add("{netns: a, vpc: red, vni: 7, cidr: 10.0.0.0/24}")).mtu(), 1500 - MZ_OVERHEAD6);
  EXPECT_EQ(daemon_->status().address(), "");
  EXPECT_EQ(daemon_->status().address6(), "2001:db8::1");
}

}  // namespace
}  // namespace mizar
