import assert from "node:assert/strict";
import { leaks, type Usage } from "./usage.ts";

const usage: Usage = { descriptors: 40, threads: 12, rss: 150, idle: 0.01 };
const of = (more: Partial<Usage>) => new Map([["daemon", { ...usage, ...more }]]);

Deno.test("what a process holds more than before is named", () => {
  assert.deepEqual(leaks(of({}), of({ descriptors: 60, rss: 300 })), [
    "daemon: descriptors 40 -> 60",
    "daemon: MiB in RAM 150 -> 300",
  ]);
  assert.deepEqual(leaks(of({}), of({ idle: 0.5, threads: 20 })), [
    "daemon: threads 12 -> 20",
    "daemon: cores while nothing is asked 0.01 -> 0.5",
  ]);
});

Deno.test("less, little more, and a process that is another one now are fine", () => {
  assert.deepEqual(leaks(of({}), of({ descriptors: 44, rss: 200, idle: 0 })), []);
  assert.deepEqual(leaks(new Map(), of({ descriptors: 1_000 })), []);
});
