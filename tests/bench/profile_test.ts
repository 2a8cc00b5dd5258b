import assert from "node:assert/strict";
import { hottest } from "./profile.ts";

const node = (id: number, functionName: string, url = "", lineNumber = -1) => ({
  id,
  callFrame: { functionName, url, lineNumber },
});

Deno.test("the hottest functions are those with the most time of their own, and idle time isn't counted", () => {
  const profile = {
    nodes: [
      node(1, "(idle)"),
      node(2, "take", "file:///a/hbone/outbox.ts", 41),
      node(3, "(garbage collector)"),
      node(4, "take", "file:///a/hbone/outbox.ts", 41),
    ],
    samples: [1, 2, 3, 4, 1],
    timeDeltas: [9000, 300, 400, 300, 9000],
  };
  assert.deepEqual(hottest(JSON.stringify(profile), 5), [
    { where: "take hbone/outbox.ts:42", share: 0.6 },
    { where: "(garbage collector)", share: 0.4 },
  ]);
  assert.equal(hottest(JSON.stringify(profile), 1).length, 1);
});

Deno.test("what is no profile is an error", () => {
  assert.throws(() => hottest("{}", 5), /no CPU profile/);
});
