// SPDX-License-Identifier: Apache-2.0
// A region and its rules: control/model/.
#include <gtest/gtest.h>

#include "control/model/validate.h"
#include "selftests/unit/region_world.h"

namespace centaurus {
namespace {

// a's back meets a block of b.
v1::Peering& peer(v1::Region& r, const char* part = "10.0.2.0/24", const char* peer_part = "10.0.3.0/24") {
  auto& p = *r.add_peerings();
  p.set_name("trade");
  p.set_vpc("a");
  p.set_peer("b");
  if (*part) p.add_parts(part);
  if (*peer_part) p.add_peer_parts(peer_part);
  return p;
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
    {"endpoint_delivery", [](R& r) { r.mutable_endpoints(0)->set_delivery("both"); },
     "endpoint a/web: delivery: 'both' is neither tc nor xdp"},
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
    {"multicast_without_bouncers",
     [](R& r) {
       r.mutable_networks(0)->set_multicast(true);
       r.mutable_networks(1)->clear_bouncers();
       r.mutable_endpoints(1)->set_network("front");
       r.mutable_endpoints(1)->set_address("10.0.1.3");
       for (auto& h : *r.mutable_hosts()) h.clear_roles();
     },
     "network a/front: multicast: endpoints web and db live on two hosts, and no host is a bouncer, which would make "
     "the copies; give one the role"},
    {"broadcast_of_ip6",
     [](R& r) {
       r.mutable_networks(0)->set_broadcast(true);
       r.mutable_networks(0)->clear_cidr();
       r.mutable_vpcs(0)->set_cidr6("fd00::/48");
       r.mutable_networks(0)->set_cidr6("fd00::/64");
     },
     "network a/front: broadcast: the network has no cidr, and IPv6 has no broadcast; set multicast"},
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
    {"service_health", [](R& r) { r.mutable_services(0)->mutable_health()->set_protocol("icmp"); },
     "service a/www: health: protocol: 'icmp' must be tcp or http"},
    {"service_health_timeout",
     [](R& r) {
       r.mutable_services(0)->mutable_health()->set_protocol("http");
       r.mutable_services(0)->mutable_health()->set_timeout_ms(5);
     },
     "service a/www: health: timeout_ms: 5 is out of range, must be 100..60000"},
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
     "gateway b/out: pools[0]: 198.51.100.4/30 overlaps 198.51.100.0/29 of gateway a/out: pools[0]"},
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
     "gateway a/out: forwards[1]: endpoint: port 80 of web is already that of gateway a/out: forwards[0]"},
    {"entry_service", [](R& r) { entry(r, "x"); }, "gateway a/out: forwards[1]: service: 'x' is no service of vpc a"},
    {"entry_port", [](R& r) { entry(r, "www")->set_service_port(81); },
     "gateway a/out: forwards[1]: service_port: 'www' does not offer tcp 81"},
    {"entry_protocol", [](R& r) { entry(r, "www")->set_protocol("udp"); },
     "gateway a/out: forwards[1]: service_port: 'www' does not offer udp 80"},
    {"entry_and_endpoint", [](R& r) { entry(r, "www")->set_endpoint("web"); },
     "gateway a/out: forwards[1]: service: an endpoint is named as well; name one of the two"},
    {"entry_pool", [](R& r) { entry(r, "www")->set_address("203.0.113.1"); },
     "gateway a/out: forwards[1]: address: 203.0.113.1 is in none of the gateway's pools"},
    {"entry_family",
     [](R& r) {
       r.mutable_gateways(0)->add_pools("2001:db8::/126");
       entry(r, "www")->set_address("2001:db8::1");
     },
     "gateway a/out: forwards[1]: service: 'www' has no address of the family of 2001:db8::1; give it one"},
    {"entry_backend_floats", [](R& r) { entry(r, "www"); },
     "gateway a/out: forwards[1]: service: 'db' has the floating address 198.51.100.2, by which all its ports can be reached"},
    {"entry_backend_forwarded",
     [](R& r) {
       r.mutable_gateways(0)->clear_floating();
       r.mutable_gateways(0)->mutable_forwards(0)->set_endpoint_port(8080);
       entry(r, "www");
     },
     "gateway a/out: forwards[1]: service: port 8080 of web is already that of gateway a/out: forwards[0]"},
    {"tap_name", [](R& r) { r.mutable_endpoints(1)->set_tap("a/b"); },
     "endpoint a/db: tap: 'a/b' is no interface name: space, / or :"},
    {"peering_name", [](R& r) { peer(r).set_name("x y"); },
     "peerings[0]: name: 'x y' has a character other than a-z 0-9 . -"},
    {"peering_of_nobody", [](R& r) { peer(r).set_vpc("c"); }, "peering c/trade: vpc: 'c' does not stand in vpcs"},
    {"peering_with_nobody", [](R& r) { peer(r).set_peer("c"); }, "peering a/trade: peer: 'c' does not stand in vpcs"},
    {"peering_with_itself", [](R& r) { peer(r).set_peer("a"); }, "peering a/trade: peer: is the same VPC"},
    {"peering_twice", [](R& r) { peer(r), peer(r); }, "peering a/trade: name: 'trade' is given twice"},
    {"peering_of_all", [](R& r) { peer(r, "", ""); },
     "peering a/trade: parts[0]: 10.0.0.0/16 overlaps 10.0.1.0/24 of network b/front"},
    {"peering_over_a_network", [](R& r) { peer(r, "10.0.2.0/24", "10.0.2.128/25"); },
     "peering a/trade: peer_parts[0]: 10.0.2.128/25 overlaps 10.0.2.0/24 of network a/back"},
    {"peering_elsewhere", [](R& r) { peer(r, "10.9.0.0/24"); },
     "peering a/trade: parts[0]: 10.9.0.0/24 is outside vpc a's 10.0.0.0/16"},
    {"peering_no_block", [](R& r) { peer(r, "10.0.2.1/24"); },
     "peering a/trade: parts[0]: '10.0.2.1/24' has host bits set"},
    {"peerings_overlap",
     [](R& r) { peer(r), peer(r, "10.0.4.0/24", "10.0.3.0/25").set_name("more"); },
     "peering a/more: peer_parts[0]: 10.0.3.0/25 overlaps 10.0.3.0/24 of peering a/trade: peer_parts[0]"},
    {"peering_over_a_service", [](R& r) { peer(r, "10.0.2.0/24", "10.0.9.0/24"); },
     "peering a/trade: peer_parts[0]: block: 10.0.9.0/24 holds the address 10.0.9.1 of service a/www"},
    {"peering_over_a_pool",
     [](R& r) {
       r.mutable_vpcs(1)->set_cidr("198.51.100.0/24");
       r.mutable_networks(2)->set_cidr("198.51.100.128/25");
       r.mutable_endpoints(2)->set_address("198.51.100.130");
       peer(r, "10.0.2.0/24", "198.51.100.0/25");
     },
     "peering a/trade: peer_parts[0]: block: 198.51.100.0/25 overlaps pool 198.51.100.0/29 of gateway a/out"},
    {"peering_over_a_destination",
     [](R& r) {
       r.mutable_gateways(0)->add_destinations("192.0.2.0/24");
       r.mutable_vpcs(1)->set_cidr("192.0.0.0/16");
       r.mutable_networks(2)->set_cidr("192.0.1.0/24");
       r.mutable_endpoints(2)->set_address("192.0.1.2");
       peer(r, "10.0.2.0/24", "192.0.2.0/24");
     },
     "peering a/trade: peer_parts[0]: block: 192.0.2.0/24 holds 192.0.2.0/24, which gateway a/out leads to"},
};
// behind_gateway() with security groups web and lb of VPC a in groups.yaml; `spoil` may say more.
mizar::Result<Region> with_groups(void (*spoil)(v1::Region&) = nullptr, const std::string& more = "") {
  auto r = behind_gateway();
  auto* file = r.add_policies();
  file->set_vpc("a"), file->set_file("groups.yaml");
  r.mutable_endpoints(0)->add_security_groups("web");
  (*r.mutable_endpoints(0)->mutable_labels())["app"] = "shop";
  r.mutable_endpoints(1)->add_security_groups("lb");
  r.mutable_endpoints(1)->add_security_groups("web");
  if (spoil) spoil(r);
  std::vector<std::string> warnings;
  return parse_region(r, [&more](const std::string&) -> mizar::Result<std::string> {
    return "apiVersion: centaurus/v1\nkind: SecurityGroup\nmetadata: {name: web}\nspec: {ingress: [{from: [{group: lb}]}]}\n---\n"
           "apiVersion: centaurus/v1\nkind: SecurityGroup\nmetadata: {name: lb}\nspec: {}\n" + more;
  }, warnings);
}

