# SPDX-License-Identifier: Apache-2.0
# What the topology tests share: TAP, and a standard region. Source after lib.sh.

tap_n=0 tap_bad=0
ok() { # DESCRIPTION COMMAND...: passes if the command does
	local what=$1
	shift
	tap_n=$((tap_n + 1))
	if "$@"; then
		echo "ok $tap_n - $what"
	else
		echo "not ok $tap_n - $what"
		tap_bad=$((tap_bad + 1))
	fi
}
finish() {
	echo "1..$tap_n"
	[[ $tap_bad -eq 0 ]] && return 0
	tail -n 5 "$TOPO_DIR"/*/log | sed 's/^/# /'
	return 1
}
need_root() { [[ $EUID -eq 0 ]] || { echo "1..0 # SKIP needs root"; exit 4; }; }

# Hosts w1, w2 (workers), b1, b2 (bouncers), d1 (divider). Options go to transitd.
standard_hosts() {
	topo_router
	topo_host w1 1
	topo_host w2 2
	topo_host b1 3 hop
	topo_host b2 4 hop
	topo_host d1 5 hop
	local h
	for h in "${TOPO_HOSTS[@]}"; do
		if [[ -n ${SERVICES:-} ]]; then
			topo_ns "services-$h"
			serving_daemon "$h" "$@"
		else
			topo_daemon "$h" "$@"
		fi
	done
}

# The hosts of four_hosts, without daemons.
four_wired() {
	topo_router
	topo_host w1 1
	topo_host w2 2
	topo_host b1 3 hop
	topo_host d1 5 hop
}
# ... and with them. Options go to w1's.
four_up() {
	local h
	four_wired
	for h in w2 b1 d1; do topo_daemon $h; done
	topo_daemon w1 "$@"
}

# transitd with the namespace services-HOST, where endpoints find DHCP, DNS and metadata:
# serving_daemon HOST [OPTIONS...]
serving_daemon() {
	local h=$1
	shift
	topo_daemon "$h" --services "$(ns "services-$h")" --local-group nogroup "$@"
}

# Who answers a host's endpoints and probes them, in that namespace: responder HOST [OPTIONS...]
responder() {
	local h=$1
	shift
	chmod 711 "$TOPO_DIR"
	install -d -m 777 "$TOPO_DIR/stats"
	start "$h" "$TOPO_DIR/$h/log" "$BIN/transit-responder" --transitd "unix:$TOPO_DIR/$h/local.sock" \
		--netns "$(ns "services-$h")" --user nobody --stats "$TOPO_DIR/stats/$h" "$@"
	mkdir -p "$TOPO_DIR/$h-responder"
	echo "$STARTED" > "$TOPO_DIR/$h-responder/pid"
}

# Which family the tests' traffic has (endpoints have both), and which the
# underlay has: 4, 6, or mixed (w1 only IPv4, w2 only IPv6, the hops both).
FAMILY=${FAMILY:-4} UNDERLAY=${UNDERLAY:-4}
if [[ $FAMILY == 4 ]]; then
	VIP=10.0.9.1 A=10.0.1.5 B=10.0.1.6 C=10.0.2.5 M=10.0.1.8 NEW=10.0.1.9 GATEWAY=10.0.1.1
else
	VIP=fd00:10:9::1 A=fd00:10:1::5 B=fd00:10:1::6 C=fd00:10:2::5 M=fd00:10:1::8 NEW=fd00:10:1::9 GATEWAY=fd00:10:1::1
fi
# The other family's of an endpoint: both HOST-PART.
both() { echo "address: 10.0.$1.$2, address6: 'fd00:10:$1::$2'"; }
# Underlay addresses of host NAME ID.
at() {
	local has=$UNDERLAY
	[[ $has != mixed ]] || case $1 in w1) has=4 ;; w2) has=6 ;; esac
	[[ $has == 6 ]] || echo -n "address: 10.77.$2.1"
	[[ $has != mixed ]] || echo -n ", "
	[[ $has == 4 ]] || echo -n "address6: 'fd77:$2::1'"
}

# Two workers, a bouncer, a divider; more may follow.
four_hosts() {
	cat << R
hosts:
  - {name: w1, id: 1, $(at w1 1)}
  - {name: w2, id: 2, $(at w2 2)}
  - {name: b1, id: 3, $(at b1 3), roles: [bouncer]}
  - {name: d1, id: 5, $(at d1 5), roles: [divider]}
R
}

# Two that use the same addresses.
tenants() {
	cat << R
vpcs:
  - {name: red, vni: 100, cidr: 10.0.0.0/16, cidr6: "fd00:10::/32"}
  - {name: blue, vni: 200, cidr: 10.0.0.0/16, cidr6: "fd00:10::/32"}
networks:
  - {name: front, vpc: red, cidr: 10.0.1.0/24, cidr6: "fd00:10:1::/64"}
  - {name: back, vpc: red, cidr: 10.0.2.0/24, cidr6: "fd00:10:2::/64"}
  - {name: front, vpc: blue, cidr: 10.0.1.0/24, cidr6: "fd00:10:1::/64"}
  - {name: back, vpc: blue, cidr: 10.0.2.0/24, cidr6: "fd00:10:2::/64"}
R
}

# BALANCED=1: a service of each VPC at the same address, b and c of its own behind it.
balanced() {
	local vpc
	echo services:
	for vpc in red blue; do
		echo "  - {name: all, vpc: $vpc, $(both 9 1), ports: [{protocol: udp, port: 7}], backends: [{endpoint: b}, {endpoint: c}]}"
	done
}

# A NetworkPolicy of namespace shop: policy NAME APP INGRESS
policy() {
	echo "---"
	echo "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: $1, namespace: shop}, spec: {podSelector: {matchLabels: {app: $2}}, ingress: [$3]}}"
}

# Region with revision $1; endpoints of both VPCs: a on w1 (front), b on w2
# (front), c on w2 (back). $2: another host for red/b, $3: its namespace.
standard_region() {
	cat <<R
revision: $1
$(four_hosts)
  - {name: b2, id: 4, $(at b2 4), roles: [bouncer]}
$(tenants)
$([[ -z ${BALANCED:-} ]] || balanced)
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-a)}
  - {name: b, vpc: red, network: front, $(both 1 6), host: ${2:-w2}, netns: $(ns "${3:-red-b}")}
  - {name: c, vpc: red, network: back, $(both 2 5), host: w2, netns: $(ns red-c)}
  - {name: a, vpc: blue, network: front, $(both 1 5), host: w1, netns: $(ns blue-a)}
  - {name: b, vpc: blue, network: front, $(both 1 6), host: w2, netns: $(ns blue-b)}
  - {name: c, vpc: blue, network: back, $(both 2 5), host: w2, netns: $(ns blue-c)}
R
}

# The key of red's ADDRESS in a pinned table, as bpftool wants it.
key_of() {
	python3 -c '
import ipaddress, sys
a = ipaddress.ip_address(sys.argv[1])
raw = a.packed if a.version == 6 else bytes(10) + b"\xff\xff" + a.packed
print((b"\x64\0\0\0" + raw).hex(" "))' "$1"
}
# The learned path to ADDRESS at HOST is gone, if there was one.
path_lost() {
	bpftool map delete pinned "/sys/fs/bpf/mizar/$(ns "$1")"/*/maps/mz_paths key hex $(key_of "$2") 2> /dev/null || true
}

