import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { Connection, type ConnectionOptions, ErrorCode, type Header, type Stream } from "../../hbone/mod.ts";
import { Places } from "./places.ts";
import { dial, front, type FrontRule } from "./testing/http2_front.ts";

const alice = { headers: [{ name: "x-user", exact: "alice" }] };
const bob = { hosts: ["bob.example"] };

const request = (path: string, ...fields: Header[]): Header[] => [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "echo"],
  [":path", path],
  ...fields,
];
const hers = (path: string) => request(path, ["x-user", "alice"]);

async function text(stream: Stream): Promise<string> {
  const into = new Uint8Array(4096);
  let all = "";
  for (let n; (n = await stream.read(into)) !== null;) all += new TextDecoder().decode(into.subarray(0, n));
  return all;
}

type Answer = (stream: Stream, connection: Connection) => Promise<void> | void;

/** A server on loopback that answers with its name and the path. */
function server(name: string, options: Partial<ConnectionOptions> & { answer?: Answer } = {}) {
  const { answer, ...rest } = options;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Connection[] = [];
  const says: Answer = async (stream) => {
    await text(stream);
    stream.respond([[":status", "200"]]);
    const path = stream.request.find(([name]) => name === ":path")?.[1];
    await stream.write(new TextEncoder().encode(`${name} ${path}`));
    await stream.closeWrite();
  };
  const accepting = (async () => {
    for await (const socket of listener) {
      const connection: Connection = new Connection(socket, {
        role: "server",
        ...rest,
        onStream: (stream) => void (async () => await (answer ?? says)(stream, connection))().catch(() => {}),
      });
      connections.push(connection);
    }
  })();
  return {
    port: listener.addr.port,
    connections,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const connection of connections) connection.abort();
      await Promise.all(connections.map(({ closed }) => closed));
    },
  };
}

/** A server on loopback that is no HTTP/2 server: it answers each connection's first bytes with these, and notes all bytes. */
function otherServer(answer: string | undefined) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let got = "";
  const serving: Promise<void>[] = [];
  const serve = async (socket: Deno.TcpConn) => {
    const into = new Uint8Array(4096);
    for (let isFirst = true;; isFirst = false) {
      const n = await socket.read(into).catch(() => null);
      if (n === null) break;
      got += new TextDecoder("latin1").decode(into.subarray(0, n));
      if (isFirst && answer !== undefined) await socket.write(new TextEncoder().encode(answer));
    }
    socket.close();
  };
  const accepting = (async () => {
    for await (const socket of listener) serving.push(serve(socket));
  })();
  return {
    port: listener.addr.port,
    got: () => got,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(serving);
    },
  };
}

async function client(port: number): Promise<Connection> {
  return new Connection(await dial(port), { role: "client" });
}

/** What each of these requests is answered, one after the other. */
async function ask(client: Connection, ...requests: readonly Header[][]): Promise<string[]> {
  const all: string[] = [];
  for (const headers of requests) all.push(await text(client.open(headers, { end: true })));
  return all;
}

const ruleOf = (match: FrontRule["match"], { port }: { port: number }): FrontRule => ({ match, port });

Deno.test("each stream of a connection goes where its own fields say", async () => {
  await using pod = server("pod");
  await using alices = server("alice");
  await using bobs = server("bob");
  await using at = front(pod.port, [ruleOf(alice, alices), ruleOf(bob, bobs)]);
  await using caller = await client(at.port);
  const ofBob: Header[] = [[":method", "GET"], [":scheme", "http"], [":authority", "Bob.example:80"], [
    ":path",
    "/3",
  ]];
  assert.deepEqual(await ask(caller, request("/1"), hers("/2"), ofBob, hers("/4"), request("/5")), [
    "pod /1",
    "alice /2",
    "bob /3",
    "alice /4",
    "pod /5",
  ]);
  assert.deepEqual([pod, alices, bobs].map(({ connections }) => connections.length), [1, 1, 1]);
  assert.deepEqual(at.counts, [{ seen: 5, taken: 2, declined: 0 }, { seen: 3, taken: 1, declined: 0 }]);
});

Deno.test("a caller is told what its pod announces", async () => {
  await using pod = server("pod", {
    limits: { streams: 7, headerList: 9_000 },
    settings: { enableConnectProtocol: false },
  });
  await using at = front(pod.port, [ruleOf(alice, pod)]);
  await using caller = await client(at.port);
  const { maxConcurrentStreams, maxHeaderListSize, enableConnectProtocol } = await caller.ready;
  assert.deepEqual([maxConcurrentStreams, maxHeaderListSize, enableConnectProtocol], [7, 9_000, false]);
});

