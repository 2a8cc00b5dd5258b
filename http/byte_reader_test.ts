import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, EarlyEnd, writeAll } from "./byte_reader.ts";
import { bytesOf, pieces } from "./testing/heads.ts";

Deno.test("a head is found wherever it is cut, and has a limit", async () => {
  const whole = bytesOf("GET / HTTP/1.1\r\nA: b\r\n\r\nrest");
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: whole.length }), async (size) => {
    const reader = new ByteReader(pieces(whole, size));
    assert.deepEqual(await reader.head(100), whole.subarray(0, -4));
    assert.deepEqual(await reader.exactly(4), whole.slice(-4));
    assert.equal(await reader.head(100), undefined);
  }));
  await assert.rejects(new ByteReader(pieces(new Uint8Array(5_000), 64)).head(1_000), EarlyEnd);
  await assert.rejects(new ByteReader(pieces(bytesOf("GET"), 1)).head(1_000), EarlyEnd);
  const exact = bytesOf("A\r\n\r\n");
  assert.deepEqual(await new ByteReader(pieces(exact, 9)).head(exact.length), exact);
  await assert.rejects(new ByteReader(pieces(exact, 9)).head(exact.length - 1), EarlyEnd);
});

Deno.test("all bytes come out in their order, however large the pieces and whatever is taken", async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 300_000 }),
      sizes,
      fc.nat(100_000),
      async (length, sizes, piece) => {
        const whole = Uint8Array.from({ length }, (_, at) => at * 31);
        const reader = new ByteReader(pieces(whole, piece + 1));
        let at = 0;
        for (let turn = 0; reader.buffered.length > 0 || await reader.more(); turn++) {
          const count = Math.min(sizes[turn % sizes.length] ?? 1, reader.buffered.length);
          const got = turn % 2 === 0 ? reader.take(count) : reader.buffered.slice(0, count);
          if (turn % 2 === 1) reader.skip(count);
          assert.deepEqual(got, whole.slice(at, at + count));
          at += count;
        }
        assert.deepEqual([at, reader.received], [length, length]);
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("a read that was begun ahead is the next one's", async () => {
  const given: PromiseWithResolvers<number | null>[] = [];
  const buffers: Uint8Array[] = [];
  const reader = new ByteReader({
    read(into) {
      buffers.push(into);
      given.push(Promise.withResolvers());
      return given.at(-1)?.promise ?? Promise.resolve(null);
    },
  });
  const ahead = reader.more();
  const head = reader.head(100);
  buffers[0]?.set(bytesOf("A\r\n\r\n"));
  given[0]?.resolve(5);
  assert.equal(await ahead, true);
  assert.deepEqual(await head, bytesOf("A\r\n\r\n"));
  assert.equal(given.length, 1);
  const broken = reader.more();
  given[1]?.reject(new Error("reset"));
  await assert.rejects(broken, /reset/);
});

Deno.test("all bytes are written to what takes few at a time", async () => {
  const written: number[] = [];
  const few = {
    write(bytes: Uint8Array) {
      const count = Math.min(3, bytes.length);
      written.push(...bytes.subarray(0, count));
      return Promise.resolve(count);
    },
  };
  await writeAll(few, bytesOf("abcdefgh"));
  assert.deepEqual(Uint8Array.from(written), bytesOf("abcdefgh"));
});

Deno.test("who waits by readThen is called once for each read, and more reports what it has brought", async () => {
  for (const error of [undefined, new Error("broken")]) {
    const reads: ((count: number | null) => void)[] = [];
    const breaks: ((error: Error) => void)[] = [];
    const reader = new ByteReader({
      read: (into) => {
        into[0] = 65;
        return new Promise((resolve, reject) => {
          reads.push(resolve);
          breaks.push(reject);
        });
      },
    });
    let called = 0;
    const settled = () => void called++;
    reader.readThen(settled);
    reader.readThen(settled);
    reads[0]?.(1);
    await Promise.resolve();
    assert.deepEqual([called, reader.available, reader.over, reads.length], [1, 1, false, 1]);
    reader.skip(1);
    reader.readThen(settled);
    const more = reader.more();
    assert.equal(reader.more(), more);
    reads[1]?.(1);
    assert.equal(await more, true);
    reader.skip(1);
    reader.readThen(settled);
    if (error) breaks[2]?.(error);
    else reads[2]?.(null);
    await Promise.resolve();
    assert.deepEqual([called, reader.available, reader.over], [2, 0, true]);
    if (error) await assert.rejects(reader.more(), error);
  }
});

Deno.test("more and readThen share a read that is under way, whichever began it", async () => {
  for (const isFirst of [true, false]) {
    for (const how of ["bytes", "end", "break"]) {
      const { promise, resolve, reject } = Promise.withResolvers<number | null>();
      const reader = new ByteReader({ read: () => promise });
      let called = 0;
      if (isFirst) reader.readThen(() => void called++);
      const more = reader.more();
      if (!isFirst) reader.readThen(() => void called++);
      if (how === "break") reject(new Error("broken"));
      else resolve(how === "bytes" ? 3 : null);
      if (how === "break") await assert.rejects(more, /broken/);
      else assert.equal(await more, how === "bytes");
      await Promise.resolve();
      assert.deepEqual([reader.available, reader.over], [how === "bytes" ? 3 : 0, how === "end"]);
      if (!isFirst) assert.equal(called, 1);
    }
  }
});
