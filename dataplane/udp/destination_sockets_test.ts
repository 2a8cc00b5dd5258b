import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { until } from "../../async/testing/until.ts";
import { localEndpoint } from "../../ffi/sockets/socket.ts";
import { parseAddress } from "../../net/address.ts";
import type { UnreachableFor } from "../../wire/helper.ts";
import type { UdpDestination } from "./captured_udp.ts";
import { DestinationSockets, type SocketToBind } from "./destination_sockets.ts";

const PLACE = { address: "10.96.0.10", port: 53 };
const bytes = (text: string) => new TextEncoder().encode(text);

/** Destinations whose sockets stay on loopback, where programs of the test send to them. */
function destinations(open: (socket: SocketToBind) => Promise<void> = () => Promise.resolve()) {
  const asked: SocketToBind[] = [];
  const told: UnreachableFor[][] = [];
  const lost: string[] = [];
  const received: { text: string; callerPort: number; destination: UdpDestination }[] = [];
  let telling: Promise<void> = Promise.resolve();
  const sockets = new DestinationSockets({
    open: (socket) => {
      asked.push(socket);
      return open(socket);
    },
    unreachable: (callers) => {
      told.push([...callers]);
      return telling;
    },
  });
  for (const own of ["127.0.0.1", "::1"]) {
    const address = parseAddress(own);
    assert.ok(address);
    sockets.setOwn(address);
  }
  sockets.received = (payload, callerPort, destination) =>
    received.push({ text: new TextDecoder().decode(payload), callerPort, destination });
  sockets.lost = (destination, why) => {
    lost.push(`${destination}: ${why.message}`);
    destination.refuse(1);
  };
  return {
    sockets,
    asked,
    lost,
    told,
    received,
    arrive: (text: string, callerPort: number, place = PLACE) =>
      sockets.arrived({ ...place, callerPort, payload: bytes(text) }),
    holdTelling: (until: Promise<void>) => telling = until,
    [Symbol.dispose]: () => sockets[Symbol.dispose](),
  };
}

