#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ways out and in: shared and floating addresses, forwarded ports, two gateways beside
# routing daemons, and what their end does to connections.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
. "$(dirname "$0")/outside.sh"
need_root
topo_begin mzt-gw
trap topo_end EXIT
two_gateways
for e in red-a red-b red-web blue-a; do topo_ns $e; done
if [[ $FAMILY == 4 ]]; then
	GATEWAYS='203.0.113.6|203.0.113.10' INSIDE_A=10.0.1.77 SHARED=198.51.100.0/30 FLOAT=198.51.100.20 FORWARD=198.51.100.1 ANY=^198.51.100. WEB=10.0.2.8 BLUES=198.51.100.[4-7]
else
	GATEWAYS='2001:db8:f1::2|2001:db8:f2::2' INSIDE_A=fd00:10:1::77 SHARED=2001:db8:51::/126 FLOAT=2001:db8:51::20 FORWARD=2001:db8:51::1 ANY=^2001:db8:51:: WEB=fd00:10:2::8 BLUES=2001:db8:51::[4-7]
fi
region() { # REVISION PORTS
	cat << R
revision: $1
$(four_hosts)
  - {name: g1, id: 6, $(at g1 6)}
  - {name: g2, id: 7, $(at g2 7)}
$(tenants)
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-a)}
  - {name: b, vpc: red, network: back, $(both 2 6), host: w2, netns: $(ns red-b)}
  - {name: web, vpc: red, network: back, $(both 2 8), host: w2, netns: $(ns red-web)}
  - {name: a, vpc: blue, network: front, $(both 1 5), host: w1, netns: $(ns blue-a)}
gateways:
  - name: out
    vpc: red
    hosts: [g1, g2]
    pools: [198.51.100.0/30, 198.51.100.16/28, "2001:db8:51::/126", "2001:db8:51::20/127"]
    ports_per_endpoint: ${2:-1024}
    floating: [{address: 198.51.100.20, endpoint: web}, {address: "2001:db8:51::20", endpoint: web}]
    forwards:
      - {protocol: tcp, address: 198.51.100.1, port: 8081, endpoint: b, endpoint_port: 8080}
      - {protocol: tcp, address: "2001:db8:51::1", port: 8081, endpoint: b, endpoint_port: 8080}
  - name: out
    vpc: blue
    hosts: [g1, g2]
    pools: [198.51.100.4/30, "2001:db8:51::4/126"]
