import assert from "node:assert/strict";
import { ConnectionClosed, ErrorCode, StreamReset, TooManyStreams } from "../frames/errors.ts";
import { byHand, frame, headers } from "../testing/by_hand.ts";
import { Flag, FrameType } from "../frames/frame.ts";
import { memoryPair } from "../testing/memory_transport.ts";
import { relay } from "../relay/relay.ts";
import type { Stream } from "../streams/stream.ts";
import {
  CONNECT,
  connected,
  counted,
  echo,
  pattern,
  readAll,
  readExactly,
  sha256,
  tcpPair,
  turn,
  writeAll,
} from "../testing/pair.ts";

const OK = [[":status", "200"]] as const;

Deno.test("a stream carries its headers, its first bytes and bytes both ways", async () => {
  const seen: Stream[] = [];
  await using ends = connected((stream) => {
    seen.push(stream);
    echo(stream);
  });
  const headers = [...CONNECT, ["x-caller", "10.0.0.1:4711"]] as const;
  const stream = ends.client.open(headers, { first: new TextEncoder().encode("hello ") });
  assert.deepEqual(await stream.response, OK);
  assert.deepEqual(seen[0]?.request, headers);
  await writeAll(stream, new TextEncoder().encode("world"));
  await stream.closeWrite();
  assert.equal(new TextDecoder().decode(await readAll(stream)), "hello world");
  assert.deepEqual(await stream.closed, { kind: "clean" });
  assert.deepEqual(await seen[0]?.closed, { kind: "clean" });
  assert.equal(ends.client.streams, 0);
  assert.equal(ends.server.streams, 0);
  assert.equal(ends.client.enableConnectProtocol, true);
});

Deno.test("headers and first bytes of all streams of one turn go out in one write", async () => {
  const [a, b] = memoryPair();
  const transport = counted(a);
  await using ends = connected(echo, { over: [transport, b] });
  await ends.client.ping(1000);
  const before = transport.writes;
  const streams = Array.from({ length: 50 }, () => ends.client.open(CONNECT, { first: pattern(300) }));
  await turn(20);
  assert.equal(transport.writes - before, 1);
  for (const stream of streams) {
    await readExactly(stream, 300);
    stream.close();
  }
});

Deno.test("20 MiB come out as they went in, both ways at once", async () => {
  await using ends = connected(echo);
  const stream = ends.client.open(CONNECT);
  const bytes = pattern(20 * 1024 * 1024);
  const writing = writeAll(stream, bytes).then(() => stream.closeWrite());
  const back = await readAll(stream);
  await writing;
  assert.equal(await sha256(back), await sha256(bytes));
  assert.equal(ends.client.buffered, 0);
  assert.equal(ends.server.buffered, 0);
});

Deno.test("500 streams at once, each with its own bytes", async () => {
  await using ends = connected(echo);
  await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    const stream = ends.client.open(CONNECT, { first: pattern(10, i + 1) });
    const rest = pattern(30_000 + i, i + 2);
    const [, , back] = await Promise.all([
      stream.response,
      writeAll(stream, rest).then(() => stream.closeWrite()),
      readAll(stream),
    ]);
    assert.deepEqual(back.subarray(0, 10), pattern(10, i + 1));
    assert.deepEqual(back.subarray(10), rest);
  }));
  assert.equal(ends.client.streams, 0);
});

Deno.test("each direction ends on its own", async () => {
  const got = Promise.withResolvers<Uint8Array>();
  await using ends = connected(async (stream) => {
    stream.respond(OK);
    got.resolve(await readAll(stream));
    await writeAll(stream, new TextEncoder().encode("after your end"));
    await stream.closeWrite();
  });
  const stream = ends.client.open(CONNECT, { first: new TextEncoder().encode("mine"), end: true });
  assert.equal(new TextDecoder().decode(await got.promise), "mine");
  assert.equal(new TextDecoder().decode(await readAll(stream)), "after your end");
  await assert.rejects(stream.write(new Uint8Array(1)), /ended/);
});

