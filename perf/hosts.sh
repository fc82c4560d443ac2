# SPDX-License-Identifier: Apache-2.0
# Pairs of hosts for the end-to-end rows, each joined by one veth underlay of
# MTU 1500, each with one endpoint of the same MTU on either side:
#
#   ours    endpoint - transitd's programs - underlay - the same
#   vxlan   endpoint - bridge - vxlan (no learning, static FDB) - underlay - ...
#   ovs     endpoint - OVS userspace bridge - Geneve - underlay - ...
#   route   endpoint - IPv4 forwarding - underlay - ... (the floor: no overlay)
#   nft     as route, with the kernel's conntrack; the service by nftables' DNAT
#   policy-N, nft-N  as ours and nft, where one of N addresses may connect
#   veth    two endpoints on one veth pair
#   same, bridge, sockets   two endpoints of one host
#   q       as ours, four senders to one: rates and classes
#
# Namespaces: KIND-c1 and KIND-c2 the endpoints, KIND-h1 and KIND-h2 the hosts.
# Server address: 10.0.1.6 everywhere; 10.0.9.1 a service of ours and nft, of all of its
# ports that rows use. Needs selftests/topo/lib.sh.

# Namespaces other than the first may only use what is allowed to everybody.
hosts_begin() {
	ALLOWED=$(sysctl -n net.ipv4.tcp_allowed_congestion_control)
	sysctl -qw "net.ipv4.tcp_allowed_congestion_control=$ALLOWED cubic"
}

hosts_end() {
	jobs -p | xargs -r kill 2> /dev/null
	hosts_same_end
	[[ -z ${ALLOWED:-} ]] || sysctl -qw "net.ipv4.tcp_allowed_congestion_control=$ALLOWED"
	topo_end
}

# /sys is the first namespace's: ask netlink.
mac_of() { on "$1" ip -o link show "$2" | sed 's/.*link.ether \([^ ]*\).*/\1/'; }

# BIG TCP, for each kind that can have it: all but vxlan, whose device refuses it and whose receiver cuts
# packets by the 16 bits of UDP's length, and OVS in user space. transitd gives its endpoints what the uplink has.
SUPERPACKET=196608

hosts_pair() { # KIND: the four namespaces and the underlay
	local n
	for n in c1 c2 h1 h2; do
		topo_ns "$1-$n"
		on "$1-$n" sysctl -qw net.ipv4.tcp_congestion_control=cubic net.ipv4.ip_local_port_range="32768 40959"
	done
	ip link add eth0 netns "$(ns "$1-h1")" mtu 1500 type veth peer name eth0 netns "$(ns "$1-h2")" mtu 1500
	for n in 1 2; do
		on "$1-h$n" ip addr add "10.77.0.$n/24" dev eth0
		on "$1-h$n" ip link set eth0 up
		gso "$1-h$n" eth0 $SUPERPACKET
	done
}

hosts_endpoint() { # KIND SIDE ADDRESS HOST-END [HOST]
	local host=${5:-$1-h$2}
	ip link add "$4" netns "$(ns "$host")" mtu "$MTU" type veth peer name eth0 netns "$(ns "$1-c$2")" mtu "$MTU"
	on "$host" ip link set "$4" up
	on "$1-c$2" ip addr add "$3" dev eth0
	on "$1-c$2" ip link set eth0 up
}

# Rows 5 and 6: connections come faster than small's tables of flows forget them, from 100,000 addresses.
PAIR_OPTIONS="--scale medium"

