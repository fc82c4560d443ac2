# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=rates: a rate, a class that does not wait for another, levels of
# conversations. Sourced by demo.sh.
PACE=$PWD/selftests/topo/pace.py
start red-b "$TOPO_DIR/serve.log" "$TRAFFIC" echo red/b 7
start red-b "$TOPO_DIR/iperf" iperf3 -s
wait_for 5 on red-b bash -c 'ss -ltn | grep -q ":5201 "'
# Endpoint c of red, on a's host, so that both have one uplink.
topo_ns red-e
{ demo_region 2; echo "  - {name: e, vpc: red, network: front, $(both 1 8), host: w1, netns: $(ns red-e)}"; } | topo_apply b1 b2 d1 w1 w2 w3
stream() { # what a TCP stream of red/a gets, Mbit/s
	on red-a iperf3 -c 10.0.1.6 -t "${1:-3}" -O 1 -J | python3 -c '
import json, sys
print("   red/a streams to red/b: %.1f Mbit/s" % (json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6))'
}
ping_pong() { # WHO: median round trip
	on "$1" "$PACE" rtt 10.0.1.6 7 100 0 | awk -v who="${1/-//}" '{ printf "   %s: a round trip in the middle takes %.2f ms\n", who, $2 / 1000 }'
}

say "1. An endpoint's rate: what frames take on the wire, so a stream has a little less"
show transit w1 qos set endpoint red/a egress=20M
stream
show transit w1 qos show

say "2. Changed live"
show transit w1 qos set endpoint red/a egress=50M
stream
show transit w1 qos clear endpoint red/a

say "3. One uplink of 20 Mbit/s for both: red/e beside red/a's stream, in one class"
show transit w1 qos set uplink egress=20M
ping_pong red-e
stream 6 > "$TOPO_DIR/stream" &
let_flow 2
ping_pong red-e
say "4. ... and as premium: its packets wait for premium alone, and are EF outside"
show transit w1 qos set endpoint red/e class=premium priority=high
ping_pong red-e
wait $!
cat "$TOPO_DIR/stream"

say "5. How rates are kept here, and what becomes of packets under way"
show transit w1 qos status
show transit w1 qos set endpoint red/a egress=10M
stream 3 > "$TOPO_DIR/stream" &
let_flow 1
show transit w1 qos top --interval 2
wait $!

say "6. For a Prometheus"
transit w1 metrics | grep -E '^mizar_(qos_info|qos_dropped_total|hop_up)' | head -5 | sed 's/^/   /'
