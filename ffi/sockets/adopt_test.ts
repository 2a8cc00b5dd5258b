import assert from "node:assert/strict";
import { type Endpoint, parseAddress } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { until } from "../../async/testing/until.ts";
import { adoptListener, adoptSocket, cheapestKind, UnsupportedDeno } from "./adopt.ts";
import { adoptable, AdoptedConnection } from "./adopted_connection.ts";
import type { AcceptedConnection, ConnectionKind } from "./connection_kind.ts";
import { NodeConnection } from "./node_connection.ts";
import { libc } from "../libc.ts";
import { descriptorOf } from "./own_socket.ts";
import {
  closeDescriptor,
  localEndpoint,
  resetConnection,
  setOption,
  socketAddress,
  startConnect,
  tcpListener,
  tcpSocket,
} from "./socket.ts";
import { NoOpenFiles } from "../testing/open_files.ts";

const kinds = { "Deno's": AdoptedConnection, "node:net's": NodeConnection } satisfies Record<
  string,
  ConnectionKind
>;

/** A test of each kind of connection. */
function testKinds(name: string, run: (kind: ConnectionKind) => Promise<void>): void {
  for (const [whose, kind] of Object.entries(kinds)) {
    Deno.test({
      name: `${name} (${whose})`,
      ignore: kind === AdoptedConnection && !adoptable(),
      fn: () => run(kind),
    });
  }
}

/** A listener made by descriptor, and what has connected to it. */
function listening(kind: ConnectionKind, address = "127.0.0.1") {
  const accepted: AcceptedConnection[] = [];
  let wake = () => {};
  const listener = adoptListener(tcpListener({ address }), (socket) => {
    accepted.push(socket);
    wake();
  }, kind);
  const next = async () => {
    while (accepted.length === 0) await new Promise<void>((resolve) => wake = resolve);
    return accepted.shift() as AcceptedConnection;
  };
  const look = () => listener.look();
  return { port: listener.address.port, next, look, [Symbol.dispose]: () => listener[Symbol.dispose]() };
}

const loopback = parseAddress("127.0.0.1") ?? assert.fail();

/** The other end of a connection, made by descriptor as well. */
function dial(port: number, kind: ConnectionKind): AbortableTransport {
  const fd = tcpSocket(4);
  startConnect(fd, { address: loopback, port });
  return adoptSocket(fd, kind);
}

/** Binds a socket to an endpoint that was in use a moment ago. @returns false where it's in use again. */
function bindTo(fd: number, endpoint: Endpoint): boolean {
  setOption(fd, 1, 2, 1); // SOL_SOCKET, SO_REUSEADDR
  const name = socketAddress(endpoint);
  return libc.bind(fd, name, name.length) === 0;
}

function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

async function readAll(from: { read(into: Uint8Array): Promise<number | null> }): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const into = new Uint8Array(10_000);
  for (let n; (n = await from.read(into)) !== null;) parts.push(into.slice(0, n));
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

