import assert from "node:assert/strict";
import { Connection, type Stream } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import { until } from "../../async/testing/until.ts";
import type { Transport } from "../../net/transport.ts";
import { connectStream, TargetRefused } from "./connect_stream.ts";
import { fakeGateway, hear, say } from "../testing/gateway.ts";
import { NoTunnel } from "./no_tunnel.ts";
import { Tunnel, type TunnelLimits } from "./tunnel.ts";
import { tunnelHello } from "./connect_tunnel.ts";

const QUICK: Partial<TunnelLimits> = { redial: { firstMs: 1, maxMs: 5 } };
const ECHO = "10.96.0.7:80";

/** What a tunnel told of itself, in order. */
function listener() {
  const told: string[] = [];
  return {
    told,
    connected: () => void told.push("connected"),
    connecting: (why: string) => void told.push(why),
    ended: (why: string) => void told.push(`ended: ${why}`),
  };
}

async function echoes(stream: Stream | Promise<Stream>): Promise<Stream> {
  const opened = await stream;
  await say(opened, "ping");
  assert.equal(await hear(opened, 4), "ping");
  return opened;
}

Deno.test("a connection that comes before the tunnel waits for it", async () => {
  await using gateway = fakeGateway();
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), QUICK);
  const stream = await echoes(tunnel.open(ECHO));
  assert.ok(tunnel.roundTripMs !== null && tunnel.openStreams === 1);
  stream.close();
  const first = new TextEncoder().encode("first");
  const next = tunnel.open(ECHO, { first });
  assert.ok(!(next instanceof Promise), "the tunnel is up: nothing to wait for");
  assert.equal(await hear(next, 5), "first");
  next.close();
});

Deno.test("a tunnel that is lost comes back, its streams break, and new ones wait for it", async () => {
  await using gateway = fakeGateway();
  const events = listener();
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), events, QUICK);
  const before = await echoes(tunnel.open(ECHO));
  gateway.failures.push(new Error("no route"), new Error("still no route"));
  gateway.connections[0]?.abort();
  await assert.rejects(before.read(new Uint8Array(1)));
  const after = await echoes(tunnel.open(ECHO));
  after.close();
  assert.equal(gateway.dials, 4);
  assert.deepEqual(events.told.slice(0, 2), ["first connection", "connected"]);
  assert.equal(events.told.at(-1), "connected");
});

Deno.test("a tunnel that is lost says why, until it's back", async () => {
  await using gateway = fakeGateway();
  const events = listener();
  await using _tunnel = new Tunnel(gateway.dial.bind(gateway), events, QUICK);
  await until("it's up", () => events.told.includes("connected"));
  gateway.failures.push(new Error("no route"));
  await gateway.connections[0]?.[Symbol.asyncDispose]();
  await until("it's back", () => events.told.at(-1) === "connected" && events.told.length > 2);
  assert.deepEqual(events.told.slice(2), [
    "ended: the gateway closed the tunnel",
    "the gateway closed the tunnel",
    "no route",
    "connected",
  ]);
});

Deno.test("why a gateway gave a connection up is told, though there's another by then", async () => {
  const ends: Transport[] = [];
  await using gateway = fakeGateway();
  const events = listener();
  const dial = async (signal: AbortSignal) => {
    const near = await gateway.dial(signal);
    ends.push(near);
    return near;
  };
  await using tunnel = new Tunnel(dial, events, QUICK);
  await echoes(tunnel.open(ECHO));
  // What the gateway takes for a frame of 5 MB.
  await ends[0]?.write(Uint8Array.of(0x50, 0, 0, 0, 0, 0, 0, 0, 1));
  await until("it's told", () => events.told.some((told) => /^ended: .*FRAME_SIZE_ERROR/.test(told)));
  await echoes(tunnel.open(ECHO));
});

Deno.test("a gateway that says goodbye keeps its streams, and the next go to another", async () => {
  await using gateway = fakeGateway();
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), QUICK);
  const old = await echoes(tunnel.open(ECHO));
  gateway.connections[0]?.drain();
  await until("the goodbye has come", () => gateway.dials === 1 && tunnel.open(ECHO) instanceof Promise);
  const next = await echoes(tunnel.open(ECHO));
  assert.equal(gateway.dials, 2);
  await echoes(old);
  for (const stream of [old, next]) stream.close();
});

