# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=move: an endpoint goes to another host under traffic. Sourced by
# demo.sh.

say "1. red/a talks to red/b on w2: requests, 1,000 a second"
serve red-b red/b
topo_ns red-b2
serve red-b2 red/b
on red-a ping -qc 3 -i 0.05 -W 1 10.0.1.6 > /dev/null
flow_begin red-a 10.0.1.6
let_flow 1
transit w1 flow list --vpc red --port 7 | sed 's/^/   /'

say "2. red/b moves to w3: first its new host, then the bouncers, then the old host"
demo_region 2 w3 red-b2 > "$TOPO_DIR/moved.yaml"
for h in w3 b1 b2 d1 w1 w2; do
	topo_apply "$h" < "$TOPO_DIR/moved.yaml"
	echo "   $h knows"
done
let_flow 1
flow_end > "$TOPO_DIR/outcome"
sed 's/^#/  /' "$TOPO_DIR/outcome"

say "3. What the old host did with packets that still came, and how the sender was told"
transit w2 stats --vpc red | grep -E 'REASON|REDIRECTED' | sed 's/^/   /'
transit w1 trace red/a 10.0.1.6 | grep -E 'learned|on w3' | sed 's/^/   /'
