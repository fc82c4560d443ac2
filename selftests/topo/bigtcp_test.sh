#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# TCP over IPv4 in superpackets of more than 64 KB (BIG TCP): endpoints make what the uplink takes, and it
# passes whole where everything takes it, in segments where not.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
O=${O:-$(dirname "$BIN")}
topo_begin mzt-bigtcp
trap topo_end EXIT
BIG=196608 USUAL=65536
if [[ $("$(dirname "$0")/gso.py" lo) == 0 ]]; then
	echo "1..0 # SKIP Linux $(uname -r) has no BIG TCP over IPv4; 6.3 has"
	exit 4
fi
standard_up
makes() { [[ $(gso "$1" eth0) == "$2" ]]; } # ENDPOINT BYTES
ok "endpoints make what the uplink takes: 64 KB" makes red-a $USUAL

for h in 1 2; do
	gso w$h eth0 $BIG
	gso router r$h $BIG
done
# ---- under IPv6 a packet of more than 64 KB would be a jumbogram ---------------------------
if [[ $UNDERLAY == 6 ]]; then
	topo_daemon_stop w1
	topo_daemon w1
	wait_for 10 hops_up
	ok "over IPv6 they go on doing so" makes red-a $USUAL
	tcp_begin red-a red-c 10.0.2.5 60000000
	ok "... and TCP goes through, whole" tcp_end
	finish
	exit
fi
ok "... which they follow" wait_for 5 makes red-a $BIG
ok "... but for IPv6, where that were jumbograms" test "$(on red-a ip -d link show eth0 | grep -o 'gso_max_size [0-9]*')" = "gso_max_size $USUAL"

# The largest frame that COMMAND has arrive at NS's INTERFACE is in $LARGEST.
LARGEST=0
watch() { # NS INTERFACE FILTER COMMAND...
	local n=$1 pid rc=0
	start "$n" "$TOPO_DIR/tcpdump" tcpdump --immediate-mode -Q in -U -s 96 -ni "$2" -w "$TOPO_DIR/big.pcap" "$3"
	pid=$STARTED
	shift 3
	wait_for 5 test -s "$TOPO_DIR/big.pcap"
	"$@" || rc=$?
	kill -INT "$pid"
	wait_for 5 bash -c "! kill -0 $pid"
	LARGEST=$(python3 -c '
import struct, sys
data, at, largest = open(sys.argv[1], "rb").read(), 24, 0
while at + 16 <= len(data):
    held, size = struct.unpack_from("<8xII", data, at)
    at, largest = at + 16 + held, max(largest, size)
print(largest)' "$TOPO_DIR/big.pcap")
	rm "$TOPO_DIR/big.pcap"
	return $rc
}
on_wire() { watch w2 eth0 "udp port 6081" "$@"; }
received() { watch red-c eth0 tcp "$@"; }
tcp() { # FROM TO ADDRESS: 200 MB
	tcp_begin "$1" "$2" "$3" 200000000 1000000
	tcp_end
}
big() { [[ $LARGEST -gt 100000 ]]; }

# ---- straight ----------------------------------------------------------------------------
ok "TCP through the tunnel, by a router" on_wire tcp red-a red-c $C
ok "... in packets of more than 64 KB on the wire" big
ok "... and at its receiver" eval 'received tcp red-a red-c $C && big'
ok "... straight" test "$(count_of w1 DIRECT red)" -gt 100
ok "on one host" eval 'received tcp red-b red-c $C && big'
ok "over IPv6 inside" received tcp red-a red-c fd00:10:2::5
ok "... with what its header can say" test "$LARGEST" -gt 30000 -a "$LARGEST" -le $((USUAL + 14))

# ---- copied --------------------------------------------------------------------------------
on router ip addr add 10.77.9.9/32 dev lo
on w1 ping -qc 1 -W 1 10.77.1.254 > "$TOPO_DIR/ping" # the next hop is resolved
on w1 sysctl -qw net.ipv4.conf.eth0.forwarding=1   # what the kernel's FIB wants to be asked
transit w1 function load "$O/bpf/functions/mirror.bpf.o" --at egress --vpc red --set collector=10.77.9.9 --set source=10.77.1.1 \
	--set rate=100000 > "$TOPO_DIR/function"
ok "with a mirror" watch router r1 "udp port 6081 and dst host 10.77.9.9" tcp red-a red-c $C
ok "... which copies them" big
transit w1 function remove mirror > "$TOPO_DIR/function"

# ---- where something on the way takes less --------------------------------------------------
gso router r2 $USUAL
ok "by a router that takes less: whole" on_wire tcp red-a red-c $C
ok "... in packets no larger than that" test "$LARGEST" -le $((USUAL + 14))
gso router r2 $BIG
for h in w1 w2; do
	topo_daemon_stop $h
	topo_daemon $h --path-seconds 0
done
wait_for 10 hops_up
direct=$(count_of w1 DIRECT red)
ok "over a bouncer, which is XDP: whole" tcp red-a red-c $C
ok "... nothing went straight" test "$(count_of w1 DIRECT red)" = "$direct"

# ---- rates keep queues short ------------------------------------------------------------------
transit w1 qos set endpoint red/a egress=1G > /dev/null
ok "an endpoint with a rate makes no more than 64 KB" makes red-a $USUAL
transit w1 qos set endpoint red/a egress=80M > /dev/null
ok "... or less" makes red-a 10000
given() { # what its host's end takes, as all of w1's
	local dev
	for dev in $(on w1 ip -o link | sed -n 's|^[0-9]*: \(mz[^@:]*\).*|\1|p'); do [[ $(gso w1 "$dev") == "$BIG" ]] || return 1; done
}
ok "... and is given what others make" given
transit w1 qos clear endpoint red/a > /dev/null
ok "... and without, what the uplink takes" makes red-a $BIG

# ---- restarts ---------------------------------------------------------------------------------
topo_daemon_stop w1 KILL
topo_daemon w1
ok "kept over a restart" makes red-a $BIG
topo_daemon_stop w1
gso w1 eth0 $USUAL
topo_daemon w1
ok "and taken back if the uplink's was, meanwhile" wait_for 5 makes red-a $USUAL
finish
