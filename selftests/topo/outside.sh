# SPDX-License-Identifier: Apache-2.0
# An outside for gateways: a provider's router, the namespace `isp`, with servers behind
# it, and BGP between it and every gateway. Source after lib.sh and region.sh.
#
#   outside_up                 the namespace, its servers at $SERVER and $SERVER2
#   outside_link HOST N        the Nth cable: from HOST's out0 to it
#   two_gateways               two of them, two hosts, a bouncer and a divider, with daemons
#   outside_pull HOST N R, outside_plug N R   all cables of a gateway, at their other ends
#   outside_static HOST        routes to and from it, for one that is the only gateway
#   outside_bgp HOST...        bird on these hosts and on it (AS 65001 and 65000)
#
# The pools' blocks are RFC 5737 TEST-NET-2 and 2001:db8:51::/64.

if [[ $FAMILY == 4 ]]; then
	SERVER=192.0.2.10 SERVER2=192.0.2.11
else
	SERVER=2001:db8:2::10 SERVER2=2001:db8:2::11
fi

outside_up() {
	topo_ns isp
	on isp ip addr add 192.0.2.10/32 dev lo
	on isp ip addr add 192.0.2.11/32 dev lo
	on isp ip addr add 2001:db8:2::10/128 dev lo
	on isp ip addr add 2001:db8:2::11/128 dev lo
	# Every packet of the outside comes from a server, whichever cable it takes.
	on isp sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.fib_multipath_hash_policy=1 \
		net.ipv6.fib_multipath_hash_policy=1
}

outside_link() { # HOST N
	ip link add out0 netns "$(ns "$1")" type veth peer name "o$2" netns "$(ns isp)"
	on "$1" ip addr add "203.0.113.$(($2 * 4 + 2))/30" dev out0
	on "$1" ip addr add "2001:db8:f$2::2/64" dev out0 nodad
	on "$1" ip link set out0 up
	on isp ip addr add "203.0.113.$(($2 * 4 + 1))/30" dev "o$2"
	on isp ip addr add "2001:db8:f$2::1/64" dev "o$2" nodad
	on isp ip link set "o$2" up
	echo "$2" > "$TOPO_DIR/$1/outside"
}

two_gateways() {
	local h
	four_wired
	topo_host g1 6
	topo_host g2 7
	outside_up
	outside_link g1 1
	outside_link g2 2
	for h in w1 w2 b1 d1; do topo_daemon $h; done
	for h in g1 g2; do topo_daemon $h --outside out0; done
}

# What a gateway still holds for a neighbour is lost: the lab's hosts share a kernel, in
# which a sender's TCP does not repeat what it sees in a queue (skb_still_in_host_queue).
outside_pull() { # HOST N R
	on router ip link set "r$3" down
	on isp ip link set "o$2" down
	wait_for 5 on "$1" ip neigh flush all nud all # it fails where one goes by itself meanwhile
}
outside_plug() { # N R
	on router ip link set "r$2" up
	on isp ip link set "o$1" up
	on isp ip addr replace "2001:db8:f$1::1/64" dev "o$1" nodad
}

# Sessions of both families with a neighbour: NAME LOCAL-AS REMOTE-AS V4 V6 EXPORT
bgp_sessions() {
	local f
	for f in 4 6; do
		cat << B
protocol bgp $1$f {
	local as $2;
	neighbor $([[ $f == 4 ]] && echo "$4" || echo "$5") as $3;
	hold time 3;
	keepalive time 1;
	connect delay time 1;
	error wait time 1, 2;
	ipv$f { import all; export where $6; next hop self; };
}
B
	done
}

# Without routing daemons: one gateway, by routes of both sides.
outside_static() { # HOST
	local n
	n=$(< "$TOPO_DIR/$1/outside")
	on isp ip route add 198.51.100.0/24 via "203.0.113.$((n * 4 + 2))"
	on isp ip route add 2001:db8:51::/64 via "2001:db8:f$n::2"
	on "$1" ip route add 192.0.2.0/24 via "203.0.113.$((n * 4 + 1))"
	on "$1" ip route add 2001:db8:2::/48 via "2001:db8:f$n::1"
}

outside_bgp() { # HOST...
	local h n
	for h in "$@"; do
		n=$(< "$TOPO_DIR/$h/outside")
		{
			echo "router id 203.0.113.$((n * 4 + 2));"
			echo "protocol device { scan time 1; }"
			# The pools, as transitd announces them, go out; what is learned goes in.
			for f in 4 6; do
				echo "protocol kernel { learn; scan time 1; ipv$f { import where krt_source = 77; export where source = RTS_BGP; }; }"
			done
			bgp_sessions isp 65001 65000 "203.0.113.$((n * 4 + 1))" "2001:db8:f$n::1" "source = RTS_INHERIT"
		} > "$TOPO_DIR/$h/bird.conf"
		start "$h" "$TOPO_DIR/$h/bird.log" bird -f -c "$TOPO_DIR/$h/bird.conf" -s "$TOPO_DIR/$h/bird.ctl"
	done
	{
		echo "router id 203.0.113.1;"
		echo "protocol device { scan time 1; }"
		for f in 4 6; do
			# From an address that outlives a cable.
			echo "protocol kernel { merge paths on; scan time 1; ipv$f { export filter { if source != RTS_BGP then reject; krt_prefsrc = $([[ $f == 4 ]] && echo 192.0.2.10 || echo 2001:db8:2::10); accept; }; }; }"
		done
		echo "protocol static { ipv4; route 192.0.2.0/24 blackhole; }"
		echo "protocol static { ipv6; route 2001:db8:2::/48 blackhole; }"
		for h in "$@"; do
			n=$(< "$TOPO_DIR/$h/outside")
			bgp_sessions "$h" 65000 65001 "203.0.113.$((n * 4 + 2))" "2001:db8:f$n::2" "source = RTS_STATIC"
		done
	} > "$TOPO_DIR/isp.conf"
	start isp "$TOPO_DIR/isp.log" bird -f -c "$TOPO_DIR/isp.conf" -s "$TOPO_DIR/isp.ctl"
}

# Gateways that announce a block, by the kernel's routes there.
announced_by() { on isp ip "-$FAMILY" -o route show "$1" | grep -o 'via ' | wc -l; }
