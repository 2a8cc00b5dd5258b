import assert from "node:assert/strict";
import fc from "fast-check";
import { formatFlow } from "../wire/flow.ts";
import { RefusedFlows } from "./refused_flows.ts";
import { attempts } from "./testing/flows.ts";

function refusedFlows() {
  const refused = new RefusedFlows();
  let id = 0;
  return {
    refused,
    add: (changes: Parameters<typeof attempts>[0]) => refused.add(attempts(changes), () => `a-${id++}`),
    words: () => refused.flows.map(formatFlow),
  };
}

Deno.test("a program that tries again and again is one flow, which counts and lasts", () => {
  const { add, refused, words } = refusedFlows();
  for (let i = 0; i < 40; i++) add({ times: 250, first: i * 250, last: i * 250 + 249 });
  assert.deepEqual(words(), ["node (4312) -> echo.default.svc:80: refused: no ready endpoint (10000 times)"]);
  const [flow] = refused.flows;
  assert.deepEqual([flow?.started, flow?.ms], ["1970-01-01T00:00:00.000Z", 9_999]);
});

Deno.test("another program, target or reason is another flow, and so is a later attempt", () => {
  const { add, words } = refusedFlows();
  add({});
  add({ program: { pid: 4313, name: "node" } });
  add({ to: "10.96.0.7:81", name: "echo.default.svc:81", details: "the Service has no port 81" });
  add({ protocol: "udp" });
  add({ program: { name: "curl" }, first: 1, last: 1 });
  add({ first: 60_001, last: 60_001 });
  assert.deepEqual(words(), [
    "node (4312) -> echo.default.svc:80: refused: no ready endpoint",
    "node (4313) -> echo.default.svc:80: refused: no ready endpoint",
    "node (4312) -> echo.default.svc:81: refused: the Service has no port 81",
    "node (4312) -> echo.default.svc:80/udp: refused: no ready endpoint",
    "curl -> echo.default.svc:80: refused: no ready endpoint",
    "node (4312) -> echo.default.svc:80: refused: no ready endpoint",
  ]);
});

Deno.test("of a program that is started again and again, the first processes and the last one are shown", () => {
  const { add, refused } = refusedFlows();
  let reported = 0;
  for (let pid = 1; pid <= 1_000; pid++) {
    reported += Number(add({ program: { pid, name: "curl" }, first: pid, last: pid }).isReported);
  }
  assert.deepEqual(refused.flows.map(({ program, times }) => [program?.pid, times]), [
    [1, undefined],
    [2, undefined],
    [3, undefined],
    [1_000, 997],
  ]);
  assert.equal(reported, 4);
});

Deno.test("a flow is reported at first, and then once a minute as long as it continues", () => {
  const { add } = refusedFlows();
  const reported: (number | undefined)[] = [];
  for (let second = 0; second <= 120; second++) {
    const { flow, isReported } = add({ times: 1_000, first: second * 1_000, last: second * 1_000 + 999 });
    if (isReported) reported.push(flow.times);
  }
  assert.deepEqual(reported, [1_000, 61_000, 121_000]);
});

Deno.test("the one that was refused last stays, however many there are", () => {
  const attempt = fc.record({ port: fc.nat(400), times: fc.integer({ min: 1, max: 9 }) });
  fc.assert(fc.property(fc.array(attempt, { minLength: 1, maxLength: 600 }), (all) => {
    const { add, refused } = refusedFlows();
    all.forEach(({ port, times }, i) => add({ to: `10.96.0.7:${port}`, times, first: i, last: i }));
    assert.ok(refused.flows.length <= 128);
    assert.equal(refused.flows.at(-1)?.to, `10.96.0.7:${all.at(-1)?.port}`);
    const ends = refused.flows.map(({ started, ms = 0 }) => Date.parse(started) + ms);
    assert.deepEqual(ends, ends.toSorted((a, b) => a - b));
  }));
});
