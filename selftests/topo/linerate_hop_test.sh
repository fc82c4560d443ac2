#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# transit-linerate with tunnel packets: a bouncer of ours is the device under test, between a worker's
# uplink and another's.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-lrhop
trap topo_end EXIT
# Of the region b1 alone has a daemon: the workers are the ends of the measurement.
topo_router
topo_host w1 1 hop # live frames are as from a wire
topo_host w2 2
topo_host b1 3 hop
topo_daemon b1
standard_region 1 | topo_apply b1
R=$TOPO_DIR/result.json
NEXT=$(on router ip -o link show r1 | grep -o 'ether [^ ]*' | cut -c7-)

hop() { # ENDPOINTS OPTIONS...: from w1 over b1 to w2
	on w1 timeout 20 "$BIN/transit-linerate" run eth0 --receive eth0 --receive-netns "$(ns w2)" --to-mac "$NEXT" --geneve 100 \
		--from 10.77.1.1 --to 10.77.3.1 --inner-from 10.0.1.5 --inner-to "$@" --tests loss --max-rate 2000 \
		--seconds 0.05 --search-seconds 0.05 -o json > "$R" 2> "$TOPO_DIR/why"
}
# Sets SENT and RECEIVED, of all trials.
counts() {
	read -r SENT RECEIVED < <(python3 -c 'import json, sys
trials = [t for s in json.load(open(sys.argv[1]))["sizes"] for t in [s["full_rate"]] + s["loss"]]
print(*(sum(t[k] for t in trials) for k in ("sent", "received")))' "$R")
	echo "# $SENT sent, $RECEIVED received"
}
wait_for 10 hop 10.0.2.5 --sizes 130 # until it has resolved its neighbours
whole() {
	local before
	before=$(count_of b1 BOUNCED red)
	hop 10.0.2.5 --sizes 130,512,1500 && counts && [[ $SENT -eq $RECEIVED && $(($(count_of b1 BOUNCED red) - before)) -ge $SENT ]]
}
ok "a bouncer passes all on" whole
some() { hop 10.0.2.4/31 --sizes 130 && counts && [[ $RECEIVED -gt 0 && $RECEIVED -lt $SENT ]]; }
ok "of two endpoints it knows one" some
stranger() { ! hop 10.0.2.5 --sizes 130 --host-id 66 && grep -q "none of" "$TOPO_DIR/why"; }
ok "a stranger's packets it drops" stranger
finish
