import assert from "node:assert/strict";
import fc from "fast-check";
import { ErrorCode } from "../frames/errors.ts";
import { Flag, FrameType, writeUint32 } from "../frames/frame.ts";
import { AnswerFollower } from "./answer_follower.ts";
import { FollowedState } from "./followed_state.ts";
import {
  goAway,
  headerFrames,
  joined,
  ownFrame,
  resetStream,
  settingsAck,
  windowUpdate,
} from "./own_frames.ts";

const NOTHING = new Uint8Array(0);

/** Follows bytes that come in pieces; says what the caller got, in its order. */
function follow() {
  const state = new FollowedState();
  const caller: Uint8Array[] = [];
  const side: Uint8Array[] = [];
  const follower = new AnswerFollower(state, {
    tellSide: (frames) => side.push(frames),
    toCaller: (frames) => caller.push(frames),
    sideBroke: (code, debug) => assert.fail(`${code} ${debug}`),
  });
  let rest: Uint8Array = NOTHING;
  return {
    state,
    follower,
    side,
    add(bytes: Uint8Array) {
      const all = joined([rest, bytes]);
      const count = follower.take(all);
      for (const part of follower.parts) caller.push(part.slice());
      rest = all.slice(count);
    },
    caller: () => joined([NOTHING, ...caller]),
    all: () => joined([NOTHING, ...caller, rest]),
    clear: () => void caller.splice(0),
  };
}

const data = (stream: number, length: number, flags = 0) =>
  ownFrame(FrameType.DATA, flags, stream, new Uint8Array(length).map((_, i) => i));
const headers = (stream: number, end = false) =>
  headerFrames(stream, new Uint8Array([0x88]), { end, priority: NOTHING });
const settings = (id: number, value: number) => {
  const payload = new Uint8Array(6);
  payload[1] = id;
  writeUint32(payload, 2, value);
  return ownFrame(FrameType.SETTINGS, 0, 0, payload);
};
const ping = ownFrame(FrameType.PING, 0, 0, new Uint8Array(8));

const frame = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(400)).map(([stream, length]) => data(stream, length)),
  fc.integer({ min: 1, max: 9 }).map((stream) => headers(stream)),
  fc.constantFrom(
    ping,
    settingsAck(),
    settings(4, 1_000),
    settings(1, 0),
    goAway(7, 0),
    goAway(1, 11, "calm"),
  ),
  fc.record({ type: fc.nat(255), flags: fc.nat(255), payload: fc.uint8Array({ maxLength: 20 }) }).map((
    { type, flags, payload },
  ) => ownFrame(type, flags, 3, payload)),
);

