# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=flows: what a host remembers of its endpoints' conversations.
# Sourced by demo.sh.

say "1. A connection, a ping and a question nobody answers"
tcp_begin red-a red-d 10.0.2.6
on red-a ping -qc 3 -i 0.05 -W 1 10.0.1.6 > /dev/null
on red-a python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"?", ("10.0.2.5", 9999))'
show transit w1 flow list --vpc red
echo "   ... the other end of the connection, on w3:"
show transit w3 flow list --vpc red --proto tcp

say "2. Who carries most"
show transit w1 flow top --interval 0.5

say "3. The daemon dies and comes back: flows and packets do not notice"
topo_daemon_stop w1 KILL
topo_daemon w1
show transit w1 flow list --proto tcp

say "4. Forgotten on request, and begun anew by the next packet"
show transit w1 flow flush --proto tcp
let_flow 0.2
show transit w1 flow list --proto tcp
tcp_end | sed 's/^#/  /'
show transit w1 flow list --proto tcp

say "5. A packet's decision names its flow"
port=$(transit w1 flow list --proto tcp -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["port"])')
transit w1 trace red/a 10.0.2.6 --proto tcp --sport "$port" --dport 8 | sed '/it goes on/,$d; s/^/   /'
