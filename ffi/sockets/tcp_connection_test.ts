import assert from "node:assert/strict";
import { parseAddress } from "../../net/address.ts";
import { libc, must } from "../libc.ts";
import {
  closeDescriptor,
  localEndpoint,
  setOption,
  socketAddress,
  startConnect,
  tcpSocket,
} from "./socket.ts";
import { dialTcp, TcpConnection } from "./tcp_connection.ts";
import { silentListener } from "../testing/silent_listener.ts";
import { tcpDescriptors } from "../testing/netns.ts";
import { NoOpenFiles } from "../testing/open_files.ts";

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;

function listen(hostname = "127.0.0.1"): Deno.TcpListener {
  return Deno.listen({ hostname, port: 0 });
}

async function connected(listener: Deno.TcpListener): Promise<[TcpConnection, Deno.TcpConn]> {
  const { hostname, port } = listener.addr;
  return await Promise.all([dialTcp(hostname, port, { timeoutMs: 5_000 }), listener.accept()]);
}

async function readAll(
  from: { read(into: Uint8Array): Promise<number | null> },
  size = 65_536,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(size);
  for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
    parts.push(buffer.slice(0, n));
  }
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

async function writeAll(to: { write(bytes: Uint8Array): Promise<number> }, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

/** Bytes that differ from place to place, so that one that is missing, double or of another place shows. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + (i >> 16)) & 0xff);
}

/** Writes until nothing is taken any more; settles with the error that ends it. */
async function writeForever(to: TcpConnection): Promise<unknown> {
  const bytes = new Uint8Array(1 << 20);
  try {
    for (;;) await to.write(bytes);
  } catch (error) {
    return error;
  }
}

/** After this the other threads have done what they do at once. */
function pause(ms = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("bytes come over whole in both directions, and each direction ends by itself", async () => {
  using listener = listen();
  const [ours, theirs] = await connected(listener);
  const bytes = pattern(3_000_000);
  const [there, back] = await Promise.all([
    readAll(theirs),
    readAll(ours, 10_000),
    writeAll(ours, bytes).then(() => ours.closeWrite()),
    writeAll(theirs, bytes).then(() => theirs.closeWrite()),
  ]);
  assert.deepEqual(there, bytes);
  assert.deepEqual(back, bytes);
  ours.close();
  theirs.close();
});

Deno.test("after our end the peer still sends", async () => {
  using listener = listen();
  const [ours, theirs] = await connected(listener);
  await ours.closeWrite();
  assert.equal(await theirs.read(new Uint8Array(8)), null);
  await writeAll(theirs, pattern(10));
  theirs.close();
  assert.deepEqual(await readAll(ours), pattern(10));
  ours.close();
});

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`abort is a reset for the peer, close is an end, on ${hostname}`, async () => {
    const before = tcpDescriptors().length;
    using listener = listen(hostname);
    for (const how of ["abort", "close"] as const) {
      const [ours, theirs] = await connected(listener);
      assert.equal(ours.local.port, (theirs.remoteAddr as Deno.NetAddr).port);
      assert.deepEqual([ours.remote.address.text, ours.remote.port], [hostname, listener.addr.port]);
      ours[how]();
      const read = theirs.read(new Uint8Array(8));
      if (how === "close") assert.equal(await read, null);
      else await assert.rejects(read, Deno.errors.ConnectionReset);
      theirs.close();
    }
    assert.equal(tcpDescriptors().length, before + 1);
  });
}

