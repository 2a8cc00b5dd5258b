import assert from "node:assert/strict";
import fc from "fast-check";
import { Flag, FRAME_HEADER, FrameType, readUint24, readUint31 } from "../frames/frame.ts";
import type { Header } from "../frames/header.ts";
import { Decoder } from "../hpack/decoder.ts";
import { Encoder } from "../hpack/encoder.ts";
import { FollowedState } from "./followed_state.ts";
import { headerFrames, joined, ownFrame, windowSettings, windowUpdate } from "./own_frames.ts";
import { RequestFollower } from "./request_follower.ts";

const NOTHING = new Uint8Array(0);

/** Follows bytes that come in pieces; says what went to the server, and what was withheld. */
function follow(isWithheld: (path: string) => boolean) {
  const state = new FollowedState();
  const server: Uint8Array[] = [];
  const side: Uint8Array[] = [];
  const caller: Uint8Array[] = [];
  const taken: number[] = [];
  const follower = new RequestFollower(state, {
    withholds: (_, headers) => isWithheld(headers.find(([name]) => name === ":path")?.[1] ?? ""),
    opened: (stream) => {
      state.isMixed = true;
      state.withheld.open.set(stream, { ended: 0, slack: 0 });
    },
    toSide: (bytes) => side.push(bytes.slice()),
    toCaller: (frame) => caller.push(frame),
    took: (bytes) => taken.push(bytes),
    credited: () => {},
  });
  let rest: Uint8Array = NOTHING;
  return {
    state,
    taken,
    caller,
    add(bytes: Uint8Array) {
      const all = joined([rest, bytes]);
      const count = follower.take(all);
      for (const part of follower.parts) server.push(part.slice());
      rest = all.slice(count);
    },
    server: () => joined([NOTHING, ...server]),
    /** With what is still undecided. */
    all: () => joined([NOTHING, ...server, rest]),
    side: () => joined([NOTHING, ...side]),
  };
}

/** The header blocks of these frames, decoded in their order, by stream. */
function decoded(bytes: Uint8Array): [number, readonly Header[]][] {
  const decoder = new Decoder(64 * 1024, { headerList: 1e6, headerCount: 1e4 }, 4_096);
  const all: [number, readonly Header[]][] = [];
  let block: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + FRAME_HEADER + readUint24(bytes, at);
    const [type, flags] = [bytes[at + 3], bytes[at + 4] ?? 0];
    if (type === FrameType.HEADERS || type === FrameType.CONTINUATION) {
      const isFirst = type === FrameType.HEADERS;
      const padding = isFirst && (flags & Flag.PADDED) !== 0 ? (bytes[at + FRAME_HEADER] ?? 0) + 1 : 0;
      const priority = isFirst && (flags & Flag.PRIORITY) !== 0 ? 5 : 0;
      const from = at + FRAME_HEADER + Math.min(padding, 1) + priority;
      block.push(bytes.subarray(from, end - Math.max(0, padding - 1)));
      if (flags & Flag.END_HEADERS) {
        all.push([readUint31(bytes, at + 5), decoder.decode(joined(block)).headers]);
        block = [];
      }
    }
    at = end;
  }
  return all;
}

/** The bytes of DATA of these frames, by stream. */
function content(bytes: Uint8Array): Map<number, number[]> {
  const all = new Map<number, number[]>();
  for (let at = 0; at < bytes.length;) {
    const end = at + FRAME_HEADER + readUint24(bytes, at);
    const stream = readUint31(bytes, at + 5);
    if (bytes[at + 3] === FrameType.DATA) {
      all.set(stream, [...all.get(stream) ?? [], ...bytes.subarray(at + FRAME_HEADER, end)]);
    }
    at = end;
  }
  return all;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const name = fc.constantFrom("x-a", "x-b", "cookie", "user-agent");
const value = fc.string({ unit: fc.constantFrom("a", "b", "7"), minLength: 1, maxLength: 12 });
const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 5_000 })), {
  minLength: 1,
  maxLength: 8,
});

interface Asked {
  readonly isHers: boolean;
  readonly fields: readonly [string, string][];
  readonly data: Uint8Array | null;
  readonly trailers: boolean;
  readonly padding: number;
  readonly split: boolean;
  readonly priority: boolean;
  readonly tableSize: number | null;
}

const asked: fc.Arbitrary<Asked> = fc.record({
  isHers: fc.boolean(),
  fields: fc.array(fc.tuple(name, value), { maxLength: 5 }),
  data: fc.option(bytes(300)),
  trailers: fc.boolean(),
  padding: fc.constantFrom(0, 0, 7),
  split: fc.boolean(),
  priority: fc.boolean(),
  tableSize: fc.option(fc.constantFrom(0, 100, 4_096), { freq: 5 }),
});

