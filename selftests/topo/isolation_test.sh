#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two tenants with the same addresses on the same hosts. Both have, and use: names, leases
# and metadata; services, sticky and with probed backends; a gateway with shared and
# floating addresses, and forwards to an endpoint and a service; a peering; groups and
# broadcasts; functions at endpoints and hops, and a mirror; their hosts' own processes.
# Everybody reaches the right one, nothing crosses, nobody can pretend.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
. "$(dirname "$0")/outside.sh"
need_root
O=${O:-$(dirname "$BIN")}
topo_begin mzt-isolation
trap topo_end EXIT
BALANCED=1
SERVICES=1 standard_up --host-ports 8080
for h in w1 w2 d1; do responder $h; done
topo_host g1 6
outside_up
outside_link g1 1
topo_daemon g1 --outside out0
for e in red-p blue-s red-f blue-f; do topo_ns $e; done
# The standard region and an endpoint f, a gateway of both, and a peering of one network
# each, by REVISION.
entry() { # from outside: its VPC's service, and its endpoint a; who has a floating address
	local ip
	for ip in "198.51.100.$1" "\"2001:db8:51::$1\""; do
		echo -n "{protocol: udp, address: $ip, port: 7, service: all}, {protocol: udp, address: $ip, port: 17, endpoint: a, endpoint_port: 7}, "
	done
}
floats() { echo "pools: [198.51.100.$1/30, \"2001:db8:51::$1/126\", 198.51.100.$2/32, \"2001:db8:51::$2/128\"], floating: [{address: 198.51.100.$2, endpoint: f}, {address: \"2001:db8:51::$2\", endpoint: f}]"; }
web() { # a service that knows its clients and looks after its backends
	echo "  - {name: web, vpc: $1, $(both 9 2), ports: [{protocol: tcp, port: 80, backend_port: 8080}], backends: [{endpoint: b}, {endpoint: c}], sticky_seconds: 600, health: {protocol: tcp, interval_ms: 200, failures: 2}}"
}
everything() {
	standard_region "$1" | sed -e "/name: d1, id: 5/a\\  - {name: g1, id: 6, $(at g1 6)}" \
		-e '/name: \(front\|back\), vpc/s/}$/, multicast: true, broadcast: true}/' \
		-e 's/\(name: \([abc]\), vpc: \(red\|blue\), network.*\)}$/\1, user_data: "of \3\/\2"}/' \
		-e "/^services:/a\\$(web red)\\n$(web blue)" \
		-e '/name: back, vpc: blue/a\  - {name: app, vpc: red, cidr: 10.0.4.0/24, cidr6: "fd00:10:4::/64"}\n  - {name: shop, vpc: blue, cidr: 10.0.3.0/24, cidr6: "fd00:10:3::/64"}'
	cat << R
  - {name: p, vpc: red, network: app, $(both 4 6), host: w1, netns: $(ns red-p)}
  - {name: s, vpc: blue, network: shop, $(both 3 7), host: w2, netns: $(ns blue-s)}
  - {name: f, vpc: red, network: front, $(both 1 7), host: w1, netns: $(ns red-f)}
  - {name: f, vpc: blue, network: front, $(both 1 7), host: w1, netns: $(ns blue-f)}
R
	[[ $1 -lt 3 ]] || echo "  - {name: only, vpc: red, network: front, $(both 1 9), host: w2, netns: $(ns red-only)}"
	cat << R
gateways:
  - {name: out, vpc: red, hosts: [g1], $(floats 0 20), forwards: [$(entry 1)]}
  - {name: out, vpc: blue, hosts: [g1], $(floats 4 22), forwards: [$(entry 5)]}
peerings:
  - {name: trade, vpc: red, peer: blue, parts: [10.0.4.0/24, "fd00:10:4::/64"], peer_parts: [10.0.3.0/24, "fd00:10:3::/64"]}
R
}
everything 2 | topo_apply b1 b2 d1 g1 w1 w2
outside_static g1
start isp "$TOPO_DIR/serve.log" "$TRAFFIC" echo - 7 $SERVER
for h in w1 w2; do
	for what in "flood_guard ingress" "no_telnet egress"; do
		set -- $what
		transit $h function load "$O/bpf/functions/$1.bpf.o" --at "$2" --vpc red --vpc blue > /dev/null
	done
