# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=ipv6: the same endpoints over IPv6, and sizes. Sourced by demo.sh.

say "1. What an endpoint sees: its address, its router, its neighbours"
show on red-a ip -6 -br addr show dev eth0
show on red-a ip -6 route show default
on red-a ping -qc 1 -W 1 fd00:10:1::6 > /dev/null
show on red-a ip -6 neigh show dev eth0

say "2. The way of a packet: red/a -> fd00:10:2::6 (another network)"
transit w1 trace red/a fd00:10:2::6 --follow | awk '
	/^host / { host = $2 }
	/=>/ { sub(/^ *=> */, ""); sub(/:.*/, ""); printf "   %-4s %s\n", host, $0 }'

say "3. Pings: a neighbour, another network, the gateway"
for to in fd00:10:1::6 fd00:10:2::6 fd00:10:1::1; do
	on red-a ping -qc 3 -i 0.05 -W 1 $to | awk -v to=$to -F/ '/^rtt/ { printf "   %-16s %s ms\n", to, $5 }'
done

say "4. Too large a packet is answered with the size that fits (RFC 8201, RFC 1191)"
on red-a ip link set eth0 mtu 1500
show on red-a ping -c 1 -W 1 -M do -s 1452 fd00:10:2::6 || true
show on red-a ping -c 1 -W 1 -M do -s 1472 10.0.2.6 || true
show on red-a ip route get fd00:10:2::6
show on red-a ip route get 10.0.2.6

say "5. ... and TCP that began too large arrives whole"
on red-d ip link set eth0 mtu 1500
for to in fd00:10:2::6 10.0.2.6; do
	tcp_begin red-a red-d $to $((8 << 20))
	tcp_end | sed "s/^#/   $to/"
done
