#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Endpoints with an MTU of 9000, on an underlay that has room for it: full-sized packets and
# TCP, straight and over hops, whose XDP programs see them in several buffers.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-jumbo
trap topo_end EXIT
[[ $UNDERLAY == 4 ]] && TOPO_MTU=9066 || TOPO_MTU=9086
[[ $FAMILY == 4 ]] && FULL=8972 || FULL=8952
standard_up
# Before Linux 6.3 no frame of several buffers is redirected, as a hop on a veth does it.
if transit b1 doctor | grep -q -- '--xdp-generic'; then
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - the driver's XDP carries them # SKIP Linux $(uname -r) does not redirect frames of several buffers: doctor says so, and hops are generic XDP here"
	for h in b1 b2 d1; do
		topo_daemon_stop $h
		rm -rf "/sys/fs/bpf/mizar/$(ns $h)"
		topo_daemon $h --xdp-generic
	done
	wait_for 10 hops_up
fi
serve red-c red/c
ok "the underlay leaves endpoints 9000" test "$(mtu_of red-a eth0) $(mtu_of red-c eth0)" = "9000 9000"
full() { on red-a ping -qc "$1" -i 0.05 -W 1 -M "do" -s "${2:-$FULL}" $C > "$TOPO_DIR/ping"; }
tcp() { # 60 MB, of full-sized segments
	tcp_begin red-a red-c $C 60000000
	local rc=0
	wait_for 5 on red-a bash -c "ss -tni dst '[$C]' | grep -qE ' mss:8[89]..'" || rc=1
	tcp_end && return $rc
}

# ---- straight --------------------------------------------------------------------------
ok "a full-sized packet, first over divider and bouncer" full 1
ok "... which saw it" test "$(count_of d1 DIVIDED red)" -ge 1 -a "$(bounced)" -ge 1
ok "... passes straight" full 3
ok "TCP goes straight, whole" tcp
ok "... straight it was" test "$(count_of w1 DIRECT red)" -gt 100

# ---- headers in pages --------------------------------------------------------------------
touch "$TOPO_DIR/count"
start red-c "$TOPO_DIR/counted" "$TRAFFIC" count 9 "$TOPO_DIR/count"
heard() { on red-c ss -Huln | grep -q ':9 '; }
wait_for 5 heard
paged() { on red-a "$(dirname "$0")/inject.py" paged eth0 "$A" "$C" "$1"; }
datagrams() {
	paged udp
	let_flow 0.5
	rm "$TOPO_DIR/count"
	wait_for 5 grep -q "received 3 " "$TOPO_DIR/counted"
}
ok "datagrams whose headers are not in one piece arrive" datagrams
refused() { on red-c nstat -asz TcpOutRsts | awk '$1 == "TcpOutRsts" { print $2 }'; }
resets=$(refused)
segments() { paged tcp && wait_for 5 eval '[[ $(refused) == $((resets + 3)) ]]'; }
ok "... and TCP's segments" segments

# ---- one byte more -----------------------------------------------------------------------
on red-a ip link set eth0 mtu 9001
too_big() {
	local before
	before=$(count_of w1 TOO_BIG_REPLY red)
	on red-a ip route flush cache
	on red-a ip -6 route flush cache
	! full 1 $((FULL + 1)) && on red-a ip route get $C | grep -q 'mtu 9000' && [[ $(count_of w1 TOO_BIG_REPLY red) -gt $before ]]
}
ok "one byte more is answered with the MTU" too_big
on red-a ip link set eth0 mtu 9000

# ---- over a bouncer, both ways -------------------------------------------------------------
for h in w1 w2; do
	topo_daemon_stop $h
	topo_daemon $h --path-seconds 0
done
wait_for 10 hops_up
before=$(bounced) direct="$(count_of w1 DIRECT red) $(count_of w2 DIRECT red)"
ok "full-sized packets over a bouncer" full 3
ok "... all of them, and what answers" test $(($(bounced) - before)) -ge 6
ok "TCP over a bouncer, whole" tcp
ok "... nothing went straight" test "$(count_of w1 DIRECT red) $(count_of w2 DIRECT red)" = "$direct"
on red-a ip link set eth0 mtu 9001
ok "one byte more is answered there, too" too_big
finish
