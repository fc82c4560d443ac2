#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two VPCs that reach parts of each other, and nothing else; in both directions, in one,
# and no more.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-peer
trap topo_end EXIT
four_up
for e in red-a red-p blue-a blue-s blue-t; do topo_ns $e; done
# front of both is the same block: only what is called app and shop meets.
region() { # REVISION [PEERING-FIELDS]
	cat << R
revision: $1
$(four_hosts)
$(tenants)
  - {name: app, vpc: red, cidr: 10.0.4.0/24, cidr6: "fd00:10:4::/64"}
  - {name: shop, vpc: blue, cidr: 10.0.3.0/24, cidr6: "fd00:10:3::/64"}
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-a)}
  - {name: p, vpc: red, network: app, $(both 4 6), host: w1, netns: $(ns red-p)}
  - {name: a, vpc: blue, network: front, $(both 1 5), host: w1, netns: $(ns blue-a)}
  - {name: s, vpc: blue, network: shop, $(both 3 7), host: w2, netns: $(ns blue-s)}
  - {name: t, vpc: blue, network: shop, $(both 3 8), host: w1, netns: $(ns blue-t)}
R
	[[ -z ${2:-} ]] || cat << R
peerings:
  - {name: trade, vpc: red, peer: blue, parts: [10.0.4.0/24, "fd00:10:4::/64"], peer_parts: [10.0.3.0/24, "fd00:10:3::/64"], $2}
R
}
if [[ $FAMILY == 4 ]]; then A=10.0.1.5 P=10.0.4.6 S=10.0.3.7 T=10.0.3.8; else A=fd00:10:1::5 P=fd00:10:4::6 S=fd00:10:3::7 T=fd00:10:3::8; fi
region 1 "one_way: false" | topo_apply b1 d1 w1 w2
wait_for 10 hops_up
for e in red-p blue-a blue-s blue-t; do
	start $e "$TOPO_DIR/serve.log" "$TRAFFIC" name ${e/-//} 8080
	start $e "$TOPO_DIR/serve.log" "$TRAFFIC" echo - 7
done
serving() { local e; for e in red-p blue-a blue-s blue-t; do on $e ss -ltn | grep -q ":8080 " && on $e ss -lun | grep -q ":7 " || return 1; done; }
wait_for 5 serving

udp() { on "$1" "$TRAFFIC" ask "$2" 7 | cut -d' ' -f1; }

# ---- both ways -----------------------------------------------------------------------
ok "an endpoint of red reaches one of blue, on another host" test "$(tcp red-p $S)" = blue/s
ok "... which sees it by its own address" test "$(udp red-p $S)" = $P
ok "... and pings it" pinged red-p $S
ok "... on its own host as well" test "$(tcp red-p $T)" = blue/t
ok "one of blue begins" test "$(tcp blue-s $P)" = red/p
ok "... on the same host" test "$(udp blue-t $P)" = $T
ok "an error about a packet comes back over it" no_listener red-p $S udp
ok "... TCP is refused as well" no_listener blue-s $P tcp
ok "20 MB come over it whole" comes_whole red-p $S
ok "20 MB go the other way whole" comes_whole blue-s $P
straight() { # once known, no packet takes a hop
	local before
	before=$(count_of b1 BOUNCED)
	tcp red-p $S > /dev/null && tcp blue-s $P > /dev/null && [[ $(count_of b1 BOUNCED) == "$before" ]]
}
ok "both sides send straight" straight
ok "each pays for its own" test "$(count_of w1 DIRECT red)" -gt 10 -a "$(count_of w2 DIRECT blue)" -gt 10

# ---- nothing else --------------------------------------------------------------------
ok "what is no part reaches nothing" test "$(udp red-a $S)" = nobody
ok "... and says why" test "$(count_of w2 PEER_SOURCE blue)" -gt 0
start red-p "$TOPO_DIR/tcpdump" tcpdump --immediate-mode -Q in -U -s 0 -ni eth0 -w "$TOPO_DIR/red-p.pcap" udp
wait_for 5 test -s "$TOPO_DIR/red-p.pcap"
before=$(count_of w1 PEER_SOURCE blue)
ok "... on the same host" says blue-a $P nobody
nothing_came() { [[ $(count_of w1 PEER_SOURCE blue) -ge $((before + 5)) ]] && ! grep -qa blue/a "$TOPO_DIR/red-p.pcap"; }
ok "... where nothing of it arrives" nothing_came
ok "an address of both is each one's own" test "$(tcp red-p $A)" != blue/a
ok "... in both" test "$(tcp blue-s $A)" = blue/a
traced() { transit w1 trace red/p $S --proto tcp --dport 8080 > "$TOPO_DIR/trace"; grep -q "of vpc blue from here on, by peering trade" "$TOPO_DIR/trace"; }
ok "a trace says where it passes over" traced
listed() { transit w1 peering list | grep -q '^red/trade  *blue  *10.0.3.0/24 fd00:10:3::/64  *either' && transit w1 peering list | grep -q '^blue/trade'; }
ok "peering list tells parts and who begins" listed

# ---- daemons come and go --------------------------------------------------------------
talk_to red-p $S 8080
for h in w1 w2 b1 d1; do topo_daemon_stop $h KILL; done
ok "without daemons new connections are made" test "$(tcp blue-s $P)" = red/p
for h in w1 w2 b1 d1; do topo_daemon $h; done
ok "a connection outlives the daemons" steady
wait_for 10 hops_up

# ---- in one direction ------------------------------------------------------------------
talk_to red-p $S 8080
region 2 "one_way: true" | topo_apply b1 d1 w1 w2
ok "a connection of the side that may begin goes on" goes_on
ok "... and begins new ones" test "$(tcp red-p $S)" = blue/s
ok "... by UDP" test "$(udp red-p $S)" = $P
ok "... gets errors" no_listener red-p $S udp
ok "the other side does not begin" test "$(udp blue-s $P)" = nobody
ok "... nor by TCP" test "$(tcp blue-s $P)" = TimeoutError
ok "... nor with a ping" bash -c "! nsenter --net=/run/netns/$(ns blue-s) ping -c 1 -W 1 -q $P > /dev/null"
ok "... nor on the same host" test "$(udp blue-t $P)" = nobody
ok "each under its reason" test "$(count_of w2 PEER_ANSWERS blue)" -ge 3 -a "$(count_of w1 PEER_ANSWERS blue)" -ge 1

# ---- no more -----------------------------------------------------------------------------
talk_to red-p $S 8080
region 3 | topo_apply w2
heard() { stat -c %s "$TOPO_DIR/talking.heard"; }
stopped() { local before; before=$(heard); let_flow 0.5; [[ $(heard) == "$before" ]]; }
ok "it ends where it is taken away first" stopped
region 3 | topo_apply b1 d1 w1
rm -f "$TOPO_DIR/talking"
ok "nobody reaches anybody then" test "$(udp red-p $S) $(udp blue-s $P) $(udp blue-t $P)" = "nobody nobody nobody"
ok "each VPC goes on by itself" test "$(tcp blue-a $S)" = blue/s
finish
