#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Traffic that counts itself, for the topology tests.
#   traffic.py echo NAME PORT                UDP and TCP: answers with NAME
#   traffic.py ask ADDRESS PORT              who answers there? prints the name
#   traffic.py flow ADDRESS PORT PPS FILE    UDP requests with numbers until
#       FILE disappears; prints "sent N answered N longest_gap_ms N"
#   traffic.py count PORT FILE               receives one-way datagrams until
#       FILE disappears; prints how many
#   traffic.py send ADDRESS PORT N           sends N datagrams, 200 a second
import os
import select
import socket
import struct
import sys
import time


def echo(name, port):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("", port))
    while True:
        data, peer = udp.recvfrom(2048)
        udp.sendto(data[:8] + name.encode(), peer)


def ask(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.3)
    for number in range(5):
        try:
            s.sendto(struct.pack("!q", number), (address, port))
            print(s.recv(64)[8:].decode())
            return
        except OSError:
            pass
    print("nobody")


def flow(address, port, pps, run_file):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
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
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    s.settimeout(0.1)
    n = 0
    while os.path.exists(run_file):
        try:
            s.recv(2048)
            n += 1
        except OSError:
            pass
    print(n)


def send(address, port, n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    start = time.monotonic()
    for i in range(n):
        s.sendto(struct.pack("!q", i), (address, port))
        while time.monotonic() < start + (i + 1) / 200:
            select.select([], [], [], 0.001)


if __name__ == "__main__":
    command, args = sys.argv[1], sys.argv[2:]
    convert = {"echo": (str, int), "ask": (str, int), "flow": (str, int, float, str),
               "count": (int, str), "send": (str, int, int)}[command]
    globals()[command](*(f(a) for f, a in zip(convert, args)))
