#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Services reached from outside by a port of a shared address: two gateways pick backends
# alike, stay with what they picked, and backends answer by either of them.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
. "$(dirname "$0")/outside.sh"
need_root
topo_begin mzt-entry
trap topo_end EXIT
two_gateways
for e in red-a red-s1 red-s2 red-s3 blue-a; do topo_ns $e; done
if [[ $FAMILY == 4 ]]; then
	BLOCK=198.51.100.0/30 ENTRY=198.51.100.1 ROUTE="198.51.100.1/32 via 203.0.113.6" CLIENTS="192.0.2.20 192.0.2.21 192.0.2.22 192.0.2.23 192.0.2.24 192.0.2.25"
else
	BLOCK=2001:db8:51::/126 ENTRY=2001:db8:51::1 ROUTE="2001:db8:51::1/128 via 2001:db8:f1::2" CLIENTS="2001:db8:2::20 2001:db8:2::21 2001:db8:2::22 2001:db8:2::23 2001:db8:2::24 2001:db8:2::25"
fi
forward() { # PROTOCOL PORT SERVICE SERVICE-PORT, in both families
	local a
	for a in 198.51.100.1 2001:db8:51::1; do
		echo "      - {protocol: $1, address: \"$a\", port: $2, service: $3, service_port: $4}"
	done
}
region() { # BACKENDS of web and keep [GATEWAY'S FORWARDS]
	cat << R
revision: $REVISION
$(four_hosts)
  - {name: g1, id: 6, $(at g1 6)}
  - {name: g2, id: 7, $(at g2 7)}
$(tenants)
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-a)}
  - {name: s1, vpc: red, network: front, $(both 1 11), host: w1, netns: $(ns red-s1)}
  - {name: s2, vpc: red, network: front, $(both 1 12), host: w2, netns: $(ns red-s2)}
  - {name: s3, vpc: red, network: back, $(both 2 13), host: w2, netns: $(ns red-s3)}
  - {name: a, vpc: blue, network: front, $(both 1 5), host: w1, netns: $(ns blue-a)}
services:
  - {name: web, vpc: red, $(both 9 1), backends: [$1],
     ports: [{protocol: tcp, port: 80, backend_port: 8080}, {protocol: udp, port: 7}]}
  - {name: keep, vpc: red, $(both 9 2), sticky_seconds: 600, backends: [$1],
     ports: [{protocol: tcp, port: 80, backend_port: 8081}]}
  - {name: bulk, vpc: red, $(both 9 4), backends: [{endpoint: s2}], ports: [{protocol: tcp, port: 18, backend_port: 8}]}
  - {name: empty, vpc: red, $(both 9 3), ports: [{protocol: tcp, port: 80}, {protocol: udp, port: 80}]}
gateways:
  - {name: out, vpc: blue, hosts: [g1, g2], pools: [198.51.100.4/30, "2001:db8:51::4/126"]}
  - name: out
    vpc: red
    hosts: [g1, g2]
    pools: [198.51.100.0/30, "2001:db8:51::/126"]
    forwards:
