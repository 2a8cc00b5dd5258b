"""Talks by UDP in the ways in which programs do, and prints what came back: a JSON array for each line.

python3 udp.py connected HOST PORT TEXT...     one connected socket, TEXT after TEXT: ["from host:port", "answer"] each
python3 udp.py unconnected HOST PORT TEXT...   one that is not connected
python3 udp.py mapped HOST PORT TEXT...        an IPv6 socket, to the IPv4 address of HOST
python3 udp.py several HOST PORT COUNT         so many sockets at once, each with a number of its own
python3 udp.py one HOST:PORT...                one socket to several destinations
python3 udp.py size HOST PORT BYTES            one datagram of so many bytes: ["from host:port", length of the answer]
python3 udp.py keep HOST PORT                  one socket: asks for each line of standard input

Where no answer comes it is ["", "the error's name"].
"""

import errno, json, socket, sys

WAIT_S = 3


def say(*words):
    print(json.dumps(words), flush=True)


def resolve(host, port, family=socket.AF_UNSPEC):
    return socket.getaddrinfo(host, int(port), family, socket.SOCK_DGRAM)[0]


def opened(family):
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.settimeout(WAIT_S)
    return one


def place(address):
    return f"{address[0]}:{address[1]}"


def answer(one, show=lambda data: data.decode()):
    try:
        data, sender = one.recvfrom(65536)
        say(place(sender), show(data))
    except TimeoutError:
        say("", "TIMEOUT")
    except OSError as error:
        say("", errno.errorcode[error.errno])


def ask(one, text, to=None):
    try:
        if to is None:
            one.send(text.encode())
        else:
            one.sendto(text.encode(), to)
    except OSError as error:
        return say("", errno.errorcode[error.errno])
    answer(one)


def connected(host, port, *texts):
    family, _, _, _, address = resolve(host, port)
    one = opened(family)
    one.connect(address)
    for text in texts:
        ask(one, text)


def unconnected(host, port, *texts):
    family, _, _, _, address = resolve(host, port)
    one = opened(family)
    for text in texts:
        ask(one, text, address)


def mapped(host, port, *texts):
    _, _, _, _, address = resolve(host, port, socket.AF_INET)
    one = opened(socket.AF_INET6)
    for text in texts:
        ask(one, text, (f"::ffff:{address[0]}", address[1]))


def several(host, port, count):
    family, _, _, _, address = resolve(host, port)
    all = [opened(family) for _ in range(int(count))]
    for number, one in enumerate(all):
        one.sendto(f"number {number}".encode(), address)
    for one in all:
        answer(one)


def one(*places):
    asking = opened(socket.AF_INET)
    for text in places:
        host, _, port = text.rpartition(":")
        ask(asking, text, resolve(host, port, socket.AF_INET)[4])


def size(host, port, length):
    family, _, _, _, address = resolve(host, port)
    asking = opened(family)
    asking.sendto(bytes(int(length)), address)
    answer(asking, len)


def keep(host, port):
    family, _, _, _, address = resolve(host, port)
    asking = opened(family)
    asking.connect(address)
    for line in sys.stdin:
        ask(asking, line.strip())


globals()[sys.argv[1]](*sys.argv[2:])
