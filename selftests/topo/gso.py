#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# The largest superpacket of TCP over IPv4 that an interface takes, bytes: IFLA_GSO_IPV4_MAX_SIZE (Linux 6.3),
# which iproute2 knows since 6.3 and Debian 12's does not.
#   gso.py INTERFACE          prints it; 0 = the kernel is older
#   gso.py INTERFACE BYTES    sets it
import os
import socket
import struct
import sys

NLMSG_ERROR, RTM_NEWLINK, RTM_GETLINK, NLM_F_REQUEST, NLM_F_ACK, IFLA_GSO_IPV4_MAX_SIZE = 2, 16, 18, 1, 4, 63


def ask(kind, flags, attributes=b""):
    """What is behind the header of the kernel's answer."""
    try:
        index = socket.if_nametoindex(sys.argv[1])
    except OSError:
        sys.exit(f"gso.py: {sys.argv[1]}: no such interface")
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0) + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as s:
        s.send(struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body)
        answer = s.recv(65536)
    kind, rest = struct.unpack_from("=H", answer, 4)[0], answer[16:]
    error = -struct.unpack_from("=i", rest)[0] if kind == NLMSG_ERROR else 0
    if error:
        sys.exit(f"gso.py: {' '.join(sys.argv[1:])}: {os.strerror(error)}")
    return rest


def attribute(rest, wanted):
    at = 16
    while at + 4 <= len(rest):
        size, kind = struct.unpack_from("=HH", rest, at)
        if kind == wanted:
            return struct.unpack_from("=I", rest, at + 4)[0]
        at += (size + 3) & ~3
    return 0


if len(sys.argv) == 3:
    ask(RTM_NEWLINK, NLM_F_ACK, struct.pack("=HHI", 8, IFLA_GSO_IPV4_MAX_SIZE, int(sys.argv[2])))
else:
    print(attribute(ask(RTM_GETLINK, 0), IFLA_GSO_IPV4_MAX_SIZE))
