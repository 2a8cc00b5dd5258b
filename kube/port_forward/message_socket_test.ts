import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import type { ServerConnection } from "../client/dial.ts";
import { pollUntil } from "../../async/poll_until.ts";
import { serverFrame } from "../testing/kubelet.ts";
import { HEADROOM, MessageSocket } from "./message_socket.ts";
import { WebSocketError } from "./websocket.ts";

const PING = 9, PONG = 10, CLOSE = 8;
const none = new Uint8Array(0);
const bytes = (text: string) => new TextEncoder().encode(text);

/** A connection on which `pieces` come, and then its end; what is written is kept, so many bytes at a time. */
function connection(pieces: readonly Uint8Array[], atATime = Infinity) {
  const left = pieces.filter(({ length }) => length > 0);
  const written: number[] = [];
  let closes = 0;
  const of: ServerConnection = {
    read(into) {
      const next = left.shift();
      if (!next) return Promise.resolve(null);
      const size = Math.min(next.length, into.length);
      into.set(next.subarray(0, size));
      if (size < next.length) left.unshift(next.subarray(size));
      return Promise.resolve(size);
    },
    async write(some) {
      await setImmediate();
      const size = Math.min(some.length, atATime);
      written.push(...some.subarray(0, size));
      return size;
    },
    close: () => void closes++,
  };
  return { of, written, closes: () => closes };
}

/** The frames that a client sent: masked with zeros, so their payload is as it was. */
function sent(written: readonly number[]): [number, string][] {
  const frames: [number, string][] = [];
  for (let at = 0; at < written.length;) {
    const [first = 0, second = 0] = written.slice(at);
    assert.equal(second & 0x80, 0x80, "a client's frame is masked");
    let length = second & 0x7f;
    at += 2;
    if (length === 126) {
      length = (written[at] ?? 0) << 8 | (written[at + 1] ?? 0);
      at += 2;
    }
    at += 4;
    frames.push([first & 15, new TextDecoder().decode(Uint8Array.from(written.slice(at, at + length)))]);
    at += length;
  }
  return frames;
}

/** Reads all messages until the server closes. */
async function messages(socket: MessageSocket, take = (have: number) => have): Promise<number[][]> {
  const all: number[][] = [];
  for (;;) {
    while (socket.next()) {
      const size = Math.min(Math.max(1, take(socket.end - socket.at)), socket.end - socket.at);
      (all[socket.message - 1] ??= []).push(...socket.buffer.subarray(socket.at, socket.at + size));
      socket.at += size;
    }
    if (socket.closed) return all;
    await socket.fill();
  }
}

function cut(all: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) pieces.push(all.subarray(at, at += size));
  return [...pieces, all.subarray(at)];
}

const join = (parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

Deno.test("however messages are cut into frames, and frames by the network, they come out whole and in order", async () => {
  const message = fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 4 });
  const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 8 }),
      sizes,
      fc.infiniteStream(fc.integer({ min: 1, max: 300 })),
      async (list, cuts, takes) => {
        const frames = list.flatMap((parts) =>
          parts.flatMap((part, i) => [
            serverFrame(i === 0 ? 2 : 0, part, i === parts.length - 1),
            ...part.length % 3 === 0 ? [serverFrame(PING, part.subarray(0, 100))] : [],
          ])
        );
        const { of } = connection(cut(join([...frames, serverFrame(CLOSE, Uint8Array.of(3, 232))]), cuts));
        const socket = new MessageSocket(of, none);
        const came = await messages(socket, () => takes.next().value ?? 1);
        assert.deepEqual(list.map((_, i) => came[i] ?? []), list.map((parts) => [...join(parts)]));
        assert.deepEqual(socket.closed, { code: 1000, reason: "" });
      },
    ),
  );
});

Deno.test("a message ends with its last piece, also where that is empty", async () => {
  const { of } = connection([join([
    serverFrame(2, bytes("one"), false),
    serverFrame(0, none),
    serverFrame(2, bytes("two")),
    serverFrame(CLOSE, none),
  ])]);
  const socket = new MessageSocket(of, none);
  const pieces: [number, string, boolean][] = [];
  while (!socket.closed) {
    while (socket.next()) {
      const text = new TextDecoder().decode(socket.buffer.subarray(socket.at, socket.end));
      pieces.push([socket.message, text, socket.endsMessage]);
      socket.at = socket.end;
    }
    if (!socket.closed) await socket.fill();
  }
  assert.deepEqual(pieces, [[1, "one", false], [1, "", true], [2, "two", true]]);
});

Deno.test("any bytes from a server are messages, a close or a WebSocketError", async () => {
  const header = fc.constantFrom([0x82], [0x02], [0x00], [0x80], [0x89], [0x88], [0x81]).map((of) =>
    Uint8Array.from(of)
  );
  const garbage = fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), header), { maxLength: 20 });
  await fc.assert(fc.asyncProperty(garbage, async (parts) => {
    const socket = new MessageSocket(connection(parts).of, none);
    try {
      await messages(socket);
      assert.ok(socket.closed);
    } catch (error) {
      assert.ok(error instanceof WebSocketError, String(error));
    }
  }));
});

