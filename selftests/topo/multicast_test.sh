#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Multicast and broadcast: members get what is sent to their group exactly once, wherever
# they are, and nobody else does; daemons and bouncers come and go.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-mcast
trap topo_end EXIT
# Endpoints of red's front: s (sends) and m on w1, n and x on w2, o on w3. x joins nothing.
# Blue has the same addresses, and a member of the same group on each host; red's back has
# one; its own network carries nothing.
EVERYBODY="red-s red-m red-n red-x red-o red-k blue-m blue-n"
topo_router
topo_host w1 1
topo_host w2 2
topo_host b1 3 hop
topo_host b2 4 hop
topo_host w3 6
for h in w1 w2 w3 b1 b2; do topo_daemon $h --query-interval 5; done
for e in $EVERYBODY; do topo_ns $e; done
# The daemon asks in IGMPv3 and MLDv2; n is a host of the versions before.
on red-n sysctl -qw net.ipv4.conf.{all,default}.force_igmp_version=2 net.ipv6.conf.{all,default}.force_mld_version=1

region() { # REVISION [FIELDS of red's front]
	cat << R
revision: $1
hosts:
  - {name: w1, id: 1, $(at w1 1)}
  - {name: w2, id: 2, $(at w2 2)}
  - {name: b1, id: 3, $(at b1 3), roles: [bouncer, divider]}
  - {name: b2, id: 4, $(at b2 4), roles: [bouncer, divider]}
  - {name: w3, id: 6, $(at w3 6)}
vpcs:
  - {name: red, vni: 100, cidr: 10.0.0.0/16, cidr6: "fd00:10::/32"}
  - {name: blue, vni: 200, cidr: 10.0.0.0/16, cidr6: "fd00:10::/32"}
networks:
  - {name: front, vpc: red, cidr: 10.0.1.0/24, cidr6: "fd00:10:1::/64", ${2:-multicast: true, broadcast: true}}
  - {name: back, vpc: red, cidr: 10.0.2.0/24, cidr6: "fd00:10:2::/64", multicast: true}
  - {name: front, vpc: blue, cidr: 10.0.1.0/24, cidr6: "fd00:10:1::/64", multicast: true, broadcast: true}
endpoints:
  - {name: s, vpc: red, network: front, $(both 1 5), host: w1, netns: $(ns red-s)}
  - {name: m, vpc: red, network: front, $(both 1 6), host: w1, netns: $(ns red-m)}
  - {name: n, vpc: red, network: front, $(both 1 7), host: w2, netns: $(ns red-n)}
  - {name: x, vpc: red, network: front, $(both 1 8), host: w2, netns: $(ns red-x)}
  - {name: o, vpc: red, network: front, $(both 1 9), host: w3, netns: $(ns red-o)}
  - {name: k, vpc: red, network: back, $(both 2 5), host: w2, netns: $(ns red-k)}
  - {name: m, vpc: blue, network: front, $(both 1 6), host: w1, netns: $(ns blue-m)}
  - {name: n, vpc: blue, network: front, $(both 1 7), host: w2, netns: $(ns blue-n)}
R
}
if [[ $FAMILY == 4 ]]; then
	G=239.1.2.3 G2=224.0.0.251 S=10.0.1.5 PROTO="igmp"
else
	G=ff05::1:3 G2=ff02::fb S=fd00:10:1::5 PROTO="mld"
fi
region 1 | topo_apply b1 b2 w1 w2 w3
wait_for 10 hops_up

