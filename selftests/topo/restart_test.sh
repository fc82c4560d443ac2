#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packets need no daemon: kill, restart, upgrade and reboot under traffic.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-restart
trap topo_end EXIT
standard_up
serve red-b red/b
serve red-c red/c
says() { [[ $(on "$1" "$TRAFFIC" ask "$2" 7) == "$3" ]]; }

nothing_lost() { [[ $FLOW_SENT -gt 500 && $FLOW_SENT -eq $FLOW_ANSWERED ]]; }

# A flow that cannot go direct: every packet of it crosses a bouncer while the
# bouncers' daemons die, come back, and replace their programs. It is the first
# flow: w1 has not learned a path yet.
bounced() { echo $(($(count_of b1 BOUNCED red) + $(count_of b2 BOUNCED red))); }
hints_lost
before=$(bounced)
oneway_begin red-a red-b 10.0.1.6 1000
for h in b1 b2; do
	topo_daemon_stop $h KILL
	topo_daemon $h
	transit $h program replace > /dev/null
done
oneway_end
crossed=$(($(bounced) - before))
hints_back
echo "# of 1000 one-way packets $crossed crossed a bouncer, $ONEWAY_RECEIVED arrived"
ok "all of a one-way flow crosses a bouncer" test "$crossed" -eq 1000
ok "... whose kill -9, restart and replacement lose no packet" test "$ONEWAY_RECEIVED" -eq 1000
ok "the endpoint behind it answers" wait_for 5 says red-a 10.0.1.6 red/b

flow_begin red-a 10.0.1.6
let_flow 0.3
for h in w1 w2 b1; do topo_daemon_stop $h KILL; done
let_flow 0.3
for h in w1 w2 b1; do topo_daemon $h; done
let_flow 0.2
flow_end
ok "kill -9 of three daemons and their restart lose no packet" nothing_lost
ok "the goal is there without a new apply" test "$(transit w1 status -o json | grep -c '"revision": *"1"')" = 1

flow_begin red-a 10.0.2.5
for _ in 1 2 3; do
	for h in w1 w2 b1 b2 d1; do transit $h program replace > /dev/null; done
done
flow_end
ok "replacing every program three times loses no packet" nothing_lost

flow_begin red-a 10.0.1.6
let_flow 0.3
topo_daemon_stop w1
topo_daemon w1
let_flow 0.2
flow_end
ok "stop and start lose no packet" nothing_lost

iperf_ok() {
	start red-b "$TOPO_DIR/iperf" iperf3 -s -1
	wait_for 5 on red-b bash -c 'ss -ltn | grep -q :5201'
	start red-a "$TOPO_DIR/tcp" iperf3 -c 10.0.1.6 -t 3 -i 0.5 --json
	topo_daemon_stop w1 KILL
	topo_daemon w1
	transit w1 program replace > /dev/null
	transit w2 program replace > /dev/null
	wait_for 10 grep -q sum_received "$TOPO_DIR/tcp"
	wait_for 5 bash -c "! grep -q '\"bits_per_second\":\t0,' $TOPO_DIR/tcp"
	python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
slow = min(i["sum"]["bits_per_second"] for i in r["intervals"])
print("# slowest half second %.2f Gbit/s, retransmits %d" % (slow / 1e9, r["end"]["sum_sent"]["retransmits"]))
sys.exit(slow == 0)' "$TOPO_DIR/tcp"
}
ok "TCP goes on through kill -9, restart and replacement" iperf_ok

second() {
	local out
	if out=$(on w1 "$BIN/transitd" --instance other --state-dir "$TOPO_DIR/other" --socket "$TOPO_DIR/other.sock" 2>&1); then return 1; fi
	grep -q "another transitd runs on this host" <<< "$out"
}
ok "a second daemon on the host refuses to start" second

topo_daemon_stop w1
rm -rf "/sys/fs/bpf/mizar/$(ns w1)"
topo_daemon w1
ok "after a reboot (no pins) the stored goal comes back" \
	wait_for 5 on red-a ping -qc 1 -W 1 10.0.1.6
finish
