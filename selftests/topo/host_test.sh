#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host's own processes reach endpoints of any VPC on their host, by addresses that no two
# of them share, on the ports allowed alone; endpoints open nothing towards the host.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-host
trap topo_end EXIT
four_up --host-ports 8080,8081
for e in red-a red-b blue-a; do topo_ns $e; done
[[ $FAMILY == 4 ]] && HOST=169.254.169.250 || HOST=fd4d:5aff::a9fe:a9fa
region() {
	cat << R
revision: 1
$(four_hosts)
$(tenants)
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-a)}
  - {name: b, vpc: red, network: back, $(both 2 6), host: w2, netns: $(ns red-b)}
  - {name: a, vpc: blue, network: front, $(both 1 5), host: w1, netns: $(ns blue-a)}
R
}
region | topo_apply b1 d1 w1 w2
wait_for 10 hops_up
for e in red-a blue-a; do
	for port in 8080 22; do start $e "$TOPO_DIR/serve.log" "$TRAFFIC" name ${e/-//} $port; done
	wait_for 5 on $e bash -c 'ss -ltn | grep -q ":22 "'
done
RED=$(at_host w1 red/a) BLUE=$(at_host w1 blue/a)
ask() { on w1 curl -sS -m 5 "$(url "$1" "$2" /)"; } # ADDRESS PORT

ok "endpoints of one address have two for their host" test -n "$RED" -a "$RED" != "$BLUE"
none() { ! transit w1 endpoint get red/b 2> /dev/null | grep -q host_address; }
ok "an endpoint of another host has none" none
ok "red's answers" test "$(ask "$RED" 8080)" = red/a
ok "blue's answers" test "$(ask "$BLUE" 8080)" = blue/a
ok "20 MB come whole" comes_whole w1 "$RED"
ok "a port that is not allowed is refused at once, though somebody listens" refused w1 "$RED" 22 tcp
ok "... UDP as well" refused w1 "$RED" 8080 udp
counted() { [[ $(count_of w1 HOST_PORT) -gt 0 ]]; }
ok "... and counted" counted
ok "a port allowed where nobody listens is refused by the endpoint" refused w1 "$RED" 8081 tcp

# ---- what endpoints cannot ---------------------------------------------------------------
start w1 "$TOPO_DIR/serve.log" "$TRAFFIC" name w1 8080
start w1 "$TOPO_DIR/serve.log" "$TRAFFIC" echo - 7
wait_for 5 on w1 bash -c 'ss -ltn | grep -q ":8080 "'
ok "the host itself hears by its address" test "$(on w1 curl -sS -m 5 "$(url $HOST 8080 /)")" = w1
silent() { # it gets no answer, and is counted
	local before
	before=$(count_of w1 LOCAL_PORT red)
	! on red-a curl -sS -m 1 --local-port 8081 "$(url $HOST 8080 /)" 2> /dev/null || return 1
	[[ $(count_of w1 LOCAL_PORT red) -gt $before ]]
}
ok "an endpoint opens no connection to the host, from an allowed port either" silent
ok "... nor sends it datagrams" test "$(on red-a "$TRAFFIC" ask $HOST 7)" = nobody
ok "an endpoint does not reach another by its address at the host" test "$(on red-a "$TRAFFIC" ask "$BLUE" 7)" = nobody
elsewhere() { ! on red-b curl -sS -m 1 "$(url "$RED" 8080 /)" 2> /dev/null; }
ok "... from another host either" elsewhere

# ---- it comes and goes ---------------------------------------------------------------------
on w1 ip link del mzhost
again() { [[ $(ask "$(at_host w1 red/a)" 8080 2> /dev/null) == red/a ]]; }
ok "an interface that was deleted is made anew" wait_for 10 again
topo_daemon_stop w1 KILL
ok "it works without the daemon" test "$(ask "$RED" 8080)" = red/a
topo_daemon w1 --host-ports 22
ok "a daemon with other ports: those alone" test "$(ask "$RED" 22)" = red/a
ok "... the others are refused" refused w1 "$RED" 8080 tcp
topo_daemon_stop w1 TERM
topo_daemon w1
gone() { ! on w1 ip link show mzhost 2> /dev/null && [[ -z $(at_host w1 red/a) ]]; }
ok "without the option there is nothing" gone
bad() { # transitd says no in one line
	local rc=0
	on w1 "$BIN/transitd" --host-ports "$1" > "$TOPO_DIR/bad" 2>&1 || rc=$?
	[[ $rc == 2 && $(wc -l < "$TOPO_DIR/bad") == 1 ]] && grep -q "$2" "$TOPO_DIR/bad"
}
ok "a port that is none" bad 70000 "host-ports 70000: ports are 1..65535"
ok "too many" bad 1,2,3,4,5,6,7,8,9 "9 ports, 8 at most"
finish
