import assert from "node:assert/strict";
import fc from "fast-check";
import { figure, median } from "./statistics.ts";

Deno.test("a median is the middle value, whatever the order, and unmoved by what lies far out", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([1, 2, 1e9, 3, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([7]), 7);
  assert.throws(() => median([]), RangeError);
});

Deno.test("at most half of the values are below their median, and at most half above", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }), (values) => {
      const middle = median(values);
      assert.ok(values.filter((value) => value < middle).length <= values.length / 2);
      assert.ok(values.filter((value) => value > middle).length <= values.length / 2);
    }),
  );
});

Deno.test("a figure has three digits that mean something, and none of large numbers is hidden", () => {
  assert.deepEqual([123456, 1290, 86.12, 8.613, 0.75, 0.0456, 0].map(figure), [
    "123,456",
    "1,290",
    "86.1",
    "8.61",
    "0.750",
    "0.0456",
    "0.00",
  ]);
});
