# SPDX-License-Identifier: Apache-2.0
# What the topology tests share: TAP, and a standard region. Source after lib.sh.

tap_n=0 tap_bad=0
ok() { # DESCRIPTION COMMAND...: passes if the command does
	local what=$1
	shift
	tap_n=$((tap_n + 1))
	if "$@"; then
		echo "ok $tap_n - $what"
	else
		echo "not ok $tap_n - $what"
		tap_bad=$((tap_bad + 1))
	fi
}
finish() {
	echo "1..$tap_n"
	[[ $tap_bad -eq 0 ]] && return 0
	tail -n 5 "$TOPO_DIR"/*/log | sed 's/^/# /'
	return 1
}
need_root() { [[ $EUID -eq 0 ]] || { echo "1..0 # SKIP needs root"; exit 4; }; }

# Hosts w1, w2 (workers), b1, b2 (bouncers), d1 (divider). Options go to transitd.
standard_hosts() {
	topo_router
	topo_host w1 1
	topo_host w2 2
	topo_host b1 3 hop
	topo_host b2 4 hop
	topo_host d1 5 hop
	local h
	for h in "${TOPO_HOSTS[@]}"; do topo_daemon "$h" "$@"; done
}

# Region with revision $1; endpoints of both VPCs: a on w1 (front), b on w2
# (front), c on w2 (back). $2: another host for red/b, $3: its namespace.
standard_region() {
	local vpc
	cat <<R
revision: $1
hosts:
  - {name: w1, id: 1, address: 10.77.1.1}
  - {name: w2, id: 2, address: 10.77.2.1}
  - {name: b1, id: 3, address: 10.77.3.1, roles: [bouncer]}
  - {name: b2, id: 4, address: 10.77.4.1, roles: [bouncer]}
  - {name: d1, id: 5, address: 10.77.5.1, roles: [divider]}
vpcs:
  - {name: red, vni: 100, cidr: 10.0.0.0/16}
  - {name: blue, vni: 200, cidr: 10.0.0.0/16}
networks:
  - {name: front, vpc: red, cidr: 10.0.1.0/24}
  - {name: back, vpc: red, cidr: 10.0.2.0/24}
  - {name: front, vpc: blue, cidr: 10.0.1.0/24}
  - {name: back, vpc: blue, cidr: 10.0.2.0/24}
endpoints:
  - {name: a, vpc: red, network: front, address: 10.0.1.5, host: w1, netns: $(ns red-a)}
  - {name: b, vpc: red, network: front, address: 10.0.1.6, host: ${2:-w2}, netns: $(ns "${3:-red-b}")}
  - {name: c, vpc: red, network: back, address: 10.0.2.5, host: w2, netns: $(ns red-c)}
  - {name: a, vpc: blue, network: front, address: 10.0.1.5, host: w1, netns: $(ns blue-a)}
  - {name: b, vpc: blue, network: front, address: 10.0.1.6, host: w2, netns: $(ns blue-b)}
  - {name: c, vpc: blue, network: back, address: 10.0.2.5, host: w2, netns: $(ns blue-c)}
R
}

standard_up() {
	local e
	standard_hosts "$@"
	for e in red-a red-b red-c blue-a blue-b blue-c; do topo_ns $e; done
	standard_region 1 | topo_apply b1 b2 d1 w1 w2
	wait_for 10 hops_up
}
hops_up() { ! transit w1 status | grep -qE ' (down|unresolved) ' && ! transit w2 status | grep -qE ' (down|unresolved) '; }

# Packets of a reason at a host: count HOST REASON [VPC]
count_of() {
	transit "$1" stats ${3:+--vpc "$3"} -o json | python3 -c '
import json, sys
rows = json.load(sys.stdin)
print(sum(int(r["packets"]) for r in rows if r["reason"] == sys.argv[1]))' "$2"
}

TRAFFIC="$(dirname "${BASH_SOURCE[0]}")/traffic.py"
serve() { start "$1" "$TOPO_DIR/serve.log" "$TRAFFIC" echo "$2" 7; }
# Requests from NS to ADDRESS until flow_end; the result is in $FLOW_SENT,
# $FLOW_ANSWERED and $FLOW_GAP.
flow_begin() {
	touch "$TOPO_DIR/running"
	start "$1" "$TOPO_DIR/flow" "$TRAFFIC" flow "$2" 7 "${3:-1000}" "$TOPO_DIR/running"
}
flow_end() {
	rm -f "$TOPO_DIR/running"
	wait_for 10 grep -q sent "$TOPO_DIR/flow"
	read -r _ FLOW_SENT _ FLOW_ANSWERED _ FLOW_GAP < "$TOPO_DIR/flow"
	echo "# sent $FLOW_SENT answered $FLOW_ANSWERED longest gap $FLOW_GAP ms"
	rm -f "$TOPO_DIR/flow"
}
# One-way datagrams from NS to ENDPOINT's ADDRESS, N at 200 a second. The result
# is in $ONEWAY_RECEIVED.
oneway_begin() { # FROM TO ADDRESS N
	touch "$TOPO_DIR/counting"
	start "$2" "$TOPO_DIR/counted" "$TRAFFIC" count 9 "$TOPO_DIR/counting"
	wait_for 5 on "$2" bash -c 'ss -lun | grep -q ":9 "'
	start "$1" "$TOPO_DIR/oneway" "$TRAFFIC" send "$3" 9 "$4"
	ONEWAY_SENDER=$STARTED
}
oneway_end() {
	wait_for 20 bash -c "! kill -0 $ONEWAY_SENDER"
	let_flow 0.2 # what is under way still counts
	rm "$TOPO_DIR/counting"
	wait_for 5 grep -q . "$TOPO_DIR/counted"
	ONEWAY_RECEIVED=$(< "$TOPO_DIR/counted")
	rm "$TOPO_DIR/counted"
}
# No packet of w2 reaches w1 any more: its hints are lost, so what w1 sends it
# stays on the bouncer.
hints_lost() { on router ip rule add iif r2 to 10.77.1.1 blackhole; }
hints_back() { on router ip rule del iif r2 to 10.77.1.1 blackhole; }
# A while with nothing to wait for but traffic itself.
let_flow() { on router python3 -c 'import select, sys; select.select([], [], [], float(sys.argv[1]))' "$1"; }
