import assert from "node:assert/strict";
import fc from "fast-check";
import type { ApiServerAccess } from "../client/access.ts";
import { ApiError } from "../client/api_error.ts";
import { channelPortForward } from "./channels.ts";
import { PortForwardError } from "./port_forward.ts";
import { FakeKubelet, message, serverFrame } from "../testing/kubelet.ts";

const target = { namespace: "pmz", pod: "gateway-1", port: 8100 };
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

/** Reads until the end. */
async function readAll(
  from: { read(into: Uint8Array): Promise<number | null> },
  size = 4096,
): Promise<string> {
  const into = new Uint8Array(size);
  let all = "";
  for (let n = await from.read(into); n !== null; n = await from.read(into)) {
    assert(n > 0 && n <= size);
    all += text(into.subarray(0, n));
  }
  return all;
}

Deno.test("bytes go through a port-forward both ways, and its end is an end", async () => {
  await using kubelet = new FakeKubelet(async (peer) => {
    assert.equal(text(await peer.message()), "\0hello");
    await peer.send(message(0, "hello yourself"), message(0, "!"), serverFrame(8, Uint8Array.of(3, 232)));
    await peer.untilClosed();
  });
  const forward = await channelPortForward(kubelet.access, target);
  assert.equal(await forward.write(bytes("hello")), 5);
  assert.equal(await readAll(forward), "hello yourself!");
  forward.close();
  assert.equal(
    kubelet.request.line,
    "GET /api/v1/namespaces/pmz/pods/gateway-1/portforward?ports=8100 HTTP/1.1",
  );
  assert.equal(kubelet.request.headers.get("authorization"), "Bearer secret");
});

Deno.test("small messages that have come are handed out in one read", async () => {
  await using kubelet = new FakeKubelet(async (peer) => {
    await peer.send(...Array.from({ length: 100 }, (_, i) => message(0, `${i % 10}`)));
    await peer.untilClosed();
  });
  const forward = await channelPortForward(kubelet.access, target);
  const into = new Uint8Array(1000);
  let reads = 0, got = 0;
  while (got < 100) {
    got += await forward.read(into) ?? assert.fail("ended");
    reads++;
  }
  assert(reads <= 3, `${reads} reads`); // the announcements may come apart from the rest
  forward.close();
});

Deno.test("however the server cuts messages into frames and the network cuts frames, the bytes are the same", async () => {
  const run = fc.asyncProperty(
    fc.array(fc.array(fc.string({ minLength: 0, maxLength: 300 }), { minLength: 1, maxLength: 4 }), {
      maxLength: 6,
    }),
    fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 20 }),
    fc.integer({ min: 1, max: 64 }),
    async (messages, cuts, size) => {
      await using kubelet = new FakeKubelet(async (peer) => {
        const frames: Uint8Array[] = [];
        for (const parts of messages) {
          parts.forEach((part, index) => {
            const payload = index === 0 ? Uint8Array.of(0, ...bytes(part)) : bytes(part);
            frames.push(serverFrame(index === 0 ? 2 : 0, payload, index === parts.length - 1));
            if (index % 2 === 0) frames.push(serverFrame(9, bytes("ping")));
          });
        }
        frames.push(serverFrame(8, Uint8Array.of(3, 232)));
        const all = Uint8Array.from(frames.flatMap((frame) => [...frame]));
        let at = 0;
        for (const cut of cuts) {
          if (at >= all.length) break;
          await peer.send(all.subarray(at, at += cut));
        }
        await peer.send(all.subarray(at));
        await peer.untilClosed();
      });
      const forward = await channelPortForward(kubelet.access, target);
      assert.equal(await readAll(forward, size), messages.flat().join(""));
      forward.close();
    },
  );
  await fc.assert(run, { numRuns: 60 });
});

Deno.test("any bytes from the server are data, an end or a PortForwardError, never a hang or another error", async () => {
  const run = fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (garbage) => {
    await using kubelet = new FakeKubelet((peer) => peer.send(garbage));
    const forward = await channelPortForward(kubelet.access, target);
    try {
      await readAll(forward);
    } catch (error) {
      assert(error instanceof PortForwardError, String(error));
    }
    forward.close();
  });
  await fc.assert(run, { numRuns: 100 });
});

