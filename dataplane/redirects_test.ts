/** Connections of this laptop that one of its programs answers, through the plane. */
import assert from "node:assert/strict";
import { until } from "../async/testing/until.ts";
import type { Redirect } from "./plane.ts";
import { hear, say } from "./testing/gateway.ts";
import { startPlane } from "./testing/plane.ts";
import { type Origin, origin } from "./testing/talk.ts";

/** Dialled on loopback, as if it was captured. */
const CAPTURED = { "127.0.0.1": "10.96.0.7" };

/** A program that greets each connection by a name, and then says what it hears. */
function program(name: string): Origin {
  return origin(async (talk) => {
    await talk.say(name);
    for (;;) await talk.say(await talk.until("\n"));
  });
}

function redirect(port: number, { port: localPort }: { readonly port: number }): Redirect {
  return {
    protocol: "tcp",
    rule: "default/echo:80",
    intercept: "echo.default:80/mine",
    port: 80,
    host: "127.0.0.1",
    localPort,
    places: [{ address: "10.96.0.7", port }],
  };
}

/** A plane that has captured `CAPTURED`, and dials it. */
async function capturing(options?: Parameters<typeof startPlane>[0]) {
  const to = startPlane(options);
  await to.reach(CAPTURED);
  return { ...await to.listen(), to, [Symbol.asyncDispose]: () => to[Symbol.asyncDispose]() };
}

async function isReset(conn: Deno.TcpConn): Promise<void> {
  await assert.rejects(conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
}

Deno.test("a captured connection to a redirected place is answered by the laptop's program, and counted", async () => {
  await using at = await capturing();
  const { to, dial, port } = at;
  await using mine = program("mine");
  await to.plane.setRedirects("dev", [redirect(port, mine)]);
  using conn = await dial();
  assert.equal(await hear(conn, 4), "mine");
  await say(conn, "hello\n");
  assert.equal(await hear(conn, 6), "hello\n");
  const [flow] = await to.plane.flows();
  assert.deepEqual(
    [flow?.kind, flow?.intercept, flow?.to, flow?.sent, flow?.received],
    ["captured", "echo.default:80/mine", `10.96.0.7:${port}`, 6, 10],
  );
  const counts = async () => (await to.plane.counts("dev")).rules.map(({ open, total }) => [open, total]);
  assert.deepEqual(await counts(), [[1, 1]]);
  conn.close();
  await until("it has ended", async () => (await counts())[0]?.[0] === 0);
  assert.equal(to.gateway.connections[0]?.streams, 0, "the cluster saw nothing of it");
});

Deno.test("other ports of the same address, and other clusters' places, stay the cluster's", async () => {
  await using at = await capturing();
  const { to, dial, port } = at;
  await using mine = program("mine");
  await to.plane.setRedirects("dev", [redirect(port + 1, mine)]);
  await to.plane.setRedirects("other", [redirect(port, mine)]);
  using conn = await dial();
  await say(conn, "hello");
  assert.equal(await hear(conn, 5), "hello");
  assert.equal(mine.connections, 0);
});

Deno.test("connections that are open are closed when a redirect comes, moves and ends, and say why", async () => {
  await using at = await capturing();
  const { to, dial, port } = at;
  await using mine = program("mine");
  await using moved = program("moved");
  const steps = [
    { redirects: [redirect(port, mine)], greeting: "mine" },
    { redirects: [redirect(port, moved)], greeting: "moved" },
    { redirects: [], greeting: "" },
  ];
  let before = await dial();
  await say(before, "from the cluster");
  assert.equal(await hear(before, 16), "from the cluster");
  for (const { redirects, greeting } of steps) {
    await to.plane.setRedirects("dev", redirects);
    await isReset(before);
    before.close();
    before = await dial();
    assert.equal(await hear(before, greeting.length), greeting);
  }
  before.close();
  await until("all have failed", async () => (await to.plane.failedFlows()).length === 3);
  const why = (await to.plane.failedFlows()).map(({ outcome }) => "details" in outcome && outcome.details);
  assert.deepEqual(why.toSorted(), [
    "an intercept on this laptop takes it now",
    "its intercept has ended",
    "its intercept leads to another program now",
  ]);
});

Deno.test("a redirect that is told again closes nothing, and keeps its counts", async () => {
  await using at = await capturing();
  const { to, dial, port } = at;
  await using mine = program("mine");
  await to.plane.setRedirects("dev", [redirect(port, mine)]);
  using conn = await dial();
  assert.equal(await hear(conn, 4), "mine");
  const { places, ...rest } = redirect(port, mine);
  await to.plane.setRedirects("dev", [{ ...rest, places: [...places, { address: "10.96.0.8", port }] }]);
  await say(conn, "still\n");
  assert.equal(await hear(conn, 6), "still\n");
  assert.deepEqual((await to.plane.counts("dev")).rules.map(({ open, total }) => [open, total]), [[1, 1]]);
});

Deno.test("the program that answers reaches the cluster itself", async () => {
  await using at = await capturing({ families: { isFrom: () => Promise.resolve(true) } });
  const { to, dial, port } = at;
  await using mine = program("mine");
  await to.plane.setRedirects("dev", [redirect(port, mine)]);
  using conn = await dial();
  await say(conn, "hello");
  assert.equal(await hear(conn, 5), "hello");
  assert.equal(mine.connections, 0);
});

Deno.test("a program that doesn't listen is a reset, and the flow says where nothing listens", async () => {
  await using at = await capturing();
  const { to, dial, port } = at;
  await to.plane.setRedirects("dev", [redirect(port, { port: 1 })]);
  using conn = await dial();
  await isReset(conn);
  await until("it has failed", () => to.failed.length === 1);
  assert.deepEqual(to.failed[0]?.flow.outcome, {
    kind: "refused",
    by: "program",
    error: "connection_refused",
    details: "nothing listens at 127.0.0.1:1 on the laptop",
  });
});

Deno.test("the proxy's connections are redirected too, by name and by address", async () => {
  await using to = startPlane();
  await using mine = program("mine");
  await to.reach();
  const [, proxy] = (await to.plane.serveProxy(0)).split(":");
  await to.plane.setZone({
    cluster: "dev",
    context: "dev",
    clusterDomain: "cluster.local",
    namespace: "default",
    services: [{ namespace: "default", name: "echo", addresses: ["10.96.0.7"], ports: [] }],
  });
  await to.plane.changeAddresses({
    cluster: "dev",
    added: new Map([["10.96.0.7", "10.96.0.7"]]),
    removed: [],
  });
  await to.plane.setRedirects("dev", [redirect(80, mine)]);
  for (const host of ["echo.default.svc", "10.96.0.7"]) {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(proxy) });
    await say(conn, `CONNECT ${host}:80 HTTP/1.1\r\nHost: ${host}:80\r\n\r\n`);
    const answer = "HTTP/1.1 200";
    assert.equal(await hear(conn, answer.length), answer);
    await until("it's the laptop's", async () => (await to.plane.flows()).some(({ intercept }) => intercept));
  }
  assert.equal(mine.connections, 2);
});
