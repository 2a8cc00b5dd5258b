import assert from "node:assert/strict";
import { type Endpoint, parseAddress } from "../../net/address.ts";
import { adoptListener, adoptSocket } from "./adopt.ts";
import type { AdoptedConnection } from "./adopted_connection.ts";
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

/** A listener made by descriptor, and what has connected to it. */
function listening() {
  const accepted: AdoptedConnection[] = [];
  let wake = () => {};
  const listener = adoptListener(tcpListener({ address: "127.0.0.1" }), (socket) => {
    accepted.push(socket);
    wake();
  });
  const next = async () => {
    while (accepted.length === 0) await new Promise<void>((resolve) => wake = resolve);
    return accepted.shift() as AdoptedConnection;
  };
  const look = () => listener.look();
  return { port: listener.address.port, next, look, [Symbol.dispose]: () => listener[Symbol.dispose]() };
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

Deno.test("an adopted listener accepts, and knows both ends", async () => {
  using listener = listening();
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const socket = await listener.next();
  assert.equal(socket.ends.local.port, listener.port);
  assert.equal(socket.ends.remote.port, (client.localAddr as Deno.NetAddr).port);
  socket.close();
});

Deno.test("bytes go both ways, and each direction ends by itself", async () => {
  using listener = listening();
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

Deno.test("nothing is read ahead of a reader that's slow", async () => {
  using listener = listening();
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

Deno.test("a reset of the peer is an error, never an end", async () => {
  using listener = listening();
  const fd = tcpSocket(4);
  const address = parseAddress("127.0.0.1");
  assert.ok(address);
  startConnect(fd, { address, port: listener.port });
  const client = adoptSocket(fd);
  const socket = await listener.next();
  await client.write(new Uint8Array(3));
  assert.equal(await socket.read(new Uint8Array(9)), 3);
  const reading = socket.read(new Uint8Array(9));
  client.abort();
  await assert.rejects(reading);
  await assert.rejects(socket.read(new Uint8Array(9)));
  socket.close();
});

Deno.test("a reset that a write was told of is no end to the next read, and what aborts it is its reason", async () => {
  using listener = listening();
  const fd = tcpSocket(4);
  startConnect(fd, { address: parseAddress("127.0.0.1") ?? assert.fail(), port: listener.port });
  const client = adoptSocket(fd);
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
});

Deno.test("aborting a connection that its peer has reset leaves a newer one between the same ends alone", async () => {
  using listener = listening();
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
    const client = adoptSocket(fd);
    const newer = await listener.next();
    assert.deepEqual(newer.ends, old.ends);
    old.abort();
    await newer.write(Uint8Array.of(7));
    assert.equal(await client.read(new Uint8Array(9)), 1);
    newer.close();
    client.close();
    return;
  }
});

Deno.test("a connection leaves no descriptor behind, however it ends", async () => {
  using listener = listening();
  const before = openDescriptors();
  for (const end of ["close", "abort"] as const) {
    const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    const socket = await listener.next();
    socket[end]();
    client.close();
  }
  assert.equal(openDescriptors(), before);
});

Deno.test("a socket that could not connect says so at the first read", async () => {
  const dead = tcpListener({ address: "127.0.0.1" });
  const { port, address } = localEndpoint(dead);
  closeDescriptor(dead);
  const fd = tcpSocket(4);
  startConnect(fd, { address, port });
  const client = adoptSocket(fd);
  await assert.rejects(client.read(new Uint8Array(1)), Deno.errors.ConnectionRefused);
  client.close();
});

Deno.test("a listener that looks accepts again after the process was out of descriptors", async () => {
  using listener = listening();
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

Deno.test("a listener that looks while all are accepted goes on as it was", async () => {
  using listener = listening();
  for (let i = 0; i < 20; i++) {
    using _client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    listener.look();
    const socket = await listener.next();
    assert.equal(listener.look(), true);
    socket.close();
  }
});

Deno.test("a listener that is disposed of has closed its socket, and looks at nothing", async () => {
  const fd = tcpListener({ address: "127.0.0.1" });
  const { port } = localEndpoint(fd);
  const listener = adoptListener(fd, () => assert.fail("accepted"));
  listener[Symbol.dispose]();
  assert.equal(listener.look(), true);
  listener[Symbol.dispose]();
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), Deno.errors.ConnectionRefused);
});
