# SPDX-License-Identifier: Apache-2.0
# Hosts in network namespaces, for the demo, the topology tests and the
# benchmarks. Source it, then:
#
#   topo_begin PREFIX                names of this run: PREFIX-xxxx-...
#   topo_router                      the underlay's router hop
#   topo_host NAME ID [hop]          a host with uplink eth0, 192.0.2.x/30 to the
#                                    router; `hop`: frames for XDP, as from a wire
#   topo_daemon NAME [OPTIONS...]    its transitd
#   topo_ns NAME                     an empty namespace for an endpoint
#   on NS COMMAND...                 run in a namespace of this run
#   start NS LOG COMMAND...          the same in the background; pid in $STARTED
#   mtu_of NS INTERFACE              its MTU
#   gso NS INTERFACE [BYTES] the largest superpacket of TCP over IPv4 it takes; sets it
#   transit HOST ARGS...             the command line against a host's daemon
#   topo_end                         every trace removed
#
# Underlay addresses: host ID has 10.77.ID.1/24 and fd77:ID::1/64, the router
# .254 and ::fe.

BIN=${BIN:-build/bin}
# How many times as long as usual an event may take to come: emulation is slow.
PATIENCE=${PATIENCE:-1}
TOPO_HOSTS=()
exec {TOPO_IDLE}<> <(:) # a pipe nobody writes to: what waiting reads

topo_begin() {
	TOPO_RUN="$1-$(printf %04x $((RANDOM ^ ($$ & 0xffff))))"
	TOPO_DIR=$(mktemp -d "/tmp/$TOPO_RUN.XXXX")
	TOPO_PIDS=()
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
	# Who holds it may have pins: what all runs share stays.
	exec {TOPO_PINS}<> /tmp/mzt-pins.lock
	flock -s "$TOPO_PINS"
}

# Namespace of that name in this run.
ns() { echo "$TOPO_RUN-$1"; }
# nsenter, not "ip netns exec": that mounts a fresh /sys and hides bpffs.
on() {
	local n=$1
	shift
	nsenter --net="/run/netns/$(ns "$n")" "$@"
}

# In the background: start NS LOG COMMAND...; its own pid (nsenter becomes it, a
# function in the background would leave a shell in between) is in $STARTED.
start() {
	local n=$1 log=$2
	shift 2
	nsenter --net="/run/netns/$(ns "$n")" "$@" >> "$log" 2>&1 < /dev/null &
	STARTED=$!
	disown
}

# Asked over netlink: /sys is the first namespace's.
mtu_of() { on "$1" ip -o link show "$2" | grep -o 'mtu [0-9]*' | cut -c5-; }

gso() {
	local n=$1
	shift
	on "$n" "$(dirname "${BASH_SOURCE[0]}")/gso.py" "$@"
}

topo_ns() {
	ip netns add "$(ns "$1")"
	# Addresses are ours to give, and are there at once.
	on "$1" sysctl -qw net.ipv6.conf.{all,default}.accept_ra=0 net.ipv6.conf.{all,default}.accept_dad=0
	on "$1" ip link set lo up
}

topo_router() {
	topo_ns router
	on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	# A cable that is pulled and put back keeps its addresses, as in IPv4.
	on router sysctl -qw net.ipv6.conf.{all,default}.keep_addr_on_down=1
}

topo_host() {
	local name=$1 id=$2 hop=${3:-}
	topo_ns "$name"
	TOPO_HOSTS+=("$name")
	ip link add eth0 netns "$(ns "$name")" mtu "${TOPO_MTU:-1500}" type veth \
		peer name "r$id" netns "$(ns router)" mtu "${TOPO_MTU:-1500}"
	on "$name" ip addr add "10.77.$id.1/24" dev eth0
	on "$name" ip addr add "fd77:$id::1/64" dev eth0 nodad
	on "$name" ip link set eth0 up
	on router ip addr add "10.77.$id.254/24" dev "r$id"
	on router ip addr add "fd77:$id::fe/64" dev "r$id" nodad
	on router ip link set "r$id" up
	on "$name" ip route add default via "10.77.$id.254"
	on "$name" ip route add default via "fd77:$id::fe"
	[[ -z $hop ]] || topo_wire "$name" "$id"
	mkdir -p "$TOPO_DIR/$name"
}