${2-$(forward tcp 80 web 80; forward udp 7 web 7; forward tcp 81 keep 80; forward tcp 18 bulk 18; forward tcp 90 empty 80; forward udp 90 empty 80)}
R
}
REVISION=0
plan() {
	REVISION=$((REVISION + 1))
	region "$@" | topo_apply b1 d1 g1 g2 w1 w2
}
ALL="{endpoint: s1}, {endpoint: s2}, {endpoint: s3}"
plan "$ALL"
wait_for 10 hops_up
outside_bgp g1 g2
start isp "$TOPO_DIR/serve.log" "$TRAFFIC" name - 8080
for e in red-s1 red-s2 red-s3; do
	for port in 8080 8081; do start $e "$TOPO_DIR/serve.log" "$TRAFFIC" name ${e/-//} $port; done
	start $e "$TOPO_DIR/serve.log" "$TRAFFIC" echo - 7
	wait_for 5 on $e bash -c 'ss -ltn | grep -q ":8081 "'
done
announced() { [[ $(announced_by $BLOCK) == 2 ]]; }
wait_for 20 announced

# ---- who serves ----------------------------------------------------------------------
ok "from outside each backend serves its share" served_by isp $ENTRY 120 red/s1 red/s2 red/s3
ok "of a service whose clients stay one does" test "$(on isp "$TRAFFIC" spread $ENTRY 81 30 | wc -l)" = 1
ok "UDP is answered" test "$(on isp "$TRAFFIC" ask $ENTRY 7)" != nobody
ok "an endpoint of the VPC reaches it there" served_by red-a $ENTRY 120 red/s1 red/s2 red/s3
ok "another tenant as well" served_by blue-a $ENTRY 120 red/s1 red/s2 red/s3
for proto in tcp udp; do
	ok "a service that nobody serves refuses $proto at once" refused isp $ENTRY 90 $proto
	ok "... to an endpoint as well" refused red-a $ENTRY 90 $proto
done
ok "20 MB come down whole" comes_whole isp $ENTRY 80
ok "20 MB go up whole" goes_whole isp $ENTRY red-s2 18
ok "20 MB come to an endpoint whole" comes_whole red-a $ENTRY 80

# ---- direct return -------------------------------------------------------------------
# All requests come by g1; answers leave by the gateway of the client's bucket.
other_way() {
	local c in2 out2
	in2=$(count_of g2 FROM_OUTSIDE red) out2=$(count_of g2 TO_OUTSIDE red)
	for c in $CLIENTS; do
		on isp ip addr add $c dev lo $([[ $FAMILY == 4 ]] || echo nodad)
		on isp curl -sS -m 5 --interface $c "$(url $ENTRY 80 /)" > /dev/null || return 1
	done
	[[ $(count_of g2 FROM_OUTSIDE red) == "$in2" && $(count_of g2 TO_OUTSIDE red) -gt $out2 ]]
}
on isp ip route add $ROUTE
ok "backends answer by another gateway than the request came by" other_way
on isp ip route del $ROUTE

# ---- backends come and go ------------------------------------------------------------
talk_to isp $ENTRY 80
HAD=$WHO
plan "{endpoint: $(echo "$HAD" | cut -d/ -f2), weight: 0}$(for s in s1 s2 s3; do [[ red/$s == "$HAD" ]] || echo ", {endpoint: $s}"; done)"
left() { local s; for s in red/s1 red/s2 red/s3; do [[ $s == "$HAD" ]] || echo $s; done; }
ok "a backend that drains gets no new flows" served_by isp $ENTRY 90 $(left)
ok "... and keeps those it has" steady
plan "$ALL"
talk_to isp $ENTRY 80
for gone in "g1 1 6" "g2 2 7"; do
	set -- $gone
	outside_pull "$1" "$2" "$3"
	further() { [[ $(stat -c %s "$TOPO_DIR/talking.heard") -gt $((BEFORE + 10)) ]]; }
	let_flow 0.1
	BEFORE=$(stat -c %s "$TOPO_DIR/talking.heard")
	ok "a connection goes on when gateway $1 dies" wait_for 15 further
	outside_plug "$2" "$3"
	both_back() { hops_up && announced && on "$1" ip route get ${SERVER} oif out0 | grep -q 'dev out0'; }
	ok "... which comes back" wait_for 20 both_back "$1"
done
ok "... at the same backend all the while" steady
talk_to isp $ENTRY 80
for h in w1 w2 g1 g2; do topo_daemon_stop $h KILL; done
ok "without daemons new connections come in" served_by isp $ENTRY 60 red/s1 red/s2 red/s3
for h in w1 w2; do topo_daemon $h; done
for h in g1 g2; do topo_daemon $h --outside out0; done
plan "{endpoint: s1, weight: 5}, {endpoint: s2}, {endpoint: s3}" # rows move
plan "$ALL"
ok "a connection outlives the daemons and another plan" steady

# ---- sizes -----------------------------------------------------------------------------
for i in "g1 1" "g2 2"; do
	set -- $i
	on "$1" ip link set out0 mtu 1300
	on isp ip link set "o$2" mtu 1300
done
noticed() { local h; for h in g1 g2; do grep -q 'out0: MTU 1500 -> 1300' "$TOPO_DIR/$h/log" || return 1; done; }
wait_for 5 noticed
ok "an outside that carries less: errors reach the backend, and 20 MB come whole" comes_whole isp $ENTRY 80

# ---- no entry any more -----------------------------------------------------------------
plan "$ALL" "      []"
unknown() { echo $(($(count_of g1 NAT_UNKNOWN) + $(count_of g2 NAT_UNKNOWN))); }
closed() {
	local before
	before=$(unknown)
	! on isp curl -sS -m 1 "$(url $ENTRY 80 /)" 2> /dev/null && [[ $(unknown) -gt $before ]]
}
ok "without the forward nothing comes in" closed
finish
