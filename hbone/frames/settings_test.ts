/** SETTINGS that change while streams are open, GOAWAY, PING, and what may come on a tunnel. */
import assert from "node:assert/strict";
import { byHand, type Frame, frame, headers, REQUEST, uint32 } from "../testing/by_hand.ts";
import { ConnectionClosed, ErrorCode, StreamReset, TooManyStreams } from "./errors.ts";
import { Flag, FrameType } from "./frame.ts";
import type { Header } from "./header.ts";
import { Decoder } from "../hpack/decoder.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { CONNECT, pattern, readAll, turn, writeAll } from "../testing/pair.ts";

const OK = [[":status", "200"]] as const;
const HEADER_TABLE_SIZE = 1, MAX_CONCURRENT_STREAMS = 3, INITIAL_WINDOW_SIZE = 4, MAX_FRAME_SIZE = 5;

function settings(id: number, value: number): Uint8Array {
  return frame(FrameType.SETTINGS, 0, 0, Uint8Array.of(0, id, ...uint32(value)));
}

function goaway(lastStream: number, code: number): Uint8Array {
  return frame(FrameType.GOAWAY, 0, 0, Uint8Array.of(...uint32(lastStream), ...uint32(code)));
}

/** Bytes of DATA that our side sent on a stream. */
function sent(frames: readonly Frame[], stream: number): number {
  return frames.filter((each) => each.type === FrameType.DATA && each.stream === stream)
    .reduce((sum, each) => sum + each.payload.length, 0);
}

Deno.test("a larger SETTINGS_INITIAL_WINDOW_SIZE lets every open stream go on, each by as much", async () => {
  await using peer = await byHand();
  await peer.send(
    frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1_000_000)),
    headers(1),
    headers(3),
    frame(FrameType.WINDOW_UPDATE, 0, 3, uint32(5)),
  );
  const writing = peer.streams.map((stream) => {
    stream.respond(OK);
    return writeAll(stream, pattern(100_000));
  });
  await turn();
  assert.deepEqual([1, 3].map((id) => sent(peer.frames, id)), [65_535, 65_540]);
  await peer.send(settings(INITIAL_WINDOW_SIZE, 66_535));
  await turn();
  assert.deepEqual([1, 3].map((id) => sent(peer.frames, id)), [66_535, 66_540]);
  await peer.send(settings(INITIAL_WINDOW_SIZE, 100_000));
  await Promise.all(writing);
  // A stream that comes later begins with it.
  await peer.send(headers(5));
  const late = peer.streams[2];
  assert.ok(late);
  late.respond(OK);
  await writeAll(late, pattern(100_000));
  await turn();
  assert.deepEqual([1, 3, 5].map((id) => sent(peer.frames, id)), [100_000, 100_000, 100_000]);
});

Deno.test("a SETTINGS_INITIAL_WINDOW_SIZE that takes a stream's window beyond 2^31-1 ends the connection", async () => {
  await using peer = await byHand();
  await peer.send(headers(1), frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(2 ** 30)));
  await peer.send(settings(INITIAL_WINDOW_SIZE, 2 ** 31 - 1));
  assert.equal(peer.code(FrameType.GOAWAY), "FLOW_CONTROL_ERROR");
});

Deno.test("frames are as large as the latest SETTINGS_MAX_FRAME_SIZE says, and no larger", async () => {
  await using peer = await byHand();
  await peer.send(
    settings(INITIAL_WINDOW_SIZE, 10_000_000),
    frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(10_000_000)),
    headers(1),
  );
  const [stream] = peer.streams;
  assert.ok(stream);
  stream.respond(OK);
  for (const size of [16_384, 40_000, 20_000]) {
    await peer.send(settings(MAX_FRAME_SIZE, size));
    peer.frames.length = 0;
    await writeAll(stream, pattern(200_000));
    await turn();
    assert.equal(Math.max(...peer.frames.map((each) => each.payload.length)), size);
    assert.equal(sent(peer.frames, 1), 200_000);
  }
});

