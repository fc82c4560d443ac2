#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Rates and classes by real packets. Where the kernel has fq, packets are spaced as their
# departure times say; elsewhere HTB and tokens keep the rate. The same rows for both, those on
# spacing for fq alone (`make vm-test VM_TESTS=selftests/topo/qos_test.sh`).
# QOS_SHORT=1: those on the kernel's part alone.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
PACE=$(dirname "$(readlink -f "$0")")/pace.py
need_root
topo_begin mzt-qos
trap topo_end EXIT
four_up
for e in a b c d; do topo_ns $e; done
region() {
	cat << R
revision: 1
$(four_hosts)
$(tenants)
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns a)}
  - {name: b, vpc: red, network: front, $(both 1 6), host: w2, netns: $(ns b)}
  - {name: c, vpc: red, network: front, $(both 1 8), host: w1, netns: $(ns c)}
  - {name: d, vpc: red, network: front, $(both 1 9), host: w1, netns: $(ns d)}
R
}
region | topo_apply b1 d1 w1 w2
wait_for 10 hops_up
for e in b c; do start $e "$TOPO_DIR/serve.log" "$TRAFFIC" echo $e 7; done
C1=$M # of c, on a's host

qos() { transit "$@" > "$TOPO_DIR/out" 2>&1 || { sed 's/^/# /' "$TOPO_DIR/out"; return 1; }; } # HOST qos ...
field() { # HOST NAME: of `transit qos status`
	transit "$1" qos status -o json | python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$2"
}
# What arrives at TO of a flood: flood FROM TO ADDRESS RATE GAP_US [TOS] -> $TOPO_DIR/heard
# Where departure times are kept a bare timer runs beside it. If packets were not spaced and that
# was late by three of them, the machine stood still, and nothing is known. Then once more.
SIZE=1000 SECONDS_=${QOS_SECONDS:-2}
flood() {
	local times
	for times in 1 2 3; do
		flood_once "$@"
		[[ ${paced:-} == True ]] && ! is_spaced && late "$5" || break
	done
}
is_spaced() { [[ $(word even) -ge 80 && $(word burst) -le 14 ]]; } # most gaps near the ideal one, and never many at once
late() { # GAP_US
	awk -v gap="$1" '{ exit !($4 > 3 * gap) }' "$TOPO_DIR/timer" || return 1
	echo "# $heard, and a timer alone: $(cat "$TOPO_DIR/timer")"
}
flood_once() {
	local from=$1 to=$2 address=$3 rate=$4 gap=$5 tos=${6:-0}
	"$PACE" timer "$gap" "$((SECONDS_ + 2))" > "$TOPO_DIR/timer" &
	local timer=$!
	start "$to" "$TOPO_DIR/heard.log" "$PACE" receive 5001 "$gap" "$SECONDS_" "$FAMILY"
	local receiver=$STARTED
	: > "$TOPO_DIR/heard.log"
	wait_for 5 on "$to" bash -c 'ss -lun | grep -q ":5001 "'
	on "$from" ${PACE_CPU:+taskset -c $PACE_CPU} "$PACE" send "$address" 5001 "$rate" $SIZE "$((SECONDS_ + 2))" "$tos" > "$TOPO_DIR/sent"
	wait_for 10 bash -c "! kill -0 $receiver 2> /dev/null"
	wait $timer
	heard=$(tail -n 1 "$TOPO_DIR/heard.log")
}
word() { echo "$heard" | grep -oE "\b$1 [0-9]+" | cut -d' ' -f2; }
# Never more than the rate; less by what a sender misses that is not always running.
near() { # WANTED GOT
	local low=$(($1 * 90 / 100)) high=$(($1 * 102 / 100))
	[[ $2 -ge $low && $2 -le $high ]] || { echo "# $heard; wanted $low..$high"; return 1; }
}
spaced() { is_spaced || { echo "# $heard"; return 1; }; }

