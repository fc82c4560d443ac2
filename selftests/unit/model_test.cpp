// SPDX-License-Identifier: Apache-2.0
// A region, its rules and its plan: control/model/.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "control/model/convert.h"
#include "control/model/planner.h"
#include "control/model/validate.h"
#include "userspace/base/names.h"
#include "userspace/proto/text.h"
#include "userspace/transitd/goal.h"

namespace centaurus {
namespace {

v1::Region sound() {
  v1::Region r;
  const auto read = mizar::parse_text(R"(
revision: 3
hosts:
  - {name: w1, id: 1, address: 192.0.2.1}
  - {name: w2, id: 2, address: 192.0.2.2}
  - {name: b1, id: 3, address: 192.0.2.3, roles: [bouncer]}
  - {name: b2, id: 4, address: 192.0.2.4, roles: [bouncer]}
  - {name: d1, id: 5, address: 192.0.2.5, roles: [divider]}
vpcs:
  - {name: a, vni: 7, cidr: 10.0.0.0/16}
  - {name: b, vni: 8, cidr: 10.0.0.0/16}
networks:
  - {name: front, vpc: a, cidr: 10.0.1.0/24}
  - {name: back, vpc: a, cidr: 10.0.2.0/24, bouncers: 1}
  - {name: front, vpc: b, cidr: 10.0.1.0/24}
endpoints:
  - {name: web, vpc: a, network: front, address: 10.0.1.2, host: w1, netns: a-web}
  - {name: db, vpc: a, network: back, address: 10.0.2.2, host: w2, tap: t0}
  - {name: web, vpc: b, network: front, address: 10.0.1.2, host: w1, netns: b-web}
services:
  - {name: www, vpc: a, address: 10.0.9.1, ports: [{protocol: tcp, port: 80, backend_port: 8080}],
     sticky_seconds: 30, backends: [{endpoint: web, weight: 0}, {endpoint: db}]}
)",
                                      "sound", r);
  EXPECT_TRUE(read) << read.error().what;
  return r;
}

v1::Region behind_gateway() {
  v1::Region r = sound(), more;
  const auto read = mizar::parse_text(R"(gateways:
  - name: out
    vpc: a
    hosts: [b1, b2]
    pools: [198.51.100.0/29]
    floating: [{address: 198.51.100.2, endpoint: db}]
    forwards: [{protocol: tcp, address: 198.51.100.1, port: 8080, endpoint: web, endpoint_port: 80}]
)",
                                      "gateway", more);
  EXPECT_TRUE(read) << read.error().what;
  r.MergeFrom(more);
  return r;
}

struct BadCase {
  const char* name;
  void (*spoil)(v1::Region&);
  const char* error;
};
class BadRegion : public testing::TestWithParam<BadCase> {};

TEST_P(BadRegion, IsOneLineWithObjectAndField) {
  auto r = behind_gateway();
  GetParam().spoil(r);
  const auto region = parse_region(r);
  ASSERT_FALSE(region);
  EXPECT_EQ(region.error().code, mizar::Code::invalid_argument);
  EXPECT_EQ(region.error().what, GetParam().error);
}

