import assert from "node:assert/strict";
import { until } from "../async/testing/until.ts";
import type { ConnectedUdpEvents } from "../ffi/sockets/connected_udp.ts";
import { UdpPoller } from "../ffi/sockets/udp_poller.ts";
import { type Header, headerValue, type Stream } from "../hbone/mod.ts";
import { DatagramStream } from "../masque/datagram_stream.ts";
import { parseEndpoint } from "../net/address.ts";
import type { Flow } from "../wire/flow.ts";
import { headers } from "../wire/streams.ts";
import { formatHeader, headerLength } from "./proxy/socks5_datagram.ts";
import { startPlane } from "./testing/plane.ts";

/** What the gateway has as the Service that tests capture. */
const SERVICE = "10.96.0.7";

function echo(stream: Stream): void {
  if (headerValue(stream.request, ":protocol") !== "connect-udp") return stream.abort();
  const answer = () => stream.answered || stream.respond([[":status", "200"]]);
  const datagrams: DatagramStream = new DatagramStream(stream, (payload) => sendBack(payload), answer);
  const sendBack = (payload: Uint8Array) => {
    answer();
    datagrams.send(payload);
  };
}

function endpoint(text: string) {
  const parsed = parseEndpoint(text);
  assert(parsed, text);
  return parsed;
}

/** A client of the proxy with an association, and a socket that sends to it. */
async function associate(proxy: string) {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(proxy.split(":")[1]) });
  await conn.write(Uint8Array.of(5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
  const reply = new Uint8Array(12);
  for (let at = 0; at < reply.length;) at += await conn.read(reply.subarray(at)) ?? assert.fail("it ended");
  assert.deepEqual([...reply.subarray(0, 10)], [5, 0, 5, 0, 0, 1, 127, 0, 0, 1]);
  const poller = new UdpPoller();
  const received: string[] = [];
  const events: ConnectedUdpEvents = {
    received: (bytes) => received.push(new TextDecoder().decode(bytes.subarray(headerLength(bytes)))),
    failed() {},
  };
  const socket = poller.open(endpoint(`127.0.0.1:${(reply[10] ?? 0) << 8 | (reply[11] ?? 0)}`), events);
  return {
    conn,
    received,
    send: (to: string, text: string) =>
      socket.send(Uint8Array.of(...formatHeader(endpoint(to)), ...new TextEncoder().encode(text))),
    async [Symbol.asyncDispose]() {
      conn.close();
      await poller[Symbol.asyncDispose]();
    },
  };
}

Deno.test("datagrams of a proxy's client go by a flow of its own, which ends with the client's connection", async () => {
  const streams: Stream[] = [];
  await using to = startPlane({ onStream: (stream) => (streams.push(stream), echo(stream)) });
  await to.reach({ "127.0.0.1": SERVICE });
  const ended: Flow[] = [];
  using _following = to.plane.followFlows((flow) => ended.push(flow));
  {
    await using client = await associate(await to.plane.serveProxy(0));
    for (const text of ["one", "two"]) client.send("127.0.0.1:53", text);
    await until("both have come back", () => client.received.length === 2);
    assert.deepEqual(client.received, ["one", "two"]);
    const [open] = await to.plane.flows();
    assert.deepEqual(
      [open?.kind, open?.protocol, open?.to, open?.sent, open?.received, open?.program?.pid],
      ["proxied", "udp", `${SERVICE}:53`, 6, 6, Deno.pid],
    );
    assert.equal(streams.length, 1);
  }
  await until("the flow has ended", () => ended.length > 0);
  assert.deepEqual(ended.map(({ outcome }) => outcome), [{ kind: "done" }]);
  assert.deepEqual(await streams[0]?.closed, { kind: "clean" });
});

Deno.test("a target that refuses datagrams, or is in no cluster, is a flow that failed with the reason", async () => {
  let opened = 0;
  await using to = startPlane({
    onStream(stream) {
      opened++;
      const why: Header = [headers.proxyStatus, 'pmz-gateway; error=connection_refused; details="nobody"'];
      stream.respond([[":status", "502"], why], { end: true });
      stream.close();
    },
  });
  await to.reach({ "127.0.0.1": SERVICE });
  const ended: Flow[] = [];
  using _following = to.plane.followFlows((flow) => ended.push(flow));
  await using client = await associate(await to.plane.serveProxy(0));
  for (let i = 0; i < 5; i++) client.send("127.0.0.1:53", "x");
  client.send("192.0.2.1:53", "x");
  await until("both have failed", () => ended.length === 2);
  const byGateway = ended.find(({ to }) => to === `${SERVICE}:53`);
  assert.deepEqual(byGateway?.outcome, {
    kind: "refused",
    by: "gateway",
    error: "connection_refused",
    details: "nobody",
  });
  const nowhere = ended.find(({ to }) => to === "192.0.2.1:53")?.outcome;
  assert.ok(nowhere?.kind === "refused" && nowhere.by === "laptop");
  assert.match(nowhere.details, /no connected cluster has an address for 192\.0\.2\.1/);
  assert.equal(opened, 1, "a program that doesn't listen costs no further streams");
});