standard_up() {
	local e
	standard_hosts "$@"
	for e in red-a red-b red-c blue-a blue-b blue-c; do topo_ns $e; done
	standard_region 1 | topo_apply b1 b2 d1 w1 w2
	wait_for 10 hops_up
}
hops_up() { ! transit w1 status | grep -qE ' (down|unresolved) ' && ! transit w2 status | grep -qE ' (down|unresolved) '; }

# Packets of a reason at a host: count HOST REASON [VPC]
count_of() {
	transit "$1" stats ${3:+--vpc "$3"} -o json | python3 -c '
import json, sys
rows = json.load(sys.stdin)
print(sum(int(r["packets"]) for r in rows if r["reason"] == sys.argv[1]))' "$2"
}
# A command after which the count has risen by three: raised HOST REASON VPC COMMAND...
raised() {
	local host=$1 reason=$2 vpc=$3 before
	shift 3
	before=$(count_of "$host" "$reason" "$vpc")
	"$@"
	[[ $(count_of "$host" "$reason" "$vpc") -eq $((before + 3)) ]]
}
# Packets of red that went over a bouncer, whichever of the two.
bounced() { echo $(($(count_of b1 BOUNCED red) + $(count_of b2 BOUNCED red))); }

TRAFFIC="$(dirname "${BASH_SOURCE[0]}")/traffic.py"
serve() {
	start "$1" "$TOPO_DIR/serve.log" "$TRAFFIC" echo "$2" 7
	wait_for 5 on "$1" bash -c 'ss -lun | grep -q ":7 "'
}
# Who answers NS at ADDRESS is NAME (`nobody`: no answer): says NS ADDRESS NAME.
# Requests name who asks, so captures tell them apart as they do answers.
says() { [[ $(on "$1" "$TRAFFIC" ask "$2" 7 "${1/-//}") == "$3" ]]; }
# Requests from NS to ADDRESS until flow_end; the result is in $FLOW_SENT,
# $FLOW_ANSWERED and $FLOW_GAP.
flow_begin() {
	touch "$TOPO_DIR/running"
	start "$1" "$TOPO_DIR/flow" "$TRAFFIC" flow "$2" 7 "${3:-1000}" "$TOPO_DIR/running"
}
flow_end() {
	rm -f "$TOPO_DIR/running"
	wait_for 10 grep -q sent "$TOPO_DIR/flow"
	read -r _ FLOW_SENT _ FLOW_ANSWERED _ FLOW_GAP < "$TOPO_DIR/flow"
	echo "# sent $FLOW_SENT answered $FLOW_ANSWERED longest gap $FLOW_GAP ms"
	rm -f "$TOPO_DIR/flow"
}
# One-way datagrams from NS to ENDPOINT's ADDRESS, 200 a second, until
# oneway_end; the result is in $ONEWAY_SENT, $ONEWAY_RECEIVED and $ONEWAY_GAP.
oneway_begin() { # FROM TO ADDRESS
	touch "$TOPO_DIR/counting" "$TOPO_DIR/sending"
	start "$2" "$TOPO_DIR/counted" "$TRAFFIC" count 9 "$TOPO_DIR/counting"
	wait_for 5 on "$2" bash -c 'ss -lun | grep -q ":9 "'
	start "$1" "$TOPO_DIR/oneway" "$TRAFFIC" send "$3" 9 "$TOPO_DIR/sending"
}
oneway_end() {
	rm "$TOPO_DIR/sending"
	wait_for 5 grep -q sent "$TOPO_DIR/oneway"
	let_flow 0.2 # what is under way still counts
	rm "$TOPO_DIR/counting"
	wait_for 5 grep -q received "$TOPO_DIR/counted"
	read -r _ ONEWAY_SENT < "$TOPO_DIR/oneway"
	read -r _ ONEWAY_RECEIVED _ ONEWAY_GAP < "$TOPO_DIR/counted"
	echo "# one way: sent $ONEWAY_SENT received $ONEWAY_RECEIVED longest gap $ONEWAY_GAP ms"
	rm "$TOPO_DIR/oneway" "$TOPO_DIR/counted"
}
# A TCP connection from NS to ENDPOINT's ADDRESS, over which data goes until
# tcp_end (or N bytes have gone, WRITE of them at once); that succeeds when all of it arrived as sent.
# The longest stall of the sender is in $TCP_STALL.
tcp_begin() { # FROM TO ADDRESS [N [WRITE]]
	touch "$TOPO_DIR/giving"
	start "$2" "$TOPO_DIR/took" "$TRAFFIC" take 8
	wait_for 5 on "$2" bash -c 'ss -ltn | grep -q ":8 "'
	start "$1" "$TOPO_DIR/gave" "$TRAFFIC" give "$3" 8 "${4:-$TOPO_DIR/giving}" ${5:-}
}
tcp_end() {
	local outcome bytes
	rm "$TOPO_DIR/giving"
	wait_for 60 grep -q stall "$TOPO_DIR/gave"
	read -r outcome bytes _ TCP_STALL < "$TOPO_DIR/gave"
	echo "# TCP: $outcome, $bytes bytes, longest stall $TCP_STALL ms"
	rm "$TOPO_DIR/gave"
	[[ $outcome == whole ]]
}
# The tunnel packets on a host's uplink until capture_end: capture_begin HOST
# [in|out|inout]; they are in $TOPO_DIR/HOST.pcap.
capture_begin() {
	start "$1" "$TOPO_DIR/$1.tcpdump" tcpdump --immediate-mode -Q "${2:-in}" -U -s 0 -ni eth0 \
		-w "$TOPO_DIR/$1.pcap" udp port 6081
	CAPTURE=$STARTED
	wait_for 5 test -s "$TOPO_DIR/$1.pcap"
}
capture_end() {
	kill -INT "$CAPTURE"
	wait_for 5 bash -c "! kill -0 $CAPTURE"
}
# What w2's daemon sends to w1 is lost, which is its hints: what w1 sends there
# one way stays on the bouncer. The daemon sends from a port of its own.
hints_rule() {
	local from=10.77.2.1 to=10.77.1.1 family=-4
	[[ $UNDERLAY == 4 ]] || from=[fd77:2::1] to=fd77:1::1 family=-6
	on router ip $family rule "$1" iif r2 to $to ipproto udp \
		sport "$(on w2 ss -uanH src "$from" | awk '{print $4}' | grep -o '[0-9]*$')" blackhole
}
hints_lost() { hints_rule add; }
hints_back() { hints_rule del; }
# A while with nothing to wait for but traffic itself.
let_flow() { on router python3 -c 'import select, sys; select.select([], [], [], float(sys.argv[1]))' "$1"; }

