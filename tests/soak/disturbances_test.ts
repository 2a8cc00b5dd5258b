import assert from "node:assert/strict";
import { Disturbances } from "./disturbances.ts";

Deno.test("a failure of such a kind during something or soon after it is explained, others aren't", async () => {
  let now = 1_000;
  const disturbances = new Disturbances(() => now);
  await disturbances.during("a rollout", { kinds: ["short"] }, () => {
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

Deno.test("an effect may be of one kind of error, and soon over", async () => {
  const disturbances = new Disturbances(() => 1_000);
  const effect = { kinds: ["short"], errors: /reset/, aftermathMs: 100 };
  await disturbances.during("an intercept begins", effect, () => Promise.resolve());
  const explained = (error: string, at: number) =>
    disturbances.explain({ kind: "short", at, until: at + 10, error });
  assert.equal(explained("Connection reset by peer", 1_050), "an intercept begins");
  assert.equal(explained("Connection refused", 1_050), undefined);
  assert.equal(explained("Connection reset by peer", 1_101), undefined);
});

Deno.test("something that fails itself ends all the same", async () => {
  const disturbances = new Disturbances(() => 0);
  const failing = disturbances.during(
    "a kill",
    { kinds: ["short"] },
    () => Promise.reject(new Error("no such process")),
  );
  await assert.rejects(failing, /no such process/);
  assert.equal(disturbances.explain({ kind: "short", at: 5_001, until: 6_000, error: "" }), undefined);
});
