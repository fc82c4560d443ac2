# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=sizes: how large a packet may be, and who says so: the endpoint's own
# gateway, the way out, an underlay that grows. Sourced by demo.sh.
. selftests/topo/outside.sh
topo_host g1 7
outside_up
outside_link g1 1
topo_daemon g1 --outside out0
{
	demo_region 2 | sed '/name: w3, id: 6/a\  - {name: g1, id: 7, address: 10.77.7.1}'
	echo "gateways:"
	echo "  - {name: out, vpc: red, hosts: [g1], pools: [198.51.100.0/29, '2001:db8:51::/125']}"
} | topo_apply b1 b2 d1 g1 w1 w2 w3
outside_static g1
wait_for 10 hops_up
mtu_of() { on "$1" ip -o link show eth0 | grep -o 'mtu [0-9]*' | cut -d' ' -f2; }

say "1. Endpoints have what the underlay leaves them: 1500 less 66"
echo "   eth0 of red/a: $(mtu_of red-a)"
echo "   ... who sends more is told, by a valid source on its link:"
show on red-a ip route flush cache
show on red-a ping -c 1 -W 1 -M do -s 1406 10.0.2.6 | sed -n 2p
on red-a ip link set eth0 mtu 1500
show on red-a ping -c 1 -W 1 -M do -s 1407 10.0.2.6 | sed -n 2p
on red-a ip link set eth0 mtu 1434
on red-a ip -6 route flush cache

say "2. More goes in fragments, which follow their flow: 4,000 bytes"
show on red-a ping -c 1 -W 1 -s 4000 10.0.2.6 | sed -n 2p
show transit w1 flow list --vpc red

say "3. The way out is narrower: its MTU becomes 1300"
show on red-a tracepath -n -m 3 192.0.2.10
on g1 ip link set out0 mtu 1300
on isp ip link set o1 mtu 1300
wait_for 5 grep -q 'MTU 1500 -> 1300' "$TOPO_DIR/g1/log"
echo "   ... transitd notices, and tells whoever sends more:"
show on red-a tracepath -n -m 3 192.0.2.10
show transit g1 stats --vpc red | grep -E 'REASON|REPLY'

say "4. The underlay grows to 9000, and the endpoints with it"
n=0
for h in w1 w2 b1 b2 d1 w3 g1; do
	n=$((n + 1))
	on router ip link set r$n mtu 9000
	on $h ip link set eth0 mtu 9000
done
grown() { [[ $(mtu_of red-a) == 8934 && $(mtu_of red-d) == 8934 ]]; }
wait_for 5 grown
echo "   eth0 of red/a: $(mtu_of red-a)"
show on red-a ping -c 1 -W 1 -M do -s 8906 10.0.2.6 | sed -n 2p
