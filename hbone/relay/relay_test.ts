import assert from "node:assert/strict";
import { byHand, frame, REQUEST, uint32 } from "../testing/by_hand.ts";
import { FRAME_HEADER, FrameType } from "../frames/frame.ts";
import type { Transport } from "../../net/transport.ts";
import { relay, type RelayEnd } from "./relay.ts";
import {
  CONNECT,
  connected,
  copy,
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
import { memoryPair } from "../testing/memory_transport.ts";
import { ConnectRefused, StreamReset } from "../frames/errors.ts";
import { headerValue } from "../frames/header.ts";

/** app <-> socket <-> stream <-> (connection) <-> stream <-> socket <-> service, all sockets over TCP. */
async function tunnel() {
  const [app, near] = await tcpPair();
  const [far, service] = await tcpPair();
  const over: Promise<unknown>[] = [];
  const ends = connected((stream) => {
    stream.respond([[":status", "200"]]);
    over.push(relay(stream, far));
  });
  const stream = ends.client.open(CONNECT);
  const relayed = relay(near, stream);
  return {
    app,
    service,
    relayed,
    async [Symbol.asyncDispose]() {
      for (const socket of [app, service]) {
        try {
          socket.close();
        } catch {
          // Closed by the test.
        }
      }
      await relayed;
      await Promise.all(over);
      await ends[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a relay carries bytes both ways and counts them", async () => {
  await using ends = await tunnel();
  const up = pattern(20 * 1024 * 1024, 1);
  const down = pattern(20 * 1024 * 1024, 2);
  const send = async (to: Transport, bytes: Uint8Array) => {
    await writeAll(to, bytes);
    await to.closeWrite();
  };
  const [gotUp, gotDown] = await Promise.all([
    readAll(ends.service),
    readAll(ends.app),
    send(ends.app, up),
    send(ends.service, down),
  ]);
  assert.equal(await sha256(gotUp), await sha256(up));
  assert.equal(await sha256(gotDown), await sha256(down));
  assert.deepEqual(await ends.relayed, { aToB: up.length, bToA: down.length });
});

Deno.test("a relay passes an end on while the other direction goes on", async () => {
  await using ends = await tunnel();
  await writeAll(ends.app, pattern(100));
  await ends.app.closeWrite();
  assert.deepEqual(await readAll(ends.service), pattern(100));
  await writeAll(ends.service, pattern(70_000, 3));
  await ends.service.closeWrite();
  assert.deepEqual(await readAll(ends.app), pattern(70_000, 3));
});

Deno.test("small messages go to and fro", async () => {
  await using ends = await tunnel();
  for (let i = 1; i <= 200; i++) {
    await writeAll(ends.app, pattern(i * 50, i));
    assert.deepEqual(await readExactly(ends.service, i * 50), pattern(i * 50, i));
    await writeAll(ends.service, pattern(i * 40, i));
    assert.deepEqual(await readExactly(ends.app, i * 40), pattern(i * 40, i));
  }
});

Deno.test("a socket that breaks resets the stream, and a reset breaks the socket, never ends it", async () => {
  const [app, near] = memoryPair();
  const [far, service] = memoryPair();
  const over: Promise<unknown>[] = [];
  await using ends = connected((stream) => {
    stream.respond([[":status", "200"]]);
    over.push(relay(stream, far));
  });
  const relayed = relay(near, ends.client.open(CONNECT));
  await writeAll(app, pattern(1000));
  await readExactly(service, 1000);
  service.abort(new Error("reset by the service"));
  await assert.rejects(readAll(app), StreamReset);
  const end = await relayed;
  assert.equal(end.aToB, 1000);
  assert.ok(end.error instanceof StreamReset);
  assert.equal(end.brokenBy, "b");
  const [there] = await Promise.all(over) as RelayEnd[];
  assert.equal(there?.brokenBy, "b", "the service's side broke by itself");
});

Deno.test("who listens hears of a break while the other end still stands, and nothing of an end", async () => {
  for (const breaks of [true, false]) {
    const [app, near] = memoryPair();
    const [far, service] = memoryPair();
    const seen: string[] = [];
    const abort = far.abort.bind(far);
    far.abort = (reason) => (seen.push("abort"), abort(reason));
    const relayed = relay(near, far, { breaking: () => void seen.push("breaking") });
    if (breaks) app.abort(new Error("reset by the application"));
    else await Promise.all([app.closeWrite(), service.closeWrite()]);
    const { brokenBy } = await relayed;
    assert.deepEqual([seen, brokenBy], breaks ? [["breaking", "abort"], "a"] : [[], undefined]);
  }
});

Deno.test("a relay whose reader stops holds back the writer", async () => {
  await using ends = await tunnel();
  let written = 0;
  const writing = (async () => {
    const bytes = pattern(64 * 1024);
    while (written < 64 * 1024 * 1024) written += await ends.app.write(bytes);
    await ends.app.closeWrite();
  })();
  await turn(300);
  const before = written;
  assert.ok(before < 48 * 1024 * 1024, `${before} bytes went somewhere`);
  const got = await readAll(ends.service);
  await writing;
  assert.equal(got.length, written);
});

Deno.test("a service that has said all and wants no more ends the relay cleanly, with all it said", async () => {
  const [app, near] = memoryPair();
  await using ends = connected(async (stream) => {
    stream.respond([[":status", "200"]]);
    await writeAll(stream, pattern(50_000));
    stream.close();
  });
  const relayed = relay(near, ends.client.open(CONNECT));
  assert.deepEqual(await readAll(app), pattern(50_000));
  assert.equal((await relayed).error, undefined);
});

Deno.test("500 relays at once over one connection, each with its own bytes", async () => {
  const over: Promise<unknown>[] = [];
  await using ends = connected((stream) => {
    const [far, service] = memoryPair();
    stream.respond([[":status", "200"]]);
    over.push(relay(stream, far), copy(service, service));
  });
  await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    const [app, near] = memoryPair();
    over.push(relay(near, ends.client.open(CONNECT)));
    const bytes = pattern(20_000 + i * 10, i + 1);
    const sending = writeAll(app, bytes).then(() => app.closeWrite());
    assert.deepEqual(await readAll(app), bytes);
    await sending;
  }));
  await Promise.all(over);
  assert.equal(ends.client.buffered + ends.server.buffered, 0);
});