using R = v1::Region;
const BadCase kBad[] = {
    {"host_without_address", [](R& r) { r.mutable_hosts(1)->clear_address(); },
     "host w2: address: is missing"},
    {"vpc_domain", [](R& r) { r.mutable_vpcs(0)->set_domain("a..b"); },
     "vpc a: domain: 'a..b' is no domain name of a-z 0-9 -"},
    {"network_dns", [](R& r) { r.mutable_networks(0)->add_dns("127.0.0.1"); },
     "network a/front: dns[0]: 127.0.0.1 is no address a host can have"},
    {"network_routes", [](R& r) { r.mutable_networks(0)->add_routes()->set_prefix("x"); },
     "network a/front: routes[0]: prefix: 'x' is not ADDRESS/LENGTH"},
    {"endpoint_user_data", [](R& r) { r.mutable_endpoints(0)->set_user_data(std::string(16385, 'x')); },
     "endpoint a/web: user_data: is 16385 bytes long, at most 16384 are allowed"},
    {"host_address_twice", [](R& r) { r.mutable_hosts(1)->set_address("192.0.2.1"); },
     "host w2: address: 192.0.2.1 is already that of host w1"},
    {"host_address_multicast", [](R& r) { r.mutable_hosts(1)->set_address("224.0.0.1"); },
     "host w2: address: 224.0.0.1 is no address a host can have"},
    {"host_name_twice", [](R& r) { r.mutable_hosts(1)->set_name("w1"); },
     "host w1: name: another host has the same"},
    {"host_name_long", [](R& r) { r.mutable_hosts(1)->set_name(std::string(64, 'w')); },
     "hosts[1]: name: 'wwwwwwwwwwwwwwwwwwwwwwww...' is 64 characters long, at most 63 are allowed"},
    {"host_id_twice", [](R& r) { r.mutable_hosts(1)->set_id(1); },
     "host w2: id: 1 is already that of host w1"},
    {"host_id_zero", [](R& r) { r.mutable_hosts(1)->clear_id(); },
     "host w2: id: 0 is out of range, must be 1..16777215"},
    {"role", [](R& r) { r.mutable_hosts(1)->add_roles("router"); },
     "host w2: roles: 'router' must be bouncer or divider"},
    {"role_twice", [](R& r) { r.mutable_hosts(2)->add_roles("bouncer"); },
     "host b1: roles: 'bouncer' is given twice"},
    {"vpc_name", [](R& r) { r.mutable_vpcs(0)->set_name("a_b"); },
     "vpcs[0]: name: 'a_b' has a character other than a-z 0-9 . -"},
    {"vpc_twice", [](R& r) { r.mutable_vpcs(1)->set_name("a"); },
     "vpc a: name: another vpc has the same"},
    {"vni_twice", [](R& r) { r.mutable_vpcs(1)->set_vni(7); },
     "vpc b: vni: 7 is already that of vpc a"},
    {"vni_large", [](R& r) { r.mutable_vpcs(1)->set_vni(1u << 24); },
     "vpc b: vni: 16777216 is out of range, must be 1..16777215"},
    {"vpc_cidr", [](R& r) { r.mutable_vpcs(1)->set_cidr("10.0.0.0"); },
     "vpc b: cidr: '10.0.0.0' is not ADDRESS/LENGTH"},
    {"vpc_without_cidr", [](R& r) { r.mutable_vpcs(1)->clear_cidr(); },
     "vpc b: cidr: is missing"},
    {"vpc_ipv6", [](R& r) { r.mutable_vpcs(1)->set_cidr("2001:db8::/32"); },
     "vpc b: cidr: must be IPv4; IPv6 goes in cidr6"},
    {"address_ipv6", [](R& r) { r.mutable_hosts(1)->set_address("2001:db8::2"); },
     "host w2: address: must be IPv4; IPv6 goes in address6"},
    {"address6_twice",
     [](R& r) {
       r.mutable_hosts(1)->set_address6("2001:db8::2");
       r.mutable_hosts(2)->set_address6("2001:db8::2");
     },
     "host b1: address6: 2001:db8::2 is already that of host w2"},
    {"address6_link_local", [](R& r) { r.mutable_hosts(1)->set_address6("fe80::2"); },
     "host w2: address6: fe80::2 is no address a host can have"},
    {"bouncer_without_ipv6",
     [](R& r) {
       r.mutable_hosts(1)->clear_address();
       r.mutable_hosts(1)->set_address6("2001:db8::2");
     },
     "host b1: address6: is missing: not all hosts share a family, so a bouncer needs both"},
    {"divider_without_ipv4",
     [](R& r) {
       r.mutable_hosts(2)->set_address6("2001:db8::3");
       r.mutable_hosts(3)->set_address6("2001:db8::4");
       r.mutable_hosts(4)->clear_address();
       r.mutable_hosts(4)->set_address6("2001:db8::5");
     },
     "host d1: address: is missing: not all hosts share a family, so a divider needs both"},
    {"network_cidr6", [](R& r) { r.mutable_networks(0)->set_cidr6("fd00:0:0:1::/64"); },
     "network a/front: cidr6: fd00:0:0:1::/64: vpc a has no cidr6"},
    {"endpoint_address6", [](R& r) { r.mutable_endpoints(0)->set_address6("fd00::2"); },
     "endpoint a/web: address6: fd00::2: the network has no cidr6"},
    {"endpoint_address6_twice",
     [](R& r) {
       r.mutable_vpcs(0)->set_cidr6("fd00::/48");
       r.mutable_networks(0)->set_cidr6("fd00::/64");
       r.mutable_endpoints(0)->set_address6("fd00::2");
       r.mutable_endpoints(1)->set_network("front");
       r.mutable_endpoints(1)->set_address("10.0.1.3");
       r.mutable_endpoints(1)->set_address6("fd00::2");
     },
     "endpoint a/db: address6: fd00::2 is already that of endpoint a/web"},
    {"dividers", [](R& r) { r.mutable_vpcs(1)->set_dividers(2); },
     "vpc b: dividers: 2 are asked for, the pool has 1"},
    {"bouncers", [](R& r) { r.mutable_networks(0)->set_bouncers(3); },
     "network a/front: bouncers: 3 are asked for, the pool has 2"},
    {"network_vpc", [](R& r) { r.mutable_networks(0)->set_vpc("c"); },
     "network c/front: vpc: 'c' does not stand in vpcs"},
    {"network_twice", [](R& r) { r.mutable_networks(1)->set_name("front"); },
     "network a/front: name: another network of the vpc has the same"},
    {"network_outside", [](R& r) { r.mutable_networks(1)->set_cidr("10.1.0.0/24"); },
     "network a/back: cidr: 10.1.0.0/24 is outside vpc a's 10.0.0.0/16"},
    {"networks_overlap", [](R& r) { r.mutable_networks(1)->set_cidr("10.0.0.0/23"); },
     "network a/back: cidr: 10.0.0.0/23 overlaps 10.0.1.0/24 of network a/front"},
    {"endpoint_multicast",
     [](R& r) {
       r.mutable_vpcs(0)->set_cidr("0.0.0.0/0");
       r.mutable_networks(0)->set_cidr("224.0.1.0/24");
       r.mutable_endpoints(0)->set_address("224.0.1.2");
     },
     "endpoint a/web: address: 224.0.1.2 is no address a host can have"},
    {"netns_climbs", [](R& r) { r.mutable_endpoints(0)->set_netns("../etc"); },
     "endpoint a/web: netns: '../etc' must be a name or an absolute path"},
    {"tap_twice",
     [](R& r) {
       r.mutable_endpoints(0)->clear_netns();
       r.mutable_endpoints(0)->set_tap("t0");
       r.mutable_endpoints(0)->set_host("w2");
     },
     "endpoint a/db: tap: t0 is already that of endpoint a/web"},
    {"endpoint_vpc", [](R& r) { r.mutable_endpoints(0)->set_vpc("c"); },
     "endpoint c/web: vpc: 'c' does not stand in vpcs"},
    {"endpoint_network", [](R& r) { r.mutable_endpoints(0)->set_network("x"); },
     "endpoint a/web: network: 'x' is no network of vpc a"},
    {"endpoint_host", [](R& r) { r.mutable_endpoints(0)->set_host("w9"); },
     "endpoint a/web: host: 'w9' does not stand in hosts"},
    {"endpoint_outside", [](R& r) { r.mutable_endpoints(0)->set_address("10.0.2.3"); },
     "endpoint a/web: address: 10.0.2.3 is outside the network's 10.0.1.0/24"},
    {"endpoint_network_address", [](R& r) { r.mutable_endpoints(0)->set_address("10.0.1.0"); },
     "endpoint a/web: address: 10.0.1.0 is the network's own address"},
    {"endpoint_broadcast", [](R& r) { r.mutable_endpoints(0)->set_address("10.0.1.255"); },
     "endpoint a/web: address: 10.0.1.255 is the network's broadcast address"},
    {"endpoint_gateway", [](R& r) { r.mutable_endpoints(0)->set_address("10.0.1.1"); },
     "endpoint a/web: address: 10.0.1.1 is the network's gateway"},
    {"endpoint_twice", [](R& r) { r.mutable_endpoints(1)->set_name("web"); },
     "endpoint a/web: name: another endpoint of the vpc has the same"},
    {"address_twice",
     [](R& r) {
       r.mutable_endpoints(1)->set_network("front");
       r.mutable_endpoints(1)->set_address("10.0.1.2");
     },
     "endpoint a/db: address: 10.0.1.2 is already that of endpoint a/web"},
    {"mac", [](R& r) { r.mutable_endpoints(0)->set_mac("02:00"); },
     "endpoint a/web: mac: '02:00' is not a MAC address"},
    {"netns_and_tap", [](R& r) { r.mutable_endpoints(0)->set_tap("t1"); },
     "endpoint a/web: tap: an endpoint has a netns or a tap, not both"},
    {"netns_twice", [](R& r) { r.mutable_endpoints(2)->set_netns("a-web"); },
     "endpoint b/web: netns: a-web/eth0 is already that of endpoint a/web"},
    {"interface_name", [](R& r) { r.mutable_endpoints(0)->set_interface("a b"); },
     "endpoint a/web: interface: 'a b' is no interface name: space, / or :"},
    {"interface_without_netns", [](R& r) { r.mutable_endpoints(1)->set_interface("eth1"); },
     "endpoint a/db: interface: is that in a netns, and the endpoint has none"},
    {"service_vpc", [](R& r) { r.mutable_services(0)->set_vpc("c"); },
     "service c/www: vpc: 'c' does not stand in vpcs"},
    {"service_twice",
     [](R& r) {
       *r.add_services() = r.services(0);
       r.mutable_services(1)->set_address("10.0.9.2");
     },
     "service a/www: name: another service of the vpc has the same"},
    {"service_name_of_endpoint", [](R& r) { r.mutable_services(0)->set_name("web"); },
     "service a/web: name: an endpoint of the vpc has the same, and both have a name in DNS; choose another"},
    {"service_vip_of_endpoint", [](R& r) { r.mutable_services(0)->set_address("10.0.2.2"); },
     "service a/www: address: 10.0.2.2 is already that of endpoint a/db"},
    {"service_vip_of_gateway", [](R& r) { r.mutable_services(0)->set_address("10.0.2.1"); },
     "service a/www: address: network a/back: 10.0.2.1 is the network's gateway"},
    {"service_vip_outside", [](R& r) { r.mutable_services(0)->set_address("10.1.0.1"); },
     "service a/www: address: 10.1.0.1/32 is outside vpc a's 10.0.0.0/16"},
    {"service_vip_multicast",
     [](R& r) {
       r.mutable_vpcs(0)->set_cidr("0.0.0.0/0");
       r.mutable_services(0)->set_address("224.0.0.9");
     },
     "service a/www: address: 224.0.0.9 is no address a host can have"},
    {"service_vip_twice",
     [](R& r) {
       *r.add_services() = r.services(0);
       r.mutable_services(1)->set_name("api");
     },
     "service a/api: address: 10.0.9.1 is already that of service a/www"},
    {"service_vip6", [](R& r) { r.mutable_services(0)->set_address6("fd00::1"); },
     "service a/www: address6: fd00::1/128: vpc a has no cidr6"},
    {"service_ports", [](R& r) { r.mutable_services(0)->clear_ports(); },
     "service a/www: ports: there is none; give at least one"},
    {"service_port_twice", [](R& r) { *r.mutable_services(0)->add_ports() = r.services(0).ports(0); },
     "service a/www: ports: tcp 80 is given twice"},
    {"service_backend", [](R& r) { r.mutable_services(0)->mutable_backends(1)->set_endpoint("x"); },
     "service a/www: backends[1]: endpoint: 'x' is no endpoint of vpc a"},
    {"service_backend_of_other_vpc", [](R& r) { r.mutable_services(0)->set_vpc("b"); },
     "service b/www: backends[1]: endpoint: 'db' is no endpoint of vpc b"},
    {"service_backend_twice", [](R& r) { r.mutable_services(0)->mutable_backends(1)->set_endpoint("web"); },
     "service a/www: backends[1]: endpoint: 'web' is given twice"},
    {"service_weight", [](R& r) { r.mutable_services(0)->mutable_backends(1)->set_weight(1001); },
     "service a/www: backends[1]: weight: 1001 is out of range, must be at most 1000"},
    {"service_sticky", [](R& r) { r.mutable_services(0)->set_sticky_seconds(86401); },
     "service a/www: sticky_seconds: 86401 is out of range, must be at most 86400"},
    {"service_family",
     [](R& r) {
       r.mutable_vpcs(0)->set_cidr6("fd00::/48");
       r.mutable_services(0)->clear_address();
       r.mutable_services(0)->set_address6("fd00::1");
     },
     "service a/www: backends[0]: endpoint: 'web' has no IPv6 address, as the service has; give it one, or take it out"},
    {"service_family_of_nobody",
     [](R& r) {
       r.mutable_vpcs(0)->set_cidr6("fd00::/48");
       r.mutable_services(0)->set_address6("fd00::1");
     },
     "service a/www: address6: no backend has an IPv6 address; give one an address6, or leave this out"},
    {"gateway_vpc", [](R& r) { r.mutable_gateways(0)->set_vpc("c"); },
     "gateway c/out: vpc: 'c' does not stand in vpcs"},
    {"gateway_second",
     [](R& r) {
       *r.add_gateways() = r.gateways(0);
       r.mutable_gateways(1)->set_name("other");
     },
     "gateway a/other: vpc: a has one already, gateway a/out; give that more hosts or pools"},
    {"gateway_hosts", [](R& r) { r.mutable_gateways(0)->clear_hosts(); },
     "gateway a/out: hosts: there is none; name the hosts that have an outside interface"},
    {"gateway_host", [](R& r) { r.mutable_gateways(0)->set_hosts(1, "x"); },
     "gateway a/out: hosts: 'x' does not stand in hosts"},
    {"gateway_host_twice", [](R& r) { r.mutable_gateways(0)->set_hosts(1, "b1"); },
     "gateway a/out: hosts: 'b1' is given twice"},
    {"gateway_host_with_endpoints", [](R& r) { r.mutable_gateways(0)->set_hosts(1, "w1"); },
     "gateway a/out: hosts: w1 carries endpoint a/web; a gateway takes packets of its VPC by tunnel only: move the endpoint, "
     "or name another host"},
    {"gateway_destination", [](R& r) { r.mutable_gateways(0)->add_destinations("10.0.77.0/24"); },
     "gateway a/out: destinations[0]: block: 10.0.77.0/24 lies in the VPC's own 10.0.0.0/16"},
    {"gateway_pool", [](R& r) { r.mutable_gateways(0)->set_pools(0, "198.51.100.1/29"); },
     "gateway a/out: pools[0]: '198.51.100.1/29' has host bits set"},
    {"gateway_pool_of_vpc", [](R& r) { r.mutable_gateways(0)->set_pools(0, "10.0.99.0/24"); },
     "gateway a/out: pools[0]: block: 10.0.99.0/24 overlaps the VPC's own 10.0.0.0/16"},
    {"gateway_pool_with_host", [](R& r) { r.mutable_gateways(0)->set_pools(0, "192.0.2.0/24"); },
     "gateway a/out: pools[0]: block: 192.0.2.0/24 holds host w1's address 192.0.2.1"},
    {"gateway_pools_overlap",
     [](R& r) {
       *r.add_gateways() = r.gateways(0);
       auto* g = r.mutable_gateways(1);
       g->set_vpc("b");
       g->set_pools(0, "198.51.100.4/30");
     },
     "198.51.100.4/30 overlaps 198.51.100.0/29 of gateway a/out: pools[0]"},
    {"gateway_ports", [](R& r) { r.mutable_gateways(0)->set_ports_per_endpoint(1000); },
     "gateway a/out: ports_per_endpoint: 1000 must be a power of 2, 64..32768"},
    {"floating_outside_its_pool", [](R& r) { r.mutable_gateways(0)->mutable_floating(0)->set_address("198.51.100.9"); },
     "gateway a/out: floating[0]: address: 198.51.100.9 is in none of the gateway's pools"},
    {"floating_endpoint", [](R& r) { r.mutable_gateways(0)->mutable_floating(0)->set_endpoint("x"); },
     "gateway a/out: floating[0]: endpoint: 'x' is no endpoint of vpc a"},
    {"floating_family",
     [](R& r) {
       r.mutable_gateways(0)->add_pools("2001:db8::/126");
       r.mutable_gateways(0)->mutable_floating(0)->set_address("2001:db8::1");
     },
     "gateway a/out: floating[0]: endpoint: 'db' has no address of the family of 2001:db8::1; give it one"},
    {"floating_twice",
     [](R& r) {
       *r.mutable_gateways(0)->add_floating() = r.gateways(0).floating(0);
       r.mutable_gateways(0)->mutable_floating(1)->set_endpoint("web");
     },
     "gateway a/out: floating[1]: address: 198.51.100.2 is already that of gateway a/out: floating[0]"},
    {"floating_two_of_one",
     [](R& r) {
       *r.mutable_gateways(0)->add_floating() = r.gateways(0).floating(0);
       r.mutable_gateways(0)->mutable_floating(1)->set_address("198.51.100.3");
     },
     "gateway a/out: floating[1]: endpoint: db is already that of gateway a/out: floating[0]"},
    {"forward_of_floating", [](R& r) { r.mutable_gateways(0)->mutable_forwards(0)->set_address("198.51.100.2"); },
     "gateway a/out: forwards[0]: address: 198.51.100.2 is the floating address of db, and all its ports lead there"},
    {"forward_to_floating", [](R& r) { r.mutable_gateways(0)->mutable_forwards(0)->set_endpoint("db"); },
     "gateway a/out: forwards[0]: endpoint: 'db' has the floating address 198.51.100.2, by which all its ports can be reached"},
    {"forward_port", [](R& r) { r.mutable_gateways(0)->mutable_forwards(0)->set_port(70000); },
     "gateway a/out: forwards[0]: port: 70000 is out of range, must be 1..65535"},
    {"forward_twice",
     [](R& r) {
       *r.mutable_gateways(0)->add_forwards() = r.gateways(0).forwards(0);
       r.mutable_gateways(0)->mutable_forwards(1)->set_endpoint_port(81);
     },
     "gateway a/out: forwards[1]: port: 8080 is already that of gateway a/out: forwards[0]"},
    {"forward_two_of_one",
     [](R& r) {
       *r.mutable_gateways(0)->add_forwards() = r.gateways(0).forwards(0);
       r.mutable_gateways(0)->mutable_forwards(1)->set_port(8081);
     },
     "gateway a/out: forwards[1]: endpoint_port: 80 is already that of gateway a/out: forwards[0]"},
    {"tap_name", [](R& r) { r.mutable_endpoints(1)->set_tap("a/b"); },
     "endpoint a/db: tap: 'a/b' is no interface name: space, / or :"},
};
INSTANTIATE_TEST_SUITE_P(, BadRegion, testing::ValuesIn(kBad),
                         [](const auto& i) { return i.param.name; });

