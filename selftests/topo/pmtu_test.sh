#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An endpoint that takes its path for larger than it is, is told so and learns:
# RFC 1191 and RFC 8201 with a real stack.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-pmtu
trap topo_end EXIT
standard_up
serve red-c red/c
wanted=$([[ $UNDERLAY == 4 ]] && echo 1434 || echo 1414)
# As a machine whose image says 1500: more than the overlay has.
on red-a ip link set eth0 mtu 1500
learned() { on red-a ip route get "$1" | grep -q "mtu $wanted"; }
ok "IPv4: a packet of 1500 bytes is refused with the MTU" \
	bash -c "! nsenter --net=/run/netns/$(ns red-a) ping -qc 1 -W 1 -M do -s 1472 10.0.2.5 > /dev/null"
ok "... and learned" learned 10.0.2.5
ok "IPv6: the same" \
	bash -c "! nsenter --net=/run/netns/$(ns red-a) ping -qc 1 -W 1 -M do -s 1452 fd00:10:2::5 > /dev/null"
ok "... and learned" learned fd00:10:2::5
ok "a large ping goes in fragments now" on red-a ping -qc 2 -i 0.05 -W 1 -s 4000 10.0.2.5
ok "... IPv6 too" on red-a ping -qc 2 -i 0.05 -W 1 -s 4000 fd00:10:2::5
on red-a ip route flush cache
on red-a ip -6 route flush cache
tcp() {
	tcp_begin red-a red-c "$1" $((8 << 20))
	tcp_end
}
# The receiver's own MTU bounds the segments it asks for; raise it too.
on red-c ip link set eth0 mtu 1500
ok "TCP over IPv4 that begins with too large segments arrives whole" tcp 10.0.2.5
ok "... because it was told" test "$(count_of w1 TOO_BIG_REPLY red)" -ge 3
before=$(count_of w1 TOO_BIG_REPLY red)
ok "TCP over IPv6 the same" tcp fd00:10:2::5
ok "... because it was told" test "$(count_of w1 TOO_BIG_REPLY red)" -gt "$before"
finish
