# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=health: backends that are probed; they come up, fail and come back.
# Sourced by demo.sh.
for h in w1 w2 w3; do
	start $h "$TOPO_DIR/$h/log" "$BIN/transit-responder" --transitd "unix:$TOPO_DIR/$h/local.sock" --netns "$(ns "services-$h")"
	mkdir -p "$TOPO_DIR/$h-responder"
	echo "$STARTED" > "$TOPO_DIR/$h-responder/pid"
done
{
	demo_region 2
	echo "services:"
	echo "  - {name: web, vpc: red, $(both 9 1), ports: [{protocol: tcp, port: 80, backend_port: 8080}],"
	echo "     backends: [{endpoint: b}, {endpoint: c}, {endpoint: d}],"
	echo "     health: {protocol: http, path: /well, interval_ms: 500}}"
} | topo_apply b1 b2 d1 w1 w2 w3
declare -A SERVER
up() {
	start red-$1 "$TOPO_DIR/serve.log" "$TRAFFIC" name red/$1 8080 "$TOPO_DIR/sick-$1"
	SERVER[$1]=$STARTED
}
clients() { on red-a "$TRAFFIC" spread 10.0.9.1 80 300 | sed 's/^/   /'; }
healthy() { transit w1 service list | grep -q " $1/3\$"; }
refusing() { [[ $(transit w1 service list | grep -c 'connection refused') == "$1" ]]; }

say "1. Nobody has passed a probe: refused at once, and w1 knows why"
wait_for 20 refusing 6
show transit w1 service list
echo "   TCP: $(on red-a "$TRAFFIC" refused 10.0.9.1 80 tcp)"

say "2. Servers start on b, c and d: each serves when its own host has seen it well"
for e in b c d; do up $e; done
wait_for 20 healthy 3
show transit w1 service list
clients

say "3. c answers 503: no new connections go there"
touch "$TOPO_DIR/sick-c"
wait_for 20 healthy 2
show transit w1 service list
clients
rm "$TOPO_DIR/sick-c"
wait_for 20 healthy 3

say "4. w3 is cut off with d: its backends are out as soon as liveness says so"
on router ip link set r6 down
transit w1 status > "$TOPO_DIR/status"
wait_for 10 bash -c "'$BIN/transit' --socket '$(topo_socket w1)' service get red/web -o json | python3 -c '
import json, sys
sys.exit(any(b.get(\"serving\") for b in json.load(sys.stdin)[\"backends\"] if b[\"name\"] == \"d\"))'"
clients
on router ip link set r6 up

say "5. The probes in w2's counters, and the verdicts as w1 heard them"
show transit w2 stats --vpc red | grep -E 'REASON|LOCAL_'
show grep -h 'service red/web' "$TOPO_DIR/w1/log" | tail -n 4
