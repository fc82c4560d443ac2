#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A foreign Geneve stack: Open vSwitch's userspace datapath is a host of the
# region, with an endpoint behind it; and tshark reads what we send.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
for tool in ovs-vswitchd tshark; do
	command -v $tool > /dev/null || { echo "1..0 # SKIP no $tool"; exit 4; }
done
topo_begin mzt-interop
ovs_end() {
	local f
	for f in "$TOPO_DIR"/ovs/*.pid; do [[ ! -e $f ]] || kill "$(< "$f")" || true; done
	topo_end
}
trap ovs_end EXIT
topo_router
topo_host w1 1
topo_host ovs 7
# Open vSwitch reads raw frames: checksums must be finished, as on a wire.
topo_wire w1 1
topo_wire ovs 7
topo_daemon w1
topo_ns red-a
topo_ns red-x
# Behind a foreign stack nobody answers its neighbour discovery: it has no link-local address,
# and what it would ask is told it below.
on red-x sysctl -qw net.ipv6.conf.{all,default}.router_solicitations=0 net.ipv6.conf.default.addr_gen_mode=1
if [[ $FAMILY == 4 ]]; then
	X=10.0.1.7/24 PING=1372
	on red-x sysctl -qw net.ipv6.conf.{all,default}.disable_ipv6=1
else
	X=fd00:10:1::7/64 PING=1352
fi
[[ $UNDERLAY == 4 ]] && W1=10.77.1.1 OVS=10.77.7.1/24 VIA=10.77.7.254 || W1=fd77:1::1 OVS=fd77:7::1/64 VIA=fd77:7::fe
topo_apply w1 << R
revision: 1
hosts:
  - {name: w1, id: 1, $(at w1 1)}
  - {name: ovs, id: 7, $(at ovs 7), roles: [bouncer]}
vpcs:
  - {name: red, vni: 100, cidr: 10.0.0.0/16, cidr6: "fd00:10::/32"}
networks:
  - {name: front, vpc: red, cidr: 10.0.1.0/24, cidr6: "fd00:10:1::/64"}
endpoints:
  - {name: a, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-a)}
  - {name: x, vpc: red, network: front, $(both 1 7), mac: "02:00:00:00:00:07", host: ovs}
R

# Open vSwitch in the namespace of host "ovs", with everything of its own.
D=$TOPO_DIR/ovs
mkdir -p "$D"
export OVS_RUNDIR=$D OVS_LOGDIR=$D OVS_DBDIR=$D OVS_SYSCONFDIR=$D
ovsdb-tool create "$D/conf.db" /usr/share/openvswitch/vswitch.ovsschema
start ovs "$D/log" ovsdb-server "$D/conf.db" --remote="punix:$D/db.sock" --pidfile="$D/ovsdb.pid"
wait_for 5 test -S "$D/db.sock"
vsctl() { on ovs ovs-vsctl --db="unix:$D/db.sock" --no-wait "$@"; }
vsctl init
start ovs "$D/log" ovs-vswitchd "unix:$D/db.sock" --pidfile="$D/vswitchd.pid"
wait_for 5 test -e "$D/vswitchd.pid"
# The underlay interface goes under a bridge that has its address, as the
# userspace datapath wants it.
mac=$(on ovs cat /sys/class/net/eth0/address 2> /dev/null || on ovs ip -o link show eth0 | grep -o 'ether [^ ]*' | cut -c7-)
vsctl add-br br-under -- set bridge br-under datapath_type=netdev other-config:hwaddr="$mac" \
	-- add-port br-under eth0
vsctl add-br br-int -- set bridge br-int datapath_type=netdev fail_mode=secure
ip link add x0 netns "$(ns ovs)" type veth peer name eth0 netns "$(ns red-x)"
on ovs ip link set x0 up
on ovs ethtool -K x0 tx off > /dev/null
vsctl add-port br-int x0 -- add-port br-int gnv0 \
	-- set interface gnv0 type=geneve options:remote_ip=$W1 options:key=100
wait_for 10 on ovs ip link show br-under
on ovs ip addr flush dev eth0
on ovs ip addr add $OVS dev br-under
on ovs ip link set br-under up
on ovs ip route replace default via $VIA
on red-x ip link set eth0 address 02:00:00:00:00:07
on red-x ethtool -K eth0 tx off > /dev/null
on red-x ip link set eth0 mtu 1400
on red-x ip addr add $X dev eth0
on red-x ip link set eth0 up
# Behind us every address has the gateway's MAC.
on red-x ip neigh replace $A lladdr 02:4d:5a:00:00:01 dev eth0 nud permanent
ofctl() { on ovs ovs-ofctl -O OpenFlow13 "$@"; }
wait_for 10 ofctl show "unix:$D/br-int.mgmt" || true
vsctl set bridge br-int protocols=OpenFlow13
ports() { on ovs ovs-vsctl --db="unix:$D/db.sock" get interface "$1" ofport; }
opened() { [[ $(ports x0) -gt 0 && $(ports gnv0) -gt 0 ]]; }
wait_for 10 opened
# Its reports of groups (MLDv2) are for the switch.
ofctl add-flow "unix:$D/br-int.mgmt" "priority=40000,icmp6,icmp_type=143,actions=drop"
# To us: as it is. From us: the frame's destination is our gateway's MAC.
ofctl add-flow "unix:$D/br-int.mgmt" "in_port=$(ports x0),actions=output:$(ports gnv0)"
ofctl add-flow "unix:$D/br-int.mgmt" "in_port=$(ports gnv0),actions=mod_dl_dst:02:00:00:00:00:07,output:$(ports x0)"

capture_begin w1 inout
serve red-x red/x
serve red-a red/a
ok "they understand us: red/a asks red/x behind Open vSwitch" says red-a ${X%/*} red/x
ok "we understand them: red/x asks red/a" says red-x $A red/a
ok "ping of 1400 bytes passes both ways" on red-a ping -qc 3 -i 0.05 -W 1 -s $PING ${X%/*}
paths_used() { transit w1 status -o json | python3 -c 'import json, sys; print([t["used"] for t in json.load(sys.stdin)["tables"] if t["name"] == "paths"][0])'; }
ok "their packets carry no option of ours and teach no path" test "$(paths_used)" = 0
ok "... though they were delivered" test "$(count_of w1 DELIVERED red)" -ge 5
ok "nothing of it was dropped" \
	test "$(transit w1 stats -o json | python3 -c 'import json, sys; print(sum(int(r["packets"]) for r in json.load(sys.stdin) if r["reason"].startswith(("GENEVE", "OPTION", "INNER", "OUTER", "UNKNOWN"))))')" = 0

capture_end
tshark -r "$TOPO_DIR/w1.pcap" -V > "$TOPO_DIR/decoded" 2> /dev/null
ok "tshark decodes our packets as Geneve with an option" grep -q "Options: (16 bytes)" "$TOPO_DIR/decoded"
# But for the checksum that IPv6 tunnels need not have (RFC 6935).
[[ $UNDERLAY == 4 ]] || sed -i '/Illegal checksum value (0)/d' "$TOPO_DIR/decoded"
complaints() { ! grep -nE "Malformed|\[Expert Info \((Error|Warn)|Bogus|Unreassembled|incorrect, should be" "$TOPO_DIR/decoded"; }
ok "... without a warning" complaints
tcp() {
	tcp_begin red-a red-x ${X%/*} $((2 << 20))
	tcp_end
}
ok "TCP moves 2 MB" tcp
finish
