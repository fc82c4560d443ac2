# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=balance: one address, several servers; they drain, go and come back.
# Sourced by demo.sh.
REVISION=1
web() { # BACKENDS...: red/web and blue/web at the same address
	local vpc
	REVISION=$((REVISION + 1))
	{
		demo_region $REVISION
		echo "services:"
		for vpc in red blue; do
			echo "  - {name: web, vpc: $vpc, $(both 9 1), ports: [{protocol: tcp, port: 80, backend_port: 8080}],"
			echo "     backends: [$(for b in "$@"; do echo -n "{endpoint: $b}, "; done)]}"
		done
	} | topo_apply b1 b2 d1 w1 w2 w3
}
clients() { on "$1" "$TRAFFIC" spread 10.0.9.1 80 300 | sed 's/^/   /'; }
for vpc in red blue; do
	for e in b c d; do
		start $vpc-$e "$TOPO_DIR/serve.log" "$TRAFFIC" name $vpc/$e 8080
		wait_for 5 on $vpc-$e bash -c 'ss -ltn | grep -q ":8080 "'
	done
done

say "1. An address that is nobody's: web, served by b, c and d of each tenant"
web b c d
show transit w1 service list
echo "   300 connections of red/a, 300 of blue/a to the same address:"
clients red-a
clients blue-a
echo "   ... and a page over IPv6:  $(on red-a curl -sS -m 5 'http://[fd00:10:9::1]/')"

say "2. Who was chosen, and why"
show transit w1 trace red/a 10.0.9.1 --proto tcp --sport 4000 --dport 80 | sed '/it goes on/,$d'

say "3. A backend drains: what it has goes on, new connections go elsewhere"
touch "$TOPO_DIR/talking"
start red-a "$TOPO_DIR/talk" "$TRAFFIC" talk 10.0.9.1 80 "$TOPO_DIR/talking"
wait_for 5 test -s "$TOPO_DIR/talking.who"
who=$(< "$TOPO_DIR/talking.who")
echo "   a connection is with $who:"
show transit w1 flow list --endpoint red/a --address 10.0.9.1 | grep -E 'ENDPOINT|ESTAB'
all=(b c d)
web "${all[@]/%"${who#red/}"/"${who#red/}, weight: 0"}"
clients red-a

say "4. The daemon dies and comes back: the connection does not notice"
topo_daemon_stop w1 KILL
clients red-a
topo_daemon w1
rm "$TOPO_DIR/talking"
wait_for 5 test -s "$TOPO_DIR/talk"
echo "   the connection: $(< "$TOPO_DIR/talk")"

say "5. Without any backend clients are told at once, not after a timeout"
web
echo "   TCP: $(on red-a "$TRAFFIC" refused 10.0.9.1 80 tcp)"
echo "   UDP, a port it does not offer: $(on red-a "$TRAFFIC" refused 10.0.9.1 53 udp)"
show transit w1 stats --vpc red | grep -E 'REASON|SERVICE_'
