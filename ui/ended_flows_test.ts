import assert from "node:assert/strict";
import { EndedFlows } from "./ended_flows.ts";
import type { FlowView } from "./views.ts";

const flow = (id: string): FlowView => ({
  id,
  kind: "captured",
  state: "done",
  started: 0,
  ended: 1,
  from: "curl (1)",
  to: "echo.default.svc:80",
  outcome: "done",
});

/** What a tab is told that has read up to `number`: ids, how many it missed, and how far it has read then. */
function told(ended: EndedFlows, number: number) {
  const { view, upTo } = ended.since(number);
  return { ids: view.flows.map(({ id }) => id), missed: view.missed, upTo };
}

Deno.test("a tab is told each flow once", () => {
  const ended = new EndedFlows();
  ended.add(flow("a"));
  ended.add(flow("b"));
  assert.deepEqual(told(ended, 0), { ids: ["a", "b"], missed: 0, upTo: 2 });
  ended.add(flow("c"));
  assert.deepEqual(told(ended, 2), { ids: ["c"], missed: 0, upTo: 3 });
  assert.deepEqual(told(ended, 3), { ids: [], missed: 0, upTo: 3 });
});

Deno.test("a slow tab is told the newest, and how many it missed", () => {
  const ended = new EndedFlows();
  for (let id = 0; id < 10_000; id++) ended.add(flow(String(id)));
  const { ids, missed, upTo } = told(ended, 0);
  assert.equal(ids.at(-1), "9999");
  assert.equal(ids.length + missed, 10_000);
  assert.equal(upTo, 10_000);
});

Deno.test("what the daemon has left out is missed by each tab, and stands for no older flow", () => {
  const ended = new EndedFlows();
  ended.add(flow("a"));
  ended.miss(3);
  ended.add(flow("b"));
  assert.deepEqual(told(ended, 0), { ids: ["a", "b"], missed: 3, upTo: 5 });
  assert.deepEqual(told(ended, 1), { ids: ["b"], missed: 3, upTo: 5 });
  ended.miss(100_000);
  assert.deepEqual(told(ended, 0), { ids: [], missed: 100_005, upTo: 100_005 });
});
