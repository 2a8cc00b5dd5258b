import assert from "node:assert/strict";
import fc from "fast-check";
import { FrameReader } from "./frame_reader.ts";
import { SpdyError } from "./frames.ts";
import { bytes, concat, control, data, end, reply, reset, text } from "../../testing/spdy.ts";

/** Everything that a reader tells of some bytes, which come in pieces; data of a frame joined. */
function told(pieces: readonly Uint8Array[]): string[] {
  const all: string[] = [];
  let open = "";
  const reader = new FrameReader({
    dataDone(stream) {
      all.push(`data ${stream} ${open}`);
      open = "";
    },
    finished: (stream) => all.push(`finished ${stream}`),
    reset: (stream, status) => all.push(`reset ${stream} ${status}`),
    pinged: (id) => all.push(`ping ${id}`),
  });
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      if (reader.data === 0) {
        const next = reader.read(piece, at, piece.length);
        assert(next > at, "no progress");
        at = next;
        continue;
      }
      const size = Math.min(reader.data, piece.length - at);
      open += text(piece.subarray(at, at + size));
      at += size;
      reader.pass(size);
    }
  }
  return all;
}

function cut(all: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) pieces.push(all.subarray(at, at += size));
  pieces.push(all.subarray(at));
  return pieces;
}

const someFrame = fc.oneof(
  fc.record({
    stream: fc.integer({ min: 1, max: 0x7fff_ffff }),
    value: fc.string({ unit: "grapheme-ascii" }),
    fin: fc.boolean(),
  })
    .map(({ stream, value, fin }) => ({
      frame: data(stream, value, fin),
      says: [`data ${stream} ${value}`, ...fin ? [`finished ${stream}`] : []],
    })),
  fc.nat({ max: 99 }).map((stream) => ({ frame: reset(stream, 5), says: [`reset ${stream} 5`] })),
  fc.nat({ max: 0xffff_ffff }).map((id) => ({ frame: control(6, [id]), says: [`ping ${id}`] })),
  fc.nat({ max: 99 }).map((stream) => ({ frame: reply(stream), says: [] })),
  fc.nat({ max: 99 }).map((stream) => ({
    frame: control(2, [stream, 1, 2, 3], 1),
    says: [`finished ${stream}`],
  })),
  fc.array(fc.nat(), { minLength: 2, maxLength: 40 }).chain((words) =>
    fc.constantFrom(4, 7, 8, 9).map((type) => ({ frame: control(type, words), says: [] }))
  ),
);

Deno.test("however frames are cut, they tell the same", () => {
  const frames = fc.array(someFrame, { maxLength: 12 });
  const cuts = fc.array(fc.nat({ max: 30 }), { maxLength: 60 });
  fc.assert(fc.property(frames, cuts, (list, sizes) => {
    const all = concat(list.map(({ frame }) => frame));
    assert.deepEqual(told(cut(all, sizes)), list.flatMap(({ says }) => says));
  }));
});

Deno.test("any bytes are frames or a SpdyError, and the reader always gets on", () => {
  const hostile = fc.array(fc.oneof(someFrame.map(({ frame }) => frame), fc.uint8Array({ maxLength: 40 })));
  fc.assert(fc.property(hostile, fc.array(fc.nat({ max: 30 })), (parts, sizes) => {
    try {
      told(cut(concat(parts), sizes));
    } catch (error) {
      assert(error instanceof SpdyError, String(error));
    }
  }));
});

Deno.test("frames that no server of a port-forward sends are refused", () => {
  const refused = (frame: Uint8Array, says: RegExp) => assert.throws(() => told([frame]), says);
  refused(control(1, [2, 0, 0, 0]), /kind 1/); // a stream from the server
  refused(control(5, [0]), /kind 5/); // NOOP is of SPDY/2
  refused(control(3, [1]), /kind 3 with 4 bytes/);
  refused(control(3, [1, 5, 0]), /kind 3 with 12 bytes/);
  refused(control(6, [1, 1]), /kind 6 with 8 bytes/);
  refused(control(6, []), /kind 6 with 0 bytes/);
  refused(Uint8Array.of(0x80, 2, 0, 6, 0, 0, 0, 4), /version 2/);
});

Deno.test("a refused frame is refused by its header, before anything else of it has come", () => {
  assert.throws(() => told([control(1, [2]).subarray(0, 8)]), SpdyError);
});

Deno.test("an empty frame may be the last of a stream", () => {
  assert.deepEqual(told([data(3, "x"), end(3)]), ["data 3 x", "data 3 ", "finished 3"]);
});

Deno.test("the largest frame, of 16 MiB less a byte, is data of its size", () => {
  const events = { dataDone() {}, finished() {}, reset() {}, pinged() {} };
  const reader = new FrameReader(events);
  const head = Uint8Array.of(0, 0, 0, 3, 0, 0xff, 0xff, 0xff, ...bytes("data"));
  assert.equal(reader.read(head, 0, head.length), 8);
  assert.equal(reader.data, 0xff_ffff);
  assert.equal(reader.stream, 3);
});
