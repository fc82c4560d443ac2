#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# The machine's side of a tap: answers echo requests for ADDRESS.
#   tap.py INTERFACE ADDRESS
import fcntl
import os
import socket
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 0x0002, 0x1000, 0x4000
VNET = 10  # virtio_net_hdr in front of each frame


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", sys.argv[1].encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
is6 = ":" in sys.argv[2]
me = socket.inet_pton(socket.AF_INET6 if is6 else socket.AF_INET, sys.argv[2])
print("ready", flush=True)
while True:
    frame = os.read(tap, 4096)[VNET:]
    if is6:
        if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[38:54] == me and frame[54] == 128:
            addresses, rest = frame[38:54] + frame[22:38], frame[58:]
            pseudo = addresses + struct.pack("!II", 4 + len(rest), 58)
            icmp = struct.pack("!HH", 129 << 8, checksum(pseudo + b"\x81\0\0\0" + rest)) + rest
            os.write(tap, b"\0" * VNET + frame[6:12] + frame[0:6] + frame[12:22] + addresses + icmp)
        continue
    if frame[12:14] != b"\x08\x00" or frame[23] != 1 or frame[30:34] != me or frame[34] != 8:
        continue
    icmp = b"\x00\x00\x00\x00" + frame[38:]
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    answer = frame[6:12] + frame[0:6] + frame[12:26] + frame[30:34] + frame[26:30] + icmp
    os.write(tap, b"\0" * VNET + answer)
