import assert from "node:assert/strict";
import fc from "fast-check";
import { formatDuration } from "../cli/terminal.ts";
import { age, counted, duration } from "./page/format.js";

Deno.test("the page has the command line's words for a span of time", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (ms) => {
    assert.equal(duration(ms), formatDuration(ms));
  }));
});

Deno.test("an age has one unit", () => {
  const ages = [-5, 1_000, 59_000, 60_000, 3_599_000, 3_600_000, 47 * 3_600_000, 72 * 3_600_000];
  assert.deepEqual(ages.map(age), ["now", "now", "59 s", "1 min", "59 min", "1 h", "47 h", "3 d"]);
});

Deno.test("one is singular", () => {
  assert.deepEqual([0, 1, 2].map((count) => counted(count, "connection")), [
    "0 connections",
    "1 connection",
    "2 connections",
  ]);
});