Deno.test("a tunnel whose last connection ends while another one is dialled in vain says that it isn't there", async () => {
  await using gateway = fakeGateway();
  const events = listener();
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  let dials = 0;
  const dial = async (signal: AbortSignal) => {
    if (++dials === 1) return await gateway.dial(signal);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await aborted; // there is no other gateway
    throw signal.reason;
  };
  await using tunnel = new Tunnel(dial, events, QUICK);
  const old = await echoes(tunnel.open(ECHO));
  gateway.connections[0]?.drain();
  await until("the goodbye has come", () => {
    const next = tunnel.open(ECHO);
    if (next instanceof Promise) next.catch(() => {});
    else next.close();
    return dials === 2;
  });
  old.close();
  await until("it's told", () => events.told.at(-1) === "the gateway closed the tunnel");
});

Deno.test("where a connection's streams are all taken, a second one is dialled", async () => {
  await using gateway = fakeGateway({ settings: { maxConcurrentStreams: 2 } });
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), QUICK);
  const streams = await Promise.all([1, 2, 3, 4].map(() => echoes(tunnel.open(ECHO))));
  assert.equal(gateway.dials, 2);
  assert.equal(tunnel.openStreams, 4);
  for (const stream of streams) stream.close();
});

Deno.test("who waits for a second connection gets it although its first dial failed", async () => {
  await using gateway = fakeGateway({ settings: { maxConcurrentStreams: 1 } });
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), QUICK);
  const first = await echoes(tunnel.open(ECHO));
  gateway.failures.push(new Error("busy"), new Error("busy"));
  const second = await echoes(tunnel.open(ECHO));
  assert.equal(gateway.dials, 4);
  for (const stream of [first, second]) stream.close();
});

Deno.test("a gateway that admits few streams doesn't make the laptop dial without end", async () => {
  await using gateway = fakeGateway({ settings: { maxConcurrentStreams: 1 } });
  const limits = { ...QUICK, connections: 3, longestWaitMs: 50 };
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), limits);
  const opened = await Promise.allSettled([1, 2, 3, 4, 5].map(() => tunnel.open(ECHO)));
  const streams = opened.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
  assert.equal(gateway.dials, 3);
  assert.equal(streams.length, 3);
  for (const stream of streams) stream.abort();
});

Deno.test("a connection doesn't wait longer than 15 s, and is told why the tunnel isn't there", async () => {
  await using gateway = fakeGateway();
  gateway.failures.push(...Array.from({ length: 1_000 }, () => new Error("no route")));
  const limits = { ...QUICK, longestWaitMs: 20 };
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), limits);
  await assert.rejects(
    Promise.resolve(tunnel.open(ECHO)),
    (error) => error instanceof NoTunnel && /within 0\.02 s: no route/.test(error.message),
  );
});

Deno.test("no more than a thousand connections wait", async () => {
  const never = Promise.withResolvers<never>();
  await using tunnel = new Tunnel(() => never.promise, listener());
  const waiting = Array.from({ length: 1_000 }, () => Promise.resolve(tunnel.open(ECHO)));
  await assert.rejects(Promise.resolve(tunnel.open(ECHO)), /1000 connections wait/);
  await tunnel[Symbol.asyncDispose]();
  for (const { status } of await Promise.allSettled(waiting)) assert.equal(status, "rejected");
});

Deno.test("of a thousand that wait, 250 are UDP flows at most, and one that is closed leaves", async () => {
  const never = Promise.withResolvers<never>();
  await using tunnel = new Tunnel(() => never.promise, listener());
  const closing = new AbortController();
  const first = Promise.resolve(tunnel.openUdp(ECHO, { signal: closing.signal }));
  const flows = Array.from({ length: 249 }, () => Promise.resolve(tunnel.openUdp(ECHO)));
  await assert.rejects(Promise.resolve(tunnel.openUdp(ECHO)), /250 UDP flows wait/);
  const connections = Array.from({ length: 750 }, () => Promise.resolve(tunnel.open(ECHO)));
  await assert.rejects(Promise.resolve(tunnel.open(ECHO)), /1000 connections wait/);
  closing.abort();
  await assert.rejects(first, NoTunnel);
  connections.push(Promise.resolve(tunnel.open(ECHO)));
  await tunnel[Symbol.asyncDispose]();
  for (const end of await Promise.allSettled([...flows, ...connections])) {
    assert.ok(end.status === "rejected" && /is disconnected/.test(String(end.reason)), String(end));
  }
});

