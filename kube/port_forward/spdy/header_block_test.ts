import assert from "node:assert/strict";
import { constants, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { headerBlock } from "./header_block.ts";

/** Reads names and values as SPDY/3.1 §2.6.10 lays them out; the blocks one after the other. */
function parse(all: Uint8Array, count: number): Record<string, string>[] {
  const view = new DataView(all.buffer, all.byteOffset, all.length);
  let at = 0;
  const number = () => view.getUint32((at += 4) - 4);
  const text = () => {
    const size = number();
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(all.subarray(at, at += size));
  };
  const blocks = Array.from({ length: count }, () => {
    const pairs = Array.from({ length: number() }, () => [text(), text()] as const);
    return Object.fromEntries(pairs);
  });
  assert.equal(at, all.length);
  return blocks;
}

Deno.test("header blocks are one zlib stream with SPDY's dictionary, and say what was given", () => {
  const headers = fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), {
    noNullPrototype: true,
  });
  fc.assert(fc.property(fc.array(headers, { minLength: 1, maxLength: 5 }), (list) => {
    const parts = list.map((each, index) => headerBlock(each, index === 0));
    const all = new Uint8Array(parts.flatMap((part) => [...part]));
    // A header of zlib with the dictionary bit, its sum right, and the id of SPDY/3's dictionary.
    assert.equal((all[0]! << 8 | all[1]!) % 31, 0);
    assert.equal(all[0]! & 15, 8);
    assert.equal(all[1]! & 0x20, 0x20);
    assert.deepEqual([...all.subarray(2, 6)], [0xe3, 0xc6, 0xa7, 0xc2]);
    const raw = inflateRawSync(all.subarray(6), { finishFlush: constants.Z_SYNC_FLUSH });
    assert.deepEqual(parse(new Uint8Array(raw), list.length), list);
  }));
});

Deno.test("more headers than a block takes are refused", () => {
  assert.throws(() => headerBlock({ large: "x".repeat(70_000) }, true), RangeError);
});
