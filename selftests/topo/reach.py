# SPDX-License-Identifier: Apache-2.0
"""Who reaches whom, by real packets: endpoints in network namespaces, each of which serves
TCP, UDP and SCTP ports and answers pings; probes of all pairs at a time.

SCTP is spoken by hand over raw sockets (INIT, INIT ACK; RFC 9260), as not every kernel
has it."""
import collections
import ctypes
import os
import resource
import selectors
import socket
import struct
import threading
import time

SERVED = (80, 81, 82)
IPPROTO_SCTP = 132
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}



class Pod:
    def __init__(self, name, netns, addresses):
        self.name, self.netns, self.addresses = name, netns, addresses  # addresses: {4: ..., 6: ...}


Probe = collections.namedtuple("Probe", "source target protocol port family")

_libc = ctypes.CDLL(None, use_errno=True)


def enter(netns):
    """This thread is in that namespace from now on; sockets stay in the one they were made in."""
    with open(f"/run/netns/{netns}") as f:
        if _libc.setns(f.fileno(), 0x40000000) != 0:  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), f"setns {netns}")


def sctp_chunk(source, target, tag, kind, body):
    chunk = struct.pack("!BBH", kind, 0, 4 + len(body)) + body
    return struct.pack("!HHII", source, target, tag, 0) + chunk


def sctp_init(source, target, tag):
    return sctp_chunk(source, target, 0, 1, struct.pack("!IIHHI", tag, 65535, 1, 1, 1))


def icmp_sum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_request(family, ident):
    head = struct.pack("!BBHHH", 8 if family == 4 else 128, 0, 0, ident, 1)
    if family == 6:
        return head  # the kernel fills in the sum
    return head[:2] + struct.pack("!H", icmp_sum(head)) + head[4:]


class Servers(threading.Thread):
    """Answers at every pod. Made in the main thread, which enters the namespaces."""

    def __init__(self, pods):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        for pod in pods:
            enter(pod.netns)
            for port in SERVED:
                for kind, serve in ((socket.SOCK_STREAM, self.accept), (socket.SOCK_DGRAM, self.answer)):
                    s = socket.socket(socket.AF_INET6, kind)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                    s.bind(("::", port))
                    if kind == socket.SOCK_STREAM:
                        s.listen(512)
                    self.serve(s, serve)
            for family in (4, 6):
                s = socket.socket(FAMILIES[family], socket.SOCK_RAW, IPPROTO_SCTP)
                self.serve(s, self.answer_init)

    def serve(self, s, how):
        s.setblocking(False)
        self.selector.register(s, selectors.EVENT_READ, how)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                try:
                    key.data(key.fileobj)
                except OSError:
                    pass  # a client that has gone

    @staticmethod
    def accept(s):
        c, _ = s.accept()
        c.sendall(b"!")
        c.close()

    @staticmethod
    def answer(s):
        _, who = s.recvfrom(64)
        s.sendto(b"!", who)

    @staticmethod
    def answer_init(s):
        data, who = s.recvfrom(2048)
        if s.family == socket.AF_INET:
            data = data[(data[0] & 15) * 4:]
        source, target, _, _, kind = struct.unpack("!HHIIB", data[:13])
        if kind == 1 and target in SERVED:
            tag, = struct.unpack("!I", data[16:20])
            s.sendto(sctp_chunk(target, source, tag, 2, struct.pack("!IIHHI", 7, 65535, 1, 1, 1)), (who[0], 0))


class Asking:
    """One probe under way."""

    ident = 0

    def __init__(self, probe):
        self.probe = probe
        self.address = probe.target.addresses[probe.family]
        self.family = FAMILIES[probe.family]
        Asking.ident = (Asking.ident + 1) % 20000
        self.number = 30000 + Asking.ident
        kind = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "sctp": (socket.SOCK_RAW, IPPROTO_SCTP),
                "icmp": (socket.SOCK_RAW, socket.IPPROTO_ICMP if probe.family == 4 else socket.IPPROTO_ICMPV6)}
        self.socket = socket.socket(self.family, *kind[probe.protocol])
        self.socket.setblocking(False)
        self.send()

    def send(self):
        try:
            if self.probe.protocol == "tcp":
                self.socket.connect_ex((self.address, self.probe.port))
            elif self.probe.protocol == "udp":
                self.socket.sendto(b"?", (self.address, self.probe.port))
            elif self.probe.protocol == "sctp":
                self.socket.sendto(sctp_init(self.number, self.probe.port, self.number), (self.address, 0))
            else:
                self.socket.sendto(echo_request(self.probe.family, self.number), (self.address, 0))
        except OSError:
            pass

    def again(self):
        if self.probe.protocol != "tcp":  # which repeats itself
            self.send()

    def heard(self):
        """Whether what came is the answer."""
        try:
            data = self.socket.recv(2048)
        except OSError:
            return False
        if self.probe.protocol in ("tcp", "udp"):
            return data == b"!"
        if self.probe.family == 4:
            data = data[(data[0] & 15) * 4:]
        if self.probe.protocol == "sctp":
            source, target, tag, _, kind = struct.unpack("!HHIIB", data[:13])
            return (source, target, tag, kind) == (self.probe.port, self.number, self.number, 2)
        kind, _, _, ident = struct.unpack("!BBHH", data[:6])
        return (kind, ident) == (0 if self.probe.family == 4 else 129, self.number)


def ask(probes, expected, patience=10.0, silence=0.4):
    """The probes that were answered. Those of `expected` get `patience` seconds, the others
    `silence`, and as long as any of the former is out."""
    selector = selectors.DefaultSelector()
    by_source = collections.defaultdict(list)
    for p in probes:
        by_source[p.source.netns].append(p)
    for netns, some in by_source.items():
        enter(netns)
        for p in some:
            a = Asking(p)
            selector.register(a.socket, selectors.EVENT_READ, a)
    answered, begun, sent = set(), time.monotonic(), time.monotonic()
    while True:
        now = time.monotonic()
        missing = expected - answered
        if (not missing and now - begun > silence) or now - begun > patience:
            break
        for key, _ in selector.select(0.05):
            if key.data.heard():
                answered.add(key.data.probe)
                selector.unregister(key.fileobj)
            elif key.data.probe.protocol == "tcp":
                selector.unregister(key.fileobj)  # refused
        if missing and now - sent > 0.5:
            sent = now
            for key in list(selector.get_map().values()):
                if key.data.probe in missing:
                    key.data.again()
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    return answered


def setup():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
