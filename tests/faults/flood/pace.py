"""Requests at a fixed rate, of alice and of anyone, each kind on some kept connections: how long each takes from when it was due.

pace.py HOST SECONDS
"""
import json, socket, sys, threading, time

host, seconds = sys.argv[1], float(sys.argv[2])
CONNECTIONS = 4
INTERVAL = 0.08


def ask(connection, field):
    """Which server answers."""
    connection.sendall(f"GET / HTTP/1.1\r\nHost: echo\r\n{field}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += more(connection)
    head, body = answer.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += more(connection)
    return json.loads(body)["pod"]


def more(connection):
    got = connection.recv(65536)
    if not got:
        raise OSError("ended")
    return got


def pace(field, found):
    connection, begun = None, time.monotonic()
    for i in range(int(seconds / INTERVAL)):
        due = begun + i * INTERVAL
        time.sleep(max(0, due - time.monotonic()))
        try:
            connection = connection or socket.create_connection((host, 80), 20)
            pod = ask(connection, field)
            found["by"][pod] = found["by"].get(pod, 0) + 1
        except OSError as error:
            connection = None
            found["failed"].append(str(error))
        found["ms"].append(1000 * (time.monotonic() - due))


kinds = {"alice": "X-User: alice\r\n", "others": ""}
found = {kind: {"by": {}, "failed": [], "ms": []} for kind in kinds}
threads = [
    threading.Thread(target=pace, args=(field, found[kind])) for kind, field in kinds.items() for _ in range(CONNECTIONS)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for one in found.values():
    ms = sorted(one.pop("ms"))
    one["p50"], one["p99"] = (round(ms[int(part * len(ms))], 1) for part in (0.5, 0.99))
print(json.dumps(found))
