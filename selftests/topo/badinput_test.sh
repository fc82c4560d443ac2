#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad input: one line that names object and field, the right exit code, and
# nothing has changed. The rules themselves are unit tests; here the daemon and
# the command line have to keep them.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-badinput
trap topo_end EXIT
topo_router
topo_host w1 1
topo_daemon w1
good() {
	cat << 'G'
revision: 5
host: w1
hosts: [{name: w1, id: 1, address: 10.77.1.1}, {name: w2, id: 2, address: 10.77.2.1}]
vpcs: [{name: red, vni: 100, cidr: 10.0.0.0/16}]
networks: [{name: n, vpc: red, cidr: 10.0.1.0/24}]
endpoints: [{name: a, vpc: red, network: n, address: 10.0.1.5, host: w2}]
G
}
good > "$TOPO_DIR/good.yaml"
transit w1 apply -f "$TOPO_DIR/good.yaml" > /dev/null
transit w1 get -o yaml > "$TOPO_DIR/before"

refused() { # CODE SED WORDS...: the good state, changed by SED
	local want=$1 change=$2 rc=0 out
	shift 2
	good | sed -e 's/revision: 5/revision: 6/' -e "$change" > "$TOPO_DIR/bad.yaml"
	out=$(transit w1 apply -f "$TOPO_DIR/bad.yaml" 2>&1 > /dev/null) || rc=$?
	echo "# exit $rc: ${out//$TOPO_DIR\//}"
	[[ $rc -eq $want && $(wc -l <<< "$out") -eq 1 ]] || return 1
	local word
	for word in "$@"; do grep -qF -- "$word" <<< "$out" || return 1; done
	transit w1 get -o yaml | cmp -s - "$TOPO_DIR/before"
}
ok "unknown field" refused 2 's/cidr: 10.0.1.0/cdir: 10.0.1.0/' networks cdir
ok "duplicate address" refused 2 's/endpoints: \[/endpoints: [{name: z, vpc: red, network: n, address: 10.0.1.5, host: w2}, /' red/a red/z address
ok "network outside its VPC" refused 2 's/10.0.1.0\/24/10.1.1.0\/24/' red/n cidr
ok "endpoint of an unknown network" refused 2 's/network: n,/network: m,/' red/a network
ok "host without address" refused 2 's/id: 2, address: 10.77.2.1/id: 2/' w2 address
ok "name too long" refused 2 "s/name: a,/name: $(printf 'a%.0s' {1..64}),/" endpoint name
ok "an older revision" refused 1 's/revision: 6/revision: 4/' "revision 4" 5
ok "not YAML at all" refused 2 '1s/.*/{[/' bad.yaml

code() { # CODE COMMAND...
	local want=$1 rc=0
	shift
	"$@" > "$TOPO_DIR/out" 2>&1 || rc=$?
	echo "# exit $rc: $(head -c 200 "$TOPO_DIR/out")"
	[[ $rc -eq $want && $(wc -l < "$TOPO_DIR/out") -eq 1 ]]
}
ok "applying the same again is no error" code 0 transit w1 apply -f "$TOPO_DIR/good.yaml"
ok "delete of what is not there" code 3 transit w1 vpc delete nothing
in_use() {
	code 1 transit w1 network delete red/n && grep -qF "used by endpoint red/a" "$TOPO_DIR/out" &&
		transit w1 get -o yaml | cmp -s - "$TOPO_DIR/before"
}
ok "delete of what is in use" in_use
ok "no daemon there" code 4 "$BIN/transit" --socket "$TOPO_DIR/none.sock" status
ok "no such command" code 2 "$BIN/transit" fly

daemon_says() { # WORDS COMMAND...
	local words=$1 out
	shift
	if out=$("$@" 2>&1); then return 1; fi
	echo "# ${out//$TOPO_DIR/}"
	grep -qF -- "$words" <<< "$out"
}
topo_host w2 2
topo_daemon w2 --max-endpoints 1 --scale medium
too_much() {
	good | sed -e 's/host: w1$/host: w2/' -e 's/endpoints: \[/endpoints: [{name: z, vpc: red, network: n, address: 10.0.1.6, host: w2}, /' > "$TOPO_DIR/bad.yaml"
	code 1 transit w2 apply -f "$TOPO_DIR/bad.yaml" && grep -qF -- --max-endpoints "$TOPO_DIR/out" &&
		[[ -z $(transit w2 map dump endpoints) ]]
}
ok "a first goal state that is more than the tables hold" too_much
rows_of() { # of the pinned table
	transit w2 map list -o json | python3 -c '
import json, sys
print(*(t["max_entries"] for t in json.load(sys.stdin) if t["name"] in (sys.argv[1], "mz_" + sys.argv[1])))' "$1"
}
scaled() { [[ $(rows_of endpoints) == 1 && $(rows_of flows) == 131072 ]]; }
ok "... of the scale's size, but for the one that is given" scaled
topo_daemon_stop w2
topo_daemon w2
other_scale() {
	code 1 transit w2 apply -f "$TOPO_DIR/bad.yaml" &&
		grep -q "^transit: table mz_.*: pinned with .* rows, .* wanted; start transitd with the --scale" "$TOPO_DIR/out"
}
ok "another scale than the pinned tables have" other_scale
start_w2() { on w2 "$BIN/transitd" --socket "$TOPO_DIR/x.sock" "$@"; }
ok "a scale that there is not" daemon_says "--scale" start_w2 --scale huge
ok "a table without rows" daemon_says "--max-flows" start_w2 --max-flows 0
start_one() { "$BIN/transitd" --state-dir "$TOPO_DIR/x" --socket "$TOPO_DIR/x.sock" --instance "$(ns x)"; }
topo_ns x
without_root() { on x setpriv --reuid 65534 --clear-groups "$BIN/transitd" --state-dir /tmp --socket /tmp/x.sock; }
ok "the daemon without root says so" daemon_says "needs root" without_root
without_bpffs() { on x unshare -m bash -c "umount -l /sys/fs/bpf; $(declare -p BIN TOPO_DIR TOPO_RUN); $(declare -f ns start_one); start_one"; }
ok "... without bpffs says how to get it" daemon_says "mount -t bpf bpf" without_bpffs
ok "... with an unknown option points to --help" daemon_says "see transitd --help" "$BIN/transitd" --fly
mode() { [[ $(stat -c %a "$(topo_socket w1)") == 660 ]]; }
ok "the socket is for root and its group alone" mode
chmod 711 "$TOPO_DIR" # only the socket itself is in a stranger's way
stranger() { # WORDS FILE: gets no answer, and FILE says why
	! setpriv --reuid 65534 --regid 65534 --clear-groups "$BIN/transit" --timeout 2 --socket "$(topo_socket w1)" \
		status > "$TOPO_DIR/out" 2>&1 && grep -qF "$1" "$2"
}
ok "a stranger gets no answer" stranger "no permission" "$TOPO_DIR/out"
chmod 666 "$(topo_socket w1)"
ok "... nor where the socket lets everybody in" stranger "refused uid 65534" "$TOPO_DIR/w1/log"
finish