# The endpoints learn each other's host while h2 bounces; then the bouncer's
# role goes to a host outside, as a hop would make the veth stand-in for a wire
# lose its superpackets. A slow ping keeps the paths in use.
hosts_ours() { # [KIND [POLICY-FILE]]
	local bouncer host kind=${1:-ours}
	hosts_pair "$kind"
	TOPO_HOSTS+=("$kind-h1" "$kind-h2")
	mkdir -p "$TOPO_DIR/$kind"-h{1,2}
	# shellcheck disable=SC2086 # several options
	for host in "$kind-h1" "$kind-h2"; do topo_daemon "$host" $PAIR_OPTIONS; done
	for bouncer in 2 3; do
		ours_region "$kind" $bouncer "${2:-}" | topo_apply "$kind-h1" "$kind-h2"
		wait_for 10 on "$kind-c1" ping -c 1 -W 1 10.0.1.6
	done
	on "$kind-c1" ping -q -i 2 10.0.1.6 > "$TOPO_DIR/keepalive" 2>&1 &
	[[ $kind != ours ]] || MTU=$(mtu_of ours-c1 eth0)
}

ours_region() { # KIND, the id of the bouncer, the policies of its VPC
	local role kind=$1
	printf 'revision: %d\nhosts:\n' "$2"
	for id in 1 2 3; do
		role=$([[ $id != "$2" ]] || echo ', roles: [bouncer]')
		echo "  - {name: $kind-h$id, id: $id, address: 10.77.0.$id$role}"
	done
	[[ -z $3 ]] || echo "policies: [{vpc: red, file: $3}]"
	cat <<- REGION
		vpcs: [{name: red, vni: 100, cidr: 10.0.0.0/16}]
		networks: [{name: net, vpc: red, cidr: 10.0.1.0/24}]
		services:
		  - {name: web, vpc: red, address: 10.0.9.1, backends: [{endpoint: b}],
		     ports: [{protocol: tcp, port: 9}, {protocol: tcp, port: 5201}]}
		endpoints:
		  - {name: a, vpc: red, network: net, address: 10.0.1.5, host: $kind-h1, netns: $(ns "$kind-c1")}
		  - {name: b, vpc: red, network: net, address: 10.0.1.6, host: $kind-h2, netns: $(ns "$kind-c2"),
		     namespace: shop, labels: {app: b}}
	REGION
}


hosts_vxlan() {
	local n
	hosts_pair vxlan
	for n in 1 2; do
		hosts_endpoint vxlan $n "10.0.1.$((n + 4))/24" ep
		on "vxlan-h$n" ip link add br0 type bridge
		on "vxlan-h$n" ip link add vx0 type vxlan id 100 dstport 4789 local "10.77.0.$n" nolearning noudpcsum
		on "vxlan-h$n" ip link set vx0 master br0 mtu "$MTU" up
		on "vxlan-h$n" ip link set ep master br0
		on "vxlan-h$n" ip link set vx0 type bridge_slave learning off
		on "vxlan-h$n" ip link set ep type bridge_slave learning off
		on "vxlan-h$n" ip link set br0 up
	done
	for n in 1 2; do
		local here there
		here=$(mac_of vxlan-c$n eth0) there=$(mac_of vxlan-c$((3 - n)) eth0)
		on "vxlan-h$n" bridge fdb replace "$here" dev ep master static
		on "vxlan-h$n" bridge fdb replace "$there" dev vx0 master static
		on "vxlan-h$n" bridge fdb replace "$there" dev vx0 self dst "10.77.0.$((3 - n))"
		on "vxlan-c$n" ip neigh replace "10.0.1.$((7 - n))" lladdr "$there" dev eth0
	done
}

hosts_route() { # KIND
	local n
	hosts_pair "$1"
	for n in 1 2; do
		hosts_endpoint "$1" $n "10.0.1.$((n + 4))/32" ep
		on "$1-h$n" sysctl -qw net.ipv4.ip_forward=1
		on "$1-h$n" ip addr add 10.0.1.1/32 dev ep
		on "$1-h$n" ip route add "10.0.1.$((n + 4))" dev ep
		on "$1-h$n" ip route add "10.0.1.$((7 - n))" via "10.77.0.$((3 - n))"
		on "$1-c$n" ip route add 10.0.1.1 dev eth0
		on "$1-c$n" ip route add default via 10.0.1.1
		gso "$1-h$n" ep $SUPERPACKET
		gso "$1-c$n" eth0 $SUPERPACKET
	done
}

