import assert from "node:assert/strict";
import type { InterceptedPod } from "../../wire/intercept.ts";
import { parseWatchedRule, statusToApply } from "./status.ts";

const uid = (n: number) => `${n}`.repeat(8) + "-1111-1111-1111-111111111111";

function watched(status?: object) {
  return parseWatchedRule({
    metadata: {
      namespace: "default",
      name: "echo-80",
      uid: uid(0),
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: {
      service: "echo",
      port: 80,
      session: { name: "s", uid: uid(9) },
      keyFingerprint: "f".repeat(64),
      user: "alice",
    },
    ...(status ? { status } : {}),
  });
}

function entry(node: string, n: number, state: InterceptedPod["state"] = "ready"): InterceptedPod {
  const reason = state === "ready" ? {} : { reason: "because" };
  return { node, pod: `echo-${n}`, uid: uid(n), state, ...reason };
}

Deno.test("a node applies its own entries only, and the count over all nodes", () => {
  const body = statusToApply(watched({ pods: [entry("b", 2, "waiting")] }), "a", [entry("a", 1)]);
  assert.deepEqual(body, {
    apiVersion: "pmz.dev/v1alpha1",
    kind: "InterceptRule",
    metadata: { name: "echo-80", namespace: "default", uid: uid(0) },
    status: { pods: [entry("a", 1)], podsReady: "1/2" },
  });
});

Deno.test("nothing is written when the status is up to date", () => {
  const shown = watched({ pods: [entry("b", 2), entry("a", 1)], podsReady: "2/2" });
  assert.equal(statusToApply(shown, "a", [entry("a", 1)]), undefined);
  assert.equal(statusToApply(watched(), "a", []), undefined);
  assert.equal(statusToApply(watched({ pods: [entry("b", 2)], podsReady: "0/9" }), "a", []), undefined);
});

Deno.test("a change, a wrong count and entries that should go are written", () => {
  const shown = watched({ pods: [entry("a", 1)], podsReady: "1/1" });
  assert.notEqual(statusToApply(shown, "a", [entry("a", 1, "waiting")]), undefined);
  assert.deepEqual((statusToApply(shown, "a", []) as { status: unknown }).status, { pods: [] });
  const behind = watched({ pods: [entry("a", 1), entry("b", 2)], podsReady: "1/1" });
  assert.notEqual(statusToApply(behind, "a", [entry("a", 1)]), undefined);
});

Deno.test("every node computes the same count", () => {
  const pods = [entry("a", 1), entry("b", 2, "refused"), entry("b", 3)];
  const seen = watched({ pods });
  const counts = ["a", "b"].map((node) => {
    const body = statusToApply(seen, node, pods.filter((pod) => pod.node === node)) as {
      status: { podsReady: string };
    };
    return body.status.podsReady;
  });
  assert.deepEqual(counts, ["2/3", "2/3"]);
});
