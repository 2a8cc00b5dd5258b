import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Connection, type Header, headerValue } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../../net/address.ts";
import { type Hello, parseHello } from "../../wire/hello.ts";
import { headers, HELLO_PROTOCOL, parseProxyStatus } from "../../wire/streams.ts";
import { dial } from "./dial.ts";
import { hello, type Parts, StreamServer } from "./serve.ts";
import type { ServedEnd } from "./served_end.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Addresses of a cluster in which everything is this machine's loopback: what was to be dialled is kept. */
function cluster(port: number, known = ["10.96.0.7"]) {
  const dialled: string[] = [];
  const parts: Parts = {
    targets: {
      isTarget: (address) => known.includes(address),
      isNode: (address) => address === "10.77.1.1",
      isComplete: true,
      completed: () => Promise.resolve(true),
      learn: () => Promise.resolve(),
    },
    ranges: [],
    udp: { size: 0, carry: () => Promise.reject(new Error("no UDP here")) },
    dial: (endpoint: Endpoint, options) => {
      dialled.push(formatEndpoint(endpoint.address.text, endpoint.port));
      const here = parseEndpoint(`127.0.0.1:${port}`);
      assert(here);
      return dial(here, options);
    },
  };
  return { parts, dialled };
}

/** A laptop's end of a tunnel whose other end a StreamServer serves. */
function tunnel(parts: Parts) {
  const [ours, theirs] = memoryPair();
  const server = new StreamServer(parts);
  const ends: Promise<ServedEnd>[] = [];
  const far = new Connection(theirs, {
    role: "server",
    onStream: (stream) => void ends.push(server.serve(stream)),
  });
  const laptop = new Connection(ours, { role: "client" });
  return {
    laptop,
    far,
    server,
    ends,
    connect: (authority: string, first?: Uint8Array, more: Header[] = []) =>
      laptop.open([[":method", "CONNECT"], [":authority", authority], ...more], first ? { first } : {}),
    async [Symbol.asyncDispose]() {
      await laptop[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
      await Promise.all(ends);
    },
  };
}

/** A server on loopback; `serve` gets each connection. */
async function service(serve: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {}); // resets are what some tests are about
    serve(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

async function text(from: { read(into: Uint8Array): Promise<number | null> }): Promise<string> {
  let all = "";
  const buffer = new Uint8Array(4096);
  for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
    all += decoder.decode(buffer.subarray(0, n), { stream: true });
  }
  return all;
}

function proxyError(response: readonly Header[]): string | undefined {
  return parseProxyStatus(headerValue(response, headers.proxyStatus) ?? "")?.error;
}

Deno.test("a connection goes to the address that the laptop named, its first bytes before any answer", async () => {
  await using echo = await service((socket) => socket.pipe(socket));
  const { parts, dialled } = cluster(echo.port);
  await using to = tunnel(parts);
  const stream = to.connect("10.96.0.7:80", encoder.encode("hello "));
  await stream.write(encoder.encode("world"));
  await stream.closeWrite();
  assert.equal(headerValue(await stream.response, ":status"), "200");
  assert.equal(await text(stream), "hello world");
  assert.deepEqual(dialled, ["10.96.0.7:80"]);
  assert.deepEqual(await to.ends[0], { target: "10.96.0.7:80", out: 11, in: 11 });
});

Deno.test("a server that speaks first is heard before the laptop sends a byte", async () => {
  await using greeter = await service((socket) => socket.end("220 ready\r\n"));
  await using to = tunnel(cluster(greeter.port).parts);
  const stream = to.connect("10.96.0.7:25");
  assert.equal(await text(stream), "220 ready\r\n");
  await stream.closeWrite();
});

Deno.test("a refused dial is 502 with its reason, and the tunnel stays open", async () => {
  const gone = await service(() => {});
  await gone[Symbol.asyncDispose]();
  await using to = tunnel(cluster(gone.port).parts);
  const response = await to.connect("10.96.0.7:80", encoder.encode("GET / HTTP/1.1\r\n")).response;
  assert.equal(headerValue(response, ":status"), "502");
  assert.equal(proxyError(response), "connection_refused");
  assert(await to.laptop.ping(1_000) >= 0);
});

Deno.test("a stream that failed is reported with its flow id, one that broke also with the gateway's end", async () => {
  let caller = "";
  await using resetter = await service((socket) => {
    caller = `127.0.0.1:${socket.remotePort}`;
    socket.once("data", () => socket.resetAndDestroy());
  });
  const { parts } = cluster(resetter.port);
  await using to = tunnel(parts);
  await to.connect("10.0.0.99:80", undefined, [[headers.flow, "k3v9t0aq-1f"]]).response;
  assert.equal((await to.ends[0])?.flow, "k3v9t0aq-1f");
  const stream = to.connect("10.96.0.7:80", encoder.encode("reset me"), [[headers.flow, "k3v9t0aq-1g"]]);
  await assert.rejects(text(stream));
  const end = await to.ends[1];
  assert.deepEqual([end?.flow, end?.error, end?.by, end?.local], ["k3v9t0aq-1g", "broken", "target", caller]);
  await to.connect("10.0.0.99:80", undefined, [[headers.flow, "not a flow's id"]]).response;
  assert.equal((await to.ends[2])?.flow, undefined);
});

Deno.test("a target that may not be dialled is 403, with the reason", async () => {
  await using echo = await service((socket) => socket.pipe(socket));
  const { parts, dialled } = cluster(echo.port);
  await using to = tunnel(parts);
  for (const target of ["10.77.1.1:10250", "169.254.169.254:80", "127.0.0.1:8100", "10.0.0.99:443"]) {
    const response = await to.connect(target).response;
    assert.equal(headerValue(response, ":status"), "403", target);
    assert.equal(proxyError(response), "destination_ip_prohibited", target);
  }
  assert.deepEqual(dialled, []);
});

Deno.test("names, other methods and other protocols are 400", async () => {
  await using to = tunnel(cluster(1).parts);
  const requests: Header[][] = [
    [[":method", "CONNECT"], [":authority", "echo.default.svc:80"]],
    [[":method", "GET"], [":scheme", "http"], [":authority", "10.96.0.7:80"], [":path", "/"]],
    [
      [":method", "CONNECT"],
      [":protocol", "websocket"],
      [":scheme", "http"],
      [":authority", "10.96.0.7:80"],
      [
        ":path",
        "/",
      ],
    ],
  ];
  await to.laptop.ping(1_000);
  for (const request of requests) {
    const response = await to.laptop.open(request).response;
    assert.equal(headerValue(response, ":status"), "400");
    assert.equal(proxyError(response), "http_request_error");
  }
});

Deno.test("a stream waits for a Service that is newer than the watch's last event", async () => {
  await using echo = await service((socket) => socket.pipe(socket));
  const known: string[] = [];
  const { parts, dialled } = cluster(echo.port, known);
  const learnt: [string, number][] = [];
  await using to = tunnel({
    ...parts,
    targets: {
      ...parts.targets,
      learn: (address, ms) => {
        learnt.push([address, ms]);
        known.push(address);
        return Promise.resolve();
      },
    },
  });
  const stream = to.connect("[fd00:77::0:9]:80");
  assert.equal(headerValue(await stream.response, ":status"), "200");
  assert.deepEqual(learnt, [["fd00:77::9", 1_000]]);
  assert.deepEqual(dialled, ["[fd00:77::9]:80"]);
  stream.abort();
});

Deno.test("nothing is dialled before the cluster's objects are listed: 503", async () => {
  const { parts, dialled } = cluster(1);
  await using to = tunnel({
    ...parts,
    targets: { ...parts.targets, isComplete: false, completed: () => Promise.resolve(false) },
  });
  const response = await to.connect("10.96.0.7:80").response;
  assert.equal(headerValue(response, ":status"), "503");
  assert.deepEqual(dialled, []);
});

Deno.test("a reset of the server is a reset of the stream", async () => {
  await using resets = await service((socket) => {
    socket.once("data", () => socket.resetAndDestroy());
  });
  await using to = tunnel(cluster(resets.port).parts);
  const stream = to.connect("10.96.0.7:80", encoder.encode("x"));
  assert.equal(headerValue(await stream.response, ":status"), "200");
  await assert.rejects(text(stream), { name: "StreamReset", by: "peer" });
  assert.equal((await to.ends[0])?.error, "broken");
});

Deno.test("a reset of the stream is a reset for the server", async () => {
  const failure = Promise.withResolvers<Error & { code?: string }>();
  await using echo = await service((socket) => {
    socket.on("error", failure.resolve);
    socket.on("end", () => failure.resolve(new Error("an end")));
    socket.pipe(socket);
  });
  await using to = tunnel(cluster(echo.port).parts);
  const stream = to.connect("10.96.0.7:80", encoder.encode("x"));
  await stream.read(new Uint8Array(1));
  stream.abort();
  assert.equal((await failure.promise).code, "ECONNRESET");
});

Deno.test("a dial is cancelled when the laptop closes its stream", async () => {
  const { parts } = cluster(1);
  const given = Promise.withResolvers<AbortSignal>();
  await using to = tunnel({
    ...parts,
    dial: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        assert(signal);
        signal.addEventListener("abort", () => reject(signal.reason));
        given.resolve(signal);
      }),
  });
  const stream = to.connect("10.96.0.7:80");
  const signal = await given.promise;
  stream.abort();
  await to.ends[0];
  assert(signal.aborted);
});

