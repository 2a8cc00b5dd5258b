import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { until } from "../../async/testing/until.ts";
import { SocketOwners } from "../../ffi/proc/socket_owner.ts";
import type { ConnectedUdpEvents } from "../../ffi/sockets/connected_udp.ts";
import { UdpPoller } from "../../ffi/sockets/udp_poller.ts";
import { type Endpoint, parseAddress, parseEndpoint } from "../../net/address.ts";
import { formatHeader, headerLength } from "./socks5_datagram.ts";
import {
  type AssociationParts,
  type DatagramAnswers,
  type DatagramTarget,
  UdpAssociation,
} from "./udp_association.ts";

function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  assert(parsed, text);
  return parsed;
}

/** A datagram to a target of IPv4, or by a name. */
function datagram(to: string, payload: string): Uint8Array {
  const parsed = parseEndpoint(to);
  const text = new TextEncoder().encode(payload);
  if (parsed !== undefined) return Uint8Array.of(...formatHeader(parsed), ...text);
  const [name = "", port = ""] = to.split(":");
  const bytes = new TextEncoder().encode(name);
  return Uint8Array.of(0, 0, 0, 3, bytes.length, ...bytes, Number(port) >> 8, Number(port) & 0xff, ...text);
}

interface Opened extends DatagramTarget {
  readonly to: string;
  readonly sent: string[];
  readonly answers: DatagramAnswers;
  isClosed: boolean;
}

/** An association whose flows are remembered, and clients' sockets. */
function start(parts: Partial<AssociationParts> = {}) {
  const poller = new UdpPoller();
  const opened: Opened[] = [];
  const address = parseAddress("127.0.0.1");
  assert(address);
  const association = new UdpAssociation({
    poller,
    address,
    allow: () => Promise.resolve(true),
    open(_client, { host, port }, answers) {
      if (host === "nowhere") return undefined;
      const sent: string[] = [];
      const flow: Opened = {
        to: `${host}:${port}`,
        sent,
        answers,
        isClosed: false,
        source: endpoint(parseEndpoint(`${host}:${port}`) ? `${host}:${port}` : `10.96.0.99:${port}`),
        send: (payload) => sent.push(new TextDecoder().decode(payload)),
        close() {
          flow.isClosed = true;
        },
      };
      opened.push(flow);
      return flow;
    },
    ...parts,
  });
  return {
    poller,
    association,
    opened,
    client() {
      const received: Uint8Array[] = [];
      const events: ConnectedUdpEvents = { received: (bytes) => received.push(bytes.slice()), failed() {} };
      const socket = poller.open(association.local, events);
      return { received, send: (to: string, payload: string) => socket.send(datagram(to, payload)), socket };
    },
    async [Symbol.asyncDispose]() {
      association[Symbol.dispose]();
      await poller[Symbol.asyncDispose]();
    },
  };
}

Deno.test("datagrams go to the targets that their headers name, one flow for each", async () => {
  await using to = start();
  const client = to.client();
  for (
    const [target, payload] of [["10.96.0.10:53", "a"], ["dns.svc:53", "b"], ["10.96.0.10:53", "c"]] as const
  ) {
    client.send(target, payload);
  }
  await until("all have come", () => to.opened.flatMap(({ sent }) => sent).length === 3);
  assert.deepEqual(to.opened.map(({ to, sent }) => [to, ...sent]), [
    ["10.96.0.10:53", "a", "c"],
    ["dns.svc:53", "b"],
  ]);
});

Deno.test("answers name their source: the target's address, also where it was asked by name", async () => {
  await using to = start();
  const client = to.client();
  client.send("dns.svc:53", "question");
  await until("it has come", () => to.opened.length === 1);
  to.opened[0]?.answers.received(new TextEncoder().encode("answer"));
  await until("the answer has come", () => client.received.length === 1);
  const [answer = new Uint8Array(0)] = client.received;
  assert.deepEqual(answer.subarray(0, headerLength(answer)), formatHeader(endpoint("10.96.0.99:53")));
  assert.equal(new TextDecoder().decode(answer.subarray(headerLength(answer))), "answer");
});

Deno.test("fragments and datagrams without a header are dropped", async () => {
  await using to = start();
  const { socket } = to.client();
  const fragment = datagram("10.96.0.10:53", "x");
  fragment[2] = 1;
  for (const bytes of [fragment, new Uint8Array(0), Uint8Array.of(0, 0, 0), datagram("bad name!:53", "x")]) {
    socket.send(bytes);
  }
  socket.send(datagram("10.96.0.10:53", "good"));
  await until("the good one has come", () => to.opened.length === 1);
  assert.deepEqual(to.opened[0]?.sent, ["good"]);
  assert.equal(to.association.dropped, 4);
});

Deno.test("only one socket of an account that may use the proxy is heard", async () => {
  const questions: number[] = [];
  await using to = start({
    allow: ({ peer }) => {
      questions.push(peer.port);
      return Promise.resolve(questions.length > 1); // not the first one
    },
  });
  const [stranger, client, late] = [to.client(), to.client(), to.client()];
  stranger.send("10.96.0.10:53", "stranger");
  await until("the stranger was turned away", () => to.association.dropped === 1);
  client.send("10.96.0.10:53", "client");
  await until("the client is heard", () => to.opened.length === 1);
  late.send("10.96.0.10:53", "late");
  stranger.send("10.96.0.10:53", "stranger");
  await until("the others were dropped", () => to.association.dropped === 3);
  assert.deepEqual(to.opened.flatMap(({ sent }) => sent), ["client"]);
  assert.equal(questions.length, 2);
});

