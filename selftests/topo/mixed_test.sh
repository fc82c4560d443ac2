#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hosts on underlays of different families: w1 has only IPv4, w2 only IPv6. Their
# endpoints talk over the hops, which have both; there is no direct path.
set -eu
. "$(dirname "$0")/lib.sh"
UNDERLAY=mixed
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-mixed
trap topo_end EXIT
standard_up
serve red-b red/b
serve red-c red/c
serve red-a red/a

ok "IPv4 crosses" says red-a 10.0.1.6 red/b
ok "IPv6 crosses" says red-a fd00:10:1::6 red/b
ok "... to the other network" says red-a fd00:10:2::5 red/c
ok "... and back" says red-c 10.0.1.5 red/a
before=$(bounced)
on red-a ping -qc 20 -i 0.01 10.0.1.6 > /dev/null
ok "every packet goes over a bouncer, both ways" test "$(bounced)" -eq $((before + 40))
ok "nothing is sent directly" test "$(count_of w1 DIRECT red) $(count_of w2 DIRECT red)" = "0 0"
ok "the MTU leaves room for the longer header, on both" test "$(mtu_of red-a eth0) $(mtu_of red-b eth0)" = "1414 1414"
ok "a full-sized packet passes" on red-a ping -qc 2 -i 0.05 -W 1 -M do -s 1386 10.0.1.6
ok "... and an IPv6 one" on red-a ping -qc 2 -i 0.05 -W 1 -M do -s 1366 fd00:10:1::6
tcp() {
	tcp_begin red-a red-b "$1" $((8 << 20))
	tcp_end
}
ok "TCP over IPv4 crosses whole" tcp 10.0.1.6
ok "TCP over IPv6 crosses whole" tcp fd00:10:1::6
finish
