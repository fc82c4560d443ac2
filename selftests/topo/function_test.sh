#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Operators' functions under real traffic: loaded, ordered, replaced, removed,
# restarted; refused when they are wrong; the three worked ones.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
O=${O:-$(dirname "$BIN")}
topo_begin mzt-fn
trap topo_end EXIT
standard_up
for e in red-{a,b,c} blue-{a,b,c}; do serve $e ${e/-//}; done

# Small functions, compiled as an operator would: object NAME <<< SOURCE
object() {
	{ echo '#include <mizar/function.h>'; cat; echo 'char LICENSE[] SEC("license") = "Dual BSD/GPL";'; } > "$TOPO_DIR/$1.bpf.c"
	"${CLANG:-clang-19}" -O2 -g -target bpf -mcpu=v3 -I "$TOPO_DIR/include" -isystem "/usr/include/$(gcc -print-multiarch)" \
		-c "$TOPO_DIR/$1.bpf.c" -o "$TOPO_DIR/$1.bpf.o"
}
mkdir -p "$TOPO_DIR/include/mizar"
cp "$(dirname "$0")/../../bpf/abi/function.h" "$TOPO_DIR/include/mizar/function.h"
ARGS='(struct __sk_buff *skb, const struct mz_function_packet *p)'
object pass <<< "MZ_ENDPOINT_FUNCTION(pass)$ARGS { (void)skb; (void)p; return MZ_FUNCTION_NEXT; }"
object drop_all <<< "MZ_ENDPOINT_FUNCTION(drop_all)$ARGS { (void)skb; (void)p; return MZ_FUNCTION_DROP; }"
object no_echo <<< "const volatile __u16 port = 7;
MZ_ENDPOINT_FUNCTION(no_echo)$ARGS { (void)skb; return p->dst_port == bpf_htons(port) ? MZ_FUNCTION_DROP : MZ_FUNCTION_NEXT; }"
object hop <<< "const volatile __u32 verdict = 0;
MZ_HOP_FUNCTION(hop)(struct xdp_md *xdp, const struct mz_function_packet *p) { (void)xdp; (void)p; return verdict; }"
object unbounded <<< "MZ_ENDPOINT_FUNCTION(unbounded)$ARGS { char *data = (char *)(long)skb->data; (void)p; return data[4000]; }"
object spoil <<< "MZ_ENDPOINT_FUNCTION(spoil)$ARGS { __u32 zero = 0; bpf_skb_store_bytes(skb, p->frame + 14, &zero, 4, 0); return MZ_FUNCTION_NEXT; }"
object plain <<< 'SEC("tc") int plain(struct __sk_buff *skb) { return skb->len & 1; }'
sed 's/#define MZ_FUNCTION_ABI 1/#define MZ_FUNCTION_ABI 99/' "$TOPO_DIR/include/mizar/function.h" > "$TOPO_DIR/include/mizar/old.h"
object other_abi <<< "" # compiled below, with another header
sed -i 's|mizar/function.h|mizar/old.h|; $ i MZ_ENDPOINT_FUNCTION(other)'"$ARGS"' { (void)skb; (void)p; return 0; }' "$TOPO_DIR/other_abi.bpf.c"
"${CLANG:-clang-19}" -O2 -g -target bpf -mcpu=v3 -I "$TOPO_DIR/include" -isystem "/usr/include/$(gcc -print-multiarch)" \
	-c "$TOPO_DIR/other_abi.bpf.c" -o "$TOPO_DIR/other_abi.bpf.o"

obj() { echo "$TOPO_DIR/$1.bpf.o"; }
load() { local h=$1 o=$2; shift 2; transit "$h" function load "$(obj "$o")" "$@" > "$TOPO_DIR/out" 2>&1 || { cat "$TOPO_DIR/out"; return 1; }; }
field() { # HOST NAME FIELD
	transit "$1" function list -o json | python3 -c '
import json, sys
print(*(f.get(sys.argv[2], 0) for f in json.load(sys.stdin) if f["function"]["name"] == sys.argv[1]))' "$2" "$3"
}
names() { transit "$1" function list -o json | python3 -c 'import json, sys; print(*(f["function"]["name"] for f in json.load(sys.stdin)))'; }
quiet() { "$@" > /dev/null; }
is() { [[ "$1" == "$2" ]] || { echo "# '$1' is not '$2'"; return 1; }; }

# ---- loading, and whose packets ------------------------------------------------------
ok "red/a asks red/b" says red-a $B red/b
ok "a function that passes all is loaded" load w1 pass --at egress --vpc red
ok "... nothing changes" says red-a $B red/b
ok "... it is counted" test "$(field w1 pass packets)" -ge 1
before=$(field w1 pass packets)
says blue-a $B blue/b
ok "... blue's packets are not its" is "$(field w1 pass packets)" "$before"
ok "one that drops all of red ..." load w1 drop_all --at egress --vpc red --order 200
ok "... ends red's packets" says red-a $B nobody
ok "... under a reason of its own" test "$(count_of w1 FUNCTION_DROP red)" -ge 1
ok "... counted at the function" test "$(field w1 drop-all dropped)" -ge 1
ok "... and blue does not notice" says blue-a $B blue/b
ok "the list has their order" is "$(names w1)" "pass drop-all"
before=$(field w1 pass packets)
ok "dropping first ..." quiet transit w1 function replace drop-all "$(obj drop_all)" --order 50
says red-a $B nobody
ok "... the other one sees nothing" is "$(field w1 pass packets)" "$before"
ok "... and the list says so" is "$(names w1)" "drop-all pass"
ok "removed" quiet transit w1 function remove drop-all
ok "... red's packets go on" says red-a $B red/b

# ---- ingress, one endpoint -------------------------------------------------------------
ok "at ingress of one endpoint, by a constant" load w2 no_echo --at ingress --endpoint red/b --set port=7
ok "... it ends its packets" says red-a $B nobody
ok "... not its neighbour's" says red-a $C red/c
ok "... also those of the same host" says red-c $B nobody
ok "... before they are a flow" is "$(transit w2 flow list --endpoint red/b --address $A -o json | grep -c UNREPLIED || true)" 0
ok "another constant lets them pass" quiet transit w2 function replace no-echo "$(obj no_echo)" --set port=9
ok "... they do" says red-a $B red/b
ok "... both ways of the same host" says red-c $B red/b
ok "behind policy, too" quiet transit w2 function replace no-echo "$(obj no_echo)" --set port=7 --at ingress-after
ok "... it ends them there" says red-a $B nobody
transit w2 function remove no-echo > /dev/null
ok "and removed again" says red-a $B red/b

# ---- TCP and large packets through functions ------------------------------------------------
load w1 pass --at ingress --at ingress-after --vpc red --name pass-in
load w2 pass --at egress --at ingress --at ingress-after --vpc red --name pass-all
tcp_begin red-a red-b $B
let_flow 1
ok "TCP passes functions on both hosts, whole" tcp_end
ok "... they saw it" test "$(field w2 pass-all packets)" -ge 100

# ---- replaced under traffic ------------------------------------------------------------------
nothing_lost() { [[ $FLOW_SENT -gt 200 && $FLOW_SENT -eq $FLOW_ANSWERED ]]; }
flow_begin red-a $B
for i in 1 2 3 4 5 6; do
	transit w1 function replace pass "$(obj pass)" --order $i > /dev/null
	transit w2 function replace pass-all "$(obj pass)" > /dev/null
	load w1 pass --at egress --vpc red --name more --order $i
	transit w1 function remove more > /dev/null
done
transit w1 program replace > /dev/null
flow_end
ok "loading, replacing, ordering, removing lose no packet" nothing_lost

# ---- restart, reboot ---------------------------------------------------------------------------
load w1 no_echo --at egress --vpc blue
ok "blue's echo is dropped" says blue-a $B nobody
flow_begin red-a $B
topo_daemon_stop w1 KILL
ok "the daemon is dead: still dropped" says blue-a $B nobody
topo_daemon w1
ok "... and it is back: still dropped" says blue-a $B nobody
flow_end
ok "... no packet is lost by it" nothing_lost
ok "it knows its functions" is "$(names w1)" "pass no-echo pass-in"
topo_daemon_stop w1
rm -rf "/sys/fs/bpf/mizar/$(ns w1)"
topo_daemon w1
ok "after a reboot (no pins) they are put again" wait_for 5 says red-a $B red/b
ok "... all of them" says blue-a $B nobody
transit w1 function remove no-echo > /dev/null
ok "... until removed" says blue-a $B blue/b

# ---- hops ------------------------------------------------------------------------------------
hints_lost
path_lost w1 $C
for b in b1 b2; do load $b hop --at hop --vpc red --set verdict=1; done
ok "a hop function drops what its host bounces" says red-a $C nobody
ok "... of its VPC alone" says blue-a $C blue/c
ok "... counted there" test $(($(count_of b1 FUNCTION_DROP red) + $(count_of b2 FUNCTION_DROP red))) -ge 1
for b in b1 b2; do topo_daemon_stop $b KILL && topo_daemon $b; done
wait_for 10 hops_up
path_lost w1 $C
ok "... also when its daemon has died and come back" says red-a $C nobody
for b in b1 b2; do transit $b function replace hop "$(obj hop)" --set verdict=0 > /dev/null; done
path_lost w1 $C
ok "... and passes it when told" wait_for 5 says red-a $C red/c
hints_back

# ---- wrong objects: refused by name, nothing half-applied ------------------------------------------
refused() { # WORDS COMMAND...
	local words=$1 was now
	shift
	was=$(transit w1 function list -o json | grep -v '"packets"')
	if "$@" > "$TOPO_DIR/out" 2>&1; then echo "# taken"; return 1; fi
	now=$(transit w1 function list -o json | grep -v '"packets"')
	grep -q -- "$words" "$TOPO_DIR/out" || { sed 's/^/# /' "$TOPO_DIR/out"; return 1; }
	[[ $was == "$now" ]]
}
tfl() { transit w1 function load "$@"; }
echo "no object" > "$TOPO_DIR/text.bpf.o"
ok "not an object" refused "text.bpf.o: function text: not a BPF object" tfl "$(obj text)" --at egress --vpc red
ok "no such file" refused "cannot be read" tfl "$(obj missing)" --at egress --vpc red
ok "the wrong section" refused "function plain: has no section mizar/endpoint.*it has: tc" tfl "$(obj plain)" --at egress --vpc red
ok "an endpoint function at a hop" refused "has no section mizar/hop" tfl "$(obj pass)" --at hop --vpc red --name x
ok "the wrong ABI version" refused "function other-abi: is made for function ABI 99, and this transitd has 1" tfl "$(obj other_abi)" --at egress --vpc red
ok "a program the verifier refuses, in its words" refused "function unbounded: the kernel's verifier refuses it: .*outside of the packet" tfl "$(obj unbounded)" --at egress --vpc red
ok "a constant it has not" refused "has no constant rate to set; it has: port" tfl "$(obj no_echo)" --at egress --vpc red --set rate=1
ok "a constant that is no number" refused "'many' is no number of 2 bytes" tfl "$(obj no_echo)" --at egress --vpc red --set port=many
ok "a VPC there is not" refused "vpc green: there is none" tfl "$(obj no_echo)" --at egress --vpc green
ok "an endpoint there is not" refused "endpoint red/z: there is none" tfl "$(obj no_echo)" --at egress --endpoint red/z
ok "a point there is not" refused "point 'middle'" tfl "$(obj no_echo)" --at middle --vpc red
ok "nobody's packets" refused "give the VPCs or endpoints" tfl "$(obj no_echo)" --at egress
ok "an interface there is not" refused "interface fn9: there is none" tfl "$(obj no_echo)" --at egress --vpc red --interface fn9
ok "the underlay's interface" refused "has another purpose" tfl "$(obj no_echo)" --at egress --vpc red --interface eth0
ok "a name that is taken" refused "function pass: is loaded" tfl "$(obj pass)" --at egress --vpc red
ok "a name there is not" refused "there is none" transit w1 function remove nothing
ok "replaced by a wrong one" refused "has no section" transit w1 function replace pass "$(obj plain)"
for i in 1 2 3 4; do load w1 pass --at egress --vpc red --name "p$i"; done
ok "one too many at a point" refused "would have 6 functions at egress" tfl "$(obj pass)" --at egress --vpc red --name p5
ok "through five of them" says red-a $B red/b
for i in 1 2 3 4; do transit w1 function remove "p$i" > /dev/null; done
load w1 spoil --at egress --vpc red
ok "one that spoils its packets" says red-a $B nobody
ok "... spoils no other's" says blue-a $B blue/b
transit w1 function remove spoil > /dev/null
ok "after all that red/a asks red/b" says red-a $B red/b
for f in pass pass-in; do transit w1 function remove $f > /dev/null; done
transit w2 function remove pass-all > /dev/null
for i in 1 2 3 4 5; do load w2 pass --at egress --at ingress --at ingress-after --vpc red --name "all$i"; done
ok "as many as there may be, between two endpoints of a host" says red-c $B red/b
ok "... all of them met it, at all three points" test "$(field w2 all5 packets)" -ge 6
for i in 1 2 3 4 5; do transit w2 function remove "all$i" > /dev/null; done

# ---- the minimal example, as it is installed -------------------------------------------------------
no_telnet() { transit w1 function load "$O/bpf/functions/no_telnet.bpf.o" --at egress --vpc red --set port=8 > /dev/null; }
ok "the minimal example" no_telnet
start red-b "$TOPO_DIR/took" "$TRAFFIC" take 8
wait_for 5 on red-b bash -c 'ss -ltn | grep -q ":8 "'
connects() { on red-a python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], 8), 1)' $B 2> /dev/null; }
refuses() { ! connects; }
ok "... drops TCP to its port" refuses
ok "... counted" test "$(field w1 no-telnet dropped)" -ge 1
ok "... and passes all else" says red-a $B red/b
transit w1 function remove no-telnet > /dev/null
ok "... until removed" connects

