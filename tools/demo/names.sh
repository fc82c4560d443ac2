# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=names: leases, names and metadata, by real clients in endpoints.
# Sourced by demo.sh.

for h in w1 w2 w3 d1; do
	start "$h" "$TOPO_DIR/$h/log" "$BIN/transit-responder" --transitd "unix:$TOPO_DIR/$h/local.sock" \
		--netns "$(ns "services-$h")"
	mkdir -p "$TOPO_DIR/$h-responder"
	echo "$STARTED" > "$TOPO_DIR/$h-responder/pid"
done
ask() { on "$1" dig @169.254.169.253 +tries=3 +time=1 +short "${@:2}"; }
answers() { [[ -n $(ask red-a a.red.internal) && -n $(ask red-a d.red.internal) ]]; }
wait_for 10 answers

say "1. A machine that knows nothing asks for an address (udhcpc, dhclient)"
on red-a ip addr flush dev eth0 scope global
show on red-a udhcpc -i eth0 -n -q -f -T 1 -s /bin/true
on red-a ip addr add 10.0.1.5/24 dev eth0
on red-a ip -6 addr add fd00:10:1::5/64 dev eth0 nodad
on red-a ip route replace default via 10.0.1.1 dev eth0
on red-a ip route replace default via fe80::4d:5aff:fe00:1 dev eth0
on blue-a dhclient -6 -1 -v -sf /bin/true -lf "$TOPO_DIR/leases" -pf "$TOPO_DIR/dhclient.pid" eth0 2>&1 |
	grep -E '^(XMT: (Solicit|Request)|RCV: (Adv|Reply)|RCV:  \| \| X-- IAADDR)' | sed 's/^/   /'
kill "$(< "$TOPO_DIR/dhclient.pid")" 2> /dev/null || true

say "2. Names: its neighbour's, one of another host, the reverse, the other tenant's (dig)"
for q in "b.front.red.internal" "d.back.red.internal AAAA" "-x 10.0.2.6" "a.blue.internal"; do
	printf '   %-28s %s\n' "$q" "$(ask red-a $q | paste -sd ' ')"
done

say "3. Metadata: the same address in two tenants, each its own (curl)"
for e in red-a blue-a; do
	printf '   %-8s' "$e"
	for what in vpc network hostname local-ipv4 mtu; do
		printf '%s=%s ' "$what" "$(on $e curl -sS --max-time 5 http://169.254.169.254/latest/meta-data/$what)"
	done
	echo
done

say "4. Where that was counted (w1)"
show transit w1 stats | grep -E 'REASON|LOCAL_|RA_REPLY'