Deno.test("a message of 3 MiB comes whole, and large writes go out whole", async () => {
  const big = "x".repeat(3 << 20);
  await using kubelet = new FakeKubelet(async (peer) => {
    await peer.send(message(0, big), serverFrame(8, Uint8Array.of(3, 232)));
    let got = 0;
    while (got < big.length) got += (await peer.message()).length - 1;
    assert.equal(got, big.length);
    await peer.untilClosed();
  });
  const forward = await channelPortForward(kubelet.access, target);
  const sending = (async () => {
    const data = bytes(big);
    for (let sent = 0; sent < data.length;) sent += await forward.write(data.subarray(sent));
  })();
  assert.equal((await readAll(forward, 64 << 10)).length, big.length);
  await sending;
  forward.close();
});

Deno.test("parts go out as one message, and as further ones where they are too much for one", async () => {
  const sizes: number[] = [];
  const all: Uint8Array[] = [];
  await using kubelet = new FakeKubelet(async (peer) => {
    for (let i = 0; i < 4; i++) {
      const payload = await peer.message();
      assert.equal(payload[0], 0);
      sizes.push(payload.length - 1);
      all.push(payload.slice(1));
    }
    await peer.untilClosed();
  });
  const forward = await channelPortForward(kubelet.access, target);
  await forward.writeParts([]);
  await forward.writeParts([bytes("one"), bytes(""), bytes("two")]);
  const large = crypto.getRandomValues(new Uint8Array(60_000));
  const parts = Array.from({ length: 10 }, (_, i) => large.subarray(i));
  await forward.writeParts(parts);
  forward.close();
  await kubelet[Symbol.asyncDispose]();
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  assert.deepEqual(sizes, [6, 256 << 10, 256 << 10, total - (512 << 10)]);
  const sent = new Uint8Array(await new Blob([bytes("onetwo"), ...parts] as BlobPart[]).arrayBuffer());
  assert.deepEqual(new Uint8Array(await new Blob(all as BlobPart[]).arrayBuffer()), sent);
});

Deno.test("the pod's error is what read rejects with", async () => {
  await using kubelet = new FakeKubelet(async (peer) => {
    await peer.send(message(1, "dial tcp4 127.0.0.1:8100: connect: connection refused\u001b[31m"));
    await peer.untilClosed();
  });
  const forward = await channelPortForward(kubelet.access, target);
  const failure = await forward.read(new Uint8Array(10)).then(() => assert.fail("read"), (error) => error);
  assert(failure instanceof PortForwardError);
  assert.equal(
    failure.message,
    "Can't forward port 8100 of pod pmz/gateway-1: dial tcp4 127.0.0.1:8100: connect: connection refused[31m",
  );
  await assert.rejects(forward.read(new Uint8Array(10)), (error) => error === failure);
  await assert.rejects(forward.write(bytes("x")), (error) => error === failure);
});

Deno.test("a connection that ends without a close is a break, not an end", async () => {
  await using kubelet = new FakeKubelet((peer) => peer.send(message(0, "half")));
  const forward = await channelPortForward(kubelet.access, target);
  const into = new Uint8Array(10);
  assert.equal(await forward.read(into), 4);
  await assert.rejects(forward.read(into), /closed the connection in the middle/);
});

Deno.test("a close with an error's code is a break that tells code and reason", async () => {
  await using kubelet = new FakeKubelet((peer) =>
    peer.send(serverFrame(8, Uint8Array.of(3, 243, ...bytes("no more"))))
  );
  const forward = await channelPortForward(kubelet.access, target);
  await assert.rejects(forward.read(new Uint8Array(10)), /code 1011, "no more"/);
});

Deno.test("a ping is answered by a pong with the same payload, between messages", async () => {
  const answered = Promise.withResolvers<[number, string]>();
  await using kubelet = new FakeKubelet(async (peer) => {
    await peer.send(serverFrame(9, bytes("are you there")), message(0, "data"));
    const { opcode, payload } = await peer.frame();
    answered.resolve([opcode, text(payload)]);
    await peer.untilClosed();
  });
  const forward = await channelPortForward(kubelet.access, target);
  await forward.read(new Uint8Array(10));
  forward.read(new Uint8Array(10)).catch(() => {});
  assert.deepEqual(await answered.promise, [10, "are you there"]);
  forward.close();
});

