import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { until } from "../../async/testing/until.ts";
import { type Header, headerValue, type Stream } from "../../hbone/mod.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import { parseAddress } from "../../net/address.ts";
import { type Flow, formatOutcome } from "../../wire/flow.ts";
import { headers } from "../../wire/streams.ts";
import { Directory } from "../directory.ts";
import { FlowTable } from "../flow_table.ts";
import { NO_PROGRAMS } from "../testing/flows.ts";
import { fakeGateway } from "../testing/gateway.ts";
import { NoTunnel } from "../tunnel/no_tunnel.ts";
import { Tunnel } from "../tunnel/tunnel.ts";
import type { CapturedUdp } from "./captured_udp.ts";
import { OutboundUdp } from "./outbound_udp.ts";
import { FakeDestination } from "./testing/fake_destination.ts";

const OWN = { 4: "198.18.255.254", 6: "fd70:6d7a::fe" };
const UID = 1000;
/** The port of another account's socket. */
const STRANGERS = 4999;
const bytes = (text: string) => new TextEncoder().encode(text);

/** Answers each datagram with itself. */
function echo(stream: Stream): void {
  stream.respond([[":status", "200"]]);
  const datagrams = new DatagramStream(stream, (payload) => answer(payload));
  const answer = (payload: Uint8Array) => void datagrams.send(payload);
}

function refusing(stream: Stream): void {
  const why: Header = [
    headers.proxyStatus,
    'pmz-gateway; error=connection_refused; details="nothing listens"',
  ];
  stream.respond([[":status", "502"], why], { end: true });
}