# A veth stands in for a wire towards XDP: checksums finished by the sender,
# and NAPI on the router's end, or what XDP transmits is dropped in silence.
topo_wire() {
	on router ethtool -K "r$2" tx off gro on > /dev/null
	on "$1" ethtool -K eth0 tx off > /dev/null
}

# Waits until a command succeeds: wait_for SECONDS COMMAND...
wait_for() {
	local end=$((SECONDS + $1 * PATIENCE)) pause=020
	shift
	until "$@" > /dev/null 2>&1; do
		if ((SECONDS > end)); then
			echo "timed out: $*" >&2
			return 1
		fi
		read -rt "0.$pause" -u "$TOPO_IDLE" || true
		# Where all is slow, who asks takes the CPU of what it waits for.
		((PATIENCE == 1)) || pause=320
	done
}

topo_socket() { echo "$TOPO_DIR/$1/transitd.sock"; }

topo_daemon() {
	local name=$1
	shift
	start "$name" "$TOPO_DIR/$name/log" "$BIN/transitd" --instance "$(ns "$name")" \
		--state-dir "$TOPO_DIR/$name/state" --socket "$(topo_socket "$name")" "$@"
	echo "$STARTED" > "$TOPO_DIR/$name/pid"
	wait_for 10 transit "$name" status
}

topo_daemon_stop() { # NAME [SIGNAL]
	local pid
	pid=$(< "$TOPO_DIR/$1/pid")
	kill "-${2:-TERM}" "$pid" 2> /dev/null || return 0
	wait_for 10 bash -c "! kill -0 $pid"
}

transit() {
	local name=$1
	shift
	TRANSIT_INSTANCE=$(ns "$name") TRANSIT_HOSTS_SOCKET="$TOPO_DIR/%h/transitd.sock" \
		"$BIN/transit" --timeout $((10 * PATIENCE)) --socket "$(topo_socket "$name")" "$@"
}

# Plans region.yaml (standard input) and gives every host its goal state.
topo_apply() {
	cat > "$TOPO_DIR/region.yaml"
	"$BIN/transit" plan -f "$TOPO_DIR/region.yaml" -o "$TOPO_DIR/plan" > "$TOPO_DIR/plan.log"
	local name
	for name in "${@:-${TOPO_HOSTS[@]}}"; do
		transit "$name" apply -f "$TOPO_DIR/plan/$name.yaml" > /dev/null
	done
}

topo_end() {
	local pidfile n
	[[ -n ${TOPO_RUN:-} ]] || return 0
	for pidfile in "$TOPO_DIR"/*/pid; do
		[[ ! -e $pidfile ]] || kill "$(< "$pidfile")" 2> /dev/null || true
	done
	for pidfile in "$TOPO_DIR"/*/pid; do
		[[ ! -e $pidfile ]] || wait_for 5 bash -c "! kill -0 $(< "$pidfile")" || true
	done
	for n in $(ip netns list | awk '{print $1}'); do
		[[ $n == "$TOPO_RUN"-* ]] || continue
		ip netns pids "$n" | xargs -r kill 2> /dev/null || true
		ip netns del "$n"
	done
	rm -rf "/sys/fs/bpf/mizar/$TOPO_RUN"-* "$TOPO_DIR"
	if flock -nx "$TOPO_PINS"; then rmdir /sys/fs/bpf/mizar 2> /dev/null || true; fi
	exec {TOPO_PINS}>&-
	TOPO_RUN=
	return 0
}