# N addresses, of which the client's is one: one a line.
addresses() {
	local i
	for ((i = 1; i < $1; i++)); do echo "11.$((i >> 16)).$((i >> 8 & 255)).$((i & 255))"; done
	echo 10.0.1.5
}

# Row 6c: each of N addresses may connect, and ping.
hosts_policy() { # N
	local file="$TOPO_DIR/policy-$1.yaml"
	{
		cat <<- POLICY
			{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: b, namespace: shop},
			 spec: {podSelector: {matchLabels: {app: b}}, ingress: [{from: [
		POLICY
		addresses "$1" | sed 's|.*|{ipBlock: {cidr: &/32}},|'
		echo ']}]}}'
	} > "$file"
	hosts_ours "policy-$1" "$file"
	hosts_nft "nft-$1"
	{
		printf 'table ip closed {\nset allowed {\ntype ipv4_addr\nelements = { %s }\n}\n' "$(addresses "$1" | paste -sd,)"
		printf 'chain forward {\ntype filter hook forward priority filter + 1\n'
		printf 'ct state established,related accept\noifname ep ip saddr != @allowed drop\n}\n}\n'
	} | on "nft-$1-h2" nft -f -
}

# Both hosts track flows, as both of ours do.
hosts_nft() { # [KIND]
	local n kind=${1:-nft}
	hosts_route "$kind"
	on "$kind-h1" nft "table ip lb { chain to { type nat hook prerouting priority dstnat;
		ip daddr 10.0.9.1 meta l4proto tcp dnat to jhash ip saddr . tcp sport mod 1 map { 0 : 10.0.1.6 }; }; }"
	for n in 1 2; do
		on "$kind-h$n" nft "table ip track { chain known { type filter hook forward priority filter;
			ct state invalid drop; ct state established,related accept; }; }"
	done
}

hosts_veth() { # [KIND]
	local n kind=${1:-veth}
	topo_ns "$kind-c1"
	topo_ns "$kind-c2"
	ip link add eth0 netns "$(ns "$kind-c1")" mtu "$MTU" type veth peer name eth0 netns "$(ns "$kind-c2")" mtu "$MTU"
	for n in 1 2; do
		on "$kind-c$n" sysctl -qw net.ipv4.tcp_congestion_control=cubic
		gso "$kind-c$n" eth0 $SUPERPACKET
		on "$kind-c$n" ip addr add "10.0.1.$((n + 4))/24" dev eth0
		on "$kind-c$n" ip link set eth0 up
	done
}

# Rows 10l and 11l, both endpoints on one host:
#   same     transitd's programs
#   bridge   a bridge
#   sockets  a veth pair, for connections: what is sent goes from socket to socket, where both
#            are of processes in the control group $SOCKETS
hosts_same() {
	local n
	topo_host same 36
	gso same eth0 $SUPERPACKET
	topo_daemon same
	topo_ns bridge-h
	on bridge-h ip link add br0 type bridge
	on bridge-h ip link set br0 mtu "$MTU" up
	for n in 1 2; do
		topo_ns same-c$n
		topo_ns bridge-c$n
		on same-c$n sysctl -qw net.ipv4.tcp_congestion_control=cubic
		on bridge-c$n sysctl -qw net.ipv4.tcp_congestion_control=cubic
		hosts_endpoint bridge $n "10.0.1.$((n + 4))/24" ep$n bridge-h
		on bridge-h ip link set ep$n master br0
		gso bridge-h ep$n $SUPERPACKET
		gso bridge-c$n eth0 $SUPERPACKET
	done
	same_region | topo_apply same
	hosts_veth sockets
	SOCKETS=$TOPO_DIR/cgroup/$TOPO_RUN
	mkdir "$TOPO_DIR/cgroup"
	mount -t cgroup2 none "$TOPO_DIR/cgroup"
	mkdir "$SOCKETS"
	bpftool prog loadall "$PERF/bench_sockets.bpf.o" "/sys/fs/bpf/$TOPO_RUN" pinmaps "/sys/fs/bpf/$TOPO_RUN"
	bpftool cgroup attach "$SOCKETS" sock_ops pinned "/sys/fs/bpf/$TOPO_RUN/bench_established"
	bpftool prog attach pinned "/sys/fs/bpf/$TOPO_RUN/bench_send" sk_msg_verdict pinned "/sys/fs/bpf/$TOPO_RUN/bench_sockets"
	export SOCKETS
}