Deno.test("header blocks keep to the latest SETTINGS_HEADER_TABLE_SIZE, and stay readable through its changes", async () => {
  await using peer = await byHand();
  const list: Header[] = [[":status", "200"], ["x-same", "of every response"], ["x-other", "likewise"]];
  const decoder = new Decoder(65_536, DEFAULT_LIMITS);
  const lengths: number[] = [];
  let stream = 1;
  for (const size of [4096, 0, 65_536]) {
    await peer.send(settings(HEADER_TABLE_SIZE, size));
    for (let i = 0; i < 5; i++, stream += 2) {
      peer.frames.length = 0;
      await peer.send(headers(stream));
      peer.streams.at(-1)?.respond(list, { end: true });
      await turn();
      const block = peer.frames.find((each) => each.type === FrameType.HEADERS);
      assert.ok(block);
      assert.deepEqual(decoder.decode(block.payload).headers, list);
      if (i === 4) lengths.push(block.payload.length);
    }
  }
  const [indexed = 0, without = 0, again = 0] = lengths;
  assert.equal(indexed, list.length);
  assert.ok(without > 25, `${without} bytes without a table`);
  assert.equal(again, list.length);
});

Deno.test("SETTINGS_MAX_CONCURRENT_STREAMS counts from the moment it comes, for streams that are open too", async () => {
  await using peer = await byHand({ role: "client" });
  const { connection } = peer;
  const streams = [1, 2, 3].map(() => connection.open(CONNECT));
  await peer.send(settings(MAX_CONCURRENT_STREAMS, 2));
  assert.equal(connection.peerMaxStreams, 2);
  assert.throws(() => connection.open(CONNECT), TooManyStreams);
  streams[0]?.reset(ErrorCode.CANCEL);
  assert.equal(connection.accepting, false);
  await peer.send(settings(MAX_CONCURRENT_STREAMS, 0));
  streams[1]?.reset(ErrorCode.CANCEL);
  streams[2]?.reset(ErrorCode.CANCEL);
  assert.throws(() => connection.open(CONNECT), TooManyStreams);
  await peer.send(settings(MAX_CONCURRENT_STREAMS, 1));
  assert.equal(connection.accepting, true);
  connection.open(CONNECT);
});

Deno.test("a peer that doesn't acknowledge our SETTINGS in time is given up", async () => {
  await using peer = await byHand({ limits: { settingsAckMs: 20 } });
  const end = await peer.connection.closed;
  assert.equal(end.code, ErrorCode.SETTINGS_TIMEOUT);
  assert.equal(peer.code(FrameType.GOAWAY), "SETTINGS_TIMEOUT");
});

Deno.test("a client that is told GOAWAY ends the streams that were too late, and lets the others end by themselves", async () => {
  await using peer = await byHand({ role: "client" });
  const { connection } = peer;
  const [first, second] = [connection.open(CONNECT), connection.open(CONNECT)];
  await peer.send(headers(1, OK), goaway(1, ErrorCode.NO_ERROR));
  assert.deepEqual(await second?.closed, { kind: "reset", code: ErrorCode.REFUSED_STREAM, by: "peer" });
  assert.throws(() => connection.open(CONNECT), ConnectionClosed);
  await first?.closeWrite();
  await peer.send(frame(FrameType.DATA, Flag.END_STREAM, 1, pattern(10)));
  assert.deepEqual(await readAll(first ?? assert.fail()), pattern(10));
  await peer.hangUp();
  assert.deepEqual(await connection.closed, { kind: "clean" });
});

Deno.test("a client that drains opens nothing more, and closes when its streams have ended", async () => {
  await using peer = await byHand({ role: "client" });
  const { connection } = peer;
  const stream = connection.open(CONNECT);
  connection.drain();
  assert.throws(() => connection.open(CONNECT), ConnectionClosed);
  await peer.send(headers(1, OK), frame(FrameType.DATA, Flag.END_STREAM, 1, pattern(10)));
  assert.equal(peer.code(FrameType.GOAWAY), "NO_ERROR");
  assert.deepEqual(await readAll(stream), pattern(10));
  await stream.closeWrite();
  await peer.hangUp();
  assert.deepEqual(await connection.closed, { kind: "clean" });
});

