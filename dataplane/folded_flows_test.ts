import assert from "node:assert/strict";
import { type Flow, formatFlow } from "../wire/flow.ts";
import { FoldedFlows } from "./folded_flows.ts";
import { failedFlow } from "./testing/flows.ts";

const START = Date.parse("2026-01-01T00:00:00.000Z");

function flow(second: number, changes: Partial<Flow> = {}): Flow {
  return {
    ...failedFlow(`a-${second}`),
    started: new Date(START + second * 1_000).toISOString(),
    ...changes,
  };
}

Deno.test("equal failures are one flow, which counts them, adds their bytes and keeps the first one's id", () => {
  const folded = new FoldedFlows(10);
  const program = { pid: 7, name: "wrk" };
  for (let second = 0; second < 30; second++) {
    folded.add(flow(second, { program, from: `127.0.0.1:${40_000 + second}`, sent: 2, received: 1 }));
  }
  const [one, ...more] = folded.flows;
  assert.deepEqual(more, []);
  assert.deepEqual(
    one,
    flow(0, {
      program,
      from: "127.0.0.1:40000",
      ms: 29_003,
      sent: 60,
      received: 30,
      times: 30,
    }),
  );
});

Deno.test("failures that differ in what a reader would ask for are flows of their own", () => {
  const folded = new FoldedFlows(20);
  const program = { pid: 7, name: "wrk" };
  const all = [
    { program },
    { program: { pid: 8, name: "wrk" } },
    { program: { pid: 7, name: "curl" } },
    { program, to: "10.96.0.8:80" },
    { program, cluster: "prod" },
    { program, outcome: { kind: "no-tunnel", details: "gone" } },
    {}, // its program isn't known
    { from: "198.18.255.253:41234" },
    { kind: "intercepted", from: "10.244.0.7:1", program, intercept: "echo.default:80" },
    { kind: "intercepted", from: "10.244.0.8:1", program, intercept: "echo.default:80" },
  ] as const;
  for (const one of all) folded.add(flow(0, one));
  for (const one of all) folded.add(flow(1, one));
  assert.deepEqual(folded.flows.map(({ times }) => times), all.map(() => 2));
});

Deno.test("flows that were folded apart are folded together", () => {
  const [a, b, both] = [new FoldedFlows(10), new FoldedFlows(10), new FoldedFlows(10)];
  for (let second = 0; second < 10; second++) (second % 2 === 0 ? a : b).add(flow(second));
  for (const one of [...a.flows, ...b.flows]) both.add(one);
  assert.deepEqual(both.flows.map(({ times, started, ms }) => [times, started, ms]), [
    [10, new Date(START).toISOString(), 9_003],
  ]);
});

Deno.test("a caller's IPv6 address tells it, not its port", () => {
  const folded = new FoldedFlows(10);
  folded.add(flow(0, { from: "[fd00::7]:40001" }));
  folded.add(flow(1, { from: "[fd00::7]:40002" }));
  assert.deepEqual(folded.flows.map(formatFlow), [
    "[fd00::7]:40001 -> 10.96.0.7:80: refused by the gateway: no ready endpoint (2 times)",
  ]);
});

Deno.test("a failure whose program was not looked up counts with the one program that fails so", () => {
  const folded = new FoldedFlows(10);
  const [wrk, curl] = [{ pid: 7, name: "wrk" }, { pid: 8, name: "curl" }];
  folded.add(flow(0, { program: wrk }));
  for (let second = 1; second < 10; second++) folded.add(flow(second));
  folded.add(flow(10, { program: curl }));
  for (let second = 11; second < 20; second++) folded.add(flow(second));
  assert.deepEqual(folded.flows.map(({ program, times }) => [program?.name, times]), [
    ["wrk", 10],
    ["curl", undefined],
    [undefined, 9],
  ]);
});
