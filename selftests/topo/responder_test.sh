#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# transit-responder with a real transitd and real clients of its protocols. What
# the data plane does for endpoints is done by addresses on the host's loopback:
# who binds the client address of a slot is that endpoint.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-resp
trap topo_end EXIT
topo_router
topo_host w1 1
topo_host w2 2
topo_host d1 5 hop
for h in w1 w2 d1; do topo_daemon "$h" --local-group nogroup; done
for e in red-a blue-a red-b; do topo_ns "$e"; done
topo_apply << R
revision: 1
hosts:
  - {name: w1, id: 1, address: 10.77.1.1}
  - {name: w2, id: 2, address: 10.77.2.1}
  - {name: d1, id: 5, address: 10.77.5.1, roles: [bouncer, divider]}
vpcs:
  - {name: red, vni: 100, cidr: 10.0.0.0/16, cidr6: "fd00:10::/32"}
  - {name: blue, vni: 200, cidr: 10.0.0.0/16, domain: corp.example}
networks:
  - {name: front, vpc: red, cidr: 10.0.1.0/24, cidr6: "fd00:10:1::/64", dns: [10.77.1.254]}
  - {name: back, vpc: red, cidr: 10.0.2.0/24}
  - {name: front, vpc: blue, cidr: 10.0.1.0/24}
endpoints:
  - {name: a, vpc: red, network: front, address: 10.0.1.5, address6: "fd00:10:1::5", host: w1, netns: $(ns red-a), user_data: "hello red"}
  - {name: a, vpc: blue, network: front, address: 10.0.1.5, host: w1, netns: $(ns blue-a)}
  - {name: b, vpc: red, network: back, address: 10.0.2.5, host: w2, netns: $(ns red-b)}
R

# It reads tenants' bytes: as nobody, with one capability, and of transitd only
# the socket for such as it.
chmod 711 "$TOPO_DIR"
cp "$BIN/transit-responder" "$TOPO_DIR/transit-responder"
responder() { # HOST
	install -d -m 777 "$TOPO_DIR/$1/stats"
	start "$1" "$TOPO_DIR/$1/log" setpriv --reuid=nobody --regid=nogroup --clear-groups \
		--inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service --bounding-set=-all,+net_bind_service --no-new-privs \
		"$TOPO_DIR/transit-responder" --transitd "unix:$TOPO_DIR/$1/local.sock" --stats "$TOPO_DIR/$1/stats/all"
	mkdir -p "$TOPO_DIR/$1-responder"
	echo "$STARTED" > "$TOPO_DIR/$1-responder/pid"
}
for h in w1 d1; do responder "$h"; done