R
}
region 1 | topo_apply b1 d1 g1 g2 w1 w2
wait_for 10 hops_up
outside_bgp g1 g2
start isp "$TOPO_DIR/serve.log" "$TRAFFIC" name - 8080
for s in $SERVER $SERVER2; do start isp "$TOPO_DIR/serve.log" "$TRAFFIC" echo - 7 $s; done
for e in red-b red-web; do start $e "$TOPO_DIR/serve.log" "$TRAFFIC" name ${e/-//} 8080; done
start red-web "$TOPO_DIR/serve.log" "$TRAFFIC" echo - 7

# ---- routes -----------------------------------------------------------------------
announced() { [[ $(announced_by $SHARED) == 2 ]]; }
ok "both gateways announce the pool by BGP" wait_for 20 announced
learned() { on "$1" ip route get ${SERVER} oif out0 | grep -q 'dev out0'; }
ok "what the outside announces is in a gateway's routes" wait_for 10 learned g1
ok "... and in the other's" wait_for 10 learned g2
listed() { transit w1 gateway list | grep -q '^red/out  *g1 g2 ' && transit g1 gateway list | grep -q '^red/out .* serves '; }
ok "gateway list tells hosts and roles" listed
only_here() { # programs of gateways
	local h
	for h in g1 g2; do [[ $(transit $h program list | grep -c '^gateway_') == 2 ]] || return 1; done
	for h in w1 w2 b1 d1; do ! transit $h program list | grep -q '^gateway_' || return 1; done
}
ok "only gateways have gateways' programs" only_here

# ---- out, by a shared address --------------------------------------------------------
udp() { on "$1" "$TRAFFIC" ask "${2:-$SERVER}" 7 "" "${3:-0}"; }
from_shared() {
	local got
	got=$("$@")
	[[ $got =~ $ANY[0-9a-f]*\ [0-9]+$ ]] || { echo "# $got"; return 1; }
}
ok "UDP leaves from a shared address" from_shared udp red-a
ok "TCP leaves from a shared address" from_shared tcp red-a $SERVER
ok "a ping is answered" pinged red-a $SERVER
one_mapping() { local m; m=$(udp red-a $SERVER 5000); [[ $m != nobody && $m == "$(udp red-a $SERVER2 5000)" ]]; }
ok "one port has one mapping, whatever it talks to (RFC 4787 REQ-1)" one_mapping
leased() { # is the port among what the gateway says a has?
	local port
	port=$(udp red-a $SERVER 5000 | cut -d' ' -f2)
	transit w1 gateway get red/out -o json | python3 -c '
import json, sys
sys.exit(not any(a.get("first_port", 0) <= int(sys.argv[1]) <= a["last_port"] for a in json.load(sys.stdin)["addresses"]))' "$port"
}
ok "... of the endpoint's range" leased
ok "red's and blue's endpoints of one address leave from their own" test "$(udp red-a $SERVER 5000)" != "$(udp blue-a $SERVER 5000)"
ok "an error about a packet comes back to its sender" no_listener red-a $SERVER udp
ok "... TCP is refused as well" no_listener red-a $SERVER tcp

# ---- data ---------------------------------------------------------------------------
ok "20 MB come down whole by a shared address" comes_whole red-a $SERVER 8080
ok "20 MB go up whole" goes_whole red-a $SERVER isp

# ---- in ----------------------------------------------------------------------------
ok "a floating address leads in" test "$(on isp curl -sS -m 5 "$(url $FLOAT 8080 /)")" = red/web
ok "... and out" test "$(udp red-web | cut -d' ' -f1)" = $FLOAT
ok "20 MB come down whole from it" comes_whole isp $FLOAT 8080
ok "20 MB go up whole to it" goes_whole isp $FLOAT red-web
ok "it answers pings" pinged isp $FLOAT
ok "a forwarded port leads in" test "$(on isp curl -sS -m 5 "$(url $FORWARD 8081 /)")" = red/b
ok "20 MB come down whole by it" comes_whole isp $FORWARD 8081
ok "an endpoint reaches another's floating address, from its own shared one (RFC 4787 REQ-9)" from_shared udp red-a $FLOAT
by_outside() { [[ $(udp blue-a $FLOAT) =~ ^$BLUES\ [0-9]+$ ]]; }
ok "another tenant reaches it there as well, from its own" by_outside
ok "... and not by its address inside" test "$(udp blue-a $WEB)" = nobody
big() { # an answer names the largest size
	on isp ip route flush cache
	on isp ping -c 1 -W 2 -M "do" -s 1472 $FLOAT 2>&1 | grep -qiE 'mtu ?= ?1[34]|too large|Packet too big'
}
[[ $FAMILY == 4 ]] || big() { on isp ping -c 1 -W 2 -M "do" -s 1452 $FLOAT 2>&1 | grep -qiE 'too big|mtu'; }
ok "what is too big for the tunnel is answered with the size that is not" big
stranger() { # a packet to a port in use, from a port that was not asked
	local m before
	m=$(udp red-a $SERVER 5000)
	before=$(count_of w1 NAT_UNSOLICITED red)
	on isp python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 4242))
