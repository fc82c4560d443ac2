#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A DNS server that knows one thing: resolver.py ADDRESS.

Every name has the address 192.0.2.80; names that begin with "big" have sixty,
over TCP alone: over UDP they are cut (TC)."""
import socket
import socketserver
import struct
import sys
import threading


def answer(query, tcp):
    end = 12
    while query[end]:
        end += 1 + query[end]
    question = query[12:end + 5]
    big = query[13:16].lower() == b"big"
    cut = big and not tcp
    count = 0 if cut else 60 if big else 1
    flags = 0x8180 | (0x0200 if cut else 0)
    records = b"".join(
        struct.pack("!HHHIHBBBB", 0xC00C, 1, 1, 60, 4, 192, 0, 2, 80 + i) for i in range(count))
    return query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + records


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(answer(data, False), self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(2)) == 2:
            reply = answer(self.rfile.read(struct.unpack("!H", head)[0]), True)
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


class TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    address_family = socket.AF_INET


udp = socketserver.ThreadingUDPServer((sys.argv[1], 53), Udp)
threading.Thread(target=udp.serve_forever, daemon=True).start()
TcpServer((sys.argv[1], 53), Tcp).serve_forever()