CLIENT="$(dirname "$0")/multicast.py"
heard="$TOPO_DIR/heard"
mkdir -p "$heard"
listen() { # NS GROUP...
	local n=$1
	shift
	start "$n" "$TOPO_DIR/serve.log" "$CLIENT" listen 7000 "$heard/$n" "$@"
	wait_for 5 test -e "$heard/$n.ready"
}
send() { on "$1" "$CLIENT" send "$2" 7000 "${@:3}"; }
# A bouncer knows the hosts that have members of red's GROUP.
told() { # BOUNCER GROUP HOSTS...
	local h line
	line=$(transit "$1" group list --vpc red | grep "^red/front  *$2 ") || return 1
	for h in "${@:3}"; do [[ $line == *" $h"* ]] || return 1; done
}
# Both do: known GROUP HOSTS...
known() { told b1 "$@" && told b2 "$@"; }
copies() { grep -c " $2\$" "$heard/$1" 2> /dev/null || true; } # NS TEXT
# Who is to get TEXT has got it, once, and nobody else has: got TEXT NS...
have() { local e; for e in "${@:2}"; do [[ $(copies "$e" "$1") -ge 1 ]] || return 1; done; }
got() {
	local e text=$1 want=" ${*:2} " n bad=0
	wait_for 5 have "$@" || true
	for e in $EVERYBODY; do
		n=$(copies "$e" "$text")
		if [[ $want == *" $e "* ]]; then
			[[ $n -eq 1 ]] || { echo "# $e has $text $n times"; bad=1; }
		else
			[[ $n -eq 0 ]] || { echo "# $e has $text $n times, and is none of its"; bad=1; }
		fi
	done
	return $bad
}
settle() { let_flow 0.3; } # copies under way, which nobody waits for

listen red-m $G
listen red-n $G
listen red-o $G
listen red-k $G
listen blue-m $G
listen blue-n $G
: > "$heard/red-x"
: > "$heard/red-s"
ok "bouncers hear of members on three hosts ($PROTO)" wait_for 10 known $G w1 w2 w3

# ---- who gets it -----------------------------------------------------------------------
send red-s $G one
settle
ok "each member of red's front gets it once, nobody else does" got one red-m red-n red-o
ok "... from its sender, and with the TTL it was sent with" grep -qx "$S $G 1 one" "$heard/red-o"
ok "... on the sender's host as well" grep -qx "$S $G 1 one" "$heard/red-m"
send red-o $G two
settle
ok "a member sends, and does not hear itself" got two red-m red-n
send red-x $G three
settle
ok "who is no member sends, on a host that has one" got three red-m red-n red-o
send blue-m $G four
settle
ok "blue's group of this name is blue's" got four blue-n
send red-k $G five
settle
ok "red's back is another network" got five
listen red-x $G2
ok "a group of the link that somebody joined is one like any ($G2)" wait_for 10 known $G2 w2
if [[ $FAMILY == 4 ]]; then
	send red-s $G2 six
	settle
	ok "... and its member gets it" got six red-x
fi
send red-s ${G%3}9 nobody
nobody() { [[ $(($(count_of w1 GROUP_NOBODY red) + $(count_of b1 GROUP_NOBODY red) + $(count_of b2 GROUP_NOBODY red))) -ge 1 ]]; }
ok "a group without members goes nowhere, and says so" wait_for 5 nobody

# ---- what people see -------------------------------------------------------------------
listed() { transit w1 group list > "$TOPO_DIR/list"; grep -qE "^red/front +$G +b[12] +red/m +-" "$TOPO_DIR/list"; }
ok "group list tells members here" listed
traced() { transit w1 trace red/s $G --proto udp --dport 7000 > "$TOPO_DIR/trace"; grep -q "1 copy on this host" "$TOPO_DIR/trace" && grep -q GROUP_SENT "$TOPO_DIR/trace"; }
ok "a trace tells what becomes of it" traced

# ---- they leave, and come again ----------------------------------------------------------
touch "$heard/red-n.leave"
wait_for 5 test -e "$heard/red-n.left"
away() { ! told b1 $G w2 && ! told b2 $G w2; }
ok "who leaves is forgotten by bouncers" wait_for 10 away
send red-s $G seven
settle
ok "... and gets nothing more" got seven red-m red-o
touch "$heard/red-n.join"
ok "who comes again is known again" wait_for 10 known $G w1 w2 w3
send red-s $G eight
settle
ok "... and gets it" got eight red-m red-n red-o

