import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { udpServer } from "../../ffi/testing/udp_server.ts";
import { Connection, type Header, headerValue, type Stream } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import { type Endpoint, formatEndpoint } from "../../net/address.ts";
import { headers, parseProxyStatus, UDP_PROTOCOL, udpPath } from "../../wire/streams.ts";
import { dial } from "./dial.ts";
import { StreamServer } from "./serve.ts";
import type { ServedEnd } from "./served_end.ts";
import { UdpFlows, type UdpFlowsOptions } from "./udp_flows.ts";

const SERVICE = "10.96.0.10";

/** A tunnel to a gateway in whose cluster one Service's address is this machine's loopback. */
async function tunnel(options: Partial<UdpFlowsOptions> & { readonly udpFlows?: number } = {}) {
  const flows = new UdpFlows({ idleMs: 60_000, ...options });
  const here = (target: Endpoint, to: Endpoint): Endpoint => ({ address: to.address, port: target.port });
  const loopback = { 4: await udpServer(), 6: await udpServer({ hostname: "::1" }) };
  const server = new StreamServer({
    targets: {
      isTarget: (address) => address === SERVICE || address === "fd00:10::a",
      isNode: () => false,
      isComplete: true,
      completed: () => Promise.resolve(true),
      learn: () => Promise.resolve(),
    },
    ranges: [],
    dial,
    limits: { udpFlows: options.udpFlows ?? 100 },
    udp: {
      get size() {
        return flows.size;
      },
      carry: (stream, target, ...more) =>
        flows.carry(stream, here(target, loopback[target.address.family].endpoint), ...more),
    },
  });
  const [ours, theirs] = memoryPair();
  const ends: Promise<ServedEnd>[] = [];
  const far = new Connection(theirs, {
    role: "server",
    onStream: (stream) => void ends.push(server.serve(stream)),
  });
  const laptop = new Connection(ours, { role: "client" });
  await laptop.ready;
  return {
    flows,
    laptop,
    far,
    ends,
    /** The Service's two echo servers, by family. */
    echo: loopback,
    /** Opens a flow to a port of the Service, and remembers what comes. */
    open(port: number, address = SERVICE) {
      const stream = laptop.open([
        [":method", "CONNECT"],
        [":protocol", UDP_PROTOCOL],
        [":scheme", "https"],
        [":path", udpPath(address, port)],
        [":authority", formatEndpoint(address, port)],
        [headers.capsuleProtocol, "?1"],
      ]);
      const received: Uint8Array[] = [];
      return {
        stream,
        received,
        datagrams: new DatagramStream(stream, (payload) => received.push(payload.slice())),
      };
    },
    async [Symbol.asyncDispose]() {
      await laptop[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
      await Promise.all(ends);
      await flows[Symbol.asyncDispose]();
      await Promise.all([loopback[4][Symbol.asyncDispose](), loopback[6][Symbol.asyncDispose]()]);
    },
  };
}

async function answerOf(stream: Stream): Promise<{ status: string; error?: string; details?: string }> {
  const answer: readonly Header[] = await stream.response;
  return {
    status: headerValue(answer, ":status") ?? "",
    ...parseProxyStatus(headerValue(answer, headers.proxyStatus) ?? ""),
  };
}

/** A port of loopback where nobody is. */
async function closedPort(): Promise<number> {
  await using gone = await udpServer();
  return gone.endpoint.port;
}

Deno.test("datagrams go to the target before the answer, and come back whole, by IPv4 and IPv6", async () => {
  await using to = await tunnel();
  for (const [family, address] of [[4, SERVICE], [6, "fd00:10::a"]] as const) {
    const { stream, received, datagrams } = to.open(to.echo[family].endpoint.port, address);
    const sent = [0, 1, 1200, 9000, 65_507].map((size) => new Uint8Array(size).fill(size));
    for (const payload of sent) datagrams.send(payload);
    await until("all have come back", () => received.length === sent.length);
    assert.deepEqual(received, sent);
    assert.equal((await answerOf(stream)).status, "200");
    assert.equal(headerValue(await stream.response, headers.capsuleProtocol), "?1");
    datagrams.close();
  }
  const bytes = 1 + 1200 + 9000 + 65_507;
  assert.deepEqual(
    (await Promise.all(to.ends)).map(({ target: _, ...end }) => end),
    [{ out: bytes, in: bytes }, { out: bytes, in: bytes }],
  );
});

Deno.test("each flow has a port of its own, as each socket has on a network", async () => {
  await using to = await tunnel();
  const { port } = to.echo[4].endpoint;
  const flows = [to.open(port), to.open(port)];
  for (const [i, { datagrams }] of flows.entries()) datagrams.send(Uint8Array.of(i));
  await until("both were answered", () => flows.every(({ received }) => received.length === 1));
  assert.deepEqual(flows.map(({ received }) => received[0]?.[0]), [0, 1]);
  assert.equal(to.echo[4].callers.size, 2);
});

Deno.test("a target that refuses is a refusal of the stream", async () => {
  await using to = await tunnel();
  const { stream, datagrams } = to.open(await closedPort());
  datagrams.send(Uint8Array.of(1));
  const { status, error, details } = await answerOf(stream);
  assert.deepEqual([status, error], ["502", "connection_refused"]);
  assert.match(details ?? "", /^can't send to 10\.96\.0\.10:\d+: connection refused: no ready endpoint/);
  await datagrams.ended;
  assert.equal((await to.ends[0])?.error, "connection_refused");
  assert.equal(to.flows.size, 0);
});

Deno.test("a flow whose target says nothing is answered after a tick, and reset when the target refuses then", async () => {
  const silent = await udpServer({ silent: true });
  await using to = await tunnel({ tickMs: 20 });
  const { stream, datagrams } = to.open(silent.endpoint.port);
  datagrams.send(Uint8Array.of(1));
  assert.equal((await answerOf(stream)).status, "200");
  await silent[Symbol.asyncDispose]();
  datagrams.send(Uint8Array.of(2));
  assert.deepEqual(await datagrams.ended, { kind: "reset", code: 0xa, by: "peer" });
  assert.equal((await to.ends[0])?.error, "connection_refused");
});

Deno.test("a target that has answered may restart: the flow stays", async () => {
  const before = await udpServer();
  const { port } = before.endpoint;
  await using to = await tunnel();
  const { datagrams, received } = to.open(port);
  datagrams.send(Uint8Array.of(1));
  await until("it was answered", () => received.length === 1);
  await before[Symbol.asyncDispose]();
  for (let i = 0; i < 3; i++) datagrams.send(Uint8Array.of(2));
  await to.laptop.ping(10_000);
  await using _after = await udpServer({ port });
  await until("it is answered again", () => {
    datagrams.send(Uint8Array.of(3));
    return received.length > 1;
  });
  assert.equal(received[1]?.[0], 3);
});

Deno.test("what may not be dialled, and more flows than the limit, are refused as connections are", async () => {
  await using to = await tunnel({ udpFlows: 1 });
  const other = await answerOf(to.open(53, "10.0.0.99").stream);
  assert.deepEqual([other.status, other.error], ["403", "destination_ip_prohibited"]);
  const first = to.open(to.echo[4].endpoint.port);
  first.datagrams.send(Uint8Array.of(1));
  await until("it was answered", () => first.received.length === 1);
  const second = await answerOf(to.open(to.echo[4].endpoint.port).stream);
  assert.deepEqual([second.status, second.error, second.details], [
    "503",
    "connection_limit_reached",
    "1 UDP flows are open",
  ]);
});

Deno.test("a flow ends in order when it was silent for long, and not while datagrams go one way", async () => {
  await using silent = await udpServer({ silent: true });
  await using to = await tunnel({ tickMs: 20, idleMs: 1_000 });
  const { datagrams } = to.open(silent.endpoint.port);
  let isOver = false;
  void datagrams.ended.then(() => isOver = true);
  await until("datagrams went for longer than the limit", () => {
    datagrams.send(Uint8Array.of(1));
    return silent.received.length > 250; // 5 ms between each
  });
  assert.equal(isOver, false);
  assert.deepEqual(await datagrams.ended, { kind: "clean" });
  await until("nothing is left", () => to.flows.size === 0);
});

Deno.test("a target that floods loses datagrams, and other streams go on", async () => {
  await using to = await tunnel();
  const { stream, datagrams } = to.open(to.echo[4].endpoint.port);
  // The laptop reads nothing of this flow.
  stream.unwatch();
  const other = to.open(to.echo[4].endpoint.port);
  for (let i = 0; i < 100; i++) {
    for (let n = 0; n < 50; n++) datagrams.send(new Uint8Array(1200));
    await until("the other flow is answered", () => {
      other.datagrams.send(Uint8Array.of(i)); // the echo server loses some as well
      return other.received.length > i;
    });
  }
  datagrams.abort();
});

Deno.test("flows end in order when the gateway is told to stop", async () => {
  await using to = await tunnel();
  const { datagrams, received } = to.open(to.echo[4].endpoint.port);
  datagrams.send(Uint8Array.of(1));
  await until("it was answered", () => received.length === 1);
  to.flows.end();
  assert.deepEqual(await datagrams.ended, { kind: "clean" });
});

Deno.test("10,000 flows opened and closed leave no flow, socket or stream", async () => {
  const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
  await using to = await tunnel({ udpFlows: 200 });
  const { port } = to.echo[4].endpoint;
  const hundred = async () => {
    const flows = Array.from({ length: 100 }, () => to.open(port));
    for (const { datagrams } of flows) datagrams.send(Uint8Array.of(1));
    await until("all were answered", () => {
      for (const { datagrams, received } of flows) {
        if (received.length === 0) datagrams.send(Uint8Array.of(1));
      }
      return flows.every(({ received }) => received.length > 0);
    });
    for (const { datagrams } of flows) datagrams.close();
    await Promise.all(flows.map(({ datagrams }) => datagrams.ended));
    await until("all are gone", () => to.flows.size === 0);
    to.ends.length = 0;
  };
  await hundred();
  const before = descriptors();
  for (let i = 0; i < 99; i++) await hundred();
  await to.laptop.ping(10_000);
  assert.equal(descriptors(), before);
  assert.deepEqual([to.laptop.streams, to.far.streams, to.far.buffered], [0, 0, 0]);
});

Deno.test("programs that send one datagram and close their socket are no flood", async () => {
  await using silent = await udpServer({ silent: true });
  await using to = await tunnel({ udpFlows: 8_000 });
  for (let i = 0; i < 60; i++) {
    const ended = Array.from({ length: 100 }, () => {
      const { datagrams } = to.open(silent.endpoint.port);
      datagrams.send(Uint8Array.of(1));
      datagrams.close();
      return datagrams.ended;
    });
    for (const end of await Promise.all(ended)) assert.deepEqual(end, { kind: "clean" });
    await until("they have arrived", () => silent.received.length > 50 * i);
  }
  assert.ok(to.laptop.accepting);
  assert.deepEqual([to.laptop.streams, to.far.streams, to.flows.size], [0, 0, 0]);
});