Deno.test("abort rejects a read that waits, with the reason, and twice is fine", async () => {
  await using kubelet = new FakeKubelet((peer) => peer.untilClosed());
  const forward = await channelPortForward(kubelet.access, target);
  const reading = assert.rejects(forward.read(new Uint8Array(10)), /enough/);
  setTimeout(() => forward.abort(new Error("enough")), 10);
  await reading;
  forward.abort();
  forward.close();
  await assert.rejects(forward.write(bytes("x")), /enough/);
});

Deno.test("the signal ends opening, and breaks off what is open", async () => {
  await using silent = new FakeKubelet((peer) => peer.untilClosed(), { answer: false });
  const opening = new AbortController();
  setTimeout(() => opening.abort(new Error("never mind")), 10);
  await assert.rejects(
    channelPortForward(silent.access, { ...target, signal: opening.signal }),
    /never mind/,
  );

  await using kubelet = new FakeKubelet((peer) => peer.untilClosed());
  const using_ = new AbortController();
  const forward = await channelPortForward(kubelet.access, { ...target, signal: using_.signal });
  setTimeout(() => using_.abort(new Error("that's it")), 10);
  await assert.rejects(forward.read(new Uint8Array(10)), /that's it/);
});

const refusals: [number, string, string, RegExp][] = [
  [401, "Unauthorized", "Unauthorized", /log in again/],
  [
    403,
    "Forbidden",
    'User "carol" cannot get resource "pods/portforward"',
    /cannot get resource "pods\/portforward"/,
  ],
  [404, "NotFound", 'pods "gateway-1" not found', /pods "gateway-1" not found/],
  [500, "InternalError", "error dialing backend: EOF", /error dialing backend/],
];
for (const [code, reason, said, expected] of refusals) {
  for (const chunked of [false, true]) {
    Deno.test(`an upgrade refused with ${code} ${chunked ? "in chunks " : ""}is an ApiError with the server's words`, async () => {
      const body = JSON.stringify({ kind: "Status", code, reason, message: said });
      const framed = chunked
        ? `Transfer-Encoding: chunked\r\n\r\n5\r\n${body.slice(0, 5)}\r\n${
          (body.length - 5).toString(16)
        }\r\n${body.slice(5)}\r\n0\r\n\r\n`
        : `Content-Length: ${body.length}\r\n\r\n${body}`;
      await using kubelet = new FakeKubelet((peer) => peer.untilClosed(), {
        answer: `HTTP/1.1 ${code} X\r\n${framed}`,
      });
      await assert.rejects(channelPortForward(kubelet.access, target), (error) => {
        assert(error instanceof ApiError);
        assert.deepEqual([error.status, error.reason], [code, reason]);
        assert.match(error.message, expected);
        return true;
      });
    });
  }
}

Deno.test("an answer that isn't a WebSocket's is refused", async () => {
  for (
    const answer of [
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: bm9wZQ==\r\n\r\n",
      "SSH-2.0-OpenSSH_9.6\r\n\r\n",
      "x".repeat(40_000),
    ]
  ) {
    await using kubelet = new FakeKubelet((peer) => peer.untilClosed(), { answer });
    await assert.rejects(
      channelPortForward(kubelet.access, target),
      (error) => ApiError.is(error, "BadAnswer"),
    );
  }
});

Deno.test("a server that isn't there is told as unreachable", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const access: ApiServerAccess = {
    tls: false,
    hostname: "127.0.0.1",
    port,
    pathPrefix: "",
    caCerts: [],
    headers: {},
  };
  await assert.rejects(channelPortForward(access, target), (error) => ApiError.is(error, "Unreachable"));
});

Deno.test("a token with a line break can't smuggle a header", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const headers = { authorization: "Bearer a\r\nImpersonate-User: root" };
  const { port } = listener.addr;
  const access: ApiServerAccess = {
    tls: false,
    hostname: "127.0.0.1",
    port,
    pathPrefix: "",
    caCerts: [],
    headers,
  };
  await assert.rejects(channelPortForward(access, target), /line break/);
});