// ---- sharing out buckets ----------------------------------------------------

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

// ---- plans ------------------------------------------------------------------

struct Planned {
  Region region;
  std::map<std::string, mizar::Goal> goals;
};

Planned planned(const v1::Region& r) {
  auto region = parse_region(r);
  EXPECT_TRUE(region) << region.error().what;
  Planned out{*region, {}};
  const Plan plan = *make_plan(*region);
  for (size_t h = 0; h < region->hosts.size(); h++) {
    auto goal = mizar::parse_goal(goal_state(*region, plan, h));
    EXPECT_TRUE(goal) << region->hosts[h].name << ": " << goal.error().what;
    if (goal) out.goals.emplace(region->hosts[h].name, *goal);
  }
  return out;
}

template <class T>
std::string keys(const T& table) {
  std::string out;
  for (const auto& [key, value] : table) out += (out.empty() ? "" : " ") + key;
  return out;
}

TEST(Plan, EveryHostGetsWhatItNeedsAndNoMore) {
  const auto p = planned(sound());
  for (const auto& [name, goal] : p.goals) EXPECT_EQ(keys(goal.hosts), "b1 b2 d1 w1 w2") << name;
  EXPECT_EQ(p.goals.at("w1").revision, 3u);
  EXPECT_EQ(keys(p.goals.at("w1").vpcs), "a b");
  EXPECT_EQ(keys(p.goals.at("w1").networks), "a/front b/front");
  EXPECT_EQ(keys(p.goals.at("w1").endpoints), "a/web b/web");
  EXPECT_EQ(keys(p.goals.at("w2").vpcs), "a");
  EXPECT_EQ(keys(p.goals.at("w2").networks), "a/back");
  EXPECT_EQ(keys(p.goals.at("w2").endpoints), "a/db");
  EXPECT_EQ(keys(p.goals.at("d1").vpcs), "a b");
  EXPECT_EQ(keys(p.goals.at("d1").networks), "a/back a/front b/front");
  EXPECT_EQ(keys(p.goals.at("d1").endpoints), "");
}

