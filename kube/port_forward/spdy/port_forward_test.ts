import assert from "node:assert/strict";
import fc from "fast-check";
import { PortForwardError } from "../port_forward.ts";
import { FakeKubelet, serverFrame } from "../../testing/kubelet.ts";
import { spdyPortForward } from "./port_forward.ts";
import {
  bytes,
  CLOSE,
  concat,
  control,
  DATA,
  data,
  end,
  ERROR,
  type Frame,
  message,
  reply,
  reset,
  type SpdyPeer,
  spdyServer,
  text,
} from "../../testing/spdy.ts";

const target = { namespace: "pmz", pod: "gateway-1", port: 8100 };
const ENDED = [end(ERROR), end(DATA)] as const;

interface Reads {
  read(into: Uint8Array): Promise<number | null>;
}

async function readAll(from: Reads, size = 4096): Promise<string> {
  const into = new Uint8Array(size), parts: Uint8Array[] = [];
  for (let n = await from.read(into); n !== null; n = await from.read(into)) {
    assert(n > 0 && n <= size);
    parts.push(into.slice(0, n));
  }
  return text(concat(parts));
}

/** The data that came from the client, until so much has; whatever else it says is in `others`. */
async function received(peer: SpdyPeer, size: number, others: Frame[] = []): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let got = 0; got < size;) {
    const frame = await peer.spdyFrame();
    if (frame.word !== DATA || frame.flags !== 0) {
      others.push(frame);
      continue;
    }
    parts.push(frame.payload);
    got += frame.payload.length;
  }
  return concat(parts);
}

/** What a port-forward to a server fails with when it's read. */
async function failure(play: (peer: SpdyPeer) => Promise<void>): Promise<PortForwardError> {
  await using server = spdyServer(play);
  const forward = await spdyPortForward(server.access, target);
  const error = await readAll(forward).then((all) => assert.fail(`read ${all}`), (error) => error);
  assert(error instanceof PortForwardError, String(error));
  forward.close();
  return error;
}

Deno.test("bytes go through SPDY both ways, and its end is an end", async () => {
  const seen: Frame[] = [];
  await using server = spdyServer(async (peer, opened) => {
    seen.push(...opened);
    assert.equal(text((await peer.spdyFrame()).payload), "hello");
    await peer.send(
      message(reply(ERROR), reply(DATA)),
      message(data(DATA, "hello yourself"), data(DATA, "!"), ...ENDED),
    );
    await peer.untilClosed();
  });
  const forward = await spdyPortForward(server.access, target);
  assert.equal(await forward.write(bytes("hello")), 5);
  assert.equal(await readAll(forward), "hello yourself!");
  assert.equal(await forward.read(new Uint8Array(1)), null);
  forward.close();
  assert.equal(server.request.line, "GET /api/v1/namespaces/pmz/pods/gateway-1/portforward HTTP/1.1");
  assert.equal(server.request.headers.get("sec-websocket-protocol"), "SPDY/3.1+portforward.k8s.io");
  // SYN_STREAM of the error stream, ended, and of the data stream.
  assert.deepEqual(seen.map(({ word, flags, payload }) => [word, flags, payload[3]]), [[0x8003_0001, 1, 1], [
    0x8003_0001,
    0,
    3,
  ]]);
  assert.match(text(seen[0]!.payload), /streamtype.*error.*port.*8100.*requestid/s);
  assert.match(text(seen[1]!.payload), /streamtype.*data.*port.*8100.*requestid/s);
});

Deno.test("what is written needn't wait for the server's replies", async () => {
  await using server = spdyServer(async (peer) => {
    await peer.send(message(data(DATA, await received(peer, 5)), ...ENDED));
    await peer.untilClosed();
  });
  const forward = await spdyPortForward(server.access, target);
  await forward.write(bytes("early"));
  assert.equal(await readAll(forward), "early");
  forward.close();
});

