#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The harness must fail: a packet row that is wrong in one way is noticed,
# whichever way it is; and a right one passes.
set -u
test=${O:-build}/selftests/bpf/packet_test
[[ $EUID -eq 0 ]] || { echo "1..0 # SKIP needs root"; exit 4; }
kinds=(action reason bytes length vpc path event)
echo "1..$((${#kinds[@]} + 1))"
n=1 bad=0
"$test" --break none > /dev/null 2>&1 && echo "ok $n - a right row passes" || { echo "not ok $n - a right row fails"; bad=1; }
for kind in "${kinds[@]}"; do
	n=$((n + 1))
	if "$test" --break "$kind" > /dev/null 2>&1; then
		echo "not ok $n - wrong $kind went unnoticed"
		bad=1
	else
		echo "ok $n - wrong $kind is noticed"
	fi
done
exit $bad
