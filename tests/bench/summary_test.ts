import assert from "node:assert/strict";
import { figureOf } from "./figures.ts";
import { goals } from "./goals.ts";
import { byRound, cpu, difference, judge, ratio, values, verdictOf } from "./summary.ts";
import { runOf, sample } from "./testing.ts";

Deno.test("a ratio is of medians, so that one round that went wrong changes nothing", () => {
  const run = runOf([
    ...[1000, 1100, 5].map((value) => sample("port-forward", { "kept-50": value })),
    ...[3000, 90_000, 3100].map((value) => sample("ours", { "kept-50": value })),
  ]);
  assert.deepEqual(values(run, "ours", "kept-50"), [3000, 90_000, 3100]);
  assert.equal(ratio(run, "kept-50", "ours", "port-forward"), 3.1);
});

Deno.test("a round that failed has no value, and what never worked has no ratio", () => {
  const run = runOf([sample("ours", { "up-1": 900 }), sample("ours", {}, { error: "EOF" })]);
  assert.deepEqual(values(run, "ours", "up-1"), [900]);
  assert.equal(ratio(run, "up-1", "ours", "port-forward"), undefined);
  assert.equal(judge(run).find(({ figure }) => figure === "up-1")?.verdict, "not measured");
});

Deno.test("another version is compared round by round, where both were measured", () => {
  const run = runOf([
    sample("before", { "kept-50": 100 }, { round: 1 }),
    sample("ours", { "kept-50": 110 }, { round: 1 }),
    sample("before", { "kept-50": 50 }, { round: 2 }),
    sample("ours", { "kept-50": 45 }, { round: 2 }),
    sample("ours", { "kept-50": 45 }, { round: 3 }),
  ]);
  assert.deepEqual(byRound(run, ({ figures }) => figures["kept-50"]), [1.1, 0.9]);
});

Deno.test("a goal is missed below 0.8 of it, whichever way is better", () => {
  const more = { kind: "cluster", figure: "kept-50", row: "ours", over: "port-forward", goal: 3 } as const;
  assert.deepEqual([3.2, 3, 2.5, 2.39].map((reached) => verdictOf(more, reached)), [
    "reached",
    "reached",
    "within",
    "missed",
  ]);
  const less = { ...more, figure: "pace-p99", goal: 1 } as const;
  assert.deepEqual([0.5, 1, 1.2, 1.3].map((reached) => verdictOf(less, reached)), [
    "reached",
    "reached",
    "within",
    "missed",
  ]);
});

Deno.test("a goal without another way to compare with is about the figure itself", () => {
  const run = runOf([0.7, 0.95, 0.92].map((value) => sample("ours", { "80ms/up-share": value })), {
    kind: "distance",
  });
  const judged = judge(run).find(({ figure }) => figure === "80ms/up-share");
  assert.deepEqual([judged?.reached, judged?.verdict], [0.92, "reached"]);
});

Deno.test("what a detour adds is the difference of medians, and less than nothing reaches the goal", () => {
  const run = runOf([
    ...[0.2, 0.1, 9].map((value) => sample("pod", { "pace-p50": value })),
    ...[0.3, 0.35, 0.4].map((value) => sample("relay", { "pace-p50": value })),
  ], { kind: "intercepts" });
  assert.ok(Math.abs((difference(run, "pace-p50", "relay", "pod") ?? 0) - 0.15) < 1e-9);
  assert.equal(difference(run, "pace-p50", "in", "pod"), undefined);
  assert.equal(judge(run).find(({ minus }) => minus === "pod")?.verdict, "reached");
  const added = { kind: "intercepts", figure: "pace-p50", row: "relay", minus: "pod", goal: 0.3 } as const;
  assert.deepEqual([-0.1, 0, 0.3, 0.37, 0.4].map((reached) => verdictOf(added, reached)), [
    "reached",
    "reached",
    "reached",
    "within",
    "missed",
  ]);
});

Deno.test("every goal is about a figure that is known", () => {
  for (const { figure } of goals) assert.ok(figureOf(figure).title.length > 0);
  assert.match(figureOf("80ms/up-share").title, /^80 ms: one stream up/);
  assert.throws(() => figureOf("kept-51"), RangeError);
});

Deno.test("CPU time is the median of each part by itself", () => {
  const run = runOf([
    sample("ours", {}, { cpu: { daemon: 0.3, gateway: 0.2 } }),
    sample("ours", {}, { cpu: { daemon: 0.1, gateway: 0.9 } }),
    sample("ours", {}, { cpu: { daemon: 0.2 } }),
    sample("port-forward", {}, { cpu: { kubectl: 1 } }),
  ]);
  const { daemon, gateway, kubectl } = cpu(run, "ours", "kept-50");
  assert.equal(daemon, 0.2);
  assert.ok(Math.abs((gateway ?? 0) - 0.55) < 1e-9);
  assert.equal(kubectl, undefined);
});
