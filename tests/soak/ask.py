"""What a user's programs do all day, until standard input ends: one JSON object in (argv), failures out as they come, totals last.

short   connections of one HTTP request, SHORT a second
sizes   SIZES connections at a time that send up to 8 MiB in blocks of any size, and get it back
held    HELD connections that stay open, and have a line come back every two seconds; one that breaks is opened again
names   NAMES lookups a second, of each of the names in turn
"""

import asyncio, hashlib, itertools, json, os, random, socket, sys, time

order = json.loads(sys.argv[1])
host, http, tcp = order["host"], order["http"], order["tcp"]
totals = {"short": 0, "sizes": 0, "held": 0, "names": 0}
ending = asyncio.Event()


def failed(kind, begun, error):
    line = {"kind": kind, "at": begun * 1000, "until": time.time() * 1000, "error": str(error) or repr(error)}
    print(json.dumps(line), flush=True)


async def attempt(kind, work):
    begun = time.time()
    totals[kind] += 1
    try:
        await asyncio.wait_for(work, 30)
        return True
    except (OSError, EOFError, asyncio.TimeoutError, ValueError) as error:
        failed(kind, begun, error)
        return False


async def connected(port, use):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        await use(reader, writer)
    finally:
        writer.close()


async def short(reader, writer):
    writer.write(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"answered {answer[:80]}")


async def sized(reader, writer):
    await reader.readline()
    left, sent, got = int(2 ** random.uniform(0, 23)), hashlib.sha256(), hashlib.sha256()

    async def send(left):
        while left:
            block = os.urandom(min(left, random.choice([100, 5000, 1 << 14, 1 << 18])))
            sent.update(block)
            writer.write(block)
            left -= len(block)
            await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send(left))
    try:
        while block := await reader.read(1 << 18):
            got.update(block)
        await sending
    finally:
        sending.cancel()
    if sent.digest() != got.digest():
        raise ValueError(f"{left} bytes came back otherwise")


async def hold(reader, writer):
    await reader.readline()
    while not ending.is_set():
        totals["held"] += 1
        line = b"%d\n" % random.randrange(10**9)
        writer.write(line)
        back = await asyncio.wait_for(reader.readline(), 20)
        if back != line:
            raise ConnectionError(f"{line} came back as {back}")
        try:
            await asyncio.wait_for(ending.wait(), random.uniform(1, 3))
        except asyncio.TimeoutError:
            pass


async def hold_on():
    await asyncio.sleep(random.uniform(0, 2))
    while not ending.is_set():
        begun = time.time()
        try:
            await connected(tcp, hold)
        except (OSError, EOFError, asyncio.TimeoutError, ValueError) as error:
            # When it broke, not when it was opened: it may have stood for an hour.
            failed("held", max(begun, time.time() - 20), error)
            await asyncio.sleep(1)


async def look_up(name):
    await asyncio.get_running_loop().getaddrinfo(name, 80, family=socket.AF_INET, type=socket.SOCK_STREAM)


async def at_rate(rate, begin):
    """What is begun isn't waited for, up to 500 at a time."""
    under_way = set()
    due = time.monotonic()
    while not ending.is_set():
        due += 1 / rate
        await asyncio.sleep(max(0, due - time.monotonic()))
        if len(under_way) < 500:
            task = asyncio.create_task(begin())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)


async def one_by_one():
    while not ending.is_set():
        if not await attempt("sizes", connected(tcp, sized)):
            await asyncio.sleep(0.5)
        await asyncio.sleep(random.uniform(0, 0.2))


async def main():
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ending.set)))
    names = itertools.cycle(order["names"])
    print("asking", flush=True)
    await asyncio.gather(
        at_rate(order["short"], lambda: attempt("short", connected(http, short))),
        at_rate(order["lookups"], lambda: attempt("names", look_up(next(names)))),
        *(one_by_one() for _ in range(order["sizes"])),
        *(hold_on() for _ in range(order["held"])),
    )
    print(json.dumps({"totals": totals}), flush=True)


asyncio.run(main())