# ---- an endpoint's rate -------------------------------------------------------------------
ok "nothing is set: the uplink's qdisc is left as it is" test "$(field w1 queueing)" = none
ok "a rate" qos w1 qos set endpoint red/a egress=2M
paced=$(field w1 paced)
echo "# w1: $(field w1 queueing), packets are $([[ $paced == True ]] && echo paced || echo "not paced")"
# Of 1,042 bytes a frame (1,062 of IPv6) at 2 Mbit/s, which emulation carries with ease.
[[ $FAMILY == 4 ]] && GAP=4168 || GAP=4248
flood a b $B 4000000 $GAP
ok "... is kept: what arrives is 2 Mbit/s" near 2000000 "$(word rate)"
if [[ $paced == True ]]; then
	ok "... spaced: gaps and bursts as the rate has them" spaced
else
	echo "# no fq in this kernel: spacing is not kept, $(field w1 problem)"
fi
dropped() { # HOST ENDPOINT: of what it sends
	transit "$1" qos top --interval 0.1 -o json > /dev/null
	transit "$1" get -o json > /dev/null
	[[ $(($(count_of "$1" QOS_QUEUE red) + $(count_of "$1" QOS_HORIZON red) + $(count_of "$1" QOS_RATE red))) -gt 0 ]]
}
ok "... what is too much is counted under its reason" dropped w1
flood a b $B 3000000 $GAP 2
marked() { [[ $(word ce) -gt 0 ]] || { echo "# $heard"; return 1; }; }
ok "... and marked where its sender understands (RFC 3168)" marked
flood a b $B 1000000 $((2 * GAP))
ok "what is below the rate is not touched" near 1000000 "$(word rate)"

# Two senders of one endpoint, on two CPUs where there are two.
on a taskset -c 0 "$PACE" send $B 5001 3000000 $SIZE $((SECONDS_ + 3)) > /dev/null &
other=$!
PACE_CPU=$(($(nproc) - 1)) flood a b $B 3000000 $GAP
wait $other
ok "two CPUs at once do not exceed it" near 2000000 "$(word rate)"

# QOS_SHORT: what only the kernel decides.
if [[ -n ${QOS_SHORT:-} ]]; then
	flood a c $C1 4000000 $GAP
	ok "to an endpoint of the same host: the same rate" near 2000000 "$(word rate)"
	[[ $paced != True ]] || ok "... spaced" spaced
	qos w1 qos clear endpoint red/a
	qos w2 qos set endpoint red/b ingress=2M
	flood a b $B 4000000 $GAP
	ok "what an endpoint receives" near 2000000 "$(word rate)"
	[[ $paced != True ]] || ok "... spaced" spaced
	finish
	exit
fi

# ---- TCP ------------------------------------------------------------------------------------
start b "$TOPO_DIR/iperf" iperf3 -s
wait_for 5 on b bash -c 'ss -ltn | grep -q ":5201 "'
on a iperf3 -c $B -t 4 -O 1 -J > "$TOPO_DIR/tcp" || true
tcp_rate=$(python3 -c 'import json, sys; print(round(json.load(open(sys.argv[1]))["end"]["sum_received"]["bits_per_second"]))' "$TOPO_DIR/tcp")
echo "# TCP: $tcp_rate bit/s of payload"
ok "a TCP stream has most of the rate, and not more" test "$tcp_rate" -gt 1300000 -a "$tcp_rate" -lt 2100000

