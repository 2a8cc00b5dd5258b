import assert from "node:assert/strict";
import fc from "fast-check";
import { isWithin } from "../../net/range.ts";
import { coveringRanges } from "./covering_ranges.ts";

Deno.test("the range of a cluster's Services is told by their addresses", () => {
  for (
    const [addresses, ranges] of [
      [["34.118.224.1", "34.118.230.77", "34.118.239.250"], ["34.118.224.0/20"]],
      [["34.118.224.1"], ["34.118.224.0/20"]],
      [["34.118.1.1", "34.118.224.1"], ["34.118.0.0/16"]],
      [["34.118.224.1", "100.70.3.4", "34.118.225.9"], ["34.118.224.0/20", "100.70.0.0/20"]],
      [["2600:1900::1", "2600:1900::ff01", "2600:1901::1"], ["2600:1900::/112", "2600:1901::/112"]],
      [[], []],
    ] as const
  ) assert.deepEqual(coveringRanges(addresses), ranges);
});

Deno.test("each address is in one of the ranges", () => {
  const addresses = fc.array(fc.oneof(fc.ipV4(), fc.ipV6().filter((text) => !text.includes("."))), {
    maxLength: 20,
  });
  fc.assert(fc.property(addresses, (all) => {
    const ranges = coveringRanges(all);
    for (const one of all) assert.ok(isWithin(one, ranges), `${one} in ${ranges}`);
  }));
});