Deno.test("what came with the upgrade's answer is read first", async () => {
  const { of } = connection([serverFrame(CLOSE, none)]);
  assert.deepEqual(await messages(new MessageSocket(of, serverFrame(2, bytes("early")))), [[
    ...bytes("early"),
  ]]);
});

Deno.test("the latest ping is answered after the message that is being written, not within it", async () => {
  const pings = [serverFrame(PING, bytes("first")), serverFrame(PING, bytes("latest"))];
  const { of, written } = connection([join(pings)], 7);
  const socket = new MessageSocket(of, none);
  const message = new Uint8Array(HEADROOM + 500).fill(65);
  const sending = socket.send(message, HEADROOM, message.length);
  await socket.fill();
  assert.equal(socket.next(), false);
  socket.flush();
  await sending;
  const second = bytes("\0".repeat(HEADROOM) + "next");
  await socket.send(second, HEADROOM, second.length);
  assert.deepEqual(sent(written), [[2, "A".repeat(500)], [PONG, "latest"], [2, "next"]]);
});

Deno.test("a flood of pings doesn't keep a message from being sent", async () => {
  const { of, written } = connection([]);
  const ping = serverFrame(PING, bytes("again"));
  const flooded = async (into: Uint8Array) => {
    await setImmediate();
    into.set(ping);
    return ping.length;
  };
  const socket = new MessageSocket({ ...of, read: flooded }, ping);
  socket.next();
  socket.flush();
  const message = bytes("\0".repeat(HEADROOM) + "message");
  let isSent = false;
  const sending = socket.send(message, HEADROOM, message.length).then(() => isSent = true);
  for (let pings = 0; !isSent; pings++) {
    assert.ok(pings < 100, "it waits for ever");
    await socket.fill();
    socket.next();
    socket.flush();
  }
  await sending;
  assert.deepEqual(sent(written).slice(0, 2), [[PONG, "again"], [2, "message"]]);
});

Deno.test("of queued messages that can't be written the oldest are dropped", async () => {
  const { of, written } = connection([]);
  const socket = new MessageSocket(of, none);
  for (let i = 0; i < 100; i++) socket.queue(bytes(`${i}`));
  socket.flush();
  const last = bytes("\0".repeat(HEADROOM) + "last");
  await socket.send(last, HEADROOM, last.length);
  assert.deepEqual(
    sent(written).map(([, text]) => text),
    [...Array(16).keys()].map((i) => `${84 + i}`).concat("last"),
  );
});

Deno.test("a close is answered with its code, and nothing is read after it", async () => {
  const frames = [
    serverFrame(CLOSE, Uint8Array.of(3, 243, ...bytes("no\nmore\x1b[31m"))),
    serverFrame(2, bytes("x")),
  ];
  const { of, written } = connection([join(frames)]);
  const socket = new MessageSocket(of, none);
  assert.deepEqual(await messages(socket), []);
  assert.deepEqual(socket.closed, { code: 1011, reason: "no more[31m" });
  assert.equal(socket.next(), false);
  socket.flush();
  const end = bytes("\0".repeat(HEADROOM));
  await socket.send(end, HEADROOM, end.length);
  assert.deepEqual(written.slice(0, 8), [0x88, 0x82, 0, 0, 0, 0, 3, 243]);
});

Deno.test("a write that fails tells its sender, and a pong that fails tells nothing", async () => {
  const broken: ServerConnection = {
    read: () => Promise.resolve(null),
    write: () => Promise.reject(new Error("reset")),
    close() {},
  };
  const socket = new MessageSocket(broken, serverFrame(PING, none));
  assert.equal(socket.next(), false);
  socket.flush();
  const message = new Uint8Array(HEADROOM + 1);
  await assert.rejects(socket.send(message, HEADROOM, message.length), /reset/);
  await assert.rejects(socket.fill(), /closed the connection in the middle/);
});

Deno.test("a connection ends with one close of the WebSocket, however often it is closed", async () => {
  const { of, written, closes } = connection([]);
  const socket = new MessageSocket(of, none);
  socket.close();
  socket.close();
  await pollUntil(() => closes() > 0);
  assert.deepEqual(written, [0x88, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff]);
  assert.equal(closes(), 1);
});

Deno.test("a close in the middle of a message, or after the server's, ends the connection at once", async () => {
  const { of, written, closes } = connection([]);
  const sending = new MessageSocket(of, none);
  const message = new Uint8Array(HEADROOM + 1);
  const sent = sending.send(message, HEADROOM, message.length);
  sending.close();
  assert.equal(closes(), 1);
  await sent;
  assert.equal(written.length, 7); // the message alone

  const other = connection([]);
  const closed = new MessageSocket(other.of, serverFrame(CLOSE, Uint8Array.of(3, 232)));
  assert.equal(closed.next(), false);
  closed.close();
  assert.equal(other.closes(), 1);
});

Deno.test("a close that can't be written doesn't keep the connection open", async () => {
  const { of, closes } = connection([]);
  new MessageSocket({ ...of, write: () => new Promise(() => {}) }, none).close();
  await pollUntil(() => closes() === 1);
});
