#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two tenants with the same addresses on the same hosts, with everything there is switched
# on: everybody reaches the right one, nothing crosses, nobody can pretend.
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
topo_host g1 6
outside_up
outside_link g1 1
topo_daemon g1 --outside out0
for e in red-p blue-s; do topo_ns $e; done
# The standard region, a gateway of both, and a peering of one network each, by REVISION.
entry() { # its VPC's service, from outside
	echo "{protocol: udp, address: 198.51.100.$1, port: 7, service: all}, {protocol: udp, address: \"2001:db8:51::$1\", port: 7, service: all}"
}
everything() {
	standard_region "$1" | sed -e "/name: d1, id: 5/a\\  - {name: g1, id: 6, $(at g1 6)}" \
		-e '/name: \(front\|back\), vpc/s/}$/, multicast: true, broadcast: true}/' \
		-e '/name: back, vpc: blue/a\  - {name: app, vpc: red, cidr: 10.0.4.0/24, cidr6: "fd00:10:4::/64"}\n  - {name: shop, vpc: blue, cidr: 10.0.3.0/24, cidr6: "fd00:10:3::/64"}'
	cat << R
  - {name: p, vpc: red, network: app, $(both 4 6), host: w1, netns: $(ns red-p)}
  - {name: s, vpc: blue, network: shop, $(both 3 7), host: w2, netns: $(ns blue-s)}
R
	[[ $1 -lt 3 ]] || echo "  - {name: only, vpc: red, network: front, $(both 1 9), host: w2, netns: $(ns red-only)}"
	cat << R
gateways:
  - {name: out, vpc: red, hosts: [g1], pools: [198.51.100.0/30, "2001:db8:51::/126"], forwards: [$(entry 1)]}
  - {name: out, vpc: blue, hosts: [g1], pools: [198.51.100.4/30, "2001:db8:51::4/126"], forwards: [$(entry 5)]}
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
wait_for 10 hops_up
if [[ $FAMILY == 4 ]]; then
	P=10.0.4.6 S=10.0.3.7 REDS='198.51.100.[0-3] *' BLUES='198.51.100.[4-7] *' ENTRY=198.51.100. GROUP=239.1.2.3
else
	P=fd00:10:4::6 S=fd00:10:3::7 REDS='2001:db8:51::[0-3 ]*' BLUES='2001:db8:51::[4-7] *' ENTRY=2001:db8:51:: GROUP=ff15::123
fi
serve red-p red/p
serve blue-s blue/s
INJECT="$(dirname "$0")/inject.py"
W1=10.77.1.1
[[ $UNDERLAY == 4 ]] || W1=fd77:1::1
declare -A address=([a]=$A [b]=$B [c]=$C)
for vpc in red blue; do
	for e in a b c; do serve $vpc-$e $vpc/$e; done
done

# What each endpoint receives, for the whole test.
for vpc in red blue; do
	for e in a b c; do
		start $vpc-$e "$TOPO_DIR/tcpdump" tcpdump --immediate-mode -Q in -U -s 0 -ni eth0 -w "$TOPO_DIR/$vpc-$e.pcap"
		echo "$STARTED" >> "$TOPO_DIR/captures"
	done
done
for vpc in red blue; do
	for e in a b c; do wait_for 5 test -s "$TOPO_DIR/$vpc-$e.pcap"; done
done

for vpc in red blue; do
	for from in a b c; do
		for to in a b c; do
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
ok "red/p meets blue/s" says red-p $S blue/s
ok "blue/s meets red/p" says blue-s $P red/p
ok "red/a has nobody there" says red-a $S nobody
ok "nor has blue/a" says blue-a $P nobody
ok "red/p has red/a at the address of both" says red-p $A red/a
ok "blue/s has blue/a there" says blue-s $A blue/a

ok "red's service from outside is red's" own isp red "${ENTRY}1"
ok "blue's is blue's" own isp blue "${ENTRY}5"
for vpc in red:1 blue:5; do ok "... to its own endpoints as well" own ${vpc%:*}-a ${vpc%:*} "$ENTRY${vpc#*:}"; done

# One group in both: members hear the sender of their own network alone.
for vpc in red blue; do
	for e in b c; do
		start $vpc-$e "$TOPO_DIR/listen.log" "$(dirname "$0")/multicast.py" listen 5000 "$TOPO_DIR/heard.$vpc-$e" $GROUP
		wait_for 5 test -e "$TOPO_DIR/heard.$vpc-$e.ready"
	done
done
joined() { [[ $(transit w2 group list -o json | python3 -c 'import json, sys; print(sum(len(g.get("members", [])) for g in json.load(sys.stdin) if g["address"] == sys.argv[1]))' $GROUP) == 4 ]]; }
wait_for 10 joined
heard() { # VPC: b heard it once, c in another network did not, nobody of the other VPC did
	local other=red
	[[ $1 == blue ]] || other=blue
	on "$1-a" "$(dirname "$0")/multicast.py" send $GROUP 5000 "$1/group"
	wait_for 5 grep -q "$1/group" "$TOPO_DIR/heard.$1-b" || return 1
	let_flow 0.2
	[[ $(grep -c . "$TOPO_DIR/heard.$1-b") == 1 && ! -s $TOPO_DIR/heard.$1-c ]] && ! grep -q "$1/" "$TOPO_DIR/heard.$other"-*
}
for vpc in red blue; do ok "$vpc/a to a group: $vpc's members of its network, once" heard $vpc; done

# The hosts' own processes have an address for each.
for vpc in red blue; do
	for e in a:w1 b:w2 c:w2; do
		start $vpc-${e%:*} "$TOPO_DIR/serve.log" "$TRAFFIC" name $vpc/${e%:*} 8080
		ok "${e#*:} itself reaches $vpc/${e%:*}" wait_for 5 host_says ${e#*:} $vpc/${e%:*}
	done
done

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
raised() { # HOST REASON VPC COMMAND...: the reason's count rises by three
	local host=$1 reason=$2 vpc=$3 before
	shift 3
	before=$(count_of "$host" "$reason" "$vpc")
	"$@"
	[[ $(count_of "$host" "$reason" "$vpc") -eq $((before + 3)) ]]
}
ok "a forged source address is dropped" raised w1 SRC_IP red on red-a "$INJECT" spoof-ip eth0 $B $C
ok "a forged source MAC is dropped" raised w1 SRC_MAC red on red-a "$INJECT" spoof-mac eth0 $A $C
ok "a forged ARP sender is dropped" raised w1 ARP_SPOOF red on red-a "$INJECT" spoof-arp eth0 10.0.1.6
ok "a forged neighbour solicitation is dropped" raised w1 ND_SPOOF red on red-a "$INJECT" spoof-nd eth0 fd00:10:1::6 135
ok "a rogue router advertisement is dropped" raised w1 ND_SPOOF red on red-a "$INJECT" spoof-nd eth0 fe80::6 134
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
for e in a b c; do
	ok "red/$e never saw a byte of blue" clean red-$e 'blue/'
	ok "blue/$e never saw a byte of red" clean blue-$e 'red/'
	ok "nobody's forged packet reached red/$e" clean red-$e 'spoof'
done
worked() { [[ $(transit $1 function list -o json | python3 -c 'import json, sys; print(min(int(f["packets"]) for f in json.load(sys.stdin)))') -gt 0 ]]; }
for h in w1 w2; do ok "every function of $h was asked" worked $h; done
ok "an endpoint's own Geneve reached red/b as it was" grep -qa red/payload "$TOPO_DIR/red-b.pcap"
all_clean() { ! grep -qa 'forged-tunnel' "$TOPO_DIR"/*.pcap; }
ok "no forged tunnel packet reached an endpoint" all_clean
all_saw() {
	local vpc e to
	for vpc in red blue; do
		for e in a b c; do
			for to in a b c; do
				[[ $e == "$to" ]] || grep -qa $vpc/$to "$TOPO_DIR/$vpc-$e.pcap" || return 1
			done
		done
	done
}
ok "the captures are no empty proof: everybody saw the others of its own" all_saw
finish
