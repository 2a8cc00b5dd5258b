import assert from "node:assert/strict";
import fc from "fast-check";
import { Connection } from "./connection.ts";
import { FRAME_HEADER, FrameType } from "./frame.ts";
import { LaneReceiver, LaneSender } from "./lanes.ts";
import { memoryPair } from "./memory_transport.ts";
import { CONNECT, echo, pattern, readAll, sha256, writeAll } from "./testing.ts";

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

Deno.test("however messages follow each other, they are received in the order that they were sent in", async () => {
  const sizes = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 60_000, max: 140_000 })),
    {
      minLength: 1,
      maxLength: 60,
    },
  );
  await fc.assert(
    fc.asyncProperty(sizes, async (all) => {
      const { sender, receiver } = twoLanes();
      const sending = (async () => {
        for (const [i, size] of all.entries()) await sender.writeParts([pattern(size, i)]);
      })();
      const want = new Uint8Array(await new Blob(all.map((size, i) => pattern(size, i))).arrayBuffer());
      const got = new Uint8Array(want.length);
      const into = new Uint8Array(1 << 16);
      for (let at = 0; at < want.length;) {
        const length = await receiver.read(into);
        assert(length !== null);
        // As a connection does it, for which such a frame is one of many: it comes last on its lane.
        const turns = at + length > want.length || endsWithTurn(into, length, want, at);
        const bytes = turns ? length - FRAME_HEADER : length;
        got.set(into.subarray(0, bytes), at);
        at += bytes;
        if (turns) receiver.peerTurned();
      }
      await sending;
      assert.deepEqual(got, want);
      sender.close();
      receiver.close();
    }),
    { numRuns: 40 },
  );
});

/** Whether what was read ends with the frame that says so, and not with bytes of the pattern. */
function endsWithTurn(into: Uint8Array, length: number, want: Uint8Array, at: number): boolean {
  const end = length - FRAME_HEADER;
  const isFrame = end >= 0 && into[end + 3] === FrameType.LANE &&
    into.subarray(end, length).every((byte, i) => i === 3 || byte === 0);
  return isFrame && !into.subarray(end, length).every((byte, i) => byte === want[at + end + i]);
}

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