Deno.test("a CONNECT that was refused breaks the application's socket, and its text is never the service's", async () => {
  const [app, near] = memoryPair();
  await using ends = connected((stream) => {
    stream.respond([[":status", "502"], ["proxy-status", "pmz; error=connection_refused"]]);
    writeAll(stream, pattern(20)).then(() => stream.closeWrite());
  });
  const relayed = relay(near, ends.client.open(CONNECT));
  await assert.rejects(readAll(app));
  const { error, bToA } = await relayed;
  assert.ok(error instanceof ConnectRefused);
  assert.equal(error.status, 502);
  assert.equal(headerValue(error.headers, "proxy-status"), "pmz; error=connection_refused");
  assert.equal(bToA, 0);
});

Deno.test("what a socket brings as it's read goes out in frames that are, with all headers before them, whole TLS records", async () => {
  const [a, b] = memoryPair();
  await using ends = connected(echo, { over: [a, b] });
  await ends.client.ping(1000);
  const reads: number[] = [];
  let left = 4 << 20;
  const socket: Transport = {
    read(into) {
      const length = Math.min(left, into.length);
      left -= length;
      reads.push(length);
      return Promise.resolve(length === 0 ? null : length);
    },
    write: (bytes) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
  await relay(socket, ends.client.open(CONNECT));
  // A WebSocket's header and SPDY's take 8 bytes each where the payload is less than 64 KiB.
  const most = Math.max(...reads);
  assert.equal((most + FRAME_HEADER + 8 + 8) % (16 * 1024), 0);
  assert(reads.filter((length) => length === most).length > 50);
});

Deno.test("what a socket brings in parts of 64 KiB goes out in as many frames and writes", async () => {
  const [a, b] = memoryPair();
  const transport = counted(a);
  let got = 0;
  await using ends = connected(async (stream) => {
    stream.respond([[":status", "200"]]);
    got = (await readAll(stream)).length;
    await stream.closeWrite();
  }, { over: [transport, b] });
  await ends.client.ping(1000);
  const before = transport.writes;
  // As node:net does: what a read leaves of a part is all that the next one gets.
  let left = 0;
  let parts = 160;
  const socket: Transport = {
    part: 64 * 1024,
    read(into) {
      if (left === 0 && parts-- > 0) left = 64 * 1024;
      const length = Math.min(left, into.length);
      left -= length;
      return Promise.resolve(length === 0 ? null : length);
    },
    write: (bytes) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
  assert.equal((await relay(socket, ends.client.open(CONNECT))).aToB, 160 * 64 * 1024);
  assert.equal(got, 160 * 64 * 1024);
  assert.ok(transport.writes - before <= 170, `${transport.writes - before} writes`);
});

Deno.test("a relay goes on after a stream's first bytes had to wait", async () => {
  await using peer = await byHand({ role: "client" });
  // Another stream has used up the connection's window.
  await writeAll(peer.connection.open(REQUEST), new Uint8Array(65_535));
  const stream = peer.connection.open(REQUEST, { first: pattern(100) });
  const [app, socket] = memoryPair();
  const relayed = relay(socket, stream);
  await app.write(pattern(200));
  await turn(10);
  await peer.send(frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1 << 20)));
  await turn(50);
  const came = peer.frames.filter((each) => each.type === FrameType.DATA && each.stream === stream.id)
    .reduce((sum, each) => sum + each.payload.length, 0);
  assert.equal(came, 300);
  stream.abort();
  await relayed;
});
