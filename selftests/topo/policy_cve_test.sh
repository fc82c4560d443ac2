#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How policy was got past elsewhere, by number, and how the original did it, by sentence.
# Scenarios that a list of policies says in full are in policy_rows.py, single packets in
# selftests/bpf/rows_policy_cve.c.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
. "$(dirname "$0")/outside.sh"
need_root
topo_begin mzt-polcve
trap topo_end EXIT
four_wired
topo_host g1 6
outside_up
outside_link g1 1
for h in w1 w2; do topo_ns "services-$h"; done
daemon() { # HOST
	case $1 in
	# The flows below are thousands of one endpoint, which may have a quarter of the table.
	w1 | w2) serving_daemon "$1" --max-flows 131072 ;;
	g1) topo_daemon g1 --outside out0 ;;
	*) topo_daemon "$1" ;;
	esac
}
for h in w1 w2 b1 d1 g1; do daemon $h; done
for h in w1 w2; do responder $h; done
INJECT="$(dirname "$0")/inject.py"

# Of red: who is protected (near on the clients' host, far on the other, each behind a
# service as well), who may and who may not; of blue: others with the same addresses and
# labels, whom no policy is about.
ENDPOINTS="red-near red-far red-closed red-open red-door red-peered red-may red-not red-lab blue-far blue-may blue-s blue-t"
for e in $ENDPOINTS; do topo_ns $e; done
endpoint() { # NAME HOST NETWORK LAST-BYTE APP [NAMESPACE]
	local subnet=1
	case $3 in app) subnet=4 ;; shop) subnet=3 ;; esac
	echo "  - {name: ${1#*-}, vpc: ${1%-*}, network: $3, $(both $subnet "$4"), host: $2, netns: $(ns "$1"), namespace: ${6:-shop}, labels: {app: $5}}"
}
region() { # REVISION
	cat << R
revision: $1
$(four_hosts)
  - {name: g1, id: 6, $(at g1 6)}
$(tenants)
  - {name: app, vpc: red, cidr: 10.0.4.0/24, cidr6: "fd00:10:4::/64"}
  - {name: shop, vpc: blue, cidr: 10.0.3.0/24, cidr6: "fd00:10:3::/64"}
namespaces: [{vpc: red, name: shop, labels: {}}, {vpc: red, name: lab, labels: {}}]
endpoints:
$(endpoint red-near w1 front 5 server)
$(endpoint red-far w2 front 6 server)
$(endpoint red-closed w2 front 7 closed)
$(endpoint red-open w2 front 8 open)
$(endpoint red-door w2 front 9 open)
$(endpoint red-may w1 front 11 may)
$(endpoint red-not w1 front 12 not)
$(endpoint red-lab w1 front 13 may lab)
$(endpoint red-peered w1 app 9 peered)
$(endpoint blue-far w2 front 6 server)
$(endpoint blue-may w1 front 11 may)
$(endpoint blue-s w2 shop 7 may)
$(endpoint blue-t w1 shop 8 may)
services:
  - {name: to-near, vpc: red, $(both 9 1), ports: [{protocol: udp, port: 7}, {protocol: tcp, port: 8080}], backends: [{endpoint: near}]}
  - {name: to-far, vpc: red, $(both 9 2), ports: [{protocol: udp, port: 7}, {protocol: tcp, port: 8080}], backends: [{endpoint: far}]}
gateways:
  - name: out
    vpc: red
    hosts: [g1]
    pools: [198.51.100.0/30, 198.51.100.16/28, "2001:db8:51::/126", "2001:db8:51::20/124"]
    floating: [{address: 198.51.100.20, endpoint: closed}, {address: "2001:db8:51::20", endpoint: closed}, {address: 198.51.100.21, endpoint: open}, {address: "2001:db8:51::21", endpoint: open}]
    forwards:
$(for a in 198.51.100.1 '"2001:db8:51::1"'; do
		echo "      - {protocol: udp, address: $a, port: 17, endpoint: far, endpoint_port: 7}"
		echo "      - {protocol: udp, address: $a, port: 18, endpoint: door, endpoint_port: 7}"
	done)
peerings:
  - {name: trade, vpc: red, peer: blue, parts: [10.0.4.0/24, "fd00:10:4::/64"], peer_parts: [10.0.3.0/24, "fd00:10:3::/64"]}
policies: [{vpc: red, file: policies.yaml}]
R
}
block() { echo "{ipBlock: {cidr: $1/32}}, {ipBlock: {cidr: '$2/128'}}"; }
policies() {
	policy server server "{from: [{podSelector: {matchLabels: {app: may}}}]}"
	policy open open "{from: [$(block 192.0.2.10 2001:db8:2::10)]}"
	policy peered peered "{from: [$(block 10.0.3.7 fd00:10:3::7), {namespaceSelector: {}, podSelector: {matchLabels: {app: may}}}]}"
	[[ $1 == 2 ]] || policy closed closed ""
}
in_force() { # REVISION
	policies "$1" > "$TOPO_DIR/policies.yaml"
	region "$1" | topo_apply b1 d1 g1 w1 w2
}
in_force 1
outside_static g1
wait_for 10 hops_up
for e in $ENDPOINTS; do
	start $e "$TOPO_DIR/serve.log" "$TRAFFIC" name ${e/-//} 8080
	serve $e ${e/-//}
done
if [[ $FAMILY == 4 ]]; then
	NEAR=10.0.1.5 FAR=10.0.1.6 CLOSED=10.0.1.7 OPEN=10.0.1.8 PEERED=10.0.4.9 VIP_NEAR=10.0.9.1 VIP_FAR=10.0.9.2
	FLOAT_CLOSED=198.51.100.20 FLOAT_OPEN=198.51.100.21 FORWARD=198.51.100.1 DNS=169.254.169.253 METADATA=169.254.169.254 TYPE=A MAY=10.0.1.11
else
	NEAR=fd00:10:1::5 FAR=fd00:10:1::6 CLOSED=fd00:10:1::7 OPEN=fd00:10:1::8 PEERED=fd00:10:4::9 VIP_NEAR=fd00:10:9::1 VIP_FAR=fd00:10:9::2
	FLOAT_CLOSED=2001:db8:51::20 FLOAT_OPEN=2001:db8:51::21 FORWARD=2001:db8:51::1 DNS=fd4d:5aff::53 METADATA=fd4d:5aff::a9fe:a9fe TYPE=AAAA MAY=fd00:10:1::11
fi
# A flow of each protocol from NS to ADDRESS is NAME's: gets NS ADDRESS NAME; nobody gets an
# answer: denied NS ADDRESS.
gets() { says "$1" "$2" "$3" && [[ $(tcp "$1" "$2") == "$3" ]]; }
denied() { says "$1" "$2" nobody && [[ $(tcp "$1" "$2") == TimeoutError ]]; }
# From outside, as one of two servers: from_isp ADDRESS PORT NAME; outside_as ADDRESS4 ADDRESS6.
outside_as() {
	on isp ip route replace 198.51.100.0/24 via 203.0.113.6 src "$1"
	on isp ip route replace 2001:db8:51::/64 via 2001:db8:f1::2 src "$2"
}
from_isp() { [[ $(on isp "$TRAFFIC" ask "$1" "${2:-7}") == "$3" ]]; }

# ---- who is a peer of whom -------------------------------------------------------------
ok "the allowed client reaches the far server" wait_for 10 gets red-may $FAR red/far
ok "CVE-2024-28248, CVE-2026-33726: across hosts the other client is denied" denied red-not $FAR
ok "CVE-2024-28248, CVE-2026-33726: on the same host it is denied as well" denied red-not $NEAR
ok "... and the allowed one is not" gets red-may $NEAR red/near
no_ping() { ! pinged "$@"; }
ok "pings obey: denied" no_ping red-not $FAR
ok "... and those of who may come back" pinged red-may $FAR
ok "GO-2023-2080: a podSelector alone matches no other namespace" denied red-lab $FAR
ok "GO-2023-2080: ... nor on the same host" denied red-lab $NEAR
ok "GO-2023-2080: a policy of red does not judge blue" gets blue-may $FAR blue/far

# ---- features beside policy (CVE-2025-0650, CVE-2022-0567) ---------------------------------
ok "CVE-2022-0567: through a service whose backend is far: denied" denied red-not $VIP_FAR
ok "CVE-2022-0567: through one whose backend is on the client's host: denied" denied red-not $VIP_NEAR
ok "... the allowed client is served by the far one" gets red-may $VIP_FAR red/far
ok "... and by the near one" gets red-may $VIP_NEAR red/near
outside_as 192.0.2.10 2001:db8:2::10
ok "CVE-2025-0650: outside -> a closed endpoint's floating address: denied" from_isp $FLOAT_CLOSED 7 nobody
ok "... -> one that is open to this client" wait_for 5 from_isp $FLOAT_OPEN 7 red/open
outside_as 192.0.2.11 2001:db8:2::11
ok "... but to no other client" from_isp $FLOAT_OPEN 7 nobody
outside_as 192.0.2.10 2001:db8:2::10
ok "CVE-2025-0650: a forwarded port to who lets nobody in from outside: denied" from_isp $FORWARD 17 nobody
ok "... to who does" from_isp $FORWARD 18 red/door
ok "CVE-2022-0567: a peer's endpoint that no block names, though its labels fit: denied" denied blue-t $PEERED
ok "... one that a block names, from another host" gets blue-s $PEERED red/peered
ok "... and red's own with those labels" gets red-may $PEERED red/peered
resolves() { [[ $(on "$1" dig +short +time=1 +tries=2 @$DNS far.red.internal $TYPE) == "$FAR" ]]; }
ok "by design: a closed endpoint asks its host's DNS" wait_for 5 resolves red-closed
metadata() { on "$1" curl -sS -m 3 "$(url $METADATA 80 /)" > "$TOPO_DIR/metadata"; }
ok "by design: ... and metadata" metadata red-closed

# ---- the original's, by sentence ---------------------------------------------------------------
ok "towards a closed endpoint nobody begins: the second of two protected ones of a VPC has its own rules" denied red-may $CLOSED
ok "... UDP and TCP replies to what it asked itself pass" gets red-closed $MAY red/may
in_force 2
ok "... when the policy of one goes, it is open" wait_for 5 gets red-not $CLOSED red/closed
ok "... and the other is as before: denied" denied red-not $FAR
ok "... and allowed" gets red-may $FAR red/far
in_force 3
ok "... when it comes back, it is closed" wait_for 5 denied red-not $CLOSED

# ---- selectors that are wrong (GO-2025-4167) -----------------------------------------------------
# Refused with file, line and reason, exit code 2, and nothing changes.
goal_of() { transit "$1" policy list -o json; }
refuses() { # REASON, the podSelector and ingress of a policy
	local rc=0
	printf '%s\n' "apiVersion: networking.k8s.io/v1" "kind: NetworkPolicy" "metadata: {name: server, namespace: shop}" \
		"spec: {podSelector: $2, ingress: $3}" > "$TOPO_DIR/bad.yaml"
	goal_of w2 > "$TOPO_DIR/goal"
	transit w2 policy apply -f "$TOPO_DIR/bad.yaml" --vpc red 2> "$TOPO_DIR/refused" > "$TOPO_DIR/refused.out" || rc=$?
	sed "s|$TOPO_DIR/|# |" "$TOPO_DIR/refused"
	[[ $rc == 2 ]] && grep -qE "bad.yaml:4: .*$1" "$TOPO_DIR/refused" && cmp -s "$TOPO_DIR/goal" <(goal_of w2)
}
ok "GO-2025-4167: In without values is refused" refuses "values" "{matchExpressions: [{key: app, operator: In, values: []}]}" "[{}]"
ok "GO-2025-4167: an operator nobody knows is refused" refuses "operator" "{matchExpressions: [{key: app, operator: Is, values: [server]}]}" "[{}]"
ok "GO-2025-4167: a field nobody knows is refused, and selects not everybody" refuses "matchLabel" "{matchLabel: {app: server}}" "[{}]"
ok "GO-2025-4167: a peer without anything is refused" refuses "from" "{}" "[{from: [{}]}]"
ok "GO-2025-4167: what was in force stays: denied" denied red-not $FAR
ok "... and allowed" gets red-may $FAR red/far

# ---- what an endpoint, or a stranger, says of itself ------------------------------------------------
label_of() { transit "$1" policy explain "$2" -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)["label"])'; }
LABEL=$(label_of w1 red/may)
W2=10.77.2.1
[[ $UNDERLAY == 4 ]] || W2=fd77:2::1
start red-far "$TOPO_DIR/tcpdump" tcpdump --immediate-mode -Q in -U -s 0 -ni eth0 -w "$TOPO_DIR/far.pcap"
wait_for 5 test -s "$TOPO_DIR/far.pcap"
ok "an endpoint's own tunnel packet with the label of who may: its host's label counts" \
	raised w2 POLICY_INGRESS red on red-not "$INJECT" tunnel $FAR 100 $FAR 1 1 forged $LABEL
ok "... to a host: it does not come out there" \
	on red-not timeout 3 "$INJECT" tunnel $W2 100 $FAR 1 1 forged $LABEL
topo_host stranger 9
ok "from an underlay address nobody knows it is dropped" \
	raised w2 UNKNOWN_SENDER "" on stranger "$INJECT" tunnel $W2 100 $FAR 1 1 forged $LABEL
ok "... with the label of an endpoint, too" says red-may $FAR red/far
no_forged() { ! grep -qa forged "$TOPO_DIR/far.pcap"; }
ok "no forged packet reached who is protected" no_forged

# ---- daemons that come and go (CVE-2023-27595) ----------------------------------------------------
# Every 5 ms a new flow of each, while daemons die, come back, and load their programs again.
touch "$TOPO_DIR/beginning"
begins() { start "$1" "$TOPO_DIR/begun-$3" "$TRAFFIC" begin "$2" 7 "$TOPO_DIR/beginning"; } # NS ADDRESS NAME
begins red-not $FAR not-far
begins red-not $NEAR not-near
begins red-may $FAR may-far
begins red-may $NEAR may-near
for _ in 1 2; do
	for h in w1 w2 b1; do topo_daemon_stop $h KILL; done
	let_flow 0.5
	for h in w1 w2 b1; do daemon $h; done
	for h in w1 w2 b1; do transit $h program replace > /dev/null; done
	topo_daemon_stop w2
	daemon w2
done
rm "$TOPO_DIR/beginning"
begun() { # NAME all|none
	local n answered
	wait_for 10 grep -q began "$TOPO_DIR/begun-$1"
	read -r _ n _ answered < "$TOPO_DIR/begun-$1"
	echo "# $1: $n flows, $answered answered"
	[[ $n -gt 200 && $answered == $([[ $2 == all ]] && echo "$n" || echo 0) ]]
}
for where in far near; do
	ok "CVE-2023-27595: while daemons restart nobody denied gets through ($where)" begun not-$where none
	ok "... and everybody allowed does" begun may-$where all
done
finish
