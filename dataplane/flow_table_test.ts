import assert from "node:assert/strict";
import { addressOf } from "../net/address.ts";
import { FAILED_FLOWS_KEPT, type Flow, type Outcome } from "../wire/flow.ts";
import { FlowTable } from "./flow_table.ts";
import { attempts, NO_PROGRAMS } from "./testing/flows.ts";

const START = { kind: "captured", cluster: "dev", from: "127.0.0.1:41234", to: "10.96.0.7:80" } as const;
const REFUSED: Outcome = { kind: "no-tunnel", details: "gone" };

function table(programs: ConstructorParameters<typeof FlowTable>[1] = NO_PROGRAMS) {
  const told = { failed: [] as Flow[], refused: [] as Flow[], ended: [] as Flow[] };
  const flows = new FlowTable({
    failed: (flow) => void told.failed.push(flow),
    refused: (flow) => void told.refused.push(flow),
    ended: (flow) => void told.ended.push(flow),
  }, programs);
  return { flows, told };
}

Deno.test("the last failed flows are kept, however many fail", () => {
  const { flows, told } = table();
  for (let port = 1; port <= FAILED_FLOWS_KEPT + 10; port++) {
    flows.end(flows.begin({ ...START, to: `10.96.0.7:${port}` }), REFUSED);
  }
  assert.deepEqual(flows.failed.failed, told.failed.slice(10));
});

Deno.test("a flow ends once", () => {
  const { flows, told } = table();
  const flow = flows.begin(START);
  flows.end(flow, REFUSED);
  flows.end(flow, { kind: "done" });
  flows.end(flow, REFUSED);
  assert.equal(told.failed.length, 1);
  assert.equal(flows.failed.failed.length, 1);
});

Deno.test("a place that leads elsewhere now breaks off its TCP connections, not the UDP of that port", () => {
  const { flows } = table();
  const aborted: string[] = [];
  for (const protocol of ["tcp", "udp"] as const) {
    const flow = flows.begin({ ...START, protocol });
    flow.stream = { sent: 0, received: 0, abort: () => void aborted.push(protocol) };
  }
  flows.reroute("dev", [{ address: "10.96.0.7", port: 80 }], "it leads elsewhere");
  assert.deepEqual(aborted, ["tcp"]);
});

Deno.test("flows that end in order are told only while somebody follows", () => {
  const { flows, told } = table();
  flows.end(flows.begin(START), { kind: "done" });
  flows.followed = true;
  flows.end(flows.begin(START), { kind: "done" });
  flows.end(flows.begin(START), REFUSED);
  assert.deepEqual(told.ended.map(({ outcome }) => outcome.kind), ["done", "no-tunnel"]);
  assert.equal(flows.failed.failed.length, 1);
});

Deno.test("a program is looked up when its flow fails, and of open flows when somebody looks", async () => {
  const program = { pid: 4312, name: "node" };
  let asked = 0;
  const { flows, told } = table({
    find: () => (asked++, program),
    findAll: (sockets) => Promise.resolve(sockets.map(() => (asked++, program))),
  });
  const end = { address: addressOf(new Uint8Array(16)), port: 1 };
  const begin = () => flows.begin({ ...START, from: { local: end, remote: end } });
  flows.end(begin(), { kind: "done" });
  assert.equal(asked, 0);
  flows.end(begin(), REFUSED);
  assert.deepEqual([asked, told.failed[0]?.program], [1, program]);
  begin();
  for (let i = 0; i < 3; i++) assert.deepEqual((await flows.flows()).open.at(-1)?.program, program);
  assert.equal(asked, 2, "it is remembered");
});

Deno.test("what the kernel refused is a failed flow, which is told apart from the others", () => {
  const { flows, told } = table();
  flows.refuse(attempts());
  flows.followed = true;
  flows.refuse(attempts({ times: 9, first: 1_000, last: 2_000 }));
  const [flow] = flows.failed.refused;
  assert.deepEqual([flow?.times, flow?.outcome.kind, told.failed.length, told.refused.length], [
    10,
    "refused",
    0,
    1,
  ]);
  assert.deepEqual(
    told.ended.map(({ id, times }) => [id, times]),
    [[flow?.id, 9]],
    "a follower sees the new",
  );
});

Deno.test("neither many refused connections nor many equal failures push other failed flows out", () => {
  const { flows, told } = table();
  flows.end(flows.begin({ ...START, to: "10.96.0.8:80" }), REFUSED);
  for (let i = 0; i < 3_000; i++) flows.end(flows.begin(START), REFUSED);
  for (let port = 1; port <= 1_000; port++) flows.refuse(attempts({ to: `10.96.0.7:${port}` }));
  const { failed, refused } = flows.failed;
  assert.deepEqual(failed.map(({ to, times }) => [to, times]), [
    ["10.96.0.8:80", undefined],
    ["10.96.0.7:80", 3_000],
  ]);
  assert.equal(refused.at(-1)?.to, "10.96.0.7:1000");
  assert.equal(told.failed.length, 3_001, "the log has a limit of its own");
});