done
mkdir -p "$TOPO_DIR/include/mizar"
cp "$(dirname "$0")/../../bpf/abi/function.h" "$TOPO_DIR/include/mizar/function.h"
cat > "$TOPO_DIR/hop.bpf.c" << 'C'
#include <mizar/function.h>
MZ_HOP_FUNCTION(hop)(struct xdp_md *xdp, const struct mz_function_packet *p) { (void)xdp; (void)p; return MZ_FUNCTION_NEXT; }
char LICENSE[] SEC("license") = "Dual BSD/GPL";
C
"${CLANG:-clang-19}" -O2 -g -target bpf -mcpu=v3 -I "$TOPO_DIR/include" -isystem "/usr/include/$(gcc -print-multiarch)" \
	-c "$TOPO_DIR/hop.bpf.c" -o "$TOPO_DIR/hop.bpf.o"
for h in b1 b2; do transit $h function load "$TOPO_DIR/hop.bpf.o" --at hop --vpc red --vpc blue > /dev/null; done
# Copies of what each tenant's endpoints on w1 send and receive, to a collector of its own.
on w1 ping -qc 1 -W 1 10.77.1.254 > /dev/null # the next hop is resolved
on w1 sysctl -qw net.ipv4.conf.eth0.forwarding=1
for what in red:99.1 blue:99.2; do
	on router ip addr add 10.77.${what#*:}/32 dev lo
	start router "$TOPO_DIR/collect" tcpdump --immediate-mode -U -s 0 -ni r1 -w "$TOPO_DIR/mirror-${what%:*}.pcap" udp port 6081 and dst host 10.77.${what#*:}
	echo "$STARTED" >> "$TOPO_DIR/captures"
	wait_for 5 test -s "$TOPO_DIR/mirror-${what%:*}.pcap"
	transit w1 function load "$O/bpf/functions/mirror.bpf.o" --name "mirror-${what%:*}" --at egress --at ingress --vpc ${what%:*} \
		--set collector=10.77.${what#*:} --set source=10.77.1.1 > /dev/null
done
wait_for 10 hops_up
if [[ $FAMILY == 4 ]]; then
	P=10.0.4.6 S=10.0.3.7 F=10.0.1.7 WEB=10.0.9.2 DNS=169.254.169.253 METADATA=169.254.169.254 TYPE=A REDS='198.51.100.[0-3] *' BLUES='198.51.100.[4-7] *' ENTRY=198.51.100. GROUP=239.1.2.3
else
	P=fd00:10:4::6 S=fd00:10:3::7 F=fd00:10:1::7 WEB=fd00:10:9::2 DNS=fd4d:5aff::53 METADATA=fd4d:5aff::a9fe:a9fe TYPE=AAAA REDS='2001:db8:51::[0-3 ]*' BLUES='2001:db8:51::[4-7] *' ENTRY=2001:db8:51:: GROUP=ff15::123
fi
serve red-p red/p
serve blue-s blue/s
INJECT="$(dirname "$0")/inject.py"
W1=10.77.1.1
[[ $UNDERLAY == 4 ]] || W1=fd77:1::1
declare -A address=([a]=$A [b]=$B [c]=$C [f]=$F)
for vpc in red blue; do
	for e in a b c f; do serve $vpc-$e $vpc/$e; done
done

# What each endpoint receives, for the whole test.
for vpc in red blue; do
	for e in a b c f $([[ $vpc == red ]] && echo p || echo s); do
		start $vpc-$e "$TOPO_DIR/tcpdump" tcpdump --immediate-mode -Q in -U -s 0 -ni eth0 -w "$TOPO_DIR/$vpc-$e.pcap"
		echo "$STARTED" >> "$TOPO_DIR/captures"
	done
done
for vpc in red blue; do
	for e in a b c f; do wait_for 5 test -s "$TOPO_DIR/$vpc-$e.pcap"; done
done

for vpc in red blue; do
	for from in a b c f; do
		for to in a b c f; do
			[[ $from == "$to" ]] || ok "$vpc/$from -> ${address[$to]} is $vpc/$to" says $vpc-$from "${address[$to]}" $vpc/$to
		done
	done
done

# Many flows each: by every backend of its own, never by the other tenant's.
host_says() { [[ $(on "$1" curl -sS -m 2 "$(url "$(at_host "$1" "$2")" 8080 /)" 2> /dev/null) == "$2" ]]; }
own() { # NS VPC [ADDRESS]: 40 answers
	[[ $(on "$1" python3 -c '
import socket, sys
seen = set()
for i in range(40):
    s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.sendto(bytes(8) + sys.argv[2].encode(), (sys.argv[1], 7))
    data, peer = s.recvfrom(64)
    seen.add(data[8:].decode() if peer[0] == sys.argv[1] else str(peer))
print(*sorted(seen))' "${3:-$VIP}" "${1/-//}") == "$2/b $2/c" ]]
}
for vpc in red blue; do
	for e in a b; do ok "$vpc/$e -> $VIP is served by $vpc/b and $vpc/c" own $vpc-$e $vpc; done
done

# What one VPC has outside is not the other's; what meets is what was said.
outside_as() { local got; got=$(on "$1" "$TRAFFIC" ask $SERVER 7); [[ $got == $2 ]] || { echo "# $got"; return 1; }; }
for e in a b c; do
	ok "red/$e leaves as red" outside_as red-$e "$REDS"
	ok "blue/$e leaves as blue" outside_as blue-$e "$BLUES"
done
for vpc in red:20 blue:22; do
	ok "... ${vpc%:*}/f by an address of its own" outside_as ${vpc%:*}-f "$ENTRY${vpc#*:} *"
	ok "... which leads to it" says isp "$ENTRY${vpc#*:}" ${vpc%:*}/f
done
ok "red/p meets blue/s" says red-p $S blue/s
ok "blue/s meets red/p" says blue-s $P red/p
ok "red/a has nobody there" says red-a $S nobody
ok "nor has blue/a" says blue-a $P nobody
ok "red/p has red/a at the address of both" says red-p $A red/a
ok "blue/s has blue/a there" says blue-s $A blue/a

ok "red's service from outside is red's" own isp red "${ENTRY}1"
ok "blue's is blue's" own isp blue "${ENTRY}5"
for vpc in red:1 blue:5; do ok "... to its own endpoints as well" own ${vpc%:*}-a ${vpc%:*} "$ENTRY${vpc#*:}"; done
forwarded() { [[ $(on isp "$TRAFFIC" ask "$1" 17 isp) == "$2" ]]; }
for vpc in red:1 blue:5; do ok "a forwarded port of ${vpc%:*} leads to its own" forwarded "$ENTRY${vpc#*:}" ${vpc%:*}/a; done

# What they ask of their network.
named() { [[ $(on "$1" dig @$DNS +tries=1 +time=3 +short "$2" $TYPE) == "$3" ]] || return 1; } # NS NAME ADDRESS
told() { [[ $(on "$1" curl -sS -m 5 "$(url $METADATA 80 /latest/user-data)") == "of ${1/-//}" ]]; }
lease() { # NS VPC: its address, and its VPC's domain
	if [[ $FAMILY == 4 ]]; then
		on "$1" udhcpc -i eth0 -n -q -f -t 5 -T 1 -s "$TOPO_DIR/lease" > "$TOPO_DIR/udhcpc" 2>&1 || return 1
		[[ $(< "$TOPO_DIR/leased") == "$A $2.internal" ]]
	else
		on "$1" timeout 20 dhclient -6 -1 -sf /bin/true -lf "$TOPO_DIR/leases-$1" -pf "$TOPO_DIR/dhclient-$1" eth0 || return 1
		wait_for 5 test -s "$TOPO_DIR/dhclient-$1"
		kill "$(< "$TOPO_DIR/dhclient-$1")"
		grep -q "iaaddr $A " "$TOPO_DIR/leases-$1" && grep -q "domain-search \"$2.internal" "$TOPO_DIR/leases-$1"
	fi
}
printf '#!/bin/sh\n[ "$1" != bound ] || echo "$ip $domain" > %s/leased\n' "$TOPO_DIR" > "$TOPO_DIR/lease"
chmod +x "$TOPO_DIR/lease"
for vpc in red:blue blue:red; do
	other=${vpc#*:} vpc=${vpc%:*}
	ok "$vpc/a has its names" wait_for 5 named $vpc-a b.$vpc.internal $B
	ok "... not those of $other" named $vpc-a b.$other.internal ""
	ok "... what is said of it" told $vpc-a
	ok "... $vpc/b of itself" told $vpc-b
	ok "... and a lease" lease $vpc-a $vpc
done

# One group in both: members hear the sender of their own network alone.
for vpc in red blue; do
	for e in b c; do
		start $vpc-$e "$TOPO_DIR/listen.log" "$(dirname "$0")/multicast.py" listen 5000 "$TOPO_DIR/heard.$vpc-$e" $GROUP
		wait_for 5 test -e "$TOPO_DIR/heard.$vpc-$e.ready"
	done
done
joined() { [[ $(transit w2 group list -o json | python3 -c 'import json, sys; print(sum(len(g.get("members", [])) for g in json.load(sys.stdin) if g["address"] == sys.argv[1]))' $GROUP) == 4 ]]; }
wait_for 10 joined
heard() { # VPC GROUP PORT TEXT: b heard it once, c in another network did not, nobody of the other VPC did
	local other=red
	[[ $1 == blue ]] || other=blue
	on "$1-a" "$(dirname "$0")/multicast.py" send "$2" "$3" "$1/$4"
	wait_for 5 grep -q "$1/$4" "$TOPO_DIR/heard.$1-b" || return 1
	let_flow 0.2
	[[ $(grep -c "$1/$4" "$TOPO_DIR/heard.$1-b") == 1 && ! -s $TOPO_DIR/heard.$1-c ]] && ! grep -q "$1/" "$TOPO_DIR/heard.$other"-*
}
for vpc in red blue; do ok "$vpc/a to a group: $vpc's members of its network, once" heard $vpc $GROUP 5000 group; done
if [[ $FAMILY == 4 ]]; then
	for vpc in red blue; do
		for e in b c; do
			rm "$TOPO_DIR/heard.$vpc-$e.ready"
			start $vpc-$e "$TOPO_DIR/listen.log" "$(dirname "$0")/multicast.py" listen 5001 "$TOPO_DIR/heard.$vpc-$e" all
			wait_for 5 test -e "$TOPO_DIR/heard.$vpc-$e.ready"
		done
	done
	for vpc in red blue; do ok "$vpc/a to all: those of its network, once" heard $vpc 255.255.255.255 5001 all; done
fi

# A service that is closed until its backends serve, and the hosts' own processes, which
# have an address for each endpoint.
for vpc in red blue; do ok "$vpc's probed service refuses until somebody is well" refused $vpc-a $WEB 80 tcp; done
for vpc in red blue; do ok "... and a port that it has not" refused $vpc-a $WEB 7 udp; done
declare -A SERVER
for vpc in red blue; do
	for e in a:w1 b:w2 c:w2; do
		start $vpc-${e%:*} "$TOPO_DIR/serve.log" "$TRAFFIC" name $vpc/${e%:*} 8080
		SERVER[$vpc/${e%:*}]=$STARTED
		ok "${e#*:} itself reaches $vpc/${e%:*}" wait_for 5 host_says ${e#*:} $vpc/${e%:*}
	done
done

well() { # VPC: both backends
	transit w1 service get "$1/web" -o json | python3 -c '
import json, sys
sys.exit(sum(b.get("serving", False) for b in json.load(sys.stdin)["backends"]) != 4)'
}
stays() { [[ $(spread $1-$2 $WEB 10) == $1/[bc]" 10" ]]; } # VPC CLIENT: with one of its own
for vpc in red blue; do
	ok "$vpc's probed service opens" wait_for 15 well $vpc
	for e in a f; do ok "... and $vpc/$e stays with one of $vpc's" stays $vpc $e; done
done
kill -KILL ${SERVER[red/b]} ${SERVER[red/c]}
ok "red's backends fail: its service is refused" wait_for 10 refused red-a $WEB 80 tcp
ok "... blue's of the same addresses is not" stays blue a

ok "the gateway answers a ping" on red-a ping -qc 2 -i 0.05 -W 1 $GATEWAY

# An address only red has does not answer blue.
topo_ns red-only
everything 3 | topo_apply w2 b1 b2 d1 g1 w1
serve red-only red/only
ok "red reaches its own $NEW" says red-a $NEW red/only
ok "blue has nobody there" says blue-a $NEW nobody
no_endpoint() { [[ $(($(count_of b1 NO_ENDPOINT blue) + $(count_of b2 NO_ENDPOINT blue))) -ge 5 ]]; }
ok "... and its bouncer says why" no_endpoint

# Pretending, from inside an endpoint.
ok "a forged source address is dropped" raised w1 SRC_IP red on red-a "$INJECT" spoof-ip eth0 $B $C
ok "a forged source MAC is dropped" raised w1 SRC_MAC red on red-a "$INJECT" spoof-mac eth0 $A $C
ok "a forged ARP sender is dropped" raised w1 ARP_SPOOF red on red-a "$INJECT" spoof-arp eth0 10.0.1.6
ok "a forged neighbour solicitation is dropped" raised w1 ND_SPOOF red on red-a "$INJECT" spoof-nd eth0 fd00:10:1::6 135
ok "a rogue router advertisement is dropped" raised w1 ND_SPOOF red on red-a "$INJECT" spoof-nd eth0 fe80::6 134
direct() { # of red/a and red/b; a path ends where nothing came by it for half a minute
	local before
	before=$(count_of w1 DIRECT red)
	says red-a $B red/b && [[ $(count_of w1 DIRECT red) -gt $before ]]
}
wait_for 5 direct
ok "an endpoint's own Geneve is tenant payload" raised w1 DIRECT red on red-a "$INJECT" tunnel $B 200 $A 2 2 red/payload

# Pretending, on the underlay.
topo_host stranger 9
ok "a host that is not of the region is not listened to" \
	raised w1 UNKNOWN_SENDER "" on stranger "$INJECT" tunnel $W1 100 $A 9 9 forged-tunnel
ok "... nor when it claims a known host's id" \
	raised w1 UNKNOWN_SENDER "" on stranger "$INJECT" tunnel $W1 100 $A 2 2 forged-tunnel
ok "a known host with an unknown VNI gets nowhere" \
	raised w1 UNKNOWN_VNI "" on w2 "$INJECT" tunnel $W1 999 $A 2 2 forged-tunnel

# What the captures say: no endpoint ever saw the other tenant's name, nor a
# forged packet.
while read -r pid; do kill -INT "$pid"; done < "$TOPO_DIR/captures"
while read -r pid; do wait_for 5 bash -c "! kill -0 $pid"; done < "$TOPO_DIR/captures"
clean() { ! grep -qaE "$2" "$TOPO_DIR/$1.pcap"; }
for e in a b c f; do
	ok "red/$e never saw a byte of blue" clean red-$e 'blue/'
	ok "blue/$e never saw a byte of red" clean blue-$e 'red/'
	ok "nobody's forged packet reached red/$e" clean red-$e 'spoof'
done
# The peering's endpoints have met, by name.
ok "red/p saw of blue what it peers with" clean red-p 'blue/[^s]'
ok "blue/s of red" clean blue-s 'red/[^p]'
ok "red's collector has no byte of blue" clean mirror-red 'blue/[^s]'
ok "blue's collector has none of red" clean mirror-blue 'red/[^p]'
for vpc in red blue; do ok "... but $vpc's own" grep -qaE "$vpc/[abcf]" "$TOPO_DIR/mirror-$vpc.pcap"; done
worked() { [[ $(transit $1 function list -o json | python3 -c 'import json, sys; print(min(int(f["packets"]) for f in json.load(sys.stdin)))') -gt 0 ]]; }
for h in w1 w2 b1 b2; do ok "every function of $h was asked" worked $h; done
ok "an endpoint's own Geneve reached red/b as it was" grep -qa red/payload "$TOPO_DIR/red-b.pcap"
all_clean() { ! grep -qa 'forged-tunnel' "$TOPO_DIR"/*.pcap; }
ok "no forged tunnel packet reached an endpoint" all_clean
all_saw() {
	local vpc e to
	for vpc in red blue; do
		for e in a b c f; do
			for to in a b c f; do
				[[ $e == "$to" ]] || grep -qa $vpc/$to "$TOPO_DIR/$vpc-$e.pcap" || return 1
			done
		done
	done
}
ok "the captures are no empty proof: everybody saw the others of its own" all_saw
finish
