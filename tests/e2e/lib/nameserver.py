"""A nameserver that prints what it is asked, a line NAME TYPE each, once it has printed "ready".

python3 nameserver.py ADDRESS NAME=IPV4...   where NAME is a name, or "*" for all others; without ADDRESS's answers it is silent
"""

import socket, sys

address, *rows = sys.argv[1:]
known = dict(row.split("=") for row in rows)
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as serving:
    serving.bind(socket.getaddrinfo(address, 53, family, socket.SOCK_DGRAM)[0][4])
    print("ready", flush=True)
    while True:
        query, client = serving.recvfrom(4096)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = int.from_bytes(query[at + 1 : at + 3], "big")
        name = ".".join(labels).lower()
        print(name, kind, flush=True)
        if not known:
            continue
        found = known.get(name, known.get("*"))
        answers = found is not None and kind == 1
        flags = b"\x81\x80" if found is not None else b"\x81\x83"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(found) if answers else b""
        head = query[:2] + flags + b"\0\1" + (b"\0\1" if answers else b"\0\0") + b"\0\0\0\0"
        serving.sendto(head + query[12 : at + 5] + record, client)
