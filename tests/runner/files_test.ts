import assert from "node:assert/strict";
import { phaseOf, planned } from "./files.ts";

const files = [
  "hbone/frames/frame_test.ts",
  "tests/e2e/lib/command_test.ts",
  "tests/e2e/up_test.ts",
  "tests/faults/kill_test.ts",
];
const text = (file: string) => file === "hbone/frames/frame_test.ts" ? `Deno.test("a frame is read")` : "";

Deno.test("a test's phase follows from its folder, and what stands beside its module is a unit test", () => {
  assert.deepEqual(files.map(phaseOf), ["unit", "unit", "e2e", "faults"]);
});

Deno.test("without a filter all phases run, the cluster's own too", () => {
  const plan = planned(files, undefined, text);
  assert.deepEqual([...plan.files.keys()].sort(), ["cluster", "e2e", "faults", "unit"]);
  assert.equal(plan.nameFilter, undefined);
});

Deno.test("a filter may be a phase, a folder, a file or a part of a name", () => {
  assert.deepEqual([...planned(files, "e2e", text).files], [["e2e", ["tests/e2e/up_test.ts"]]]);
  assert.deepEqual([...planned(files, "./hbone/", text).files], [["unit", ["hbone/frames/frame_test.ts"]]]);
  assert.deepEqual([...planned(files, "tests/faults/kill_test.ts", text).files], [["faults", [
    "tests/faults/kill_test.ts",
  ]]]);
  const byName = planned(files, "a frame", text);
  assert.deepEqual([...byName.files], [["unit", ["hbone/frames/frame_test.ts"]]]);
  assert.equal(byName.nameFilter, "a frame");
});

Deno.test("a filter that nothing fits leaves nothing to run", () => {
  assert.equal(planned(files, "no such thing", text).files.size, 0);
});
