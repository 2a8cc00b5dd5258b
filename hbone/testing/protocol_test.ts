/** What a peer may not do, and what follows. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { byHand, type Frame, frame, headers, readFrames, REQUEST, uint32 } from "./by_hand.ts";
import { Connection } from "../connection/connection.ts";
import { ErrorCode } from "../frames/errors.ts";
import { Flag, FrameType, PREFACE } from "../frames/frame.ts";
import { memoryPair } from "./memory_transport.ts";
import type { Stream } from "../streams/stream.ts";
import { pattern, readAll, turn, writeAll } from "./pair.ts";

const PATIENT = {
  idleFrames: 50,
  idleFramesPerSecond: 0,
  earlyResets: 50,
  earlyResetsPerSecond: 0,
  streamErrors: 50,
  streamErrorsPerSecond: 0,
};

const floods: Record<string, (i: number) => Uint8Array> = {
  "empty DATA": () => frame(FrameType.DATA, 0, 1),
  "PING": () => frame(FrameType.PING, 0, 0, new Uint8Array(8)),
  "SETTINGS": () => frame(FrameType.SETTINGS, 0, 0),
  "PRIORITY": (i) => frame(FrameType.PRIORITY, 0, 3 + 2 * i, new Uint8Array(5)),
  "frames of unknown types": () => frame(0x42, 0, 0, new Uint8Array(100)),
  "streams that are reset at once": (i) => {
    const both = [headers(3 + 2 * i), frame(FrameType.RST_STREAM, 0, 3 + 2 * i, uint32(ErrorCode.CANCEL))];
    return Uint8Array.from(both.flatMap((bytes) => [...bytes]));
  },
  "malformed requests": (i) => headers(3 + 2 * i, [[":method", "GET"]]),
};

for (const [name, make] of Object.entries(floods)) {
  Deno.test(`a flood of ${name} ends the connection with ENHANCE_YOUR_CALM`, async () => {
    await using peer = await byHand({ limits: PATIENT });
    await peer.send(headers(1));
    await peer.send(...Array.from({ length: 45 }, (_, i) => make(i)));
    assert.equal(peer.code(FrameType.GOAWAY), "nothing");
    await peer.send(...Array.from({ length: 20 }, (_, i) => make(45 + i)));
    assert.equal(peer.code(FrameType.GOAWAY), "ENHANCE_YOUR_CALM");
    assert.equal((await peer.connection.closed).code, ErrorCode.ENHANCE_YOUR_CALM);
  });
}

Deno.test("CONTINUATIONs without end, or a block too large, end the connection", async () => {
  for (const size of [0, 2000]) {
    await using peer = await byHand();
    await peer.send(headers(1, REQUEST, 0));
    for (let i = 0; i < 40; i++) await peer.send(frame(FrameType.CONTINUATION, 0, 1, new Uint8Array(size)));
    assert.equal(peer.code(FrameType.GOAWAY), "ENHANCE_YOUR_CALM");
  }
});

Deno.test("a peer that asks and reads no answers is given up", async () => {
  const [near, far] = memoryPair();
  const server = new Connection(far, { role: "server", limits: { unsentAnswers: 100, idleFrames: 1e6 } });
  await writeAll(near, PREFACE);
  await writeAll(near, frame(FrameType.SETTINGS, 0, 0));
  const ping = frame(FrameType.PING, 0, 0, new Uint8Array(8));
  // Until the transport's buffer is full of answers, and then some.
  const many = Uint8Array.from(Array.from({ length: 1000 }, () => [...ping]).flat());
  for (let i = 0; i < 60; i++) {
    await writeAll(near, many).catch(() => {});
    await turn();
  }
  near.close();
  const end = await server.closed;
  assert.equal(end.kind, "broken");
  assert.equal(end.code, ErrorCode.ENHANCE_YOUR_CALM);
});

const malformed: Record<string, readonly (readonly [string, string])[]> = {
  "CONNECT with :scheme": [...REQUEST, [":scheme", "http"]],
  "CONNECT with :path": [...REQUEST, [":path", "/"]],
  "CONNECT without :authority": [[":method", "CONNECT"]],
  "extended CONNECT without :path": [...REQUEST, [":protocol", "connect-udp"], [":scheme", "https"]],
  "a connection header": [...REQUEST, ["connection", "close"]],
  "a pseudo-header twice": [...REQUEST, [":authority", "b:1"]],
  "a pseudo-header behind another": [[":method", "CONNECT"], ["x-a", "b"], [":authority", "a:1"]],
};

for (const [name, list] of Object.entries(malformed)) {
  Deno.test(`${name} resets the stream alone`, async () => {
    await using peer = await byHand();
    // The peer's own encoder checks names, not their meaning.
    await peer.send(headers(1, list), headers(3));
    assert.equal(peer.code(FrameType.RST_STREAM), "PROTOCOL_ERROR");
    assert.equal(peer.code(FrameType.GOAWAY), "nothing");
    assert.deepEqual(peer.streams.map((stream) => stream.id), [3]);
  });
}

Deno.test("extended CONNECT is let through, with its protocol", async () => {
  await using peer = await byHand();
  await peer.send(
    headers(1, [...REQUEST, [":protocol", "connect-udp"], [":scheme", "https"], [":path", "/a/1/"]]),
  );
  assert.deepEqual(peer.streams[0]?.request[2], [":protocol", "connect-udp"]);
});

Deno.test("more headers than the limit reset the stream alone", async () => {
  await using peer = await byHand({ limits: { headerCount: 10 } });
  await peer.send(
    headers(1, [...REQUEST, ...Array.from({ length: 20 }, () => ["x", "y"] as const)]),
    headers(3),
  );
  assert.equal(peer.code(FrameType.RST_STREAM), "ENHANCE_YOUR_CALM");
  assert.equal(peer.streams.length, 1);
});

Deno.test("more DATA than the window admits is a FLOW_CONTROL_ERROR", async () => {
  const settings = { initialWindowSize: 1000 };
  await using peer = await byHand({ settings });
  await peer.send(headers(1), frame(FrameType.DATA, 0, 1, new Uint8Array(1000)));
  assert.equal(peer.code(FrameType.RST_STREAM), "nothing");
  await peer.send(frame(FrameType.DATA, 0, 1, new Uint8Array(1)));
  assert.equal(peer.code(FrameType.RST_STREAM), "FLOW_CONTROL_ERROR");

  await using other = await byHand({
    settings: { initialWindowSize: 2 ** 30 },
    limits: { buffered: 100_000 },
  });
  await other.send(headers(1));
  for (let i = 0; i < 7; i++) await other.send(frame(FrameType.DATA, 0, 1, new Uint8Array(16_000)));
  assert.equal(other.code(FrameType.GOAWAY), "FLOW_CONTROL_ERROR");
});

Deno.test("padding is counted by flow control and given back, and never read", async () => {
  await using peer = await byHand({ settings: { initialWindowSize: 1000 } });
  await peer.send(headers(1));
  for (let i = 0; i < 20; i++) {
    const payload = new Uint8Array(1 + 3 + 200);
    payload[0] = 200;
    payload.set([1, 2, 3], 1);
    await peer.send(frame(FrameType.DATA, Flag.PADDED | (i === 19 ? Flag.END_STREAM : 0), 1, payload));
  }
  assert.equal(peer.code(FrameType.RST_STREAM), "nothing");
  const [stream] = peer.streams;
  assert.ok(stream);
  assert.deepEqual(
    await readAll(stream),
    Uint8Array.from(Array.from({ length: 20 }, () => [1, 2, 3]).flat()),
  );
});

Deno.test("frames that were on their way when we reset a stream are ignored", async () => {
  await using peer = await byHand();
  await peer.send(headers(1), headers(3));
  peer.streams[0]?.reset(ErrorCode.CANCEL);
  const update = frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(1));
  await peer.send(
    frame(FrameType.DATA, 0, 1, new Uint8Array(500)),
    update,
    headers(1, [["x", "y"]], Flag.END_HEADERS | Flag.END_STREAM),
  );
  assert.equal(peer.frames.filter((each) => each.type === FrameType.RST_STREAM).length, 1);
  assert.equal(peer.code(FrameType.GOAWAY), "nothing");
  assert.equal(peer.connection.buffered, 0);
});

Deno.test("a stream's window that SETTINGS shrink below nothing has to be refilled first", async () => {
  await using peer = await byHand();
  await peer.send(headers(1));
  const [stream] = peer.streams;
  assert.ok(stream);
  stream.respond([[":status", "200"]]);
  const writing = writeAll(stream, pattern(65_535 + 50));
  await turn();
  const data = () =>
    peer.frames.filter((each) => each.type === FrameType.DATA).reduce(
      (sum, each) => sum + each.payload.length,
      0,
    );
  assert.equal(data(), 65_535);
  const shrink = new Uint8Array([0, 4, 0, 0, 0, 0]);
  await peer.send(
    frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1000)),
    frame(FrameType.SETTINGS, 0, 0, shrink),
  );
  await peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(65_535)));
  assert.equal(data(), 65_535);
  await peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(50)));
  await writing;
  assert.equal(data(), 65_535 + 50);
});

Deno.test("streams that nobody reads are reset once they hold everything up, and the others go on", async () => {
  await using peer = await byHand({ limits: { buffered: 200_000, stallMs: 50 } });
  await peer.send(headers(1), headers(3));
  for (let i = 0; i < 12; i++) await peer.send(frame(FrameType.DATA, 0, 1, new Uint8Array(16_000)));
  assert.equal(peer.code(FrameType.RST_STREAM), "nothing");
  await turn(100);
  assert.equal(peer.code(FrameType.RST_STREAM), "ENHANCE_YOUR_CALM");
  await assert.rejects(
    peer.streams[0]?.read(new Uint8Array(1)) ?? Promise.resolve(),
    /the stream wasn.t read/,
  );
  await peer.send(frame(FrameType.DATA, Flag.END_STREAM, 3, pattern(1000)));
  assert.deepEqual(await readAll(peer.streams[1] as Stream), pattern(1000));
});

Deno.test("frames are the same however their bytes are cut", async () => {
  const parts = [pattern(5, 1), pattern(3000, 2), pattern(17_000, 3), pattern(1, 4)];
  const padded = new Uint8Array(1 + 16_000 + 255);
  padded[0] = 255;
  padded.set(pattern(16_000, 6), 1);
  const wire = [
    PREFACE,
    frame(FrameType.SETTINGS, 0, 0),
    headers(1),
    ...parts.map((part) => frame(FrameType.DATA, 0, 1, part)),
    frame(0x77, 0, 5, pattern(300)),
    frame(FrameType.PING, 0, 0, new Uint8Array(8)),
    frame(FrameType.DATA, Flag.PADDED, 1, padded),
    frame(FrameType.DATA, Flag.END_STREAM, 1, pattern(100, 5)),
  ];
  const bytes = new Uint8Array(await new Blob(wire.map((part) => new Uint8Array(part))).arrayBuffer());
  const whole = new Uint8Array(await new Blob([...parts, pattern(16_000, 6), pattern(100, 5)]).arrayBuffer());
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 50 }),
      async (cuts) => {
        const [near, far] = memoryPair();
        const stream = Promise.withResolvers<Stream>();
        const server = new Connection(far, { role: "server", onStream: stream.resolve });
        const frames: Frame[] = [];
        const reading = readFrames(near, frames);
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = cuts[i % cuts.length] as number;
          await writeAll(near, bytes.subarray(at, at + length));
          at += length;
        }
        assert.deepEqual(await readAll(await stream.promise), whole);
        server.abort();
        near.close();
        await server.closed;
        await reading;
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("what a stream got before its end stays as it came, whatever comes when the connection is over", async () => {
  await using peer = await byHand();
  await peer.send(headers(1));
  const stream = peer.streams[0] ?? assert.fail();
  stream.respond([[":status", "200"]], { end: true });
  peer.connection.drain();
  const bytes = pattern(2000);
  await peer.send(frame(FrameType.DATA, Flag.END_STREAM, 1, bytes));
  assert.deepEqual(await stream.closed, { kind: "clean" });
  for (let i = 0; i < 20; i++) await peer.send(frame(FrameType.PING, 0, 0, new Uint8Array(8)));
  assert.deepEqual(await readAll(stream), bytes);
});

Deno.test("the same where it's over because the peer broke a rule", async () => {
  await using peer = await byHand();
  await peer.send(headers(1));
  const stream = peer.streams[0] ?? assert.fail();
  stream.respond([[":status", "200"]], { end: true });
  const bytes = pattern(2000);
  await peer.send(frame(FrameType.DATA, Flag.END_STREAM, 1, bytes));
  await peer.send(frame(FrameType.DATA, 0, 99, bytes)); // which was never opened
  await peer.send(new Uint8Array(4000));
  assert.deepEqual(await readAll(stream), bytes);
});

Deno.test("a stream stays readable when the connection ends in the read that fills its buffers", async () => {
  await using peer = await byHand({ limits: { buffered: 65_535, stallMs: 100 } });
  await peer.send(headers(1));
  const stream = peer.streams[0] ?? assert.fail();
  stream.respond([[":status", "200"]], { end: true });
  peer.connection.drain();
  const bytes = pattern(65_535);
  const parts = [0, 16_384, 32_768, 49_152].map((at) =>
    frame(FrameType.DATA, at === 49_152 ? Flag.END_STREAM : 0, 1, bytes.slice(at, at + 16_384))
  );
  await peer.send(await new Blob(parts as BlobPart[]).bytes());
  await peer.hangUp();
  await peer.connection.closed;
  await turn(200);
  assert.deepEqual(await readAll(stream), bytes);
});

Deno.test("DATA beyond a content-length doesn't use up what may be buffered", async () => {
  await using peer = await byHand();
  const post = [[":method", "POST"], [":scheme", "https"], [":authority", "a"], [":path", "/"], [
    "content-length",
    "0",
  ]] as const;
  for (let id = 1; id < 20; id += 2) {
    await peer.send(headers(id, post), frame(FrameType.DATA, 0, id, new Uint8Array(1000)));
  }
  assert.equal(peer.connection.buffered, 0);
});

Deno.test("a peer that reads no answers can't make them pile up", async () => {
  const [near, far] = memoryPair();
  const release = Promise.withResolvers<void>();
  let written = 0;
  far.write = async (bytes) => {
    await release.promise;
    written += bytes.length;
    return bytes.length;
  };
  const server = new Connection(far, {
    role: "server",
    onStream: (stream) => {
      stream.respond([[":status", "403"], ["proxy-status", `${"why ".repeat(30)}${stream.id}`]], {
        end: true,
      });
      stream.close();
    },
  });
  await writeAll(near, PREFACE);
  await writeAll(near, frame(FrameType.SETTINGS, 0, 0));
  const flags = Flag.END_HEADERS | Flag.END_STREAM;
  for (let round = 0; round < 400; round++) {
    const many = Array.from({ length: 200 }, (_, i) => headers(2 * (200 * round + i) + 1, REQUEST, flags));
    await writeAll(near, await new Blob(many as BlobPart[]).bytes()).catch(() => {});
    await turn();
  }
  release.resolve();
  await turn(200);
  server.abort();
  assert.equal((await server.closed).kind, "broken");
  assert.ok(written < 5 << 20, `${written} bytes were queued`);
});
