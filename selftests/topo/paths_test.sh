#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Divider, bouncer, direct; hints; moves; the loss of a bouncer: under traffic, TCP too.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-paths
trap topo_end EXIT
standard_up
serve red-b red/b
serve red-c red/c

# ---- the first packet, and the later ones -------------------------------------
capture_begin w2
ok "the other network answers" says red-a $C red/c
ok "first packet: over the divider" test "$(count_of d1 DIVIDED red)" = 1
ok "... and one bouncer" test "$(bounced)" = 1
on red-a ping -qc 6 -i 0.01 $C > /dev/null
ok "later ones: neither" test "$(count_of d1 DIVIDED red) $(bounced)" = "1 1"
ok "... but direct" test "$(count_of w1 DIRECT red)" -eq 6
capture_end
# Which host sent the tunnel packets of VNI 100.
senders() {
	tshark -r "$TOPO_DIR/w2.pcap" -Y 'geneve.vni == 100' -T fields -e ip.src -e ipv6.src 2> /dev/null |
		grep -oE '(10\.77\.|fd77:)[0-9]+' | grep -oE '[0-9]+$' | uniq -c | awk '{ print $1 "x" $2 }' | xargs
}
echo "# ids of senders at w2's uplink: $(senders)"
seen() { [[ $(senders) =~ ^1x[34]\ 6x1$ ]]; }
ok "the capture on w2's uplink: one from a bouncer, then six from w1" seen

# ---- the path is taken away: over the hops again, and learned again -------------
before=$(count_of w1 TO_DIVIDER red)
path_lost w1 $C
on red-a ping -qc 3 -i 0.01 $C > /dev/null
ok "a path that is gone: once over the divider, then direct" \
	test "$(count_of w1 TO_DIVIDER red)" = $((before + 1))

# ---- none wanted -----------------------------------------------------------------
topo_daemon_stop w1
topo_daemon w1 --path-seconds 0
before=$(count_of w1 DIRECT red)
on red-a ping -qc 5 -i 0.01 $C > /dev/null
ok "with no direct paths wanted every packet goes over the hops" test "$(count_of w1 DIRECT red)" = "$before"
topo_daemon_stop w1
topo_daemon w1
before=$(count_of w1 TO_DIVIDER red)
on red-a ping -qc 3 -i 0.01 $C > /dev/null
ok "... and with them none but the first" test $(($(count_of w1 TO_DIVIDER red) - before)) -le 1

# ---- one way only: the receiver's host hints -------------------------------------
before=$(count_of w1 TO_BOUNCER red)
oneway_begin red-a red-b $B
direct_grows() { [[ $(count_of w1 DIRECT red) -gt $((direct + 100)) ]]; }
direct=$(count_of w1 DIRECT red)
ok "one-way traffic becomes direct by a hint" wait_for 5 direct_grows
oneway_end
ok "... and none is lost" test "$ONEWAY_RECEIVED" -eq "$ONEWAY_SENT"
echo "# $(($(count_of w1 TO_BOUNCER red) - before)) of them went over the bouncer"

# ---- moves: new host, bouncers, old host ------------------------------------------
topo_ns red-b2
serve red-b2 red/b
flow_begin red-a $B
let_flow 0.3
standard_region 2 w1 red-b2 | topo_apply w1 b1 b2 d1 w2
let_flow 0.3
flow_end
ok "an endpoint moves to the sender's own host: nothing is lost" test "$FLOW_SENT" -eq "$FLOW_ANSWERED"
topo_ns red-b3
serve red-b3 red/b
flow_begin red-c $B
let_flow 0.3
standard_region 3 w2 red-b3 | topo_apply w2 b1 b2 d1 w1
let_flow 0.3
flow_end
ok "... and back" test "$FLOW_SENT" -eq "$FLOW_ANSWERED"

