import assert from "node:assert/strict";
import type { Flow } from "../wire/flow.ts";
import { FailureReports } from "./failure_reports.ts";
import { failedFlow } from "./testing/flows.ts";

Deno.test("a storm of failures is a few reports, and the next one says how many were left out", async () => {
  const reports: { flow: Flow; omitted: number }[] = [];
  const failures = new FailureReports((report) => void reports.push(report), { burst: 3, perSecond: 100 });
  for (let i = 0; i < 50; i++) failures.add(failedFlow(`storm-${i}`));
  const reported = reports.length;
  assert.ok(reported >= 3 && reported < 50, `${reported}`);
  await new Promise((resolve) => setTimeout(resolve, 20)); // time for a token
  failures.add(failedFlow("later-0"));
  assert.equal(reports.at(-1)?.flow.id, "later-0");
  const omitted = reports.reduce((sum, one) => sum + one.omitted, 0);
  assert.equal(omitted + reports.length, 51, "each failure is reported or counted");
});
