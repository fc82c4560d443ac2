# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=multicast: endpoints on three hosts join a group and hear what one of
# them sends, once each; nobody else does. Sourced by demo.sh.
CLIENT=selftests/topo/multicast.py
heard="$TOPO_DIR/heard"
mkdir -p "$heard"
carrying() { # REVISION
	demo_region "$1" | sed "s|\(name: front,.*\)}|\1, multicast: true, broadcast: true}|"
	echo "  - {name: e, vpc: red, network: front, $(both 1 7), host: w1, netns: $(ns red-e)}"
	echo "  - {name: f, vpc: red, network: front, $(both 1 8), host: w3, netns: $(ns red-f)}"
}
for e in e f; do topo_ns red-$e; done
carrying 2 | topo_apply b1 b2 d1 w1 w2 w3
joins() { # WHO GROUP
	start "$1" "$TOPO_DIR/serve.log" "$CLIENT" listen 7000 "$heard/$1-$2" "$2"
	wait_for 5 test -e "$heard/$1-$2.ready"
}
known() { local b; for b in b1 b2; do transit $b group list --vpc red | grep -q "^red/front  *$1 .*$2" || return 1; done; }
say "1. red's and blue's front carry multicast; e, b and f of red join 239.1.2.3, b of blue as well"
carrying 2 | grep 'name: front' | sed 's/^/   /'
for e in red-e red-b red-f blue-b; do joins $e 239.1.2.3; done
wait_for 10 known 239.1.2.3 "w1 w2 w3"
show transit w1 group list
bouncer=$(transit w1 group list --vpc red | awk '$2 == "239.1.2.3" {print $3}')
show transit "$bouncer" group list

say "2. red/a, on e's host, sends once"
on red-a "$CLIENT" send 239.1.2.3 7000 hello
all() { local e; for e in red-e red-b red-f; do grep -q "hello" "$heard/$e-239.1.2.3" || return 1; done; }
wait_for 5 all
for e in red-e red-b red-f blue-b; do echo "   ${e/-//} heard $(grep -c hello "$heard/$e-239.1.2.3"): $(tail -n 1 "$heard/$e-239.1.2.3")"; done

say "3. What becomes of it"
show transit w1 trace red/a 239.1.2.3 --proto udp --dport 7000 | sed '/it goes on/,$d'

say "4. Who leaves is forgotten"
touch "$heard/red-b-239.1.2.3.leave"
wait_for 5 test -e "$heard/red-b-239.1.2.3.left"
left() { ! transit "$bouncer" group list --vpc red | grep -q '239.1.2.3 .*w2'; }
wait_for 5 left
show transit "$bouncer" group list --vpc red

say "5. The bouncer dies: its backup knows the group as well"
id=3; [[ $bouncer == b1 ]] || id=4
on router ip link set "r$id" down
over() { [[ $(transit w1 group list --vpc red | awk '$2 == "239.1.2.3" {print $3}') != "$bouncer" ]]; }
wait_for 5 over
on red-a "$CLIENT" send 239.1.2.3 7000 again
again() { grep -q again "$heard/red-f-239.1.2.3"; }
wait_for 5 again
echo "   red/f heard: $(tail -n 1 "$heard/red-f-239.1.2.3")"
on router ip link set "r$id" up
