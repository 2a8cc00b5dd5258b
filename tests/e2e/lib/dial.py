"""Connects as a program of a test says it, and says how that went: one JSON object in, one out.

what    "many": COUNT connections, all open at once; on each the server's first line is read, then a line is sent and
        has to come back. "bulk": BYTES random bytes to a server that sends back what it gets after its first line.
        "mix": COUNT at a time, for SECONDS: each sends up to 32 MiB in blocks of any size, with pauses, and half-closes.
        "short": COUNT connections, 50 at a time: each reads the server's first line and closes, as the first to do so.
        "once": one connection, without a byte. "names": COUNT lookups of the host, a dozen at a time; how long the
        slowest took.
to      host and port; "mapped": whether the address is to be dialled as ::ffff:A.B.C.D
through "http://127.0.0.1:1080" or "socks5h://127.0.0.1:1080", or nothing
"""

import asyncio, collections, concurrent.futures, hashlib, json, os, random, socket, sys, time


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


async def echoed(order, left, block_size, pause):
    """Sends so many random bytes, half-closes, and reads all that comes back meanwhile."""
    reader, writer = await connect(order)
    first = await asyncio.wait_for(reader.readline(), 30)
    sent, received, got = hashlib.sha256(), hashlib.sha256(), 0

    async def send():
        nonlocal left
        while left:
            block = os.urandom(min(left, block_size()))
            sent.update(block)
            writer.write(block)
            left -= len(block)
            await writer.drain()
            await pause()
        writer.write_eof()

    sending = asyncio.create_task(send())
    while block := await asyncio.wait_for(reader.read(1 << 18), 30):
        received.update(block)
        got += len(block)
    await sending
    writer.close()
    return {"first": first.decode().strip(), "bytes": got, "same": sent.digest() == received.digest()}


async def no_pause():
    pass


async def bulk(order):
    return await echoed(order, order["bytes"], lambda: 1 << 18, no_pause)


async def mix(order):
    end, bad, count, total = time.monotonic() + order["seconds"], [], 0, 0

    async def pause():
        if random.random() < 0.02:
            await asyncio.sleep(random.random() / 20)

    async def one_by_one():
        nonlocal count, total
        while time.monotonic() < end:
            size = int(2 ** random.uniform(0, 25))
            try:
                back = await echoed(order, size, lambda: random.choice([100, 5000, 1 << 14, 1 << 18]), pause)
                if back["bytes"] != size or not back["same"]:
                    bad.append(f"{back['bytes']} of {size} bytes, the same: {back['same']}")
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                bad.append(f"{size} bytes: {error!r}")
            count, total = count + 1, total + size

    await asyncio.gather(*(one_by_one() for _ in range(order["count"])))
    return {"connections": count, "bytes": total, "bad": bad}


async def short(order):
    left, failed = iter(range(order["count"])), []

    async def one_by_one():
        for _ in left:
            try:
                reader, writer = await connect(order)
                await asyncio.wait_for(reader.readline(), 30)
                writer.close()
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                failed.append(repr(error))

    await asyncio.gather(*(one_by_one() for _ in range(50)))
    return {"failed": failed}


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


KINDS = {"many": many, "bulk": bulk, "mix": mix, "short": short, "once": once, "names": names}


async def main(order):
    begun = time.monotonic()
    try:
        result = await KINDS[order["what"]](order)
    except (OSError, EOFError, asyncio.TimeoutError) as error:
        result = {"error": str(error) or repr(error), "errno": getattr(error, "errno", None)}
    print(json.dumps({**result, "ms": (time.monotonic() - begun) * 1000}))


asyncio.run(main(json.loads(sys.argv[1])))
