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

nothing_lost() { [[ $FLOW_SENT -gt 500 && $FLOW_SENT -eq $FLOW_ANSWERED ]]; }

# A flow that cannot go direct: every packet of it crosses a bouncer while the
# bouncers' daemons die, come back, and replace their programs. It is the first
# flow: w1 has not learned a path yet.
hints_lost
before=$(bounced)
oneway_begin red-a red-b $B
for h in b1 b2; do
	topo_daemon_stop $h KILL
	topo_daemon $h
	transit $h program replace > /dev/null
done
oneway_end
crossed=$(($(bounced) - before))
hints_back
ok "all of a one-way flow crosses a bouncer" test "$crossed" -eq "$ONEWAY_SENT"
ok "... whose kill -9, restart and replacement lose no packet" \
	test "$ONEWAY_SENT" -gt 100 -a "$ONEWAY_RECEIVED" -eq "$ONEWAY_SENT"
ok "the endpoint behind it answers" wait_for 5 says red-a $B red/b

flow_begin red-a $B
let_flow 0.3
for h in w1 w2 b1; do topo_daemon_stop $h KILL; done
let_flow 0.3
for h in w1 w2 b1; do topo_daemon $h; done
let_flow 0.2
flow_end
ok "kill -9 of three daemons and their restart lose no packet" nothing_lost
ok "the goal is there without a new apply" test "$(transit w1 status -o json | grep -c '"revision": *"1"')" = 1

flow_begin red-a $C
for _ in 1 2 3; do
	for h in w1 w2 b1 b2 d1; do transit $h program replace > /dev/null; done
done
flow_end
ok "replacing every program three times loses no packet" nothing_lost

flow_begin red-a $B
let_flow 0.3
topo_daemon_stop w1
topo_daemon w1
let_flow 0.2
flow_end
ok "stop and start lose no packet" nothing_lost

# Paced, so that no queue of the machine overflows: what is sent again was lost,
# unless the receiver says it had it already (a loss probe, RFC 8985, on a machine
# that was busy elsewhere).
tcp_whole() {
	start red-b "$TOPO_DIR/iperf" iperf3 -s -1
	wait_for 5 on red-b bash -c 'ss -ltn | grep -q :5201'
	local before needless
	needless_now() { on red-a nstat -asz TcpExtTCPDSACKRecvSegs | awk '/DSACK/ {print $2}'; }
	before=$(needless_now)
	start red-a "$TOPO_DIR/tcp" iperf3 -c $B -t 3 -b 500M --json
	local client=$STARTED
	for h in w1 w2; do topo_daemon_stop $h KILL; done
	for h in w1 w2; do topo_daemon $h; done
	for h in w1 w2; do transit $h program replace > /dev/null; done
	wait_for 10 bash -c "! kill -0 $client"
	needless=$(($(needless_now) - before))
	python3 -c '
import json, sys
end = json.load(open(sys.argv[1]))["end"]
megabytes, again = end["sum_received"]["bytes"] >> 20, end["sum_sent"]["retransmits"]
needless = int(sys.argv[2])
print("# %d MB, %d segments sent again, %d of them needlessly" % (megabytes, again, needless))
sys.exit(again > needless or megabytes < 100)' "$TOPO_DIR/tcp" "$needless" && return
	# Who lost it, or only its acknowledgement.
	for e in red-a red-b; do on $e nstat -asz | awk -v e=$e '/Retrans|LossProbe|DSACK/ && $2 { print "# " e, $1, $2 }'; done
	for h in w1 w2; do on $h ip -s link show | sed "s/^/# $h /"; done
	return 1
}
ok "TCP loses no segment in kill -9, restart and replacement" tcp_whole

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
	wait_for 5 on red-a ping -qc 1 -W 1 $B
finish
