# SPDX-License-Identifier: Apache-2.0
# Hosts of perf/daemon.py, beside those of hosts.sh: `daemon`, with one endpoint, and `directory`,
# a bouncer that is to know many. The first keeps its state in memory. Needs selftests/topo/lib.sh and topo_router.

DIRECTORY_OPTIONS="--max-endpoints 524288"

hosts_daemon() {
	topo_host daemon 22
	topo_host directory 23 hop
	mkdir -p "/dev/shm/$TOPO_RUN/daemon"
	ln -s "/dev/shm/$TOPO_RUN/daemon" "$TOPO_DIR/daemon/state"
	topo_daemon daemon
	# shellcheck disable=SC2086 # several options
	topo_daemon directory $DIRECTORY_OPTIONS
	topo_ns daemon-c1
	daemon_region | topo_apply daemon directory
	export DIRECTORY_OPTIONS PAIR_OPTIONS
}

hosts_daemon_end() { rm -rf "/dev/shm/${TOPO_RUN:?}"; }

daemon_region() {
	cat <<- REGION
		revision: 1
		hosts:
		  - {name: daemon, id: 22, address: 10.77.22.1}
		  - {name: directory, id: 23, address: 10.77.23.1, roles: [bouncer]}
		vpcs: [{name: red, vni: 100, cidr: 10.0.0.0/8}]
		networks: [{name: net, vpc: red, cidr: 10.0.0.0/8}]
		endpoints:
		  - {name: first, vpc: red, network: net, address: 10.0.1.1, host: daemon, netns: $(ns daemon-c1)}
	REGION
}
