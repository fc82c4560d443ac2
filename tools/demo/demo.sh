#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demo: two tenants with the same addresses on several hosts, under traffic.
#   demo.sh up      build it, show it, take it down (KEEP=1: leave it up)
#   demo.sh down    remove every demo that was left up
set -eu
cd "$(dirname "$0")/../.."
. selftests/topo/lib.sh

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

say() { printf '\n\e[1m%s\e[0m\n' "$*"; }
[[ -t 1 ]] || say() { printf '\n%s\n' "$*"; }
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
for h in "${TOPO_HOSTS[@]}"; do topo_daemon "$h"; done

{
	echo "revision: 1"
	echo "hosts:"
	echo "  - {name: w1, id: 1, address: 10.77.1.1}"
	echo "  - {name: w2, id: 2, address: 10.77.2.1}"
	echo "  - {name: b1, id: 3, address: 10.77.3.1, roles: [bouncer]}"
	echo "  - {name: b2, id: 4, address: 10.77.4.1, roles: [bouncer]}"
	echo "  - {name: d1, id: 5, address: 10.77.5.1, roles: [divider]}"
	echo "  - {name: w3, id: 6, address: 10.77.6.1}"
	echo "vpcs:"
	echo "  - {name: red, vni: 100, cidr: 10.0.0.0/16}"
	echo "  - {name: blue, vni: 200, cidr: 10.0.0.0/16}"
	echo "networks:"
	for vpc in red blue; do
		echo "  - {name: front, vpc: $vpc, cidr: 10.0.1.0/24}"
		echo "  - {name: back, vpc: $vpc, cidr: 10.0.2.0/24}"
	done
	echo "endpoints:"
	for vpc in red blue; do
		echo "  - {name: a, vpc: $vpc, network: front, address: 10.0.1.5, host: w1, netns: $(ns $vpc-a)}"
		echo "  - {name: b, vpc: $vpc, network: front, address: 10.0.1.6, host: w2, netns: $(ns $vpc-b)}"
		echo "  - {name: c, vpc: $vpc, network: back, address: 10.0.2.5, host: w2, netns: $(ns $vpc-c)}"
		echo "  - {name: d, vpc: $vpc, network: back, address: 10.0.2.6, host: w3, netns: $(ns $vpc-d)}"
	done
} | topo_apply b1 b2 d1 w1 w2 w3
hops_up() { ! transit w1 status | grep -qE ' (down|unresolved) ' && ! transit w2 status | grep -qE ' (down|unresolved) '; }
wait_for 10 hops_up
echo
echo "up in $SECONDS s: 6 hosts, 2 VPCs, 4 networks, 8 endpoints"

say "1. The way of a flow, packet by packet: red/a -> 10.0.2.6 (another network)"
transit w1 trace red/a 10.0.2.6 --follow | awk '
	/^host / { host = $2 }
	/=>/ { sub(/^ *=> */, ""); sub(/:.*/, ""); printf "   %-4s %s\n", host, $0 }'
hops_of() { # packets that each host forwarded so far
	local h
	for h in b1 b2 d1; do
		transit "$h" stats --vpc red -o json | python3 -c '
import json, sys
rows = json.load(sys.stdin)
print(sys.argv[1], sum(int(r["packets"]) for r in rows if r["reason"] in ("BOUNCED", "DIVIDED")))' "$h"
	done | tr '\n' ' '
}
echo "   forwarded by hops before:        $(hops_of)"
on red-a ping -c 1 -W 2 10.0.2.6 > /dev/null
echo "   ... after the first packet:      $(hops_of)"
on red-a ping -c 20 -i 0.01 -W 2 10.0.2.6 > /dev/null
echo "   ... after twenty more:           $(hops_of)(direct: nothing added)"

say "2. Who answers whom at which address"
declare -A ADDRESS=([a]=10.0.1.5 [b]=10.0.1.6 [c]=10.0.2.5 [d]=10.0.2.6)
for vpc in red blue; do
	for e in a b c d; do
		start $vpc-$e "$TOPO_DIR/echo.log" python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7))
while True:
    data, peer = s.recvfrom(64)
    s.sendto(sys.argv[1].encode(), peer)' "$vpc/$e"
		echo "$STARTED" >> "$TOPO_DIR/echo.pids"
	done
done
ask() { # who answers at an address?
	on "$1" python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
for _ in range(6):
    try:
        s.sendto(b"?", (sys.argv[1], 7))
        print(s.recv(64).decode())
        break
    except OSError:
        pass
else:
    print("nobody")' "$2"
}
printf '   %-8s' from
for to in a b c d; do printf '%-12s' "${ADDRESS[$to]}"; done
echo
wrong=0
for vpc in red blue; do
	for from in a b c d; do
		printf '   %-8s' "$vpc/$from"
		for to in a b c d; do
			who=$(ask $vpc-$from "${ADDRESS[$to]}")
			[[ $who == "$vpc/$to" ]] || wrong=$((wrong + 1))
			printf '%-12s' "$who"
		done
		echo
	done
done
kill $(< "$TOPO_DIR/echo.pids")
((wrong == 0)) || { echo "demo: $wrong answers came from the wrong endpoint" >&2; exit 1; }
echo "   same addresses, two tenants, never the other's"

say "3. Speed, beside the raw underlay in the same run (one machine is all hosts)"
for n in $(ip netns list | awk '{print $1}' | grep "^$TOPO_RUN-"); do
	nsenter --net="/run/netns/$n" sysctl -qw net.ipv4.tcp_congestion_control=cubic 2> /dev/null || true
done
gbit() { # FROM TO ADDRESS
	start "$2" "$TOPO_DIR/iperf.log" iperf3 -s -1 -p 5201
	wait_for 5 on "$2" bash -c 'ss -ltn | grep -q :5201'
	on "$1" iperf3 -c "$3" -p 5201 -t 3 -J | python3 -c '
import json, sys
print("%.1f" % (json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e9))'
}
rtt() { on "$1" ping -q -c 200 -i 0.002 "$2" | awk -F/ '/^rtt/ {printf "%.0f", $5 * 1000}'; }
raw_gbit=$(gbit w1 w2 10.77.2.1) raw_rtt=$(rtt w1 10.77.2.1)
our_gbit=$(gbit red-a red-b 10.0.1.6) our_rtt=$(rtt red-a 10.0.1.6)
awk -v rg="$raw_gbit" -v og="$our_gbit" -v rr="$raw_rtt" -v or="$our_rtt" 'BEGIN {
	printf "   %-26s %12s %14s\n", "", "TCP Gbit/s", "ping RTT us"
	printf "   %-26s %12s %14s\n", "underlay w1 - w2", rg, rr
	printf "   %-26s %12s %14s\n", "red/a - red/b, overlay", og, or
	printf "   %-26s %12.2f %14.2f\n", "ratio", og / rg, or / rr }'

say "4. Every packet has a reason (w1, VPC red)"
transit w1 stats --vpc red | sed 's/^/   /'

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
	cat <<'E2'
   make demo KEEP=1    leave it up, look around with the command line
   make test           every test
   make bench          against vxlan + bridge and Open vSwitch
   docs/operating.md   a region of your own
E2
fi
echo "   (all of this took $SECONDS s)"
