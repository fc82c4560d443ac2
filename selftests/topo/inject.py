#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Frames nobody sends as a rule, for the topology tests.
#   inject.py spoof-ip IF SRC DST      UDP with a forged source address
#   inject.py spoof-mac IF SRC DST     ... a forged source MAC
#   inject.py spoof-arp IF SPA         ARP request that claims SPA
#   inject.py spoof-nd IF SRC TYPE     neighbour discovery from SRC
#   inject.py paged IF SRC DST PROTOCOL   a long udp datagram, or tcp segment, to port 9, as it should be; of
#       its headers the kernel has nothing but Ethernet's in one piece
#   inject.py tunnel DST VNI INNERDST SENDER ORIGIN TAG [LABEL]   UDP datagram to port
#       6081 that carries a tenant's packet, with our option
# Sends three of them.
import fcntl
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def ip6(src, dst, protocol, hops, payload):
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + packed(src) + packed(dst) + payload


def ip_l4(src, dst, protocol, l4, check):
    """Ether type and packet; `check`: where the checksum of `l4` stands."""
    pseudo = packed(src) + packed(dst) + struct.pack("!II", len(l4), protocol)
    l4 = l4[:check] + struct.pack("!H", checksum(pseudo + l4 + b"\0" * (len(l4) % 2)) or 0xFFFF) + l4[check + 2:]
    if ":" in src:
        return b"\x86\xdd" + ip6(src, dst, protocol, 64, l4)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(l4), 0, 0, 64, protocol, 0, packed(src), packed(dst))
    return b"\x08\x00" + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + l4


def ip_udp(src, dst, payload):
    return ip_l4(src, dst, 17, struct.pack("!HHHH", 1000, 9, 8 + len(payload), 0) + payload, 6)


def ip_tcp(src, dst, payload):
    """A SYN."""
    return ip_l4(src, dst, 6, struct.pack("!HHIIBBHHH", 1000, 9, 1, 0, 5 << 4, 2, 1000, 0, 0) + payload, 16)


def neighbour(src, kind):
    body = struct.pack("!BBHI", int(kind), 0, 0, 0) + packed("fd00:10:1::9")
    pseudo = packed(src) + packed("ff02::1") + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return b"\x86\xdd" + ip6(src, "ff02::1", 58, 255, body)


def raw_socket(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((interface, 0))
    mac = fcntl.ioctl(s, 0x8927, struct.pack("256s", interface.encode()))[18:24]
    return s, mac


GATEWAY = bytes.fromhex("024d5a000001")


def frame(kind, interface, *args):
    s, mac = raw_socket(interface)
    if kind == "spoof-ip":
        data = GATEWAY + mac + ip_udp(args[0], args[1], b"spoof")
    elif kind == "paged":
        data = GATEWAY + mac + {"udp": ip_udp, "tcp": ip_tcp}[args[2]](args[0], args[1], bytes(7000))
    elif kind == "spoof-mac":
        data = GATEWAY + b"\x02\x00\x00\x00\x66\x66" + ip_udp(args[0], args[1], b"spoof")
    elif kind == "spoof-nd":
        data = bytes.fromhex("333300000001") + mac + neighbour(*args)
    else:
        data = (b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac +
                socket.inet_aton(args[0]) + b"\x00" * 6 + socket.inet_aton("10.0.1.6"))
    head = b""
    if kind == "paged":  # what stands in pages begins behind the length that a virtio-net header says
        s.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR of <linux/if_packet.h>
        head = struct.pack("=BBHHHH", 0, 0, 14, 0, 0, 0)
    for _ in range(3):
        s.send(head + data)


def tunnel(dst, vni, inner_dst, sender, origin, tag, label=0):
    geneve = struct.pack("!BBHI", 4, 0, 0x6558, int(vni) << 8)
    option = struct.pack("!HBBIII", 0xFF4D, 1, 3, int(label), int(origin), int(sender))
    source = "fd00:10:1::77" if ":" in inner_dst else "10.0.1.77"
    inner = GATEWAY + b"\x02\x00\x00\x00\x00\x99" + ip_udp(source, inner_dst, tag.encode())
    s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(3):
        s.sendto(geneve + option + inner, (dst, 6081))


if sys.argv[1] == "tunnel":
    tunnel(*sys.argv[2:])
else:
    frame(*sys.argv[1:])
