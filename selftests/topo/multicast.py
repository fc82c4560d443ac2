#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Members of groups and senders to them, as the topology tests have them.
#
#   multicast.py listen PORT FILE GROUP...   joins the groups, or a broadcast address's
#       receivers where GROUP is "all"; a line "SOURCE GROUP TTL TEXT" in FILE for every
#       datagram. FILE.ready stands when it has joined; FILE.leave makes it leave all of
#       them, then FILE.left stands; FILE.join makes it join again.
#   multicast.py send GROUP PORT TEXT [N [TTL]]   N datagrams (1), one every 10 ms
#   multicast.py raw HEX...   frames out of eth0
import os
import select
import socket
import struct
import sys
import time

IP_RECVTTL = 12
IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT = 51, 52


def is6(group):
    return ":" in group


def index():
    return socket.if_nametoindex("eth0")


def change(s, group, joins):
    if group == "all":
        return
    if is6(group):
        option = socket.IPV6_JOIN_GROUP if joins else socket.IPV6_LEAVE_GROUP
        s.setsockopt(socket.IPPROTO_IPV6, option, socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index()))
    else:
        option = socket.IP_ADD_MEMBERSHIP if joins else socket.IP_DROP_MEMBERSHIP
        s.setsockopt(socket.IPPROTO_IP, option, struct.pack("4s4si", socket.inet_aton(group), b"\0" * 4, index()))


def receiver(group, port):
    if is6(group):
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    # Bound to the group, it hears of no other; a broadcast has two addresses.
    s.bind((group, port, 0, index()) if is6(group) else ("" if group == "all" else group, port))
    change(s, group, True)
    return s


def note(path):
    open(path, "w").close()


def gone(path):
    if os.path.exists(path):
        os.remove(path)
        return True
    return False


def listen(port, path, *groups):
    sockets = {receiver(g, port): g for g in groups}
    out = open(path, "a", buffering=1)
    note(path + ".ready")
    while True:
        for s in select.select(list(sockets), [], [], 0.05)[0]:
            data, ancillary, _, peer = s.recvmsg(2048, 64)
            ttl = next((struct.unpack("@i", d[:4])[0] for _, _, d in ancillary), 0)
            out.write("%s %s %d %s\n" % (peer[0], sockets[s], ttl, data.decode()))
        for word, joins, done in ((".leave", False, ".left"), (".join", True, ".joined")):
            if gone(path + word):
                for s, group in sockets.items():
                    change(s, group, joins)
                note(path + done)


def send(group, port, text, n=1, ttl=1):
    s = socket.socket(socket.AF_INET6 if is6(group) else socket.AF_INET, socket.SOCK_DGRAM)
    if is6(group):
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index())
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    else:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    for i in range(n):
        s.sendto(("%s" % text if n == 1 else "%s-%d" % (text, i)).encode(), (group, port))
        if i + 1 < n:
            time.sleep(0.01)  # the rate, not a wait


def raw(*frames):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("eth0", 0))
    for f in frames:
        s.send(bytes.fromhex(f))


if __name__ == "__main__":
    command, args = sys.argv[1], sys.argv[2:]
    if command == "send":
        send(args[0], int(args[1]), args[2], *(int(a) for a in args[3:]))
    elif command == "raw":
        raw(*args)
    else:
        listen(int(args[0]), args[1], *args[2:])
