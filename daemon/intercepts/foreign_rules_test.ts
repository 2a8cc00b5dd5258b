import assert from "node:assert/strict";
import { GROUP, VERSION } from "../../wire/intercept.ts";
import { FakeApi, forbidden } from "../testing/cluster.ts";
import { rulesOf } from "./foreign_rules.ts";

/** Puts a rule of bob's into a cluster. */
function rule(cluster: FakeApi, namespace: string, name: string): void {
  cluster.put(`/apis/${GROUP}/${VERSION}`, "interceptrules", {
    metadata: { name, namespace, uid: crypto.randomUUID(), creationTimestamp: "2026-01-01T10:00:00Z" },
    spec: {
      service: name,
      port: 80,
      session: { name: "bob-1", uid: "s" },
      keyFingerprint: "0".repeat(64),
      user: "bob",
    },
  });
}

Deno.test("rules of all namespaces are seen, or of one where more may not be listed, and none is no error", async () => {
  await using cluster = new FakeApi();
  assert.deepEqual(await rulesOf(cluster.api, "default"), []);
  rule(cluster, "default", "web");
  rule(cluster, "shop", "cart");
  const seen = async () => (await rulesOf(cluster.api, "default")).map(({ name, user }) => `${name} ${user}`);
  assert.deepEqual(await seen(), ["web bob", "cart bob"]);
  cluster.refuse = (asked) => asked.includes("/namespaces/") ? undefined : forbidden("list");
  assert.deepEqual(await seen(), ["web bob"]);
  cluster.refuse = () => forbidden("list");
  assert.deepEqual(await seen(), []);
});
