import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { parseEndpoint } from "../../net/address.ts";
import { udpServer } from "../testing/udp_server.ts";
import type { ConnectedUdpEvents } from "./connected_udp.ts";
import { UdpPoller } from "./udp_poller.ts";

function endpoint(text: string) {
  const parsed = parseEndpoint(text);
  assert(parsed, text);
  return parsed;
}

/** Remembers what a socket is told. */
function listener() {
  const received: Uint8Array[] = [];
  const failures: (Error & { readonly code?: string })[] = [];
  const events: ConnectedUdpEvents = {
    received: (payload) => received.push(payload.slice()),
    failed: (error) => failures.push(error),
  };
  return { received, failures, events };
}

Deno.test("datagrams of any size go and come, by IPv4 and IPv6, each socket its own", async () => {
  await using poller = new UdpPoller();
  for (const hostname of ["127.0.0.1", "::1"]) {
    await using echo = await udpServer({ hostname });
    const one = listener(), other = listener();
    using first = poller.open(echo.endpoint, one.events);
    using second = poller.open(echo.endpoint, other.events);
    for (const size of [0, 1, 1200, 9000, 65_507]) {
      assert.ok(first.send(new Uint8Array(size).fill(1)));
      await until("it has come back", () => one.received.length === 1);
      assert.deepEqual(one.received.pop(), new Uint8Array(size).fill(1));
    }
    assert.ok(second.send(Uint8Array.of(2)));
    await until("it has come back", () => other.received.length === 1);
    assert.equal(one.received.length, 0);
    assert.equal(first.send(new Uint8Array(65_536)), false, "too large");
  }
});

Deno.test("a closed port is told as ECONNREFUSED, and the socket is of use when the port is open again", async () => {
  const gone = await udpServer();
  await gone[Symbol.asyncDispose]();
  await using poller = new UdpPoller();
  const { received, failures, events } = listener();
  using socket = poller.open(gone.endpoint, events);
  socket.send(Uint8Array.of(1));
  await until("the error was told", () => failures.length === 1);
  assert.equal(failures[0]?.code, "ECONNREFUSED");
  await using _again = await udpServer({ port: gone.endpoint.port });
  assert.ok(socket.send(Uint8Array.of(2)));
  await until("the answer has come", () => received.length === 1);
});

Deno.test("a datagram that finds an error of an earlier one is sent nevertheless", async () => {
  const gone = await udpServer();
  await gone[Symbol.asyncDispose]();
  await using poller = new UdpPoller();
  const { failures, events } = listener();
  using socket = poller.open(gone.endpoint, events);
  socket.send(Uint8Array.of(1)); // its ICMP message is there when this returns: loopback
  assert.ok(socket.send(Uint8Array.of(2)));
  assert.equal(failures.length, 1);
});

Deno.test("where nobody reads, datagrams are dropped and nothing waits", async () => {
  await using silent = await udpServer({ silent: true });
  await using poller = new UdpPoller();
  const { events } = listener();
  using socket = poller.open(silent.endpoint, events);
  for (let i = 0; i < 5000; i++) socket.send(new Uint8Array(1200));
  await until("those have come that had room", () => silent.received.length > 50);
  assert.equal(silent.received[0]?.length, 1200);
});

Deno.test("a socket that is closed while it is read is told of no more", async () => {
  await using echo = await udpServer();
  await using poller = new UdpPoller();
  let told = 0;
  const socket = poller.open(echo.endpoint, {
    received: () => {
      told++;
      socket.close();
    },
    failed: assert.fail,
  });
  for (let i = 0; i < 10; i++) socket.send(Uint8Array.of(i));
  await until("one has come", () => told === 1);
  socket.close();
  assert.equal(poller.size, 0);
  assert.equal(socket.send(Uint8Array.of(1)), false);
  const { received, events } = listener();
  using next = poller.open(echo.endpoint, events); // has its descriptor, most likely
  next.send(Uint8Array.of(9));
  await until("it has come back", () => received.length === 1);
  assert.equal(told, 1);
});

Deno.test("10,000 sockets opened and closed leave no descriptor", async () => {
  await using echo = await udpServer();
  const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
  await using poller = new UdpPoller();
  const before = descriptors();
  for (let i = 0; i < 10; i++) {
    const sockets = Array.from({ length: 1000 }, () => poller.open(echo.endpoint, listener().events));
    assert.ok(descriptors() >= before + 1000);
    for (const socket of sockets) socket.close();
  }
  assert.equal(descriptors(), before);
});

Deno.test("an error while a socket is opened leaves nothing", async () => {
  await using poller = new UdpPoller();
  // A broadcast address: not without SO_BROADCAST.
  assert.throws(() => poller.open(endpoint("255.255.255.255:9"), listener().events), { code: "EACCES" });
  assert.equal(poller.size, 0);
});

Deno.test("a bound socket takes datagrams from anybody, and answers each", async () => {
  await using poller = new UdpPoller();
  const senders = new Map<number, string>();
  using bound = poller.bind({ address: endpoint("127.0.0.1:1").address, port: 0 }, {
    received(payload, sender) {
      const { port, address } = sender.endpoint;
      senders.set(port, `${address.text} ${payload.length}`);
      const name = sender.copy();
      assert.ok(sender.is(name));
      name[3] = (name[3] ?? 0) ^ 1;
      assert.ok(!sender.is(name));
      bound.send(payload, sender.copy());
    },
    failed: assert.fail,
  });
  const [one, other] = [listener(), listener()];
  using first = poller.open(bound.local, one.events);
  using second = poller.open(bound.local, other.events);
  for (let i = 0; i < 40; i++) first.send(new Uint8Array(100));
  second.send(new Uint8Array(200));
  await until("all were answered", () => one.received.length === 40 && other.received.length === 1);
  assert.deepEqual([...senders.values()].sort(), ["127.0.0.1 100", "127.0.0.1 200"]);
  bound.close();
  assert.throws(() => bound.local, { code: "EBADF" });
});

Deno.test("an error of a socket's owner closes that socket and no other", async () => {
  await using echo = await udpServer();
  await using poller = new UdpPoller();
  const failures: Error[] = [];
  using broken = poller.open(echo.endpoint, {
    received: () => {
      throw new TypeError("a bug");
    },
    failed: (error) => failures.push(error),
  });
  const { received, events } = listener();
  using sound = poller.open(echo.endpoint, events);
  broken.send(Uint8Array.of(1));
  await until("the error was told", () => failures.length === 1);
  assert.equal(failures[0]?.message, "a bug");
  assert.equal(poller.size, 1);
  sound.send(Uint8Array.of(1));
  await until("it has come back", () => received.length === 1);
});
