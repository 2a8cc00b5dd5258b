"""Asks a nameserver by UDP through a SOCKS5 proxy: socks_dns.py HOST:PORT SERVER NAME. Prints who answered, and the addresses."""
import json
import socket
import struct
import sys

import socks

proxy, server, name = sys.argv[1:]
host, port = proxy.split(":")
labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
query = struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)

asking = socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)
asking.set_proxy(socks.SOCKS5, host, int(port), rdns=True)
asking.settimeout(2)
for attempt in range(5):
    asking.sendto(query, (server, 53))
    try:
        answer, sender = asking.recvfrom(4096)
        break
    except socket.timeout:
        if attempt == 4:
            raise
number, flags, questions, answers = struct.unpack("!HHHH", answer[:8])
assert number == 4711 and flags & 0x8000, answer
at = len(query)
addresses = []
for _ in range(answers):
    at += 2 if answer[at] >= 0xC0 else answer.index(b"\0", at) - at + 1
    kind, _, _, length = struct.unpack("!HHIH", answer[at:at + 10])
    at += 10
    if kind == 1:
        addresses.append(socket.inet_ntoa(answer[at:at + length]))
    at += length
print(json.dumps({"from": sender, "addresses": addresses}))