/** A socket with an address and port of loopback. */
async function bound(address: string, port = 0) {
  const socket = dgram.createSocket("udp4");
  socket.bind(port, address);
  await once(socket, "listening");
  return {
    port: socket.address().port,
    send: (to: Endpoint, payload: string) =>
      new Promise((sent) => socket.send(datagram("10.96.0.10:53", payload), to.port, to.address.text, sent)),
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

Deno.test("a stranger with the client's port at another address takes none of its datagrams along", async () => {
  const strangers = Promise.withResolvers<boolean>();
  const asked: string[] = [];
  await using to = start({
    allow({ peer }) {
      asked.push(peer.address);
      return peer.address === "127.0.0.2" ? strangers.promise : Promise.resolve(true);
    },
  });
  await using stranger = await bound("127.0.0.2");
  await using client = await bound("127.0.0.1", stranger.port);
  await stranger.send(to.association.local, "stranger");
  await until("it is looked up", () => asked.length === 1);
  await client.send(to.association.local, "client");
  await until("the client is heard", () => to.opened.length === 1);
  strangers.resolve(false);
  await until("the stranger's was dropped", () => to.association.dropped === 1);
  assert.deepEqual(to.opened[0]?.sent, ["client"]);
});

Deno.test("a stranger that sends from many ports keeps the client out no longer than a look-up", async () => {
  const pending: ((isAllowed: boolean) => void)[] = [];
  await using to = start({
    allow: () => new Promise((resolve) => void pending.push(resolve)),
  });
  const send = async (text: string) => {
    const socket = await bound("127.0.0.1");
    await socket.send(to.association.local, text);
    return socket;
  };
  await using strangers = new AsyncDisposableStack();
  for (let i = 0; i < 8; i++) strangers.use(await send("stranger"));
  await until("all look-ups are taken", () => pending.length === 8);
  strangers.use(await send("another"));
  await using client = await send("client");
  await until("the newest waits", () => to.association.dropped === 1);
  await client.send(to.association.local, "client again");
  pending[3]?.(false);
  await until("the client is looked up", () => pending.length === 9);
  pending[8]?.(true);
  await until("the client is heard", () => to.opened[0]?.sent.length === 2);
  assert.deepEqual(to.opened[0]?.sent, ["client", "client again"]);
  for (const resolve of pending) resolve(false);
});

Deno.test("a client whose socket is closed is forgotten: who has its port next is asked about", async () => {
  let isClients = true;
  await using to = start({ allow: () => Promise.resolve(isClients), lookMs: 5 });
  const client = to.client();
  client.send("10.96.0.10:53", "client");
  await until("it is heard", () => to.opened.length === 1);
  isClients = false;
  await until("its flow has ended", () => to.opened[0]?.isClosed === true);
  client.send("10.96.0.10:53", "stranger");
  await until("it was dropped", () => to.association.dropped === 1);
  assert.equal(to.opened.length, 1);
});

Deno.test("the kernel tells whose socket a datagram came from", async () => {
  const owners = new SocketOwners();
  const uid = Deno.uid() ?? 0;
  await using to = start({ allow: (arrival) => owners.isFrom(arrival, [{ first: uid, last: uid }]) });
  to.client().send("10.96.0.10:53", "ours");
  await until("it is heard", () => to.opened.length === 1);
  await using other = start({
    allow: (arrival) => owners.isFrom(arrival, [{ first: uid + 1, last: uid + 1 }]),
  });
  other.client().send("10.96.0.10:53", "a stranger's");
  await until("it was dropped", () => other.association.dropped === 1);
});

Deno.test("what comes while the account is looked up isn't lost, up to a limit", async () => {
  const known = Promise.withResolvers<boolean>();
  await using to = start({ allow: () => known.promise });
  const client = to.client();
  const payload = "x".repeat(1000);
  for (let i = 0; i < 30; i++) client.send("10.96.0.10:53", payload);
  await until("more have come than may wait", () => to.association.dropped > 0);
  known.resolve(true);
  await until("those that waited were sent", () => (to.opened[0]?.sent.length ?? 0) > 10);
  client.send("10.96.0.10:53", "last");
  await until("others follow", () => to.opened[0]?.sent.at(-1) === "last");
});

Deno.test("a flow that ends is opened again by the next datagram, one that was refused only after a while", async () => {
  await using to = start({ refusedMs: 60_000 });
  const client = to.client();
  client.send("10.96.0.10:53", "1");
  await until("it has come", () => to.opened.length === 1);
  to.opened[0]?.answers.ended(false);
  client.send("10.96.0.10:53", "2");
  await until("it has come", () => to.opened.length === 2);
  to.opened[1]?.answers.ended(true);
  client.send("10.96.0.10:53", "3");
  client.send("nowhere:53", "4");
  client.send("nowhere:53", "5");
  await until("they were dropped", () => to.association.dropped === 3);
  assert.equal(to.opened.length, 2);
  assert.equal(to.association.size, 0);
});

Deno.test("an association has 256 targets at most", async () => {
  await using to = start();
  const client = to.client();
  for (let port = 1; port <= 257; port++) {
    client.send(`10.96.0.10:${port}`, "x");
    await until("it has come", () => to.opened.length + to.association.dropped === port);
  }
  assert.deepEqual([to.opened.length, to.association.dropped], [256, 1]);
});

Deno.test("the end of an association ends its flows and closes its socket", async () => {
  await using to = start();
  const client = to.client();
  client.send("10.96.0.10:53", "x");
  await until("it has come", () => to.opened.length === 1);
  to.association[Symbol.dispose]();
  assert.ok(to.opened[0]?.isClosed);
  to.opened[0]?.answers.received(new Uint8Array(1)); // late
  assert.equal(to.poller.size, 1, "the client's");
});