# ---- worked: flood guard --------------------------------------------------------------------------
flood() { # NS ADDRESS: 500 datagrams, and 500 SYNs from as many ports
	on "$1" python3 -c '
import socket, struct, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tcp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
for n in range(500):
    udp.sendto(b"x", (sys.argv[1], 9))
    tcp.sendto(struct.pack("!HHIIBBHHH", 2000 + n, 80, n, 0, 5 << 4, 2, 1024, 0, 0), (sys.argv[1], 0))' "$2"
}
guard() { transit w2 function load "$O/bpf/functions/flood_guard.bpf.o" --at ingress --endpoint red/b --set rate=5 --set burst=20 > /dev/null; }
ok "the flood guard" guard
flow_begin red-a $C
flood red-a $B
dropped=$(field w2 flood-guard dropped)
ok "... drops what one source has too much of (dropped $dropped of 1000)" test "$dropped" -ge 900
ok "... and nothing of another" says red-c $B red/b
tcp_begin red-c red-b $B 3000000
ok "... whose TCP is whole" tcp_end
flood red-a $B
flow_end
ok "... and another endpoint loses nothing meanwhile" nothing_lost
ok "... its table can be looked at" quiet ls "/sys/fs/bpf/mizar/$(ns w2)"/*/functions/flood-guard/sources
transit w2 function remove flood-guard > /dev/null
ok "... and goes with it" bash -c "! ls /sys/fs/bpf/mizar/$(ns w2)/*/functions/flood-guard 2> /dev/null"

