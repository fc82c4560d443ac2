#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Labels that change all the time, 1,000 endpoints a second, under traffic: no packet meets
# another verdict than that of the labels acknowledged, nothing established is lost, and
# nothing stays behind. CHURN_SECONDS=60 CHURN_RATE=1000 CHURN_BATCH=1 by hand.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
O=${O:-$(dirname "$BIN")}
SECONDS_=${CHURN_SECONDS:-10} RATE=${CHURN_RATE:-1000} BATCH=${CHURN_BATCH:-1}
CHURNING=24
topo_begin mzt-churn
trap topo_end EXIT
four_up

# A server, a client that may and one that may not, on each host; who churns: on both.
endpoint() { # NAME HOST LAST-BYTE APP
	topo_ns "$1"
	echo "  - {name: $1, vpc: red, network: front, $(both 1 "$3"), host: w$2, netns: $(ns "$1"), namespace: shop, labels: {app: $4}}"
}
{
	echo "revision: 1"
	four_hosts
	tenants
	echo endpoints:
	for h in 1 2; do
		endpoint s$h $h $((9 + h)) server
		endpoint f$h $h $((11 + h)) fixed
		endpoint n$h $h $((13 + h)) stranger
	done
	for ((i = 0; i < CHURNING; i++)); do endpoint c$i $((1 + i % 2)) $((20 + i)) web; done
	echo "policies: [{vpc: red, file: policies.yaml}]"
} > "$TOPO_DIR/region"
# `run` divides label sets; nobody is `never`.
{
	policy server server "{from: [{podSelector: {matchLabels: {app: fixed}}}, {podSelector: {matchExpressions: [{key: app, operator: In, values: [web]}, {key: run, operator: NotIn, values: [never]}]}}]}"
	policy web web "{from: [{podSelector: {matchLabels: {app: fixed}}}]}"
	policy other other ""
} > "$TOPO_DIR/policies.yaml"
topo_apply b1 d1 w1 w2 < "$TOPO_DIR/region"
wait_for 10 hops_up

# Rows of policy's tables, host by host.
POLICY_MAPS="mz_policies mz_policy_labels mz_policy_blocks mz_policy_ports mz_policy_rules mz_policy_vectors"
policy_rows() {
	local h m
	for h in w1 w2; do
		for m in $POLICY_MAPS; do
			echo "$h $m $(transit $h map dump $m -o json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')"
		done
	done
}
as_before() { policy_rows > "$TOPO_DIR/after" && cmp -s "$TOPO_DIR/before" "$TOPO_DIR/after"; }
unchanged() { wait_for 10 as_before || { diff "$TOPO_DIR/before" "$TOPO_DIR/after" | sed 's/^/# /'; return 1; }; }
says_() { # EXPRESSION over the report
	python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$TOPO_DIR/report" "$1"
}
# Within 20 % (or what a tick of the clock and one of noise are), and 3 %.
flat_cpu() { says_ "all(r[h]['cpu'][1] <= 1.2 * r[h]['cpu'][0] + 0.05 for h in ('w1', 'w2'))"; }
flat_memory() { says_ "all(r[h]['rss_kb'][1] <= 1.03 * r[h]['rss_kb'][0] for h in ('w1', 'w2'))"; }

policy_rows > "$TOPO_DIR/before"
start s2 "$TOPO_DIR/named" "$TRAFFIC" name s2 8080
wait_for 5 on s2 bash -c 'ss -ltn | grep -q ":8080 "'
talk_to f1 10.0.1.11 8080
tcp_begin f1 s2 10.0.1.11
"$O/selftests/topo/policy_churn" "$TOPO_RUN" "$TOPO_DIR" "$SECONDS_" "$RATE" "$BATCH" "$CHURNING" > "$TOPO_DIR/report"
sed 's/^/# /' "$TOPO_DIR/report"
ok "no change is refused" says_ "r['refused'] == 0 and r['changes'] > 100"
# How fast a machine is is no row of the suite; asked for by hand it is one.
by_hand() { [[ -n ${CHURN_SECONDS:-} ]]; }
! by_hand || ok "labels change $RATE times a second" says_ "r['a_second'] > 0.95 * $RATE"
ok "who may, always gets through" says_ "r['lost'] == 0 and r['allowed'] > 100"
ok "who may not, never does" says_ "r['leaked'] == 0 and r['denied'] > 100"
ok "a connection with an answer to each line goes on all the time" steady
ok "a bulk transfer arrives whole" tcp_end
! by_hand || ok "CPU time of the daemons is flat" flat_cpu
ok "their memory is flat" flat_memory
ok "nothing is left of what came and went" unchanged

# Requests that wait when a daemon is told to end do not keep it.
rm -f "$TOPO_DIR/under-way"
"$O/selftests/topo/policy_churn" "$TOPO_RUN" "$TOPO_DIR" $((PATIENCE > 1 ? 10 * PATIENCE : 3)) 4000 1 "$CHURNING" > /dev/null 2>&1 &
wait_for 10 test -e "$TOPO_DIR/under-way"
ok "a daemon ends while labels change" topo_daemon_stop w1
topo_daemon w1
wait
finish
