#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Backends that are probed: who serves when they come up, fail, and come back; what stands
# when a responder, a daemon or a host goes; and that an endpoint opens nothing to the prober.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-hlt
trap topo_end EXIT
four_wired
topo_host w3 4
WORKERS=(w1 w2 w3)
for h in b1 d1; do topo_daemon $h; done
for h in "${WORKERS[@]}"; do
	topo_ns "services-$h"
	serving_daemon $h
	responder $h
done
for e in red-a red-s1 red-s2 red-s3 blue-a blue-s1; do topo_ns $e; done
if [[ $FAMILY == 4 ]]; then API=10.0.9.2 PROBER=169.254.169.251; else API=fd00:10:9::2 PROBER=fd4d:5aff::a9fe:a9fb; fi
THREE="{endpoint: s1}, {endpoint: s2}, {endpoint: s3}"
QUICK="interval_ms: 200, timeout_ms: 2000, failures: 2"
# red/web and blue/web at one address, probed by TCP; red/api by HTTP.
region() { # REVISION
	cat << R
revision: $1
$(four_hosts)
  - {name: w3, id: 4, $(at w3 4)}
$(tenants)
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-a)}
  - {name: s1, vpc: red, network: front, $(both 1 11), host: w1, netns: $(ns red-s1)}
  - {name: s2, vpc: red, network: front, $(both 1 12), host: w2, netns: $(ns red-s2)}
  - {name: s3, vpc: red, network: back, $(both 2 13), host: w3, netns: $(ns red-s3)}
  - {name: a, vpc: blue, network: front, $(both 1 5), host: w2, netns: $(ns blue-a)}
  - {name: s1, vpc: blue, network: front, $(both 1 11), host: w1, netns: $(ns blue-s1)}
services:
  - {name: web, vpc: red, $(both 9 1), ports: [{protocol: tcp, port: 80, backend_port: 8080}],
     backends: [$THREE], health: {protocol: tcp, $QUICK}}
  - {name: api, vpc: red, $(both 9 2), ports: [{protocol: tcp, port: 80, backend_port: 8080}],
     backends: [$THREE], health: {protocol: http, path: /well, $QUICK}}
  - {name: web, vpc: blue, $(both 9 1), ports: [{protocol: tcp, port: 80, backend_port: 8080}],
     backends: [{endpoint: s1}], health: {protocol: tcp, $QUICK}}
R
}
region 1 | topo_apply
wait_for 10 hops_up

