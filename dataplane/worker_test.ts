import assert from "node:assert/strict";
import { localEndpoint } from "../ffi/sockets/socket.ts";
import { Connection, type Header, headerValue, type Stream } from "../hbone/mod.ts";
import { memoryPair } from "../hbone/testing/memory_transport.ts";
import { until } from "../kube/testing/api_server.ts";
import { CHALLENGE_HEADER, type Proof, PROOF_HEADER } from "../wire/key_proof.ts";
import { PROOF_PROTOCOL } from "../wire/streams.ts";
import type { Transport } from "../net/transport.ts";
import { Channel } from "../threads/channel.ts";
import type { AgentPlace, DataCalls, MainCalls, NodeAgent, TunnelNews } from "./protocol.ts";
import { echo, fakeGateway, hear, say } from "./testing/gateway.ts";
import { startDataWorker } from "./worker.ts";

const access = { tls: false, hostname: "", port: 0, pathPrefix: "", caCerts: [], headers: {} };
const place = (pod: string): AgentPlace => ({ access, namespace: "pmz", pod, port: 1 });
const RULE = "4dd3c45c-2ea0-4d2f-a5a8-b0e8c1a3c0de";
const AGENT: NodeAgent = {
  pod: "node-a",
  uid: RULE.replace("4", "1"),
  node: "a",
  session: RULE.replace("4", "2"),
};

/** A data worker in this thread, whose agents are dialled in memory. */
function started(
  options: {
    dial?: (place: AgentPlace, signal: AbortSignal) => Promise<Transport>;
    main?: Partial<MainCalls>;
    onStream?: (stream: Stream) => void;
  } = {},
) {
  const gateway = fakeGateway({ onStream: options.onStream ?? echo });
  const agents: Connection[] = [];
  const news: TunnelNews[] = [];
  const dial = options.dial ?? ((place: AgentPlace, signal: AbortSignal) => {
    if (place.pod === "gateway-1") return gateway.dial(signal);
    const [ours, theirs] = memoryPair();
    agents.push(new Connection(theirs, { role: "client" }));
    return Promise.resolve(ours);
  });
  const { port1, port2 } = new MessageChannel();
  startDataWorker(port2, dial);
  const channel = new Channel<MainCalls, DataCalls>(port1, {
    gateway: () => Promise.resolve(place("gateway-1")),
    agent: ({ agent }) => Promise.resolve(place(agent.pod)),
    prove: () => Promise.resolve(undefined),
    tunnel: (one) => void news.push(one),
    log() {},
    ...options.main,
  });
  return {
    call: channel.call.bind(channel) as typeof channel.call,
    gateway,
    agents,
    news,
    /** Listens for captured connections; what is dialled counts as steered there by the helper. */
    async listen(address = "127.0.0.1") {
      const descriptor = await channel.call("listen", address);
      assert.ok(descriptor !== undefined);
      const { port } = localEndpoint(descriptor);
      return { port, dial: () => Deno.connect({ hostname: address, port }) };
    },
    /** Connected, with the tunnel up. */
    async reach(cluster = "dev") {
      await channel.call("connect", cluster);
      await channel.call("reach", cluster);
      await until("the tunnel is up", () => news.some((one) => one.state === "connected"));
    },
    async [Symbol.asyncDispose]() {
      for (const cluster of ["dev", "other"]) await channel.call("disconnect", cluster);
      await channel.call("unlisten", null);
      await channel.call("unproxy", null);
      port1.close();
      port2.close();
      await gateway[Symbol.asyncDispose]();
      await Promise.all(agents.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}

/** Dials, and sees a reset and no end. */
async function isReset(dial: () => Promise<Deno.TcpConn>): Promise<void> {
  await assert.rejects(async () => {
    using conn = await dial();
    await conn.read(new Uint8Array(1));
  }, Deno.errors.ConnectionReset);
}

const captured = (own: string) => new Map([["127.0.0.1", own]]);

Deno.test("a captured connection goes through the tunnel, to the cluster's own address and the dialled port", async () => {
  const asked: (string | undefined)[] = [];
  await using worker = started({
    onStream(stream) {
      asked.push(headerValue(stream.request, ":authority"));
      echo(stream);
    },
  });
  await worker.reach();
  await worker.call("addresses", { cluster: "dev", addresses: captured("10.96.0.7") });
  const { dial, port } = await worker.listen();
  using conn = await dial();
  await say(conn, "hello");
  assert.equal(await hear(conn, 5), "hello");
  assert.deepEqual(asked, [`10.96.0.7:${port}`]);
  assert.equal((await worker.call("counts", "dev")).openStreams, 1);
  await conn.closeWrite();
  assert.equal(await conn.read(new Uint8Array(1)), null);
  assert.equal((await worker.call("counts", "dev")).openStreams, 0);
});

Deno.test("a captured connection of IPv6 goes its way too", async () => {
  const asked: (string | undefined)[] = [];
  await using worker = started({
    onStream(stream) {
      asked.push(headerValue(stream.request, ":authority"));
      echo(stream);
    },
  });
  await worker.reach();
  await worker.call("addresses", { cluster: "dev", addresses: new Map([["::1", "fd00::7"]]) });
  const { dial, port } = await worker.listen("::1");
  using conn = await dial();
  await say(conn, "hello");
  assert.equal(await hear(conn, 5), "hello");
  assert.deepEqual(asked, [`[fd00::7]:${port}`]);
});

Deno.test("a machine that has not the address to listen on is no failure", async () => {
  await using worker = started();
  assert.equal(await worker.call("listen", "192.0.2.1"), undefined); // nobody's (RFC 5737)
});

Deno.test("500 captured connections at once each get their own answer", async () => {
  await using worker = started();
  await worker.reach();
  await worker.call("addresses", { cluster: "dev", addresses: captured("10.96.0.7") });
  const { dial } = await worker.listen();
  await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    using conn = await dial();
    const text = String(i).padStart(4, "0");
    await say(conn, text);
    assert.equal(await hear(conn, 4), text);
  }));
});

