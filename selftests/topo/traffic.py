#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Traffic that counts itself, for the topology tests.
#   traffic.py echo NAME PORT [ADDRESS]      UDP: answers with NAME; -: with who asks,
#       "ADDRESS PORT"; at one address, or at all
#   traffic.py ask ADDRESS PORT [NAME [FROM]]  who answers there? prints the name;
#       requests carry NAME, and come from the port FROM
#   traffic.py flow ADDRESS PORT PPS FILE    UDP requests with numbers until
#       FILE disappears; prints "sent N answered N longest_gap_ms N"
#   traffic.py begin ADDRESS PORT FILE       UDP requests, 200 a second at most, each a flow
#       of its own, until FILE disappears; prints "began N answered N"
#   traffic.py count PORT FILE               receives one-way datagrams until
#       FILE disappears; prints "received N longest_gap_ms N"
#   traffic.py send ADDRESS PORT FILE        sends datagrams, 200 a second, until
#       FILE disappears; prints "sent N"
#   traffic.py take PORT                     TCP, one connection: reads to its end
#       and answers with length and digest
#   traffic.py give ADDRESS PORT FILE [WRITE]  sends over one TCP connection, WRITE bytes at once, until
#       FILE disappears (a number instead of FILE: that many bytes); prints
#       "whole N longest_stall_ms N" when what arrived is what was sent
#   traffic.py name NAME PORT [FILE]         TCP: answers each line with NAME (as echo), an HTTP
#       request for /BYTES with that many bytes, any other one with NAME; as long as FILE
#       is there, with status 503
#   traffic.py spread ADDRESS PORT N [FROM]  N connections, one after the other; prints
#       who answered, a line each: "NAME COUNT", or of those from the ports FROM on
#       "PORT NAME"
#   traffic.py talk ADDRESS PORT FILE        a line every 20 ms over one connection
#       until FILE disappears; FILE.who is who answers, FILE.heard has a byte for every
#       answer; prints "steady NAME longest_gap_ms N", or how it ended:
#       "reset NAME", "silent NAME", "changed NAME"
#   traffic.py listen ADDRESS PORT FILE      as talk, but says one line and then only
#       listens; prints how it ended
#   traffic.py refused ADDRESS PORT tcp|udp  prints "refused after_ms N", or what else
#   traffic.py digest BYTES                  of what `name` sends for /BYTES
import collections
import hashlib
import os
import select
import socket
import socketserver
import struct
import sys
import time


IPV6_RECVERR = 25  # <linux/in6.h>
SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>


