import assert from "node:assert/strict";
import fc from "fast-check";
import type { AbortableTransport } from "../../net/transport.ts";
import { frame, headers } from "../testing/by_hand.ts";
import { Connection } from "../connection/connection.ts";
import { Flag, FrameType, PREFACE } from "../frames/frame.ts";
import { LaneReceiver, LaneSender } from "./lanes.ts";
import { memoryPair } from "../testing/memory_transport.ts";
import { CONNECT, echo, pattern, readAll, sha256, writeAll } from "../testing/pair.ts";

/** Both ends of two lanes, and the lanes; how many bytes went out on each. */
function twoLanes() {
  const [mainNear, mainFar] = memoryPair();
  const [bulkNear, bulkFar] = memoryPair();
  const sent = { main: 0, bulk: 0 };
  const counted = (lane: "main" | "bulk", of: typeof mainNear) => {
    const write = of.write.bind(of);
    of.write = async (bytes) => {
      const length = await write(bytes);
      sent[lane] += length;
      return length;
    };
    return of;
  };
  return {
    sender: new LaneSender(counted("main", mainNear), counted("bulk", bulkNear)),
    receiver: new LaneReceiver(mainFar, bulkFar),
    lanes: { mainNear, mainFar, bulkNear, bulkFar },
    sent,
  };
}

/** A tunnel over two lanes. */
function tunnel() {
  const { sender, receiver, sent } = twoLanes();
  const server = new Connection(receiver, { role: "server", onStream: echo });
  const client = new Connection(sender, { role: "client" });
  return {
    client,
    server,
    sent,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("small messages take the main lane alone", async () => {
  await using at = tunnel();
  const stream = at.client.open(CONNECT);
  for (let i = 0; i < 50; i++) {
    await writeAll(stream, pattern(300, i));
    const into = new Uint8Array(300);
    for (let have = 0; have < 300;) have += await stream.read(into.subarray(have)) ?? assert.fail("an end");
    assert.deepEqual(into, pattern(300, i));
  }
  assert.equal(at.sent.bulk, 0);
  await stream.closeWrite();
  stream.close();
});

Deno.test("a large upload takes the bulk lane, and comes out as it went in; after it the main lane is taken again", async () => {
  await using at = tunnel();
  const bytes = pattern(20 << 20);
  for (let round = 0; round < 2; round++) {
    const stream = at.client.open(CONNECT);
    const writing = writeAll(stream, bytes).then(() => stream.closeWrite());
    const back = await readAll(stream);
    await writing;
    assert.equal(await sha256(back), await sha256(bytes));
    assert(at.sent.bulk > (round + 1) * bytes.length / 2, `${at.sent.bulk} bytes on the bulk lane`);
    const before = at.sent.bulk;
    for (let i = 0; i < 100; i++) await at.client.ping(1_000);
    assert(at.sent.bulk - before < 10_000, "pings went on by the bulk lane");
  }
});

/** A transport that takes everything that is written to it. */
function recorder() {
  const [transport] = memoryPair();
  const written: Uint8Array<ArrayBuffer>[] = [];
  transport.write = (bytes) => {
    written.push(bytes.slice());
    return Promise.resolve(bytes.length);
  };
  return { transport, bytes: () => new Blob(written).bytes() };
}

/** A transport from which these bytes come, in parts of these lengths by turns (none: all that there is room for). */
function player(bytes: Uint8Array, lengths: readonly number[]): AbortableTransport {
  const [transport] = memoryPair();
  let at = 0, turn = 0;
  const part = lengths.length > 0 ? (i: number) => lengths[i % lengths.length] as number : () => bytes.length;
  transport.read = (into) => {
    if (at === bytes.length) return new Promise(() => {});
    const length = Math.min(into.length, part(turn++), bytes.length - at);
    into.set(bytes.subarray(at, at + length));
    at += length;
    return Promise.resolve(length);
  };
  transport.write = (bytes) => Promise.resolve(bytes.length);
  return transport;
}

Deno.test("however messages follow each other, and lanes lag behind each other, all is received as it was sent", async () => {
  // So many large ones take the sender to the bulk lane, so many small ones back.
  const large = fc.array(fc.integer({ min: 60_000, max: 140_000 }), { minLength: 5, maxLength: 12 });
  const small = fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 15, maxLength: 25 });
  const sizes = fc.array(fc.tuple(large, small), { minLength: 1, maxLength: 4 }).map((all) => all.flat(2));
  const lengths = fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(sizes, lengths, lengths, async (all, mainLengths, bulkLengths) => {
      const [main, bulk] = [recorder(), recorder()];
      const sender = new LaneSender(main.transport, bulk.transport);
      await sender.writeParts([PREFACE, frame(FrameType.SETTINGS, 0, 0)]);
      // Each message is a stream, whole.
      for (const [i, size] of all.entries()) {
        const bytes = pattern(size, i);
        const parts = [headers(2 * i + 1)];
        for (let at = 0; at < size; at += 16_384) {
          const end = Math.min(at + 16_384, size);
          parts.push(
            frame(FrameType.DATA, end === size ? Flag.END_STREAM : 0, 2 * i + 1, bytes.slice(at, end)),
          );
        }
        await sender.writeParts(parts);
      }
      const received: Promise<Uint8Array>[] = [];
      const receiver = new LaneReceiver(
        player(await main.bytes(), mainLengths),
        player(await bulk.bytes(), bulkLengths),
      );
      const server = new Connection(receiver, {
        role: "server",
        onStream: (stream) => {
          const all = readAll(stream);
          all.catch(() => {}); // the connection's end says it
          received.push(all);
        },
      });
      const done = async () => {
        while (received.length < all.length) await new Promise((resolve) => setTimeout(resolve, 0));
        return await Promise.all(received);
      };
      const got = await Promise.race([done(), server.closed]);
      assert(Array.isArray(got), `the connection ended: ${JSON.stringify(got)}`);
      for (const [i, size] of all.entries()) {
        assert(pattern(size, i).every((byte, at) => got[i]?.[at] === byte));
      }
      server.abort();
      sender.close();
    }),
    { numRuns: 25 },
  );
});

