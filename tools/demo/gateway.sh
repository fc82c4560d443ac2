# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=gateway: out by a shared address, in by a floating one; two gateways
# beside routing daemons, and the end of one. Sourced by demo.sh.
. selftests/topo/outside.sh
topo_host g1 7
topo_host g2 8
outside_up
outside_link g1 1
outside_link g2 2
for h in g1 g2; do topo_daemon $h --outside out0; done
{
	demo_region 2 | sed '/name: w3, id: 6/a\  - {name: g1, id: 7, address: 10.77.7.1}\n  - {name: g2, id: 8, address: 10.77.8.1}'
	cat << G
services:
  - {name: web, vpc: red, address: 10.0.9.1, backends: [{endpoint: a}, {endpoint: b}], ports: [{protocol: tcp, port: 80, backend_port: 8080}]}
gateways:
  - name: out
    vpc: red
    hosts: [g1, g2]
    pools: [198.51.100.0/29]
    floating: [{address: 198.51.100.5, endpoint: d}]
    forwards:
      - {protocol: tcp, address: 198.51.100.1, port: 8081, endpoint: c, endpoint_port: 8080}
      - {protocol: tcp, address: 198.51.100.1, port: 80, service: web}
  - name: out
    vpc: blue
    hosts: [g1, g2]
    pools: [198.51.100.8/30]
G
} | topo_apply b1 b2 d1 g1 g2 w1 w2 w3
outside_bgp g1 g2
for s in 192.0.2.10 192.0.2.11; do start isp "$TOPO_DIR/serve.log" "$TRAFFIC" echo - 7 $s; done
start isp "$TOPO_DIR/serve.log" "$TRAFFIC" name - 8080
for e in red-a red-b red-c red-d; do start $e "$TOPO_DIR/serve.log" "$TRAFFIC" name ${e/-//} 8080; done
announced() { [[ $(announced_by 198.51.100.0/29) == 2 ]]; }
wait_for 20 announced
learned() { on g1 ip route get 192.0.2.10 oif out0 && on g2 ip route get 192.0.2.10 oif out0; }
wait_for 20 learned
cat << 'P'

   w1 w2 w3 --- underlay --- g1, g2 ===BGP=== isp (servers 192.0.2.10, .11)
P
say "1. Two tenants with the same addresses leave by their own outside addresses"
seen() { echo "   $1 is seen as $(on "$1" "$TRAFFIC" ask "$2" 7 "" 5000)"; }
seen red-a 192.0.2.10
echo "   ... by another server, from the same port:"
seen red-a 192.0.2.11
seen blue-a 192.0.2.10
seen red-d 192.0.2.10
show transit w1 gateway list

say "2. In: d has a floating address, a port of c is forwarded, another leads to service web of a and b"
echo "   http://198.51.100.5:8080 is $(on isp curl -sS -m 5 http://198.51.100.5:8080/)"
echo "   http://198.51.100.1:8081 is $(on isp curl -sS -m 5 http://198.51.100.1:8081/)"
echo "   http://198.51.100.1, 60 times:" $(on isp "$TRAFFIC" spread 198.51.100.1 80 60)

say "3. Where a packet goes, and under which port"
show transit w1 trace red/a 192.0.2.10 --proto udp --sport 5000 --dport 7 | sed '/it goes on/,$d'

say "4. The gateways announce the pools by BGP"
show on isp ip route show 198.51.100.0/29

say "5. A gateway dies under a connection: no gateway knew of it, so it goes on"
touch "$TOPO_DIR/talking"
start red-a "$TOPO_DIR/talk" "$TRAFFIC" talk 192.0.2.10 8080 "$TOPO_DIR/talking"
wait_for 5 test -s "$TOPO_DIR/talking.who"
on router ip link set r7 down
on isp ip link set o1 down
let_flow 2
rm "$TOPO_DIR/talking"
wait_for 5 test -s "$TOPO_DIR/talk"
echo "   without g1: $(< "$TOPO_DIR/talk")"
show transit w1 status | grep -E 'PEER|g1|g2'