Deno.test("however SPDY frames, messages and the network are cut, the bytes are the same", async () => {
  const some = fc.array(fc.string({ maxLength: 300 }), { maxLength: 12 });
  const sizes = (max: number) => fc.array(fc.integer({ min: 1, max }), { maxLength: 20 });
  const run = fc.asyncProperty(
    some,
    sizes(500),
    sizes(400),
    fc.integer({ min: 1, max: 64 }),
    async (list, inner, cuts, size) => {
      await using server = spdyServer(async (peer) => {
        const spdy = concat([
          ...list.flatMap((value, i) => [data(DATA, value), control(6, [2 * i + 2])]),
          ...ENDED,
        ]);
        const frames: Uint8Array[] = [];
        let at = 0;
        inner.forEach((length, i) => {
          if (at >= spdy.length) return;
          const piece = spdy.subarray(at, at += length);
          // Every third message in two frames, the second one empty: as API servers send large ones.
          if (i % 3 === 0) {
            frames.push(
              serverFrame(2, piece, false),
              serverFrame(9, bytes("ping")),
              serverFrame(0, new Uint8Array(0)),
            );
          } else frames.push(serverFrame(2, piece));
        });
        const all = concat([...frames, serverFrame(2, spdy.subarray(at)), CLOSE]);
        at = 0;
        for (const length of cuts) {
          if (at >= all.length) break;
          await peer.send(all.subarray(at, at += length));
        }
        await peer.send(all.subarray(at));
        await peer.untilClosed();
      });
      const forward = await spdyPortForward(server.access, target);
      assert.equal(await readAll(forward, size), list.join(""));
      forward.close();
    },
  );
  await fc.assert(run, { numRuns: 60 });
});

Deno.test("any bytes from the server are data, an end or a PortForwardError, never a hang or another error", async () => {
  const garbage = fc.uint8Array({ maxLength: 300 });
  const run = fc.asyncProperty(garbage, fc.boolean(), fc.boolean(), async (bytes, framed, begun) => {
    await using server = spdyServer((peer) =>
      peer.send(...begun ? [message(reply(ERROR), data(DATA, "x"))] : [], framed ? message(bytes) : bytes)
    );
    const forward = await spdyPortForward(server.access, target);
    await readAll(forward).catch((error) => assert(error instanceof PortForwardError, String(error)));
    forward.close();
  });
  await fc.assert(run, { numRuns: 100 });
});

Deno.test("small frames that have come are handed out in one read", async () => {
  await using server = spdyServer(async (peer) => {
    await peer.send(...Array.from({ length: 100 }, (_, i) => message(data(DATA, `${i % 10}`))));
    await peer.untilClosed();
  });
  const forward = await spdyPortForward(server.access, target);
  const into = new Uint8Array(1000);
  let reads = 0, got = 0;
  for (; got < 100; reads++) got += await forward.read(into) ?? assert.fail("ended");
  assert(reads <= 3, `${reads} reads`);
  forward.close();
});

Deno.test("a write is one message of frames of 128 KiB, of 256 KiB at most", async () => {
  const all = crypto.getRandomValues(new Uint8Array(60_000));
  const large = concat(Array.from({ length: 10 }, (_, i) => all.subarray(i)));
  const seen = Promise.withResolvers<{ got: Uint8Array; messages: readonly number[] }>();
  await using server = spdyServer(async (peer) => {
    const got = await received(peer, large.length + 7);
    seen.resolve({ got, messages: peer.messages.slice(1) });
    await peer.untilClosed();
  });
  const forward = await spdyPortForward(server.access, target);
  assert.equal(await forward.write(new Uint8Array(0)), 0);
  assert.equal(await forward.write(large), 256 << 10);
  await forward.write(large.subarray(256 << 10, 300 << 10));
  assert.equal(await forward.write(bytes("1234567")), 7);
  for (let at = 300 << 10; at < large.length;) at += await forward.write(large.subarray(at));
  const { got, messages } = await seen.promise;
  assert.deepEqual(got, concat([large.subarray(0, 300 << 10), bytes("1234567"), large.subarray(300 << 10)]));
  assert.deepEqual(messages.slice(0, 3), [(256 << 10) + 2 * 8, (44 << 10) + 8, 15]);
  forward.close();
});