s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))' $m
	counted() { [[ $(count_of w1 NAT_UNSOLICITED red) -gt $before ]]; }
	wait_for 2 counted
}
ok "what nobody asked for is dropped, and counted" stranger
at_gateways() { echo $(($(count_of g1 "$1") + $(count_of g2 "$1"))); }
pretender() { # a source that an endpoint takes for its neighbour's
	local before
	before=$(at_gateways OUTSIDE_SOURCE)
	on isp ip addr add "$INSIDE_A" dev lo $([[ $FAMILY == 4 ]] || echo nodad) # there at once
	on isp ping -c 1 -W 1 -I "$INSIDE_A" $FLOAT > /dev/null && return 1
	on isp ip addr del "$INSIDE_A" dev lo
	[[ $(at_gateways OUTSIDE_SOURCE) -gt $before ]]
}
ok "nor does an address of the VPC come in from outside" pretender

# ---- errors the gateways tell of -------------------------------------------------------
hop_of_gateway() { # the first hop is a gateway, by its outside address
	on red-a tracepath -n -m 4 $SERVER > "$TOPO_DIR/tracepath"
	sed 's/^/# /' "$TOPO_DIR/tracepath"
	grep -qE "^ 1: +($GATEWAYS) " "$TOPO_DIR/tracepath" && grep -qE "^ 2: +$SERVER .* reached" "$TOPO_DIR/tracepath"
}
ok "tracepath shows the gateway, and the server behind it" hop_of_gateway
hop_back() { on isp tracepath -n -m 4 $FLOAT > "$TOPO_DIR/tracepath"; grep -qE "^ 1: +($GATEWAYS) " "$TOPO_DIR/tracepath"; }
ok "from outside as well" hop_back
for i in "g1 1" "g2 2"; do
	set -- $i
	on "$1" ip link set out0 mtu 1300
	on isp ip link set "o$2" mtu 1300
done
noticed() { local h; for h in g1 g2; do grep -q 'out0: MTU 1500 -> 1300' "$TOPO_DIR/$h/log" || return 1; done; }
# It is told when all programs are loaded anew with it: seconds of the verifier, of both gateways at once.
ok "transitd notices that the outside carries less" wait_for 20 noticed
narrow() { on red-a tracepath -n -m 4 $SERVER | tail -1 | grep -q 'pmtu 1300'; }
ok "... and senders are told: tracepath finds 1300" narrow
ok "20 MB go up whole over it" goes_whole red-a $SERVER isp
ok "20 MB come down whole from the floating address" comes_whole isp $FLOAT 8080

# ---- gateways come and go ----------------------------------------------------------
both_back() { hops_up && announced && learned g1 && learned g2; }
for gone in "g1 1 6" "g2 2 7"; do
	set -- $gone
	talk_to red-a $SERVER 8080
	outside_pull "$1" "$2" "$3"
	ok "a connection goes on when gateway $1 dies" goes_on
	ok "... and new ones are made" from_shared tcp red-a $SERVER
	outside_plug "$2" "$3"
	ok "$1 comes back" wait_for 20 both_back
done
talk_to red-a $SERVER 8080
for h in w1 g1 g2; do topo_daemon_stop $h KILL; done
ok "without daemons new connections leave" from_shared tcp red-a $SERVER
topo_daemon w1
for h in g1 g2; do topo_daemon $h --outside out0; done
ok "a connection outlives the daemons of its host and gateways" steady

# ---- plans change --------------------------------------------------------------------
LEASE=$(udp red-a $SERVER 5000)
region 2 | topo_apply b1 d1 g1 g2 w1 w2
ok "a new plan leaves ports as they are" test "$(udp red-a $SERVER 5000)" = "$LEASE"
talk_to red-a $SERVER 8080
region 3 2048 | topo_apply b1 d1 g1 g2 w1 w2
ok "with other ranges new flows leave" wait_for 5 from_shared tcp red-a $SERVER
rm -f "$TOPO_DIR/talking"
transit g1 gateway delete red/out
transit g2 gateway delete red/out
withdrawn() { [[ $(announced_by $SHARED) == 0 ]]; }
ok "a gateway that is none any more takes its announcements back" wait_for 10 withdrawn
finish