// Dividers are asked by the first label of a name, and by address.
TEST(Plan, NamesAreAtTheirBucketsDividers) {
  auto r = sound();
  r.clear_services();
  for (int i = 6; i < 12; i++) {
    auto* d = r.add_hosts();
    d->set_name("d" + std::to_string(i));
    d->set_id(static_cast<std::uint32_t>(i));
    d->set_address("192.0.2." + std::to_string(i));
    d->add_roles("divider");
  }
  r.mutable_endpoints(0)->set_name("web.0");
  const auto p = planned(r);
  const auto& rows = *p.goals.at("w1").vpcs.at("a").dividers;
  const mz_addr ip = mizar::Addr::parse("10.0.1.2")->abi();
  const auto by_name = rows[mizar::name_bucket("web")], by_address = rows[mz_bucket(&ip)];
  const std::set<std::uint32_t> want{by_name.primary, by_name.backup, by_address.primary, by_address.backup};
  for (const auto& [host, goal] : p.goals) {
    const auto at = goal.names.find("a/web.0");
    EXPECT_EQ(at != goal.names.end(), want.contains(goal.self.id)) << host;
    if (at == goal.names.end()) continue;
    EXPECT_EQ(at->second.network, "front");
    EXPECT_EQ(at->second.address.text(), "10.0.1.2");
  }
}

