import assert from "node:assert/strict";
import { report, table } from "./table.ts";
import { runOf, sample } from "./testing.ts";

Deno.test("a table's columns are as wide as their widest cell", () => {
  assert.equal(
    table(["a", "long head"], [["wide cell", "b"]]),
    [
      "| a         | long head |",
      "| --------- | --------- |",
      "| wide cell | b         |",
      "",
    ].join("\n"),
  );
});

Deno.test("a report has medians, ratios, goals, what each part cost, memory, the machine, and what went wrong", () => {
  const run = runOf([
    ...[4000, 5000, 6000].map((value) =>
      sample("port-forward", { "kept-50": value }, { cpu: { kubectl: 0.4 } })
    ),
    ...[9000, 10_000, 12_000].map((value) => sample("ours", { "kept-50": value }, { cpu: { daemon: 0.2 } })),
    sample("port-forward", {}, { round: 2, probe: "up-1", error: "one\nEOF\n" }),
  ], { memory: [{ when: "held", streams: 10_000, mib: { daemon: 123.4 } }] });
  const text = report(run);
  for (
    const part of [
      /2026-01-02 03:04 UTC, median of 3 rounds/,
      /A processor, 2 cores, 24 GiB, Linux 6\.18\.0.*load when it began 0\.5, 1, 2/,
      /kept alive, 50 clients, req\/s +\| 5,000 \(4,000 to 6,000\) +\| 10,000 \(9,000 to 12,000\) ×2\.00 /,
      /kept alive, 50 clients +\| kubectl port-forward \| ≥ ×3 +\| ×2\.00 +\| MISSED/,
      /\| kubectl port-forward +\| 0\.400 \| kubectl 0\.400 +\|/,
      /\| held +\| 10,000 +\| 123 +\|/,
      /round 2, port-forward, up-1: 0 errors; EOF/,
    ]
  ) assert.match(text, part);
});

Deno.test("a report of intercepts has the pod itself for its baseline, ratios to the way out, and what relay adds", () => {
  const rows = ["pod", "relay", "out", "in"].map((name) => ({ name, title: `way ${name}` }));
  const text = report(runOf([
    ...[["pod", 20_000], ["out", 5000], ["in", 4500]].map(([row, value]) =>
      sample(`${row}`, { "kept-50": Number(value) })
    ),
    sample("pod", { "pace-p50": 0.1 }),
    sample("relay", { "pace-p50": 0.35 }),
  ], { kind: "intercepts", rows }));
  for (
    const part of [
      /kept alive, 50 clients, req\/s +\| 20,000 +\| – +\| 5,000 ×0\.250 +\| 4,500 ×0\.225 +\|/,
      /kept alive, 50 clients +\| way out +\| ≥ ×0\.95 +\| ×0\.900 +\| within/,
      /way relay: p50 at 200 requests\/s +\| way pod +\| ≤ \+0\.3 +\| \+0\.250 +\| reached/,
    ]
  ) assert.match(text, part);
});

Deno.test("a report says so where the machine had other work to do", () => {
  const { facts } = runOf([]);
  assert.doesNotMatch(report(runOf([])), /was busy/);
  assert.match(report(runOf([], { facts: { ...facts, load: [2.5, 1, 1] } })), /was busy/);
});

Deno.test("a run in which all went well has no list of troubles, and none of memory it didn't read", () => {
  const text = report(runOf([sample("ours", { "kept-50": 1 })]));
  assert.doesNotMatch(text, /Not answered|memory in RAM|undefined|NaN/);
});

Deno.test("a report of personal rules holds requests of others against the bare relay, and adds what direct ones take", () => {
  const rows = ["relay", "direct", "others-1", "whole", "matching-1"].map((name) => ({ name, title: name }));
  const run = runOf([
    sample("relay", { "kept-50": 20_000 }),
    sample("others-1", { "kept-50": 17_000 }),
    sample("whole", { "kept-50": 10_000 }),
    sample("matching-1", { "kept-50": 9_500 }),
    sample("direct", { "pace-p99": 0.5 }),
    sample("others-1", { "pace-p99": 0.75, idle: 11 }),
  ], { kind: "personal", rows });
  const text = report(run);
  for (
    const part of [
      /kept alive, 50 clients, req\/s +\| 20,000 .* 17,000 ×0\.850 /,
      /kept alive, 50 clients +\| relay +\| ≥ ×0\.8 +\| ×0\.850 \| reached/,
      /matching-1: kept alive, 50 clients +\| whole +\| ≥ ×0\.9 +\| ×0\.950 \| reached/,
      /p99 at 200 requests\/s +\| direct +\| ≤ \+0\.5 +\| \+0\.250 \| reached/,
      /memory of a further idle kept connection +\| itself +\| ≤ 16 +\| 11\.0 +\| reached/,
    ]
  ) assert.match(text, part);
});
