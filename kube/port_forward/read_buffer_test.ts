import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import fc from "fast-check";
import type { ServerConnection } from "../client/dial.ts";
import { ReadBuffer } from "./read_buffer.ts";

/** A connection that hands out `pieces`: at once, or a turn later where they're marked late; then its end, or a break. */
function connection(
  pieces: readonly { bytes: Uint8Array; late?: boolean }[],
  broken?: Error,
): ServerConnection & { reads: number } {
  const left = [...pieces];
  return {
    reads: 0,
    async read(into) {
      this.reads++;
      const next = left[0];
      if (next === undefined) {
        if (broken) throw broken;
        return null;
      }
      if (next.late) await new Promise((resolve) => setTimeout(resolve));
      const length = Math.min(into.length, next.bytes.length);
      into.set(next.bytes.subarray(0, length));
      left.shift();
      if (length < next.bytes.length) left.unshift({ bytes: next.bytes.subarray(length) });
      return length;
    },
    write: () => Promise.reject(new Error("nothing is written here")),
    close() {},
  };
}

const record = (fill: number, size = 16_384) => ({ bytes: new Uint8Array(size).fill(fill) });
const nothing = new Uint8Array(0);

Deno.test("whatever is read at once, and whatever is taken between, the bytes come out in order", async () => {
  const pieces = fc.array(
    fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }), late: fc.boolean() }),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(
      pieces,
      fc.uint8Array({ maxLength: 50 }),
      fc.infiniteStream(fc.nat({ max: 400 })),
      async (all, first, takes) => {
        const buffer = new ReadBuffer(connection(all), first);
        const out: number[] = [];
        let at: number | null = 0;
        while (at !== null) {
          // Some is taken, the rest stays for the next time.
          const taken = Math.min(takes.next().value ?? 0, buffer.have - at);
          out.push(...buffer.bytes.subarray(at, at + taken));
          const from: number = at + taken;
          const kept = buffer.bytes.slice(from, buffer.have);
          at = await buffer.fill(from);
          if (at === null) out.push(...kept);
          else assert.deepEqual(buffer.bytes.slice(at, at + kept.length), kept);
        }
        assert.deepEqual(out, [...first, ...all.flatMap(({ bytes }) => [...bytes])]);
      },
    ),
  );
});

Deno.test("what is there at once is taken together, up to 128 KiB", async () => {
  const from = connection(Array.from({ length: 20 }, (_, i) => record(i)));
  const buffer = new ReadBuffer(from, nothing);
  assert.equal(await buffer.fill(0), 0);
  assert.equal(buffer.have, 8 * 16_384);
  assert.equal(from.reads, 8);
});

Deno.test("what comes later isn't waited for, and isn't lost", async () => {
  const buffer = new ReadBuffer(connection([record(1), record(2), { ...record(3), late: true }]), nothing);
  assert.equal(await buffer.fill(0), 0);
  assert.equal(buffer.have, 2 * 16_384);
  const at = await buffer.fill(buffer.have);
  assert(at !== null);
  assert.deepEqual(buffer.bytes.slice(at, buffer.have), record(3).bytes);
});

Deno.test("an end and a break are told after the bytes that came before, and again", async () => {
  const ended = new ReadBuffer(connection([record(1, 10)]), nothing);
  assert.equal(await ended.fill(0), 0);
  assert.equal(ended.have, 10);
  assert.equal(await ended.fill(10), null);
  assert.equal(await ended.fill(0), null);

  const broke = new ReadBuffer(connection([record(1, 10)], new Error("reset")), nothing);
  assert.equal(await broke.fill(0), 0);
  await assert.rejects(broke.fill(10), /reset/);
  await assert.rejects(broke.fill(0), /reset/);
});

Deno.test("the buffer is used from its start again, however much comes", async () => {
  const from = connection(Array.from({ length: 200 }, (_, i) => record(i & 255)));
  const buffer = new ReadBuffer(from, nothing);
  let total = 0;
  for (let at = await buffer.fill(0); at !== null; at = await buffer.fill(buffer.have)) {
    total += buffer.have - at;
  }
  assert.equal(total, 200 * 16_384);
});

/** A connection of which so many bytes come in each read, and what was asked of the kernel. */
function flow(sizes: Iterator<number>) {
  const levels: number[] = [];
  const of: ServerConnection = {
    async read(into) {
      // As one that wasn't there yet: each read waits a turn.
      await new Promise((resolve) => setImmediate(resolve));
      const { value, done } = sizes.next();
      if (done) return await new Promise<never>(() => {});
      return Math.min(into.length, value);
    },
    write: () => Promise.reject(new Error("nothing is written here")),
    close() {},
    wakeAt: (bytes) => void levels.push(bytes),
  };
  return { buffer: new ReadBuffer(of, nothing), levels };
}

/** Takes all that comes, until it's so much. */
async function taken(buffer: ReadBuffer, bytes: number): Promise<void> {
  for (let left = bytes; left > 0;) {
    const at = await buffer.fill(buffer.have);
    left -= buffer.have - (at ?? assert.fail("an end"));
  }
}

Deno.test("while much comes the kernel waits for more, and no longer once what comes stops", async () => {
  const { buffer, levels } = flow(Array(200).fill(16_384).values());
  await taken(buffer, 200 * 16_384);
  assert.deepEqual(levels, [65_536]);
  void buffer.fill(buffer.have);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(levels, [65_536, 1]);
});

Deno.test("little at a time, however often, has the kernel wait for nothing", async () => {
  const { buffer, levels } = flow(Array(2_000).fill(300).values());
  await taken(buffer, 2_000 * 300);
  assert.deepEqual(levels, []);
});

Deno.test("nothing is asked of the kernel for a connection that is closed here", async () => {
  const { buffer, levels } = flow(Array(200).fill(16_384).values());
  await taken(buffer, 200 * 16_384);
  void buffer.fill(buffer.have);
  buffer.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(levels, [65_536]);
});