// What its network does for an endpoint is told to the hosts of that network, its
// user data to its own host alone.
TEST(Plan, ServicesGoWithTheirObjects) {
  auto r = sound();
  r.mutable_vpcs(0)->set_domain("corp.example");
  r.mutable_networks(0)->add_dns("192.0.2.53");
  r.mutable_networks(0)->set_dhcp(false);
  r.mutable_networks(0)->add_routes()->set_prefix("172.16.0.0/12");
  r.mutable_endpoints(0)->set_user_data("hello");
  const auto p = planned(r);
  const auto& w1 = p.goals.at("w1");
  EXPECT_EQ(w1.vpcs.at("a").domain, "corp.example");
  EXPECT_EQ(w1.vpcs.at("b").domain, "");
  const auto& front = w1.networks.at("a/front").services;
  EXPECT_EQ(front.dns, std::vector<mizar::Addr>{mizar::Addr::parse("192.0.2.53").value()});
  EXPECT_FALSE(front.dhcp);
  EXPECT_EQ(front.routes.size(), 1u);
  EXPECT_EQ(w1.networks.at("b/front").services, mizar::NetworkServices());
  EXPECT_EQ(w1.endpoints.at("a/web").user_data, "hello");
  EXPECT_EQ(p.goals.at("b1").endpoints.at("a/web").user_data, "");
}