Deno.test("a laptop that is gone takes nothing; one that is back takes the next stream of an open connection", async () => {
  await using pod = server("pod");
  await using alices = server("alice");
  await using at = front(pod.port, [ruleOf(alice, alices)]);
  await using caller = await client(at.port);
  at.set(0, false);
  assert.deepEqual(await ask(caller, hers("/1")), ["pod /1"]);
  at.set(0, true);
  assert.deepEqual(await ask(caller, hers("/2"), request("/3")), ["alice /2", "pod /3"]);
});

Deno.test("where the tunnel breaks, the streams in flight are reset, and the caller's others are not", async () => {
  const held: Stream[] = [];
  await using pod = server("pod");
  await using alices = server("alice", { answer: (stream) => void held.push(stream) });
  await using at = front(pod.port, [ruleOf(alice, alices)]);
  await using caller = await client(at.port);
  const stream = caller.open(hers("/1"));
  await until("the laptop has it", () => held.length === 1);
  at.breakTunnel();
  assert.deepEqual(await stream.closed, { kind: "reset", code: ErrorCode.INTERNAL_ERROR, by: "peer" });
  assert.deepEqual(await ask(caller, request("/2"), hers("/3")), ["pod /2", "pod /3"]);
  assert.deepEqual(at.counts, [{ seen: 3, taken: 1, declined: 1 }]);
});

Deno.test("while the program on a laptop is down its streams are refused, and nobody else's", async () => {
  await using pod = server("pod");
  const alices = server("alice");
  await alices[Symbol.asyncDispose]();
  await using at = front(pod.port, [ruleOf(alice, alices)]);
  await using caller = await client(at.port);
  const stream = caller.open(hers("/1"));
  assert.deepEqual(await stream.closed, { kind: "reset", code: ErrorCode.REFUSED_STREAM, by: "peer" });
  assert.deepEqual(await ask(caller, request("/2")), ["pod /2"]);
});