Deno.test("parts go out as one message, and as further ones where they are too much for one", async () => {
  const all = crypto.getRandomValues(new Uint8Array(60_000));
  const parts = Array.from({ length: 10 }, (_, i) => all.subarray(i));
  const seen = Promise.withResolvers<{ got: Uint8Array; messages: readonly number[] }>();
  await using server = spdyServer(async (peer) => {
    const got = await received(peer, 6 + 600_000 - 45);
    seen.resolve({ got, messages: peer.messages.slice(1) });
    await peer.untilClosed();
  });
  const forward = await spdyPortForward(server.access, target);
  await forward.writeParts([]);
  await forward.writeParts([bytes("one"), bytes(""), bytes("two")]);
  await forward.writeParts(parts);
  const { got, messages } = await seen.promise;
  assert.deepEqual(got, concat([bytes("onetwo"), ...parts]));
  const full = (256 << 10) + 2 * 8, rest = 600_000 - 45 - (512 << 10);
  assert.deepEqual(messages, [6 + 8, full, full, rest + 8 * Math.ceil(rest / (128 << 10))]);
  forward.close();
});

Deno.test("3 MiB go both ways at once, and neither side waits for the other", async () => {
  const large = crypto.getRandomValues(new Uint8Array(1 << 16));
  const all = concat(Array.from({ length: 48 }, () => large));
  await using server = spdyServer(async (peer) => {
    const sending = peer.send(message(data(DATA, all), control(6, [2])));
    const others: Frame[] = [];
    assert.deepEqual(await received(peer, all.length, others), all);
    await sending;
    await peer.send(message(...ENDED));
    await peer.untilClosed();
  });
  const forward = await spdyPortForward(server.access, target);
  const writing = (async () => {
    for (let at = 0; at < all.length;) at += await forward.write(all.subarray(at));
  })();
  const into = new Uint8Array(all.length);
  for (let got = 0; got < all.length;) got += await forward.read(into.subarray(got)) ?? assert.fail("ended");
  assert.deepEqual(into, all);
  assert.equal(await forward.read(into), null);
  await writing;
  forward.close();
});

Deno.test("the pod's error is what read rejects with", async (test) => {
  const said = "dial tcp4 127.0.0.1:8100: connect: connection refused\u001b[31m";
  const asIs =
    /^Can't forward port 8100 of pod pmz\/gateway-1: dial tcp4 127\.0\.0\.1:8100: connect: connection refused\[31m$/;
  await test.step("as kubelets tell it: text, then resets", async () => {
    const { message: told } = await failure((peer) =>
      peer.send(message(data(ERROR, said)), message(reset(DATA), reset(ERROR)))
    );
    assert.match(told, asIs);
  });
  await test.step("as containerd does: an end of the data first", async () => {
    const { message: told } = await failure(async (peer) => {
      await peer.send(message(end(DATA)));
      await new Promise((resolve) => setTimeout(resolve, 20));
      await peer.send(message(data(ERROR, said)), message(reset(ERROR)));
      await peer.untilClosed();
    });
    assert.match(told, asIs);
  });
  await test.step("endless: cut off", async () => {
    const error = await failure((peer) => peer.send(message(data(ERROR, "x".repeat(100_000)))));
    assert(error.message.length < 5_000);
  });
});

Deno.test("data that came before the pod's error is handed out first", async () => {
  await using server = spdyServer(async (peer) => {
    await peer.send(message(data(DATA, "so far"), data(ERROR, "reset by peer"), reset(DATA)));
    await peer.untilClosed();
  });
  const forward = await spdyPortForward(server.access, target);
  const into = new Uint8Array(100);
  assert.equal(text(into.subarray(0, await forward.read(into) ?? 0)), "so far");
  await assert.rejects(forward.read(into), /reset by peer/);
  await assert.rejects(forward.write(into), /reset by peer/);
});