Deno.test("a caller gets every byte as it was sent while nothing is withheld, however it is cut, and whatever it is", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 12 }),
      fc.uint8Array({ maxLength: 20 }),
      sizes,
      (all, end, sizes) => {
        const sent = joined([NOTHING, ...all, end]);
        const at = follow();
        for (let from = 0, i = 0; from < sent.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          at.add(sent.subarray(from, from + size));
          from += size;
        }
        assert.deepEqual(at.all(), sent);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("what the server sends beyond what others left of the window waits, and PING and WINDOW_UPDATE pass it", () => {
  const at = follow();
  at.add(settings(3, 100));
  at.follower.withhold(1);
  at.follower.fromSide(joined([headers(1), data(1, 16_000), data(1, 16_000), data(1, 16_000)]));
  assert.equal(at.state.window, 65_535 - 48_000);
  at.clear();
  const end = headers(3, true);
  at.add(joined([data(3, 17_000), data(3, 1_000), ping, headers(5), end, headers(7), windowUpdate(0, 5)]));
  assert.deepEqual(at.caller(), joined([data(3, 17_000), ping, headers(5), windowUpdate(0, 5)]));
  at.clear();
  at.follower.release();
  const left = data(3, 1_000).subarray(9);
  assert.deepEqual(at.caller(), ownFrame(FrameType.DATA, 0, 3, left.subarray(0, 535)));
  at.clear();
  at.state.window += 10_000;
  at.follower.release();
  assert.deepEqual(
    at.caller(),
    joined([ownFrame(FrameType.DATA, 0, 3, left.subarray(535)), end, headers(7)]),
  );
  assert.ok(at.follower.hasAllOfServer);
});

Deno.test("a GOAWAY names withheld streams as processed, and refuses those of the server that it doesn't", () => {
  const at = follow();
  at.add(settings(3, 100));
  for (const id of [1, 3, 7]) at.state.served.add(id);
  at.follower.withhold(5);
  at.clear();
  at.add(goAway(1, ErrorCode.NO_ERROR, "bye"));
  assert.deepEqual(
    at.caller(),
    joined([goAway(5, ErrorCode.NO_ERROR, "bye"), resetStream(3, ErrorCode.REFUSED_STREAM)]),
  );
  assert.deepEqual(at.state.served.ids, [1]);
});

Deno.test("windows of withheld streams never become smaller than they are for those who answer them", () => {
  const at = follow();
  at.add(settings(4, 100_000));
  at.follower.withhold(1);
  at.clear();
  at.add(settings(4, 1_000));
  assert.deepEqual(at.caller(), joined([settings(4, 1_000), windowUpdate(1, 64_535)]));
  at.clear();
  at.follower.withhold(3);
  assert.deepEqual(at.caller(), windowUpdate(3, 64_535));
  at.clear();
  at.add(joined([settings(4, 70_000), settings(4, 1_000), settings(4, 1_000)]));
  assert.deepEqual(at.caller(), joined([settings(4, 70_000), settings(4, 1_000), settings(4, 1_000)]));
});

Deno.test("a server that doesn't end a header block, while the caller takes nothing, ends the connection", () => {
  const at = follow();
  at.add(settings(3, 100));
  at.follower.withhold(1);
  at.state.window = 0;
  at.add(joined([data(3, 1), ownFrame(FrameType.HEADERS, 0, 3, NOTHING)]));
  const more = ownFrame(FrameType.CONTINUATION, 0, 3, new Uint8Array(16_384));
  assert.throws(() => {
    for (let i = 0; i < 100; i++) at.add(more);
  }, { name: "ConnectionError" });
});

Deno.test("frames of others come where one of the server's ends", () => {
  const at = follow();
  at.add(settings(3, 100).subarray(0, 5));
  assert.equal(at.follower.boundary, -1);
  at.add(joined([settings(3, 100).subarray(5), data(3, 100).subarray(0, 50)]));
  assert.deepEqual([at.follower.boundary, at.follower.isWithinFrame], [15, true]);
  at.add(joined([data(3, 100).subarray(50), ownFrame(FrameType.HEADERS, 0, 3, new Uint8Array([0x88]))]));
  assert.deepEqual([at.follower.boundary, at.follower.isWithinFrame], [59, true]);
  at.add(ownFrame(FrameType.CONTINUATION, Flag.END_HEADERS, 3, NOTHING));
  assert.deepEqual([at.follower.boundary, at.follower.isWithinFrame], [9, false]);
});

Deno.test("a caller is told which streams a server that has gone leaves behind, though it was told of an end before", () => {
  const { follower, add, caller, clear, state } = follow();
  add(settings(3, 100));
  [state.lastStream, state.lastServed] = [1, 1];
  state.served.add(1);
  add(goAway(0x7fffffff, ErrorCode.NO_ERROR));
  state.lastStream = 3;
  follower.withhold(3);
  clear();
  follower.serverGone();
  assert.deepEqual(
    caller(),
    joined([goAway(3, ErrorCode.NO_ERROR), resetStream(1, ErrorCode.INTERNAL_ERROR)]),
  );
});

Deno.test("streams are reset of a server that has gone, and not the connection whose settings wait with them", () => {
  const { follower, add, caller, clear, state } = follow();
  add(settings(3, 100));
  state.lastStream = 5;
  state.served.add(1);
  follower.withhold(3);
  state.window = 10;
  add(joined([data(1, 100), headers(1, true), settings(3, 200)]));
  clear();
  follower.serverGone();
  assert.deepEqual(
    caller(),
    joined([goAway(5, ErrorCode.NO_ERROR), resetStream(1, ErrorCode.INTERNAL_ERROR)]),
  );
});

Deno.test("a server's small frames that wait count as what they cost, so no more is read of it", () => {
  const { follower, add, state } = follow();
  add(settings(3, 100));
  state.served.add(1);
  follower.withhold(3);
  state.window = 0;
  const frames = joined(Array.from({ length: 1_000 }, () => data(1, 1)));
  for (let i = 0; i < 100 && !follower.isFull; i++) add(frames);
  assert.ok(follower.isFull);
  state.window = 1_000_000;
  follower.release();
  assert.equal(follower.isFull, false);
  assert.ok(follower.hasAllOfServer);
});

Deno.test("a server that divides a header block into empty frames, while the caller takes nothing, ends the connection", () => {
  const { follower, add, state } = follow();
  add(settings(3, 100));
  state.served.add(1);
  follower.withhold(3);
  state.window = 0;
  add(joined([data(1, 100), ownFrame(FrameType.HEADERS, 0, 1, new Uint8Array([0x88]))]));
  const empty = joined(Array.from({ length: 1_000 }, () => ownFrame(FrameType.CONTINUATION, 0, 1, NOTHING)));
  assert.throws(() => {
    for (let i = 0; i < 10; i++) add(empty);
  }, /a header block of more than/);
});

Deno.test("a table's new size is told behind a server's headers that were written with the old one", () => {
  const { follower, add, caller, clear, state } = follow();
  add(settings(3, 100));
  state.served.add(1);
  state.announced.push({ ...state.caller, headerTableSize: 0 });
  follower.withhold(3);
  follower.withhold(5);
  state.window = 0;
  add(joined([data(1, 100), headers(1, true), settingsAck()]));
  clear();
  follower.fromSide(headers(3));
  assert.deepEqual(caller(), headers(3));
  clear();
  state.window = 100;
  follower.release();
  follower.fromSide(headers(5));
  const sized = headerFrames(5, new Uint8Array([0x20, 0x88]), { end: false, priority: NOTHING });
  assert.deepEqual(caller(), joined([data(1, 100), headers(1, true), settingsAck(), sized]));
});
