import assert from "node:assert/strict";
import { Connection, type Header, headerValue, type Stream } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import { until } from "../../async/testing/until.ts";
import { type Challenge, CHALLENGE_HEADER, type Proof, PROOF_HEADER } from "../../wire/key_proof.ts";
import { helloOf } from "../../wire/hello.ts";
import { parseProxyStatus, PROOF_PROTOCOL } from "../../wire/streams.ts";
import type { Transport } from "../../net/transport.ts";
import { COUNTS_HEADER, COUNTS_PROTOCOL, type RequestCounts } from "../../wire/request_counts.ts";
import { refuseStream } from "./refuse_stream.ts";
import { type Forward } from "../../kube/port_forward/forward.ts";
import { PortForwardError } from "../../kube/port_forward/port_forward.ts";
import { TcpConnection } from "../../ffi/sockets/tcp_connection.ts";
import { agentDialler } from "./dial_agent.ts";
import { ReversedTunnel, type ReversedTunnelParts, type ReversedTunnelTimes } from "./reversed_tunnel.ts";
import { echo, hear, say } from "../testing/gateway.ts";

const RULE = "4dd3c45c-2ea0-4d2f-a5a8-b0e8c1a3c0de";
const QUICK: Partial<ReversedTunnelTimes> = { redial: { firstMs: 1, maxMs: 5 } };

