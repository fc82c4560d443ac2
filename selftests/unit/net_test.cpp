// SPDX-License-Identifier: Apache-2.0
// userspace/net against the running kernel: namespaces, links, addresses,
// routes and neighbours.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "selftests/unit/net_fixture.h"

namespace mizar::net {
namespace {

using std::chrono::steady_clock;

INSTANTIATE_TEST_SUITE_P(Ip, FamilyTest, kFamilies, family_name);

// ---- namespaces -------------------------------------------------------------

TEST_F(NetTest, NamespaceIdentity) {
  EXPECT_NE(left_->inode(), right_->inode());
  EXPECT_NE(left_->inode(), home_);
  EXPECT_EQ(must(NetnsRef::open("/run/netns/left" + suffix_)).inode(), left_->inode());
  std::uint64_t seen = 0;
  ASSERT_OK(run_in(*left_, [&]() -> Result<> {
    seen = must(NetnsRef::current()).inode();
    return {};
  }));
  EXPECT_EQ(seen, left_->inode());
}

TEST_F(NetTest, NamespaceErrors) {
  { UniqueFd plain(::open("/run/netns/plain", O_CREAT | O_RDONLY | O_CLOEXEC, 0444)); }
  const struct {
    const char* name;
    Code code;
  } rows[] = {
      {"nowhere", Code::not_found},         {"/run/netns/nowhere", Code::not_found},
      {"plain", Code::invalid_argument},    {"/proc/self/ns/mnt", Code::invalid_argument},
      {"../etc/x", Code::invalid_argument}, {"", Code::invalid_argument},
      {"..", Code::invalid_argument},
  };
  for (const auto& row : rows) {
    auto r = NetnsRef::open(row.name);
    ASSERT_FALSE(r) << row.name;
    EXPECT_EQ(code(r), row.code) << r.error().what;
    EXPECT_NE(r.error().what.find(row.name), std::string::npos) << r.error().what;
  }
  ::unlink("/run/netns/plain");
}

TEST_F(NetTest, RunInPassesTheStepsError) {
  auto r = run_in(*left_, []() -> Result<> { return fail(Code::not_found, "the step"); });
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().what, "the step");
}

// ---- links ------------------------------------------------------------------

TEST_F(NetTest, VethIsBornInsideTheNamespace) {
  VethSpec s = spec();
  s.host_index = 4711;
  s.inner_index = 22;
  s.queues = 2;
  s.txqlen = 77;
  s.host_mac = kOtherMac;
  EXPECT_EQ(must(l_->add_veth(s)), 4711u);

  const Link host = must(l_->link(4711));
  EXPECT_EQ(host.name, "h0");
  EXPECT_EQ(host.kind, "veth");
  EXPECT_EQ(host.mtu, 1450u);
  EXPECT_EQ(mac_text(host.mac), mac_text(kOtherMac));
  EXPECT_EQ(host.peer_index, 22u);
  EXPECT_FALSE(host.up);

  const Link inner = must(r_->link("eth0"));
  EXPECT_EQ(inner.index, 22u);
  EXPECT_EQ(mac_text(inner.mac), mac_text(kInnerMac));
  EXPECT_EQ(inner.mtu, 1450u);
  EXPECT_EQ(inner.peer_index, 4711u);
  EXPECT_FALSE(inner.up);
  EXPECT_EQ(code(l_->link("eth0")), Code::not_found);
}

TEST_F(NetTest, VethDefaults) {
  VethSpec s;
  s.host_name = "a";
  s.inner_name = "b";  // no namespace: beside the host end
  s.host_up = true;
  const unsigned a = must(l_->add_veth(s));
  EXPECT_EQ(must(l_->link("b")).peer_index, a);
  EXPECT_EQ(must(l_->link(a)).mtu, 1500u);
  EXPECT_TRUE(must(l_->link(a)).up);
  // On Linux 6.1 a query says what a worker of the kernel has seen so far.
  Monitor m = must(Monitor::open_in(*left_));
  EXPECT_TRUE(wait_for(m, [&](const Monitor::Changes&) { return !must(l_->link(a)).running; }))
      << "no carrier while the inner end is down";
}

TEST_F(NetTest, VethConflicts) {
  VethSpec s = spec();
  s.host_index = 100;
  must(l_->add_veth(s));
  auto same_name = l_->add_veth(spec());
  ASSERT_FALSE(same_name);
  EXPECT_EQ(code(same_name), Code::already_exists) << same_name.error().what;
  EXPECT_NE(same_name.error().what.find("h0"), std::string::npos);
  s.host_name = "h1";
  s.inner_name = "eth1";
  auto same_index = l_->add_veth(s);
  ASSERT_FALSE(same_index);
  EXPECT_EQ(code(same_index), Code::already_exists) << same_index.error().what;
  s.host_index = 0;
  s.inner_name = "eth0";
  auto same_inner = l_->add_veth(s);
  ASSERT_FALSE(same_inner);
  EXPECT_EQ(code(same_inner), Code::already_exists) << same_inner.error().what;
  s.inner_name = "eth1";
  s.inner_index = must(r_->link("eth0")).index;
  EXPECT_EQ(code(l_->add_veth(s)), Code::invalid_argument) << "needs a host index";
  s.host_index = 101;
  auto same_inner_index = l_->add_veth(s);
  ASSERT_FALSE(same_inner_index);
  EXPECT_EQ(code(same_inner_index), Code::already_exists) << same_inner_index.error().what;
  EXPECT_EQ(code(l_->link("h1")), Code::not_found) << "a failed pair leaves nothing";
}

TEST_F(NetTest, LinkNames) {
  for (const char* name : {"", "a-name-of-16-chr", "a/b", "a b", "a:b", "a%d", ".", ".."}) {
    auto r = l_->link(name);
    ASSERT_FALSE(r) << name;
    EXPECT_EQ(code(r), Code::invalid_argument) << name;
    EXPECT_NE(r.error().what.find(name), std::string::npos) << r.error().what;
  }
  VethSpec s = spec();
  s.inner_name = "a-name-of-16-chr";
  auto r = l_->add_veth(s);
  ASSERT_FALSE(r);
  EXPECT_EQ(code(r), Code::invalid_argument);
  EXPECT_NE(r.error().what.find("a-name-of-16-chr"), std::string::npos) << r.error().what;
  s.inner_name = "a-name-of-15-ch";
  EXPECT_OK(l_->add_veth(s));
}

TEST_F(NetTest, MissingLink) {
  EXPECT_EQ(code(l_->link(999)), Code::not_found);
  EXPECT_EQ(code(l_->link("none")), Code::not_found);
  EXPECT_EQ(l_->link("none").error().sys, ENODEV);
  EXPECT_EQ(code(l_->delete_link(999)), Code::not_found);
  EXPECT_EQ(code(l_->set_link(999, {.up = true})), Code::not_found);
  EXPECT_EQ(code(l_->add_address(999, Prefix{ip("192.0.2.1"), 24})), Code::not_found);
  EXPECT_EQ(code(l_->root_qdisc(999)), Code::not_found);
  EXPECT_EQ(code(l_->set_root_qdisc(999, "pfifo", 10)), Code::not_found);
  EXPECT_EQ(code(l_->neighbour(999, ip("192.0.2.1"))), Code::not_found);
  EXPECT_EQ(code(l_->probe_neighbour(999, ip("192.0.2.1"))), Code::not_found);
  EXPECT_EQ(code(l_->link(0u)), Code::invalid_argument);
  EXPECT_EQ(code(l_->delete_link(0)), Code::invalid_argument);
}

TEST_F(NetTest, SetLinkChangesAllFieldsAtOnce) {
  const unsigned i = must(l_->add_veth(spec()));
  ASSERT_OK(
      l_->set_link(i, {.up = true, .mtu = 9000, .name = "h9", .txqlen = 5, .mac = kOtherMac}));
  const Link link = must(l_->link("h9"));
  EXPECT_EQ(link.index, i);
  EXPECT_TRUE(link.up);
  EXPECT_EQ(link.mtu, 9000u);
  EXPECT_EQ(mac_text(link.mac), mac_text(kOtherMac));
  ASSERT_OK(l_->set_link(i, {.mtu = 1400}));
  EXPECT_TRUE(must(l_->link(i)).up) << "an unset field stays";
  ASSERT_OK(l_->set_link(i, {.up = false}));
  EXPECT_FALSE(must(l_->link(i)).up);
  EXPECT_EQ(code(l_->set_link(i, {.mtu = 10})), Code::invalid_argument);
  EXPECT_EQ(code(l_->set_link(i, {.name = "lo"})), Code::already_exists);
}

TEST_F(NetTest, ListAndDelete) {
  // Enough links for a dump of several datagrams.
  constexpr unsigned kPairs = 30;
  for (unsigned i = 0; i < kPairs; i++) {
    VethSpec s;
    s.host_name = fmt::format("a{}", i);
    s.inner_name = fmt::format("b{}", i);
    must(l_->add_veth(s));
  }
  EXPECT_EQ(must(l_->links()).size(), 1 + 2 * kPairs);
  const unsigned i = must(l_->link("a7")).index;
  ASSERT_OK(l_->delete_link(i));
  EXPECT_EQ(code(l_->link("b7")), Code::not_found) << "the other end goes along";
  EXPECT_EQ(code(l_->delete_link(i)), Code::not_found);
  EXPECT_EQ(must(l_->links()).size(), 1 + 2 * (kPairs - 1));
}

// What an endpoint waits for, beside the 2 ms the kernel needs for a pair.
// A limit with room for a loaded machine; a dump or a helper program on the
// path is far above it.
TEST_F(NetTest, EndpointIsReadySoon) {
  constexpr int kTries = 5;
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < kTries; i++) {
    VethSpec s = spec();
    s.host_name = fmt::format("h{}", i);
    s.inner_name = fmt::format("e{}", i);
    const auto begin = steady_clock::now();
    const unsigned host = must(l_->add_veth(s));
    Netlink in = must(Netlink::open_in(*right_));
    const unsigned inner = must(in.link(s.inner_name)).index;
    ASSERT_OK(in.add_address(inner, Prefix{Addr::v4(0xc6120001u + i), 32}));
    ASSERT_OK(in.set_link(inner, {.up = true}));
    ASSERT_OK(l_->set_link(host, {.up = true}));
    best = std::min<std::chrono::nanoseconds>(best, steady_clock::now() - begin);
  }
  RecordProperty("best_us", static_cast<int>(best.count() / 1000));
  std::printf("endpoint ready in %.2f ms (best of %d)\n", static_cast<double>(best.count()) / 1e6,
              kTries);
  EXPECT_LT(best, std::chrono::milliseconds(20));
}

