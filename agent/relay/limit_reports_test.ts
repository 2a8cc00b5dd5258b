import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { MOST_LIMITED } from "../../wire/handover.ts";
import { LimitReports } from "./limit_reports.ts";

Deno.test("a pod that met a limit is told once, and again when that is long ago", async () => {
  const clock = new FakeClock();
  const reports = new LimitReports(clock);
  assert.equal(reports.take(), undefined);
  reports.met("b", "port");
  reports.met("a", "connections");
  const both = [{ uid: "a", limit: "connections" }, { uid: "b", limit: "port" }];
  assert.deepEqual(reports.take(), both);
  assert.equal(reports.take(), undefined);
  await clock.advance(20_000);
  reports.met("b", "port");
  await clock.advance(20_000);
  assert.deepEqual(reports.take(), [{ uid: "b", limit: "port" }]);
  reports.restart();
  assert.deepEqual(reports.take(), [{ uid: "b", limit: "port" }], "another attach knows nothing yet");
  await clock.advance(20_000);
  assert.deepEqual(reports.take(), []);
  assert.equal(reports.take(), undefined);
});

Deno.test("of too many pods the newest are told", () => {
  const reports = new LimitReports(new FakeClock());
  for (let i = 0; i <= MOST_LIMITED; i++) reports.met(String(i), "port");
  const told = new Set(reports.take()?.map(({ uid }) => uid));
  assert.equal(told.size, MOST_LIMITED);
  assert.ok(!told.has("0") && told.has(String(MOST_LIMITED)));
});
