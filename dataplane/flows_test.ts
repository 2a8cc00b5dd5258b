/** Every way in which a flow can fail, through the plane: its outcome is in the list, and is reported. */
import assert from "node:assert/strict";
import { TcpConnection } from "../ffi/sockets/tcp_connection.ts";
import { type Header, headerValue, type Stream } from "../hbone/mod.ts";
import { until } from "../async/testing/until.ts";
import { type Flow, formatOutcome } from "../wire/flow.ts";
import { headers } from "../wire/streams.ts";
import { echo, hear, say } from "./testing/gateway.ts";
import { AGENT, RULE, startPlane } from "./testing/plane.ts";

/** Dialled on loopback, as if it was captured. */
const CAPTURED = { "127.0.0.1": "10.96.0.7" };

/** Waits for the one flow that failed, in the list as it was reported. */
async function failure({ plane, failed }: ReturnType<typeof startPlane>): Promise<Flow> {
  await until("a flow has failed", () => failed.length > 0);
  const listed = (await plane.flows()).filter(({ outcome }) => outcome.kind !== "open");
  assert.deepEqual(listed, failed.map(({ flow }) => flow));
  const [flow, ...more] = listed;
  assert.ok(flow);
  assert.deepEqual(more, []);
  return flow;
}

/** Reads until the reset. */
async function isReset(conn: Deno.TcpConn): Promise<void> {
  await assert.rejects(conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
}

function refusing(details: string) {
  return (stream: Stream) => {
    const why: Header = [
      headers.proxyStatus,
      `pmz-gateway; error=destination_unavailable; details="${details}"`,
    ];
    stream.respond([[":status", "503"], why], { end: true });
  };
}

Deno.test("a connection that the gateway refuses has failed with the gateway's words, and its program", async () => {
  await using to = startPlane({ onStream: refusing("no ready endpoint") });
  await to.reach(CAPTURED);
  const { dial, port } = await to.listen();
  using conn = await dial();
  await isReset(conn);
  const { id, started, ms, ...flow } = await failure(to);
  assert.deepEqual(flow, {
    kind: "captured",
    protocol: "tcp",
    from: `127.0.0.1:${conn.localAddr.port}`,
    program: { pid: Deno.pid, name: flow.program?.name ?? "" },
    to: `10.96.0.7:${port}`,
    cluster: "dev",
    sent: 0,
    received: 0,
    outcome: {
      kind: "refused",
      by: "gateway",
      error: "destination_unavailable",
      details: "no ready endpoint",
    },
  });
  assert.match(id, /^[a-z0-9]{8}-/);
  assert.ok(Date.parse(started) > 0 && ms !== undefined);
});

Deno.test("the id that a flow is known by goes with it to the gateway", async () => {
  const ids: (string | undefined)[] = [];
  await using to = startPlane({
    onStream(stream) {
      ids.push(headerValue(stream.request, headers.flow));
      echo(stream);
    },
  });
  await to.reach(CAPTURED);
  const { dial } = await to.listen();
  using conn = await dial();
  await say(conn, "hello");
  await hear(conn, 5);
  const [flow] = await to.plane.flows();
  assert.deepEqual(ids, [flow?.id]);
  assert.deepEqual([flow?.outcome.kind, flow?.sent, flow?.received], ["open", 5, 5]);
  assert.equal(flow?.program?.pid, Deno.pid);
});

Deno.test("a connection to an address that no cluster has any more is refused by the laptop", async () => {
  await using to = startPlane();
  const { dial } = await to.listen();
  using conn = await dial();
  await isReset(conn);
  const { outcome } = await failure(to);
  assert.ok(outcome.kind === "refused" && outcome.by === "laptop");
  assert.equal(outcome.error, "destination_not_found");
});

Deno.test("a connection for which there is no tunnel has failed for that", async () => {
  await using to = startPlane({ parts: { gateway: () => Promise.withResolvers<never>().promise } });
  await to.plane.connect("dev");
  await to.plane.changeAddresses({ cluster: "dev", added: new Map(Object.entries(CAPTURED)), removed: [] });
  await to.plane.setCaptured("dev", true);
  await to.plane.reach("dev");
  const { dial } = await to.listen();
  using conn = await dial();
  while ((await to.plane.flows()).length === 0); // until it waits for the tunnel
  await to.plane.disconnect("dev");
  await isReset(conn);
  assert.deepEqual((await failure(to)).outcome, {
    kind: "no-tunnel",
    details: "the cluster is disconnected",
  });
});

Deno.test("a connection whose server resets it is reset by the server", async () => {
  await using to = startPlane({
    onStream(stream) {
      stream.respond([[":status", "200"]]);
      stream.read(new Uint8Array(1)).then(() => stream.abort());
    },
  });
  await to.reach(CAPTURED);
  const { dial } = await to.listen();
  using conn = await dial();
  await say(conn, "x");
  await isReset(conn);
  const { outcome, sent } = await failure(to);
  assert.ok(outcome.kind === "reset" && outcome.by === "server");
  assert.equal(sent, 1);
});

Deno.test("a connection that its own client resets is reset by the client", async () => {
  await using to = startPlane();
  await to.reach(CAPTURED);
  const { dial } = await to.listen();
  const conn = new TcpConnection(await dial());
  await say(conn, "x");
  await hear(conn, 1);
  conn.abort();
  const { outcome } = await failure(to);
  assert.ok(outcome.kind === "reset" && outcome.by === "client");
});

Deno.test("a connection whose tunnel breaks is reset by the tunnel", async () => {
  await using to = startPlane();
  await to.reach(CAPTURED);
  const { dial } = await to.listen();
  using conn = await dial();
  await say(conn, "x");
  await hear(conn, 1);
  to.gateway.connections[0]?.abort();
  await isReset(conn);
  const { outcome } = await failure(to);
  assert.ok(outcome.kind === "reset" && outcome.by === "tunnel");
  assert.match(formatOutcome(outcome), /^reset: the (gateway's pod ended|connection to the gateway broke)/);
});

Deno.test("an intercepted connection whose program refuses has failed under the relay's id", async () => {
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  await using to = startPlane();
  await to.plane.connect("dev");
  const target = {
    rule: RULE,
    protocol: "tcp" as const,
    intercept: "echo.default:80",
    port: 80,
    host: "127.0.0.1",
  };
  await to.plane.setIntercepts("dev", [{ ...target, localPort: closed.addr.port }]);
  await to.plane.setAgents("dev", [AGENT]);
  await until("the agent is dialled", () => to.agents.length === 1);
  to.agents[0]?.open([
    [":method", "CONNECT"],
    [":authority", `${RULE}:80`],
    [headers.flow, "k3v9t0aq-1f"],
    [headers.caller, "10.244.1.7:51234"],
    [headers.destination, "10.244.1.9:8080"],
  ]);
  const { id, from, to: dialled, intercept, outcome } = await failure(to);
  assert.deepEqual([id, from, dialled, intercept], [
    "k3v9t0aq-1f",
    "10.244.1.7:51234",
    "10.244.1.9:8080",
    "echo.default:80",
  ]);
  assert.ok(outcome.kind === "refused" && outcome.by === "program");
  assert.match(outcome.details, /nothing listens at 127\.0\.0\.1:\d+ on the laptop/);
});

Deno.test("a proxied connection that fails is a flow too, and its client is told the reason", async () => {
  await using to = startPlane({ onStream: refusing("no ready endpoint") });
  await to.reach(CAPTURED);
  const [, port] = (await to.plane.serveProxy(0)).split(":");
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  await say(conn, "CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
  const answer = await new Response(conn.readable).text();
  assert.match(answer, /^HTTP\/1\.1 503 [^]*no ready endpoint/);
  const { kind, from, to: dialled, program, outcome } = await failure(to);
  assert.deepEqual([kind, from, dialled], ["proxied", `127.0.0.1:${conn.localAddr.port}`, "10.96.0.7:80"]);
  assert.equal(program?.pid, Deno.pid);
  assert.ok(outcome.kind === "refused" && outcome.by === "gateway");
});

Deno.test("a proxied connection that a gateway refuses says what the cluster's objects say, to its client too", async () => {
  const asked: unknown[] = [];
  const why = { error: "destination_not_found", details: "the Service has no port 81" } as const;
  await using to = startPlane({
    onStream: refusing("unreachable: the Service may have no such port"),
    parts: { whyUnserved: (destination) => (asked.push(destination), why) },
  });
  await to.reach(CAPTURED);
  const [, port] = (await to.plane.serveProxy(0)).split(":");
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  await say(conn, "CONNECT 127.0.0.1:81 HTTP/1.1\r\nHost: 127.0.0.1:81\r\n\r\n");
  const answer = await new Response(conn.readable).text();
  assert.match(answer, /^HTTP\/1\.1 404 [^]*the Service has no port 81/);
  assert.deepEqual(asked, [{ protocol: "tcp", cluster: "dev", address: "10.96.0.7", port: 81 }]);
  assert.deepEqual((await failure(to)).outcome, { kind: "refused", by: "gateway", ...why });
});

Deno.test("a proxied connection to a port that a Service lacks isn't waited for where the cluster drops it", async () => {
  const why = { error: "destination_not_found", details: "the Service has no port 81" } as const;
  await using to = startPlane({ onStream: () => {}, parts: { whyUnserved: () => why } });
  await to.reach(CAPTURED);
  const [, port] = (await to.plane.serveProxy(0)).split(":");
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  await say(conn, "CONNECT 127.0.0.1:81 HTTP/1.1\r\nHost: 127.0.0.1:81\r\n\r\n");
  assert.match(await new Response(conn.readable).text(), /^HTTP\/1\.1 404 [^]*the Service has no port 81/);
});

Deno.test("plain requests that a client sends over one connection are one flow, which ends in order with the client", async () => {
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
  await using to = startPlane({
    onStream(stream) {
      stream.respond([[":status", "200"]]);
      const serve = async () => {
        while (await stream.read(new Uint8Array(1_000)) !== null) await say(stream, answer);
      };
      serve().catch(() => {}); // closed by the other end
    },
  });
  await to.reach(CAPTURED);
  const [, port] = (await to.plane.serveProxy(0)).split(":");
  const ended: Flow[] = [];
  using _following = to.plane.followFlows((flow) => ended.push(flow));
  {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    for (let request = 0; request < 3; request++) {
      await say(conn, "GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
      assert.equal(await hear(conn, answer.length), answer);
    }
    const open = await to.plane.flows();
    assert.deepEqual(open.map(({ kind, program }) => [kind, program?.pid]), [["proxied", Deno.pid]]);
  }
  await until("the flow has ended", () => ended.length > 0);
  assert.deepEqual(ended.map(({ outcome }) => outcome), [{ kind: "done" }]);
  assert.deepEqual(await to.plane.flows(), []);
});

Deno.test("an answer that the proxy replaces by a 502 of its own is a failed flow, with its program and the reason", async () => {
  let answer = "";
  await using to = startPlane({
    onStream(stream) {
      stream.respond([[":status", "200"]]);
      const serve = async () => {
        await stream.read(new Uint8Array(1_000));
        if (answer !== "") await say(stream, answer);
        stream.closeWrite();
      };
      serve().catch(() => {}); // closed by the other end
    },
  });
  await to.reach(CAPTURED);
  const [, port] = (await to.plane.serveProxy(0)).split(":");
  const answers = ["", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"];
  for (answer of answers) {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    await say(conn, "GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    await new Response(conn.readable).text().catch(() => {}); // half an answer breaks off
    const seen = answers.indexOf(answer) + 1;
    await until(`${seen} failed flows`, async () => (await to.plane.failedFlows()).length === seen);
  }
  const failed = await to.plane.failedFlows();
  const why = [
    /^127\.0\.0\.1 port 80 took the request and ended the connection without a whole answer$/,
    /^127\.0\.0\.1 port 80 answers, but not in valid HTTP\/1\.1/,
    /^127\.0\.0\.1 port 80 began to answer and ended the connection without a whole answer$/,
  ];
  failed.forEach(({ kind, program, outcome }, i) => {
    assert.deepEqual([kind, program?.pid], ["proxied", Deno.pid]);
    assert.ok(outcome.kind === "reset" && outcome.by === "server");
    assert.match(outcome.details, why[i] ?? /nothing/);
  });
});

Deno.test("flows that end in order are told to those who follow, and kept nowhere", async () => {
  await using to = startPlane();
  await to.reach(CAPTURED);
  const { dial } = await to.listen();
  const exchange = async () => {
    using conn = await dial();
    await say(conn, "hello");
    assert.equal(await hear(conn, 5), "hello");
    await conn.closeWrite();
    assert.equal(await conn.read(new Uint8Array(1)), null);
  };
  await exchange();
  const ended: Flow[] = [];
  {
    using _following = to.plane.followFlows((flow) => ended.push(flow));
    await exchange();
    await until("it's told", () => ended.length === 1);
  }
  await exchange();
  assert.deepEqual(await to.plane.flows(), []);
  assert.equal(ended.length, 1);
  const [flow] = ended;
  assert.deepEqual([flow?.outcome, flow?.sent, flow?.received], [{ kind: "done" }, 5, 5]);
  assert.deepEqual(to.failed, []);
});

Deno.test("a follower isn't told connections of the daemon's own", async () => {
  await using to = startPlane();
  await to.reach(CAPTURED);
  const { dial } = await to.listen();
  const from = ({ localAddr }: Deno.TcpConn) => `127.0.0.1:${localAddr.port}`;
  const exchange = async (isOwn: boolean) => {
    using conn = await dial();
    if (isOwn) to.plane.hideOwn(from(conn));
    await conn.closeWrite();
    assert.equal(await conn.read(new Uint8Array(1)), null);
    return from(conn);
  };
  const ended: Flow[] = [];
  using _following = to.plane.followFlows((flow) => ended.push(flow));
  await exchange(true);
  const users = await exchange(false);
  await until("the user's is told", () => ended.length > 0);
  assert.deepEqual(ended.map(({ from }) => from), [users]);
});