Deno.test("a captured connection to what no cluster has (any more) is reset", async () => {
  await using worker = started();
  await worker.reach();
  const { dial } = await worker.listen();
  await isReset(dial);
});

Deno.test("a captured connection that the gateway refuses is reset", async () => {
  await using worker = started({ onStream: (stream) => stream.respond([[":status", "502"]], { end: true }) });
  await worker.reach();
  await worker.call("addresses", { cluster: "dev", addresses: captured("10.96.0.7") });
  const { dial } = await worker.listen();
  await isReset(dial);
});

Deno.test("nothing is accepted any more after unlisten", async () => {
  await using worker = started();
  const { dial } = await worker.listen();
  await worker.call("unlisten", null);
  await assert.rejects(dial(), Deno.errors.ConnectionRefused);
});

Deno.test("a cluster is disconnected although nobody can say where its gateway or an agent is", async () => {
  const never = () => Promise.withResolvers<never>().promise;
  await using worker = started({ main: { gateway: never, agent: never } });
  await worker.call("connect", "dev");
  await worker.call("reach", "dev");
  await worker.call("agents", { cluster: "dev", agents: [AGENT] });
  await worker.call("disconnect", "dev");
});

Deno.test("disconnecting breaks the cluster's connections and forgets its addresses", async () => {
  await using worker = started();
  await worker.reach();
  await worker.call("addresses", { cluster: "dev", addresses: captured("10.96.0.7") });
  const { dial } = await worker.listen();
  using conn = await dial();
  await say(conn, "x");
  await hear(conn, 1);
  await worker.call("disconnect", "dev");
  await assert.rejects(conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  await isReset(dial);
});

Deno.test("dialling by authority says how long it took, or what the gateway said", async () => {
  await using worker = started({
    onStream(stream) {
      if (headerValue(stream.request, ":authority") === "10.96.0.7:80") return echo(stream);
      const why: Header = ["proxy-status", 'pmz-gateway; error=connection_refused; details="refused"'];
      stream.respond([[":status", "502"], why], { end: true });
    },
  });
  await worker.reach();
  assert.ok(await worker.call("dial", { cluster: "dev", authority: "10.96.0.7:80" }) >= 0);
  await assert.rejects(worker.call("dial", { cluster: "dev", authority: "10.96.0.8:80" }), /refused/);
  await assert.rejects(worker.call("dial", { cluster: "other", authority: "10.96.0.7:80" }), /not connected/);
});

Deno.test("the proxy dials by name, through the tunnel of the cluster that has it", async () => {
  await using worker = started();
  await worker.reach();
  await worker.call("zone", {
    cluster: "dev",
    context: "dev",
    clusterDomain: "cluster.local",
    namespace: "default",
    services: [{ namespace: "default", name: "echo", addresses: ["10.96.0.7"], ports: [] }],
  });
  const address = await worker.call("proxy", 0);
  assert.equal(await worker.call("proxy", 0), address);
  const port = Number(address.split(":")[1]);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await say(conn, "CONNECT echo.default.svc:80 HTTP/1.1\r\nHost: echo.default.svc:80\r\n\r\n");
  const head = "HTTP/1.1 200";
  assert.equal(await hear(conn, head.length), head);
});

Deno.test("an agent's streams go to the laptop's program, and its challenges to the main thread", async () => {
  using program = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const proof: Proof = {
    hello: { protocol: "reversed-tunnel", version: 1, oldest: 1, features: [], release: "0" },
    session: AGENT.session,
    nonce: "ab".repeat(32),
    signature: "c2ln",
  };
  const asked: unknown[] = [];
  await using worker = started({ main: { prove: (of) => (asked.push(of), Promise.resolve(proof)) } });
  await worker.call("connect", "dev");
  const target = { rule: RULE, port: 80, host: "127.0.0.1", localPort: program.addr.port };
  await worker.call("intercepts", { cluster: "dev", targets: [target] });
  await worker.call("agents", { cluster: "dev", agents: [AGENT] });
  await until("the agent was dialled", () => worker.agents.length === 1);
  const [agent] = worker.agents;
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
  assert.deepEqual(asked, [{ cluster: "dev", agent: AGENT, challenge }]);

  const stream = agent.open([[":method", "CONNECT"], [":authority", `${RULE}:80`]]);
  using conn = await program.accept();
  await say(stream, "over");
  assert.equal(await hear(conn, 4), "over");
  const rules = async () => (await worker.call("counts", "dev")).rules;
  assert.deepEqual(await rules(), [{ rule: RULE, open: 1, total: 1 }]);
  await worker.call("agents", { cluster: "dev", agents: [] });
  await assert.rejects(stream.read(new Uint8Array(1)));
  await assert.rejects(conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  assert.deepEqual(await rules(), [{ rule: RULE, open: 0, total: 1 }]);
});

Deno.test("a failure that nobody waits for is a line in the daemon's log, and ends no worker", async () => {
  const worker = new Worker(new URL("./main.ts", import.meta.url), { type: "module" });
  const lines: string[] = [];
  const unasked = () => assert.fail("the worker asks nothing else");
  const main: MainCalls = {
    gateway: () => Promise.withResolvers<never>().promise,
    agent: unasked,
    prove: unasked,
    tunnel: () => {
      throw new Error("no news, please");
    },
    log: ({ message }) => void lines.push(message),
  };
  const channel = new Channel<MainCalls, DataCalls>(worker, main);
  await channel.call("connect", "dev");
  await channel.call("reach", "dev");
  await until("it's in the log", () => lines.length > 0);
  assert.match(lines[0] ?? "", /nobody was waiting for.*no news/);
  assert.equal((await channel.call("counts", "dev")).openStreams, 0);
  worker.terminate();
});