Deno.test("a gateway that went silent is dialled again", async () => {
  const silent = { now: false };
  await using gateway = fakeGateway();
  const dial = async (signal: AbortSignal) => {
    const transport = await gateway.dial(signal);
    const dead = gateway.dials === 1;
    const write = (bytes: Uint8Array) =>
      dead && silent.now ? Promise.resolve(bytes.length) : transport.write(bytes);
    return {
      read: (into: Uint8Array) => transport.read(into),
      write,
      closeWrite: () => transport.closeWrite(),
      close: () => transport.close(),
    };
  };
  const limits = { ...QUICK, pingEveryMs: 5, pingTimeoutMs: 20 };
  await using tunnel = new Tunnel(dial, listener(), limits);
  const before = await echoes(tunnel.open(ECHO));
  silent.now = true;
  await assert.rejects(before.read(new Uint8Array(1)));
  (await echoes(tunnel.open(ECHO))).close();
  assert.equal(gateway.dials, 2);
});

Deno.test("a gateway that accepts and never answers is given up", async () => {
  await using gateway = fakeGateway({ end: () => undefined });
  const events = listener();
  await using _tunnel = new Tunnel(gateway.dial.bind(gateway), events, { ...QUICK, pingTimeoutMs: 5 });
  await until("it was dialled three times", () => gateway.dials >= 3);
  assert.ok(!events.told.includes("connected"));
});

Deno.test("a gateway of another protocol version is not spoken with, and the reason is told", async () => {
  await using gateway = fakeGateway({ hello: { ...tunnelHello, version: 9, oldest: 8, release: "9.0" } });
  const events = listener();
  await using _tunnel = new Tunnel(gateway.dial.bind(gateway), events, QUICK);
  await until("the reason is told", () => events.told.length > 1);
  assert.match(events.told[1] ?? "", /this pmz .* is too old/);
});

Deno.test("a tunnel ends while it's being dialled, and what comes late is closed", async () => {
  const dialled = Promise.withResolvers<ReturnType<typeof memoryPair>[0]>();
  const tunnel = new Tunnel(() => dialled.promise, listener());
  const waiting = Promise.resolve(tunnel.open(ECHO));
  await tunnel[Symbol.asyncDispose]();
  await assert.rejects(waiting, NoTunnel);
  await assert.rejects(Promise.resolve(tunnel.open(ECHO)), NoTunnel);
  const [ours, theirs] = memoryPair();
  dialled.resolve(ours);
  assert.equal(await theirs.read(new Uint8Array(1)), null);
});

Deno.test("a tunnel ends while its first ping is under way", async () => {
  await using gateway = fakeGateway({ end: () => undefined });
  const tunnel = new Tunnel(gateway.dial.bind(gateway), listener());
  await until("it was dialled", () => gateway.dials === 1);
  await tunnel[Symbol.asyncDispose]();
});

Deno.test("ending a tunnel breaks its streams, and twice is fine", async () => {
  await using gateway = fakeGateway();
  const tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), QUICK);
  const stream = await echoes(tunnel.open(ECHO));
  await tunnel[Symbol.asyncDispose]();
  await tunnel[Symbol.asyncDispose]();
  await assert.rejects(stream.read(new Uint8Array(1)));
});

Deno.test("what the gateway refuses is told in its own words", async () => {
  await using gateway = fakeGateway({
    onStream: (stream) =>
      stream.respond([
        [":status", "502"],
        ["proxy-status", 'pmz-gateway; error=connection_refused; details="nothing listens there"'],
      ], { end: true }),
  });
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), QUICK);
  await assert.rejects(
    connectStream(tunnel, ECHO),
    (error) =>
      error instanceof TargetRefused && error.kind === "connection_refused" &&
      error.message === "nothing listens there",
  );
});

Deno.test("a gateway that sends nonsense is a tunnel that broke", async () => {
  await using gateway = fakeGateway({
    end(transport) {
      void transport.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
      return undefined as Connection | undefined;
    },
  });
  const events = listener();
  await using _tunnel = new Tunnel(gateway.dial.bind(gateway), events, QUICK);
  await until("the reason is told", () => events.told.length > 1);
  assert.ok(!events.told.includes("connected"));
});