# ---- daemons ------------------------------------------------------------------------------
for h in w1 w2 w3 b1 b2; do topo_daemon_stop $h KILL; done
send red-s $G nine
settle
ok "packets need no daemon" got nine red-m red-n red-o
for h in w1 w2 w3 b1 b2; do topo_daemon $h --query-interval 5; done
send red-s $G ten
settle
ok "members outlive the daemons" got ten red-m red-n red-o
wait_for 10 hops_up
stays() { # as long as two questions and their answers take
	local end=$((SECONDS + 14))
	while ((SECONDS < end)); do
		transit w2 group list | grep -qE "^red/front +$G .* red/n" || return 1
		let_flow 0.5
	done
}
ok "members that are asked stay" stays
# One that answers no more: its interface hears nothing. The daemon takes it out.
on red-n ip link set eth0 down
silent() { ! transit w2 group list | grep -qE "^red/front +$G .* red/n"; }
ok "who answers no more is taken out" wait_for 30 silent
on red-n ip link set eth0 up
ok "... and comes again by itself" wait_for 10 known $G w1 w2 w3

# ---- a bouncer dies -------------------------------------------------------------------------
primary=$(transit w1 group list --vpc red | awk -v g=$G '$1 == "red/front" && $2 == g {print $3}')
id=3; [[ $primary == b1 ]] || id=4
other=b1; [[ $primary == b2 ]] || other=b2
on router ip link set "r$id" down
gone_over() { transit w1 group list --vpc red | grep -qE "^red/front +$G +$other "; }
ok "its backup takes over" wait_for 10 gone_over
send red-s $G eleven
settle
ok "... and knows all members" got eleven red-m red-n red-o
on router ip link set "r$id" up
back() { transit w1 group list --vpc red | grep -qE "^red/front +$G +$primary "; }
ok "it comes back" wait_for 15 back
wait_for 10 hops_up
resolved() { ! transit $primary status | grep -qE ' (down|unresolved) '; } # as unicast, it asks the kernel for next hops; copies cannot
wait_for 10 resolved
send red-s $G twelve
settle
ok "... and serves again" got twelve red-m red-n red-o

# ---- broadcast -------------------------------------------------------------------------------
if [[ $FAMILY == 4 ]]; then
	for e in red-m red-n red-x red-o red-k blue-m blue-n; do
		start $e "$TOPO_DIR/serve.log" "$CLIENT" listen 7001 "$heard/all-$e" all
		wait_for 5 test -e "$heard/all-$e.ready"
	done
	heard_all() { # TEXT
		local e
		for e in red-m red-n red-x red-o; do [[ $(grep -c " $1\$" "$heard/all-$e") -eq 1 ]] || return 1; done
		for e in red-k blue-m blue-n; do [[ $(grep -c " $1\$" "$heard/all-$e") -eq 0 ]] || return 1; done
	}
	on red-s "$CLIENT" send 255.255.255.255 7001 b1
	settle
	ok "a broadcast reaches all of the network, once" wait_for 5 heard_all b1
	on red-s "$CLIENT" send 10.0.1.255 7001 b2
	settle
	ok "... and by the network's own address" wait_for 5 heard_all b2
fi

# ---- bounds -----------------------------------------------------------------------------------
for h in w1; do topo_daemon_stop $h; topo_daemon $h --query-interval 5 --group-packets 20; done
send red-s $G many 100
settle
few() { local n; n=$(grep -c " many-" "$heard/red-o"); echo "# $n of 100 came"; [[ $n -ge 20 && $n -le 60 ]]; }
ok "an endpoint sends no more to groups than it may" few
ok "... which is counted" test "$(count_of w1 GROUP_RATE red)" -ge 40
on red-s ip link set eth0 mtu 9000
on red-s "$CLIENT" send $G 7000 "$(head -c 1600 /dev/zero | tr '\0' x)"
too_big() { [[ $(count_of w1 TOO_BIG red) -eq 1 ]]; }
ok "too big a packet is dropped under its reason" wait_for 5 too_big
replies() { [[ $(count_of w1 TOO_BIG_REPLY red) -eq 0 ]]; }
ok "... and nobody is told" replies

# ---- no more -----------------------------------------------------------------------------------
region 2 "multicast: false" | topo_apply b1 b2 w1 w2 w3
send red-s $G last
settle
ok "a network without multicast carries none" got last
none() { ! transit w1 group list --vpc red | grep -q red/front; }
ok "... and forgets its groups" wait_for 5 none
finish
