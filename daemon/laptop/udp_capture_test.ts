import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { until } from "../../async/testing/until.ts";
import type { Caller, FirstDatagram, UdpSource } from "../../dataplane/plane.ts";
import { localEndpoint } from "../../ffi/sockets/socket.ts";
import { UdpCapture, type UdpCaptureParts } from "./udp_capture.ts";

const own = (family: 4 | 6) => family === 4 ? "127.0.0.1" : "::1";

/** A capture whose catch-all sockets no helper has bound to a device, so that the test may send to them. */
function surroundings(changes: Partial<UdpCaptureParts["helper"]> = {}, takesUdp = true) {
  const asked: (4 | 6)[] = [];
  const ports = new Map<4 | 6, number>();
  const arrived: FirstDatagram[] = [];
  const closed: Caller[] = [];
  const logged: string[] = [];
  const owns: string[] = [];
  let source: UdpSource | undefined;
  return {
    asked,
    ports,
    arrived,
    closed,
    logged,
    owns,
    get source() {
      assert.ok(source);
      return source;
    },
    parts: {
      helper: {
        carryUdp(family: 4 | 6, fd: number) {
          asked.push(family);
          ports.set(family, localEndpoint(fd).port);
          return Promise.resolve({ own: own(family) });
        },
        openUdp: () => Promise.resolve(),
        udpUnreachable: () => Promise.resolve(),
        ...changes,
      },
      data: {
        takesUdp: () => Promise.resolve(takesUdp),
        carryUdp({ own }: { readonly own: string }, given: UdpSource) {
          owns.push(own);
          source = given;
          return Promise.resolve();
        },
        datagrams: (some: readonly FirstDatagram[]) => Promise.resolve(void arrived.push(...some)),
        callersClosed: (some: readonly Caller[]) => Promise.resolve(void closed.push(...some)),
      },
      accounts: [],
      log: (_level: string, message: string) => void logged.push(message),
    } satisfies UdpCaptureParts,
  };
}

/** Sends datagrams from an address of loopback to a port there, and closes its socket. @returns the socket's port */
async function send(
  texts: readonly string[],
  to: number,
  family: 4 | 6,
  from = own(family),
): Promise<number> {
  const socket = dgram.createSocket(family === 4 ? "udp4" : "udp6");
  socket.bind(0, from);
  await once(socket, "listening");
  const { port } = socket.address();
  for (const text of texts) await new Promise((sent) => socket.send(text, to, own(family), sent));
  socket.close();
  await once(socket, "close");
  return port;
}

Deno.test("the first datagrams of both families are handed over, those of pmz's own address alone", async () => {
  const at = surroundings();
  await using capture = await UdpCapture.start(at.parts);
  assert.equal(capture.why, undefined);
  assert.deepEqual([at.asked, at.owns], [[4, 6], ["127.0.0.1", "::1"]]);
  for (const family of [4, 6] as const) {
    const to = at.ports.get(family) ?? 0;
    if (family === 4) await send(["of another address"], to, 4, "127.0.0.2");
    const callerPort = await send(["one", "two"], to, family);
    await until("they arrive", () => at.arrived.length === 2);
    const texts = at.arrived.splice(0).map(({ payload, ...ends }) => {
      assert.deepEqual(ends, { address: own(family), port: to, callerPort });
      return new TextDecoder().decode(payload);
    });
    assert.deepEqual(texts, ["one", "two"]);
  }
});

Deno.test("what has come by the catch-all socket is handed over before a destination's socket is read", async () => {
  const bound = Promise.withResolvers<void>();
  const at = surroundings({ openUdp: () => bound.promise });
  await using _capture = await UdpCapture.start(at.parts);
  const to = at.ports.get(4) ?? 0;
  const opening = at.source.open({ descriptor: 0, address: "10.96.0.10", port: 53 }).then(() =>
    at.arrived.length
  );
  const texts = Array.from({ length: 100 }, (_, i) => String(i));
  await send(texts, to, 4);
  bound.resolve();
  assert.equal(await opening, 100);
  assert.deepEqual(at.arrived.map(({ payload }) => new TextDecoder().decode(payload)), texts);
});

Deno.test("programs' closed sockets are told", async () => {
  const at = surroundings();
  await using _capture = await UdpCapture.start(at.parts);
  const port = await send([], 1, 4);
  await until("it is told", () => at.closed.some((one) => one.family === 4 && one.port === port));
});

Deno.test("a destination that the helper refuses is said, and the error reaches the worker", async () => {
  const at = surroundings({ openUdp: () => Promise.reject(new Error("the limit")) });
  await using _capture = await UdpCapture.start(at.parts);
  await assert.rejects(at.source.open({ descriptor: 0, address: "10.96.0.10", port: 53 }), /the limit/);
  assert.deepEqual(at.logged, ["UDP to an address isn't carried"]);
  for (let port = 1; port <= 1_000; port++) {
    await assert.rejects(at.source.open({ descriptor: 0, address: "10.96.0.10", port }), /the limit/);
  }
  assert.ok(at.logged.length < 50, `${at.logged.length} lines`);
});

Deno.test("why a destination was refused is known until it opens, of the last 256", async () => {
  let answer = () => Promise.reject<void>(new Error("the limit"));
  const at = surroundings({ openUdp: () => answer() });
  await using capture = await UdpCapture.start(at.parts);
  const open = (port: number) => at.source.open({ descriptor: 0, address: "10.96.0.10", port });
  for (let port = 1; port <= 257; port++) await assert.rejects(open(port));
  assert.equal(capture.refusal("10.96.0.10", 257), "the limit");
  assert.equal(capture.refusal("10.96.0.10", 2), "the limit");
  assert.equal(capture.refusal("10.96.0.10", 1), undefined);
  answer = () => Promise.resolve();
  await open(257);
  assert.equal(capture.refusal("10.96.0.10", 257), undefined);
});

Deno.test("where Deno has no UDP sockets the helper isn't asked, so that the hooks refuse UDP", async () => {
  const at = surroundings({}, false);
  await using capture = await UdpCapture.start(at.parts);
  assert.match(capture.why ?? "", /--unstable-net/);
  assert.deepEqual(at.asked, []);
});

Deno.test("why the helper can't carry UDP is kept and logged", async () => {
  const why = "this kernel's BPF maps take no UDP socket";
  const at = surroundings({ carryUdp: () => Promise.resolve({ why }) });
  await using capture = await UdpCapture.start(at.parts);
  assert.deepEqual([capture.why, at.logged, at.owns], [why, ["UDP isn't carried"], []]);
});

Deno.test("a helper that is gone is no failure of the rest, and closing ends all waits", async () => {
  const at = surroundings({ carryUdp: () => Promise.reject(new Error("the root helper has ended")) });
  const capture = await UdpCapture.start(at.parts);
  assert.equal(capture.why, "the root helper has ended");
  await capture[Symbol.asyncDispose]();
  await capture[Symbol.asyncDispose]();
});