# ---- worked: mirror, decoded by what arrives ---------------------------------------------------------
on w1 ping -qc 1 -W 1 10.77.1.254 > /dev/null # the next hop is resolved
on w1 sysctl -qw net.ipv4.conf.eth0.forwarding=1 # what the kernel's FIB wants to be asked
collect() { # FILTER NAME
	start router "$TOPO_DIR/collect" tcpdump --immediate-mode -U -s 0 -ni r1 -w "$TOPO_DIR/$2.pcap" "$1"
	COLLECTOR=$STARTED
	wait_for 5 test -s "$TOPO_DIR/$2.pcap"
}
collected() {
	let_flow 0.3
	kill -INT "$COLLECTOR"
	wait_for 5 bash -c "! kill -0 $COLLECTOR"
}
on router ip addr add 10.77.9.9/32 dev lo
mirror() { transit w1 function load "$O/bpf/functions/mirror.bpf.o" --at egress --at ingress --vpc red \
	--set collector=10.77.9.9 --set source=10.77.1.1 "$@" > /dev/null; }
ok "the mirror, in Geneve" mirror
collect "udp port 6081 and dst host 10.77.9.9" geneve
ok "... the traffic itself goes on" says red-a $B red/b
ok "... of pings, too" quiet on red-a ping -qc 3 -i 0.05 -W 1 $B
ok "... of large ones in one piece" quiet on red-a ping -qc 3 -i 0.05 -W 1 -s 1400 $B
tcp_begin red-a red-b $B 3000000
tcp_end
ok "... and TCP's" test $? -eq 0
collected
tshark -r "$TOPO_DIR/geneve.pcap" -Y "geneve.vni == 100 && icmp" -T fields -e ip.src -e ip.dst -e icmp.type 2> /dev/null > "$TOPO_DIR/geneve.txt"
ok "the collector decodes both directions, in the VPC's VNI" \
	bash -c "[[ \$(grep -c '10.77.1.1,$A' $TOPO_DIR/geneve.txt) -eq 6 && \$(grep -c '10.77.1.1,$B' $TOPO_DIR/geneve.txt) -eq 6 ]]"
