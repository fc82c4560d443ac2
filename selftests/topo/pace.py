#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Rates and spacing of datagrams, as the receiver's kernel stamps them.
#   pace.py send ADDRESS PORT RATE BYTES SECONDS [TOS [PACE [SEGMENTS]]]   datagrams of BYTES, RATE
#       bits a second of frames (an Ethernet header each); PACE: bytes a second that fq is to keep
#       the socket to; SEGMENTS: so many at once, as one superpacket; prints "sent N"
#   pace.py receive PORT GAP_US SECONDS [FAMILY]    waits for a datagram, receives SECONDS from
#       a second later on, when what was saved up is used, and prints "rate BITS packets N even
#       PERCENT burst N ce N p50 US p99 US": frames' bits a second; gaps between half and one and
#       a half of GAP_US; most packets within ten gaps; marked by ECN; how far gaps are from GAP_US
#   pace.py timer GAP_US SECONDS       how late a bare timer is that is to go off every GAP_US;
#       prints "late_us P50 P99 MOST"
#   pace.py rtt ADDRESS PORT N TOS     N requests, one after the other, to `traffic.py echo`;
#       prints "rtt_us P50 P99 lost N"
import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35
SO_MAX_PACING_RATE = 47
UDP_SEGMENT = 103
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


def part(values, of):
    """That part of sorted values is no larger."""
    return values[min(len(values) - 1, int(len(values) * of))]


def send(address, port, rate, size, seconds, tos="0", pace="0", segments="1"):
    s = datagrams(address)
    set_tos(s, int(tos))
    if int(pace):
        s.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, int(pace))
    at_once = int(segments)
    if at_once > 1:
        s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, int(size))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    gap = frame(int(size), ":" in address) * 8 * at_once / float(rate)
    body, n, begin = bytes(int(size) * at_once), 0, time.monotonic()
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
    print("sent", n * at_once)


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
        print(f"rate 0 packets {len(at)} even 0 burst 0 ce {ce} p50 0 p99 0")
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
    off = sorted(abs(g - gap) / 1000 for g in gaps)
    print(f"rate {rate:.0f} packets {len(at)} even {even} burst {burst} ce {ce} p50 {part(off, 0.5):.0f} p99 {part(off, 0.99):.0f}")


def timer(gap_us, seconds):
    gap, begin, late = float(gap_us) / 1e6, time.monotonic(), []
    for i in range(1, int(float(seconds) / gap)):
        time.sleep(max(0, begin + i * gap - time.monotonic()))
        late.append((time.monotonic() - begin - i * gap) * 1e6)
    late.sort()
    print(f"late_us {part(late, 0.5):.1f} {part(late, 0.99):.1f} {late[-1]:.1f}")


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
    took = took or [0]
    print("rtt_us", int(part(took, 0.5) * 1e6), int(part(took, 0.99) * 1e6), "lost", lost)


{"send": send, "receive": receive, "timer": timer, "rtt": rtt}[sys.argv[1]](*sys.argv[2:])