# As a live migration does: the connection lives in the endpoint, which gets its
# interface on the new host before it loses that on the old one.
topo_ns red-m
with_m() { # REVISION HOST INTERFACE
	standard_region "$1" w2 red-b3
	echo "  - {name: m, vpc: red, network: front, $(both 1 8), host: $2, netns: $(ns red-m), interface: $3}"
}
with_m 4 w2 eth0 | topo_apply w2 b1 b2 d1 w1
tcp_begin red-a red-m $M
let_flow 0.3
direct=$(count_of w1 DIRECT red)
with_m 5 w1 eth1 | topo_apply w1 b1 b2 d1 w2
moved() { ! on red-m ip link show eth0 && [[ $(count_of w1 LOCAL red) -gt 100 ]]; }
ok "an endpoint moves under TCP: the connection goes on at the new host" wait_for 5 moved 2> /dev/null
with_m 6 w2 eth0 | topo_apply w2 b1 b2 d1 w1
direct=$(count_of w1 DIRECT red)
ok "... and back, direct again" wait_for 5 direct_grows
ok "... and what it carried is whole" tcp_end
ok "... with no second of silence" test "$TCP_STALL" -lt 1000

# ---- a bouncer dies under TCP ----------------------------------------------------------
# With no direct paths all of a connection, both ways, needs its bouncers.
grows() { [[ $(count_of "$1" BOUNCED red) -gt $(($2 + 60)) ]]; }
serve_by() { transit w1 trace red/a $B | awk '/=> SEND/ {print $4; exit}'; }
for h in w1 w2; do
	topo_daemon_stop $h
	topo_daemon $h --path-seconds 0
done
wait_for 10 hops_up
bouncer=$(serve_by)
case $bouncer in b1) backup=b2 link=r3 ;; *) backup=b1 link=r4 ;; esac
echo "# red/b is served by $bouncer, its backup is $backup"
before="$(count_of w1 DIRECT red) $(count_of w2 DIRECT red)"
tcp_begin red-a red-b3 $B
ok "TCP goes over its bouncer" wait_for 5 grows "$bouncer" "$(count_of "$bouncer" BOUNCED red)"
on router ip link set $link down
ok "the bouncer's cable is pulled: the connection goes on over the backup" \
	wait_for 5 grows $backup "$(count_of $backup BOUNCED red)"
on router ip link set $link up
ok "... and over the bouncer when it is back" wait_for 5 grows "$bouncer" "$(count_of "$bouncer" BOUNCED red)"
ok "... what it carried is whole" tcp_end
ok "... with less than three seconds of silence" test "$TCP_STALL" -lt 3000
ok "... none of it went directly" test "$(count_of w1 DIRECT red) $(count_of w2 DIRECT red)" = "$before"
for h in w1 w2; do
	topo_daemon_stop $h
	topo_daemon $h
done

# ---- a bouncer dies -----------------------------------------------------------------
# One way, with the hints lost: every packet needs its bouncer. Nobody tells w1.
path_lost w1 $B
hints_lost
flow_begin red-a $C # direct: it does not notice
oneway_begin red-a red-b3 $B
ok "a one-way flow goes over its bouncer" wait_for 5 grows "$bouncer" "$(count_of "$bouncer" BOUNCED red)"
on router ip link set $link down
ok "its cable is pulled: the backup serves" wait_for 3 grows $backup "$(count_of $backup BOUNCED red)"
oneway_end
ok "... after less than a second of silence" test "$ONEWAY_GAP" -lt 1000
flow_end
ok "a flow with a direct path does not notice" test "$FLOW_SENT" -eq "$FLOW_ANSWERED"
on router ip link set $link up
oneway_begin red-a red-b3 $B
ok "it comes back and serves again" wait_for 5 grows "$bouncer" "$(count_of "$bouncer" BOUNCED red)"
on "$bouncer" ip link del eth0
ok "its interface is removed: the backup serves" wait_for 3 grows $backup "$(count_of $backup BOUNCED red)"
oneway_end
ok "... after less than a second of silence" test "$ONEWAY_GAP" -lt 1000
hints_back
finish
