# SPDX-License-Identifier: Apache-2.0
# make demo: two tenants with the same addresses; who reaches whom, which way, how
# fast. Sourced by demo.sh.

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