# What clients see: who answers on TCP port 8080; whether a ping is answered; whether a
# port where nobody listens is refused at once; whether 20 MB come and go whole.
tcp() { on "$1" "$TRAFFIC" spread "$2" 8080 1 | sed 's/ 1$//'; }
pinged() { on "$1" ping -c 2 -W 2 -q "$2" > "$TOPO_DIR/ping"; }
no_listener() { refused "$1" "$2" 9 "$3"; } # NS ADDRESS tcp|udp
url() { [[ $1 == *:* ]] && echo "http://[$1]:$2$3" || echo "http://$1:$2$3"; } # ADDRESS PORT PATH
comes_whole() { # NS ADDRESS [PORT [BYTES]]
	local bytes=${4:-20000000}
	[[ $(on "$1" curl -sS -m 30 "$(url "$2" "${3:-8080}" "/$bytes")" | sha256sum | cut -d' ' -f1) == "$("$TRAFFIC" digest "$bytes")" ]]
}
goes_whole() { # NS ADDRESS, the server's NS [PORT that leads to its port 8 [BYTES]]
	start "$3" "$TOPO_DIR/took" "$TRAFFIC" take 8
	wait_for 5 on "$3" bash -c 'ss -ltn | grep -q ":8 "'
	timeout 30 nsenter --net="/run/netns/$(ns "$1")" "$TRAFFIC" give "$2" "${4:-8}" "${5:-20000000}" > "$TOPO_DIR/gave" 2>&1 || true
	sed 's/^/# /' "$TOPO_DIR/gave"
	grep -q '^whole' "$TOPO_DIR/gave"
}