// ---- addresses and routes ----------------------------------------------------

TEST_P(FamilyTest, AddressIsIdempotent) {
  const Family& f = GetParam();
  connect(f.left, f.right, f.len);
  const Prefix a{ip(f.left), f.len};
  EXPECT_OK(l_->add_address(host_, a));
  EXPECT_TRUE(must(l_->route_to(a.ip)).local);
  EXPECT_OK(l_->delete_address(host_, a));
  EXPECT_EQ(code(l_->delete_address(host_, a)), Code::not_found);
  EXPECT_EQ(code(l_->add_address(host_, Prefix{a.ip, 129})), Code::invalid_argument);
}

TEST_P(FamilyTest, RouteToOnLink) {
  const Family& f = GetParam();
  connect(f.left, f.right, f.len);
  const NextHop hop = must(l_->route_to(ip(f.right)));
  EXPECT_EQ(hop.ifindex, host_);
  EXPECT_TRUE(hop.on_link);
  EXPECT_EQ(hop.gateway.text(), f.right);
  EXPECT_EQ(hop.source.text(), f.left);
  EXPECT_FALSE(hop.local);
}

TEST_P(FamilyTest, RouteThroughGateway) {
  const Family& f = GetParam();
  connect(f.left, f.right, f.len);
  EXPECT_EQ(code(l_->route_to(ip(f.far))), Code::unavailable);
  ASSERT_OK(l_->add_address(host_, Prefix{ip(f.source), f.len}));

  Route r{.dst = Prefix{ip(f.far_net), f.far_len}, .via = ip(f.right), .ifindex = host_};
  r.mtu = 1400;
  r.source = ip(f.source);
  ASSERT_OK(l_->replace_route(r));
  NextHop hop = must(l_->route_to(ip(f.far)));
  EXPECT_EQ(hop.ifindex, host_);
  EXPECT_FALSE(hop.on_link);
  EXPECT_EQ(hop.gateway.text(), f.right);
  EXPECT_EQ(hop.source.text(), f.source);
  EXPECT_EQ(hop.mtu, 1400u);

  r.mtu = 1300;  // replaces, does not add
  ASSERT_OK(l_->replace_route(r));
  EXPECT_EQ(must(l_->route_to(ip(f.far))).mtu, 1300u);
  ASSERT_OK(l_->delete_route(r));
  EXPECT_EQ(code(l_->delete_route(r)), Code::not_found);
  EXPECT_EQ(code(l_->route_to(ip(f.far))), Code::unavailable);
}

