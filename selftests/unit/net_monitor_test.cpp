// SPDX-License-Identifier: Apache-2.0
// The monitor against the running kernel: what it tells of, what it keeps to
// itself, and what it does when there is too much.
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "selftests/unit/net_fixture.h"

namespace mizar::net {
namespace {

INSTANTIATE_TEST_SUITE_P(Ip, FamilyTest, kFamilies, family_name);

bool has(const std::vector<unsigned>& v, unsigned x) {
  return std::find(v.begin(), v.end(), x) != v.end();
}

TEST_F(NetTest, MonitorSeesALinksLife) {
  Monitor m = must(Monitor::open_in(*left_));
  EXPECT_TRUE(must(m.read()).empty());
  const unsigned i = must(l_->add_veth(spec()));
  EXPECT_TRUE(wait_for(
      m, [&](const Monitor::Changes& c) { return has(c.links, i) && !has(c.gone_links, i); }));
  ASSERT_OK(l_->set_link(i, {.up = true}));
  EXPECT_TRUE(wait_for(
      m, [&](const Monitor::Changes& c) { return has(c.links, i) && !has(c.down_links, i); }));
  ASSERT_OK(l_->set_link(i, {.up = false}));
  EXPECT_TRUE(wait_for(
      m, [&](const Monitor::Changes& c) { return has(c.down_links, i) && !has(c.gone_links, i); }));
  ASSERT_OK(l_->delete_link(i));
  EXPECT_TRUE(wait_for(m, [&](const Monitor::Changes& c) {
    return has(c.links, i) && has(c.gone_links, i) && has(c.down_links, i);
  }));
}

TEST_P(FamilyTest, MonitorSeesRoutes) {
  const Family& f = GetParam();
  connect(f.left, f.right, f.len);
  Monitor m = must(Monitor::open_in(*left_));
  const Route r{.dst = Prefix{ip(f.far_net), f.far_len}, .via = ip(f.right), .ifindex = host_};
  ASSERT_OK(l_->replace_route(r));
  EXPECT_TRUE(wait_for(m, [](const Monitor::Changes& c) { return c.routes; }));
  ASSERT_OK(l_->delete_route(r));
  EXPECT_TRUE(wait_for(m, [](const Monitor::Changes& c) { return c.routes; }));
}

// An endpoint that comes and goes must not make the daemon ask for all of its
// hosts' next hops again.
TEST_F(NetTest, MonitorEndpointChurnIsNoRouteChange) {
  Monitor m = must(Monitor::open_in(*left_));
  const unsigned i = must(l_->add_veth(spec()));
  ASSERT_OK(l_->set_link(i, {.up = true}));
  ASSERT_OK(r_->set_link(must(r_->link("eth0")).index, {.up = true}));
  bool routes = false;
  // fe80::/64 comes with the link, which the monitor has to keep to itself.
  EXPECT_TRUE(wait_for(m, [&](const Monitor::Changes& c) {
    routes = routes || c.routes;
    return l_->route_to(ip("fe80::1234")).has_value();
  }));
  ASSERT_OK(l_->delete_link(i));
  EXPECT_TRUE(wait_for(m, [&](const Monitor::Changes& c) {
    routes = routes || c.routes;
    return has(c.gone_links, i);
  }));
  EXPECT_FALSE(routes);
}

TEST_F(NetTest, MonitorCoalesces) {
  const unsigned i = must(l_->add_veth(spec()));
  Monitor m = must(Monitor::open_in(*left_));
  const Addr a = ip("192.0.2.9");
  ASSERT_OK(l_->set_link(i, {.up = true}));
  for (unsigned k = 0; k < 100; k++) {
    MacBytes mac = kOtherMac;
    mac[5] = static_cast<std::uint8_t>(k);
    ASSERT_OK(l_->set_neighbour(i, a, mac, true));
    ASSERT_OK(l_->set_link(i, {.mtu = 1400 + k}));
  }
  const auto c = must(m.read());
  EXPECT_EQ(std::count(c.links.begin(), c.links.end(), i), 1);
  ASSERT_EQ(c.neighbours.size(), 1u);
  EXPECT_EQ(c.neighbours[0].mac[5], 99) << "the last state counts";
  EXPECT_FALSE(c.lost);
}

TEST_F(NetTest, MonitorTellsOfLostEvents) {
  const unsigned i = must(l_->add_veth(spec()));
  ASSERT_OK(l_->set_link(i, {.up = true}));
  Monitor m = must(Monitor::open_in(*left_));
  const int tiny = 1;  // the kernel's minimum: about one event
  ASSERT_EQ(::setsockopt(m.fd(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny), 0);
  for (unsigned k = 0; k < 20; k++) ASSERT_OK(l_->set_link(i, {.mtu = 1400 + k}));
  EXPECT_TRUE(must(m.read()).lost);
  EXPECT_TRUE(must(m.read()).empty()) << "told once";
}

}  // namespace
}  // namespace mizar::net