Deno.test("dials and streams beyond their limits are 503, and open ones stay", async () => {
  const { parts } = cluster(1);
  const waiting: PromiseWithResolvers<never>[] = [];
  await using to = tunnel({
    ...parts,
    limits: { dials: 2, streams: 3 },
    dial: () => {
      const dialling = Promise.withResolvers<never>();
      waiting.push(dialling);
      return dialling.promise;
    },
  });
  const first = [to.connect("10.96.0.7:1"), to.connect("10.96.0.7:2")];
  const response = await to.connect("10.96.0.7:3").response;
  assert.equal(headerValue(response, ":status"), "503");
  assert.equal(proxyError(response), "connection_limit_reached");
  assert.equal(to.server.streams, 2);
  for (const { reject } of waiting) reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
  for (const stream of first) assert.equal(headerValue(await stream.response, ":status"), "502");
  await Promise.all(to.ends);
  assert.equal(to.server.streams, 0);
});

Deno.test("a hello is answered with the gateway's own, on a separate stream or on any other", async () => {
  await using echo = await service((socket) => socket.pipe(socket));
  await using to = tunnel(cluster(echo.port).parts);
  await to.laptop.ping(1_000);
  const ours: Header = [headers.hello, JSON.stringify(hello)];
  const alone = await to.laptop.open([
    [":method", "CONNECT"],
    [":protocol", HELLO_PROTOCOL],
    [":scheme", "https"],
    [":authority", "pmz"],
    [":path", "/"],
    ours,
  ], { end: true }).response;
  const stream = to.connect("10.96.0.7:80", undefined, [ours]);
  for (const response of [alone, await stream.response]) {
    assert.equal(headerValue(response, ":status"), "200");
    assert.deepEqual(parseHello(JSON.parse(headerValue(response, headers.hello) ?? "")), hello);
  }
  stream.abort();
});

