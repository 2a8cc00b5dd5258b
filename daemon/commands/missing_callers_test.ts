import assert from "node:assert/strict";
import { parsePod } from "../../kube/objects/objects.ts";
import { FakeApi, forbidden, uid } from "../testing/cluster.ts";
import { missingCallers } from "./missing_callers.ts";

const pod = parsePod({
  metadata: { namespace: "shop", name: "web-1", uid: uid("web-1"), labels: { app: "web" } },
  spec: { containers: [] },
  status: { phase: "Running" },
});
const topology = { services: new Map(), pods: new Map([["shop/web-1", pod]]) };

Deno.test("callers from a namespace that isn't there, or with labels that no pod has, are told", async () => {
  await using cluster = new FakeApi();
  cluster.put("/api/v1", "namespaces", { metadata: { name: "empty", namespace: undefined } });
  const { api } = cluster;
  const missing = (namespace: string, labels?: Record<string, string>) =>
    missingCallers({ api, topology }, { callers: [{ namespace, ...labels && { labels } }] });
  assert.match((await missing("nosuch")).join(), /^there is no namespace nosuch/);
  assert.match((await missing("shop", { app: "wbe" })).join(), /^no pod of the namespace shop .* app=wbe/);
  assert.deepEqual(await missing("shop"), []);
  assert.deepEqual(await missing("shop", { app: "web" }), []);
  cluster.refuse = () => forbidden("look");
  assert.deepEqual(await missing("nosuch"), [], "it may not be asked for");
  assert.deepEqual(await missingCallers({ api, topology }, undefined), []);
});