slot() { echo $(($(transit w1 -o json endpoint get "$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["ifindex"])') % 65536)); }
client4() { echo "100.64.$(($1 / 256)).$(($1 % 256))"; }
client6() { printf 'fd4d:5a00::%x' "$1"; }
RED=$(slot red/a) BLUE=$(slot blue/a)
for ip in 169.254.169.25{2,3,4}/32 "$(client4 "$RED")/32" "$(client4 "$BLUE")/32" 100.64.255.255/32; do on w1 ip addr add "$ip" dev lo; done
for ip in fd4d:5aff::{53,547,a9fe:a9fe}/128 "$(client6 "$RED")/128"; do on w1 ip -6 addr add "$ip" dev lo nodad; done
start router "$TOPO_DIR/resolver" python3 "$(dirname "$0")/resolver.py" 10.77.1.254

ask() { # SLOT DIG-ARGUMENTS...: over IPv4
	local s=$1
	shift
	on w1 dig -b "$(client4 "$s")" @169.254.169.253 +tries=1 +time=5 "$@"
}
is() { [[ "$1" == "$2" ]] || { echo "# '$1' is not '$2'"; return 1; }; }
status() { ask "$@" | sed -n 's/.*status: \([A-Z]*\).*/\1/p'; }
get() { # SLOT PATH [CURL-ARGUMENTS...]
	on w1 curl -sS --max-time 5 --interface "$(client4 "$1")" "http://169.254.169.254$2" "${@:3}"
}
up() { is "$(ask "$RED" +short a.red.internal)" 10.0.1.5; }
ok "it serves, as nobody" wait_for 10 up
ok "... with one capability" is "$(sed -n 's/^CapEff:\t//p' "/proc/$(< "$TOPO_DIR/w1-responder/pid")/status")" 0000000000000400
may_not() { ! "$BIN/transit" --socket "$TOPO_DIR/w1/local.sock" endpoint delete red/a 2> "$TOPO_DIR/may-not"; }
ok "... and may not change anything at transitd" may_not

ok "the full name" is "$(ask "$RED" +short a.front.red.internal)" 10.0.1.5
ok "AAAA" is "$(ask "$RED" +short a.red.internal AAAA)" fd00:10:1::5
ok "over IPv6" is "$(on w1 dig -b "$(client6 "$RED")" @fd4d:5aff::53 +short a.red.internal)" 10.0.1.5
ok "over TCP, two questions on one connection (RFC 7766)" is "$(ask "$RED" +tcp +keepopen +short a.red.internal a.front.red.internal | paste -sd ' ')" "10.0.1.5 10.0.1.5"
ok "reverse" is "$(ask "$RED" +short -x 10.0.1.5)" a.front.red.internal.
ok "reverse, IPv6" is "$(ask "$RED" +short -x fd00:10:1::5)" a.front.red.internal.
letters() { ask "$RED" A.fRoNt.ReD.iNtErNaL | grep -q '^A.fRoNt.ReD.iNtErNaL.'; }
ok "letters come back as they were sent" letters
ok "an endpoint of another host, which the divider knows" is "$(ask "$RED" +short b.back.red.internal)" 10.0.2.5
ok "... by its short name" is "$(ask "$RED" +short b.red.internal)" 10.0.2.5
ok "... and by its address" is "$(ask "$RED" +short -x 10.0.2.5)" b.back.red.internal.
ok "what the divider does not know does not exist" is "$(status "$RED" nobody.red.internal)" NXDOMAIN
ok "RFC 2308: no such record" is "$(status "$RED" b.red.internal AAAA)" NOERROR
ok "another VPC's names are not there" is "$(status "$BLUE" b.red.internal)" REFUSED
ok "... nor is the same name the same endpoint" is "$(ask "$BLUE" +short a.corp.example)" 10.0.1.5
ok "... and what it has not is not asked of the other's divider" is "$(status "$BLUE" b.corp.example)" NXDOMAIN
ok "RFC 6891 6.1.3: another EDNS version" is "$(status "$RED" +edns=1 +noednsneg a.red.internal)" BADVERS

resolver_up() { is "$(ask "$RED" +short www.example.com)" 192.0.2.80; }
ok "other names go to the network's forwarder" wait_for 10 resolver_up
ok "... and are refused where there is none" is "$(status "$BLUE" www.example.com)" REFUSED
ok "a cut answer is fetched over TCP" is "$(ask "$RED" +short big.example.com | wc -l)" 60
cut() { ask "$RED" +noedns +ignore big.example.com | grep -q 'flags:.* tc '; }
ok "... and cut for who takes no more" cut

ok "metadata" is "$(get "$RED" /latest/meta-data/vpc) $(get "$RED" /latest/meta-data/local-ipv4) $(get "$RED" /latest/user-data)" "red 10.0.1.5 hello red"
ok "... of each endpoint its own" is "$(get "$BLUE" /latest/meta-data/vpc) $(get "$BLUE" /latest/user-data -o /dev/null -w '%{http_code}')" "blue 404"
ok "... over IPv6" is "$(on w1 curl -sS --max-time 5 --interface "$(client6 "$RED")" 'http://[fd4d:5aff::a9fe:a9fe]/latest/meta-data/ipv6')" fd00:10:1::5
ok "... not for what a proxy forwards" is "$(get "$RED" / -H 'X-Forwarded-For: 10.0.1.9' -o /dev/null -w '%{http_code}')" 403
ok "... read only" is "$(get "$RED" / -X PUT -o /dev/null -w '%{http_code}')" 405

unknown() { ! ask 65535 +time=1 a.red.internal > "$TOPO_DIR/unknown"; }
ok "who is no endpoint gets no answer" unknown
counted() { grep -qE "^$1 +[1-9]" "$TOPO_DIR/w1/stats/all"; }
ok "... and is counted" wait_for 5 counted UNKNOWN_CLIENT

topo_daemon_stop w1
ok "without transitd what was known stands" is "$(ask "$RED" +short a.red.internal)" 10.0.1.5
kill "$(< "$TOPO_DIR/w1-responder/pid")"
ok "it stops when told" wait_for 5 bash -c "! kill -0 $(< "$TOPO_DIR/w1-responder/pid")"
finish
