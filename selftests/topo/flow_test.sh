#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Flows of real stacks: what each host remembers, for how long, and what it costs
# nobody.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-flow
trap topo_end EXIT
LIMITS="--flow-timer tcp-closed=$((2 * PATIENCE)) --flow-timer udp-opening=$((3 * PATIENCE)) --endpoint-flows 50" # flows are there when we look
standard_up $LIMITS
for e in red-{a,b,c} blue-{a,b,c}; do serve $e ${e/-//}; done

# Fields of the flows at a host, one flow a line: flows HOST FILTER... -- FIELD...
flows() {
	local host=$1 filter=()
	shift
	while [[ $1 != -- ]]; do filter+=("$1"); shift; done
	shift
	transit "$host" flow list "${filter[@]}" -o json | python3 -c '
import json, sys
for f in json.load(sys.stdin):
    print(*(f.get(k, "-") for k in sys.argv[1:]))' "$@"
}
seen() { # WANTED HOST FILTER... -- FIELD...
	local wanted=$1 got
	shift
	got=$(flows "$@" | sort)
	[[ $got == "$wanted" ]] || { echo "# got: $got"; return 1; }
}

# ---- UDP, both tenants with the same addresses -----------------------------------
ok "red/a asks red/b" says red-a $B red/b
ok "blue/a asks blue/b, at the same address" says blue-a $B blue/b
ok "the asking side has the flow" seen "red/a $B 7 REPLIED True" w1 --vpc red --port 7 -- endpoint remote_address remote_port state opened_here
ok "... each tenant its own" seen "blue/a $B 7 REPLIED True" w1 --vpc blue --port 7 -- endpoint remote_address remote_port state opened_here
ok "the answering side too" seen "red/b $A 7 REPLIED False" w2 --vpc red --port 7 -- endpoint remote_address port state opened_here
on red-a python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"x", (sys.argv[1], 9999))' $C
ok "what nobody answers is unreplied" seen "UNREPLIED" w1 --vpc red --port 9999 -- state
ok "... an ICMP error about it is counted at its flow" seen "1" w1 --vpc red --port 9999 -- icmp_errors
ok "... and at the side that sent it" seen "1" w2 --vpc red --port 9999 -- icmp_errors
gone() { [[ -z $(flows "$@" -- state) ]]; }
ok "... and forgotten after its timer" wait_for 5 gone w1 --vpc red --port 9999
ok "but the replied one is not" seen "REPLIED" w1 --vpc red --port 7 -- state

# ---- TCP ------------------------------------------------------------------------------
tcp_begin red-a red-b $B
established() { seen "ESTABLISHED" w1 --vpc red --proto tcp -- state; }
ok "a TCP connection is established" wait_for 5 established
ok "... at both sides" seen "ESTABLISHED" w2 --vpc red --proto tcp -- state
top() {
	transit w1 flow top --proto tcp --interval 0.3 -o json > "$TOPO_DIR/top"
	python3 -c '
import json, sys
top = json.load(sys.stdin)
sys.exit(not (top and top[0]["endpoint"] == "red/a" and int(top[0]["bytes_out"]) > 1e6 and int(top[0]["packets_out"]) > 10))' < "$TOPO_DIR/top"
}
ok "top shows it, with its rate" top
kept() {
	topo_daemon_stop w1 KILL
	topo_daemon w1 $LIMITS
	established
}
ok "flows outlive the daemon" kept
flushed() { transit w1 flow flush --vpc red --proto tcp | grep -q '^1 flushed'; }
ok "and a connection outlives a flush" flushed
ok "... seen from its middle" wait_for 5 established
ok "the connection was whole" tcp_end
ok "it has ended at both sides" seen "TIME_WAIT" w1 --vpc red --proto tcp -- state
ok "... and is forgotten soon after" wait_for 12 gone w1 --vpc red --proto tcp
refused() { ! on red-a bash -c "exec 3<>/dev/tcp/$B/81" 2> /dev/null && seen "CLOSE" w1 --vpc red --port 81 -- state; }
ok "a refused connection is closed" refused

# ---- ping, fragments --------------------------------------------------------------------
proto=$([[ $FAMILY == 4 ]] && echo icmp || echo icmpv6)
ok "a ping in fragments passes" on red-a ping -qc 3 -i 0.05 -W 1 -s 4000 $B
packets() { [[ $(flows w2 --vpc red --proto $proto -- packets_in packets_out) == "9 9" ]]; }
ok "... and all fragments are of its flow" packets