TEST(Plan, EndpointsAreAtTheirBucketsBouncers) {
  const auto p = planned(sound());
  // Both bouncers share front: one is primary, the other backup.
  EXPECT_TRUE(p.goals.at("b1").endpoints.contains("a/web"));
  EXPECT_TRUE(p.goals.at("b2").endpoints.contains("a/web"));
  // One bouncer was asked for back: exactly it has the endpoint and the network.
  const auto& rows = p.goals.at("w2").networks.at("a/back").bouncers;
  ASSERT_TRUE(rows);
  const auto& serves = rows->at(0).primary == 3 ? p.goals.at("b1") : p.goals.at("b2");
  const auto& idle = rows->at(0).primary == 3 ? p.goals.at("b2") : p.goals.at("b1");
  EXPECT_EQ(rows->at(0).backup, 0u);
  EXPECT_TRUE(serves.endpoints.contains("a/db"));
  EXPECT_TRUE(serves.networks.contains("a/back"));
  EXPECT_FALSE(idle.endpoints.contains("a/db"));
  EXPECT_FALSE(idle.networks.contains("a/back"));
}

TEST(Plan, OnlyTheOwnerConnectsAnEndpoint) {
  const auto p = planned(sound());
  EXPECT_EQ(std::get<mizar::NetnsSpec>(p.goals.at("w1").endpoints.at("a/web").attach).name,
            "a-web");
  EXPECT_EQ(std::get<mizar::TapSpec>(p.goals.at("w2").endpoints.at("a/db").attach).interface,
            "t0");
  for (const auto* name : {"b1", "b2"})
    for (const auto& [key, e] : p.goals.at(name).endpoints)
      EXPECT_TRUE(std::holds_alternative<std::monostate>(e.attach)) << name << " " << key;
}

TEST(Plan, ShardTablesAgreeOnAllHosts) {
  const auto p = planned(sound());
  const auto& at_divider = p.goals.at("d1").networks.at("a/front");
  EXPECT_TRUE(at_divider == p.goals.at("w1").networks.at("a/front"));
  EXPECT_TRUE(at_divider == p.goals.at("b1").networks.at("a/front"));
  EXPECT_TRUE(p.goals.at("d1").vpcs.at("a") == p.goals.at("w2").vpcs.at("a"));
}

TEST(Plan, MacDefaultsToThatOfTheAddress) {
  const auto p = planned(sound());
  const auto& web = p.goals.at("w1").endpoints.at("b/web");
  EXPECT_EQ(web.mac, mizar::default_mac(8, *web.address.v4));
}

