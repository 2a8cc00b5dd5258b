/** A peer that sends frames by hand, right and wrong ones. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { ErrorCode, errorName } from "./errors.ts";
import {
  Flag,
  FRAME_HEADER,
  FrameType,
  PREFACE,
  readUint24,
  readUint31,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";
import { Encoder } from "./hpack/encoder.ts";
import { memoryPair } from "./memory_transport.ts";
import type { Stream } from "./stream.ts";
import { pattern, readAll, turn, writeAll } from "./testing.ts";

interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const REQUEST = [[":method", "CONNECT"], [":authority", "a:1"]] as const;

function frame(type: number, flags: number, stream: number, payload: Uint8Array = NOTHING): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, stream);
  bytes.set(payload, FRAME_HEADER);
  return bytes;
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

function headers(
  stream: number,
  list: readonly (readonly [string, string])[] = REQUEST,
  flags: number = Flag.END_HEADERS,
) {
  return frame(FrameType.HEADERS, flags, stream, new Encoder({ index: "never" }).encode(list));
}

/** A client by hand at our server. */
async function byHand(options: Partial<ConnectionOptions> = {}) {
  const [near, far] = memoryPair();
  const streams: Stream[] = [];
  const server = new Connection(far, {
    role: "server",
    onStream: (stream) => {
      streams.push(stream);
    },
    ...options,
  });
  const frames: Frame[] = [];
  const reading = readFrames(near, frames);
  await writeAll(near, PREFACE);
  await writeAll(near, frame(FrameType.SETTINGS, 0, 0));
  return {
    server,
    streams,
    frames,
    async send(...all: Uint8Array[]) {
      for (const bytes of all) await writeAll(near, bytes);
      await turn();
    },
    /** The code of the GOAWAY, or of the stream's reset. */
    code: (type: number) => {
      const found = frames.find((each) => each.type === type);
      if (found === undefined) return "nothing";
      return errorName(readUint32(found.payload, type === FrameType.GOAWAY ? 4 : 0));
    },
    async [Symbol.asyncDispose]() {
      near.close();
      server.abort();
      await server.closed;
      await reading;
    },
  };
}

async function readFrames(
  from: { read(into: Uint8Array): Promise<number | null> },
  into: Frame[],
): Promise<void> {
  let bytes = new Uint8Array(0);
  const buffer = new Uint8Array(256 * 1024);
  try {
    for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
      const joined = new Uint8Array(bytes.length + length);
      joined.set(bytes);
      joined.set(buffer.subarray(0, length), bytes.length);
      bytes = joined;
      while (bytes.length >= FRAME_HEADER && bytes.length >= FRAME_HEADER + readUint24(bytes, 0)) {
        const end = FRAME_HEADER + readUint24(bytes, 0);
        const payload = bytes.slice(FRAME_HEADER, end);
        into.push({ type: bytes[3] ?? 0, flags: bytes[4] ?? 0, stream: readUint31(bytes, 5), payload });
        bytes = bytes.slice(end);
      }
    }
  } catch {
    // The other end closed.
  }
}

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
    assert.equal((await peer.server.closed).code, ErrorCode.ENHANCE_YOUR_CALM);
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
  assert.equal(peer.server.buffered, 0);
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
  await assert.rejects(peer.streams[0]?.read(new Uint8Array(1)) ?? Promise.resolve(), /nobody read it/);
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

Deno.test("any bytes end their connection at most, with a code", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          type: fc.integer({ min: 0, max: 11 }),
          flags: fc.integer({ min: 0, max: 255 }),
          stream: fc.integer({ min: 0, max: 6 }),
          payload: fc.uint8Array({ maxLength: 40 }),
        }),
        { maxLength: 30 },
      ),
      async (frames) => {
        await using peer = await byHand();
        for (const { type, flags, stream, payload } of frames) {
          try {
            await peer.send(frame(type, flags, stream, payload));
          } catch {
            // The server closed.
            break;
          }
        }
        assert.notEqual(peer.code(FrameType.GOAWAY), "INTERNAL_ERROR");
      },
    ),
    { numRuns: 60 },
  );
});
