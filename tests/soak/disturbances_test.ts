import assert from "node:assert/strict";
import { Disturbances } from "./disturbances.ts";

Deno.test("a failure of such a kind during something or soon after it is explained, others aren't", async () => {
  let now = 1_000;
  const disturbances = new Disturbances(() => now);
  await disturbances.during("a rollout", ["short"], () => {
    now = 2_000;
    return Promise.resolve();
  });
  const explained = (kind: string, at: number, until: number) =>
    disturbances.explain({ kind, at, until, error: "reset" });
  assert.equal(explained("short", 1_500, 1_600), "a rollout");
  assert.equal(explained("short", 0, 1_100), "a rollout", "it was under way when that began");
  assert.equal(explained("short", 6_900, 9_000), "a rollout");
  assert.equal(explained("short", 0, 900), undefined);
  assert.equal(explained("short", 7_100, 9_000), undefined);
  assert.equal(explained("names", 1_500, 1_600), undefined);
  assert.deepEqual([...disturbances.counts], [["a rollout", 1]]);
});

Deno.test("something that fails itself ends all the same", async () => {
  const disturbances = new Disturbances(() => 0);
  const failing = disturbances.during(
    "a kill",
    ["short"],
    () => Promise.reject(new Error("no such process")),
  );
  await assert.rejects(failing, /no such process/);
  assert.equal(disturbances.explain({ kind: "short", at: 5_001, until: 6_000, error: "" }), undefined);
});