Deno.test("a break is never an end", async (test) => {
  const cases: [string, (peer: SpdyPeer) => Promise<void>, RegExp][] = [
    [
      "the pod's side resets",
      (peer) => peer.send(message(data(DATA, "x"), reset(DATA, 5))),
      /reset the stream \(5\)/,
    ],
    ["the connection ends", (peer) => peer.send(message(data(DATA, "x"))), /in the middle/],
    [
      "it ends within a frame",
      (peer) => peer.send(message(data(DATA, "xyz").subarray(0, 9))),
      /in the middle/,
    ],
    ["the server closes", (peer) => peer.send(message(data(DATA, "x")), CLOSE), /closed it with code 1000/],
    ["it goes away", (peer) => peer.send(message(control(7, [3, 0])), CLOSE), /closed it with code 1000/],
    [
      "the error stream's end is missing",
      (peer) => peer.send(message(end(DATA)), CLOSE),
      /closed it with code 1000/,
    ],
    ["data after the end", (peer) => peer.send(message(end(DATA), data(DATA, "x"))), /after the end/],
    ["data on a stream that isn't", (peer) => peer.send(message(data(5, "x"))), /on stream 5/],
    ["a stream from the server", (peer) => peer.send(message(control(1, [2, 0, 0]))), /kind 1/],
    ["text", (peer) => peer.send(serverFrame(1, bytes("hi"))), /kind 1/],
    [
      "a frame of 1 GiB",
      (peer) => peer.send(Uint8Array.of(0x82, 127, 0, 0, 0, 0, 64, 0, 0, 0)),
      /1073741824/,
    ],
  ];
  for (const [name, play, says] of cases) {
    await test.step(name, async () => assert.match((await failure(play)).message, says));
  }
});

Deno.test("pings of the server's are answered, also a flood of them", async () => {
  const pings: Frame[] = [];
  await using server = spdyServer(async (peer) => {
    await peer.send(message(control(6, [1]))); // would answer a ping of the client's
    await peer.send(message(...Array.from({ length: 10_000 }, (_, i) => control(6, [2 * i + 2]))));
    await peer.send(message(data(DATA, "x")));
    const last = await peer.spdyFrame();
    pings.push(last);
    for (let id = 0; id !== 20_000;) {
      const frame = await peer.spdyFrame();
      pings.push(frame);
      id = new DataView(frame.payload.buffer, frame.payload.byteOffset).getUint32(0);
    }
    await peer.send(message(...ENDED));
    await peer.untilClosed();
  });
  const forward = await spdyPortForward(server.access, target);
  assert.equal(await readAll(forward), "x");
  forward.close();
  assert(pings.every(({ word, payload }) => word === 0x8003_0006 && payload[3]! % 2 === 0));
  assert(pings.length < 5_000, `${pings.length} answers`);
});

Deno.test("closeWrite ends the direction out alone", async () => {
  await using server = spdyServer(async (peer) => {
    assert.equal(text((await peer.spdyFrame()).payload), "last words");
    const { word, flags, payload } = await peer.spdyFrame();
    assert.deepEqual([word, flags, payload.length], [DATA, 1, 0]);
    await peer.send(message(data(DATA, "an answer"), ...ENDED));
    await peer.untilClosed();
  });
  const forward = await spdyPortForward(server.access, target);
  await forward.write(bytes("last words"));
  await forward.closeWrite();
  await forward.closeWrite();
  await assert.rejects(forward.write(bytes("more")), /after the end of writing/);
  assert.equal(await readAll(forward), "an answer");
  forward.close();
});

Deno.test("reads and writes that wait reject with the reason when it's broken off", async (test) => {
  const stuck = (peer: SpdyPeer) => peer.untilClosed();
  await test.step("a read", async () => {
    await using server = spdyServer(stuck);
    const forward = await spdyPortForward(server.access, target);
    const reading = assert.rejects(forward.read(new Uint8Array(1)), /out of patience/);
    forward.abort(new Error("out of patience"));
    await reading;
    forward.abort();
    forward.close();
  });
  await test.step("by the signal", async () => {
    await using server = spdyServer(stuck);
    const controller = new AbortController();
    const forward = await spdyPortForward(server.access, { ...target, signal: controller.signal });
    const reading = assert.rejects(forward.read(new Uint8Array(1)), /over/);
    controller.abort(new Error("over"));
    await reading;
  });
  await test.step("while it's opened", async () => {
    await using server = new FakeKubelet((peer) => peer.untilClosed(), { answer: false });
    const signal = AbortSignal.timeout(50);
    await assert.rejects(spdyPortForward(server.access, { ...target, signal }), { name: "TimeoutError" });
  });
});