# ---- both ends on one host ---------------------------------------------------------------
ok "red/c asks red/b on the same host" says red-c $B red/b
ok "... both have the flow" seen "$(printf 'red/b False\nred/c True')" w2 --address $C --port 7 -- endpoint opened_here

# ---- the quota ---------------------------------------------------------------------------
many() { on red-a python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
for port in range(20000, 20200):
    try: s.sendto(b"x", (sys.argv[1], port))
    except ConnectionRefusedError: s.sendto(b"x", (sys.argv[1], port))' $C; }
before=$(count_of w1 FLOW_QUOTA red)
many
ok "an endpoint has no more flows than it may" test "$(flows w1 --endpoint red/a -- port | wc -l)" -le 50
ok "... the others are dropped, and counted" test "$(count_of w1 FLOW_QUOTA red)" -gt "$before"
ok "... another endpoint does not notice" says blue-a $C blue/c
few() { [[ $(flows w1 --endpoint red/a -- port | wc -l) -lt 20 ]]; }
ok "when they have ended there is room again" wait_for 15 few
again() { many; [[ $(flows w1 --endpoint red/a -- port | wc -l) -gt 30 ]]; }
ok "... for new ones" wait_for 15 again

# ---- trace, flush, an address with a new owner -------------------------------------------------
traced() { transit w1 trace red/a $B --proto udp --dport 7 > "$TOPO_DIR/trace" 2>&1; grep -q "flows table" "$TOPO_DIR/trace"; }
ok "a trace says what the table says" traced
flush_refused() { ! transit w1 flow flush 2> "$TOPO_DIR/error" && grep -q -- --all "$TOPO_DIR/error"; }
ok "flush wants to know what" flush_refused
flush_all() { transit w1 flow flush --all | grep -q ' flushed' && [[ -z $(flows w1 -- state) ]]; }
ok "... and takes all when told" flush_all
topo_ns red-b2
standard_region 2 w1 red-b2 | topo_apply b1 b2 d1 w1 w2
ok "flows of an endpoint that left go with it" wait_for 3 gone w2 --port 7 --address $A --vpc red
ok "... those of the others stay" seen "REPLIED" w2 --endpoint blue/b --port 7 -- state

# ---- a table that is too small ------------------------------------------------------------------
topo_daemon_stop w1
on w1 "$BIN/transitd" --instance "$(ns w1)" --state-dir "$TOPO_DIR/w1/state" --reset > "$TOPO_DIR/reset" 2>&1
open_flows() { # FIRST LAST: ports of C
	on blue-a python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
for port in range(*map(int, sys.argv[2:])):
    try: s.sendto(b"x", (sys.argv[1], port))
    except ConnectionRefusedError: s.sendto(b"x", (sys.argv[1], port))' $C "$1" "$2"
}
topo_daemon w1 --max-flows 1024
standard_region 3 w1 red-b2 | topo_apply w1
wait_for 10 hops_up
open_flows 20000 20600
quarter() { [[ $(count_of w1 FLOW_QUOTA blue) -ge 300 ]]; }
ok "no endpoint has more than a quarter of the table" quarter
topo_daemon_stop w1
topo_daemon w1 --max-flows 1024 --endpoint-flows 32768
wait_for 10 hops_up
evicted() { transit w1 status -o json | python3 -c '
import json, sys
print(*(t.get("evicted", 0) for t in json.load(sys.stdin)["tables"] if t["name"] == "flows"))'; }
ok "a new table has lost nothing" test "$(evicted)" = 0
tcp_begin red-a red-c $C
wait_for 5 established
let_flow 0.5
open_flows 20000 26000
# w2's table is large enough: one begun anew at w1 would have counted less.
kill -STOP "$STARTED"
let_flow 0.2
there=$(flows w2 --vpc red --proto tcp --endpoint red/c -- bytes_in) here=$(flows w1 --vpc red --proto tcp -- bytes_out)
kill -CONT "$STARTED"
pressed() { [[ $(evicted) -gt 1000 ]]; }
ok "another tenant opens six times as many flows as it has room for: the oldest give way" wait_for 12 pressed
echo "# evicted $(evicted); the connection's bytes: $here here, $there there"
stays() { [[ $((here * 10)) -gt $((there * 9)) ]] && established; }
ok "... not one that is in use" stays
ok "... whose connection is whole" tcp_end
ok "... and new ones find room" says red-a $C red/c
finish
