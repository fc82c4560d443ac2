#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who delivers what other hosts send: XDP to endpoints that want it, TC to all others, and to those
# where XDP cannot. What XDP delivers, the kernel's own captures on the uplink never see.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-delivery
trap topo_end EXIT
[[ $UNDERLAY == 4 ]] && TOPO_MTU=9066 || TOPO_MTU=9086
[[ $FAMILY == 4 ]] && FULL=8972 TAP=10.0.1.8 || FULL=8952 TAP=fd00:10:1::8
standard_up
topo_wire w2 2
region() { # REVISION DELIVERY, of red/c and a tap
	standard_region "$1" | sed "s|netns: $(ns red-c)}|netns: $(ns red-c), delivery: $2}|"
	echo "  - {name: t, vpc: red, network: front, $(both 1 8), host: w2, tap: mztap0, delivery: $2}"
}
deliver_by() { region "$@" | topo_apply; }
polls() { on red-c ethtool -k eth0 | grep -q "^generic-receive-offload: $1"; }
has_xdp() { on w2 ip link show eth0 | grep -q xdp; }

# Large packets that w2's kernel sees on its uplink while COMMAND runs are in $SEEN.
SEEN=
seen() {
	local rc=0 pid
	start w2 "$TOPO_DIR/tcpdump" tcpdump --immediate-mode -Q in -U -s 96 -ni eth0 -w "$TOPO_DIR/w2.pcap" "udp port 6081 and greater 600"
	pid=$STARTED
	wait_for 5 test -s "$TOPO_DIR/w2.pcap"
	"$@" || rc=$?
	kill -INT "$pid"
	wait_for 5 bash -c "! kill -0 $pid"
	SEEN=$(tcpdump -nr "$TOPO_DIR/w2.pcap" 2> /dev/null | wc -l)
	rm "$TOPO_DIR/w2.pcap"
	return $rc
}
pings() { on red-a ping -qc 5 -i 0.02 -W 1 -s "${2:-600}" "$1" > "$TOPO_DIR/ping"; }
by_tc() { seen pings "$@" && [[ $SEEN -ge 5 ]]; }
by_xdp() { seen pings "$@" && [[ $SEEN == 0 ]]; }
tcp() {
	tcp_begin red-a red-c $C 60000000
	tcp_end
}

ok "TC delivers to who says nothing" by_tc $C
ok "... and there is no XDP where nobody wants it" eval '! has_xdp'

# ---- endpoints that want XDP --------------------------------------------------------------
deliver_by 2 xdp
ok "XDP delivers to an endpoint that wants it" by_xdp $C
ok "... whose end of the veth polls" polls on
ok "... and counts it" raised w2 DELIVERED red on red-a ping -qc 3 -i 0.02 -W 1 $C
ok "... TC to others of the host" by_tc $B
ok "TCP arrives whole" seen tcp
ok "... by XDP but for what fills more than a page" test "$SEEN" -gt 100
ok "frames of several pages are TC's" eval 'pings $C $FULL; by_tc $C $FULL'
start w2 "$TOPO_DIR/tap" "$(dirname "$0")/tap.py" mztap0 $TAP
wait_for 5 grep -q ready "$TOPO_DIR/tap"
ok "a machine behind a tap" by_xdp $TAP
ok "doctor says so" eval 'transit w2 doctor | grep -q "delivery.*XDP to 2 endpoints"'
transit w2 qos set endpoint red/c ingress=100M > /dev/null
ok "what is kept to a rate is TC's" by_tc $C
transit w2 qos clear endpoint red/c > /dev/null
ok "... as long as it is" by_xdp $C

# ---- what the daemon does with it ----------------------------------------------------------
topo_daemon_stop w2 KILL
ok "without its daemon" by_xdp $C
topo_daemon w2
ok "the daemon takes it up again" eval 'wait_for 10 hops_up && by_xdp $C'
deliver_by 3 tc
ok "back to TC" by_tc $C
ok "... the veth as it was" polls off
ok "... and no XDP" eval '! has_xdp'
topo_daemon_stop w2
topo_daemon w2 --delivery xdp
wait_for 10 hops_up
ok "the host's own default: to who says nothing" by_xdp $B
ok "... not to who does" by_tc $C
region 4 both > "$TOPO_DIR/bad.yaml"
refused() { ! "$BIN/transit" plan -f "$TOPO_DIR/bad.yaml" -o "$TOPO_DIR/plan" 2> "$TOPO_DIR/bad" && grep -q "endpoint red/c: delivery: 'both' is neither tc nor xdp" "$TOPO_DIR/bad"; }
ok "another word is refused" refused
finish