/** A header block as a caller may send it: padded, with a priority, in several frames. */
function block(stream: number, fields: Uint8Array, end: boolean, { padding, split, priority }: Asked) {
  const flags = (end ? Flag.END_STREAM : 0) | (padding > 0 ? Flag.PADDED : 0) |
    (priority ? Flag.PRIORITY : 0);
  const first = split ? fields.subarray(0, fields.length >> 1) : fields;
  const payload = joined([
    padding > 0 ? new Uint8Array([padding]) : NOTHING,
    priority ? new Uint8Array([0, 0, 0, 0, 9]) : NOTHING,
    first,
    new Uint8Array(padding),
  ]);
  if (!split) return ownFrame(FrameType.HEADERS, flags | Flag.END_HEADERS, stream, payload);
  return joined([
    ownFrame(FrameType.HEADERS, flags, stream, payload),
    ownFrame(FrameType.CONTINUATION, Flag.END_HEADERS, stream, fields.subarray(fields.length >> 1)),
  ]);
}

/** What a caller sends that asks all of these, one after the other, and each request's headers. */
function conversation(all: readonly Asked[]) {
  const encoder = new Encoder({ index: "always", secret: new Set() });
  const frames: Uint8Array[] = [windowSettings(70_000), windowUpdate(0, 1_000)];
  const headers: [number, Header[]][] = [];
  all.forEach((one, i) => {
    const stream = 2 * i + 1;
    if (one.tableSize !== null) encoder.setMaxTableSize(one.tableSize);
    const request: Header[] = [
      [":method", "POST"],
      [":path", one.isHers ? "/hers" : "/others"],
      ...one.fields,
    ];
    headers.push([stream, request]);
    frames.push(block(stream, encoder.encode(request).slice(), one.data === null && !one.trailers, one));
    if (one.data !== null) {
      const flags = one.trailers ? 0 : Flag.END_STREAM;
      frames.push(ownFrame(FrameType.DATA, flags, stream, one.data));
    }
    if (one.trailers) {
      const trailers: Header[] = [["x-end", "yes"], ...one.fields];
      headers.push([stream, trailers]);
      frames.push(block(stream, encoder.encode(trailers).slice(), true, one));
    }
    frames.push(ownFrame(FrameType.PING, 0, 0, new Uint8Array(8)));
  });
  return { bytes: joined(frames), headers };
}

Deno.test("a server gets every byte as it was sent while nothing is withheld, however it is cut", () => {
  fc.assert(
    fc.property(fc.array(asked, { maxLength: 6 }), sizes, (all, sizes) => {
      const { bytes } = conversation(all);
      const at = follow(() => false);
      for (const piece of cut(bytes, sizes)) at.add(piece);
      assert.deepEqual(at.server(), bytes);
      assert.ok(!at.state.isBlind);
      assert.equal(at.side().length, 0);
    }),
    { numRuns: 300 },
  );
});

