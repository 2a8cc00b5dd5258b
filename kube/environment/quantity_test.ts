import assert from "node:assert/strict";
import fc from "fast-check";
import { ceilingOf, MILLI, ONE, parseQuantity } from "./quantity.ts";

const value = (text: string) => parseQuantity(text) ?? assert.fail(`${text} is no quantity`);

Deno.test("quantities are divided and rounded up", () => {
  for (
    const [quantity, divisor, unit, result] of [
      ["250m", "1", MILLI, 1n],
      ["250m", "1m", MILLI, 250n],
      ["1.5", "1m", MILLI, 1500n],
      ["1u", "1m", MILLI, 1n],
      ["2", "1", MILLI, 2n],
      ["64Mi", "1", ONE, 67_108_864n],
      ["64Mi", "1Mi", ONE, 64n],
      ["65M", "1Mi", ONE, 62n],
      ["1.5Gi", "1Mi", ONE, 1536n],
      ["1e3", "1", ONE, 1000n],
      ["1E3", "1", ONE, 1000n],
      ["1E", "1P", ONE, 1000n],
      ["0", "1", ONE, 0n],
      [".5Ki", "1", ONE, 512n],
    ] as const
  ) assert.equal(ceilingOf(value(quantity), value(divisor), unit), result, `${quantity} / ${divisor}`);
});

Deno.test("what isn't a quantity is told apart", () => {
  for (const text of ["", "m", "1 Gi", "-1", "1Gib", ".", "1e", "0x1", "1e999"]) {
    assert.equal(parseQuantity(text), undefined, text);
  }
});

Deno.test("any text is a quantity or isn't", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseQuantity(text)));
});
