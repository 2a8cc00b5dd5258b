import assert from "node:assert/strict";
import { add, closingLine, spoken, totalsOf } from "./totals.ts";

Deno.test("the closing line of deno test is read in each of its forms", () => {
  assert.deepEqual(totalsOf("ok | 12 passed | 0 failed (7ms)"), { passed: 12, failed: 0, skipped: 0 });
  assert.deepEqual(totalsOf("FAILED | 1 passed (3 steps) | 2 failed (1 step) | 4 ignored (2 steps) (1s)"), {
    passed: 1,
    failed: 2,
    skipped: 4,
  });
  assert.deepEqual(totalsOf("\x1b[32mok\x1b[0m | 3 passed | 0 failed | 1 ignored | 5 filtered out (1s)"), {
    passed: 3,
    failed: 0,
    skipped: 1,
  });
});

Deno.test("the selftest's closing line is read, and other lines are not", () => {
  assert.deepEqual(totalsOf("48 passed, 1 failed"), { passed: 48, failed: 1, skipped: 0 });
  assert.equal(totalsOf("the test says: 48 passed, 1 failed, or so"), undefined);
  assert.equal(totalsOf(""), undefined);
});

Deno.test("totals add up and are said in one line", () => {
  const total = add({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 });
  assert.equal(closingLine(total), "pmz: 11 passed, 22 failed, 33 skipped");
});

Deno.test("durations are said in minutes and seconds", () => {
  assert.equal(spoken(9_400), "9 s");
  assert.equal(spoken(843_000), "14 min 3 s");
});
