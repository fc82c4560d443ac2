#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an endpoint asks of its network, by real clients inside it: DHCP, DNS,
# metadata; two tenants with the same addresses.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-svc
trap topo_end EXIT
topo_router
topo_host w1 1
topo_ns services
topo_daemon w1 --services "$(ns services)" --local-group nogroup
for e in red-a red-b blue-a; do topo_ns $e; done
region() {
	cat << R
revision: $1
hosts:
  - {name: w1, id: 1, address: 10.77.1.1, roles: [bouncer, divider]}
vpcs:
  - {name: red, vni: 100, cidr: 10.0.0.0/16, cidr6: "fd00:10::/32"}
  - {name: blue, vni: 200, cidr: 10.0.0.0/16, cidr6: "fd00:10::/32", domain: corp.example}
networks:
  - {name: front, vpc: red, cidr: 10.0.1.0/24, cidr6: "fd00:10:1::/64", dns: [10.77.1.254], routes: [{prefix: 172.16.0.0/12, via: $2}]}
  - {name: front, vpc: blue, cidr: 10.0.1.0/24, cidr6: "fd00:10:1::/64"}
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-a), user_data: "hello red"}
  - {name: b, vpc: red, network: front, $(both 1 6), host: w1, netns: $(ns red-b)}
  - {name: a, vpc: blue, network: front, $(both 1 5), host: w1, netns: $(ns blue-a)}
R
}
region 1 10.0.1.9 | topo_apply
on router ip addr add 10.77.1.253/32 dev lo
start router "$TOPO_DIR/resolver" python3 "$(dirname "$0")/resolver.py" 10.77.1.254
chmod 711 "$TOPO_DIR"
responder() {
	install -d -m 777 "$TOPO_DIR/stats"
	start w1 "$TOPO_DIR/w1/log" "$BIN/transit-responder" --transitd "unix:$TOPO_DIR/w1/local.sock" \
		--netns "$(ns services)" --user nobody --rate 1000 --burst 1000 --stats "$TOPO_DIR/stats/all"
	mkdir -p "$TOPO_DIR/w1-responder"
	echo "$STARTED" > "$TOPO_DIR/w1-responder/pid"
}
responder
is() { [[ "$1" == "$2" ]] || { echo "# '$1' is not '$2'"; return 1; }; }
ask() { # NS DIG-ARGUMENTS...
	local n=$1
	shift
	on "$n" dig @169.254.169.253 +tries=1 +time=3 +short "$@"
}
get() { on "$1" curl -sS --max-time 5 "http://$2"; }