Deno.test("a server gets every byte of what can't be followed, too", () => {
  fc.assert(
    fc.property(
      fc.array(asked, { maxLength: 4 }),
      bytes(60),
      fc.nat(),
      sizes,
      (all, garbage, where, sizes) => {
        const { bytes } = conversation(all);
        const middle = where % (bytes.length + 1);
        const broken = joined([bytes.subarray(0, middle), garbage, bytes.subarray(middle)]);
        const at = follow(() => false);
        for (const piece of cut(broken, sizes)) at.add(piece);
        assert.deepEqual(at.all(), broken);
        assert.equal(at.side().length, 0);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("the server gets the headers of its streams, and the others get theirs, whatever tables a caller uses", () => {
  fc.assert(
    fc.property(fc.array(asked, { maxLength: 8 }), sizes, (all, sizes) => {
      const { bytes, headers } = conversation(all);
      const at = follow((path) => path === "/hers");
      for (const piece of cut(bytes, sizes)) at.add(piece);
      const isHers = (stream: number) => all[(stream - 1) / 2]?.isHers === true;
      const kept = (own: boolean) => headers.filter(([stream]) => isHers(stream) === own);
      assert.deepEqual(decoded(at.server()), kept(false));
      assert.deepEqual(decoded(at.side()), kept(true));
      const sent = content(bytes);
      const got = (own: boolean) => new Map([...sent].filter(([stream]) => isHers(stream) === own));
      assert.deepEqual(content(at.server()), got(false));
      assert.deepEqual(content(at.side()), got(true));
      const withheld = all.filter(({ isHers, data }) => isHers && data !== null).map(({ data }) =>
        data?.length
      );
      assert.deepEqual(at.taken, withheld);
    }),
    { numRuns: 500 },
  );
});

Deno.test("a server that has reduced its table is told so by the first block that it gets", () => {
  const encoder = new Encoder({ index: "always" });
  const at = follow((path) => path === "/hers");
  const ask = (stream: number, path: string) => {
    const block = encoder.encode([[":path", path]]);
    at.add(headerFrames(stream, block, { end: true, priority: NOTHING }));
  };
  ask(1, "/hers");
  encoder.setMaxTableSize(0);
  encoder.setMaxTableSize(1_000);
  ask(3, "/hers");
  ask(5, "/others");
  const first = at.server().subarray(FRAME_HEADER);
  assert.deepEqual([...first.subarray(0, 4)], [0x20, 0x3f, 0xc9, 0x07]);
});

Deno.test("a PING isn't the server's while it has no streams, and others have some", () => {
  const at = follow((path) => path === "/hers");
  const ask = (stream: number, path: string, end: boolean) => {
    const block = new Encoder({ index: "never" }).encode([[":path", path]]);
    at.add(headerFrames(stream, block, { end, priority: NOTHING }));
  };
  const ping = ownFrame(FrameType.PING, 0, 0, new Uint8Array(8).fill(7));
  const answer = ownFrame(FrameType.PING, Flag.ACK, 0, new Uint8Array(8).fill(7));
  at.add(ping);
  ask(1, "/hers", false);
  at.add(joined([ping, answer]));
  assert.deepEqual(at.server(), joined([ping, answer]));
  assert.deepEqual(at.caller, [answer]);
  ask(3, "/others", false);
  const before = at.server().length;
  at.add(ping);
  assert.deepEqual(at.server().subarray(before), ping);
});

Deno.test("a caller's credit that withheld answers have used up isn't the server's", () => {
  const at = follow((path) => path === "/hers");
  const block = new Encoder().encode([[":path", "/hers"]]);
  at.add(headerFrames(1, block, { end: true, priority: NOTHING }));
  at.state.owed = 1_000;
  at.add(joined([windowUpdate(0, 400), windowUpdate(0, 700), windowUpdate(0, 50)]));
  assert.deepEqual(at.server(), joined([windowUpdate(0, 100), windowUpdate(0, 50)]));
  assert.equal(at.state.window, 65_535 + 1_150);
});

for (
  const [what, frames] of [
    [
      "of more bytes",
      (stream: number) => [
        ownFrame(FrameType.HEADERS, 0, stream, new Uint8Array(16_384)),
        ...Array(5).fill(ownFrame(FrameType.CONTINUATION, 0, stream, new Uint8Array(16_384))),
      ],
    ],
    [
      "of more frames",
      (stream: number) => [
        ownFrame(FrameType.HEADERS, 0, stream, NOTHING),
        ...Array(100).fill(ownFrame(FrameType.CONTINUATION, 0, stream, NOTHING)),
      ],
    ],
  ] as const
) {
  Deno.test(`a header block ${what} than the limit is the server's to read, or ends a connection of which something was withheld`, () => {
    const raw = follow(() => false);
    const sent = joined(frames(1));
    raw.add(sent);
    assert.deepEqual(raw.server(), sent);
    const mixed = follow((path) => path === "/hers");
    const block = new Encoder().encode([[":path", "/hers"]]);
    mixed.add(headerFrames(1, block, { end: true, priority: NOTHING }));
    assert.throws(() => mixed.add(joined(frames(3))), { name: "ConnectionError" });
  });
}

Deno.test("a stream that the server doesn't know to be an older one ends the connection", () => {
  const at = follow((path) => path === "/hers");
  const ask = (stream: number, path: string) => {
    const block = new Encoder({ index: "never" }).encode([[":path", path]]);
    at.add(headerFrames(stream, block, { end: true, priority: NOTHING }));
  };
  ask(5, "/hers");
  assert.throws(() => ask(3, "/others"), { name: "ConnectionError" });
});

Deno.test("a server gets nothing of streams that it has never heard of, however many there were since", () => {
  const { add, server, side, state, taken } = follow((path) => path === "/");
  const encoder = new Encoder({ index: "never" });
  const open = (stream: number, path: string) =>
    add(headerFrames(stream, encoder.encode([[":path", path]]), { end: false, priority: NOTHING }));
  open(1, "/servers");
  for (let stream = 3; stream < 12_000; stream += 2) {
    open(stream, "/");
    state.withheld.close(stream);
  }
  const [before, withheld] = [server().length, side().length];
  const late = joined([windowUpdate(3, 256), ownFrame(FrameType.DATA, 0, 3, new Uint8Array(10))]);
  add(late);
  assert.equal(server().length, before);
  assert.deepEqual(side().subarray(withheld), late);
  assert.deepEqual(taken, [10]);
  const theirs = windowUpdate(1, 256);
  add(theirs);
  assert.deepEqual(server().subarray(before), theirs);
});

Deno.test("a PING isn't the server's while only others have answered since the last one", () => {
  const { add, server, caller, state } = follow((path) => path === "/");
  const encoder = new Encoder({ index: "never" });
  const open = (stream: number, path: string) =>
    add(headerFrames(stream, encoder.encode([[":path", path]]), { end: false, priority: NOTHING }));
  const ping = ownFrame(FrameType.PING, 0, 0, new Uint8Array(8));
  open(1, "/servers");
  open(3, "/");
  const before = server().length;
  state.sideSpoke = true;
  add(ping);
  assert.equal(server().length, before);
  assert.equal(caller.length, 1);
  add(ping);
  state.sideSpoke = state.serverSpoke = true;
  add(ping);
  assert.deepEqual(server().subarray(before), joined([ping, ping]));
});
