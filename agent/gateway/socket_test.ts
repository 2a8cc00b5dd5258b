import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type Endpoint, parseEndpoint } from "../../wire/address.ts";
import type { AbortableTransport } from "../../wire/transport.ts";
import { dial } from "./socket.ts";

function listen(): Deno.TcpListener & { endpoint: Endpoint } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = parseEndpoint(`127.0.0.1:${listener.addr.port}`);
  assert(endpoint);
  return Object.assign(listener, { endpoint });
}

async function connected(listener: ReturnType<typeof listen>): Promise<[AbortableTransport, Deno.TcpConn]> {
  return await Promise.all([dial(listener.endpoint, { timeoutMs: 5_000 }), listener.accept()]);
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

Deno.test("abort is a reset for the peer, close is an end", async () => {
  using listener = listen();
  for (const how of ["abort", "close"] as const) {
    const [ours, theirs] = await connected(listener);
    ours[how]();
    ours[how]();
    const read = theirs.read(new Uint8Array(8));
    if (how === "close") assert.equal(await read, null);
    else await assert.rejects(read, Deno.errors.ConnectionReset);
    theirs.close();
  }
});

Deno.test("a reset of the peer breaks reads and writes, and is no end", async () => {
  const server = createServer({ allowHalfOpen: true });
  const accepted = once(server, "connection");
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = parseEndpoint(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  assert(endpoint);
  const ours = await dial(endpoint, { timeoutMs: 5_000 });
  const [theirs] = await accepted as [Socket];
  const reading = ours.read(new Uint8Array(8));
  theirs.resetAndDestroy();
  await assert.rejects(reading, { code: "ECONNRESET" });
  await assert.rejects(ours.read(new Uint8Array(8)), { code: "ECONNRESET" });
  await assert.rejects(ours.write(pattern(10)));
  await assert.rejects(ours.closeWrite());
  ours.close();
  server.close();
  await once(server, "close");
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
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = sent;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(sent, before, "nothing is taken while nobody reads");
  assert(sent < 32 * 1024 * 1024, "what the kernel keeps is all that is kept");
  ours.abort();
  await sending;
  theirs.close();
});

Deno.test("a port where nobody listens is refused, and says so", async () => {
  const listener = listen();
  listener.close();
  await assert.rejects(dial(listener.endpoint, { timeoutMs: 5_000 }), { code: "ECONNREFUSED" });
});

Deno.test("a dial ends with its signal", async () => {
  using listener = listen();
  const reason = new Error("gave up");
  await assert.rejects(
    dial(listener.endpoint, { timeoutMs: 5_000, signal: AbortSignal.abort(reason) }),
    reason,
  );
});