TEST(Region, SecurityGroupsComeToTheHostsOfTheirMembers) {
  const auto region = with_groups();
  ASSERT_TRUE(region) << region.error().what;
  const auto plan = make_plan(*region, {});
  ASSERT_TRUE(plan) << plan.error().what;
  std::vector<std::string> sets;
  for (const auto& [id, set] : plan->kept.labels.at("a").sets) sets.push_back(set.text());
  EXPECT_EQ(sets, (std::vector<std::string>{"group(lb,web)", "group(web)"}));
  for (const std::size_t host : {0, 1}) {
    const auto state = goal_state(*region, *plan, host);
    EXPECT_EQ(state.policies_size(), 2) << host;
    for (const auto& e : state.endpoints()) {
      const int groups = e.vpc() != "a" || e.host() != state.host() ? 0 : e.name() == "web" ? 1 : 2;
      EXPECT_EQ(e.security_groups_size(), groups) << e.name();
      for (const auto& [key, value] : e.labels()) EXPECT_EQ(key, "app") << "membership is no label here";
    }
  }
}

TEST(Region, SecurityGroupsThatAreNamedExist) {
  const struct {
    const char* what;
    void (*spoil)(v1::Region&);
    const char* more;
  } rows[] = {
      {"endpoint a/web: security_groups: 'db' is no security group of vpc a", [](v1::Region& r) { r.mutable_endpoints(0)->add_security_groups("db"); }, ""},
      {"endpoint b/web: security_groups: 'web' is no security group of vpc b", [](v1::Region& r) { r.mutable_endpoints(2)->add_security_groups("web"); }, ""},
      {"endpoint a/web: security_groups[1]: 'web' is given twice", [](v1::Region& r) { r.mutable_endpoints(0)->add_security_groups("web"); }, ""},
      {"groups.yaml:11: SecurityGroup db: egress[0]: 'cache' is no security group of vpc a; write it, or take the peer out", nullptr,
       "---\napiVersion: centaurus/v1\nkind: SecurityGroup\nmetadata: {name: db}\nspec: {egress: [{to: [{group: db}, {group: cache}]}]}\n"},
  };
  for (const auto& row : rows) {
    const auto region = with_groups(row.spoil, row.more);
    ASSERT_FALSE(region) << row.what;
    EXPECT_EQ(region.error().code, mizar::Code::invalid_argument);
    EXPECT_EQ(region.error().what, row.what);
  }
}

INSTANTIATE_TEST_SUITE_P(, BadRegion, testing::ValuesIn(kBad),
                         [](const auto& i) { return i.param.name; });


}  // namespace
}  // namespace centaurus