as_nobody() { [[ $(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p; s/^CapEff:\t//p; s/^CapPrm:\t//p' "/proc/$(< "$TOPO_DIR/w1-responder/pid")/status" | sort -u | paste -sd ' ') == "0000000000000000 65534" ]]; }
ok "the responder runs as nobody, with no capability" wait_for 5 as_nobody

# ---- names ---------------------------------------------------------------------
named() { is "$(ask red-a b.red.internal)" 10.0.1.6; }
ok "DNS over UDP" wait_for 10 named
ok "DNS over TCP" is "$(ask red-a +tcp b.front.red.internal)" 10.0.1.6
ok "DNS over IPv6" is "$(on red-a dig @fd4d:5aff::53 +tries=1 +time=3 +short AAAA b.red.internal)" fd00:10:1::6
ok "the other tenant has its own names" is "$(ask blue-a a.corp.example)" 10.0.1.5
ok "... and not these" is "$(ask blue-a b.red.internal)" ""
ok "reverse" is "$(ask red-a +ignore -x 10.0.1.6)" b.front.red.internal.

# ---- metadata --------------------------------------------------------------------
ok "metadata knows who asks" is "$(get red-a 169.254.169.254/latest/meta-data/vpc)" red
ok "... though the address is another's, too" is "$(get blue-a 169.254.169.254/latest/meta-data/vpc)" blue
ok "user data" is "$(get red-a 169.254.169.254/latest/user-data)" "hello red"
ok "over IPv6" is "$(get red-a '[fd4d:5aff::a9fe:a9fe]/latest/meta-data/local-ipv4')" 10.0.1.5

# ---- DHCP, by clients that know nothing ---------------------------------------------
bare() {
	on "$1" ip addr flush dev eth0 scope global
	on "$1" ip route flush dev eth0 || true
}
bare red-a
cat > "$TOPO_DIR/lease" << S
#!/bin/sh
set > $TOPO_DIR/udhcpc.\$1
case \$1 in
bound|renew) ip addr replace \$ip/\$mask dev \$interface; ip link set \$interface mtu \${mtu:-1500}
	[ -z "\$router" ] || ip route replace default via \$router dev \$interface ;;
esac
S
chmod +x "$TOPO_DIR/lease"
ok "udhcpc gets a lease" on red-a udhcpc -i eth0 -n -q -f -t 5 -T 1 -O mtu -O staticroutes -s "$TOPO_DIR/lease"
lease() { sed -n "s/^$1='\(.*\)'$/\1/p" "$TOPO_DIR/udhcpc.bound"; }
ok "... of its address" is "$(lease ip)/$(lease mask)" 10.0.1.5/24
ok "... with router, DNS server and domain" is "$(lease router) $(lease dns) $(lease domain)" "10.0.1.1 169.254.169.253 red.internal"
ok "... and MTU" is "$(lease mtu)" 1434
ok "3442 ... and routes, the default one among them" is "$(lease staticroutes)" "172.16.0.0/12 10.0.1.9 0.0.0.0/0 10.0.1.1"
ok "it reaches its neighbour" on red-a ping -qc 2 -i 0.05 -W 1 10.0.1.6
ok "... and the resolver it was told" is "$(ask red-a a.red.internal)" 10.0.1.5
ok "one that cannot be reached by unicast yet gets it by broadcast" \
	on red-a udhcpc -i eth0 -n -q -f -B -t 5 -T 1 -s "$TOPO_DIR/lease"
# ---- clients that stay, and renew: what changed meanwhile they are told then -------------
rm -f "$TOPO_DIR/udhcpc.bound"
start red-a "$TOPO_DIR/udhcpc.log" udhcpc -i eth0 -f -t 5 -T 1 -O mtu -O staticroutes -s "$TOPO_DIR/lease"
RENEWS=$STARTED
wait_for 5 test -s "$TOPO_DIR/udhcpc.bound"
bare red-b
cat > "$TOPO_DIR/dhclient.conf" << C
option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;
request subnet-mask, routers, rfc3442-classless-static-routes;
supersede dhcp-renewal-time 2;
C
cat > "$TOPO_DIR/dhclient.sh" << S
#!/bin/sh
echo "\$new_rfc3442_classless_static_routes" > $TOPO_DIR/dhclient.\$reason
case \$reason in
BOUND|RENEW) ip addr replace \$new_ip_address/24 dev \$interface; ip route replace default via \$new_routers dev \$interface ;;
esac
S
chmod +x "$TOPO_DIR/dhclient.sh"
on red-b timeout 20 dhclient -4 -1 -cf "$TOPO_DIR/dhclient.conf" -sf "$TOPO_DIR/dhclient.sh" -lf "$TOPO_DIR/leases-b" \
	-pf "$TOPO_DIR/dhclient-b" eth0
ok "3442 dhclient has the routes" is "$(cat "$TOPO_DIR/dhclient.BOUND")" "12 172 16 10 0 1 9 0 10 0 1 1"
region 2 10.0.1.8 | topo_apply
renewed() { # FILE: of the routes by now
	rm -f "$1"
	[[ $1 != *udhcpc* ]] || kill -USR1 "$RENEWS"
	wait_for 3 test -s "$1"
	cat "$1"
}
told() { renewed "$TOPO_DIR/udhcpc.renew" | grep -q "^staticroutes='172.16.0.0/12 10.0.1.8 "; }
ok "2131 4.4.5 udhcpc renews, and has the new route" wait_for 5 told
ok "... by unicast" grep -q 'renew to server 169.254.169.252' "$TOPO_DIR/udhcpc.log"
ok "... and the address it had" is "$(sed -n "s/^ip='\(.*\)'$/\1/p" "$TOPO_DIR/udhcpc.renew")" 10.0.1.5
told() { [[ $(renewed "$TOPO_DIR/dhclient.RENEW") == "12 172 16 10 0 1 8 0 10 0 1 1" ]]; }
ok "2131 4.4.5 dhclient renews by itself when its time has come, and has the new route" wait_for 8 told
only_renewed() {
	local f
	for f in udhcpc.nak dhclient.{REBIND,EXPIRE,FAIL}; do [[ ! -e $TOPO_DIR/$f ]] || return 1; done
}
ok "... neither was refused, or had to ask everybody" only_renewed
kill "$RENEWS" "$(< "$TOPO_DIR/dhclient-b")"
on red-a ip addr replace 10.0.1.5/24 dev eth0 # udhcpc leaves with its lease
on red-a ip route replace default via 10.0.1.1 dev eth0

bare blue-a
dhclient_() { # FAMILY
	on blue-a timeout 20 dhclient "$1" -1 -sf /bin/true -lf "$TOPO_DIR/leases$1" -pf "$TOPO_DIR/dhclient$1" eth0
	wait_for 5 test -s "$TOPO_DIR/dhclient$1" # its child writes it, a moment later
	kill "$(< "$TOPO_DIR/dhclient$1")"
}
ok "dhclient gets a lease" dhclient_ -4
ok "... of its address, by the right server" grep -q 'fixed-address 10.0.1.5' "$TOPO_DIR/leases-4"
ok "dhclient gets an IPv6 lease" dhclient_ -6
ok "... of its address" grep -q 'iaaddr fd00:10:1::5' "$TOPO_DIR/leases-6"

# ---- what is not theirs ----------------------------------------------------------------
start services "$TOPO_DIR/web" python3 -m http.server 8080 --bind 0.0.0.0
wait_for 5 on services bash -c 'ss -ltn | grep -q :8080'
refused() { ! on red-b curl -sS --max-time 1 http://169.254.169.254:8080 2> /dev/null; }
ok "only the services' ports are reached" refused
ok "... and the drop is counted" test "$(count_of w1 LOCAL_PORT red)" -ge 1
stray() { ! on services curl -sS --max-time 1 --interface 169.254.169.254 http://100.64.0.1:80 2> /dev/null; }
ok "nothing there reaches an endpoint unasked" stray
ok "... which is counted" test "$(count_of w1 LOCAL_STRAY)" -ge 1
flood() { on red-b python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(6000): s.sendto(b"x" * 12, ("169.254.169.253", 53))'; }
flood
ok "an endpoint that asks too often is not heard" test "$(count_of w1 ANSWER_RATE red)" -ge 1
ok "... its neighbour is" is "$(ask red-a b.red.internal)" 10.0.1.6

# ---- restarts -----------------------------------------------------------------------------
topo_daemon_stop w1 KILL
ok "with transitd away the last known endpoints are served" is "$(ask red-a b.red.internal)" 10.0.1.6
topo_daemon w1 --services "$(ns services)" --local-group nogroup
region 3 10.0.1.8 | sed 's/domain: corp.example/domain: new.example/' | topo_apply
renamed() { is "$(ask blue-a a.new.example)" 10.0.1.5; }
on blue-a ip addr replace 10.0.1.5/24 dev eth0
on blue-a ip route replace default via 10.0.1.1 dev eth0
ok "and then the new goal's" wait_for 5 renamed
finish
