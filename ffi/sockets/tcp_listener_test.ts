import assert from "node:assert/strict";
import { boundDescriptorOf } from "./own_socket.ts";
import { getOption, localEndpoint } from "./socket.ts";
import type { TcpConnection } from "./tcp_connection.ts";
import { TcpListener } from "./tcp_listener.ts";
import { inNewNetns, isRoot, tcpDescriptors } from "../testing/netns.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

/** A listener, and what it has accepted. */
function listening(hostname = "127.0.0.1") {
  const accepted: TcpConnection[] = [];
  let wake = () => {};
  const listener = new TcpListener(hostname, (connection) => {
    accepted.push(connection);
    wake();
  });
  return {
    listener,
    accepted,
    dial: () => Deno.connect({ hostname, port: listener.port }),
    async next() {
      while (accepted.length === 0) await new Promise<void>((resolve) => wake = resolve);
      return accepted.shift() as TcpConnection;
    },
    [Symbol.dispose]: () => listener[Symbol.dispose](),
  };
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`it accepts, and its descriptor is its own, on ${hostname}`, async () => {
    using at = listening(hostname);
    const { descriptor, port } = at.listener;
    assert.deepEqual([localEndpoint(descriptor).address.text, localEndpoint(descriptor).port], [
      hostname,
      port,
    ]);
    assert.equal(descriptor, boundDescriptorOf("tcp", hostname, port));
    using client = await at.dial();
    const connection = await at.next();
    assert.deepEqual([connection.local.address.text, connection.local.port], [hostname, port]);
    assert.equal(connection.remote.port, client.localAddr.port);
    await connection.write(new Uint8Array([7]));
    const into = new Uint8Array(1);
    assert.equal(await client.read(into), 1);
    assert.equal(into[0], 7);
    connection.close();
  });
}

Deno.test("small writes to what is accepted don't wait for an acknowledgement", async () => {
  using at = listening();
  const before = tcpDescriptors();
  using client = await at.dial();
  const connection = await at.next();
  const own = localEndpoint(at.listener.descriptor).port;
  const [fd] = tcpDescriptors().filter((fd) => !before.includes(fd) && localEndpoint(fd).port === own);
  assert.ok(fd !== undefined);
  assert.equal(getOption(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  connection.close();
  assert.equal(await client.read(new Uint8Array(1)), null);
});

Deno.test("disposing closes it, twice is fine, and what it has accepted lives on", async () => {
  const before = tcpDescriptors().length;
  const at = listening();
  using client = await at.dial();
  const connection = await at.next();
  at.listener[Symbol.dispose]();
  at.listener[Symbol.dispose]();
  await new Promise((resolve) => setTimeout(resolve)); // Deno lets go of it once its accept has ended
  await assert.rejects(at.dial(), Deno.errors.ConnectionRefused);
  await client.write(new Uint8Array(3));
  assert.equal(await connection.read(new Uint8Array(9)), 3);
  connection.close();
  client.close();
  assert.equal(tcpDescriptors().length, before);
});

Deno.test("an address that the machine has not is said to be none", () => {
  const before = tcpDescriptors().length;
  // TEST-NET-1, which nobody has (RFC 5737).
  assert.throws(() => listening("192.0.2.1"), Deno.errors.AddrNotAvailable);
  assert.equal(tcpDescriptors().length, before);
});

Deno.test({
  name: "where loopback has no IPv6, ::1 is said to be none (needs root)",
  ignore: !isRoot,
  fn: () => inNewNetns(() => assert.throws(() => listening("::1"), Deno.errors.AddrNotAvailable)),
});

Deno.test("where the kernel has no IPv6, ::1 is said to be none", async () => {
  const worker = new Worker(new URL("../testing/no_ipv6.ts", import.meta.url), { type: "module" });
  const failure = await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
  worker.terminate();
  assert.equal(failure, "AddrNotAvailable");
});

Deno.test("each of many connections at once is accepted once", async () => {
  using at = listening();
  const clients = await Promise.all(Array.from({ length: 1_000 }, at.dial));
  const connections: TcpConnection[] = [];
  while (connections.length < clients.length) connections.push(await at.next());
  const ports = (all: number[]) => all.sort((a, b) => a - b);
  assert.deepEqual(
    ports(connections.map(({ remote }) => remote.port)),
    ports(clients.map(({ localAddr }) => localAddr.port)),
  );
  for (const each of [...clients, ...connections]) each.close();
});
