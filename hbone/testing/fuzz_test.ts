/** Any frames at all, in both roles, while the streams are in use. PMZ_FUZZ_RUNS=100000 for a long run. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { byHand, frame, headers, REQUEST, uint32 } from "./by_hand.ts";
import { Flag, FrameType } from "../frames/frame.ts";
import type { Stream } from "../streams/stream.ts";
import { CONNECT, pattern } from "./pair.ts";

const RUNS = Number(Deno.env.get("PMZ_FUZZ_RUNS") ?? 80);

const BYTES = pattern(70_000);
// Mostly what doesn't end the connection at once.
const stream = fc.oneof({ weight: 30, arbitrary: fc.constantFrom(1, 1, 3, 5) }, {
  weight: 1,
  arbitrary: fc.constantFrom(0, 2, 7),
});
const bits = fc.constantFrom(0, 0, Flag.END_STREAM, Flag.PADDED, Flag.PRIORITY, 0xff);
const value = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(1, 1000, 65_535, 100_000) },
  { weight: 1, arbitrary: fc.constantFrom(0, 2 ** 31 - 1, 2 ** 32 - 1) },
);
const anyFrame = fc.tuple(fc.nat(11), bits, stream, fc.uint8Array({ maxLength: 40 }))
  .map(([type, flags, id, payload]) => frame(type, flags, id, payload));
const likelyFrame = fc.oneof(
  fc.tuple(stream, bits).map(([id, flags]) =>
    headers(id, REQUEST, Flag.END_HEADERS | (flags & Flag.END_STREAM))
  ),
  stream.map((id) => headers(id, [[":status", "200"]])),
  fc.tuple(stream, bits, fc.nat(20_000)).map(([id, flags, length]) => {
    return frame(FrameType.DATA, flags & (Flag.END_STREAM | Flag.PADDED), id, new Uint8Array(length));
  }),
  fc.tuple(stream, value).map(([id, code]) => frame(FrameType.RST_STREAM, 0, id, uint32(code))),
  fc.tuple(stream, value).map(([id, increment]) => frame(FrameType.WINDOW_UPDATE, 0, id, uint32(increment))),
  fc.tuple(fc.constantFrom(1, 3, 4, 4, 6, 8, 9), value).map(([id, number]) => {
    return frame(FrameType.SETTINGS, 0, 0, Uint8Array.of(0, id, ...uint32(number)));
  }),
  fc.tuple(stream, fc.nat(20)).map(([id, code]) => {
    return frame(FrameType.GOAWAY, 0, 0, Uint8Array.of(...uint32(id), ...uint32(code)));
  }),
);
const action = fc.constantFrom<((stream: Stream) => unknown)[]>(
  (each) => each.respond([[":status", "200"]]),
  (each) => each.write(BYTES),
  (each) => each.read(new Uint8Array(5000)),
  (each) => each.closeWrite(),
  (each) => each.close(),
  (each) => each.abort(),
);
const step = fc.oneof(
  { weight: 20, arbitrary: likelyFrame },
  { weight: 1, arbitrary: anyFrame },
  { weight: 15, arbitrary: fc.tuple(fc.nat(3), action) },
);

/** Misuse throws TypeError; a peer's doing rejects with what these are. */
const EXPECTED = new Set(["TypeError", "StreamReset", "ConnectionClosed"]);

function expected(error: unknown): void {
  if (!(error instanceof Error) || !EXPECTED.has(error.name)) throw error;
}

for (const role of ["server", "client"] as const) {
  Deno.test(`whatever comes ends streams or the connection in order, and nothing stays (${role})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
        const peer = await byHand({ role });
        const opened = role === "client" ? [1, 2, 3].map(() => peer.connection.open(CONNECT)) : peer.streams;
        if (role === "server") await peer.send(headers(1), headers(3), headers(5));
        const doing: Promise<unknown>[] = [];
        for (const each of steps) {
          if (each instanceof Uint8Array) {
            // The transport may be closed by now.
            await peer.send(each).catch(() => {});
            continue;
          }
          const [index, act] = each;
          const target = opened[index % Math.max(1, opened.length)];
          if (target === undefined) continue;
          try {
            doing.push(Promise.resolve(act(target)).catch(expected));
          } catch (error) {
            expected(error);
          }
        }
        assert.notEqual(peer.code(FrameType.GOAWAY), "INTERNAL_ERROR");
        await peer[Symbol.asyncDispose]();
        await Promise.all(doing);
        for (const each of opened) {
          await each.closed;
          each.close();
        }
        assert.equal(peer.connection.streams, 0);
        assert.equal(peer.connection.buffered, 0);
      }),
      { numRuns: RUNS },
    );
  });
}
