import assert from "node:assert/strict";
import type { CheckResult } from "../wire/doctor.ts";
import { checkResults } from "./testing/check_results.ts";
import { World } from "./testing/run.ts";

const server: CheckResult = {
  id: "api-server",
  title: "API server",
  outcome: "failed",
  findings: [{
    level: "failed",
    saw: "Can't reach the cluster: no answer from https://10.0.0.1:6443.",
    remedy: "Make `kubectl get --raw /version` work first.",
  }],
  ms: 3,
};

Deno.test("while pmz isn't up, explain names what keeps it from coming up, with the remedy", async () => {
  await using world = new World({ running: false });
  const { code, stdout, stderr } = await world.pmz("explain echo.default.svc", {
    doctor: ({ only }) => {
      assert.ok(only?.includes("api-server") && only.includes("rights"));
      return Promise.resolve([server]);
    },
  });
  assert.equal(code, 3);
  assert.match(stdout, /^api-server +Can't reach the cluster.*\n +hint: Make `kubectl/m);
  assert.match(
    stderr,
    /^error: pmz is not up, and can't come up: Can't reach the cluster: no answer.*\n {2}hint: Make `kubectl get --raw/,
  );
});

Deno.test("while pmz isn't up and nothing keeps it from that, explain says how to bring it up", async () => {
  await using world = new World({ running: false });
  const { code, stdout, stderr } = await world.pmz("explain echo.default.svc", {
    doctor: () => Promise.resolve(checkResults.filter(({ outcome }) => outcome !== "failed")),
    lookup: () => Promise.resolve("late"),
  });
  assert.equal(code, 3);
  assert.match(stdout, /^programs +without pmz, programs get no answer for echo\.default\.svc$/m);
  assert.match(stdout, /^name-service +nscd answers for names here\.\n +hint: Stop it/m);
  assert.match(stderr, /^error: pmz is not up, so no more can be told\n {2}hint: run: pmz up$/m);
});