async function writeAll(to: AbortableTransport, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

testKinds("an adopted listener accepts, and knows both ends", async (kind) => {
  using listener = listening(kind);
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const socket = await listener.next();
  assert.equal(socket.ends.local.port, listener.port);
  assert.equal(socket.ends.remote.port, (client.localAddr as Deno.NetAddr).port);
  socket.close();
});

testKinds("bytes go both ways, and each direction ends by itself", async (kind) => {
  using listener = listening(kind);
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const socket = await listener.next();
  const sent = crypto.getRandomValues(new Uint8Array(60_000));
  for (let at = 0; at < sent.length;) at += await client.write(sent.subarray(at));
  await client.closeWrite();
  assert.deepEqual(await readAll(socket), sent);
  assert.equal(await socket.read(new Uint8Array(0)), 0);
  assert.equal(await socket.read(new Uint8Array(1)), null);
  for (let at = 0; at < sent.length;) at += await socket.write(sent.subarray(at));
  await socket.closeWrite();
  assert.deepEqual(await readAll(client), sent);
  socket.close();
});

testKinds("ending a direction twice is fine, also once the peer has ended its own", async (kind) => {
  using listener = listening(kind);
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const socket = await listener.next();
  await socket.closeWrite();
  await socket.closeWrite();
  assert.deepEqual((await readAll(client)).length, 0);
  await client.closeWrite();
  assert.equal(await socket.read(new Uint8Array(1)), null);
  await socket.closeWrite();
  socket.close();
});

testKinds("the end that finishes first still reads what the other one sends", async (kind) => {
  using listener = listening(kind);
  const client = dial(listener.port, kind);
  const socket = await listener.next();
  await socket.write(Uint8Array.of(1));
  await socket.closeWrite();
  assert.deepEqual(await readAll(client), Uint8Array.of(1));
  const sent = crypto.getRandomValues(new Uint8Array(60_000));
  const received = readAll(socket);
  await writeAll(client, sent);
  await client.closeWrite();
  assert.deepEqual(await received, sent);
  socket.close();
  client.close();
});

testKinds("nothing is read ahead of a reader that's slow", async (kind) => {
  using listener = listening(kind);
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const socket = await listener.next();
  await socket.write(new Uint8Array(1));
  await client.read(new Uint8Array(1));
  let written = 0;
  const block = new Uint8Array(1 << 20);
  const writing = (async () => {
    try {
      for (;;) written += await client.write(block);
    } catch { /* the end of the test */ }
  })();
  let before = -1;
  while (written !== before) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(written < 16 << 20, `${written} bytes were taken without a reader`);
  socket.abort();
  client.close();
  await writing.catch(() => {});
});

testKinds("a reset of the peer is an error, never an end", async (kind) => {
  using listener = listening(kind);
  const client = dial(listener.port, kind);
  const socket = await listener.next();
  await client.write(new Uint8Array(3));
  assert.equal(await socket.read(new Uint8Array(9)), 3);
  const reading = socket.read(new Uint8Array(9));
  client.abort();
  await assert.rejects(reading);
  await assert.rejects(socket.read(new Uint8Array(9)));
  socket.close();
});

testKinds(
  "a reset that a write was told of is no end to the next read, and what aborts it is its reason",
  async (kind) => {
    using listener = listening(kind);
    const client = dial(listener.port, kind);
    const socket = await listener.next();
    client.abort();
    await assert.rejects(async () => {
      for (;;) await socket.write(new Uint8Array(1));
    }, /reset|pipe/i);
    await assert.rejects(socket.read(new Uint8Array(9)), /reset|pipe/i);
    socket.close();

    using other = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    const released = await listener.next();
    const reading = released.read(new Uint8Array(9));
    released.abort(new Error("the pod was released"));
    released.abort();
    released.close();
    await assert.rejects(reading, /the pod was released/);
    await assert.rejects(other.read(new Uint8Array(9)), Deno.errors.ConnectionReset);
  },
);

testKinds(
  "aborting a connection that its peer has reset leaves a newer one between the same ends alone",
  async (kind) => {
    using listener = listening(kind);
    for (;;) {
      const first = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
      const old = await listener.next();
      const { local, remote } = old.ends;
      resetConnection(descriptorOf({ type: "tcp", local: remote, remote: local }) ?? assert.fail());
      first.close();
      const fd = tcpSocket(4);
      if (!bindTo(fd, remote)) { // another process has the port meanwhile
        old.close();
        closeDescriptor(fd);
        continue;
      }
      startConnect(fd, local);
      const client = adoptSocket(fd, kind);
      const newer = await listener.next();
      assert.deepEqual(newer.ends, old.ends);
      old.abort();
      await newer.write(Uint8Array.of(7));
      assert.equal(await client.read(new Uint8Array(9)), 1);
      newer.close();
      client.close();
      return;
    }
  },
);

testKinds("an abort wakes the read and the write that wait, and the peer sees a reset", async (kind) => {
  using listener = listening(kind);
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const socket = await listener.next();
  const reading = socket.read(new Uint8Array(9));
  const writing = writeAll(socket, new Uint8Array(64 << 20));
  const rejected = Promise.all([
    assert.rejects(reading, /the pod was released/),
    assert.rejects(writing, /the pod was released/),
  ]);
  await client.read(new Uint8Array(1));
  socket.abort(new Error("the pod was released"));
  await rejected;
  await assert.rejects(readAll(client), Deno.errors.ConnectionReset);
  await assert.rejects(socket.write(Uint8Array.of(1)));
});

testKinds("a connection that its peer resets before it's accepted is never reported", async (kind) => {
  using listener = listening(kind);
  const reset = tcpSocket(4);
  startConnect(reset, { address: loopback, port: listener.port });
  resetConnection(reset);
  closeDescriptor(reset);
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const socket = await listener.next();
  assert.equal(socket.ends.remote.port, (client.localAddr as Deno.NetAddr).port);
  socket.close();
});

testKinds("the ends of an IPv6 connection are IPv6", async (kind) => {
  using listener = listening(kind, "::1");
  using client = await Deno.connect({ hostname: "::1", port: listener.port });
  const socket = await listener.next();
  const address = parseAddress("::1");
  assert.deepEqual(socket.ends.local, { address, port: listener.port });
  assert.deepEqual(socket.ends.remote, { address, port: (client.localAddr as Deno.NetAddr).port });
  socket.close();
});

testKinds("a connection leaves no descriptor behind, however it ends", async (kind) => {
  using listener = listening(kind);
  const before = openDescriptors();
  for (const end of ["close", "abort"] as const) {
    const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    const socket = await listener.next();
    socket[end]();
    client.close();
  }
  await until("all descriptors are closed", () => openDescriptors() === before);
});

testKinds("a socket that could not connect says so at the first read", async (kind) => {
  const dead = tcpListener({ address: "127.0.0.1" });
  const { port, address } = localEndpoint(dead);
  closeDescriptor(dead);
  const fd = tcpSocket(4);
  startConnect(fd, { address, port });
  const client = adoptSocket(fd, kind);
  await assert.rejects(client.read(new Uint8Array(1)), /refused/i);
  client.close();
});

testKinds("a listener that looks accepts again after the process was out of descriptors", async (kind) => {
  using listener = listening(kind);
  const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const clients: Deno.TcpConn[] = [];
  {
    using none = new NoOpenFiles();
    none.giveBack(); // to the client: none is left to accept it with
    clients.push(await connect());
    await pause();
    assert.equal(listener.look(), true, "it may yet be accepted");
    await pause();
    assert.equal(listener.look(), false, "it waits in vain");
  }
  assert.equal(listener.look(), false);
  const first = await listener.next();
  assert.equal(listener.look(), true);
  clients.push(await connect());
  const second = await listener.next();
  for (let i = 0; i < 3; i++) assert.equal(listener.look(), true);
  for (const each of [...clients, first, second]) each.close();
});

testKinds("a listener that looks while all are accepted goes on as it was", async (kind) => {
  using listener = listening(kind);
  for (let i = 0; i < 20; i++) {
    using _client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    listener.look();
    const socket = await listener.next();
    assert.equal(listener.look(), true);
    socket.close();
  }
});

testKinds("a listener that is disposed of has closed its socket, and looks at nothing", async (kind) => {
  const fd = tcpListener({ address: "127.0.0.1" });
  const { port } = localEndpoint(fd);
  const listener = adoptListener(fd, () => assert.fail("accepted"), kind);
  listener[Symbol.dispose]();
  assert.equal(listener.look(), true);
  listener[Symbol.dispose]();
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), Deno.errors.ConnectionRefused);
});

