# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=functions: operators' own programs in the packets' way.
# Sourced by demo.sh.
O=$(dirname "$BIN")
for e in a b c d; do serve "red-$e" "red/$e"; done
serve blue-a blue/a
serve blue-b blue/b
who_answers() { echo "   $1 asks $2: $(on "$1" "$TRAFFIC" ask "$2" "${3:-7}" demo)"; }

say "1. A function of one's own: one header, one C function"
cat > "$TOPO_DIR/no_echo.bpf.c" << 'C'
#include <mizar/function.h>

const volatile __u16 port = 7;

MZ_ENDPOINT_FUNCTION(no_echo)(struct __sk_buff *skb, const struct mz_function_packet *p)
{
	(void)skb;
	return p->dst_port == bpf_htons(port) ? MZ_FUNCTION_DROP : MZ_FUNCTION_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
C
show cat "$TOPO_DIR/no_echo.bpf.c"
"${CLANG:-clang-19}" -O2 -g -target bpf -mcpu=v3 -I "$O/include" -isystem "/usr/include/$(gcc -print-multiarch)" \
	-c "$TOPO_DIR/no_echo.bpf.c" -o "$TOPO_DIR/no_echo.bpf.o"
show transit w1 function load "$TOPO_DIR/no_echo.bpf.o" --at egress --vpc red
who_answers red-a 10.0.1.6
who_answers blue-a 10.0.1.6
show transit w1 function list

say "2. Replaced under traffic, with another constant"
show transit w1 function replace no-echo "$TOPO_DIR/no_echo.bpf.o" --set port=9
flow_begin red-a 10.0.1.6
for i in 1 2 3 4 5; do transit w1 function replace no-echo "$TOPO_DIR/no_echo.bpf.o" > /dev/null; done
topo_daemon_stop w1 KILL
topo_daemon w1
flow_end | sed 's/^#/   five times, and the daemon killed:/'
show transit w1 function list

say "3. What is wrong is said by name"
show transit w1 function load "$BIN/transit" --at egress --vpc red || true
show transit w1 function load "$TOPO_DIR/no_echo.bpf.o" --at hop --vpc red --name x || true
show transit w1 function remove no-echo

say "4. Flood guard: red-a floods red/b, red/c asks it meanwhile"
show transit w2 function load "$O/bpf/functions/flood_guard.bpf.o" --at ingress --endpoint red/b --set rate=5 --set burst=20
on red-a python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(2000): s.sendto(b"x", ("10.0.1.6", 9))'
who_answers red-c 10.0.1.6
show transit w2 function list
show transit w2 function remove flood-guard

say "5. Mirror: what a collector behind the router sees"
on router ip addr add 10.77.9.9/32 dev lo
on w1 ping -qc 1 -W 1 10.77.1.254 > /dev/null
on w1 sysctl -qw net.ipv4.conf.eth0.forwarding=1
show transit w1 function load "$O/bpf/functions/mirror.bpf.o" --at egress --at ingress --vpc red \
	--set collector=10.77.9.9 --set source=10.77.1.1
start router "$TOPO_DIR/collector" tcpdump --immediate-mode -U -s 0 -ni r1 -w "$TOPO_DIR/mirrored" \
	"udp port 6081 and dst host 10.77.9.9"
wait_for 5 test -s "$TOPO_DIR/mirrored"
on red-a ping -qc 2 -i 0.1 -W 1 10.0.1.6 > /dev/null
copies() { tcpdump -ntr "$TOPO_DIR/mirrored" 2> /dev/null; }
all_copied() { [[ $(copies | grep -c 'ICMP echo') -ge 4 ]]; }
wait_for 5 all_copied
kill "$STARTED"
copies | fold -sw 76 | sed 's/^/   /'
show transit w1 function remove mirror

say "6. In user space, by AF_XDP: DNS from a list"
topo_ns fn
ip link add fn0 netns "$(ns w1)" numrxqueues 1 numtxqueues 1 type veth peer name fn1 netns "$(ns fn)" numrxqueues 1 numtxqueues 1
on w1 ip link set fn0 up
on fn ip link set fn1 up
echo "192.0.2.80 www.example" > "$TOPO_DIR/list"
start fn "$TOPO_DIR/dns" "$BIN/transit-function-dns" --interface fn1 --names "$TOPO_DIR/list"
wait_for 5 grep -q answering "$TOPO_DIR/dns"
show transit w1 function load "$O/bpf/functions/take_dns.bpf.o" --at egress --vpc red --interface fn0
echo "   dig @10.0.2.5 www.example: $(on red-a dig @10.0.2.5 +tries=1 +time=2 +short www.example)"
show transit w1 function list
