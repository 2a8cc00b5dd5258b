import assert from "node:assert/strict";
import { type Header, headerValue } from "../hbone/mod.ts";
import { until } from "../async/testing/until.ts";
import { helloOf } from "../wire/hello.ts";
import { CHALLENGE_HEADER, type Proof, PROOF_HEADER } from "../wire/key_proof.ts";
import { PROOF_PROTOCOL } from "../wire/streams.ts";
import { Channel } from "../threads/channel.ts";
import type { DataCalls, MainCalls } from "./protocol.ts";
import { echo, hear, say } from "./testing/gateway.ts";
import { AGENT, RULE, startPlane } from "./testing/plane.ts";

/** Dials, and sees a reset and no end. */
async function isReset(dial: () => Promise<Deno.TcpConn>): Promise<void> {
  await assert.rejects(async () => {
    using conn = await dial();
    await conn.read(new Uint8Array(1));
  }, Deno.errors.ConnectionReset);
}

/** Dialled on loopback, as if it was captured. */
const CAPTURED = { "127.0.0.1": "10.96.0.7" };

Deno.test("a captured connection goes through the tunnel, to the cluster's own address and the dialled port", async () => {
  const asked: (string | undefined)[] = [];
  await using to = startPlane({
    onStream(stream) {
      asked.push(headerValue(stream.request, ":authority"));
      echo(stream);
    },
  });
  await to.reach(CAPTURED);
  const { dial, port } = await to.listen();
  using conn = await dial();
  await say(conn, "hello");
  assert.equal(await hear(conn, 5), "hello");
  assert.deepEqual(asked, [`10.96.0.7:${port}`]);
  assert.equal((await to.plane.counts("dev")).openStreams, 1);
  await conn.closeWrite();
  assert.equal(await conn.read(new Uint8Array(1)), null);
  assert.equal((await to.plane.counts("dev")).openStreams, 0);
});

Deno.test("a captured connection of IPv6 goes its way too", async () => {
  const asked: (string | undefined)[] = [];
  await using to = startPlane({
    onStream(stream) {
      asked.push(headerValue(stream.request, ":authority"));
      echo(stream);
    },
  });
  await to.reach({ "::1": "fd00::7" });
  const { dial, port } = await to.listen("::1");
  using conn = await dial();
  await say(conn, "hello");
  assert.equal(await hear(conn, 5), "hello");
  assert.deepEqual(asked, [`[fd00::7]:${port}`]);
});

Deno.test("a machine that has not the address to listen on is no failure", async () => {
  await using to = startPlane();
  assert.deepEqual(await to.plane.listen("192.0.2.1"), []); // documentation only (RFC 5737)
});

Deno.test("500 captured connections at once each get their own answer", async () => {
  await using to = startPlane();
  await to.reach(CAPTURED);
  const { dial } = await to.listen();
  await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    using conn = await dial();
    const text = String(i).padStart(4, "0");
    await say(conn, text);
    assert.equal(await hear(conn, 4), text);
  }));
});

Deno.test("a captured connection to what no cluster has (any more) is reset", async () => {
  await using to = startPlane();
  await to.reach();
  const { dial } = await to.listen();
  await isReset(dial);
});

Deno.test("a captured connection that the gateway refuses is reset", async () => {
  await using to = startPlane({ onStream: (stream) => stream.respond([[":status", "502"]], { end: true }) });
  await to.reach(CAPTURED);
  const { dial } = await to.listen();
  await isReset(dial);
});

Deno.test("nothing is accepted any more after unlisten", async () => {
  await using to = startPlane();
  const { dial } = await to.listen();
  await to.plane.unlisten();
  await assert.rejects(dial(), Deno.errors.ConnectionRefused);
});

Deno.test("a cluster is disconnected although its gateway and its agents are never found", async () => {
  const never = () => Promise.withResolvers<never>().promise;
  await using to = startPlane({ parts: { gateway: never, agent: never } });
  await to.plane.connect("dev");
  await to.plane.reach("dev");
  await to.plane.setAgents("dev", [AGENT]);
  await to.plane.disconnect("dev");
});