TEST_P(FamilyTest, DefaultRouteAndOnlinkGateway) {
  const Family& f = GetParam();
  connect(f.left, f.right, f.len);
  const Addr any = ip(f.left).is_v4() ? Addr::v4(0) : Addr{};
  Route r{.dst = Prefix{any, 0}, .via = ip(f.nowhere), .ifindex = host_};
  auto no_way = l_->replace_route(r);
  ASSERT_FALSE(no_way);
  EXPECT_EQ(code(no_way), Code::unavailable) << no_way.error().what;
  r.onlink = true;
  ASSERT_OK(l_->replace_route(r));
  EXPECT_EQ(must(l_->route_to(ip(f.far))).gateway.text(), f.nowhere);
  ASSERT_OK(l_->delete_route(r));

  Route link_scope{.dst = Prefix{any, 0}, .ifindex = host_};
  ASSERT_OK(l_->replace_route(link_scope));
  const NextHop hop = must(l_->route_to(ip(f.far)));
  EXPECT_TRUE(hop.on_link);
  EXPECT_EQ(hop.gateway.text(), f.far);
}

TEST_F(NetTest, Ipv4ThroughIpv6Gateway) {
  connect("2001:db8:1::1", "2001:db8:1::2", 64);
  ASSERT_OK(l_->add_address(host_, Prefix{ip("192.0.2.1"), 32}));
  const Route r{
      .dst = must(Prefix::parse("198.51.100.0/24")), .via = ip("2001:db8:1::2"), .ifindex = host_};
  ASSERT_OK(l_->replace_route(r));
  const NextHop hop = must(l_->route_to(ip("198.51.100.1")));
  EXPECT_EQ(hop.gateway.text(), "2001:db8:1::2");
  EXPECT_FALSE(hop.on_link);
  EXPECT_OK(l_->delete_route(r));
}