hosts_same_end() {
	[[ -n ${SOCKETS:-} ]] || return 0
	echo 1 > "$SOCKETS/cgroup.kill" # of a run that was broken off
	wait_for 5 rmdir "$SOCKETS"
	umount "$TOPO_DIR/cgroup"
	rm -rf "/sys/fs/bpf/${TOPO_RUN:?}"
}

same_region() {
	cat <<- REGION
		revision: 1
		hosts: [{name: same, id: 36, address: 10.77.36.1, roles: [bouncer]}]
		vpcs: [{name: red, vni: 100, cidr: 10.0.0.0/16}]
		networks: [{name: net, vpc: red, cidr: 10.0.1.0/24}]
		endpoints:
		  - {name: a, vpc: red, network: net, address: 10.0.1.5, host: same, netns: $(ns same-c1)}
		  - {name: b, vpc: red, network: net, address: 10.0.1.6, host: same, netns: $(ns same-c2)}
	REGION
}

# OVS of its own in a namespace: ovs_start NS, then ovs NS ovs-vsctl|ovs-ofctl ...
ovs_start() {
	local d="$TOPO_DIR/$1.ovs"
	mkdir -p "$d"
	ovsdb-tool create "$d/conf.db" /usr/share/openvswitch/vswitch.ovsschema
	ovs "$1" ovsdb-server --remote="punix:$d/db.sock" --pidfile="$d/db.pid" --unixctl="$d/db.ctl" \
		--log-file="$d/db.log" --detach --no-chdir "$d/conf.db" 2> /dev/null
	ovs "$1" ovs-vsctl --no-wait init
	ovs "$1" taskset -c "$CPU" ovs-vswitchd "unix:$d/db.sock" --pidfile="$d/vs.pid" --unixctl="$d/vs.ctl" \
		--log-file="$d/vs.log" --detach --no-chdir 2> /dev/null
}

ovs() {
	local n=$1 d="$TOPO_DIR/$1.ovs" tool=$2
	shift 2
	case $tool in
	ovs-vsctl) set -- --db="unix:$d/db.sock" "$@" ;;
	ovs-ofctl) set -- "$1" "$d/${2##*/}.mgmt" "${@:3}" ;;
	ovs-appctl) set -- -t "$d/vs.ctl" "$@" ;;
	esac
	OVS_RUNDIR="$d" OVS_LOGDIR="$d" OVS_DBDIR="$d" on "$n" "$tool" "$@"
}

# Packet sockets carry no unfinished checksums and, with Geneve, no
# superpackets: offloads off at the endpoints.
hosts_ovs() {
	local n mac
	hosts_pair ovs
	for n in 1 2; do
		hosts_endpoint ovs $n "10.0.1.$((n + 4))/24" ep
		on ovs-c$n ethtool -K eth0 tx off > /dev/null
		on ovs-h$n ip addr flush dev eth0
		mac=$(mac_of ovs-h$n eth0)
		ovs_start ovs-h$n
		ovs ovs-h$n ovs-vsctl -- add-br br-phy -- set bridge br-phy datapath_type=netdev "other_config:hwaddr=\"$mac\"" \
			-- add-port br-phy eth0 -- add-br br-int -- set bridge br-int datapath_type=netdev \
			-- add-port br-int ep -- set interface ep ofport_request=1 \
			-- add-port br-int gnv -- set interface gnv type=geneve "options:remote_ip=10.77.0.$((3 - n))" \
			options:key=100 ofport_request=2
		on ovs-h$n ip addr add "10.77.0.$n/24" dev br-phy
		on ovs-h$n ip link set br-phy up
		ovs ovs-h$n ovs-ofctl del-flows br-int
		ovs ovs-h$n ovs-ofctl add-flow br-int in_port=1,actions=output:2
		ovs ovs-h$n ovs-ofctl add-flow br-int in_port=2,actions=output:1
	done
}