# Who serves a VIP's port 80 to NS, by so many connections.
spread() { on "$1" "$TRAFFIC" spread "${2:-$VIP}" 80 "${3:-120}"; }
# NS ADDRESS COUNT NAME...: these serve it, each at least half its share.
served_by() {
	local from=$1 vip=$2 n=$3 got
	shift 3
	got=$(spread "$from" "$vip" "$n")
	python3 -c '
import sys
n, names, got = int(sys.argv[1]), sys.argv[2].split(), dict(l.split() for l in sys.argv[3].splitlines())
sys.exit(set(got) != set(names) or any(int(got[k]) < n / len(names) / 2 for k in names))' "$n" "$*" "$got" && return
	echo "# got: ${got//$'\n'/, }"
	return 1
}
# Where a host's own processes reach its endpoint VPC/NAME; nothing: nowhere.
at_host() { # HOST ENDPOINT
	transit "$1" endpoint get "$2" -o json | python3 -c '
import json, sys
print(json.load(sys.stdin).get("host_address" + sys.argv[1].strip("4"), ""))' "$FAMILY"
}
# What nobody serves is refused, and at once.
refused() { # NS ADDRESS PORT PROTOCOL
	local got ms
	got=$(on "$1" "$TRAFFIC" refused "$2" "$3" "$4")
	ms=${got#refused after_ms }
	[[ $got == refused* && $ms -lt 500 ]] || { echo "# $got"; return 1; }
}

# One connection that goes on, or only listens: talk_to NS ADDRESS PORT [talk|listen];
# $WHO serves it.
talk_to() {
	touch "$TOPO_DIR/talking"
	rm -f "$TOPO_DIR/talking.who" "$TOPO_DIR/talk"
	start "$1" "$TOPO_DIR/talk" "$TRAFFIC" "${4:-talk}" "$2" "$3" "$TOPO_DIR/talking"
	wait_for 5 test -s "$TOPO_DIR/talking.who"
	WHO=$(< "$TOPO_DIR/talking.who")
}
talked() { [[ -s "$TOPO_DIR/talk" ]]; }
# It is whole, and the same one serves it.
steady() {
	rm -f "$TOPO_DIR/talking"
	wait_for 20 talked
	sed 's/^/# /' "$TOPO_DIR/talk"
	[[ $(< "$TOPO_DIR/talk") == "steady $WHO "* ]]
}
# ... and is answered from now on: what was under way before does not count.
goes_on() {
	local before
	let_flow 0.1
	before=$(stat -c %s "$TOPO_DIR/talking.heard")
	further() { [[ $(stat -c %s "$TOPO_DIR/talking.heard") -gt $((before + 10)) ]]; }
	wait_for 15 further
	steady
}