Deno.test("a reset is never seen as a clean end", async () => {
  await using ends = connected((stream) => {
    stream.respond(OK);
    writeAll(stream, pattern(1000)).then(() => stream.reset(ErrorCode.CONNECT_ERROR));
  });
  const stream = ends.client.open(CONNECT);
  await assert.rejects(
    readAll(stream),
    (error) => error instanceof StreamReset && error.code === ErrorCode.CONNECT_ERROR && error.by === "peer",
  );
  await assert.rejects(stream.write(new Uint8Array(1)), StreamReset);
  assert.deepEqual(await stream.closed, { kind: "reset", code: ErrorCode.CONNECT_ERROR, by: "peer" });
});

Deno.test("a reset before the response rejects the response", async () => {
  await using ends = connected((stream) => stream.reset(ErrorCode.REFUSED_STREAM));
  const stream = ends.client.open(CONNECT);
  await assert.rejects(stream.response, StreamReset);
});

Deno.test("aborting a stream makes the peer's read reject", async () => {
  const read = Promise.withResolvers<unknown>();
  await using ends = connected((stream) => {
    stream.respond(OK);
    readAll(stream).catch(read.resolve);
  });
  const stream = ends.client.open(CONNECT, { first: pattern(10) });
  await stream.response;
  stream.abort(new Error("the application's socket was reset"));
  assert.ok(await read.promise instanceof StreamReset);
  await assert.rejects(stream.read(new Uint8Array(1)), /the application's socket was reset/);
});

Deno.test("what a server sent whole stays readable when it then wants no more", async () => {
  await using ends = connected(async (stream) => {
    stream.respond(OK);
    await writeAll(stream, pattern(5000));
    stream.close();
  });
  const stream = ends.client.open(CONNECT);
  assert.deepEqual(await stream.closed, { kind: "reset", code: ErrorCode.NO_ERROR, by: "peer" });
  assert.deepEqual(await readAll(stream), pattern(5000));
});

Deno.test("a slow reader stalls no other stream", async () => {
  await using ends = connected(async (stream) => {
    stream.respond(OK);
    await writeAll(stream, pattern(4 * 1024 * 1024)).then(() => stream.closeWrite());
  });
  // Nobody reads these: each is limited by its own window.
  const slow = Array.from({ length: 20 }, () => ends.client.open(CONNECT));
  await turn(50);
  const fast = await readAll(ends.client.open(CONNECT));
  assert.equal(await sha256(fast), await sha256(pattern(4 * 1024 * 1024)));
  assert.ok(ends.client.buffered <= 20 * 1024 * 1024, `${ends.client.buffered} bytes buffered`);
  for (const stream of slow) assert.equal((await readAll(stream)).length, 4 * 1024 * 1024);
  assert.equal(ends.client.buffered, 0);
});

Deno.test("what all streams buffer together has a cap", async () => {
  await using ends = connected(async (stream) => {
    stream.respond(OK);
    await writeAll(stream, pattern(1024 * 1024)).then(() => stream.closeWrite());
  }, { client: { limits: { buffered: 3 * 1024 * 1024 } } });
  const streams = Array.from({ length: 8 }, () => ends.client.open(CONNECT));
  await turn(100);
  assert.ok(ends.client.buffered <= 3 * 1024 * 1024, `${ends.client.buffered} bytes buffered`);
  assert.ok(ends.client.buffered >= 2 * 1024 * 1024, `${ends.client.buffered} bytes buffered`);
  const got = await Promise.all(streams.map((stream) => readAll(stream)));
  for (const bytes of got) assert.equal(bytes.length, 1024 * 1024);
});

Deno.test("a connection takes as many streams as its peer admits, and says so", async () => {
  await using ends = connected(echo, { server: { limits: { streams: 2 } } });
  await ends.client.ping(1000);
  assert.equal(ends.client.peerMaxStreams, 2);
  const first = ends.client.open(CONNECT);
  ends.client.open(CONNECT);
  assert.equal(ends.client.accepting, false);
  assert.throws(() => ends.client.open(CONNECT), TooManyStreams);
  await first.closeWrite();
  await readAll(first);
  ends.client.open(CONNECT);
});

Deno.test("streams beyond the limit are refused when the client didn't know it", async () => {
  await using ends = connected(echo, { server: { limits: { streams: 2 } } });
  const streams = [1, 2, 3].map(() => ends.client.open(CONNECT));
  await assert.rejects(streams[2]?.response ?? Promise.resolve(), { code: ErrorCode.REFUSED_STREAM });
  assert.deepEqual(await streams[0]?.response, OK);
});

Deno.test("draining lets open streams come to their end, and then closes", async () => {
  await using ends = connected(echo);
  const stream = ends.client.open(CONNECT, { first: pattern(100) });
  await stream.response;
  ends.server.drain();
  await ends.client.ping(1000);
  assert.equal(ends.client.accepting, false);
  assert.throws(() => ends.client.open(CONNECT), ConnectionClosed);
  await stream.closeWrite();
  assert.deepEqual(await readAll(stream), pattern(100));
  assert.deepEqual(await ends.client.closed, { kind: "clean" });
  assert.deepEqual(await ends.server.closed, { kind: "clean" });
});

Deno.test("aborting a connection breaks its streams on both ends", async () => {
  const streams: Stream[] = [];
  await using ends = connected((stream) => {
    streams.push(stream);
    stream.respond(OK);
  });
  const stream = ends.client.open(CONNECT);
  await stream.response;
  ends.server.abort(ErrorCode.ENHANCE_YOUR_CALM);
  await assert.rejects(stream.read(new Uint8Array(1)), ConnectionClosed);
  await assert.rejects(streams[0]?.read(new Uint8Array(1)) ?? Promise.resolve(), ConnectionClosed);
  assert.equal((await stream.closed).kind, "broken");
  const end = await ends.client.closed;
  assert.equal(end.kind, "goaway");
  assert.equal(end.code, ErrorCode.ENHANCE_YOUR_CALM);
});

Deno.test("a transport that breaks or ends breaks the streams", async () => {
  for (const how of ["abort", "close"] as const) {
    const [a, b] = memoryPair();
    await using ends = connected((stream) => stream.respond(OK), { over: [a, b] });
    const stream = ends.client.open(CONNECT);
    await stream.response;
    b[how]();
    await assert.rejects(stream.read(new Uint8Array(1)), ConnectionClosed);
    assert.equal((await ends.client.closed).kind, "broken");
    assert.throws(() => ends.client.open(CONNECT), ConnectionClosed);
    await assert.rejects(ends.client.ping(1000), ConnectionClosed);
  }
});

Deno.test("a ping that isn't answered in time rejects", async () => {
  const [a, b] = memoryPair();
  await using ends = connected(echo, {
    over: [a, {
      ...b,
      read: () => new Promise(() => {}),
      write: b.write.bind(b),
      closeWrite: b.closeWrite.bind(b),
      close: b.close.bind(b),
    }],
  });
  await assert.rejects(ends.client.ping(20), { name: "TimeoutError" });
  ends.client.abort();
});

Deno.test("a ping waits on as long as anything comes: on a busy link its answer may be late", async () => {
  const [a, b] = memoryPair();
  const read = b.read.bind(b);
  b.read = async (into) => {
    await turn(10);
    return await read(into.subarray(0, 10_000)); // 1 MB/s: credit comes four times a second, and half a MB waits on the way
  };
  await using ends = connected((stream) => {
    stream.respond(OK);
    readAll(stream).catch(() => {});
  }, { over: [a, b] });
  await ends.client.ping(1_000);
  const stream = ends.client.open(CONNECT);
  const writing = writeAll(stream, pattern(8 << 20)).catch(() => {});
  await turn(100);
  const pings = await Promise.all([ends.client.ping(400), ends.client.ping(400)]);
  assert.ok(Math.max(...pings) > 400, `${pings} ms: the link wasn't busy`);
  stream.abort();
  await writing;
});

Deno.test("answered PINGs don't add up on a connection whose way out is never idle", async () => {
  const block = new Uint8Array(64 * 1024);
  await using ends = connected((stream) => {
    stream.respond(OK);
    void relay({
      read: (into) =>
        Promise.resolve(into.set(block.subarray(0, into.length)) ?? Math.min(into.length, block.length)),
      write: (bytes) => Promise.resolve(bytes.length),
      closeWrite: () => Promise.resolve(),
      close() {},
    }, stream);
  }, { server: { limits: { unsentAnswers: 20 } } });
  const streams = Array.from({ length: 4 }, () => ends.client.open(CONNECT));
  for (const stream of streams) {
    const into = new Uint8Array(256 * 1024);
    void (async () => {
      while (await stream.read(into) !== null);
    })().catch(() => {});
  }
  for (let i = 0; i < 60; i++) await ends.client.ping(5_000);
  for (const stream of streams) stream.abort();
});

Deno.test("streams given up all at once, with bytes on their way or not answered yet, leave the others alone", async () => {
  const served: Stream[] = [];
  await using ends = connected((stream) => {
    served.push(stream);
    if (served.length <= 3_000) stream.respond(OK);
  });
  await ends.client.ping(1_000);
  const answered = Array.from({ length: 3_000 }, () => ends.client.open(CONNECT));
  await Promise.all(answered.map((stream) => stream.response));
  for (const stream of served) stream.write(new Uint8Array(100)).catch(() => {});
  for (const stream of answered) stream.abort();
  await ends.client.ping(1_000);
  const hanging = Array.from({ length: 4_000 }, () => ends.client.open(CONNECT));
  await ends.client.ping(1_000);
  for (const stream of hanging) stream.abort();
  await ends.client.ping(1_000);
});

Deno.test("a connection that drains sends all of its last stream, over a slow link too", async () => {
  const [a, b] = memoryPair();
  const write = b.write.bind(b);
  b.write = async (bytes) => {
    await turn(80);
    return await write(bytes.subarray(0, 10_000)); // 125 KB/s
  };
  await using ends = connected((stream) => {
    stream.respond(OK);
    void writeAll(stream, pattern(200_000)).then(() => stream.closeWrite());
  }, { over: [a, b] });
  await ends.client.ping(1_000);
  const stream = ends.client.open(CONNECT, { end: true });
  const reading = readAll(stream);
  await stream.response;
  ends.server.drain();
  assert.equal((await reading).length, 200_000);
});

Deno.test("what a draining connection has written isn't cut off by its closing, while the peer still reads", async () => {
  const [near, far] = await tcpPair();
  await using ends = connected((stream) => {
    stream.respond(OK);
    void writeAll(stream, pattern(1_000_000)).then(() => stream.closeWrite()).catch(() => {});
  }, {
    over: [{
      read: async (into) => {
        await turn(25);
        return await near.read(into.subarray(0, 20_000)); // 800 KB/s; the kernel's buffers have the rest
      },
      write: (bytes) => near.write(bytes),
      closeWrite: () => near.closeWrite(),
      close: () => near.close(),
    }, far],
  });
  await ends.client.ping(5_000);
  const stream = ends.client.open(CONNECT, { end: true });
  await stream.response;
  const reading = readAll(stream);
  ends.server.drain();
  assert.equal((await reading).length, 1_000_000);
});

Deno.test("who doesn't want to wait for that needn't", async () => {
  await using peer = await byHand(); // which never ends
  await peer.send(headers(1));
  peer.streams[0]?.respond(OK, { end: true });
  peer.connection.drain();
  await peer.send(frame(FrameType.DATA, Flag.END_STREAM, 1));
  const closed = peer.connection[Symbol.asyncDispose]().then(() => "closed");
  assert.equal(await Promise.race([closed, turn(5_000)]), "closed");
});