Deno.test("disconnecting breaks the cluster's connections and forgets its addresses", async () => {
  await using to = startPlane();
  await to.reach(CAPTURED);
  const { dial } = await to.listen();
  using conn = await dial();
  await say(conn, "x");
  await hear(conn, 1);
  await to.plane.disconnect("dev");
  await assert.rejects(conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  await isReset(dial);
});

Deno.test("a probe says how a destination answers, and how long that took", async () => {
  await using to = startPlane({
    onStream(stream) {
      if (headerValue(stream.request, ":authority") === "10.96.0.7:80") return echo(stream);
      const why: Header = [
        "proxy-status",
        'pmz-gateway; error=connection_refused; details="nothing listens"',
      ];
      stream.respond([[":status", "502"], why], { end: true });
    },
  });
  await to.reach();
  const probe = async (cluster: string, address: string) =>
    await to.plane.probe({ protocol: "tcp", cluster, address, port: 80 });
  const { outcome, ms } = await probe("dev", "10.96.0.7");
  assert.equal(outcome.kind, "done");
  assert.ok(ms > 0);
  assert.deepEqual((await probe("dev", "10.96.0.8")).outcome, {
    kind: "refused",
    by: "gateway",
    error: "connection_refused",
    details: "nothing listens",
  });
  assert.deepEqual((await probe("other", "10.96.0.7")).outcome, {
    kind: "no-tunnel",
    details: "not connected to other",
  });
});

Deno.test("the proxy dials by name, through the tunnel of the cluster that has it", async () => {
  await using to = startPlane();
  await to.reach();
  const address = await to.plane.serveProxy(0);
  assert.equal(await to.plane.serveProxy(0), address);
  await to.plane.setZone({
    cluster: "dev",
    context: "dev",
    clusterDomain: "cluster.local",
    namespace: "default",
    services: [{ namespace: "default", name: "echo", addresses: ["10.96.0.7"], ports: [] }],
  });
  const port = Number(address.split(":")[1]);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await say(conn, "CONNECT echo.default.svc:80 HTTP/1.1\r\nHost: echo.default.svc:80\r\n\r\n");
  const head = "HTTP/1.1 200";
  assert.equal(await hear(conn, head.length), head);
});

Deno.test("an agent's streams go to the laptop's program, and its challenges to the main thread", async () => {
  using program = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const proof: Proof = {
    hello: helloOf("reversed-tunnel"),
    session: AGENT.session,
    nonce: "ab".repeat(32),
    signature: "c2ln",
  };
  const asked: unknown[] = [];
  await using to = startPlane({ parts: { prove: (...of) => (asked.push(of), Promise.resolve(proof)) } });
  await to.plane.connect("dev");
  const target = {
    rule: RULE,
    protocol: "tcp" as const,
    intercept: "echo.default:80",
    port: 80,
    host: "127.0.0.1",
    localPort: program.addr.port,
  };
  await to.plane.setIntercepts("dev", [target]);
  await to.plane.setAgents("dev", [AGENT]);
  await until("the agent was dialled", () => to.agents.length === 1);
  const [agent] = to.agents;
  assert.ok(agent);
  await agent.ping(1_000);

  const challenge = { hello: proof.hello, pod: AGENT.uid, node: "a", nonce: proof.nonce, rules: [RULE] };
  const answer = await agent.open([
    [":method", "CONNECT"],
    [":protocol", PROOF_PROTOCOL],
    [":scheme", "https"],
    [":path", "/"],
    [":authority", "pmz"],
    [CHALLENGE_HEADER, JSON.stringify(challenge)],
  ], { end: true }).response;
  assert.deepEqual(JSON.parse(headerValue(answer, PROOF_HEADER) ?? ""), proof);
  assert.deepEqual(asked, [["dev", AGENT, challenge]]);

  const stream = agent.open([[":method", "CONNECT"], [":authority", `${RULE}:80`]]);
  using conn = await program.accept();
  await say(stream, "over");
  assert.equal(await hear(conn, 4), "over");
  const rules = async () => (await to.plane.counts("dev")).rules;
  assert.deepEqual(await rules(), [{
    rule: RULE,
    open: 1,
    total: 1,
    requests: { seen: 0, taken: 0, declined: 0 },
  }]);
  await to.plane.setAgents("dev", []);
  await assert.rejects(stream.read(new Uint8Array(1)));
  await assert.rejects(conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  assert.deepEqual(await rules(), [{
    rule: RULE,
    open: 0,
    total: 1,
    requests: { seen: 0, taken: 0, declined: 0 },
  }]);
});

Deno.test("several workers listen, keep tunnels of their own, and answer as one", async () => {
  await using to = startPlane({ workers: 2 });
  await to.reach(CAPTURED);
  assert.equal(to.gateway.dials, 2);
  const { ports, dial } = await to.listen();
  assert.equal(new Set(ports).size, 2);
  const conns = await Promise.all([...ports, ...ports].map(dial));
  for (const conn of conns) {
    await say(conn, "hello");
    assert.equal(await hear(conn, 5), "hello");
  }
  assert.equal((await to.plane.counts("dev")).openStreams, 4);
  const flows = await to.plane.flows();
  assert.deepEqual(flows.map(({ outcome }) => outcome.kind), Array(4).fill("open"));
  assert.deepEqual(new Set(flows.map(({ to }) => to)), new Set(ports.map((port) => `10.96.0.7:${port}`)));
  for (const conn of conns) conn.close();
});

Deno.test("each agent's reversed tunnel is kept by one of several workers, which all know the intercepts", async () => {
  using program = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using to = startPlane({ workers: 3 });
  await to.plane.connect("dev");
  const target = {
    rule: RULE,
    protocol: "tcp" as const,
    intercept: "echo.default:80",
    port: 80,
    host: "127.0.0.1",
  };
  await to.plane.setIntercepts("dev", [{ ...target, localPort: program.addr.port }]);
  const agents = [1, 2, 3, 4, 5].map((digit) => ({ ...AGENT, uid: AGENT.uid.replace(/.$/, `${digit}`) }));
  await to.plane.setAgents("dev", agents);
  await to.plane.setAgents("dev", agents);
  await until("the agents are dialled", () => to.agents.length === agents.length);
  for (const agent of to.agents) {
    const stream = agent.open([[":method", "CONNECT"], [":authority", `${RULE}:80`]]);
    using conn = await program.accept();
    await say(stream, "over");
    assert.equal(await hear(conn, 4), "over");
  }
  assert.equal((await to.plane.counts("dev")).rules[0]?.total, agents.length);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(to.agents.length, agents.length, "none of them is dialled twice");
});

Deno.test("an unhandled rejection is a line in the daemon's log, and ends no worker", async () => {
  const worker = new Worker(new URL("./main.ts", import.meta.url), { type: "module" });
  const lines: string[] = [];
  const unasked = () => assert.fail("the worker asks nothing else");
  const main: MainCalls = {
    whyUnserved: () => assert.fail(),
    gateway: () => Promise.withResolvers<never>().promise,
    agent: unasked,
    prove: unasked,
    tunnel: () => {
      throw new Error("no news, please");
    },
    openUdp: unasked,
    udpUnreachable: unasked,
    failed: unasked,
    ended: unasked,
    log: ({ message }) => void lines.push(message),
  };
  const channel = new Channel<MainCalls, DataCalls>(worker, main);
  await channel.call("connect", "dev");
  await channel.call("reach", "dev");
  await until("it's in the log", () => lines.length > 0);
  assert.match(lines[0] ?? "", /unhandled rejection.*no news/);
  assert.equal((await channel.call("counts", "dev")).openStreams, 0);
  worker.terminate();
});