# ---- metrics ---------------------------------------------------------------------------------------
metric() { grep -E "^$1(\{| )" "$TOPO_DIR/metrics" | grep -F -- "${2:-}" | awk '{ n += $NF } END { print n + 0 }'; }
transit w1 metrics > "$TOPO_DIR/metrics"
formed() { # as the text format has it: a HELP and a TYPE before each family's lines
	python3 - "$TOPO_DIR/metrics" << 'P'
import re, sys
types = {}
for line in open(sys.argv[1]):
    if line.startswith("# TYPE "):
        types[line.split()[2]] = line.split()[3]
    elif not line.startswith("# HELP "):
        m = re.fullmatch(r'(mizar_[a-z_]+)(\{([a-z]+="[^"]*",?)+\})? [-+.e0-9]+\n', line)
        assert m and m[1] in types, line
        assert (types[m[1]] == "counter") == m[1].endswith("_total"), line
assert len(types) >= 17, types
P
}
ok "metrics: well formed" formed
ok "... count what passed" test "$(metric mizar_packets_total 'verdict="SEND"')" -gt 1000
ok "... and what rates let pass, and dropped" test "$(metric mizar_qos_bytes_total 'name="red/a",direction="egress"')" -gt 100000 -a "$(metric mizar_packets_total 'QOS_')" -gt 100
ok "... how full tables are" test "$(metric mizar_table_entries 'table="endpoints"')" -gt 1
start w1 "$TOPO_DIR/serving" env TRANSIT_SOCKET="$(topo_socket w1)" "$BIN/transit" metrics --listen 127.0.0.1:9640
exporter=$STARTED
wait_for 5 grep -q serving "$TOPO_DIR/serving"
scraped() { on w1 curl -fsS http://127.0.0.1:9640/metrics > "$TOPO_DIR/metrics" && [[ $(metric mizar_up) == 1 && $(metric mizar_packets_total) -gt 1000 ]]; }
ok "... served on this host" scraped
kill "$exporter"
closed() { ! on w1 curl -fsS http://127.0.0.1:9640/metrics > /dev/null 2>&1 && ! kill -0 "$exporter" 2> /dev/null; }
ok "... until it is stopped" wait_for 5 closed
nowhere_else() { ! transit w1 metrics --listen 0.0.0.0:9640 > "$TOPO_DIR/out" 2>&1 && grep -q 'must be 127.0.0.1:PORT' "$TOPO_DIR/out"; }
ok "... and nowhere else" nowhere_else

# ---- changed live, kept --------------------------------------------------------------------
flow_begin a $B
for rate in 3M 3.5M 4M 5M 4M; do
	transit w1 qos set endpoint red/a egress=$rate > /dev/null
	let_flow 0.2
done
ok "another rate, and another: no packet of a slow flow is lost" flow_end whole
flood a b $B 6000000 $((GAP / 2))
ok "... the last one holds" near 4000000 "$(word rate)"
pid=$(cat "$TOPO_DIR/w1/pid")
kill -9 "$pid"
wait_for 5 bash -c "! kill -0 $pid 2> /dev/null"
flood a b $B 6000000 $((GAP / 2))
ok "without a daemon" near 4000000 "$(word rate)"
topo_daemon w1
wait_for 10 hops_up
flood a b $B 6000000 $((GAP / 2))
ok "after its restart" near 4000000 "$(word rate)"
same_settings() { transit w1 qos show | grep -q 'endpoint red/a *here *egress=4M$'; }
ok "... which knows what was set" same_settings

# ---- both ends on one host; what is received ------------------------------------------------
flood a c $C1 6000000 $((GAP / 2))
ok "to an endpoint of the same host: the same rate" near 4000000 "$(word rate)"
if [[ $paced == True ]]; then
	ok "... spaced" spaced
fi
qos w1 qos clear endpoint red/a
qos w2 qos set endpoint red/b ingress=2M
flood a b $B 4000000 $GAP
ok "what an endpoint receives" near 2000000 "$(word rate)"
if [[ $(field w2 paced) == True ]]; then
	ok "... spaced" spaced
fi
qos w2 qos clear endpoint red/b
qos w1 qos set endpoint red/c ingress=2M
flood a c $C1 4000000 $GAP
ok "... also from the same host" near 2000000 "$(word rate)"
qos w1 qos clear endpoint red/c

# ---- packets a second; a VPC's rate ------------------------------------------------------------
qos w1 qos set endpoint red/a egress.packets=200
flood a b $B 4000000 5000
ok "200 packets a second" near $((200 * 8 * GAP / 4)) "$(word rate)"
qos w1 qos clear endpoint red/a
qos w1 qos set vpc red egress=2M
on d "$PACE" send $C1 5002 4000000 $SIZE $((SECONDS_ + 3)) > /dev/null &
other=$!
flood a b $B 4000000 $GAP
wait $other
part() { [[ $(word rate) -gt 250000 && $(word rate) -lt 1800000 ]] || { echo "# $heard"; return 1; }; }
ok "two of a VPC share its rate" part
qos w1 qos clear vpc red

# ---- two CPUs at once ---------------------------------------------------------------------------
# Frames without a sender's stack in front, each CPU at all it can: two endpoints of a VPC, for
# an interface is served by one CPU at a time. What passes in an interval is what the clock moved
# on by: the interval, and what the queue grew meanwhile, for whoever sends is not always running.
if [[ $FAMILY == 4 && $(nproc) -gt 1 ]]; then
	qos w1 qos set vpc red egress=200M
	live() { # ENDPOINT ADDRESS CPU
		on w1 ethtool -K "$(transit w1 endpoint get "red/$1" -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)["interface"])')" gro on
		start "$1" "$TOPO_DIR/live-$1" "$O/selftests/topo/live_frames" eth0 02:4d:5a:00:00:01 "$2" "$B" 1042 "$3"
		senders+=("$STARTED")
		wait_for 5 grep -q sending "$TOPO_DIR/live-$1"
	}
	passed() { # of VPC red: bits a second of the clock's, drops a second, growth of the queue in ms
		transit w1 qos top --interval 2 -o json | python3 -c '
import json, sys
rows = [r for r in json.load(sys.stdin) if r["target"] == "vpc red" and r["direction"] == "egress"]
took, queue, before = (max(r[k] for r in rows) for k in ("interval_ns", "queue_ns", "queue_before_ns"))
grew = queue - before
print(round(sum(r["bits_per_second"] for r in rows) * took / (took + grew)), round(sum(r["dropped_per_second"] for r in rows)),
      round(grew / 1e6))'
	}
	senders=()
	live a $A 0
	live d $NEW $(($(nproc) - 1))
	read -r rate drops grew < <(passed)
	kill "${senders[@]}"
	wait_for 10 bash -c "! kill -0 ${senders[0]} 2> /dev/null && ! kill -0 ${senders[1]} 2> /dev/null"
	echo "# live frames on two CPUs: $rate bit/s passed, $drops packets a second did not; queue by $grew ms; $(grep -h sent "$TOPO_DIR"/live-[ad] | paste -sd ' ')"
	exact() { [[ $rate -gt 199900000 && $rate -lt 200100000 && $drops -gt 1000 ]]; }
	ok "two CPUs that send all they can have the rate, within 0.05 %" exact
	qos w1 qos clear vpc red
fi

# ---- classes share the uplink ----------------------------------------------------------------
median() { on "$1" "$PACE" rtt $B 7 60 0 | awk '{print $2}'; }
idle=$(median c)
qos w1 qos set uplink egress=5M
echo "# uplink: $(field w1 queueing)"
qos w1 qos set endpoint red/a class=best-effort priority=medium
qos w1 qos set endpoint red/c class=premium priority=high
start b "$TOPO_DIR/sink.log" "$PACE" receive 5003 1000 30 "$FAMILY"
on a "$PACE" send $B 5003 10000000 $SIZE 10 > /dev/null &
bulk=$!
let_flow 1
premium=$(median c)
qos w1 qos clear endpoint red/c
same=$(median c)
wait $bulk
echo "# round trips, us: idle $idle, beside bulk premium $premium, of the bulk's class $same"
ok "premium does not wait for best effort" test "$premium" -lt $((2 * idle + 5000))
ok "an endpoint does not wait for another one of its class" test "$same" -lt $((2 * idle + 25000))

# ---- DSCPs ------------------------------------------------------------------------------------
outside() { # the outer TOS of the next large tunnel packet from a; INNER TOS
	start router "$TOPO_DIR/dump" timeout 10 tcpdump -c 1 -nnv -i r1 src host 10.77.1.1 and udp port 6081 and greater 500
	local dump=$STARTED
	wait_for 5 grep -q listening "$TOPO_DIR/dump"
	on a "$PACE" send $B 5009 1000000 $SIZE 0.1 "$1" > /dev/null
	wait_for 10 bash -c "! kill -0 $dump 2> /dev/null"
	grep -m 1 -o 'tos 0x[0-9a-f]*' "$TOPO_DIR/dump" | cut -d' ' -f2
	rm -f "$TOPO_DIR/dump"
}
if command -v tcpdump > /dev/null && [[ $UNDERLAY == 4 ]]; then
	let_flow 0.5 # what is left of the bulk
	qos w1 qos set endpoint red/a class=premium priority=high
	ok "premium's DSCP outside: EF" test "$(outside 0)" = 0xb8
	ok "... whatever the endpoint writes inside" test "$(outside 32)" = 0xb8
	qos w1 qos set levels dscp.premium.high=34
	ok "another by the operator: AF41" test "$(outside 0)" = 0x88
	qos w1 qos set levels trust.premium.high=9 # says nothing of the DSCP outside
	qos w1 qos set endpoint red/a trust=on
	ok "... which stays when others come to mean it" test "$(outside 36)" = 0x88
	ok "trusted: what its own DSCP means (CS1: best effort high, AF11)" test "$(outside 32)" = 0x28
else
	echo "# DSCPs outside are looked at over IPv4, with tcpdump"
fi

qos w1 qos clear endpoint red/a

# ---- bad input ------------------------------------------------------------------------------------
refused_with() { # TEXT CODE ARGS...
	local text=$1 code=$2 rc=0
	shift 2
	transit w1 qos set "$@" > "$TOPO_DIR/out" 2>&1 || rc=$?
	[[ $rc -eq $code && $(wc -l < "$TOPO_DIR/out") -eq 1 ]] && grep -qF -- "$text" "$TOPO_DIR/out" ||
		{ echo "# exit $rc: $(cat "$TOPO_DIR/out")"; return 1; }
}
qos w1 qos set uplink egress=10M
transit w1 qos show > "$TOPO_DIR/before"
ok "a rate that is none" refused_with "egress=fast: 'fast' is no number" 2 endpoint red/a egress=fast
ok "... too small" refused_with "egress.rate: 5: must be in 8000.." 2 endpoint red/a egress=5
ok "an unknown class" refused_with 'class: "gold": must be one of premium, expedited, best-effort' 2 endpoint red/a class=gold
ok "a DSCP out of range" refused_with "must be in 0..63" 2 levels dscp.premium.high=64
ok "a class above the whole" refused_with "egress.premium.rate" 2 endpoint red/a egress=10M egress.premium=20M
ok "more guaranteed than its rate" refused_with "egress.guaranteed" 2 endpoint red/a egress=10M egress.guaranteed=20M
ok "more guaranteed than the uplink carries" refused_with "the uplink carries 10 Mbit/s" 2 endpoint red/a egress=20M egress.guaranteed=20M
ok "nobody's endpoint" refused_with "endpoint red/x: there is none on this host" 3 endpoint red/x egress=1M
ok "a class of the uplink that nobody is of: warned" bash -c '[[ "$0" == *"no endpoint of this host is of that class"* ]]' \
	"$(transit w1 qos set uplink egress.expedited=5M --dry-run 2>&1)"
ok "... nothing was changed" cmp -s "$TOPO_DIR/before" <(transit w1 qos show)
qos w1 qos set endpoint red/a egress=9M
qos w1 qos set endpoint red/d egress=9M
over() { transit w1 qos status | grep -q 'endpoints may send 18 Mbit/s together, it carries 10 Mbit/s'; }
ok "over-commitment is shown" over
told() { transit w1 doctor | grep -qi 'queueing'; }
ok "doctor says how rates are kept" told

# ---- a foreign qdisc; all cleared -------------------------------------------------------------
for t in "endpoint red/a" "endpoint red/d" uplink; do qos w1 qos clear $t; done
ok "nothing is set any more: the qdisc goes" test "$(field w1 queueing)" = none
on w1 tc qdisc replace dev eth0 root handle 7: pfifo limit 100
qos w1 qos set uplink egress=3M
left() { on w1 tc qdisc show dev eth0 | grep -q 'pfifo 7: root'; }
ok "a qdisc that somebody else set stays" left
ok "... and status says so" bash -c '[[ -n "$0" ]]' "$(field w1 problem)"
flood a b $B 6000000 2800
ok "... rates are kept all the same" near 3000000 "$(($(word rate) * (1042 + 66) / 1042))"
finish
