#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# transit-linerate on veths: what it says of a device whose faults are known, frames of all sizes by
# both generators, reflection, another host's receiver, bad input. No row is about time: rates
# are low, and 100 % is given.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-linerate
trap topo_end EXIT
L=$BIN/transit-linerate
R=$TOPO_DIR/result.json

# ---- a sends, b is under test, c receives; d lies beside it, with jumbo frames ------------
for n in a b c d; do topo_ns $n; done
pair() { # NS INTERFACE NS INTERFACE MTU
	ip link add "$2" netns "$(ns "$1")" mtu "$5" type veth peer name "$4" netns "$(ns "$3")" mtu "$5"
	on "$1" ip link set "$2" up
	on "$3" ip link set "$4" up
}
pair a out b in 1500
pair b out c in 1500
pair a big d big 9000

under_test() { # FAULT N
	rm -f "$R"
	start b "$TOPO_DIR/dut" "$O/selftests/topo/linerate_dut" in out "$@"
	DUT=$STARTED
	wait_for 5 grep -q passing "$TOPO_DIR/dut"
}
# Sets SEEN and HIT.
under_test_end() {
	kill "$DUT"
	wait_for 5 grep -q seen "$TOPO_DIR/dut"
	read -r _ SEEN _ HIT < <(grep seen "$TOPO_DIR/dut")
	rm "$TOPO_DIR/dut"
}
measure() { # OPTIONS...: from a to c
	on a "$L" run out --receive in --receive-netns "$(ns c)" --to-mac 02:00:00:00:00:01 --settle "${SETTLE:-0.2}" -o json "$@" > "$R"
}
holds() { # EXPRESSION of r, the result
	python3 -c "import json, sys
r = json.load(open(sys.argv[1]))
ok = eval('(' + sys.argv[2] + ')')
if not ok: print('#', json.dumps(r)[:2000])
sys.exit(not ok)" "$R" "$1"
}
LOSS='[t for s in r["sizes"] for t in s.get("loss", [])]'

# ---- exactly what is lost is seen ----------------------------------------------------------
faulty() { # FAULT N COUNT OPTIONS...: all that b hits appears under COUNT, nothing else does
	under_test "$1" "$2"
	measure --sizes 128 --tests loss --max-rate 4000 --seconds 0.05 --search-seconds 0.05 --verify "${@:4}"
	under_test_end
	[[ $SEEN -gt 0 && $HIT -eq $((SEEN / $2)) ]] &&
		holds "(lambda all: sum(t['$3'] for t in all) == $HIT and sum(t['sent'] - t['refused'] for t in all) == $SEEN and
			not any(t[k] for t in all for k in ('duplicates', 'reordered', 'late', 'lost', 'wrong_length', 'corrupted') if k != '$3')
			)($LOSS + [s['full_rate'] for s in r['sizes']])"
}
ok "each 7th frame dropped: those are lost, no other" faulty drop 7 lost
# AF_XDP: on veths a live frame's page comes back to its sender as b left it.
ok "each 7th frame changed in its last byte" faulty change 7 corrupted --generator afxdp
ok "each 7th frame cut by a byte" faulty cut 7 wrong_length --generator afxdp

# ---- the search ends below what the device lets through -------------------------------------
policed() {
	under_test police 4
	# A trial of 0.1 s meets at most 101 milliseconds of 4 frames.
	SETTLE=0.05 measure --sizes 64 --tests throughput,back-to-back --max-rate 16000 --seconds 0.1 --search-seconds 0.05 --precision 3
	under_test_end
	[[ $HIT -gt 0 ]] && holds "0 < r['sizes'][0]['throughput']['mpps'] * 1e6 <= 4 * 101 / 0.1 and
		r['sizes'][0]['throughput']['limit'] == 'loss' and r['sizes'][0]['throughput']['held']['lost'] == 0 and
		4 <= r['sizes'][0]['back_to_back']['frames'] < 1600 and not r['sizes'][0]['back_to_back']['all_passed']"
}
ok "throughput of a device that lets 4 frames a millisecond through" policed

# ---- all sizes, by both generators ------------------------------------------------------------
whole() { # EXPRESSION OPTIONS...: from a to d; all arrive whole
	local what=$1
	shift
	on a "$L" run big --receive big --receive-netns "$(ns d)" --tests loss --max-rate 5000 --seconds 0.02 \
		--search-seconds 0.02 --verify --settle 1 -o json "$@" > "$R" || return 1
	holds "(lambda all: all and not any(t[k] for t in all for k in ('duplicates', 'lost', 'wrong_length', 'corrupted', 'refused'))
		and all[0]['received'] == 100 and $what)($LOSS)"
}
sizes() { echo "[s['size'] for s in r['sizes'] if not s['skipped']] == [$1]"; }
ok "frames of all sizes arrive whole" whole "$(sizes 64,128,256,512,1024,1280,1518)"
ok "... by AF_XDP longer ones, too" whole "$(sizes 64,128,256,512,1024,1280,1518,4096,9000)" --generator afxdp
ok "tunnel packets" whole "$(sizes 130,256,1518)" --geneve 100 --inner-to 10.0.4.0/22 --sizes 130,256,1518
ok "... by AF_XDP" whole "$(sizes 130,9000)" --geneve 100 --inner-to 10.0.4.0/22 --sizes 130,9000 --generator afxdp
ok "... by two CPUs" whole "r['cpus'] == [0, 1]" --sizes 64,1518 --cpus 0,1

