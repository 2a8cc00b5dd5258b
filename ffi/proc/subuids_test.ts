import assert from "node:assert/strict";
import { parseSubuids } from "./subuids.ts";

Deno.test("a user's subordinate uids are by name or by number, and nobody else's", () => {
  const text = "ann:100000:65536\nbob:165536:65536\n# x\n1000:231072:65536\nann2:1:1\n";
  assert.deepEqual(parseSubuids(text, ["1000", "ann"]), [
    { first: 100_000, last: 165_535 },
    { first: 231_072, last: 296_607 },
  ]);
  assert.deepEqual(parseSubuids(text, ["1001", undefined]), []);
});

Deno.test("accounts of the system are nobody's subordinates", () => {
  for (
    const line of [
      "ann:0:65536",
      "ann:999:10",
      "ann:100000:0",
      "ann:1000:4294967295",
      "ann:x:1",
      "ann:100000",
    ]
  ) {
    assert.deepEqual(parseSubuids(line, ["ann"]), [], line);
  }
});