ok "... TCP's bytes, too" test "$(tshark -r "$TOPO_DIR/geneve.pcap" -Y 'geneve.vni == 100 && tcp.len > 0' 2> /dev/null | wc -l)" -ge 100
transit w1 function remove mirror > /dev/null
ok "the mirror, in ERSPAN" mirror --set erspan=1
collect "proto 47 and dst host 10.77.9.9" erspan
ok "... the traffic goes on" quiet on red-a ping -qc 4 -i 0.05 -W 1 $B
collected
tshark -r "$TOPO_DIR/erspan.pcap" -Y "erspan && icmp" -T fields -e erspan.spanid -e icmp.type 2> /dev/null | sort | uniq -c > "$TOPO_DIR/erspan.txt"
ok "the collector decodes it: session 100, both directions" is "$(tr -s ' \t' ' ' < "$TOPO_DIR/erspan.txt" | paste -sd ,)" " 4 100 0, 4 100 8"
transit w1 function remove mirror > /dev/null
ok "the mirror, a sample" mirror --set sample=10
collect "udp port 6081 and dst host 10.77.9.9" sample
on red-a ping -qc 200 -i 0.002 -W 1 $B > /dev/null
collected
sampled=$(tshark -r "$TOPO_DIR/sample.pcap" -Y icmp 2> /dev/null | wc -l)
ok "... copies about one of ten ($sampled of 400)" test "$sampled" -ge 10 -a "$sampled" -le 90
transit w1 function remove mirror > /dev/null