/** A program's socket. */
async function program(hostname = "127.0.0.1") {
  const socket = dgram.createSocket(hostname.includes(":") ? "udp6" : "udp4");
  const heard: string[] = [];
  socket.on("message", (message) => heard.push(message.toString()));
  socket.bind(0, hostname);
  await once(socket, "listening");
  return {
    heard,
    port: socket.address().port,
    send: (text: string, to: number) =>
      new Promise<void>((sent) =>
        socket.send(text, to, hostname.includes(":") ? "::1" : "127.0.0.1", () => sent())
      ),
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

const portOf = ({ descriptor }: SocketToBind) => localEndpoint(descriptor).port;

for (const [hostname, place] of [["127.0.0.1", PLACE], ["::1", { address: "fd00::a", port: 53 }]] as const) {
  Deno.test(`a destination's first datagram opens its socket, by which the next ones come, at ${hostname}`, async () => {
    using at = destinations();
    await using caller = await program(hostname);
    at.arrive("first", caller.port, place);
    const [first] = at.received;
    assert.ok(first);
    assert.deepEqual([first.text, first.callerPort], ["first", caller.port]);
    const { address, port, family } = first.destination;
    assert.deepEqual({ address, port }, place);
    assert.equal(family, hostname === "::1" ? 6 : 4);
    const [socket] = at.asked;
    assert.ok(socket);
    for (let i = 0; i < 200; i++) await caller.send(String(i), portOf(socket));
    await until("all have come", () => at.received.length === 201);
    assert.deepEqual(
      at.received.slice(1).map(({ text }) => text),
      Array.from({ length: 200 }, (_, i) => String(i)),
    );
    assert.ok(at.received.every(({ destination }) => destination === first.destination));
    assert.ok(at.received.every(({ callerPort }) => callerPort === caller.port));
    assert.equal(first.destination.send(bytes("answer"), caller.port), true);
    await until("the answer is heard", () => caller.heard.length > 0);
    assert.deepEqual(caller.heard, ["answer"]);
    assert.equal(at.asked.length, 1);
  });
}

Deno.test("answers wait until the socket is bound, as many as there is room for", async () => {
  const bound = Promise.withResolvers<void>();
  using at = destinations(() => bound.promise);
  await using caller = await program();
  at.arrive("?", caller.port);
  const destination = at.received[0]?.destination;
  assert.ok(destination);
  let taken = 0;
  for (let i = 0; i < 100; i++) if (destination.send(bytes(String(i)), caller.port)) taken++;
  assert.equal(taken, 64);
  assert.equal(destination.send(new Uint8Array(60_000), caller.port), false);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(caller.heard, []);
  bound.resolve();
  await until("they are heard", () => caller.heard.length === 64);
  assert.deepEqual(caller.heard, Array.from({ length: 64 }, (_, i) => String(i)));
});

Deno.test("what other programs have sent to the socket before it was bound is no caller's", async () => {
  using at = destinations();
  await using caller = await program();
  await using stranger = await program("127.0.0.2");
  at.arrive("first", caller.port);
  const [socket] = at.asked;
  assert.ok(socket);
  for (let i = 0; i < 3; i++) await stranger.send("intruder", portOf(socket));
  await caller.send("second", portOf(socket));
  await until("the caller's has come", () => at.received.some(({ text }) => text === "second"));
  assert.deepEqual(at.received.map(({ text }) => text), ["first", "second"]);
});

Deno.test("a destination that was closed sends nothing, and the next datagram opens another socket", async () => {
  using at = destinations();
  await using caller = await program();
  at.arrive("one", caller.port);
  const first = at.received[0]?.destination;
  first?.close();
  first?.close();
  assert.equal(first?.send(bytes("late"), caller.port), false);
  assert.deepEqual([...at.sockets.destinations], []);
  at.arrive("two", caller.port);
  assert.notEqual(at.received[1]?.destination, first);
  assert.equal(at.asked.length, 2);
});

Deno.test("while a socket is being bound its descriptor is no other's, although its destination was closed", async () => {
  const bound = Promise.withResolvers<void>();
  using at = destinations(() => bound.promise);
  at.arrive("one", 1);
  const [socket] = at.asked;
  assert.ok(socket);
  const port = portOf(socket);
  at.received[0]?.destination.close();
  assert.equal(portOf(socket), port);
  bound.resolve();
  await until("it is closed", () => {
    try {
      return portOf(socket) !== port;
    } catch {
      return true;
    }
  });
});

Deno.test("where a destination can't be opened its callers are refused, and it isn't asked for each of them", async () => {
  using at = destinations(() => Promise.reject(new Error("refused")));
  at.arrive("one", 1);
  await until("it is given up", () => [...at.sockets.destinations].length === 0);
  assert.deepEqual(at.lost, ["10.96.0.10:53: refused"]);
  for (const caller of [2, 3]) at.arrive("more", caller);
  await until("they are told", () => at.told.flat().length === 3);
  assert.deepEqual(at.told.flat(), [1, 2, 3].map((caller) => ({ ...PLACE, caller })));
  assert.deepEqual([at.asked.length, at.received.length], [1, 1]);
  at.arrive("another", 4, { address: "10.96.0.11", port: 53 });
  assert.equal(at.asked.length, 2, "others aren't held up");
});

Deno.test("refusals go one message at a time, and too many are left out", async () => {
  const told = Promise.withResolvers<void>();
  using at = destinations();
  at.holdTelling(told.promise);
  at.arrive("?", 1);
  const destination = at.received[0]?.destination;
  for (let caller = 1; caller <= 1_000; caller++) destination?.refuse(caller);
  assert.deepEqual(at.told.map(({ length }) => length), [1]);
  told.resolve();
  await until("the rest is told", () => at.told.length === 2);
  assert.equal(at.told[1]?.length, 256);
});

Deno.test("a program's closed socket is told by its family and port", () => {
  using at = destinations();
  const closed: unknown[] = [];
  at.sockets.closed = (family, port) => closed.push([family, port]);
  at.sockets.callersClosed([{ family: 4, port: 41_000 }, { family: 6, port: 41_000 }]);
  assert.deepEqual(closed, [[4, 41_000], [6, 41_000]]);
});