/** A path that can be cut: what is written then is lost, and nothing comes back. */
function cuttable(transport: Transport): Transport & { cut(): void } {
  let isCut = false;
  const never = Promise.withResolvers<number | null>().promise;
  return {
    read: async (into) => {
      const length = await transport.read(into);
      return isCut ? await never : length;
    },
    write: (bytes) => isCut ? Promise.resolve(bytes.length) : transport.write(bytes),
    closeWrite: () => transport.closeWrite(),
    close: () => transport.close(),
    cut: () => void (isCut = true),
  };
}

Deno.test("after a change of the network a silent connection gets no new streams: they go by another, at once", async () => {
  await using gateway = fakeGateway();
  const paths: ReturnType<typeof cuttable>[] = [];
  const dial = async (signal: AbortSignal) => {
    const path = cuttable(await gateway.dial(signal));
    paths.push(path);
    return path;
  };
  const events = listener();
  await using tunnel = new Tunnel(dial, events, QUICK);
  const before = await echoes(tunnel.open(ECHO));
  paths[0]?.cut();
  tunnel.check();
  const begun = performance.now();
  const after = await echoes(tunnel.open(ECHO));
  assert.ok(performance.now() - begun < 1_500, `${performance.now() - begun} ms`);
  assert.equal(gateway.dials, 2);
  await assert.rejects(before.read(new Uint8Array(1)));
  await until("its end is told", () => /^ended: .*no answer to a PING/.test(events.told.at(-1) ?? ""));
  await echoes(after);
  after.close();
});

Deno.test("a connection that answers after a change of the network keeps its streams, and is the only one", async () => {
  await using gateway = fakeGateway();
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), QUICK);
  const before = await echoes(tunnel.open(ECHO));
  for (let i = 0; i < 10; i++) tunnel.check();
  const after = await echoes(tunnel.open(ECHO));
  await echoes(before);
  for (const stream of [before, after]) stream.close();
  assert.equal(gateway.dials, 1);
});

Deno.test("a dial that is under way when the network changes begins again, and so does the pause before one", async () => {
  await using gateway = fakeGateway();
  let dials = 0;
  const dial = async (signal: AbortSignal) =>
    ++dials < 3 ? await Promise.withResolvers<never>().promise : await gateway.dial(signal);
  const events = listener();
  await using tunnel = new Tunnel(dial, events, { redial: { firstMs: 60_000, maxMs: 60_000 } });
  const waiting = tunnel.open(ECHO);
  for (const next of [2, 3]) {
    tunnel.check();
    await until("it's dialled again", () => dials === next);
  }
  (await echoes(waiting)).close();
  gateway.failures.push(new Error("no route"));
  gateway.connections[0]?.abort();
  await until("it's lost", () => events.told.some((told) => told.startsWith("ended")));
  const later = tunnel.open(ECHO);
  tunnel.check();
  await until("it's dialled in vain", () => dials === 4);
  await new Promise((resolve) => setTimeout(resolve));
  tunnel.check();
  (await echoes(later)).close();
});

Deno.test("a stream for UDP names its target in the authority and by the RFC's template", async () => {
  await using gateway = fakeGateway();
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), QUICK);
  const stream = await tunnel.openUdp("[fd00:10::a]:53", { flow: "0123456789abcdef" });
  assert.deepEqual(stream.request, [
    [":method", "CONNECT"],
    [":protocol", "connect-udp"],
    [":scheme", "https"],
    [":path", "/.well-known/masque/udp/fd00%3A10%3A%3Aa/53/"],
    [":authority", "[fd00:10::a]:53"],
    ["capsule-protocol", "?1"],
    ["pmz-flow", "0123456789abcdef"],
  ]);
  stream.abort();
  assert.throws(() => tunnel.openUdp("kube-dns:53"), /expected ADDRESS:PORT/);
});

Deno.test("a gateway that is too old for UDP carries connections, and what wants UDP is told what to do", async () => {
  await using gateway = fakeGateway({ hello: { ...tunnelHello, version: 1, oldest: 1, release: "0.9" } });
  await using tunnel = new Tunnel(gateway.dial.bind(gateway), listener(), QUICK);
  await assert.rejects(async () => await tunnel.openUdp("10.96.0.10:53"), {
    name: "NoUdp",
    message:
      "the gateway in the cluster is older than this pmz, and carries no UDP; to update it: pmz agent deploy",
  });
  (await echoes(tunnel.open(ECHO))).close();
  assert.throws(() => tunnel.openUdp("10.96.0.10:53"), { name: "NoUdp" });
});
