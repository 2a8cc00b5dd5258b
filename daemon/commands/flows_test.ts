import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import { type Header } from "../../hbone/mod.ts";
import { type Flow, formatOutcome } from "../../wire/flow.ts";
import { type FakeDaemon, fakeDaemon, recorder } from "../testing/daemon.ts";
import { forever } from "../testing/fails.ts";

/** A daemon whose gateway refuses every connection, connected with a proxy; `refused` is how many of these failed. */
async function refusing() {
  const why: Header = ["proxy-status", 'pmz-gateway; error=connection_refused; details="no ready endpoint"'];
  const at = await fakeDaemon({
    onStream: (stream) => stream.respond([[":status", "502"], why], { end: true }),
  });
  const { proxy = "" } = await at.daemon.up(at.up, recorder(), forever);
  return { at, proxy };
}

/** Connects to the Service "echo" by the proxy, and is refused. */
async function connect(proxy: string, servicePort = 80): Promise<void> {
  const [hostname = "", port] = proxy.split(":");
  using conn = await Deno.connect({ hostname, port: Number(port) });
  await conn.write(
    new TextEncoder().encode(`CONNECT echo.default.svc:${servicePort} HTTP/1.1\r\nhost: echo\r\n\r\n`),
  );
  await conn.read(new Uint8Array(1024));
}

/** The flows, as soon as there are so many. */
async function flowsOf({ daemon }: FakeDaemon, count: number): Promise<Flow[]> {
  const flows = await pollUntil(async () => {
    const seen = await daemon.flows();
    return seen.length >= count && seen;
  });
  assert.equal(flows?.length, count);
  return flows;
}

Deno.test("a connection that was refused is among the flows and in the status, by the Service's name", async () => {
  const { at, proxy } = await refusing();
  await using _at = at;
  await connect(proxy);
  const [flow] = await flowsOf(at, 1);
  assert.ok(flow);
  assert.equal(flow.name, "echo.default.svc:80");
  assert.equal(formatOutcome(flow.outcome), "refused by the gateway: no ready endpoint");
  assert.deepEqual((await at.daemon.status()).failures, [flow]);
});

Deno.test("the status has the last ten failures, the newest last", async () => {
  const { at, proxy } = await refusing();
  await using _at = at;
  for (let port = 1; port <= 12; port++) await connect(proxy, port);
  const all = await flowsOf(at, 12);
  assert.deepEqual((await at.daemon.status()).failures.map(({ id }) => id), all.slice(2).map(({ id }) => id));
});

Deno.test("a connection that fails again and again is one failure, which counts", async () => {
  const { at, proxy } = await refusing();
  await using _at = at;
  await connect(proxy, 81);
  for (let i = 0; i < 30; i++) await connect(proxy);
  const failures = await pollUntil(async () => {
    const { failures } = await at.daemon.status();
    return failures.some(({ times }) => times === 30) && failures;
  });
  assert.deepEqual(failures?.map(({ name, times }) => [name, times]), [
    ["echo.default.svc:81", undefined],
    ["echo.default.svc:80", 30],
  ]);
});

Deno.test("with a proxy, too, a refused connection says what the Service lacks", async () => {
  const { at, proxy } = await refusing();
  await using _at = at;
  await connect(proxy, 81);
  const [flow] = await flowsOf(at, 1);
  assert.equal(flow && formatOutcome(flow.outcome), "refused by the gateway: the Service has no port 81");
});

Deno.test("a follower is told each flow that ends from then on, until it stops", async () => {
  const { at, proxy } = await refusing();
  await using _at = at;
  await connect(proxy);
  const [before] = await flowsOf(at, 1);
  const stop = new AbortController();
  const events = at.daemon.followFlows({}, stop.signal);
  const next = events.next();
  await connect(proxy);
  const { value } = await next;
  assert.ok(value && "flow" in value && value.flow.id !== before?.id);
  assert.equal(value.flow.name, "echo.default.svc:80");
  const last = events.next();
  stop.abort();
  assert.equal((await last).done, true);
});
