import assert from "node:assert/strict";
import { cpuBetween, parseCpu, readCpu, readRss } from "./processes.ts";

Deno.test("CPU time is read behind a name that has parentheses and blanks", () => {
  const stat = "42 (a ) 9 9 (b) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 7 7 20 0 1 0 5 6 7";
  assert.equal(parseCpu(stat), 2);
});

Deno.test("what a part spent is the sum over its processes, those included that are new", () => {
  const before = new Map([[1, { part: "daemon", seconds: 1 }], [2, { part: "gateway", seconds: 5 }]]);
  const after = new Map([
    [1, { part: "daemon", seconds: 1.5 }],
    [2, { part: "gateway", seconds: 5 }],
    [3, { part: "daemon", seconds: 0.25 }],
  ]);
  assert.deepEqual(cpuBetween(before, after), { daemon: 0.75, gateway: 0 });
});

Deno.test("this process is found with its CPU time and memory", () => {
  const own = ({ pid }: { pid: number }) => pid === Deno.pid ? "test" : undefined;
  const before = readCpu(own);
  let spent = 0;
  for (const end = performance.now() + 10_000; spent === 0 && performance.now() < end;) {
    spent = cpuBetween(before, readCpu(own)).test ?? 0;
  }
  assert.ok(spent > 0, "reading /proc again and again took no CPU time");
  const { test: size = 0 } = readRss(own);
  assert.ok(size > 10 && size < 4096, `${size} MiB`);
});