# Row 9: two VPCs of two hosts each and one bouncer for both. Hosts of the one take direct
# paths, those of the other none. All cables carry plain packets, as the bouncer's.
hosts_bounce() {
	local id
	topo_host bouncer 33 hop
	topo_daemon bouncer
	for id in 31 32 34 35; do topo_host "row9-$id" $id hop; done
	for id in 31 32; do topo_daemon "row9-$id"; done
	for id in 34 35; do topo_daemon "row9-$id" --path-seconds 0; done
	for id in direct-c1 direct-c2 bounced-c1 bounced-c2; do
		topo_ns $id
		on $id sysctl -qw net.ipv4.tcp_congestion_control=cubic
	done
	bounce_region | topo_apply bouncer row9-{31,32,34,35}
}

bounce_region() {
	printf 'revision: 1\nhosts:\n  - {name: bouncer, id: 33, address: 10.77.33.1, roles: [bouncer]}\n'
	for id in 31 32 34 35; do echo "  - {name: row9-$id, id: $id, address: 10.77.$id.1}"; done
	cat <<- REGION
		vpcs: [{name: direct, vni: 100, cidr: 10.0.0.0/16}, {name: bounced, vni: 101, cidr: 10.0.0.0/16}]
		networks: [{name: net, vpc: direct, cidr: 10.0.1.0/24}, {name: net, vpc: bounced, cidr: 10.0.1.0/24}]
		endpoints:
		  - {name: a, vpc: direct, network: net, address: 10.0.1.5, host: row9-31, netns: $(ns direct-c1)}
		  - {name: b, vpc: direct, network: net, address: 10.0.1.6, host: row9-32, netns: $(ns direct-c2)}
		  - {name: a, vpc: bounced, network: net, address: 10.0.1.5, host: row9-34, netns: $(ns bounced-c1)}
		  - {name: b, vpc: bounced, network: net, address: 10.0.1.6, host: row9-35, netns: $(ns bounced-c2)}
	REGION
}

# Rows 16 to 19: four senders of one host to an endpoint of another, as hosts_ours.
hosts_shaped() {
	local bouncer c
	hosts_pair q
	TOPO_HOSTS+=(q-h1 q-h2)
	mkdir -p "$TOPO_DIR"/q-h{1,2}
	for c in 3 4 5; do
		topo_ns q-c$c
		on q-c$c sysctl -qw net.ipv4.tcp_congestion_control=cubic
	done
	for n in 1 2; do topo_daemon q-h$n; done
	for bouncer in 2 3; do
		shaped_region $bouncer | topo_apply q-h1 q-h2
		for c in 1 3 4 5; do wait_for 10 on q-c$c ping -c 1 -W 1 10.0.1.6; done
	done
	for c in 1 3 4 5; do start q-c$c "$TOPO_DIR/keepalive" ping -q -i 2 10.0.1.6; done
	start q-c2 "$TOPO_DIR/echo" selftests/topo/traffic.py echo sink 7
}

