# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=peering: two tenants with the same addresses let one network of each
# meet; in both directions, in one, and no more. Sourced by demo.sh.
topo_ns red-p
topo_ns blue-s
peered() { # REVISION [ONE-WAY]
	demo_region "$1" | sed "s|^endpoints:|  - {name: app, vpc: red, cidr: 10.0.4.0/24}\n  - {name: shop, vpc: blue, cidr: 10.0.3.0/24}\nendpoints:|"
	echo "  - {name: p, vpc: red, network: app, address: 10.0.4.6, host: w1, netns: $(ns red-p)}"
	echo "  - {name: s, vpc: blue, network: shop, address: 10.0.3.7, host: w3, netns: $(ns blue-s)}"
	[[ -z ${2:-} ]] || cat << P
peerings:
  - {name: trade, vpc: red, peer: blue, parts: [10.0.4.0/24], peer_parts: [10.0.3.0/24], one_way: $2}
P
}
tell() { peered "$@" | topo_apply b1 b2 d1 w1 w2 w3; }
tell 2 false
for e in red-p blue-a blue-s; do start $e "$TOPO_DIR/serve.log" "$TRAFFIC" name ${e/-//} 8080; done
serving() { local e; for e in red-p blue-a blue-s; do on $e ss -ltn | grep -q ":8080 " || return 1; done; }
wait_for 5 serving
asks() { # WHO ADDRESS
	local got
	got=$(on "$1" "$TRAFFIC" spread "$2" 8080 1)
	echo "   ${1/-//} asks $2: ${got% 1}"
}

say "1. red and blue use the same addresses; red's app and blue's shop meet"
peered 2 false | sed -n '/^peerings/,$p' | sed 's/^/   /'
show transit w1 peering list

say "2. Each is seen by the address it has"
asks red-p 10.0.3.7
asks blue-s 10.0.4.6
show transit w3 flow list --vpc blue

say "3. What is no part reaches nothing: blue would take 10.0.1.5 for its own"
asks red-a 10.0.3.7
show transit w3 stats --vpc blue | grep -E 'REASON|PEER_SOURCE'

say "4. Where a packet passes over"
show transit w1 trace red/p 10.0.3.7 --proto tcp --dport 8080 | sed '/it goes on/,$d'

say "5. A host's own processes reach its endpoints of either VPC, on the ports it allows"
show transit w1 endpoint get red/p | grep -E 'host_address:'
for e in w1:red/p w3:blue/s; do
	at=$(at_host ${e%:*} ${e#*:})
	echo "   ${e%:*}: curl http://$at:8080/ is $(on ${e%:*} curl -sS -m 5 "http://$at:8080/")"
done
echo "   w1: curl http://$(at_host w1 red/p):22/: $(on w1 curl -sS -m 5 "http://$(at_host w1 red/p):22/" 2>&1 || true)"

say "6. One way: only red begins"
tell 3 true
asks red-p 10.0.3.7
asks blue-s 10.0.4.6
show transit w3 explain PEER_ANSWERS

say "7. The peering ends: at once, for what was under way as well"
tell 4
asks red-p 10.0.3.7
asks blue-a 10.0.3.7