# ---- worked: DNS in user space --------------------------------------------------------------------------
topo_ns fn
ip link add fn0 netns "$(ns w1)" numrxqueues 1 numtxqueues 1 type veth peer name fn1 netns "$(ns fn)" numrxqueues 1 numtxqueues 1
on w1 ip link set fn0 up
on fn ip link set fn1 up
cat > "$TOPO_DIR/names" << 'N'
192.0.2.80 www.example   # answered by a function
2001:db8::80 www.example
N
start fn "$TOPO_DIR/dns" "$BIN/transit-function-dns" --interface fn1 --names "$TOPO_DIR/names"
mkdir -p "$TOPO_DIR/dns-function"
echo "$STARTED" > "$TOPO_DIR/dns-function/pid"
ok "transit-function-dns runs" wait_for 5 grep -q "answering on fn1" "$TOPO_DIR/dns"
sed 's/^/# /' "$TOPO_DIR/dns"
transit w1 function load "$O/bpf/functions/take_dns.bpf.o" --at egress --vpc red --interface fn0 > /dev/null
dig_() { on "$1" dig "@$2" +tries=1 +time=2 +short "${@:3}"; }
ok "an endpoint's question is answered in user space" is "$(dig_ red-a $C www.example)" 192.0.2.80
ok "... of IPv6 addresses" is "$(dig_ red-a $C AAAA www.example)" 2001:db8::80
ok "... over IPv6" is "$(dig_ red-a fd00:10:2::5 www.example)" 192.0.2.80
ok "... what is not there is not" bash -c "nsenter --net=/run/netns/$(ns red-a) dig @$C +tries=1 +time=2 no.example | grep -q NXDOMAIN"
ok "... counted as taken and sent" test "$(count_of w1 FUNCTION_TAKEN red)" -ge 4 -a "$(count_of w1 FUNCTION_REPLY red)" -ge 4
ok "... other traffic goes its way" says red-a $B red/b
before=$(field w1 take-dns taken)
dig_ blue-a $C www.example > /dev/null || true
ok "... and the other VPC's DNS does not come here" is "$(field w1 take-dns taken)" "$before"
on fn ip link set fn1 down
on w1 ip link del fn0
without() { transit w1 function list | grep -q "interface fn0: waiting"; }
ok "its interface gone: the list says so" wait_for 5 without
ok "... its questions end, counted" is "$(dig_ red-a $C www.example > /dev/null; echo $(($(count_of w1 FUNCTION_DROP red) > 0)))" 1
ok "... and nothing else" says red-a $B red/b
finish