def datagrams(address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    # What a busy machine is late to read is not lost.
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    return s


def bound(port, address=""):
    """Receives both families, or at one address."""
    if address:
        s = datagrams(address)
        s.bind((address, port))
        return s
    s = datagrams("::")
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    return s


def called(name, peer):
    return "%s %d" % (peer[0].replace("::ffff:", ""), peer[1]) if name == "-" else name


def echo(name, port, address=""):
    udp = bound(port, address)
    while True:
        data, peer = udp.recvfrom(2048)
        udp.sendto(data[:8] + called(name, peer).encode(), peer)


def ask(address, port, name="", source=0):
    s = datagrams(address)
    if source:
        s.bind(("", source))
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
    sent, answered, gap = 0, set(), 0.0  # by their numbers: one that came twice makes up for none
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
                number = s.recv(64)[:8]
            except BlockingIOError:
                break
            except OSError:
                continue
            now = time.monotonic()
            gap = max(gap, now - last)
            last = now
            answered.add(number)
    print("sent %d answered %d longest_gap_ms %d" % (sent, len(answered), gap * 1000))


def begin(address, port, run_file):
    waiting, answered, n = collections.deque(), 0, 0
    pause = 0.005 * int(os.environ.get("PATIENCE", "1"))  # emulation has other things to do
    due = time.monotonic()

    def hear(s):
        try:
            return len(s.recv(64)) != 0
        except OSError:
            return False

    while os.path.exists(run_file):
        s = datagrams(address)
        s.setblocking(False)
        s.sendto(struct.pack("!q", n), (address, port))
        waiting.append(s)
        n += 1
        if len(waiting) > 400:  # two seconds
            answered += hear(waiting.popleft())
        due = max(due + pause, time.monotonic())  # after a stall no burst, which the echo could not take
        while time.monotonic() < due:
            select.select([], [], [], 0.001)
    select.select([], [], [], 1)
    print("began %d answered %d" % (n, answered + sum(hear(s) for s in waiting)))


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


# A little at a time with a short send buffer: a stall of the path is one here. Else much, with all the buffer there is.
def give(address, port, until, write=4096):
    s = socket.create_connection((address, port), timeout=5)
    if write == 4096:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    enough = int(until) if until.isdigit() else None
    n, digest, stall, last = 0, hashlib.sha256(), 0.0, time.monotonic()
    while n < enough if enough else os.path.exists(until):
        data = struct.pack("!q", n) * (write // 8)
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


def pattern(length):
    return b"".join(struct.pack("!q", i) for i in range(length // 8 + 1))[:length]


def name(own, port, sick=""):
    class Talk(socketserver.StreamRequestHandler):
        def handle(self):
            me = called(own, self.client_address).encode() + b"\n"
            for line in self.rfile:
                if not line.startswith(b"GET /"):
                    self.wfile.write(me)
                    continue
                what = line.split()[1][1:]
                body = pattern(int(what)) if what.isdigit() else me
                status = b"503 Not Now" if sick and os.path.exists(sick) else b"200 OK"
                self.wfile.write(b"HTTP/1.0 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
                return

    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6
        allow_reuse_address = daemon_threads = True
        request_queue_size = 128

    with Server(("::", port), Talk) as server:
        server.serve_forever()


def streams(address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(2)
    return s


# Closed by a reset: the same port can be used again at once.
def spread(address, port, n, first=0):
    seen = collections.Counter()
    for i in range(n):
        s = streams(address)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            if first:
                s.bind(("", first + i))
            s.connect((address, port))
            s.sendall(b"who\n")
            who = s.recv(64).decode().strip() or "closed"
        except OSError as e:
            who = type(e).__name__
        s.close()
        if first:
            print(first + i, who)
        seen[who] += 1
    if not first:
        for who, count in sorted(seen.items()):
            print(who, count)


def talk(address, port, run_file):
    s = streams(address)
    s.connect((address, port))
    s.settimeout(20)
    who, gap = "", 0.0
    last = time.monotonic()
    heard = open(run_file + ".heard", "wb", buffering=0)
    try:
        while os.path.exists(run_file):
            s.sendall(b"who\n")
            answer = s.recv(64).decode().strip()
            now = time.monotonic()
            gap = max(gap, now - last)
            last = now
            heard.write(b".")
            if not who:
                who = answer
                open(run_file + ".who", "w").write(who)
            if answer != who:
                print("changed" if answer else "closed", who)
                return
            select.select([], [], [], 0.02)
    except ConnectionError:
        print("reset", who)
    except OSError:
        print("silent", who)
    else:
        print("steady %s longest_gap_ms %d" % (who, gap * 1000))


def listen(address, port, run_file):
    s = streams(address)
    s.connect((address, port))
    s.sendall(b"who\n")
    who = s.recv(64).decode().strip()
    open(run_file + ".who", "w").write(who)
    s.settimeout(20)
    try:
        print("said" if s.recv(64) else "closed", who)
    except ConnectionError:
        print("reset", who)
    except OSError:
        print("silent", who)


def refused(address, port, protocol):
    s = streams(address) if protocol == "tcp" else datagrams(address)
    s.settimeout(2)
    # The lab is one kernel: an ICMP error can be back before connect() returns, and a
    # socket whose owner is in a call takes none, but for this queue of them (which one of
    # IPv4 has unasked). Over a cable it comes later.
    if s.family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    start = time.monotonic()
    try:
        s.connect((address, port))
        s.send(b"x")
        s.recv(64)
        print("answered")
    except ConnectionRefusedError:
        print("refused after_ms %d" % ((time.monotonic() - start) * 1000))
    except OSError as e:
        print(type(e).__name__)


def digest(length):
    print(hashlib.sha256(pattern(length)).hexdigest())


if __name__ == "__main__":
    command, args = sys.argv[1], sys.argv[2:]
    convert = {"echo": (str, int, str), "ask": (str, int, str, int), "flow": (str, int, float, str),
               "begin": (str, int, str), "count": (int, str), "send": (str, int, str), "take": (int,), "give": (str, int, str, int),
               "name": (str, int, str), "spread": (str, int, int, int), "talk": (str, int, str), "listen": (str, int, str),
               "refused": (str, int, str), "digest": (int,)}[command]
    globals()[command](*(f(a) for f, a in zip(convert, args)))
