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