shaped_region() { # the id of the bouncer
	local id
	printf 'revision: %d\nhosts:\n' "$1"
	for id in 1 2 3; do
		echo "  - {name: q-h$id, id: $id, address: 10.77.0.$id$([[ $id != "$1" ]] || echo ', roles: [bouncer]')}"
	done
	cat <<- REGION
		vpcs: [{name: red, vni: 100, cidr: 10.0.0.0/16}]
		networks: [{name: net, vpc: red, cidr: 10.0.1.0/24}]
		endpoints:
		  - {name: sink, vpc: red, network: net, address: 10.0.1.6, host: q-h2, netns: $(ns q-c2)}
	REGION
	for id in "bulk 5 q-c1" "quick 7 q-c3" "third 8 q-c4" "fourth 9 q-c5"; do
		set -- $id
		echo "  - {name: $1, vpc: red, network: net, address: 10.0.1.$2, host: q-h1, netns: $(ns "$3")}"
	done
}

# Row 8: five hops on the router, which generates and swallows the frames. Row 13v: taps on the first, and on a sixth.
#   hop        transitd as bouncer of 1,024 endpoints; two machines' taps, mztc and mzxdp
#   hop-empty  an XDP program that only redirects, as ours on a veth (the floor)
#   hop-tx     one that only returns XDP_TX, which wakes a veth's other end only if that has a program
#   hop-tap    an XDP program that redirects to a tap, mzempty
#   hop-route  IPv4 forwarding
#   hop-ovs    OVS userspace: next MAC set, back out of the port
hosts_hop() {
	topo_host hop 3 hop
	topo_daemon hop
	hop_region | topo_apply hop
	topo_host hop-empty 11 hop
	on hop-empty "$PERF/live" attach eth0 redirect
	topo_host hop-tx 14 hop
	on hop-tx "$PERF/live" attach eth0 tx
	topo_host hop-tap 16 hop
	on hop-tap ip tuntap add mzempty mode tap
	on hop-tap ip link set mzempty up
	on hop-tap "$PERF/live" attach eth0 mzempty
	topo_host hop-route 12 hop
	on hop-route sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 \
		net.ipv4.conf.eth0.send_redirects=0
	on hop-route ethtool -K eth0 gro on > /dev/null
	topo_host hop-ovs 13 hop
	on hop-ovs ethtool -K eth0 gro on > /dev/null
	ovs_start hop-ovs
	ovs hop-ovs ovs-vsctl -- add-br br -- set bridge br datapath_type=netdev -- add-port br eth0 \
		-- set interface eth0 ofport_request=1
	ovs hop-ovs ovs-ofctl del-flows br
	ovs hop-ovs ovs-ofctl add-flow br \
		"in_port=1,actions=mod_dl_dst:$(mac_of router r13),in_port"
	for n in hop hop-route; do
		wait_for 5 on $n ping -c 1 -W 1 "$(on $n ip route show default | awk '{print $3}')" || true
	done
}

hop_region() {
	local i
	cat <<- REGION
		revision: 1
		hosts:
		  - {name: w1, id: 1, address: 10.77.1.1}
		  - {name: w2, id: 2, address: 10.77.2.1}
		  - {name: hop, id: 3, address: 10.77.3.1, roles: [bouncer]}
		vpcs: [{name: red, vni: 100, cidr: 10.0.0.0/16}]
		networks: [{name: net, vpc: red, cidr: 10.0.0.0/16}]
		endpoints:
	REGION
	for ((i = 0; i < 1024; i++)); do
		echo "  - {name: e$i, vpc: red, network: net, address: 10.0.$((4 + i / 256)).$((i % 256)), host: w2}"
	done
	echo "  - {name: tc, vpc: red, network: net, address: 10.0.8.1, host: hop, tap: mztc, delivery: tc}"
	echo "  - {name: xdp, vpc: red, network: net, address: 10.0.8.2, host: hop, tap: mzxdp, delivery: xdp}"
}

# Row 23: a host of its own, with one VPC that `attach rpc` adds to.
hosts_attach() {
	topo_host attach 21
	topo_daemon attach --uplink eth0
	topo_ns attach-first
	transit attach endpoint add --netns "$(ns attach-first)" --vpc attach --vni 900 --cidr 10.9.0.0/16
	topo_ns attach-floor
	topo_ns attach-script
}