no_line() { holds 'r["sender"]["line_bits_per_second"] is None and r["sender"]["no_line"] == "veth" and
	all(t["line_share"] is None for t in '"$LOSS"')'; }
ok "a veth has no line" no_line
latency() {
	on a "$L" run big --receive big --receive-netns "$(ns d)" --sizes 64 --tests latency --max-rate 2000 --seconds 0.1 \
		--search-seconds 0.05 --time-every 4 --repeat 2 -o json > "$R" || return 1
	holds '(lambda l: l["frames"] == 100 and 0 < l["p50_ns"] <= l["p99_ns"] <= l["max_ns"])(r["sizes"][0]["latency"])'
}
ok "latency of each 4th frame, twice" latency
too_fast() {
	on a "$L" run big --receive big --receive-netns "$(ns d)" --sizes 64 --tests throughput --max-rate 1e8 --seconds 0.001 \
		--search-seconds 0.001 -o json > "$R" || return 1
	holds 'not r["sizes"][0]["full_rate"]["generated"] and any("the generator is the limit" in w for w in r["warnings"])'
}
ok "a rate that nobody generates is called so" too_fast

# ---- reflected -------------------------------------------------------------------------------
far_end() { # NS COMMAND...: in the background, result in $TOPO_DIR/far
	local n=$1
	shift
	rm -f "$TOPO_DIR/far"
	start "$n" "$TOPO_DIR/far" "$L" "$@" -o json
	FAR=$STARTED
	wait_for 5 grep -q ' XDP$' "$TOPO_DIR/far"
}
far_end_stop() {
	kill "$FAR"
	wait_for 5 bash -c "! kill -0 $FAR"
	sed 1d "$TOPO_DIR/far" > "$R"
}
reflected() {
	far_end d reflect big
	on a "$L" run big --reflected --to-mac 02:00:00:00:00:01 --sizes 64,1518 --tests loss --max-rate 5000 --seconds 0.02 \
		--search-seconds 0.02 --verify --settle 1 -o json > "$R" || return 1
	holds "(lambda all: len(all) == 4 and all[0]['received'] == 100 and not any(t['lost'] or t['corrupted'] for t in all))($LOSS)" || return 1
	far_end_stop
	holds 'r["reflected"] >= 580'
}
ok "frames come back from a reflector" reflected

# ---- another host's receiver -------------------------------------------------------------------
remote() {
	far_end d receive big --verify
	local i
	for i in 1 2; do on a "$L" send big --to-mac 02:00:00:00:00:01 --size 256 --rate 2000 --frames 150 > /dev/null || return 1; done
	far_end_stop
	# Numbers of trials begin at random: the second may have taken the first one's place.
	holds 'r and all([s[k] for k in ("stream", "sent", "received", "lost", "duplicates", "corrupted")] == [0, 150, 150, 0, 0, 0] for s in r)'
}
ok "a receiver tells trials apart" remote

# ---- bad input -----------------------------------------------------------------------------------
refused() { # CODE WORDS COMMAND...: one line, with those words
	local want=$1 words=$2 rc=0
	shift 2
	"$@" > "$TOPO_DIR/out" 2>&1 || rc=$?
	echo "# exit $rc: $(head -c 250 "$TOPO_DIR/out")"
	[[ $rc -eq $want && $(wc -l < "$TOPO_DIR/out") -eq 1 ]] && grep -qF -- "$words" "$TOPO_DIR/out"
}
in_a() { on a timeout 20 "$@"; }
run_to_c() { in_a "$L" run out --receive in --receive-netns "$(ns c)" "$@"; }
ok "no such interface" refused 3 "interface nope" in_a "$L" run nope --reflected --to-mac 02:00:00:00:00:01
ok "... to probe" refused 3 "interface nope" in_a "$L" probe nope
ok "... to receive" refused 3 "interface nope" in_a "$L" run out --receive nope
ok "no such namespace" refused 3 "$(ns x)" in_a "$L" run out --receive in --receive-netns "$(ns x)"
ok "MTU too small" refused 2 "MTU 1500 is too small" run_to_c --sizes 64,9000
ok "a frame too short for a tunnel" refused 2 "at least 130" run_to_c --sizes 64 --geneve 100 --inner-to 10.0.4.0/22
ok "a live frame longer than a page" refused 2 "--generator afxdp" in_a "$L" run big --receive big --receive-netns "$(ns d)" --sizes 9000
ok "tunnel packets to nobody" refused 2 "--inner-to" run_to_c --geneve 100
ok "neither --receive nor --reflected" refused 2 "--reflected" in_a "$L" run out
ok "a reflector's MAC is not known" refused 2 "--to-mac" in_a "$L" run out --reflected
ok "no such CPU" refused 2 "CPU 4000" run_to_c --cpus 4000
ok "no such test" refused 2 "--tests" run_to_c --tests speed
ok "no such option" refused 2 "transit-linerate run --help" run_to_c --fly
ok "nobody takes live frames" refused 1 "gro on" run_to_c
ok "nothing lies between" refused 1 "none of" run_to_c --sizes 64 --max-rate 1000 --search-seconds 0.1 --generator afxdp
on a ip link set big down
ok "an interface that is down" refused 1 "is down" in_a "$L" run big --receive in --receive-netns "$(ns c)"
without_root() { on a setpriv --reuid 65534 --clear-groups "$L" run out --reflected --to-mac 02:00:00:00:00:01; }
ok "without root" refused 1 "needs root" without_root
finish