TEST_F(NetTest, RouteErrors) {
  const unsigned i = must(l_->add_veth(spec()));  // down
  const Prefix net = must(Prefix::parse("198.51.100.0/24"));
  EXPECT_EQ(code(l_->replace_route({.dst = net, .ifindex = i})), Code::failed_precondition);
  EXPECT_EQ(code(l_->replace_route({.dst = net, .ifindex = 999})), Code::not_found);
  EXPECT_EQ(code(l_->replace_route({.dst = net})), Code::invalid_argument);
  EXPECT_EQ(
      code(l_->replace_route(
          {.dst = must(Prefix::parse("2001:db8::/32")), .via = ip("192.0.2.1"), .ifindex = i})),
      Code::invalid_argument);
}

// ---- neighbours ---------------------------------------------------------------

TEST_P(FamilyTest, ProbeResolvesNeighbour) {
  const Family& f = GetParam();
  connect(f.left, f.right, f.len);
  Monitor m = must(Monitor::open_in(*left_));
  EXPECT_EQ(code(l_->neighbour(host_, ip(f.right))), Code::not_found);
  ASSERT_OK(l_->probe_neighbour(host_, ip(f.right)));
  Neighbour seen;
  ASSERT_TRUE(wait_for(m, [&](const Monitor::Changes& c) {
    for (const Neighbour& n : c.neighbours)
      if (n.ifindex == host_ && n.ip == ip(f.right) && n.valid) seen = n;
    return seen.valid;
  }));
  EXPECT_EQ(mac_text(seen.mac), mac_text(kInnerMac));
  const Neighbour asked = must(l_->neighbour(host_, ip(f.right)));
  EXPECT_TRUE(asked.valid);
  EXPECT_FALSE(asked.permanent);
  EXPECT_EQ(mac_text(asked.mac), mac_text(kInnerMac));
}

TEST_P(FamilyTest, PermanentNeighbourSurvivesProbe) {
  const Family& f = GetParam();
  connect(f.left, f.right, f.len);
  ASSERT_OK(l_->set_neighbour(host_, ip(f.nowhere), kOtherMac, true));
  ASSERT_OK(l_->probe_neighbour(host_, ip(f.nowhere)));
  const Neighbour n = must(l_->neighbour(host_, ip(f.nowhere)));
  EXPECT_TRUE(n.permanent);
  EXPECT_TRUE(n.valid);
  EXPECT_EQ(mac_text(n.mac), mac_text(kOtherMac));
  ASSERT_OK(l_->set_neighbour(host_, ip(f.nowhere), kInnerMac, false));
  EXPECT_FALSE(must(l_->neighbour(host_, ip(f.nowhere))).permanent);
  EXPECT_EQ(mac_text(must(l_->neighbour(host_, ip(f.nowhere))).mac), mac_text(kInnerMac));
  Monitor m = must(Monitor::open_in(*left_));
  ASSERT_OK(l_->delete_neighbour(host_, ip(f.nowhere)));
  EXPECT_TRUE(wait_for(m, [&](const Monitor::Changes& c) {
    return std::any_of(c.neighbours.begin(), c.neighbours.end(),
                       [&](const Neighbour& x) { return x.ip == ip(f.nowhere) && !x.valid; });
  }));
}

TEST_P(FamilyTest, NeighboursOfADownLinkAreInvalid) {
  const Family& f = GetParam();
  connect(f.left, f.right, f.len);
  ASSERT_OK(l_->set_neighbour(host_, ip(f.nowhere), kOtherMac, true));
  Monitor m = must(Monitor::open_in(*left_));
  ASSERT_OK(l_->set_link(host_, {.up = false}));
  std::optional<Neighbour> last;
  EXPECT_TRUE(wait_for(m, [&](const Monitor::Changes& c) {
    for (const Neighbour& n : c.neighbours)
      if (n.ip == ip(f.nowhere)) last = n;
    return last.has_value();
  }));
  EXPECT_FALSE(last && last->valid);
}

}  // namespace
}  // namespace mizar::net
