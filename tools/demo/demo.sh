#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demo: two tenants with the same addresses on several hosts, under traffic.
#   demo.sh up [SCENARIO]  build it, show it, take it down (KEEP=1: leave it up)
#   demo.sh down           remove every demo that was left up
# Scenarios are the other files here: each sourced when the hosts are up.
set -eu
cd "$(dirname "$0")/../.."
. selftests/topo/lib.sh
. selftests/topo/region.sh

[[ $EUID -eq 0 ]] || { echo "demo: needs root: sudo make demo" >&2; exit 1; }
PREFIX=mzdemo

if [[ ${1:-up} == down ]]; then
	found=0
	for dir in /tmp/$PREFIX-*.????; do
		[[ -d $dir ]] || continue
		TOPO_DIR=$dir TOPO_RUN=$(basename "${dir%.*}")
		topo_end
		found=$((found + 1))
	done
	echo "demo: $found taken down"
	exit 0
fi

SCENARIO=${2:-tenants}
scenarios=$(cd tools/demo && ls -- *.sh | sed -n 's/\.sh$//; /^demo$/!p' | paste -sd ' ')
[[ " $scenarios " == *" $SCENARIO "* ]] || { echo "demo: no scenario '$SCENARIO': there are $scenarios" >&2; exit 2; }
say() { printf '\n\e[1m%s\e[0m\n' "$*"; }
[[ -t 1 ]] || say() { printf '\n%s\n' "$*"; }
# A command's output, indented.
show() { "$@" 2>&1 | sed 's/^/   /'; }
SECONDS=0

topo_begin $PREFIX
done_with() {
	local rc=$?
	if [[ -n ${KEEP:-} && $rc -eq 0 ]]; then return; fi
	if [[ $rc -ne 0 ]]; then
		echo "demo: failed; the daemons' last words:" >&2
		tail -n 3 "$TOPO_DIR"/*/log >&2 || true
	fi
	topo_end
	exit $rc
}
trap done_with EXIT

say "Six hosts, each with its own transitd, on a routed underlay"
cat <<'P'

     red/a      red/b red/c     red/d
     blue/a     blue/b blue/c   blue/d      VPC red   VNI 100  10.0.0.0/16
   +--------+   +-----------+  +--------+   VPC blue  VNI 200  10.0.0.0/16
   |   w1   |   |    w2     |  |   w3   |   front 10.0.1.0/24  (a, b)
   +---+----+   +-----+-----+  +---+----+   back  10.0.2.0/24  (c, d)
       |              |            |
   +---+--------------+------------+----+   workers: TC programs
   |              router                |   hops:    XDP programs
   +----+-----------+-----------+-------+
        |           |           |
     +--+--+     +--+--+     +--+--+
     | b1  |     | b2  |     | d1  |        b1, b2: bouncers
     +-----+     +-----+     +-----+        d1:     divider
P
topo_router
topo_host w1 1
topo_host w2 2
topo_host b1 3 hop
topo_host b2 4 hop
topo_host d1 5 hop
topo_host w3 6
for vpc in red blue; do
	for e in a b c d; do topo_ns $vpc-$e; done
done
for h in "${TOPO_HOSTS[@]}"; do
	options=()
	[[ $SCENARIO != @(names|health) ]] || { topo_ns "services-$h" && options=(--services "$(ns "services-$h")"); }
	[[ $SCENARIO != peering ]] || options=(--host-ports 8080)
	topo_daemon "$h" "${options[@]}"
done

demo_region() { # REVISION [HOST of red/b [ITS NAMESPACE]]
	echo "revision: $1"
	echo "hosts:"
	echo "  - {name: w1, id: 1, address: 10.77.1.1}"
	echo "  - {name: w2, id: 2, address: 10.77.2.1}"
	echo "  - {name: b1, id: 3, address: 10.77.3.1, roles: [bouncer]}"
	echo "  - {name: b2, id: 4, address: 10.77.4.1, roles: [bouncer]}"
	echo "  - {name: d1, id: 5, address: 10.77.5.1, roles: [divider]}"
	echo "  - {name: w3, id: 6, address: 10.77.6.1}"
	echo "vpcs:"
	echo "  - {name: red, vni: 100, cidr: 10.0.0.0/16, cidr6: 'fd00:10::/32'}"
	echo "  - {name: blue, vni: 200, cidr: 10.0.0.0/16, cidr6: 'fd00:10::/32'}"
	echo "networks:"
	local vpc
	for vpc in red blue; do
		echo "  - {name: front, vpc: $vpc, cidr: 10.0.1.0/24, cidr6: 'fd00:10:1::/64'}"
		echo "  - {name: back, vpc: $vpc, cidr: 10.0.2.0/24, cidr6: 'fd00:10:2::/64'}"
	done
	echo "endpoints:"
	for vpc in red blue; do
		echo "  - {name: a, vpc: $vpc, network: front, $(both 1 5), host: w1, netns: $(ns $vpc-a)}"
		echo "  - {name: c, vpc: $vpc, network: back, $(both 2 5), host: w2, netns: $(ns $vpc-c)}"
		echo "  - {name: d, vpc: $vpc, network: back, $(both 2 6), host: w3, netns: $(ns $vpc-d)}"
	done
	echo "  - {name: b, vpc: red, network: front, $(both 1 6), host: ${2:-w2}, netns: $(ns "${3:-red-b}")}"
	echo "  - {name: b, vpc: blue, network: front, $(both 1 6), host: w2, netns: $(ns blue-b)}"
}
demo_region 1 | topo_apply b1 b2 d1 w1 w2 w3
wait_for 10 hops_up
echo
echo "up in $SECONDS s: 6 hosts, 2 VPCs, 4 networks, 8 endpoints"

. "tools/demo/$SCENARIO.sh"

say "Next"
if [[ -n ${KEEP:-} ]]; then
	cat <<E2
   It stays up. Every host has a daemon behind a socket, every endpoint is a
   namespace:
     alias t='$PWD/$BIN/transit --socket $(topo_socket w1)'
     t status; t endpoint list; t doctor; t shard list red/front
     nsenter --net=/run/netns/$(ns red-a) ping 10.0.2.6
     TRANSIT_HOSTS_SOCKET=$TOPO_DIR/%h/transitd.sock \\
       t trace red/a 10.0.2.6 --follow
   kill -9 a daemon (pids: $TOPO_DIR/*/pid): the ping goes on.
   make demo-down removes it all.
E2
else
	cat <<E2
   make demo KEEP=1    leave it up, look around with the command line
   make demo SCENARIO=names    what else there is to see: $scenarios
   make test           every test
   make bench          against vxlan + bridge and Open vSwitch
   docs/operating.md   a region of your own
E2
fi
echo "   (all of this took $SECONDS s)"
