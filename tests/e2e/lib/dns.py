"""Asks a nameserver by UDP, once for each NAME/TYPE given, and prints each whole answer as hexadecimal digits.

python3 dns.py SERVER SECONDS NAME/TYPE...   where SECONDS is how long each answer is waited for
"""

import socket, sys

types = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "HTTPS": 65,
    "ANY": 255,
}
server, seconds, *questions = sys.argv[1:]
for number, question in enumerate(questions, 1):
    name, _, kind = question.partition("/")
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = number.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0" + bytes([types[kind], 0, 1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(float(seconds))
        asking.sendto(query, (server, 53))
        answer, (address, _) = asking.recvfrom(4096)
        print(question, address, answer.hex())
