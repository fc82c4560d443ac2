#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Divider, bouncer, direct; hints; moves; the loss of a bouncer: under traffic.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-paths
trap topo_end EXIT
standard_up
serve red-b red/b
serve red-c red/c

bounced() { echo $(($(count_of b1 BOUNCED red) + $(count_of b2 BOUNCED red))); }
says() { [[ $(on "$1" "$TRAFFIC" ask "$2" 7) == "$3" ]]; }

ok "the other network answers" says red-a 10.0.2.5 red/c
ok "first packet: over the divider" test "$(count_of d1 DIVIDED red)" = 1
ok "... and one bouncer" test "$(bounced)" = 1
for _ in 1 2 3; do on red-a ping -qc 2 -i 0.01 10.0.2.5 > /dev/null; done
ok "later ones: neither" test "$(count_of d1 DIVIDED red) $(bounced)" = "1 1"
ok "... but direct" test "$(count_of w1 DIRECT red)" -ge 6

# The path is taken away: back over the bouncer, and learned again.
before=$(count_of w1 TO_DIVIDER red)
bpftool map delete pinned "/sys/fs/bpf/mizar/$(ns w1)/v1/maps/mz_paths" key \
	hex 64 00 00 00 00 00 00 00 00 00 00 00 00 00 ff ff 0a 00 02 05
on red-a ping -qc 3 -i 0.01 10.0.2.5 > /dev/null
ok "a path that is gone: once over the divider, then direct" \
	test "$(count_of w1 TO_DIVIDER red)" = $((before + 1))

# One way only: the receiver's host hints.
before=$(count_of w1 TO_BOUNCER red)
oneway_begin red-a red-b 10.0.1.6 600
oneway_end
after=$(count_of w1 TO_BOUNCER red)
echo "# of 600 one-way packets $((after - before)) went over the bouncer"
ok "one-way traffic becomes direct by a hint" test $((after - before)) -lt 400
ok "... and none is lost" test "$ONEWAY_RECEIVED" = 600

# A move: new host, bouncers, old host.
topo_ns red-b2
serve red-b2 red/b
flow_begin red-a 10.0.1.6
let_flow 0.3
standard_region 2 w1 red-b2 | topo_apply w1 b1 b2 d1 w2
let_flow 0.3
flow_end
ok "an endpoint moves to the sender's own host: at most 300 ms without answer" test "$FLOW_GAP" -lt 300
topo_ns red-b3
serve red-b3 red/b
flow_begin red-c 10.0.1.6
let_flow 0.3
standard_region 3 w2 red-b3 | topo_apply w2 b1 b2 d1 w1
let_flow 0.3
flow_end
ok "... and back" test "$FLOW_GAP" -lt 300

# Stale path: w1 sends to w2, which has not red/b any more.
topo_ns red-b4
serve red-b4 red/b
on red-a ping -qc 2 -i 0.01 10.0.1.6 > /dev/null
ok "the sender has a direct path" says red-a 10.0.1.6 red/b

# A bouncer dies. Paths are short-lived here: only what needs it matters.
bouncer=$(transit w1 trace red/a 10.0.1.99 | awk '/=> SEND/ {print $4; exit}')
echo "# 10.0.1.99 is served by $bouncer"
flow_begin red-a 10.0.2.5
on "$bouncer" ip link set eth0 down
start_ms=$(date +%s%3N)
backup_used() { [[ $(transit w1 trace red/a 10.0.1.99 | awk '/=> SEND/ {print $4; exit}') != "$bouncer" ]]; }
wait_for 3 backup_used
took=$(($(date +%s%3N) - start_ms))
echo "# backup in use after $took ms"
ok "a dead bouncer's backup serves within a second" test $took -lt 1000
flow_end
ok "flows with a direct path do not notice" test "$FLOW_SENT" -eq "$FLOW_ANSWERED"
on "$bouncer" ip link set eth0 up
on "$bouncer" ip route replace default via "10.77.$([[ $bouncer == b1 ]] && echo 3 || echo 4).254"
primary_used() { ! backup_used; }
ok "it comes back and serves again" wait_for 5 primary_used
finish
