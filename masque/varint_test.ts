import assert from "node:assert/strict";
import fc from "fast-check";
import { readVarint, varintLength, writeVarint } from "./varint.ts";

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

Deno.test("the examples of RFC 9000 are read", () => {
  for (
    const [text, value] of [
      ["c2197c5eff14e88c", 151_288_809_941_952_652],
      ["9d7f3e7d", 494_878_333],
      ["7bbd", 15_293],
      ["25", 37],
      ["4025", 37], // not the shortest form, which is valid
    ] as const
  ) {
    const bytes = hex(text);
    assert.equal(varintLength(bytes[0] ?? 0), bytes.length, text);
    assert.equal(readVarint(bytes, 0), value, text);
  }
});

Deno.test("every number is read as it was written, in the fewest bytes", () => {
  const number = fc.oneof(
    fc.maxSafeNat(),
    fc.nat(),
    fc.nat(0x4000),
    fc.constantFrom(0, 0x3f, 0x40, 0x3fff, 0x4000, 0x3fff_ffff, 0x4000_0000, Number.MAX_SAFE_INTEGER),
  );
  fc.assert(fc.property(number, fc.nat(20), (value, at) => {
    const bytes = new Uint8Array(at + 9).fill(0xff);
    const end = writeVarint(bytes, at, value);
    assert.equal(readVarint(bytes, at), value);
    assert.equal(end - at, varintLength(bytes[at] ?? 0));
    assert.equal(end - at, value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x4000_0000 ? 4 : 8);
    assert.equal(bytes[end], 0xff, "nothing is written behind it");
  }));
});

Deno.test("a number that isn't one of a varint is refused", () => {
  for (const value of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => writeVarint(new Uint8Array(8), 0, value), RangeError, String(value));
  }
});
