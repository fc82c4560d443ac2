#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Neighbour discovery against a real stack: what an endpoint's own kernel makes of
# the network's answers (RFC 4861, RFC 4862).
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-nd
trap topo_end EXIT
topo_router
topo_host w1 1
topo_daemon w1
# a is connected by us; m is a machine on a tap that configures itself.
topo_ns red-a
topo_ns machine
topo_apply w1 << R
revision: 1
hosts:
  - {name: w1, id: 1, address: 10.77.1.1, roles: [bouncer, divider]}
vpcs:
  - {name: red, vni: 100, cidr6: "fd00:10::/32"}
networks:
  - {name: front, vpc: red, cidr6: "fd00:10:1::/64"}
endpoints:
  - {name: a, vpc: red, network: front, address6: "fd00:10:1::5", host: w1, netns: $(ns red-a)}
  - {name: m, vpc: red, network: front, address6: "fd00:10:1::ff:fe00:77", mac: "02:00:00:00:00:77", host: w1, netns: $(ns machine)}
R
# What the daemon set up in the machine goes, as if it had booted by itself.
on machine ip link set eth0 down
on machine ip -6 addr flush dev eth0
on machine sysctl -qw net.ipv6.conf.eth0.accept_ra=1 net.ipv6.conf.eth0.accept_dad=1 \
	net.ipv6.conf.eth0.use_tempaddr=0 net.ipv6.conf.eth0.addr_gen_mode=0 \
	net.ipv6.conf.eth0.router_solicitation_delay=0
on machine ip link set eth0 up
has() { on machine ip -6 "$1" show dev eth0 | grep -q "$2"; }
ok "4862 5.5.3: it makes its address of the advertised prefix" wait_for 8 has addr 'fd00:10:1::ff:fe00:77/64.*dynamic'
usable() { has addr fd00:10:1::ff:fe00:77 && ! has addr tentative && ! has addr dadfailed; }
ok "4862 5.4: nobody contests it" wait_for 5 usable
ok "4861 6.3.4: its default router is the gateway" has route '^default via fe80::4d:5aff:fe00:1 .*proto ra'
ok "4861 6.3.4: the MTU is taken over" test "$(on machine sysctl -n net.ipv6.conf.eth0.mtu)" = 1434
serve red-a red/a
ok "it reaches its neighbour" says machine fd00:10:1::5 red/a
neighbour() { on machine ip neigh show fd00:10:1::5 dev eth0 | grep -q 'lladdr 02:4d:5a:00:00:01 router'; }
ok "4861 7.2.4: which has the gateway's MAC" neighbour
ok "the gateway answers a ping" on machine ping -qc 2 -i 0.05 -W 1 fd00:10:1::1
ok "... and at its link-local address, from the machine's" on machine ping -qc 2 -i 0.05 -W 1 fe80::4d:5aff:fe00:1%eth0
on machine ip addr add fd00:10:1::5/64 dev eth0
failed() { on machine ip -6 addr show dev eth0 | grep 'fd00:10:1::5/64' | grep -q dadfailed; }
ok "4862 5.4.3: an address of another endpoint is refused to it" wait_for 5 failed
ok "... and what it sends from there is dropped" test "$(
	on machine sysctl -qw net.ipv6.conf.eth0.accept_dad=0
	on machine ip addr add fd00:10:1::99/64 dev eth0 nodad
	on machine ping -qc 1 -W 1 -I fd00:10:1::99 fd00:10:1::5 > /dev/null || count_of w1 SRC_IP red
)" -ge 1
ok "no advertisement of ours was needed unasked: all were counted as answers" test "$(count_of w1 RA_REPLY red)" -ge 1
finish