// Hosts of one family each meet at hops that have both; hosts that all have
// IPv6 need nothing.
TEST(Plan, HostsOfOneFamilyEach) {
  auto r = sound();
  r.mutable_hosts(1)->clear_address();
  r.mutable_hosts(1)->set_address6("2001:db8::2");
  for (int h : {2, 3, 4}) r.mutable_hosts(h)->set_address6(fmt::format("2001:db8::{}", h + 1));
  const auto p = planned(r);
  EXPECT_FALSE(p.goals.at("w1").reach(2));
  EXPECT_EQ(p.goals.at("w1").reach(3)->text(), "192.0.2.3");
  EXPECT_EQ(p.goals.at("w2").reach(3)->text(), "2001:db8::3");
  EXPECT_EQ(p.goals.at("b1").reach(2)->text(), "2001:db8::2");

  for (auto& h : *r.mutable_hosts()) h.clear_address();
  r.mutable_hosts(0)->set_address6("2001:db8::1");
  r.mutable_hosts(0)->set_address("192.0.2.1");
  EXPECT_EQ(planned(r).goals.at("w1").reach(3)->text(), "2001:db8::3");
}

// Rows of both addresses are where senders look for them: at the bouncers of
// each one's bucket.
TEST(Plan, EachAddressIsAtItsBucketsBouncers) {
  auto r = sound();
  for (int i = 0; i < 6; i++) {
    auto* h = r.add_hosts();
    h->set_name(fmt::format("b{}", i + 3));
    h->set_id(10 + i);
    h->set_address(fmt::format("192.0.2.{}", i + 10));
    h->add_roles("bouncer");
  }
  r.mutable_networks(1)->clear_bouncers();
  const auto before = planned(r);
  r.mutable_vpcs(0)->set_cidr6("fd00::/48");
  r.mutable_networks(0)->set_cidr6("fd00::/64");
  r.mutable_endpoints(0)->set_address6("fd00::2");
  const auto p = planned(r);
  const auto& rows = *p.goals.at("w1").networks.at("a/front").bouncers;
  std::set<std::uint32_t> ids{1};
  for (const char* text : {"10.0.1.2", "fd00::2"}) {
    const mz_addr ip = mizar::Addr::parse(text)->abi();
    ids.insert({rows[mz_bucket(&ip)].primary, rows[mz_bucket(&ip)].backup});
  }
  EXPECT_EQ(ids.size(), 5u) << "the addresses' buckets have other bouncers, or this proves nothing";
  for (const auto& [name, goal] : p.goals)
    EXPECT_EQ(goal.endpoints.contains("a/web"), ids.contains(goal.self.id)) << name;
  EXPECT_EQ(p.goals.at("w1").endpoints.at("a/web").address.text(), "10.0.1.2 fd00::2");
  // A second family moves no bucket and changes no MAC.
  const auto& old = *before.goals.at("w1").networks.at("a/front").bouncers;
  for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) EXPECT_EQ(old[b].primary, rows[b].primary);
  EXPECT_EQ(p.goals.at("w1").endpoints.at("a/web").mac,
            before.goals.at("w1").endpoints.at("a/web").mac);
}

TEST(Plan, AnIpv6OnlyRegion) {
  auto r = sound();
  r.clear_services();
  for (auto& h : *r.mutable_hosts()) {
    h.clear_address();
    h.set_address6(fmt::format("2001:db8::{}", h.id()));
  }
  for (auto& v : *r.mutable_vpcs()) {
    v.clear_cidr();
    v.set_cidr6("fd00::/48");
  }
  int i = 0;
  for (auto& n : *r.mutable_networks()) {
    n.clear_cidr();
    n.set_cidr6(fmt::format("fd00:0:0:{}::/64", i++ % 2));
  }
  r.mutable_endpoints(0)->clear_address();
  r.mutable_endpoints(0)->set_address6("fd00::2");
  r.mutable_endpoints(1)->clear_address();
  r.mutable_endpoints(1)->set_address6("fd00:0:0:1::2");
  r.mutable_endpoints(2)->clear_address();
  r.mutable_endpoints(2)->set_address6("fd00::2");
  const auto p = planned(r);
  EXPECT_TRUE(p.goals.at("b1").endpoints.contains("a/web"));
  EXPECT_EQ(p.goals.at("w1").endpoints.at("b/web").mac,
            mizar::default_mac(8, *mizar::Addr::parse("fd00::2")));
}

// The gateways know all of the VPC, its endpoints' hosts their own part, others nothing.
TEST(Plan, EveryHostGetsItsPartOfAGateway) {
  const auto p = planned(behind_gateway());
  const auto& at_b1 = p.goals.at("b1").gateways.at("a/out");
  EXPECT_TRUE(at_b1.serves);
  EXPECT_EQ(at_b1.addresses.size(), 2u);
  EXPECT_EQ(at_b1.pools.size(), 1u);
  EXPECT_TRUE(at_b1.networks.empty());
  EXPECT_EQ(keys(p.goals.at("b1").endpoints), "a/db a/web b/web");
  const auto& at_w1 = p.goals.at("w1").gateways.at("a/out");
  EXPECT_FALSE(at_w1.serves);
  EXPECT_TRUE(at_w1.pools.empty());
  ASSERT_EQ(at_w1.addresses.size(), 1u);
  EXPECT_EQ(at_w1.addresses[0].address.text(), "10.0.1.2");
  EXPECT_EQ(at_w1.addresses[0].ports.size(), 1024u);
  ASSERT_EQ(at_w1.forwards.size(), 1u);
  EXPECT_EQ(at_w1.forwards[0].port, 80);
  // back is a's, too, and must not be taken for outside.
  ASSERT_EQ(at_w1.networks.size(), 1u);
  EXPECT_EQ(at_w1.networks[0].text(), "10.0.2.0/24");
  ASSERT_EQ(at_w1.destinations.size(), 1u);
  EXPECT_EQ(at_w1.destinations[0].text(), "0.0.0.0/0");
  const auto& at_w2 = p.goals.at("w2").gateways.at("a/out");
  ASSERT_EQ(at_w2.addresses.size(), 1u);
  EXPECT_TRUE(at_w2.addresses[0].ports.whole());
  EXPECT_TRUE(at_w2.forwards.empty());
  EXPECT_FALSE(p.goals.at("d1").gateways.contains("a/out"));
  ASSERT_TRUE(at_w1.hosts);
  for (const auto& row : *at_w1.hosts) EXPECT_TRUE((row.primary == 3 && row.backup == 4) || (row.primary == 4 && row.backup == 3));
}

