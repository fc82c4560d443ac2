#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Endpoints without a goal-state file, taps, namespaces that come and go, sizes.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
PACE=$(dirname "$(readlink -f "$0")")/pace.py
need_root
topo_begin mzt-endpoint
trap topo_end EXIT
topo_router
topo_host w1 1
topo_host w2 2
topo_daemon w1 --uplink eth0
for e in one two three; do topo_ns $e; done
if [[ $FAMILY == 4 ]]; then
	CIDR="--cidr 10.9.0.0/24" SECOND="--ip 10.9.0.3" TAP=10.0.1.8 HEADERS=28
else
	CIDR="--cidr6 fd00:9::/64" SECOND="--ip6 fd00:9::3" TAP=fd00:10:1::8 HEADERS=48
fi
[[ $UNDERLAY == 4 ]] && MTU=1434 || MTU=1414
add() { # NAME [ARGS...]
	local name=$1
	shift
	transit w1 endpoint add "$name" --netns "$(ns "$name")" --vpc shop "$@" > "$TOPO_DIR/add"
}
ok "a first endpoint, nothing known before" add one --vni 7 $CIDR
ok "a second one, address chosen" add two
serve two shop/two
ok "they reach each other" says one ${SECOND#* } shop/two
ok "MTU is the uplink's less 66" test "$(mtu_of one eth0)" = 1434
taken() { ! add two 2> "$TOPO_DIR/error" && grep -q "shop/two.*exists" "$TOPO_DIR/error"; }
ok "a name that is taken is refused" taken
transit w1 endpoint delete shop/two > /dev/null
gone() { ! on two ip link show eth0 2> /dev/null; }
ok "delete removes the interface at once" gone
absent() {
	local rc=0
	transit w1 endpoint delete shop/two > /dev/null 2>&1 || rc=$?
	[[ $rc -eq 3 ]]
}
ok "deleting it again is NOT_FOUND, exit 3" absent
ok "its address is free again" add three $SECOND
topo_daemon_stop w1 KILL
topo_daemon w1 --uplink eth0
ready() { [[ $(transit w1 endpoint list | grep -c '  ready ') -eq 2 ]] && on one ping -qc 1 -W 1 ${SECOND#* }; }
ok "endpoints added here outlive the daemon" ready

# In a region, beside planned ones; over two hosts; with clsact.
topo_daemon_stop w1
topo_daemon w1 --clsact
topo_daemon w2 --clsact
topo_ns red-a
topo_ns red-b
topo_apply w1 w2 << R
revision: 1
hosts:
  - {name: w1, id: 1, $(at w1 1), roles: [bouncer, divider]}
  - {name: w2, id: 2, $(at w2 2)}
vpcs:
  - {name: red, vni: 100, cidr: 10.0.0.0/16, cidr6: "fd00:10::/32"}
networks:
  - {name: front, vpc: red, cidr: 10.0.1.0/24, cidr6: "fd00:10:1::/64"}
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-a)}
  - {name: b, vpc: red, network: front, $(both 1 6), host: w2, netns: $(ns red-b)}
  - {name: t, vpc: red, network: front, $(both 1 8), host: w2, tap: mztap0}
R
serve red-b red/b
ok "clsact filters carry traffic like links" says red-a $B red/b
clsact() { # on w2: w1 has kept the links it had
	transit w2 status > "$TOPO_DIR/status" && ! grep -q tcx "$TOPO_DIR/status" &&
		grep -q "endpoint clsact" "$TOPO_DIR/status" && grep -q "uplink-deliver clsact" "$TOPO_DIR/status"
}
ok "... and are what is used" clsact
ok "big datagrams go in fragments" on red-a ping -qc 2 -i 0.05 -W 1 -s 8000 $B
ok "a full-sized packet passes" on red-a ping -qc 2 -i 0.05 -W 1 -M do -s $((MTU - HEADERS)) $B
tcp() {
	tcp_begin red-a red-b $B $((200 << 20))
	tcp_end
}
ok "TCP with offloads moves 200 MiB, whole" tcp
superpackets() { # by UDP_SEGMENT, as QUIC sends; the receiver has no UDP_GRO
	start red-b "$TOPO_DIR/heard" "$PACE" receive 5009 2000 1 "$FAMILY"
	wait_for 5 on red-b bash -c 'ss -lun | grep -q ":5009 "'
	on red-a "$PACE" send $B 5009 4000000 1000 3 0 0 20 > /dev/null
	wait_for 10 test -s "$TOPO_DIR/heard"
	sed 's/^/# /' "$TOPO_DIR/heard"
	[[ $(grep -o 'packets [0-9]*' "$TOPO_DIR/heard" | cut -d' ' -f2) -gt 300 ]]
}
ok "superpackets of UDP arrive as datagrams" superpackets

# A tap: a machine's side is a program that answers ARP-less pings by hand.
tap_machine() {
	start w2 "$TOPO_DIR/tap" "$(dirname "$0")/tap.py" mztap0 $TAP
	wait_for 5 grep -q ready "$TOPO_DIR/tap"
	on red-a ping -qc 3 -i 0.05 -W 1 $TAP
}
ok "a tap endpoint answers" tap_machine

# A namespace that goes and comes back under its name.
ip netns pids "$(ns red-b)" | xargs -r kill
ip netns del "$(ns red-b)"
not_ready() { grep -q '^red/b .* not ready' <<< "$(transit w2 endpoint list)"; }
ok "an endpoint whose namespace is gone is not ready" wait_for 5 not_ready
topo_ns red-b
serve red-b red/b
ok "it is connected again when the namespace is back" \
	wait_for 5 on red-a ping -qc 1 -W 1 $B
finish