Deno.test("an accepted IPv4 connection of a listener of both families can be reset", async () => {
  using listener = listen("::");
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const connection = new TcpConnection(await listener.accept());
  assert.equal(connection.local.address.text, "127.0.0.1");
  connection.abort();
  await assert.rejects(client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("it may be ended again and again, in any way", async () => {
  using listener = listen();
  for (
    const ways of [["abort", "abort"], ["abort", "close"], ["close", "abort"], ["close", "close"]] as const
  ) {
    const [ours, theirs] = await connected(listener);
    for (const how of [...ways, ...ways]) ours[how]();
    await assert.rejects(ours.read(new Uint8Array(1)));
    await assert.rejects(ours.write(new Uint8Array(1)));
    theirs.close();
  }
});

for (const how of ["abort", "close"] as const) {
  Deno.test(`${how} ends a read that waits and a write that is stuck, and frees the descriptor`, async () => {
    using listener = listen();
    const before = tcpDescriptors().length;
    const [ours, theirs] = await connected(listener);
    const [reading, writing] = [assert.rejects(ours.read(new Uint8Array(1))), writeForever(ours)];
    assert.equal(await Promise.race([writing, pause(100)]), undefined, "it's stuck");
    ours[how]();
    await reading;
    assert.ok(await writing instanceof Error);
    assert.equal(tcpDescriptors().length, before + 1);
    if (how === "abort") await assert.rejects(readAll(theirs), Deno.errors.ConnectionReset);
    else assert.ok((await readAll(theirs)).length > 0);
    theirs.close();
    assert.equal(tcpDescriptors().length, before);
  });
}

Deno.test("each of many connections that are aborted at once is reset, and no other", async () => {
  using listener = listen();
  const before = tcpDescriptors().length;
  const pairs: Awaited<ReturnType<typeof connected>>[] = [];
  for (let i = 0; i < 400; i++) pairs.push(await connected(listener));
  const [doomed, others] = [pairs.filter((_, i) => i % 4), pairs.filter((_, i) => i % 4 === 0)];
  for (const [ours] of doomed.toReversed()) ours.abort();
  await Promise.all(doomed.map(async ([, theirs]) => {
    await assert.rejects(theirs.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    theirs.close();
  }));
  assert.equal(tcpDescriptors().length, before + 2 * others.length);
  for (const [ours, theirs] of others) {
    await theirs.write(new Uint8Array(3));
    assert.equal(await ours.read(new Uint8Array(9)), 3);
    ours.close();
    theirs.close();
  }
});

Deno.test("a reset of the peer breaks what waits and what is written later", async () => {
  using listener = listen();
  const before = tcpDescriptors().length;
  const [ours, theirs] = await connected(listener);
  const reading = ours.read(new Uint8Array(8));
  new TcpConnection(theirs).abort();
  await assert.rejects(reading, { code: "ECONNRESET" });
  await assert.rejects(ours.write(pattern(10)), { code: "EPIPE" });
  ours.abort();
  assert.equal(tcpDescriptors().length, before);
});

Deno.test("the first that is told of a peer's reset is told a break, never an end", async () => {
  using listener = listen();
  for (let i = 0; i < 100; i++) {
    const [ours, theirs] = await connected(listener);
    const told: unknown[] = [];
    const tell = (what: unknown) => void told.push(what);
    const bytes = new Uint8Array(i % 2 === 0 ? 1 : 1 << 20);
    const writing = (async () => {
      for (;;) await ours.write(bytes);
    })().catch(tell);
    const reading = ours.read(new Uint8Array(8)).then(tell, tell);
    await pause(i % 5);
    new TcpConnection(theirs).abort();
    await Promise.all([reading, writing]);
    assert.equal((told[0] as { code?: string } | null)?.code, "ECONNRESET");
    ours.close();
  }
});

Deno.test("abort after a reset that nobody has noticed is fine, and frees the descriptor", async () => {
  using listener = listen();
  const before = tcpDescriptors().length;
  const [ours, theirs] = await connected(listener);
  new TcpConnection(theirs).abort();
  ours.abort();
  ours.abort();
  ours.close();
  assert.equal(tcpDescriptors().length, before);
});

Deno.test("a connection whose reset nobody has noticed isn't mistaken for a newer one with its ends", async () => {
  using listener = listen();
  const address = parseAddress("127.0.0.1");
  assert.ok(address);
  /** A connection from a port of 127.0.0.1, by descriptor: Deno's own choose theirs. */
  const dialFrom = async (port: number): Promise<[number, TcpConnection]> => {
    const fd = tcpSocket(4);
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    const name = socketAddress({ address, port });
    must("bind", libc.bind(fd, name, name.length));
    startConnect(fd, { address, port: listener.addr.port });
    return [fd, new TcpConnection(await listener.accept())];
  };
  const [first, old] = await dialFrom(0);
  const { port } = localEndpoint(first);
  must("connect", libc.connect(first, new Uint8Array(16), 16)); // a reset
  closeDescriptor(first);
  const [second, fresh] = await dialFrom(port);
  assert.equal(fresh.remote.port, old.remote.port);
  old.abort();
  must("write", libc.write(second, new Uint8Array(3), 3n));
  assert.equal(await fresh.read(new Uint8Array(9)), 3);
  fresh.close();
  closeDescriptor(second);
});

Deno.test({
  name: "a gateway's permissions are enough to dial and to reset",
  permissions: { net: true, ffi: true },
  async fn() {
    using listener = listen();
    const [ours, theirs] = await connected(listener);
    ours.abort();
    await assert.rejects(theirs.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    theirs.close();
  },
});

Deno.test("a reader that is slow holds the sender up", async () => {
  using listener = listen();
  const [ours, theirs] = await connected(listener);
  let sent = 0;
  const bytes = pattern(64 * 1024);
  const sending = (async () => {
    for (let i = 0; i < 1_000; i++) {
      await writeAll(theirs, bytes);
      sent += bytes.length;
    }
  })().catch(() => {});
  await pause(100);
  const before = sent;
  await pause(100);
  assert.equal(sent, before, "nothing is taken while nobody reads");
  assert(sent < 32 * 1024 * 1024, "what the kernel keeps is all that is kept");
  ours.abort();
  await sending;
  theirs.close();
});

Deno.test("a dial that fails says why, as the kernel calls it", async () => {
  const listener = listen();
  const { port } = listener.addr;
  listener.close();
  const before = tcpDescriptors().length;
  await assert.rejects(dialTcp("127.0.0.1", port, { timeoutMs: 5_000 }), { code: "ECONNREFUSED" });
  // Loopback's broadcast address, to which TCP doesn't go.
  await assert.rejects(dialTcp("127.255.255.255", port, { timeoutMs: 5_000 }), { code: "ENETUNREACH" });
  assert.equal(tcpDescriptors().length, before);
});

Deno.test("a dial ends with its signal, before it began and midway, and leaves no descriptor", async () => {
  using silent = await silentListener();
  const reason = new Error("gave up");
  const before = tcpDescriptors().length;
  const giveUp = new AbortController();
  const dialling = dialTcp("127.0.0.1", silent.port, { timeoutMs: 5_000, signal: giveUp.signal });
  const rejected = assert.rejects(dialling, reason);
  await pause();
  assert.equal(tcpDescriptors().length, before + 1, "it's under way");
  giveUp.abort(reason);
  await rejected;
  await assert.rejects(
    dialTcp("127.0.0.1", silent.port, { timeoutMs: 5_000, signal: giveUp.signal }),
    reason,
  );
  assert.equal(tcpDescriptors().length, before);
});

Deno.test("a process that is out of descriptors can reset a connection", async () => {
  using listener = listen();
  const [first, one] = await connected(listener);
  const [last, two] = await connected(listener);
  last.abort(); // what is sought next isn't found from there on: all descriptors are gone through
  {
    using _none = new NoOpenFiles();
    first.abort();
  }
  await assert.rejects(one.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  for (const conn of [one, two]) conn.close();
});

Deno.test("a dial that nobody answers is given up in time, and leaves no descriptor", async () => {
  using silent = await silentListener();
  const before = tcpDescriptors().length;
  await assert.rejects(dialTcp("127.0.0.1", silent.port, { timeoutMs: 50 }), {
    code: "ETIMEDOUT",
    message: `127.0.0.1:${silent.port} did not answer within 0.05 s`,
  });
  assert.equal(tcpDescriptors().length, before);
});

Deno.test("a dial that was in time isn't ended by its signal or its time later", async () => {
  using listener = listen();
  const giveUp = new AbortController();
  const { hostname, port } = listener.addr;
  const ours = await dialTcp(hostname, port, { timeoutMs: 50, signal: giveUp.signal });
  const theirs = await listener.accept();
  giveUp.abort();
  await pause(100);
  await theirs.write(new Uint8Array(3));
  assert.equal(await ours.read(new Uint8Array(9)), 3);
  ours.close();
  theirs.close();
});