Deno.test("a hello without a common version is 400, with the gateway's own", async () => {
  const { parts, dialled } = cluster(1);
  await using to = tunnel(parts);
  const newer: Hello = { ...hello, version: 99, oldest: 98, release: "9.9.9" };
  for (
    const said of [JSON.stringify(newer), JSON.stringify({ ...hello, protocol: "control" }), "{", "null"]
  ) {
    const response = await to.connect("10.96.0.7:80", undefined, [[headers.hello, said]]).response;
    assert.equal(headerValue(response, ":status"), "400", said);
    assert.deepEqual(parseHello(JSON.parse(headerValue(response, headers.hello) ?? "")), hello);
  }
  assert.deepEqual(dialled, []);
});

Deno.test("bytes on a stream that is only for a hello aren't kept", async () => {
  await using to = tunnel(cluster(1).parts);
  await to.laptop.ping(1_000);
  const alone: Header[] = [
    [":method", "CONNECT"],
    [":protocol", HELLO_PROTOCOL],
    [":scheme", "https"],
    [":authority", "pmz"],
    [":path", "/"],
  ];
  for (let i = 0; i < 10; i++) {
    await to.laptop.open(alone, { first: new Uint8Array(100), end: true }).closed;
  }
  await to.laptop.ping(1_000);
  assert.equal(to.far.buffered, 0);
});
