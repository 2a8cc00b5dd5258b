import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import fc from "fast-check";
import { FRAME_HEADER, FrameType, readUint24, readUint31 } from "../frames/frame.ts";
import { memoryPair } from "../testing/memory_transport.ts";
import { BufferPool } from "../frames/pool.ts";
import { SendQueue } from "./send_queue.ts";
import { pattern, readAll, writeAll } from "../testing/pair.ts";

Deno.test("copied and lent frames come out in order and whole, however little a write takes", async () => {
  const one = fc.record({
    lent: fc.boolean(),
    length: fc.integer({ min: 1, max: 16_384 }),
    later: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(one, { maxLength: 40 }),
      fc.integer({ min: 100, max: 100_000 }),
      fc.boolean(),
      async (frames, most, messages) => {
        const [near, far] = memoryPair();
        const transport = {
          ...near,
          read: near.read.bind(near),
          closeWrite: near.closeWrite.bind(near),
          close: near.close.bind(near),
          write: (bytes: Uint8Array) => near.write(bytes.subarray(0, most)),
          ...messages ? { writeParts } : {},
        };
        async function writeParts(parts: readonly Uint8Array[]) {
          const size = parts.reduce((sum, part) => sum + part.length, 0);
          assert.ok(size <= 144 * 1024, `a message of ${size} bytes`);
          for (const part of parts) await writeAll(near, part);
        }
        const queue = new SendQueue(transport, new BufferPool(), assert.fail);
        const reading = readAll(far);
        let lent = 0;
        for (const [i, { lent: lend, length, later }] of frames.entries()) {
          const bytes = new Uint8Array(FRAME_HEADER + length);
          bytes.set(pattern(length, i + 1), FRAME_HEADER);
          if (!lend) queue.data(i + 1, 0, bytes, FRAME_HEADER, bytes.length);
          else {
            lent++;
            queue.lend(i + 1, 0, { bytes, start: 0, end: bytes.length, sent: () => lent-- });
          }
          // What was copied is ours again at once.
          if (!lend) bytes.fill(0);
          if (later) await undefined;
        }
        await queue.idle();
        assert.equal(lent, 0);
        near.close();
        const wire = await reading;
        let at = 0;
        for (const [i, { length }] of frames.entries()) {
          assert.deepEqual([readUint24(wire, at), wire[at + 3], readUint31(wire, at + 5)], [
            length,
            FrameType.DATA,
            i + 1,
          ]);
          assert.deepEqual(
            wire.subarray(at + FRAME_HEADER, at + FRAME_HEADER + length),
            pattern(length, i + 1),
          );
          at += FRAME_HEADER + length;
        }
        assert.equal(at, wire.length);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("frames of one turn are one write, up to 128 KiB", async () => {
  const [near, far] = memoryPair();
  const queue = new SendQueue(near, new BufferPool(), assert.fail);
  for (let i = 0; i < 200; i++) queue.data(1, 0, pattern(1000), 0, 1000);
  await queue.idle();
  assert.equal(queue.writes, 2);
  near.close();
  assert.equal((await readAll(far)).length, 200 * 1009);
});

Deno.test("a queue whose transport broke gives back what was lent, and takes nothing more", async () => {
  const [near, far] = memoryPair();
  const broken: Error[] = [];
  const queue = new SendQueue(near, new BufferPool(), (error) => broken.push(error));
  far.abort(new Error("gone"));
  const back: (Error | undefined)[] = [];
  const piece = () => ({
    bytes: new Uint8Array(100),
    start: 0,
    end: 100,
    sent: (error?: Error) => back.push(error),
  });
  queue.lend(1, 0, piece());
  queue.lend(3, 0, piece());
  await queue.idle();
  queue.lend(5, 0, piece());
  assert.deepEqual(back.map((error) => error?.message), ["gone", "gone", "gone"]);
  assert.equal(broken.length, 1);
  assert.equal(queue.room, 0);
});

Deno.test("what waits while a message is written goes into the next together, where messages cost more than bytes", async () => {
  const messages: number[] = [];
  const written = Promise.withResolvers<void>();
  const transport = {
    read: () => Promise.resolve(null),
    async write(bytes: Uint8Array) {
      messages.push(bytes.length);
      await written.promise;
      return bytes.length;
    },
    writeParts(parts: readonly Uint8Array[]) {
      messages.push(parts.reduce((sum, part) => sum + part.length, 0));
      return Promise.resolve();
    },
    closeWrite: () => Promise.resolve(),
    close() {},
  };
  const queue = new SendQueue(transport, new BufferPool(), assert.fail);
  let lent = 0;
  const lend = (length: number) => {
    lent++;
    queue.lend(1, 0, {
      bytes: new Uint8Array(FRAME_HEADER + length),
      start: 0,
      end: FRAME_HEADER + length,
      sent: () => lent--,
    });
  };
  lend(16_000);
  await undefined;
  await undefined;
  for (let i = 0; i < 10; i++) lend(16_000);
  queue.data(3, 0, new Uint8Array(100), 0, 100);
  written.resolve();
  await queue.idle();
  assert.deepEqual(messages, [16_009, 9 * 16_009, 16_009 + 109]);
  assert.equal(lent, 0);
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Queues a small frame in each of some turns, `streams` in the first of them. */
async function trickle(queue: SendQueue, streams: number, turns: number): Promise<void> {
  for (let i = 0; i < streams; i++) queue.data(i, 0, pattern(50), 0, 50);
  for (let i = 1; i < turns; i++) {
    await turn();
    queue.data(i, 0, pattern(50), 0, 50);
  }
  await queue.idle();
}

Deno.test("where many frames went together, the next are waited for as long as more come in each turn", async () => {
  const [near] = memoryPair();
  const queue = new SendQueue(near, new BufferPool(), assert.fail);
  await trickle(queue, 10, 1);
  assert.equal(queue.writes, 1);
  await trickle(queue, 1, 5);
  assert.equal(queue.writes, 2);
});

Deno.test("a frame that comes alone isn't held for others", async () => {
  const [near] = memoryPair();
  const queue = new SendQueue(near, new BufferPool(), assert.fail);
  await trickle(queue, 1, 5);
  assert.equal(queue.writes, 5);
});

Deno.test("frames that never stop to come don't hold the first ones for ever, nor do large ones wait", async () => {
  const [near] = memoryPair();
  const queue = new SendQueue(near, new BufferPool(), assert.fail);
  await trickle(queue, 10, 1);
  await trickle(queue, 1, 100);
  assert(queue.writes > 10 && queue.writes < 60, `${queue.writes} writes`);
  const before = queue.writes;
  for (let i = 0; i < 5; i++) queue.data(i, 0, pattern(50), 0, 50);
  await queue.idle();
  for (let i = 0; i < 3; i++) queue.data(1, 0, pattern(16_000), 0, 16_000);
  await undefined;
  await undefined;
  assert.equal(queue.writes - before, 2);
});

Deno.test("messages of a stream that follow each other share a frame, up to its largest size, and stay whole and in order", async () => {
  const step = fc.record({
    stream: fc.constantFrom(1, 3),
    head: fc.nat(6),
    body: fc.oneof(fc.nat(40), fc.nat(9000)),
    data: fc.boolean(),
    later: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const [near, far] = memoryPair();
      const queue = new SendQueue(near, new BufferPool(), assert.fail);
      const reading = readAll(far);
      const sent: Record<number, Uint8Array[]> = { 1: [], 3: [] };
      for (const { stream, head, body, data, later } of steps) {
        const bytes = pattern(head + body, body + 1);
        if (data) queue.data(stream, 0, bytes, 0, bytes.length);
        else queue.message(stream, bytes, head, bytes.subarray(head));
        sent[stream]?.push(bytes);
        if (later) await queue.idle();
      }
      await queue.idle();
      near.close();
      const wire = await reading;
      const got: Record<number, Uint8Array<ArrayBuffer>[]> = { 1: [], 3: [] };
      for (let at = 0; at < wire.length;) {
        const length = readUint24(wire, at);
        assert.equal(wire[at + 3], FrameType.DATA);
        assert.ok(length <= 16_384, `a frame of ${length} bytes`);
        got[readUint31(wire, at + 5)]?.push(wire.slice(at + FRAME_HEADER, at + FRAME_HEADER + length));
        at += FRAME_HEADER + length;
      }
      for (const stream of [1, 3]) {
        assert.deepEqual(await joined(got[stream]), await joined(sent[stream]), `stream ${stream}`);
      }
    }),
    { numRuns: 100 },
  );
});

async function joined(parts: readonly Uint8Array[] = []): Promise<Uint8Array> {
  return new Uint8Array(await new Blob(parts.map((part) => part.slice())).arrayBuffer());
}

Deno.test("many small messages of a turn are one frame in one write", async () => {
  const [near, far] = memoryPair();
  const queue = new SendQueue(near, new BufferPool(), assert.fail);
  for (let i = 0; i < 50; i++) queue.message(1, Uint8Array.of(1, 2), 2, pattern(98));
  await queue.idle();
  assert.equal(queue.writes, 1);
  near.close();
  assert.equal((await readAll(far)).length, FRAME_HEADER + 5000);
});
