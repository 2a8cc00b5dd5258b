import assert from "node:assert/strict";
import { tcpDescriptors } from "../testing/netns.ts";
import { silentListener } from "../testing/silent_listener.ts";
import { type Endpoint, parseEndpoint } from "../../net/address.ts";
import { type BoundConnection, dialFrom, isPortTaken } from "./dial_from.ts";
import { closeDescriptor, tcpListener } from "./socket.ts";

const LIMIT = { timeoutMs: 5_000 };

function endpointOf({ hostname, port }: Deno.NetAddr): Endpoint {
  const endpoint = parseEndpoint(hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`);
  assert.ok(endpoint);
  return endpoint;
}

/** A port that nothing is bound to now, and that the kernel gives to nothing: it's below those that it chooses from. */
function freePort(address = "127.0.0.1"): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      closeDescriptor(tcpListener({ address, port }));
      return port;
    } catch (error) {
      if (!isPortTaken(error)) throw error;
    }
  }
}

/** Ends a connection the way that leaves TIME_WAIT at its own end. */
async function endFirst(ours: BoundConnection, theirs: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(16);
  await ours.closeWrite();
  assert.equal(await theirs.read(buffer), null);
  theirs.close();
  assert.equal(await ours.read(buffer), null);
  ours.close();
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`a port serves one connection after the other to one target, whichever end closes first, on ${hostname}`, async () => {
    using listener = Deno.listen({ hostname, port: 0 });
    const to = endpointOf(listener.addr);
    const port = freePort(hostname);
    for (let i = 0; i < 20; i++) {
      const [ours, theirs] = await Promise.all([dialFrom(port, to, LIMIT), listener.accept()]);
      assert.deepEqual(
        [ours.local.port, ours.local.address.text, theirs.remoteAddr.port],
        [port, hostname, port],
      );
      await theirs.write(Uint8Array.of(i));
      const buffer = new Uint8Array(16);
      assert.equal(await ours.read(buffer), 1);
      assert.equal(buffer[0], i);
      await endFirst(ours, theirs);
    }
  });
}

Deno.test("a port leads to several targets at once, and to one of them once at a time", async () => {
  using one = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = freePort();
  const dialled = await Promise.all([one, other].map(({ addr }) => dialFrom(port, endpointOf(addr), LIMIT)));
  const before = tcpDescriptors().length;
  await assert.rejects(dialFrom(port, endpointOf(one.addr), LIMIT), isPortTaken);
  assert.equal(tcpDescriptors().length, before);
  for (const connection of dialled) connection.close();
});

Deno.test("a port that another socket has for itself is taken", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await assert.rejects(dialFrom(listener.addr.port, endpointOf(listener.addr), LIMIT), isPortTaken);
});

Deno.test("a dial from a port that is refused says so, and leaves no descriptor", async () => {
  const to = endpointOf({ transport: "tcp", hostname: "127.0.0.1", port: freePort() });
  const before = tcpDescriptors().length;
  await assert.rejects(dialFrom(freePort(), to, LIMIT), { code: "ECONNREFUSED" });
  assert.equal(tcpDescriptors().length, before);
});

Deno.test("a dial from a port ends with its signal and its time, and leaves no descriptor", async () => {
  using silent = await silentListener();
  const to = endpointOf({ transport: "tcp", hostname: "127.0.0.1", port: silent.port });
  const before = tcpDescriptors().length;
  const reason = new Error("gave up");
  const giveUp = new AbortController();
  const dialling = dialFrom(freePort(), to, { ...LIMIT, signal: giveUp.signal });
  const rejected = assert.rejects(dialling, reason);
  assert.equal(tcpDescriptors().length, before + 1, "it's under way");
  giveUp.abort(reason);
  await rejected;
  await assert.rejects(dialFrom(freePort(), to, { ...LIMIT, signal: giveUp.signal }), reason);
  await assert.rejects(dialFrom(freePort(), to, { timeoutMs: 50 }), { code: "ETIMEDOUT" });
  assert.equal(tcpDescriptors().length, before);
});

Deno.test({
  name: "a gateway's permissions are enough to dial from a port, and to reset",
  permissions: { net: true, ffi: true },
  async fn() {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const dialling = dialFrom(freePort(), endpointOf(listener.addr), LIMIT);
    const [ours, theirs] = await Promise.all([dialling, listener.accept()]);
    ours.abort();
    await assert.rejects(theirs.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    theirs.close();
  },
});
