import assert from "node:assert/strict";
import { Disturbances } from "./disturbances.ts";
import { isSound, report, type Verdict } from "./verdict.ts";

async function verdictOf(more: Partial<Verdict> = {}): Promise<Verdict> {
  const disturbances = new Disturbances(() => 1_000);
  await disturbances.during("a rollout", { kinds: ["short"] }, () => Promise.resolve());
  const failures = [{ kind: "short", at: 900, until: 1_200, error: "reset" }];
  return { totals: { short: 50, names: 9 }, failures, disturbances, left: [], ...more };
}

Deno.test("failures that are explained are counted by what explains them", async () => {
  const verdict = await verdictOf();
  assert.ok(isSound(verdict));
  assert.match(report(verdict), /short: 50 tried, 1 failed: 1 by a rollout\n/);
  assert.match(report(verdict), /names: 9 tried, 0 failed\n/);
  assert.match(report(verdict), /Each failure is explained\.\nNothing stays\.$/);
});

Deno.test("a failure that nothing explains is shown, and so is what stays", async () => {
  const verdict = await verdictOf({
    failures: [{ kind: "names", at: 1_000, until: 1_030, error: "no such name" }],
    left: ["daemon: descriptors 40 -> 60"],
  });
  assert.equal(isSound(verdict), false);
  assert.match(report(verdict), /names: 9 tried, 1 failed: 1 by UNEXPLAINED/);
  assert.match(report(verdict), /UNEXPLAINED:\n {2}1970-01-01T00:00:01.000Z names, for 30 ms: no such name/);
  assert.match(report(verdict), /WHAT STAYS:\ndaemon: descriptors 40 -> 60$/);
});