/** A laptop that captures some addresses of a cluster, whose gateway does `onStream`. */
async function laptop(onStream: (stream: Stream) => void = echo) {
  const clock = new FakeClock();
  const streams: Stream[] = [];
  const gateway = fakeGateway({
    onStream(stream) {
      streams.push(stream);
      onStream(stream);
    },
  });
  const connected = Promise.withResolvers<void>();
  const tunnel = new Tunnel((signal) => gateway.dial(signal), {
    connected: () => connected.resolve(),
    connecting() {},
    ended() {},
  });
  await connected.promise;
  const directory = new Directory();
  directory.add("dev");
  directory.setCaptured("dev", true);
  const added = new Map(["10.96.0.7", "10.96.0.8", "fd00::7"].map((one) => [one, one]));
  directory.changeAddresses({ cluster: "dev", added, removed: [] });
  const ended: Flow[] = [];
  const flows = new FlowTable(
    { failed() {}, refused() {}, ended: (flow) => void ended.push(flow) },
    NO_PROGRAMS,
    clock,
  );
  flows.followed = true;
  const state = { hasTunnel: true };
  /** The cookies of programs' sockets by family and port; those of which none stands here are 1. */
  const sockets = new Map<string, bigint | undefined>();
  const captured: CapturedUdp & { own(family: 4 | 6): ReturnType<typeof parseAddress> } = {
    own: (family) => parseAddress(OWN[family]),
  };
  const udp = new OutboundUdp({
    captured,
    programs: {
      socketOf({ remote: { address, port } }) {
        const key = `${address.family} ${port}`;
        const cookie = sockets.has(key) ? sockets.get(key) : 1n;
        return cookie === undefined ? undefined : { cookie, uid: port === STRANGERS ? UID + 1 : UID };
      },
    },
    directory,
    flows,
    clock,
    tunnel() {
      if (!state.hasTunnel) throw new NoTunnel("not connected to dev");
      return tunnel;
    },
  });
  udp.accounts = [{ first: UID, last: UID }];
  return {
    udp,
    clock,
    flows,
    gateway,
    /** The gateway's ends of the flows. */
    streams,
    /** Flows that have ended. */
    ended,
    state,
    sockets,
    /** A destination's socket fails. */
    lose: (destination: FakeDestination, why: Error) => captured.lost?.(destination, why),
    /** A program sends a datagram. */
    say: (text: string, callerPort: number, to: FakeDestination) =>
      captured.received?.(bytes(text), callerPort, to),
    /** A program closes its socket. */
    hangUp(callerPort: number, family: 4 | 6 = 4) {
      sockets.set(`${family} ${callerPort}`, undefined);
      captured.closed?.(family, callerPort);
      sockets.delete(`${family} ${callerPort}`); // the port's next one
    },
    /** A socket of that port is closed which isn't the one that answers come to. */
    otherClosed: (callerPort: number, family: 4 | 6 = 4) => captured.closed?.(family, callerPort),
    async [Symbol.asyncDispose]() {
      udp[Symbol.dispose]();
      await tunnel[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a datagram is carried to the cluster, and its answer comes back to its caller", async () => {
  await using at = await laptop();
  const [dns, six] = [new FakeDestination("10.96.0.7", 53), new FakeDestination("fd00::7", 53)];
  at.say("one", 4001, dns);
  at.say("two", 4001, dns);
  at.say("other", 4002, dns);
  at.say("six", 4001, six);
  await until("all are answered", () => dns.answers.length === 3 && six.answers.length === 1);
  assert.deepEqual(dns.answers.sort(), [[4001, "one"], [4001, "two"], [4002, "other"]]);
  assert.deepEqual(six.answers, [[4001, "six"]]);
  assert.deepEqual(at.streams.map(({ request }) => headerValue(request, ":authority")), [
    "10.96.0.7:53",
    "10.96.0.7:53",
    "[fd00::7]:53",
  ]);
  const listed = (await at.flows.flows()).open;
  assert.deepEqual(
    listed.map(({ protocol, from, to, sent, received }) => ({ protocol, from, to, sent, received })),
    [
      { protocol: "udp", from: "198.18.255.254:4001", to: "10.96.0.7:53", sent: 6, received: 6 },
      { protocol: "udp", from: "198.18.255.254:4002", to: "10.96.0.7:53", sent: 5, received: 5 },
      { protocol: "udp", from: "[fd70:6d7a::fe]:4001", to: "[fd00::7]:53", sent: 3, received: 3 },
    ],
  );
  const ids = at.streams.map(({ request }) => headerValue(request, headers.flow));
  assert.deepEqual(ids, listed.map(({ id }) => id));
});

Deno.test("a flow ends with its socket: in order, and what was sent last is carried", async () => {
  const heard: string[] = [];
  await using at = await laptop((stream) => {
    stream.respond([[":status", "200"]]);
    new DatagramStream(stream, (payload) => void heard.push(new TextDecoder().decode(payload)));
  });
  const statsd = new FakeDestination("10.96.0.7", 8125);
  at.say("hits:1|c", 4001, statsd);
  at.hangUp(4001, 6);
  assert.equal(at.ended.length, 0, "another socket of that port");
  at.hangUp(4001);
  await until("the flow has ended", () => at.ended.length === 1);
  assert.deepEqual(heard, ["hits:1|c"]);
  assert.deepEqual([at.ended[0]?.outcome, at.ended[0]?.sent], [{ kind: "done" }, 8]);
  at.say("hits:2|c", 4001, statsd);
  await until("the port's next socket has a flow of its own", () => at.streams.length === 2);
});

Deno.test("a datagram that comes after its socket was closed is carried, and its flow ends at once", async () => {
  await using at = await laptop();
  const statsd = new FakeDestination("10.96.0.7", 8125);
  at.sockets.set("4 4001", undefined);
  at.otherClosed(4001);
  at.say("hits:1|c", 4001, statsd);
  await until("the flow has ended", () => at.ended.length === 1);
  assert.deepEqual([at.ended[0]?.outcome, at.ended[0]?.sent], [{ kind: "done" }, 8]);
});

Deno.test("a flow outlives other sockets of its port, and ends where another one has taken the port", async () => {
  await using at = await laptop();
  const dns = new FakeDestination("10.96.0.7", 53);
  at.say("one", 4001, dns);
  await until("it is answered", () => dns.answers.length === 1);
  for (let i = 0; i < 3; i++) at.otherClosed(4001);
  at.say("two", 4001, dns);
  await until("it is answered", () => dns.answers.length === 2);
  assert.deepEqual([at.streams.length, at.ended.length], [1, 0]);
  at.sockets.set("4 4001", 2n);
  at.otherClosed(4001);
  await until("it has ended", () => at.ended.length === 1);
});

Deno.test("another account's socket has no flow", async () => {
  await using at = await laptop();
  const dns = new FakeDestination("10.96.0.7", 53);
  at.say("?", STRANGERS, dns);
  at.say("?", 4001, dns);
  await until("the user's is answered", () => dns.answers.length === 1);
  assert.deepEqual([dns.answers, dns.refused, at.streams.length], [[[4001, "?"]], [STRANGERS], 1]);
});

Deno.test("two minutes of silence end a flow, and its destination is closed with the last one", async () => {
  await using at = await laptop();
  const [dns, other] = [new FakeDestination("10.96.0.7", 53), new FakeDestination("10.96.0.8", 53)];
  at.say("once", 4001, dns);
  at.say("once", 4001, other);
  await until("both are answered", () => dns.answers.length === 1 && other.answers.length === 1);
  for (let passed = 0; passed < 130_000; passed += 10_000) {
    await at.clock.advance(10_000);
    at.say("again", 4001, other);
  }
  await until("the silent one has ended", () => at.ended.length === 1);
  assert.deepEqual([at.ended[0]?.to, at.ended[0]?.outcome.kind], ["10.96.0.7:53", "done"]);
  await at.clock.advance(10_000);
  assert.deepEqual([dns.isClosed, other.isClosed], [true, false]);
});

Deno.test("what comes back keeps a flow, too", async () => {
  await using at = await laptop((stream) => {
    stream.respond([[":status", "200"]]);
    const ticking = new DatagramStream(stream, () => void ticking.send(bytes("tick")));
    ticks.push(() => void ticking.send(bytes("tick")));
  });
  const ticks: (() => void)[] = [];
  const clock = new FakeDestination("10.96.0.7", 123);
  at.say("?", 4001, clock);
  await until("it is answered", () => clock.answers.length === 1);
  for (let passed = 0; passed < 200_000; passed += 50_000) {
    await at.clock.advance(50_000);
    const before = clock.answers.length;
    for (const tick of ticks) tick();
    await until("a tick has come", () => clock.answers.length > before);
  }
  assert.equal(at.ended.length, 0);
});

Deno.test("a destination that the cluster refuses is refused to the caller, and tried again a second later", async () => {
  await using at = await laptop(refusing);
  const closed = new FakeDestination("10.96.0.7", 9);
  at.say("?", 4001, closed);
  await until("the caller is told", () => closed.refused.length === 1);
  assert.equal(at.ended[0] && formatOutcome(at.ended[0].outcome), "refused by the gateway: nothing listens");
  for (let i = 0; i < 100; i++) at.say("?", 4001, closed);
  assert.deepEqual([closed.refused.length, at.streams.length], [101, 1], "none of these costs a stream");
  await at.clock.advance(1_000);
  at.say("?", 4001, closed);
  await until("it is tried again", () => at.streams.length === 2);
});

Deno.test("a port that closes while its flow is open is refused to the caller", async () => {
  await using at = await laptop();
  const server = new FakeDestination("10.96.0.7", 9);
  at.say("?", 4001, server);
  await until("it is answered", () => server.answers.length === 1);
  at.streams[0]?.abort();
  await until("the caller is told", () => server.refused.length === 1);
  assert.match(
    at.ended[0] ? formatOutcome(at.ended[0].outcome) : "",
    /^reset by the server: nothing listens there/,
  );
});

Deno.test("a tunnel that breaks loses datagrams and no caller: the next one has another flow", async () => {
  await using at = await laptop();
  const server = new FakeDestination("10.96.0.7", 9);
  at.say("one", 4001, server);
  await until("it is answered", () => server.answers.length === 1);
  at.gateway.connections[0]?.abort();
  await until("the flow has ended", () => at.ended.length === 1);
  assert.deepEqual([at.ended[0]?.outcome.kind, server.refused], ["reset", []]);
  at.say("two", 4001, server); // waits until the tunnel is there again
  await until("it is answered", () => server.answers.length === 2);
  assert.deepEqual(server.answers[1], [4001, "two"]);
});

Deno.test("datagrams that find no room are dropped and counted, in both directions", async () => {
  await using at = await laptop();
  const server = new FakeDestination("10.96.0.7", 9);
  at.say("one", 4001, server);
  await until("it is answered", () => server.answers.length === 1);
  at.gateway.connections[0]?.abort();
  await until("the flow has ended", () => at.ended.length === 1);
  const large = "x".repeat(10_000);
  for (const text of [large, "small", large, "last"]) at.say(text, 4001, server); // the tunnel isn't there yet
  await until("what found room is answered", () => server.answers.length === 4);
  assert.deepEqual(server.answers.slice(1).map(([, text]) => text), [large, "small", "last"]);
  server.hasRoom = false;
  at.say("two", 4001, server);
  const dropped = async () => (await at.flows.flows()).open[0]?.dropped;
  await until("the answer is dropped", async () => await dropped() === 2);
});

Deno.test("a flow whose socket is closed while there is no tunnel doesn't wait for it", async () => {
  await using at = await laptop();
  const server = new FakeDestination("10.96.0.7", 9);
  at.say("one", 4001, server);
  await until("it is answered", () => server.answers.length === 1);
  at.gateway.connections[0]?.abort();
  await until("the flow has ended", () => at.ended.length === 1);
  at.say("two", 4002, server);
  at.hangUp(4002);
  await until("it has ended", () => at.ended.length === 2);
  assert.equal(at.ended[1]?.outcome.kind, "no-tunnel");
});

Deno.test("without a tunnel a flow fails, and its caller is told nothing", async () => {
  await using at = await laptop();
  at.state.hasTunnel = false;
  const server = new FakeDestination("10.96.0.7", 9);
  at.say("one", 4001, server);
  assert.deepEqual([at.ended[0]?.outcome.kind, server.refused], ["no-tunnel", []]);
  at.state.hasTunnel = true;
  at.say("two", 4001, server);
  await until("the next datagram is answered", () => server.answers.length === 1);
});

Deno.test("an address that no cluster has any more is refused", async () => {
  await using at = await laptop();
  const gone = new FakeDestination("10.96.0.99", 53);
  at.say("?", 4001, gone);
  assert.deepEqual(gone.refused, [4001]);
  assert.match(
    at.ended[0] ? formatOutcome(at.ended[0].outcome) : "",
    /^refused: no connected cluster has the address/,
  );
});

Deno.test("an address that is released ends its flows", async () => {
  await using at = await laptop();
  const [one, other] = [new FakeDestination("10.96.0.7", 53), new FakeDestination("10.96.0.8", 53)];
  at.say("?", 4001, one);
  at.say("?", 4001, other);
  at.udp.release("dev", ["10.96.0.7"]);
  assert.deepEqual(at.ended.map(({ to, outcome }) => [to, outcome.kind]), [["10.96.0.7:53", "reset"]]);
  assert.deepEqual([one.isClosed, other.isClosed], [true, false]);
});

Deno.test("an address that another cluster had too, and has no longer, keeps its flows", async () => {
  await using at = await laptop();
  const one = new FakeDestination("10.96.0.7", 53);
  at.say("?", 4001, one);
  at.udp.release("prod", ["10.96.0.7"]);
  assert.deepEqual(at.ended, []);
  assert.equal(one.isClosed, false);
  await until("it is answered", () => one.answers.length === 1);
});

Deno.test("a destination that fails ends its flows, and its callers are told", async () => {
  await using at = await laptop();
  const [lost, other] = [new FakeDestination("10.96.0.7", 53), new FakeDestination("10.96.0.8", 53)];
  for (const port of [4001, 4002]) at.say("?", port, lost);
  at.say("?", 4001, other);
  await until("all are answered", () => lost.answers.length === 2 && other.answers.length === 1);
  at.lose(lost, new Error("4096 destinations of UDP are open already: the limit"));
  assert.deepEqual(lost.refused, [4001, 4002]);
  assert.deepEqual(at.ended.map(({ outcome }) => formatOutcome(outcome)), [
    "refused: 4096 destinations of UDP are open already: the limit",
    "refused: 4096 destinations of UDP are open already: the limit",
  ]);
  await until("their streams have ended", () => at.gateway.connections[0]?.streams === 1);
  assert.equal(other.refused.length, 0);
});

Deno.test("a few destinations without flows stay open for the next one, and not thousands", async () => {
  await using at = await laptop();
  const all = Array.from({ length: 1_100 }, (_, i) => new FakeDestination("10.96.0.7", i + 1));
  for (const destination of all) {
    at.say("?", 4001, destination);
  }
  await until("all are answered", () => all.every(({ answers }) => answers.length === 1));
  at.hangUp(4001);
  assert.equal(all.filter(({ isClosed }) => !isClosed).length, 1_024);
});

Deno.test("with 4,096 flows the next one waits for those that are silent, and this is told once", async () => {
  await using at = await laptop((stream) => stream.respond([[":status", "200"]]));
  const server = new FakeDestination("10.96.0.7", 9);
  for (let port = 1; port <= 5_000; port++) at.say("?", port, server);
  await until("all that may be are open", () => at.streams.length === 4_096);
  assert.equal(at.ended.length, 1);
  assert.match(at.ended[0] ? formatOutcome(at.ended[0].outcome) : "", /4096 UDP flows are open/);
  for (let passed = 0; passed < 40_000; passed += 10_000) {
    await at.clock.advance(10_000);
    at.say("!", 1, server);
  }
  at.say("?", 5_001, server);
  await until("there is room", () => at.streams.length === 4_097);
  await until(
    "the silent ones have ended",
    () => at.ended.filter(({ outcome }) => outcome.kind === "done").length === 4_095,
  );
});

Deno.test("flows that come and go leave nothing", async () => {
  await using at = await laptop();
  const server = new FakeDestination("10.96.0.7", 9);
  for (let round = 0; round < 20; round++) {
    for (let port = 1; port <= 500; port++) at.say("?", port, server);
    await until("all are answered", () => server.answers.length === 500 * (round + 1));
    for (let port = 1; port <= 500; port++) at.hangUp(port);
    await until("all have ended", () => at.ended.length === 500 * (round + 1));
  }
  await at.clock.advance(10_000);
  assert.deepEqual([server.isClosed, (await at.flows.flows()).open.length], [true, 0]);
  assert.equal(at.clock.pending, 0, "nothing is looked at any more");
});