Deno.test("a sender may turn as often as it likes", async () => {
  const { sender, receiver, lanes } = twoLanes();
  await using _server = new Connection(receiver, { role: "server", onStream: echo });
  const client = new Connection(sender, { role: "client" });
  await client.ping(1_000);
  const turn = Uint8Array.of(0, 0, 0, FrameType.LANE, 0, 0, 0, 0, 0);
  for (let i = 0; i < 2_500; i++) {
    await lanes.mainNear.write(turn);
    await lanes.bulkNear.write(turn);
  }
  await client.ping(5_000);
  await client[Symbol.asyncDispose]();
});

Deno.test("where one lane breaks, or ends, the connection does", async () => {
  for (const lane of ["mainNear", "mainFar", "bulkNear"] as const) {
    for (const how of ["abort", "close"] as const) {
      const { sender, receiver, lanes } = twoLanes();
      const server = new Connection(receiver, { role: "server", onStream: echo });
      const client = new Connection(sender, { role: "client" });
      const stream = client.open(CONNECT);
      await stream.response;
      lanes[lane][how]();
      await assert.rejects(async () => {
        while (await stream.read(new Uint8Array(10)) !== null);
      }, `${how} of ${lane}`);
      await Promise.all([client.closed, server.closed]);
    }
  }
});

Deno.test("something that comes on the bulk lane breaks both: nothing has any business there", async () => {
  const { sender, lanes } = twoLanes();
  const reading = sender.read(new Uint8Array(1));
  await lanes.bulkFar.write(new Uint8Array(1));
  await assert.rejects(reading, /on the bulk lane/);
});

Deno.test("a connection without lanes takes the frame for one that it doesn't know", async () => {
  const [near, far] = memoryPair();
  await using server = new Connection(far, { role: "server", onStream: echo });
  const client = new Connection(near, { role: "client" });
  await client.ping(1_000);
  await near.write(Uint8Array.of(0, 0, 0, FrameType.LANE, 0, 0, 0, 0, 0));
  await client.ping(1_000);
  assert.equal(server.streams, 0);
  await client[Symbol.asyncDispose]();
});