Deno.test("a server that drains refuses new streams, and says so in a way that they can be tried elsewhere", async () => {
  await using peer = await byHand();
  await peer.send(headers(1));
  peer.connection.drain();
  await peer.send(headers(3));
  assert.equal(peer.code(FrameType.GOAWAY), "NO_ERROR");
  assert.equal(peer.code(FrameType.RST_STREAM), "REFUSED_STREAM");
  assert.deepEqual(peer.streams.map((stream) => stream.id), [1]);
  const [stream] = peer.streams;
  stream?.respond(OK, { end: true });
  await peer.send(frame(FrameType.DATA, Flag.END_STREAM, 1));
  await peer.hangUp();
  assert.deepEqual(await peer.connection.closed, { kind: "clean" });
});

Deno.test("a server whose client says GOAWAY serves its streams to their end, and then closes", async () => {
  await using peer = await byHand();
  await peer.send(headers(1), goaway(0, ErrorCode.NO_ERROR));
  const [stream] = peer.streams;
  assert.ok(stream);
  stream.respond(OK);
  await writeAll(stream, pattern(10));
  await stream.closeWrite();
  await peer.send(frame(FrameType.DATA, Flag.END_STREAM, 1));
  assert.equal(sent(peer.frames, 1), 10);
  await peer.hangUp();
  assert.deepEqual(await peer.connection.closed, { kind: "clean" });
});

Deno.test("a PING is answered with its own bytes, before what waits for a window", async () => {
  await using peer = await byHand();
  await peer.send(headers(1));
  const [stream] = peer.streams;
  stream?.respond(OK);
  const writing = writeAll(stream ?? assert.fail(), pattern(100_000));
  writing.catch(() => {});
  await turn();
  await peer.send(frame(FrameType.PING, 0, 0, pattern(8)));
  const answer = peer.frames.at(-1);
  assert.deepEqual([answer?.type, answer?.flags], [FrameType.PING, Flag.ACK]);
  assert.deepEqual(new Uint8Array(answer?.payload ?? []), pattern(8));
});

Deno.test("answers to PINGs that nobody sent mean nothing, and only so many PINGs wait", async () => {
  await using peer = await byHand({ limits: { pings: 2 } });
  const { connection } = peer;
  const pings = [connection.ping(1000), connection.ping(1000)];
  await assert.rejects(connection.ping(1000), TooManyStreams);
  await peer.send(frame(FrameType.PING, Flag.ACK, 0, pattern(8)));
  const asked = peer.frames.filter((each) => each.type === FrameType.PING);
  assert.equal(asked.length, 2);
  await peer.send(...asked.map((each) => frame(FrameType.PING, Flag.ACK, 0, each.payload)));
  for (const ms of await Promise.all(pings)) assert.ok(ms >= 0 && ms < 1000);
});

Deno.test("trailers end an ordinary message; on a stream that a CONNECT connected they reset it", async (test) => {
  const trailers = headers(1, [["x-sum", "1"]], Flag.END_HEADERS | Flag.END_STREAM);
  const POST = [[":method", "POST"], [":scheme", "http"], [":authority", "a"], [":path", "/"]] as const;
  await test.step("to a server", async () => {
    await using ordinary = await byHand();
    await ordinary.send(headers(1, POST), frame(FrameType.DATA, 0, 1, pattern(10)), trailers);
    assert.deepEqual(await readAll(ordinary.streams[0] ?? assert.fail()), pattern(10));
    await using tunnel = await byHand();
    await tunnel.send(headers(1, REQUEST), frame(FrameType.DATA, 0, 1, pattern(10)), trailers);
    assert.equal(tunnel.code(FrameType.RST_STREAM), "PROTOCOL_ERROR");
    await assert.rejects(readAll(tunnel.streams[0] ?? assert.fail()), StreamReset);
  });
  await test.step("to a client", async () => {
    for (
      const [request, status, ends] of [[POST, "200", true], [CONNECT, "502", true], [
        CONNECT,
        "200",
        false,
      ]] as const
    ) {
      await using peer = await byHand({ role: "client" });
      const stream = peer.connection.open(request);
      await peer.send(headers(1, [[":status", status]]), frame(FrameType.DATA, 0, 1, pattern(10)), trailers);
      if (ends) assert.deepEqual(await readAll(stream), pattern(10));
      else await assert.rejects(readAll(stream), StreamReset);
    }
  });
});
