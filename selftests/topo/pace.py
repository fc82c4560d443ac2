#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Rates and spacing of datagrams, as the receiver's kernel stamps them.
#   pace.py send ADDRESS PORT RATE BYTES SECONDS [TOS]   datagrams of BYTES, RATE bits a second
#       of frames (an Ethernet header each); prints "sent N"
#   pace.py receive PORT GAP_US SECONDS [FAMILY]    waits for a datagram, receives SECONDS from
#       a second later on, when what was saved up is used, and prints "rate BITS packets N even PERCENT burst N ce N": frames' bits a
#       second; gaps between half and one and a half of GAP_US; most packets within ten gaps;
#       marked by ECN
#   pace.py rtt ADDRESS PORT N TOS     N requests, one after the other, to `traffic.py echo`;
#       prints "rtt_us P50 P99 lost N"
import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35
IPV6_TCLASS, IPV6_RECVTCLASS = 67, 66


def datagrams(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def frame(payload, v6):
    return payload + 8 + (40 if v6 else 20) + 14


def set_tos(s, tos):
    if s.family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_TCLASS, tos)
    else:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)


def send(address, port, rate, size, seconds, tos="0"):
    s = datagrams(address)
    set_tos(s, int(tos))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    gap = frame(int(size), ":" in address) * 8 / float(rate)
    body, n, begin = bytes(int(size)), 0, time.monotonic()
    while True:
        now = time.monotonic() - begin
        if now > float(seconds):
            break
        while n * gap <= now:  # what is due, also after a pause
            try:
                s.sendto(body, (address, int(port)))
            except OSError:
                pass  # the interface's queue is full
            n += 1
        time.sleep(max(0, min(gap, n * gap - (time.monotonic() - begin))))
    print("sent", n)


def receive(port, gap_us, seconds, family="4"):
    v6 = family == "6"
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.setsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP, IPV6_RECVTCLASS if v6 else socket.IP_RECVTOS, 1)
    s.bind(("::" if v6 else "", int(port)))
    at, sizes, ce, begin = [], [], 0, None
    s.settimeout(20)
    while True:
        try:
            data, ancillary, _, _ = s.recvmsg(65536, 256)
        except socket.timeout:
            break
        s.settimeout(1)
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                sec, nsec = struct.unpack("qq", value[:16])
                stamp = sec * 1_000_000_000 + nsec
                begin = begin or stamp + 1_000_000_000
            elif level != socket.SOL_SOCKET:
                ce += value[0] & 3 == 3
        if stamp < begin:
            continue
        if at and stamp - at[0] > float(seconds) * 1e9:
            break
        at.append(stamp)
        sizes.append(frame(len(data), v6))
    if len(at) < 3:
        print(f"rate 0 packets {len(at)} even 0 burst 0 ce {ce}")
        return
    gap = float(gap_us) * 1000
    gaps = [b - a for a, b in zip(at, at[1:])]
    even = sum(0.5 * gap <= g <= 1.5 * gap for g in gaps) * 100 // len(gaps)
    burst, first = 0, 0
    for i, t in enumerate(at):
        while t - at[first] > 10 * gap:
            first += 1
        burst = max(burst, i - first + 1)
    rate = sum(sizes[1:]) * 8 * 1e9 / (at[-1] - at[0])
    print(f"rate {rate:.0f} packets {len(at)} even {even} burst {burst} ce {ce}")


def rtt(address, port, n, tos="0"):
    s = datagrams(address)
    set_tos(s, int(tos))
    s.settimeout(2)
    took, lost = [], 0
    for i in range(int(n)):
        begin = time.monotonic()
        s.sendto(b"%d" % i, (address, int(port)))
        try:
            s.recv(2048)
            took.append(time.monotonic() - begin)
        except socket.timeout:
            lost += 1
        time.sleep(0.005)
    took.sort()
    at = lambda part: int(took[min(len(took) - 1, int(len(took) * part))] * 1e6) if took else 0
    print("rtt_us", at(0.5), at(0.99), "lost", lost)


{"send": send, "receive": receive, "rtt": rtt}[sys.argv[1]](*sys.argv[2:])
