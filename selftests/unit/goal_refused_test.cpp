// SPDX-License-Identifier: Apache-2.0
// What a host's goal state must not say, one thing a row: userspace/transitd/goal.h.
#include "selftests/unit/goal_world.h"

namespace mizar {
namespace {

struct BadCase {
  const char* name;
  void (*spoil)(v1::GoalState&);
  const char* error;
};

class BadGoal : public testing::TestWithParam<BadCase> {};

TEST_P(BadGoal, IsOneLineWithObjectAndField) {
  auto s = sound();
  GetParam().spoil(s);
  const auto goal = parse_goal(s);
  ASSERT_FALSE(goal);
  EXPECT_EQ(goal.error().code, Code::invalid_argument);
  EXPECT_EQ(goal.error().what, GetParam().error);
}

using S = v1::GoalState;
const std::string kLongPath = "service a/www: health: path: '/" + std::string(255, 'a') +
                              "' must begin with / and be at most 255 printable characters";
v1::Health& health(S& s, const char* protocol) {
  auto* h = s.mutable_services(0)->mutable_health();
  h->set_protocol(protocol);
  return *h;
}
const BadCase kBad[] = {
    {"no_self", [](S& s) { s.clear_host(); }, "host: is missing: whom it is for"},
    {"self_unknown", [](S& s) { s.set_host("w9"); }, "host: 'w9' does not stand in hosts"},
    {"host_without_address", [](S& s) { s.mutable_hosts(0)->clear_address(); },
     "host w1: address: is missing"},
    {"host_address6_ipv4", [](S& s) { s.mutable_hosts(1)->set_address6("192.0.2.2"); },
     "host b1: address6: must be IPv6; IPv4 goes in address"},
    {"host_address6_mapped", [](S& s) { s.mutable_hosts(1)->set_address6("::ffff:192.0.2.2"); },
     "host b1: address6: must be IPv6; IPv4 goes in address"},
    {"host_address_mapped", [](S& s) { s.mutable_hosts(1)->set_address("::ffff:192.0.2.2"); },
     "host b1: address: must be IPv4; IPv6 goes in address6"},
    {"host_address6_text", [](S& s) { s.mutable_hosts(1)->set_address6("fe80::1%eth0"); },
     "host b1: address6: 'fe80::1%eth0' is not an IP address"},
    {"host_address6_link_local", [](S& s) { s.mutable_hosts(1)->set_address6("fe80::1"); },
     "host b1: address6: fe80::1 is no address a host can have"},
    {"host_address6_link_local_end", [](S& s) { s.mutable_hosts(1)->set_address6("febf::1"); },
     "host b1: address6: febf::1 is no address a host can have"},
    {"host_address6_multicast", [](S& s) { s.mutable_hosts(1)->set_address6("ff02::1"); },
     "host b1: address6: ff02::1 is no address a host can have"},
    {"host_address6_loopback", [](S& s) { s.mutable_hosts(1)->set_address6("::1"); },
     "host b1: address6: ::1 is no address a host can have"},
    {"host_address6_none", [](S& s) { s.mutable_hosts(1)->set_address6("::"); },
     "host b1: address6: :: is no address a host can have"},
    {"host_address6_twice", [](S& s) { s.mutable_hosts(0)->set_address6("2001:db8:0::2"); },
     "host b1: address6: 2001:db8::2 is already that of host w1"},
    {"host_address_text", [](S& s) { s.mutable_hosts(1)->set_address("b1"); },
     "host b1: address: 'b1' is not an IP address"},
    {"host_address_loopback", [](S& s) { s.mutable_hosts(1)->set_address("127.0.0.1"); },
     "host b1: address: 127.0.0.1 is no address a host can have"},
    {"host_address_ipv6", [](S& s) { s.mutable_hosts(1)->set_address("2001:db8::1"); },
     "host b1: address: must be IPv4; IPv6 goes in address6"},
    {"host_address_twice", [](S& s) { s.mutable_hosts(1)->set_address("192.0.2.1"); },
     "host b1: address: 192.0.2.1 is already that of host w1"},
    {"host_name_twice", [](S& s) { s.mutable_hosts(1)->set_name("w1"); },
     "host w1: name: another host has the same"},
    {"host_id_twice", [](S& s) { s.mutable_hosts(1)->set_id(1); },
     "host b1: id: 1 is already that of host w1"},
    {"host_id_zero", [](S& s) { s.mutable_hosts(1)->set_id(0); },
     "host b1: id: 0 is out of range, must be 1..16777215"},
    {"host_id_large", [](S& s) { s.mutable_hosts(1)->set_id(1u << 24); },
     "host b1: id: 16777216 is out of range, must be 1..16777215"},
    {"no_name", [](S& s) { s.mutable_vpcs(1)->clear_name(); }, "vpcs[1]: name: is missing"},
    {"name_too_long", [](S& s) { s.mutable_vpcs(1)->set_name(std::string(64, 'x')); },
     "vpcs[1]: name: 'xxxxxxxxxxxxxxxxxxxxxxxx...' is 64 characters long, at most 63 are allowed"},
    {"name_characters", [](S& s) { s.mutable_vpcs(1)->set_name("Blue"); },
     "vpcs[1]: name: 'Blue' has a character other than a-z 0-9 . -"},
    {"name_dots", [](S& s) { s.mutable_vpcs(1)->set_name(".."); },
     "vpcs[1]: name: '..' must begin and end with a letter or digit"},
    {"vni_zero", [](S& s) { s.mutable_vpcs(1)->set_vni(0); },
     "vpc b: vni: 0 is out of range, must be 1..16777215"},
    {"vni_twice", [](S& s) { s.mutable_vpcs(1)->set_vni(7); },
     "vpc b: vni: 7 is already that of vpc a"},
    {"vpc_twice", [](S& s) { s.mutable_vpcs(1)->set_name("a"); },
     "vpc a: name: another vpc has the same"},
    {"vpc_host_bits", [](S& s) { s.mutable_vpcs(1)->set_cidr("10.0.0.1/16"); },
     "vpc b: cidr: '10.0.0.1/16' has host bits set"},
    {"vpc_ipv6", [](S& s) { s.mutable_vpcs(1)->set_cidr("2001:db8::/32"); },
     "vpc b: cidr: must be IPv4; IPv6 goes in cidr6"},
    {"vpc_without_block",
     [](S& s) {
       s.mutable_vpcs(0)->clear_cidr();
       s.mutable_vpcs(0)->clear_cidr6();
     },
     "vpc a: cidr: is missing"},
    {"vpc_cidr6_ipv4", [](S& s) { s.mutable_vpcs(0)->set_cidr6("10.0.0.0/16"); },
     "vpc a: cidr6: must be IPv6; IPv4 goes in cidr"},
    {"vpc_cidr6_host_bits", [](S& s) { s.mutable_vpcs(0)->set_cidr6("fd00:a::1/32"); },
     "vpc a: cidr6: 'fd00:a::1/32' has host bits set"},
    {"vpc_without_cidr6", [](S& s) { s.mutable_vpcs(0)->clear_cidr6(); },
     "network a/front: cidr6: fd00:a:1::/64: vpc a has no cidr6"},
    {"network6_in_vpc_without_cidr", [](S& s) { s.mutable_vpcs(0)->clear_cidr(); },
     "network a/front: cidr: 10.0.1.0/24: vpc a has no cidr"},
    {"network6_outside", [](S& s) { s.mutable_networks(3)->set_cidr6("fd00:b::/64"); },
     "network a/six: cidr6: fd00:b::/64 is outside vpc a's fd00:a::/32"},
    {"networks6_overlap", [](S& s) { s.mutable_networks(3)->set_cidr6("fd00:a::/33"); },
     "network a/six: cidr6: fd00:a::/33 overlaps fd00:a:1::/64 of network a/front"},
    {"network6_of_mapped",
     [](S& s) {
       s.mutable_vpcs(0)->set_cidr6("::/0");
       s.mutable_networks(3)->set_cidr6("::/16");
     },
     "network a/six: cidr6: ::/16 holds the IPv4-mapped addresses"},
    {"endpoint_address6_ipv4", [](S& s) { s.mutable_endpoints(3)->set_address6("10.0.1.3"); },
     "endpoint a/both: address6: must be IPv6; IPv4 goes in address"},
    {"endpoint_address_ipv6", [](S& s) { s.mutable_endpoints(3)->set_address("fd00:a:1::3"); },
     "endpoint a/both: address: must be IPv4; IPv6 goes in address6"},
    {"endpoint6_of_network4", [](S& s) { s.mutable_endpoints(1)->set_address6("fd00:a:2::2"); },
     "endpoint a/db: address6: fd00:a:2::2: the network has no cidr6"},
    {"endpoint4_of_network6", [](S& s) { s.mutable_endpoints(4)->set_address("10.0.6.2"); },
     "endpoint a/six: address: 10.0.6.2: the network has no cidr"},
    {"endpoint6_outside", [](S& s) { s.mutable_endpoints(4)->set_address6("fd00:a:1::2"); },
     "endpoint a/six: address6: fd00:a:1::2 is outside the network's fd00:a:6::/64"},
    {"endpoint6_network_address", [](S& s) { s.mutable_endpoints(4)->set_address6("fd00:a:6::"); },
     "endpoint a/six: address6: fd00:a:6:: is the network's own address"},
    {"endpoint6_gateway", [](S& s) { s.mutable_endpoints(4)->set_address6("fd00:a:6::1"); },
     "endpoint a/six: address6: fd00:a:6::1 is the network's gateway"},
    {"endpoint6_link_local",
     [](S& s) {
       s.mutable_vpcs(0)->set_cidr6("::/0");
       s.mutable_networks(3)->set_cidr6("fe80::/64");
       s.mutable_endpoints(4)->set_address6("fe80::2");
     },
     "endpoint a/six: address6: fe80::2 is no address a host can have"},
    {"endpoint6_twice",
     [](S& s) {
       s.mutable_endpoints(0)->set_address6("fd00:a:1::3");
     },
     "endpoint a/both: address6: fd00:a:1::3 is already that of endpoint a/web"},
    {"endpoint_multicast",
     [](S& s) {
       s.mutable_vpcs(0)->set_cidr("0.0.0.0/0");
       s.mutable_networks(0)->set_cidr("224.0.1.0/24");
       s.mutable_networks(0)->clear_routes();
       s.mutable_endpoints(0)->set_address("224.0.1.2");
     },
     "endpoint a/web: address: 224.0.1.2 is no address a host can have"},
    {"network_unknown_vpc", [](S& s) { s.mutable_networks(1)->set_vpc("c"); },
     "network c/back: vpc: 'c' does not stand in vpcs"},
    {"network_twice", [](S& s) { s.mutable_networks(1)->set_name("front"); },
     "network a/front: name: another network of the vpc has the same"},
    {"network_outside", [](S& s) { s.mutable_networks(1)->set_cidr("10.1.0.0/24"); },
     "network a/back: cidr: 10.1.0.0/24 is outside vpc a's 10.0.0.0/16"},
    {"network_larger", [](S& s) { s.mutable_networks(1)->set_cidr("10.0.0.0/8"); },
     "network a/back: cidr: 10.0.0.0/8 is outside vpc a's 10.0.0.0/16"},
    {"networks_overlap", [](S& s) { s.mutable_networks(1)->set_cidr("10.0.1.128/25"); },
     "network a/back: cidr: 10.0.1.128/25 overlaps 10.0.1.0/24 of network a/front"},
    {"networks_overlap_around", [](S& s) { s.mutable_networks(1)->set_cidr("10.0.0.0/20"); },
     "network a/back: cidr: 10.0.0.0/20 overlaps 10.0.1.0/24 of network a/front"},
    {"endpoint_unknown_vpc", [](S& s) { s.mutable_endpoints(0)->set_vpc("c"); },
     "endpoint c/web: vpc: 'c' does not stand in vpcs"},
    {"endpoint_unknown_network", [](S& s) { s.mutable_endpoints(0)->set_network("x"); },
     "endpoint a/web: network: 'x' is no network of vpc a"},
    {"endpoint_network_of_other_vpc",
     [](S& s) { s.mutable_endpoints(2)->set_network("back"); },
     "endpoint b/web: network: 'back' is no network of vpc b"},
    {"endpoint_unknown_host", [](S& s) { s.mutable_endpoints(0)->set_host("w9"); },
     "endpoint a/web: host: 'w9' does not stand in hosts"},
    {"endpoint_outside", [](S& s) { s.mutable_endpoints(0)->set_address("10.0.2.9"); },
     "endpoint a/web: address: 10.0.2.9 is outside the network's 10.0.1.0/24"},
    {"endpoint_network_address", [](S& s) { s.mutable_endpoints(0)->set_address("10.0.1.0"); },
     "endpoint a/web: address: 10.0.1.0 is the network's own address"},
    {"endpoint_broadcast", [](S& s) { s.mutable_endpoints(0)->set_address("10.0.1.255"); },
     "endpoint a/web: address: 10.0.1.255 is the network's broadcast address"},
    {"endpoint_gateway", [](S& s) { s.mutable_endpoints(0)->set_address("10.0.1.1"); },
     "endpoint a/web: address: 10.0.1.1 is the network's gateway"},
    {"endpoint_no_address", [](S& s) { s.mutable_endpoints(0)->clear_address(); },
     "endpoint a/web: address: is missing"},
    {"endpoint_address_twice",
     [](S& s) {
       s.mutable_endpoints(1)->set_network("front");
       s.mutable_endpoints(1)->set_address("10.0.1.2");
     },
     "endpoint a/db: address: 10.0.1.2 is already that of endpoint a/web"},
    {"service_vpc", [](S& s) { s.mutable_services(0)->set_vpc("c"); },
     "service c/www: vpc: 'c' does not stand in vpcs"},
    {"service_name", [](S& s) { s.mutable_services(0)->set_name("W"); },
     "services[0]: name: 'W' has a character other than a-z 0-9 . -"},
    {"service_twice",
     [](S& s) {
       *s.add_services() = s.services(0);
       s.mutable_services(1)->set_address("10.0.9.2");
       s.mutable_services(1)->clear_address6();
     },
     "service a/www: name: another service of the vpc has the same"},
    {"service_vip_twice",
     [](S& s) {
       *s.add_services() = s.services(0);
       s.mutable_services(1)->set_name("api");
     },
     "service a/api: address: 10.0.9.1 is already that of service a/www"},
    {"service_vip_of_endpoint", [](S& s) { s.mutable_services(0)->set_address("10.0.1.2"); },
     "service a/www: address: 10.0.1.2 is already that of endpoint a/web"},
    {"service_vip_of_gateway", [](S& s) { s.mutable_services(0)->set_address("10.0.1.1"); },
     "service a/www: address: network a/front: 10.0.1.1 is the network's gateway"},
    {"service_vip_broadcast", [](S& s) { s.mutable_services(0)->set_address("10.0.2.255"); },
     "service a/www: address: network a/back: 10.0.2.255 is the network's broadcast address"},
    {"service_vip_outside", [](S& s) { s.mutable_services(0)->set_address("10.1.9.1"); },
     "service a/www: address: 10.1.9.1/32 is outside vpc a's 10.0.0.0/16"},
    {"service_vip6_outside", [](S& s) { s.mutable_services(0)->set_address6("fd00:b::1"); },
     "service a/www: address6: fd00:b::1/128 is outside vpc a's fd00:a::/32"},
    {"service_without_address",
     [](S& s) {
       s.mutable_services(0)->clear_address();
       s.mutable_services(0)->clear_address6();
     },
     "service a/www: address: is missing"},
    {"service_without_ports", [](S& s) { s.mutable_services(0)->clear_ports(); },
     "service a/www: ports: there is none; give at least one"},
    {"service_port_twice", [](S& s) { s.mutable_services(0)->mutable_ports(1)->set_protocol("tcp"); },
     "service a/www: ports: tcp 80 is given twice"},
    {"service_port_zero", [](S& s) { s.mutable_services(0)->mutable_ports(1)->set_port(0); },
     "service a/www: ports[1]: port: 0 is out of range, must be 1..65535"},
    {"service_port_large", [](S& s) { s.mutable_services(0)->mutable_ports(1)->set_port(65536); },
     "service a/www: ports[1]: port: 65536 is out of range, must be 1..65535"},
    {"service_backend_port_large", [](S& s) { s.mutable_services(0)->mutable_ports(1)->set_backend_port(65536); },
     "service a/www: ports[1]: backend_port: 65536 is out of range, must be 1..65535"},
    {"service_protocol", [](S& s) { s.mutable_services(0)->mutable_ports(1)->set_protocol("icmp"); },
     "service a/www: ports[1]: protocol: 'icmp' must be tcp, udp or sctp"},
    {"service_sctp",
     [](S& s) {
       s.mutable_services(0)->mutable_ports(1)->set_protocol("sctp");
       s.mutable_services(0)->mutable_ports(1)->set_backend_port(81);
     },
     "service a/www: ports[1]: backend_port: 81 must be 80: SCTP's checksum covers it"},
    {"service_backend_nowhere", [](S& s) { s.mutable_services(0)->mutable_backends(0)->clear_address(); },
     "service a/www: backends[0]: address: is missing"},
    {"service_backend_outside", [](S& s) { s.mutable_services(0)->mutable_backends(0)->set_address("10.1.0.1"); },
     "service a/www: backends[0]: address: 10.1.0.1/32 is outside vpc a's 10.0.0.0/16"},
    {"service_backend_itself", [](S& s) { s.mutable_services(0)->mutable_backends(0)->set_address("10.0.9.1"); },
     "service a/www: backends[0]: address: 10.0.9.1 is the service's own"},
    {"service_backend_twice", [](S& s) { s.mutable_services(0)->mutable_backends(0)->set_address("10.0.7.7"); },
     "service a/www: backends[2]: address: 10.0.7.7 is already that of service a/www: backends[0]"},
    {"service_weight", [](S& s) { s.mutable_services(0)->mutable_backends(0)->set_weight(1001); },
     "service a/www: backends[0]: weight: 1001 is out of range, must be at most 1000"},
    {"service_sticky", [](S& s) { s.mutable_services(0)->set_sticky_seconds(86401); },
     "service a/www: sticky_seconds: 86401 is out of range, must be at most 86400"},
    {"service_class", [](S& s) { s.mutable_services(0)->set_class_("gold"); },
     "service a/www: class: \"gold\": must be one of premium, expedited, best-effort"},
    {"endpoint_annotation", [](S& s) { (*s.mutable_endpoints(0)->mutable_annotations())["mizar.com/network-class"] = "Gold"; },
     "endpoint a/web: annotations[mizar.com/network-class]: class: \"Gold\": must be one of premium, expedited, best-effort"},
    {"service_backend_host", [](S& s) { s.mutable_services(0)->mutable_backends(1)->set_host("w9"); },
     "service a/www: backends[1]: host: 'w9' does not stand in hosts"},
    {"health_without_host", [](S& s) { s.mutable_services(0)->mutable_health()->set_protocol("tcp"); },
     "service a/www: backends[0]: host: is missing: health is asked there"},
    {"health_protocol", [](S& s) { s.mutable_services(0)->mutable_health()->set_protocol("udp"); },
     "service a/www: health: protocol: 'udp' must be tcp or http"},
    {"health_path_of_tcp", [](S& s) { health(s, "tcp").set_path("/"); }, "service a/www: health: path: is for http alone"},
    {"health_path_relative", [](S& s) { health(s, "http").set_path("well"); },
     "service a/www: health: path: 'well' must begin with / and be at most 255 printable characters"},
    {"health_path_split", [](S& s) { health(s, "http").set_path("/a b"); },
     "service a/www: health: path: '/a b' must begin with / and be at most 255 printable characters"},
    {"health_path_long", [](S& s) { health(s, "http").set_path("/" + std::string(255, 'a')); },
     kLongPath.c_str()},
    {"health_port", [](S& s) { health(s, "tcp").set_port(65536); },
     "service a/www: health: port: 65536 is out of range, must be 1..65535"},
    {"health_no_tcp",
     [](S& s) {
       s.mutable_services(0)->mutable_ports()->DeleteSubrange(0, 1);
       health(s, "tcp");
     },
     "service a/www: health: port: the service has no TCP port; name the backends' port to probe"},
    {"health_interval", [](S& s) { health(s, "tcp").set_interval_ms(99); },
     "service a/www: health: interval_ms: 99 is out of range, must be 100..3600000"},
    {"health_timeout", [](S& s) { health(s, "tcp").set_timeout_ms(60001); },
     "service a/www: health: timeout_ms: 60001 is out of range, must be 100..60000"},
    {"health_passes", [](S& s) { health(s, "tcp").set_passes(101); },
     "service a/www: health: passes: 101 is out of range, must be 1..100"},
    {"health_failures", [](S& s) { health(s, "tcp").set_failures(101); },
     "service a/www: health: failures: 101 is out of range, must be 1..100"},
    {"service_backends",
     [](S& s) {
       for (int i = 0; i < 653; i++)
         s.mutable_services(0)->add_backends()->set_address(fmt::format("10.0.{}.{}", 16 + i / 200, 1 + i % 200));
     },
     "service a/www: backends: 656 is out of range, must be at most 655"},
    {"vpc_domain_letters", [](S& s) { s.mutable_vpcs(0)->set_domain("Corp.example"); },
     "vpc a: domain: 'Corp.example' is no domain name of a-z 0-9 -"},
    {"vpc_domain_last_dot", [](S& s) { s.mutable_vpcs(0)->set_domain("corp.example."); },
     "vpc a: domain: 'corp.example.' is no domain name of a-z 0-9 -"},
    {"vpc_domain_hyphen", [](S& s) { s.mutable_vpcs(0)->set_domain("corp-.example"); },
     "vpc a: domain: 'corp-.example' is no domain name of a-z 0-9 -"},
    {"vpc_domain_label", [](S& s) { s.mutable_vpcs(0)->set_domain(std::string(64, 'x')); },
     "vpc a: domain: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' is no domain name of a-z 0-9 -"},
    {"vpc_domain_long", [](S& s) { s.mutable_vpcs(0)->set_domain(std::string(60, 'x') + "." + std::string(60, 'x')); },
     "vpc a: domain: is 121 characters long, at most 120 are allowed"},
    {"vpc_domain_reverse", [](S& s) { s.mutable_vpcs(0)->set_domain("10.in-addr.arpa"); },
     "vpc a: domain: '10.in-addr.arpa' belongs to the reverse names"},
    {"network_dns", [](S& s) { s.mutable_networks(0)->set_dns(1, "resolver"); },
     "network a/front: dns[1]: 'resolver' is not an IP address"},
    {"network_dns_multicast", [](S& s) { s.mutable_networks(0)->set_dns(0, "224.0.0.251"); },
     "network a/front: dns[0]: 224.0.0.251 is no address a host can have"},
    {"network_dns_loop", [](S& s) { s.mutable_networks(0)->set_dns(0, "169.254.169.253"); },
     "network a/front: dns[0]: 169.254.169.253 is not reached from the host"},
    {"network_dns_loop6", [](S& s) { s.mutable_networks(0)->set_dns(0, "fd4d:5aff::53"); },
     "network a/front: dns[0]: fd4d:5aff::53 is not reached from the host"},
    {"network_dns_many", [](S& s) { for (int i = 0; i < 7; i++) s.mutable_networks(0)->add_dns("192.0.2.1"); },
     "network a/front: dns: 9 are given, at most 8 are allowed"},
    {"network_route", [](S& s) { s.mutable_networks(0)->mutable_routes(0)->set_prefix("172.16.0.1/12"); },
     "network a/front: routes[0]: prefix: '172.16.0.1/12' has host bits set"},
    {"network_route6", [](S& s) { s.mutable_networks(0)->mutable_routes(0)->set_prefix("fd00::/8"); },
     "network a/front: routes[0]: prefix: must be IPv4: routers tell routes of IPv6"},
    {"network_route_via", [](S& s) { s.mutable_networks(0)->mutable_routes(1)->set_via("10.0.2.1"); },
     "network a/front: routes[1]: via: 10.0.2.1 is outside the network's 10.0.1.0/24"},
    {"network_route_no_cidr", [](S& s) { s.mutable_networks(3)->add_routes()->set_prefix("0.0.0.0/0"); },
     "network a/six: routes[0]: the network has no cidr"},
    {"network_routes_many",
     [](S& s) { for (int i = 0; i < 23; i++) s.mutable_networks(0)->add_routes()->set_prefix("10.9.0.0/16"); },
     "network a/front: routes: 25 are given, at most 24 are allowed"},
    {"endpoint_user_data", [](S& s) { s.mutable_endpoints(0)->set_user_data(std::string(16385, 'x')); },
     "endpoint a/web: user_data: is 16385 bytes long, at most 16384 are allowed"},
    {"endpoint_delivery", [](S& s) { s.mutable_endpoints(0)->set_delivery("XDP"); },
     "endpoint a/web: delivery: 'XDP' is neither tc nor xdp"},
    {"name_vpc", [](S& s) { s.mutable_names(0)->set_vpc("z"); }, "name z/far: vpc: 'z' does not stand in vpcs"},
    {"name_network", [](S& s) { s.mutable_names(0)->clear_network(); }, "name a/far: network: is missing"},
    {"name_address", [](S& s) { s.mutable_names(0)->set_address("127.0.0.1"); },
     "name a/far: address: 127.0.0.1 is no address a host can have"},
    {"name_twice", [](S& s) { *s.add_names() = s.names(0); }, "name a/far: name: another name of the vpc is the same"},
    {"endpoint_twice", [](S& s) { s.mutable_endpoints(1)->set_name("web"); },
     "endpoint a/web: name: another endpoint of the vpc has the same"},
    {"endpoint_mac", [](S& s) { s.mutable_endpoints(1)->set_mac("01:00:00:00:00:05"); },
     "endpoint a/db: mac: '01:00:00:00:00:05' is a multicast MAC"},
    {"attach_elsewhere", [](S& s) { s.mutable_endpoints(1)->mutable_netns()->set_name("db"); },
     "endpoint a/db: netns: only for endpoints of this host (w1), not of b1"},
    {"netns_without_name", [](S& s) { s.mutable_endpoints(0)->mutable_netns()->clear_name(); },
     "endpoint a/web: netns.name: is missing"},
    {"netns_climbs",
     [](S& s) { s.mutable_endpoints(0)->mutable_netns()->set_name("../../etc"); },
     "endpoint a/web: netns.name: '../../etc' must be a name or an absolute path"},
    {"tap_name_too_long",
     [](S& s) { s.mutable_endpoints(2)->mutable_tap()->set_interface("sixteen-letters."); },
     "endpoint b/web: tap.interface: 'sixteen-letters.' is no interface name of 1..15 characters"},
    {"interface_twice",
     [](S& s) { s.mutable_endpoints(2)->mutable_netns()->set_name("web"); },
     "endpoint b/web: netns: web/eth0 is already that of endpoint a/web"},
    {"shards_short",
     [](S& s) { s.mutable_networks(0)->mutable_bouncers()->mutable_backup()->RemoveLast(); },
     "network a/front: bouncers: primary and backup have 128 and 127 entries, must have 0 or 128 "
     "both"},
    {"shards_unknown_host",
     [](S& s) { s.mutable_networks(0)->mutable_bouncers()->set_primary(9, 3); },
     "network a/front: bouncers.primary[9]: host id 3 does not stand in hosts"},
    {"shards_own_backup",
     [](S& s) { s.mutable_networks(0)->mutable_bouncers()->set_backup(9, 2); },
     "network a/front: bouncers: bucket 9: host id 2 is its own backup"},
    {"dividers_unknown_host",
     [](S& s) {
       for (unsigned b = 0; b < MZ_BUCKETS; b++) {
         s.mutable_vpcs(1)->mutable_dividers()->add_primary(0);
         s.mutable_vpcs(1)->mutable_dividers()->add_backup(77);
       }
     },
     "vpc b: dividers.backup[0]: host id 77 does not stand in hosts"},
    {"peering_of_nobody", [](S& s) { s.mutable_peerings(0)->set_vpc("c"); },
     "peering c/trade: vpc: 'c' does not stand in vpcs"},
    {"peering_with_nobody", [](S& s) { s.mutable_peerings(0)->set_peer("c"); },
     "peering a/trade: peer: 'c' does not stand in vpcs"},
    {"peering_with_itself", [](S& s) { s.mutable_peerings(0)->set_peer("a"); }, "peering a/trade: peer: is the same VPC"},
    {"peering_without_parts", [](S& s) { s.mutable_peerings(0)->clear_parts(); }, "peering a/trade: parts: there is none"},
    {"peering_elsewhere", [](S& s) { s.mutable_peerings(0)->set_parts(0, "10.9.0.0/24"); },
     "peering a/trade: parts[0]: 10.9.0.0/24 is outside vpc b's 10.0.0.0/16"},
    {"peering_over_a_network", [](S& s) { s.mutable_peerings(0)->set_parts(0, "10.0.1.0/25"); },
     "peering a/trade: parts[0]: 10.0.1.0/25 overlaps 10.0.1.0/24 of network a/front"},
    {"peering_twice",
     [](S& s) {
       *s.add_peerings() = s.peerings(0);
       s.mutable_peerings(1)->set_parts(0, "10.0.5.0/24");
     },
     "peering a/trade: name: the VPC has another peering of this name"},
};
INSTANTIATE_TEST_SUITE_P(, BadGoal, testing::ValuesIn(kBad),
                         [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace mizar
