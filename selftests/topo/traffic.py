#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Traffic that counts itself, for the topology tests.
#   traffic.py echo NAME PORT                UDP: answers with NAME
#   traffic.py ask ADDRESS PORT [NAME]       who answers there? prints the name;
#       requests carry NAME
#   traffic.py flow ADDRESS PORT PPS FILE    UDP requests with numbers until
#       FILE disappears; prints "sent N answered N longest_gap_ms N"
#   traffic.py count PORT FILE               receives one-way datagrams until
#       FILE disappears; prints "received N longest_gap_ms N"
#   traffic.py send ADDRESS PORT FILE        sends datagrams, 200 a second, until
#       FILE disappears; prints "sent N"
#   traffic.py take PORT                     TCP, one connection: reads to its end
#       and answers with length and digest
#   traffic.py give ADDRESS PORT FILE        sends over one TCP connection until
#       FILE disappears (a number instead of FILE: that many bytes); prints
#       "whole N longest_stall_ms N" when what arrived is what was sent
import hashlib
import os
import select
import socket
import struct
import sys
import time


def datagrams(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def bound(port):
    """Receives both families."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    return s


def echo(name, port):
    udp = bound(port)
    while True:
        data, peer = udp.recvfrom(2048)
        udp.sendto(data[:8] + name.encode(), peer)


def ask(address, port, name=""):
    s = datagrams(address)
    s.settimeout(0.3)
    for number in range(5):
        try:
            s.sendto(struct.pack("!q", number) + name.encode(), (address, port))
            print(s.recv(64)[8:].decode())
            return
        except OSError:
            pass
    print("nobody")


def flow(address, port, pps, run_file):
    s = datagrams(address)
    s.connect((address, port))
    s.setblocking(False)
    sent, answered, gap = 0, 0, 0.0
    last = start = time.monotonic()
    end = None
    while end is None or time.monotonic() < end:
        now = time.monotonic()
        if end is None and not os.path.exists(run_file):
            end = now + 0.5  # what is under way still counts
        if end is None and now >= start + sent / pps:
            try:
                s.send(struct.pack("!q", sent))
            except OSError:
                pass
            sent += 1
        wait = 0.01 if end else max(0.0, start + sent / pps - now)
        ready, _, _ = select.select([s], [], [], wait)
        while ready:
            try:
                s.recv(64)
            except BlockingIOError:
                break
            except OSError:
                continue
            now = time.monotonic()
            gap = max(gap, now - last)
            last = now
            answered += 1
    print("sent %d answered %d longest_gap_ms %d" % (sent, answered, gap * 1000))


def count(port, run_file):
    s = bound(port)
    s.settimeout(0.1)
    n, gap, last = 0, 0.0, None
    while os.path.exists(run_file):
        try:
            s.recv(2048)
        except OSError:
            continue
        now = time.monotonic()
        gap = max(gap, now - last if last else 0.0)
        last = now
        n += 1
    print("received %d longest_gap_ms %d" % (n, gap * 1000))


def send(address, port, run_file):
    s = datagrams(address)
    start = time.monotonic()
    n = 0
    while os.path.exists(run_file):
        s.sendto(struct.pack("!q", n), (address, port))
        n += 1
        while time.monotonic() < start + n / 200:
            select.select([], [], [], 0.001)
    print("sent %d" % n)


def report(length, digest):
    return b"%d %s\n" % (length, digest.hexdigest().encode())


def take(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    s, _ = listener.accept()
    n, digest = 0, hashlib.sha256()
    while data := s.recv(1 << 16):
        n += len(data)
        digest.update(data)
    s.sendall(report(n, digest))


# A little at a time with a short send buffer: a stall of the path is one here.
def give(address, port, until):
    s = socket.create_connection((address, port), timeout=5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    enough = int(until) if until.isdigit() else None
    n, digest, stall, last = 0, hashlib.sha256(), 0.0, time.monotonic()
    while n < enough if enough else os.path.exists(until):
        data = struct.pack("!q", n) * 512
        s.sendall(data)
        n += len(data)
        digest.update(data)
        now = time.monotonic()
        stall = max(stall, now - last)
        last = now
    s.shutdown(socket.SHUT_WR)
    answer = b""
    while data := s.recv(256):
        answer += data
    whole = answer == report(n, digest)
    print("%s %d longest_stall_ms %d" % ("whole" if whole else "broken", n, stall * 1000))


if __name__ == "__main__":
    command, args = sys.argv[1], sys.argv[2:]
    convert = {"echo": (str, int), "ask": (str, int, str), "flow": (str, int, float, str),
               "count": (int, str), "send": (str, int, str), "take": (int,), "give": (str, int, str)}[command]
    globals()[command](*(f(a) for f, a in zip(convert, args)))
