/** Datagrams through the plane: from a program's socket to the gateway and back. */
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { until } from "../async/testing/until.ts";
import type { Stream } from "../hbone/mod.ts";
import { DatagramStream } from "../masque/datagram_stream.ts";
import type { UnreachableFor } from "../wire/helper.ts";
import type { SocketToBind } from "./plane.ts";
import { startPlane } from "./testing/plane.ts";

const CAPTURED = { "10.96.0.7": "10.96.0.7" };

function echo(stream: Stream): void {
  stream.respond([[":status", "200"]]);
  const datagrams = new DatagramStream(stream, (payload) => answer(payload));
  const answer = (payload: Uint8Array) => void datagrams.send(payload);
}

/** A program's socket; what it sends counts as captured. */
async function program(plane: ReturnType<typeof startPlane>["plane"]) {
  const opened: SocketToBind[] = [];
  const refused: UnreachableFor[] = [];
  assert.ok(await plane.takesUdp());
  const uid = Deno.uid() ?? -1;
  await plane.carryUdp({ own: "127.0.0.1", accounts: [{ first: uid, last: uid }] }, {
    open: (socket) => Promise.resolve(void opened.push(socket)), // it stays on loopback
    unreachable: (callers) => Promise.resolve(void refused.push(...callers)),
  });
  const socket = dgram.createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const heard: string[] = [];
  socket.on("message", (message) => heard.push(message.toString()));
  const callerPort = socket.address().port;
  const closed = once(socket, "close");
  let isOpen = true;
  const close = async () => {
    if (isOpen) socket.close();
    isOpen = false;
    await closed;
  };
  return {
    opened,
    refused,
    heard,
    callerPort,
    send: (text: string, address = "10.96.0.7") =>
      plane.datagrams([{ address, port: 53, callerPort, payload: new TextEncoder().encode(text) }]),
    close,
    [Symbol.asyncDispose]: close,
  };
}

Deno.test("a captured datagram goes to the cluster, its answer to the program, and the flow is listed until the socket is closed", async () => {
  await using to = startPlane({ onStream: echo });
  await to.reach(CAPTURED);
  await using asking = await program(to.plane);
  await asking.send("one");
  await asking.send("two");
  await until("both are answered", () => asking.heard.length === 2);
  assert.deepEqual(asking.heard, ["one", "two"]);
  assert.deepEqual(asking.opened.map(({ address, port }) => [address, port]), [["10.96.0.7", 53]]);
  const [flow] = await to.plane.flows();
  const { protocol, from, to: place, sent, received, outcome, program: owner } = flow ?? assert.fail();
  assert.deepEqual({ protocol, from, place, sent, received, outcome, pid: owner?.pid }, {
    protocol: "udp",
    from: `127.0.0.1:${asking.callerPort}`,
    place: "10.96.0.7:53",
    sent: 6,
    received: 6,
    outcome: { kind: "open" },
    pid: Deno.pid,
  });
  await to.plane.callersClosed([{ family: 4, port: asking.callerPort }]);
  assert.equal((await to.plane.flows()).length, 1, "its socket is open: it was another one of that port");
  await asking.close();
  await to.plane.callersClosed([{ family: 4, port: asking.callerPort }]);
  await until("no flow is open", async () => (await to.plane.flows()).length === 0);
});

Deno.test("a datagram to an address that is no cluster's any more is refused to its program", async () => {
  await using to = startPlane({ onStream: echo });
  await to.reach(CAPTURED);
  await using asking = await program(to.plane);
  await asking.send("?", "10.96.0.99");
  await until("the program is told", () => asking.refused.length > 0);
  assert.deepEqual(asking.refused, [{ address: "10.96.0.99", port: 53, caller: asking.callerPort }]);
  await until("the flow has failed", () => to.failed.length === 1);
});

Deno.test("an address that is released ends its flows", async () => {
  await using to = startPlane({ onStream: echo });
  await to.reach(CAPTURED);
  await using asking = await program(to.plane);
  await asking.send("one");
  await until("it is answered", () => asking.heard.length === 1);
  await to.plane.changeAddresses({ cluster: "dev", added: new Map(), removed: ["10.96.0.7"] });
  await until("the flow has failed", () => to.failed.length === 1);
  assert.deepEqual(to.failed[0]?.flow.outcome.kind, "reset");
});