Deno.test("Deno's own connections are chosen where Deno has the calls, node:net's elsewhere", () => {
  assert.equal(cheapestKind(), adoptable() ? AdoptedConnection : NodeConnection);
  assert.equal(cheapestKind("2.8.0"), cheapestKind());
  assert.equal(cheapestKind("3.0.0-rc.1"), cheapestKind());
});

Deno.test("a Deno without one of the calls gets node:net's connections", async () => {
  const at = (path: string) => JSON.stringify(import.meta.resolve(path));
  const code = `
    import net from "node:net";
    import { tcpSocket } from ${at("./socket.ts")};
    import { cheapestKind } from ${at("./adopt.ts")};
    import { NodeConnection } from ${at("./node_connection.ts")};
    const socket = new net.Socket({ fd: tcpSocket(4), readable: false });
    for (let at = socket._handle; at; at = Object.getPrototypeOf(at)) delete at.takeStream;
    socket.destroy();
    postMessage(cheapestKind() === NodeConnection);`;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" });
  const answer = Promise.withResolvers<unknown>();
  worker.onmessage = ({ data }) => answer.resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    answer.reject(new Error(event.message));
  };
  try {
    assert.equal(await answer.promise, true);
  } finally {
    worker.terminate();
  }
});

Deno.test("a Deno that never accepts on a descriptor is refused", () => {
  for (const version of ["2.7.14", "1.46.3"]) assert.throws(() => cheapestKind(version), UnsupportedDeno);
});
