"""Connects as a program of a test says it, and says how that went: one JSON object in, one out.

what    "many": COUNT connections, all open at once; on each the server's first line is read, then a line is sent and
        has to come back. "bulk": BYTES random bytes to a server that sends back what it gets after its first line.
        "once": one connection, without a byte. "names": COUNT lookups of the host, a dozen at a time; how long the
        slowest took.
to      host and port; "mapped": whether the address is to be dialled as ::ffff:A.B.C.D
through "http://127.0.0.1:1080" or "socks5h://127.0.0.1:1080", or nothing
"""

import asyncio, collections, concurrent.futures, hashlib, json, os, socket, sys, time


async def exactly(reader, count):
    return await asyncio.wait_for(reader.readexactly(count), 30)


async def connect(order):
    host, port = order["to"]
    through = order.get("through")
    if not through:
        if order.get("mapped"):
            return await asyncio.open_connection("::ffff:" + host, port, family=socket.AF_INET6)
        return await asyncio.open_connection(host, port)
    scheme, _, proxy = through.partition("://")
    reader, writer = await asyncio.open_connection(*proxy.split(":"))
    if scheme == "http":
        writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        if head.split()[1] != b"200":
            raise ConnectionError(head.split(b"\r\n")[0].decode())
    else:
        writer.write(b"\5\1\0")
        await exactly(reader, 2)
        writer.write(b"\5\1\0\3" + bytes([len(host)]) + host.encode() + port.to_bytes(2, "big"))
        reply = await exactly(reader, 10)
        if reply[1]:
            raise ConnectionError(f"SOCKS reply {reply[1]}")
    return reader, writer


async def one_of_many(order, number, all_open):
    try:
        reader, writer = await connect(order)
        first = await asyncio.wait_for(reader.readline(), 30)
    finally:
        await all_open()
    line = b"line %d\n" % number
    writer.write(line)
    back = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    if back != line:
        raise ConnectionError(f"{line} came back as {back}")
    return first.decode().strip()


async def many(order):
    count, arrived, everyone = order["count"], 0, asyncio.Event()

    async def all_open():
        nonlocal arrived
        arrived += 1
        if arrived == count:
            everyone.set()
        await everyone.wait()

    results = await asyncio.gather(*(one_of_many(order, i, all_open) for i in range(count)), return_exceptions=True)
    failed = [repr(result) for result in results if isinstance(result, BaseException)]
    firsts = collections.Counter(result for result in results if isinstance(result, str))
    return {"answered": sum(firsts.values()), "firsts": firsts, "failed": sorted(set(failed))[:5]}


async def bulk(order):
    reader, writer = await connect(order)
    first = await asyncio.wait_for(reader.readline(), 30)
    sent, received, left, got = hashlib.sha256(), hashlib.sha256(), order["bytes"], 0

    async def send():
        nonlocal left
        while left:
            block = os.urandom(min(left, 1 << 18))
            sent.update(block)
            writer.write(block)
            left -= len(block)
            await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    while block := await reader.read(1 << 18):
        received.update(block)
        got += len(block)
    await sending
    writer.close()
    return {"first": first.decode().strip(), "bytes": got, "same": sent.digest() == received.digest()}


async def once(order):
    _, writer = await connect(order)
    peer = writer.get_extra_info("peername")
    writer.close()
    return {"peer": peer}


async def names(order):
    host, port = order["to"]

    def lookup(_):
        begun = time.monotonic()
        addresses = {found[4][0] for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        return time.monotonic() - begun, addresses

    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        took, addresses = zip(*threads.map(lookup, range(order["count"])))
    return {"addresses": sorted(set().union(*addresses)), "slowest": max(took) * 1000}


async def main(order):
    begun = time.monotonic()
    try:
        result = await {"many": many, "bulk": bulk, "once": once, "names": names}[order["what"]](order)
    except (OSError, EOFError, asyncio.TimeoutError) as error:
        result = {"error": str(error) or repr(error), "errno": getattr(error, "errno", None)}
    print(json.dumps({**result, "ms": (time.monotonic() - begun) * 1000}))


asyncio.run(main(json.loads(sys.argv[1])))
