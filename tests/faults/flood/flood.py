"""Connections that ask and read nothing, or never finish asking. Those that break are made again, two a second: what is
tried is what they hold, not how much they can send. Runs until it is killed.

flood.py HOST KIND=COUNT...
"""
import json, select, socket, sys, time

host = sys.argv[1]
ask = "%s %s HTTP/1.1\r\nHost: echo\r\n%s\r\n"
kinds = {
    # Answers that nobody reads.
    "alice": ask % ("GET", "/bytes?n=16777216", "X-User: alice\r\n"),
    "others": ask % ("GET", "/bytes?n=16777216", ""),
    # Requests that go to bob, with as much of a body as is taken.
    "bob": ask % ("PUT", "/sink", "X-User: bob\r\nContent-Length: 16777216\r\n") + 1048576 * "x",
    # Heads that never end.
    "heads": "GET / HTTP/1.1\r\nHost: echo\r\nX-Filler: " + 20000 * "x",
}
wanted = [(kind, int(count)) for kind, count in (word.split("=") for word in sys.argv[2:])]
poll = select.poll()
opened, broken, waiting = {}, dict.fromkeys(kinds, 0), [kind for kind, count in wanted for _ in range(count)]


def begin(kind):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.settimeout(5)
    one.connect((host, 80))
    one.setblocking(False)
    try:
        one.send(kinds[kind].encode())
    except BlockingIOError:
        pass
    poll.register(one, 0)  # its end and its errors are told all the same
    opened[one.fileno()] = (one, kind)


for begun in range(sys.maxsize):
    for kind in [waiting.pop() for _ in range(len(waiting) if begun == 0 else min(1, len(waiting)))]:
        try:
            begin(kind)
        except OSError:
            waiting.append(kind)
    end = time.monotonic() + 0.5
    while (left := end - time.monotonic()) > 0:
        for fd, _ in poll.poll(1000 * left):
            one, kind = opened.pop(fd)
            poll.unregister(fd)
            one.close()
            broken[kind] += 1
            waiting.append(kind)
    print(json.dumps({"open": len(opened), "broken": broken}), flush=True)
