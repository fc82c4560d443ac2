#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An endpoint goes from host to host, none of them the sender's, under traffic that
# has learned the direct path: nothing is lost, not even what is answered while the
# old host lets go.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-move
trap topo_end EXIT
standard_up
serve red-b red/b
now=w2 old=red-b revision=1
old_gone() { ! on $old ip link show eth0 2> /dev/null; }
for to in b1 w2 d1 w2 b2 w2; do
	revision=$((revision + 1))
	topo_ns red-b$revision
	serve red-b$revision red/b
	direct() { [[ $(count_of w1 DIRECT red) -gt $before ]]; }
	before=$(count_of w1 DIRECT red)
	flow_begin red-a $B 5000
	wait_for 5 direct
	standard_region $revision $to red-b$revision | topo_apply $to b1 b2 d1 w1 w2
	ok "$now -> $to: the old interface goes" wait_for 3 old_gone
	flow_end
	ok "... and nothing is lost" test "$FLOW_SENT" -eq "$FLOW_ANSWERED"
	now=$to old=red-b$revision
done
finish