TEST(Plan, ARegionWithoutPoolsHasNoShards) {
  auto r = sound();
  for (int h : {2, 3, 4}) r.mutable_hosts(h)->clear_roles();
  r.mutable_networks(1)->clear_bouncers();
  const auto p = planned(r);
  EXPECT_FALSE(p.goals.at("w1").networks.at("a/front").bouncers.has_value());
  EXPECT_FALSE(p.goals.at("w1").vpcs.at("a").dividers.has_value());
  EXPECT_EQ(keys(p.goals.at("b1").vpcs), "");
}

// An endpoint is programmed to a constant number of hosts, however many there are.
TEST(Plan, AnEndpointIsOnThreeHostsAtMost) {
  v1::Region r;
  for (unsigned h = 1; h <= 40; h++) {
    auto* host = r.add_hosts();
    host->set_name(fmt::format("h{}", h));
    host->set_id(h);
    host->set_address(fmt::format("192.0.2.{}", h));
    if (h <= 12) host->add_roles("bouncer");
  }
  auto* v = r.add_vpcs();
  v->set_name("a");
  v->set_vni(1);
  v->set_cidr("10.0.0.0/8");
  auto* n = r.add_networks();
  n->set_name("n");
  n->set_vpc("a");
  n->set_cidr("10.1.0.0/16");
  for (unsigned i = 0; i < 2000; i++) {
    auto* e = r.add_endpoints();
    e->set_name(fmt::format("e{}", i));
    e->set_vpc("a");
    e->set_network("n");
    e->set_address(fmt::format("10.1.{}.{}", i / 200, i % 200 + 2));
    e->set_host(fmt::format("h{}", 13 + i % 28));
  }
  std::map<std::string, int> copies;
  size_t most = 0, least = 2000;
  for (const auto& [name, goal] : planned(r).goals) {
    for (const auto& [key, e] : goal.endpoints) copies[key]++;
    if (goal.self.id > 12) continue;
    most = std::max(most, goal.endpoints.size());
    least = std::min(least, goal.endpoints.size());
  }
  for (const auto& [key, count] : copies) EXPECT_EQ(count, 3) << key;
  EXPECT_LT(most, 3 * least) << "bouncers share the load";
}

// Who may be a client's host has to know a service; who only carries hops has not.
TEST(Services, GoToEveryHostWithEndpointsOfTheVpc) {
  const auto region = parse_region(sound());
  ASSERT_TRUE(region) << region.error().what;
  const Plan plan = *make_plan(*region);
  const int wanted[] = {1, 1, 0, 0, 0};  // w1, w2, b1, b2, d1
  for (std::size_t h = 0; h < region->hosts.size(); h++) {
    const auto goal = goal_state(*region, plan, h);
    EXPECT_EQ(goal.services_size(), wanted[h]) << goal.host();
    const auto read = mizar::parse_goal(goal);
    EXPECT_TRUE(read) << read.error().what;
  }
  const auto s = goal_state(*region, plan, 1).services(0);  // w2 has no endpoint in front
  EXPECT_EQ(s.address(), "10.0.9.1");
  EXPECT_EQ(s.sticky_seconds(), 30u);
  EXPECT_EQ(s.ports(0).backend_port(), 8080u);
  ASSERT_EQ(s.backends_size(), 2);
  EXPECT_EQ(s.backends(0).name() + " " + s.backends(0).address(), "web 10.0.1.2");
  EXPECT_TRUE(s.backends(0).has_weight());
  EXPECT_EQ(s.backends(0).weight(), 0u);
  EXPECT_FALSE(s.backends(1).has_weight());
}

// A backend's address of a family that the service has not is nobody's business.
TEST(Services, BackendsAreToldInTheServicesFamilies) {
  auto r = sound();
  r.mutable_vpcs(0)->set_cidr6("fd00::/48");
  r.mutable_networks(0)->set_cidr6("fd00::/64");
  r.mutable_endpoints(0)->set_address6("fd00::2");
  const auto region = parse_region(r);
  ASSERT_TRUE(region) << region.error().what;
  EXPECT_EQ(goal_state(*region, *make_plan(*region), 0).services(0).backends(0).address6(), "");
}

}  // namespace
}  // namespace centaurus