/** A node's agent: the HTTP/2 client of each connection that the laptop dials. */
function fakeAgent() {
  const connections: Connection[] = [];
  const dialled = { count: 0, failures: [] as Error[], answers: true };
  return {
    connections,
    dialled,
    dial(): Promise<Transport> {
      dialled.count++;
      const failure = dialled.failures.shift();
      if (failure) return Promise.reject(failure);
      const [ours, theirs] = memoryPair();
      if (dialled.answers) connections.push(new Connection(theirs, { role: "client" }));
      return Promise.resolve(ours);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}

/** A reversed tunnel to a fake agent whose rule leads to an echo in memory. */
function reversed(
  parts: Partial<ReversedTunnelParts> = {},
  times: Partial<ReversedTunnelTimes> = QUICK,
) {
  const agent = fakeAgent();
  const seen = { open: 0, log: [] as string[], counts: [] as RequestCounts[] };
  const tunnel = new ReversedTunnel({
    dial: agent.dial,
    serve(stream) {
      if (headerValue(stream.request, ":authority") !== `${RULE}:80`) {
        return refuseStream(stream, "destination_ip_prohibited", "no such rule");
      }
      seen.open++;
      echo(stream);
      stream.closed.then(() => seen.open--);
    },
    serveUdp: () => assert.fail("no UDP comes"),
    prove: () => Promise.resolve(undefined),
    counted: (counts) => void seen.counts.push(...counts),
    log: (message) => void seen.log.push(message),
    ...parts,
  }, times);
  const connection = async () => {
    await until("the laptop has dialled", () => agent.connections.length > 0);
    const last = agent.connections.at(-1);
    assert.ok(last);
    await last.ping(1_000); // its SETTINGS have come: extended CONNECT is known
    return last;
  };
  return {
    agent,
    seen,
    tunnel,
    connection,
    open: async (authority: string, more: readonly Header[] = []) =>
      (await connection()).open([[":method", "CONNECT"], [":authority", authority], ...more]),
    async [Symbol.asyncDispose]() {
      await tunnel[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}

async function answered(stream: Stream): Promise<[string | undefined, string | undefined]> {
  const response = await stream.response;
  const said = parseProxyStatus(headerValue(response, "proxy-status") ?? "");
  return [headerValue(response, ":status"), said?.error];
}

Deno.test("streams of intercepted connections are served, 200 of them at once", async () => {
  await using to = reversed();
  const connection = await to.connection();
  const headers: Header[] = [[":method", "CONNECT"], [":authority", `${RULE}:80`]];
  const streams = Array.from({ length: 200 }, () => connection.open(headers));
  await Promise.all(streams.map(async (stream, i) => {
    const text = String(i).padStart(4, "0");
    await say(stream, text);
    assert.equal(await hear(stream, 4), text);
  }));
  assert.equal(to.seen.open, 200);
  for (const stream of streams) await stream.closeWrite();
  await until("all are over", () => to.seen.open === 0);
});

Deno.test("what isn't a CONNECT, or is one of an unknown kind, is refused", async () => {
  await using to = reversed();
  const connection = await to.connection();
  const rest: Header[] = [[":scheme", "https"], [":path", "/"], [":authority", `${RULE}:80`]];
  const get = connection.open([[":method", "GET"], ...rest]);
  assert.deepEqual(await answered(get), ["404", "destination_not_found"]);
  const ip = connection.open([[":method", "CONNECT"], [":protocol", "connect-ip"], ...rest]);
  assert.deepEqual(await answered(ip), ["404", "destination_not_found"]);
});

const hello = helloOf("reversed-tunnel");
const challenge: Challenge = {
  hello,
  pod: "11111111-2ea0-4d2f-a5a8-b0e8c1a3c0de",
  node: "node-1",
  nonce: "ab".repeat(32),
  rules: [RULE],
};
const proof: Proof = { hello, session: RULE, nonce: "cd".repeat(32), signature: "c2ln" };

function challenging(connection: Connection, json: string): Stream {
  return connection.open([
    [":method", "CONNECT"],
    [":protocol", PROOF_PROTOCOL],
    [":scheme", "https"],
    [":path", "/"],
    [":authority", "pmz"],
    [CHALLENGE_HEADER, json],
  ], { end: true });
}

Deno.test("an agent tells how many requests a rule took", async () => {
  await using to = reversed();
  const connection = await to.connection();
  const counts = [{ rule: RULE, seen: 7, taken: 2, declined: 1 }];
  for (const told of [JSON.stringify(counts), "not JSON", '[{"rule":1}]']) {
    const stream = connection.open([
      [":method", "CONNECT"],
      [":protocol", COUNTS_PROTOCOL],
      [":scheme", "http"],
      [":authority", "pmz"],
      [":path", "/"],
      [COUNTS_HEADER, told],
    ]);
    assert.deepEqual(await answered(stream), ["200", undefined]);
  }
  assert.deepEqual(to.seen.counts, counts);
});

Deno.test("a challenge is answered with a proof", async () => {
  const asked: Challenge[] = [];
  await using to = reversed({ prove: (of) => (asked.push(of), Promise.resolve(proof)) });
  const response = await challenging(await to.connection(), JSON.stringify(challenge)).response;
  assert.equal(headerValue(response, ":status"), "200");
  assert.deepEqual(JSON.parse(headerValue(response, PROOF_HEADER) ?? ""), proof);
  assert.deepEqual(asked, [challenge]);
});

Deno.test("a challenge that isn't this daemon's to answer, or makes no sense, gets no proof", async () => {
  await using to = reversed();
  const connection = await to.connection();
  const refused = ["403", "destination_ip_prohibited"];
  for (const json of [JSON.stringify(challenge), "{", "", JSON.stringify({ ...challenge, nonce: "short" })]) {
    assert.deepEqual(await answered(challenging(connection, json)), refused);
  }
});

Deno.test("an agent that goes is dialled again, without a storm", async () => {
  await using to = reversed({}, { redial: { firstMs: 20, maxMs: 20 } });
  await to.connection();
  const started = performance.now();
  for (let count = 1; count <= 3; count++) {
    await to.agent.connections.at(-1)?.[Symbol.asyncDispose]();
    await until("it's dialled again", () => to.agent.connections.length > count);
  }
  assert.ok(performance.now() - started >= 30, "each dial waits at least half of its time");
  const stream = await to.open(`${RULE}:80`);
  await say(stream, "back");
  assert.equal(await hear(stream, 4), "back");
});

Deno.test("an agent that can't be dialled is told in the log, and tried on", async () => {
  await using to = reversed();
  to.agent.dialled.failures.push(new Error("forbidden"));
  await (await to.connection())[Symbol.asyncDispose]();
  await until("it's back", () => to.agent.connections.length > 1);
  assert.deepEqual(to.seen.log, ["node agent: forbidden"]);
});

Deno.test("an agent that went silent is left", async () => {
  await using to = reversed({}, { ...QUICK, pingEveryMs: 1, pingTimeoutMs: 5 });
  to.agent.dialled.answers = false;
  await (await to.connection())[Symbol.asyncDispose]();
  await until("it's dialled again and again", () => to.agent.dialled.count >= 3);
});

Deno.test("a tunnel that broke is logged, with the reason and how many connections were reset", async () => {
  const lines: [string, unknown][] = [];
  await using to = reversed({ log: (message, fields) => void lines.push([message, fields]) });
  for (let i = 0; i < 3; i++) await answered(await to.open(`${RULE}:80`));
  to.agent.connections[0]?.abort(undefined, new Error("the node is gone"));
  await until("it's logged", () => lines.length > 0);
  const [[message, fields] = []] = lines;
  assert.match(message ?? "", /the tunnel to a node agent broke/);
  assert.equal((fields as { count: number }).count, 3);
});

Deno.test("ending it breaks its streams, at once and while it's being dialled", async () => {
  const to = reversed();
  const stream = await to.open(`${RULE}:80`);
  await say(stream, "open");
  assert.equal(await hear(stream, 4), "open");
  await to[Symbol.asyncDispose]();
  await assert.rejects(stream.read(new Uint8Array(1)));
  await to[Symbol.asyncDispose]();
  const never = reversed({ dial: () => Promise.withResolvers<never>().promise });
  await never[Symbol.asyncDispose]();
  assert.deepEqual(never.seen.log, []);
});

Deno.test("what came with connections that were refused isn't kept: it would use up what others may send", async () => {
  await using to = reversed();
  await until("it's dialled", () => to.agent.connections.length > 0);
  const [agent] = to.agent.connections;
  assert.ok(agent);
  await agent.ping(1_000);
  const first = new Uint8Array(16_000);
  // More than may be buffered.
  for (let i = 0; i < 45; i++) {
    await Promise.all(Array.from({ length: 100 }, async () => {
      const stream = agent.open([[":method", "CONNECT"], [":authority", `${RULE}:81`]], { first });
      await stream.response;
      stream.close(); // as the agent does
      await stream.closed;
    }));
  }
  const stream = agent.open([[":method", "CONNECT"], [":authority", `${RULE}:80`]]);
  const text = "ping".repeat(20_000);
  const saying = say(stream, text);
  // Streams that hold everything up would be reset after five seconds.
  const late = new Promise((resolve) => setTimeout(resolve, 2_000));
  assert.equal(await Promise.race([hear(stream, text.length), late]), text);
  await Promise.all([saying, late]);
  stream.abort();
});

/** A port-forward whose pod is this machine: that the pod refuses the port is only known by the first read. */
const forwardTcp: Forward = async (_access, { port, signal }) => {
  try {
    const connection = new TcpConnection(await Deno.connect({ hostname: "127.0.0.1", port }));
    signal?.addEventListener("abort", () => connection.close());
    return connection;
  } catch (cause) {
    const [ours, theirs] = memoryPair();
    theirs.abort(new PortForwardError("connection refused", { cause }));
    return ours;
  }
};

Deno.test("an agent that is older than lanes is reached by one port-forward, with real sockets", async () => {
  using older = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const lanes = closed.addr.port;
  closed.close();
  const access = { tls: false, hostname: "api.test", port: 443, pathPrefix: "", caCerts: [], headers: {} };
  const place = { access, namespace: "pmz-node", pod: "node-agent-1", port: older.addr.port, lanes };
  const dial = agentDialler({ main: forwardTcp, bulk: forwardTcp, single: forwardTcp });
  await using _to = reversed({ dial: async (signal) => await dial(place, signal) });
  await using agent = new Connection(await older.accept(), { role: "client" });
  await agent.ping(1_000);
  const stream = agent.open([[":method", "CONNECT"], [":authority", `${RULE}:80`]]);
  await say(stream, "by one port-forward");
  assert.equal(await hear(stream, 19), "by one port-forward");
});
