#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Levels of conversations by real packets: what goes over the wire has the DSCP of the level
# that a policy's rule, a service or annotations say, in both directions.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
command -v tcpdump > /dev/null || { echo "1..0 # SKIP needs tcpdump"; exit 4; }
topo_begin mzt-level
trap topo_end EXIT
four_up
for e in a b c; do topo_ns $e; done
# region REVISION [ANNOTATIONS-OF-A]: one service of its own level in front of b.
region() {
	cat << R
revision: $1
$(four_hosts)
$(tenants)
policies: [{vpc: red, file: policies.yaml}]
services:
  - {name: all, vpc: red, $(both 9 1), class: expedited, priority: high, ports: [{protocol: udp, port: 7}], backends: [{endpoint: b}]}
  - {name: web, vpc: red, $(both 9 2), class: expedited, priority: high, ports: [{protocol: udp, port: 7}], backends: [{endpoint: c}]}
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns a), annotations: {$2}}
  - {name: b, vpc: red, network: front, $(both 1 6), host: w2, netns: $(ns b), namespace: shop, labels: {app: web}}
  - {name: c, vpc: red, network: front, $(both 1 8), host: w2, netns: $(ns c)}
R
}
# What is in force: policies [ANNOTATIONS]
policies() {
	cat > "$TOPO_DIR/policies.yaml" << P
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop, annotations: {$1}}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{protocol: UDP, port: 7}]}]}
P
}
policies ""
region 1 "" | topo_apply b1 d1 w1 w2
wait_for 10 hops_up
LONG=$(printf 'x%.0s' {1..600}) # to know them from what hosts tell each other
for e in b c; do start $e "$TOPO_DIR/serve.log" "$TRAFFIC" echo "$LONG" 7; done
if [[ $FAMILY == 4 ]]; then SERVICE_C=10.0.9.2; else SERVICE_C=fd00:10:9::2; fi

# Outer DSCPs, in decimal, of requests and answers in turn, of one flow: seen ADDRESS PORT
seen() {
	local n dump
	start router "$TOPO_DIR/dump" timeout 20 tcpdump -c 6 -nnv -i r1 udp port 6081 and greater 500 and '(' src host 10.77.1.1 or src host 10.77.2.1 ')'
	dump=$STARTED
	wait_for 5 grep -q listening "$TOPO_DIR/dump"
	for n in 1 2 3; do on a "$TRAFFIC" ask "$1" 7 "$LONG" "$2" > /dev/null; done
	wait_for 20 bash -c "! kill -0 $dump 2> /dev/null"
	grep -oE '^[0-9:.]+ IP \(tos 0x[0-9a-f]+' "$TOPO_DIR/dump" | grep -oE '0x[0-9a-f]+$' | while read -r tos; do echo $((tos >> 2)); done | paste -sd ' '
	rm -f "$TOPO_DIR/dump"
}
is() { # WANTED GOT
	[[ "$1" == "$2" ]] || { echo "# '$2', wanted '$1'"; return 1; }
}
again() { region "$1" "$2" | topo_apply b1 d1 w1 w2; }

ok "nothing is said: default both ways" is "0 0 0 0 0 0" "$(seen $B 4000)"
policies "mizar.com/network-class: Premium, mizar.com/network-priority: High"
again 2 ""
ok "a rule with a class: answers have it, and what is asked from then on" is "0 46 46 46 46 46" "$(seen $B 4001)"
ok "... and the flow that was, judged anew" is "0 46 46 46 46 46" "$(seen $B 4000)"
explained() { transit w2 policy explain red/b | grep -q 'allow as premium high'; }
ok "explain names it" explained
ok "a service with a class: both ways, from the first packet" is "34 34 34 34 34 34" "$(seen $SERVICE_C 4002)"
ok "a service with one, its backend's rule with another: each end's own" is "34 46 34 46 34 46" "$(seen $VIP 4003)"
policies "mizar.com/network-class: Expedited"
again 3 ""
ok "another class: live" is "46 26 26 26 26 26" "$(seen $B 4001)"
policies ""
again 4 ""
ok "none any more: live" is "26 0 0 0 0 0" "$(seen $B 4001)"
again 5 "mizar.com/network-class: expedited, mizar.com/network-priority: low, kubernetes.io/egress-bandwidth: 50M"
ok "an endpoint's annotations: its own packets" is "18 0 18 0 18 0" "$(seen $B 4004)"
set_so() { transit w1 qos show | grep -q 'endpoint red/a .*class=expedited priority=low egress=50M'; }
ok "... and its rate" set_so
finish