Deno.test("a laptop's program that speaks HTTP/1.1 alone is said to: its streams are reset so", async () => {
  await using pod = server("pod");
  await using alices = otherServer("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  await using at = front(pod.port, [ruleOf(alice, alices)]);
  await using caller = await client(at.port);
  const stream = caller.open(hers("/1"));
  assert.deepEqual(await stream.closed, { kind: "reset", code: ErrorCode.HTTP_1_1_REQUIRED, by: "peer" });
  assert.deepEqual(await ask(caller, request("/2")), ["pod /2"]);
});

Deno.test("a pod that isn't an HTTP/2 server gets and gives the bytes that it would without pmz", async () => {
  const said = "HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Length: 0\r\n\r\n";
  await using pod = otherServer(said);
  {
    await using at = front(pod.port, [ruleOf(alice, pod)]);
    const socket = await dial(at.port);
    const sent = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0and more";
    await socket.write(new TextEncoder().encode(sent));
    let got = "";
    const into = new Uint8Array(4096);
    while (got.length < said.length) {
      const n = await socket.read(into);
      assert.ok(n !== null, "the end");
      got += new TextDecoder().decode(into.subarray(0, n));
    }
    assert.equal(got, said);
    await until("the pod has all", () => pod.got() === sent);
    await socket.closeWrite();
    assert.equal(await socket.read(into), null);
    socket.close();
  }
});

Deno.test("a caller that is silent at first is routed, though its pod speaks as soon as it is connected to", async () => {
  await using pod = server("pod");
  await using alices = server("alice");
  await using at = front(pod.port, [ruleOf(alice, alices)]);
  const socket = await dial(at.port);
  await until("the pod was dialled", () => pod.connections.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  await using caller = new Connection(socket, { role: "client" });
  assert.deepEqual(await ask(caller, hers("/1"), request("/2")), ["alice /1", "pod /2"]);
  assert.equal(pod.connections.length, 1);
});

Deno.test("a server's limit of streams is respected: further ones wait for it", async () => {
  const held: Stream[] = [];
  await using pod = server("pod");
  await using alices = server("alice", {
    limits: { streams: 2 },
    answer: (stream) => {
      held.push(stream);
      stream.respond([[":status", "200"]]);
    },
  });
  await using at = front(pod.port, [ruleOf(alice, alices)]);
  await using caller = await client(at.port);
  const streams = Array.from({ length: 5 }, (_, i) => caller.open(hers(`/${i}`), { end: true }));
  for (let i = 1; i <= 5; i++) {
    await until("another one has come", () => held.length >= Math.min(i + 1, 5));
    assert.deepEqual(await ask(caller, request("/")), ["pod /"]);
    assert.equal(held.length, Math.min(i + 1, 5));
    await held[i - 1]?.closeWrite();
  }
  assert.deepEqual(await Promise.all(streams.map(({ closed }) => closed)), Array(5).fill({ kind: "clean" }));
});

Deno.test("a pod that sends its callers away has them sent away, and finishes what it has", async () => {
  const held: Stream[] = [];
  await using pod = server("pod", { answer: (stream) => void held.push(stream) });
  await using at = front(pod.port, [ruleOf(alice, pod)]);
  await using caller = await client(at.port);
  const stream = caller.open(request("/1"), { end: true });
  await until("the pod has it", () => held.length === 1);
  pod.connections[0]?.drain();
  await until("the caller was told", () => !caller.accepting);
  held[0]?.respond([[":status", "200"]]);
  await held[0]?.closeWrite();
  assert.deepEqual(await stream.closed, { kind: "clean" });
  assert.equal((await caller.closed).kind, "clean");
});

Deno.test("a stream that a server refuses is refused to its caller, who may send it again", async () => {
  await using pod = server("pod", { answer: (stream) => stream.reset(ErrorCode.REFUSED_STREAM) });
  await using at = front(pod.port, [ruleOf(alice, pod)]);
  await using caller = await client(at.port);
  assert.deepEqual(await caller.open(request("/")).closed, {
    kind: "reset",
    code: ErrorCode.REFUSED_STREAM,
    by: "peer",
  });
});

Deno.test("a pod that breaks its connection breaks its caller's, as without pmz", async () => {
  await using pod = server("pod", {
    answer: (_, connection) => connection.abort(ErrorCode.ENHANCE_YOUR_CALM),
  });
  await using at = front(pod.port, [ruleOf(alice, pod)]);
  await using caller = await client(at.port);
  await caller.open(request("/")).closed;
  const { kind, code } = await caller.closed;
  assert.deepEqual([kind, code], ["goaway", ErrorCode.ENHANCE_YOUR_CALM]);
});

Deno.test("a rule for the whole Service has later streams, and gives them back", async () => {
  await using pod = server("pod");
  await using alices = server("alice");
  await using bobs = server("bob");
  await using at = front(pod.port, [ruleOf(alice, alices), ruleOf(bob, bobs)]);
  await using caller = await client(at.port);
  assert.deepEqual(await ask(caller, request("/1"), hers("/2")), ["pod /1", "alice /2"]);
  at.makeWhole(1);
  assert.deepEqual(await ask(caller, request("/3"), hers("/4")), ["bob /3", "alice /4"]);
  at.makeWhole(undefined);
  assert.deepEqual(await ask(caller, request("/5")), ["pod /5"]);
});

Deno.test("a slow laptop holds up its own streams and no others", async () => {
  await using pod = server("pod");
  await using alices = server("alice", { answer: (stream) => stream.respond([[":status", "200"]]) });
  await using at = front(pod.port, [ruleOf(alice, alices)]);
  await using caller = await client(at.port);
  const stalled = Array.from({ length: 100 }, () => caller.open(hers("/")));
  for (const stream of stalled) {
    (async () => {
      const bytes = new Uint8Array(64 * 1024);
      for (;;) await stream.write(bytes);
    })().catch(() => {});
  }
  for (let i = 0; i < 20; i++) assert.deepEqual(await ask(caller, request(`/${i}`)), [`pod /${i}`]);
  for (const stream of stalled) stream.reset(ErrorCode.CANCEL);
});

Deno.test("answers that a caller doesn't read hold up no others of the same server", async () => {
  await using pod = server("pod", {
    answer: async (stream) => {
      stream.respond([[":status", "200"]]);
      const isQuick = stream.request.some(([, value]) => value === "/quick");
      const bytes = new Uint8Array(isQuick ? 100 : 64 * 1024);
      do await stream.write(bytes); while (!isQuick);
      await stream.closeWrite();
    },
  });
  await using at = front(pod.port, [ruleOf(alice, pod)]);
  const settings = { initialWindowSize: 1_000 };
  await using caller = new Connection(await dial(at.port), { role: "client", settings });
  await caller.ready;
  const unread = Array.from({ length: 500 }, () => caller.open(request("/big"), { end: true }));
  await Promise.all(unread.map(({ response }) => response));
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let i = 0; i < 10; i++) assert.equal((await ask(caller, request("/quick")))[0]?.length, 100);
  for (const stream of unread) stream.reset(ErrorCode.CANCEL);
});

Deno.test("a caller has its share of all streams that laptops have, of which long fields take more; a stream beyond it is refused", async () => {
  await using pod = server("pod", { answer: (stream) => stream.respond([[":status", "200"]]) });
  const places = new Places(8);
  await using at = front(pod.port, [ruleOf(alice, pod)], places);
  await using caller = await client(at.port);
  const long: Header[] = [...hers("/long"), ["x-long", "x".repeat(9_000)]];
  const first = caller.open(long);
  await first.response;
  const second = caller.open(hers("/2"));
  await second.response;
  assert.equal(places.taken, 4);
  const beyond = caller.open(hers("/3"));
  const end = await Promise.race([
    beyond.response.then(() => "answered", () => beyond.closed),
    beyond.closed,
  ]);
  assert.deepEqual(end, { kind: "reset", code: ErrorCode.REFUSED_STREAM, by: "peer" });
  first.abort();
  await until("its places are free", () => places.taken === 1);
  await caller.open(hers("/4")).response;
});