declare -A SERVER
up() { # ENDPOINT: its server, sick as long as $TOPO_DIR/sick-ENDPOINT is there
	start $1 "$TOPO_DIR/serve.log" "$TRAFFIC" name ${1/-//} 8080 "$TOPO_DIR/sick-$1"
	SERVER[$1]=$STARTED
	wait_for 5 on $1 bash -c 'ss -ltn | grep -q ":8080 "'
}
down() { kill -KILL "${SERVER[$1]}"; }
# What HOST says of VPC/NAME: "s1 s2", the backends that get new flows of this family.
serving() {
	transit "$1" service get "$2" -o json | python3 -c '
import json, sys
print(*sorted(b["name"] for b in json.load(sys.stdin).get("backends", [])
      if b.get("serving") and (":" in b["address"]) == (sys.argv[1] == "6")))' "$FAMILY"
}
serve_now() { [[ $(serving "$1" "$2") == "${*:3}" ]]; } # HOST SERVICE NAME...
state_of() { # HOST SERVICE BACKEND: its state and problem
	transit "$1" service get "$2" -o json | python3 -c '
import json, sys
for b in json.load(sys.stdin)["backends"]:
    if b["name"] == sys.argv[1] and (":" in b["address"]) == (sys.argv[2] == "6"):
        print(b.get("state", "HEALTH_UNKNOWN"), b.get("problem", ""))' "$3" "$FAMILY"
}
is_so() { [[ $(state_of "$1" "$2" "$3") == "$4" ]]; }

# ---- closed until somebody is well ---------------------------------------------------
ok "a service whose backends never answered is refused at once" refused red-a $VIP 80 tcp
for s in s1 s2 s3; do
	ok "... and the client's host hears why of $s" wait_for 15 is_so w1 red/web $s "UNHEALTHY connection refused"
done
logged() { grep -q "service red/web: backend s1 .* is unhealthy: connection refused" "$TOPO_DIR/w1/log"; }
ok "... and logs it" wait_for 5 logged
listed() { transit w1 service list > "$TOPO_DIR/list"; grep -qE '^red/web .* tcp/80->8080 +3 +0 +0/3$' "$TOPO_DIR/list" && grep -qE '^red/web: s2 .* on w2: unhealthy: connection refused, since [0-9]+ s$' "$TOPO_DIR/list"; }
ok "service list says so" listed
up red-s1
ok "the first that comes up serves" wait_for 15 serve_now w1 red/web s1
ok "... alone" served_by red-a $VIP 30 red/s1
up red-s2
ok "so does one of another host" wait_for 15 serve_now w1 red/web s1 s2
ok "... and who never answered gets no flow" served_by red-a $VIP 120 red/s1 red/s2
up red-s3
ok "all three serve, at the client's host" wait_for 15 serve_now w1 red/web s1 s2 s3
ok "... with connections" served_by red-a $VIP 240 red/s1 red/s2 red/s3
ok "... and at a host of backends" wait_for 15 serve_now w3 red/web s1 s2 s3
ok "service list counts them" wait_for 15 bash -c "'$BIN/transit' --socket '$(topo_socket w1)' service list | grep -qE '^red/web .* 3/3\$'"
ok "the other tenant's service of the same addresses has nobody" refused blue-a $VIP 80 tcp

# ---- one fails -----------------------------------------------------------------------
talk_to red-a $VIP 80
LOST=$(for s in s1 s2 s3; do [[ red/$s == "$WHO" ]] || echo $s; done | head -n 1)
LEFT=$(echo s1 s2 s3 | sed "s/$LOST *//; s/ \$//")
down red-$LOST
ok "who is killed is out within the limit" wait_for 10 serve_now w1 red/web $LEFT
ok "... and new connections go to the others" served_by red-a $VIP 120 $(printf 'red/%s ' $LEFT)
ok "... while one with another backend goes on" steady
ok "... and the service says why" is_so w1 red/web $LOST "UNHEALTHY connection refused"
up red-$LOST
ok "it is back when it answers" wait_for 15 serve_now w1 red/web s1 s2 s3

# ---- HTTP ----------------------------------------------------------------------------
ok "HTTP: all serve" wait_for 15 serve_now w1 red/api s1 s2 s3
talk_to red-a $API 80
SICK=${WHO#red/}
LEFT=$(echo s1 s2 s3 | sed "s/$SICK *//; s/ \$//")
touch "$TOPO_DIR/sick-red-$SICK"
ok "who answers 503 is out" wait_for 10 serve_now w1 red/api $LEFT
ok "... for that" is_so w1 red/api $SICK "UNHEALTHY HTTP status 503"
ok "... and gets no new connection" served_by red-a $API 120 $(printf 'red/%s ' $LEFT)
ok "... while those it has go on" goes_on
ok "... and the service that asks by TCP has it still" serve_now w1 red/web s1 s2 s3
rm "$TOPO_DIR/sick-red-$SICK"
ok "it is back with 200" wait_for 15 serve_now w1 red/api s1 s2 s3

# ---- nobody left ------------------------------------------------------------------------
for s in s1 s2 s3; do down red-$s; done
ok "when all are dead nobody serves" wait_for 10 serve_now w1 red/web
ok "... and the service is refused at once" refused red-a $VIP 80 tcp
for s in s1 s2 s3; do up red-$s; done
ok "until they are back" wait_for 15 serve_now w1 red/web s1 s2 s3

# ---- who is not there to say ----------------------------------------------------------
topo_daemon_stop w2-responder KILL
down red-s2
heard() { [[ $(stat -c %Y "$TOPO_DIR/stats/w1") -gt $1 ]]; } # PROBE_PASSED of s1 is written every second
NOW=$(date +%s)
wait_for 10 heard $((NOW + 3))
ok "while nobody answers for a host its last verdicts stand" serve_now w1 red/web s1 s2 s3
responder w2
ok "... and no longer" wait_for 15 serve_now w1 red/web s1 s3
topo_daemon_stop w1-responder KILL
topo_daemon_stop w1 KILL
serving_daemon w1
ok "a daemon that starts again keeps who was in, and who was out" serve_now w1 red/web s1 s3
ok "... with connections" served_by red-a $VIP 120 red/s1 red/s3
ok "... though nobody has told it anything" is_so w1 red/web s3 "HEALTH_UNKNOWN "
doctored() { transit w1 doctor > "$TOPO_DIR/doctor" || true; grep -qE 'red/web: nobody says how s3 .* on w3 is' "$TOPO_DIR/doctor"; }
ok "... and doctor says so" doctored
region 2 | topo_apply
ok "... also by a new plan" serve_now w1 red/web s1 s3
responder w1
ok "... until somebody does" wait_for 15 is_so w1 red/web s3 "HEALTHY "
up red-s2
ok "... and things go on" wait_for 15 serve_now w1 red/web s1 s2 s3

# ---- a host that is gone ---------------------------------------------------------------
on router ip link set r4 down
ok "the backends of a host that is down are out" wait_for 10 serve_now w1 red/web s1 s2
on router ip link set r4 up
on router ip addr replace 10.77.4.254/24 dev r4
ok "... and back with it" wait_for 20 serve_now w1 red/web s1 s2 s3

# ---- the prober is nobody's server --------------------------------------------------------
unheard() { ! on red-s1 curl -sS --max-time 1 "$(url $PROBER 80 /)" 2> /dev/null; }
ok "an endpoint opens nothing to the prober" unheard
ok "... which is counted" test "$(count_of w1 LOCAL_PORT red)" -ge 1
probes() { grep -E '^PROBE_(PASSED|FAILED)' "$TOPO_DIR/stats/w1" | awk '$2 < 1 { bad = 1 } END { exit bad || NR != 2 }'; }
ok "the responder counts its probes" probes
ok "blue's service opens when its own backend is up" up blue-s1
ok "... and is served by that" wait_for 15 served_by blue-a $VIP 20 blue/s1
finish
