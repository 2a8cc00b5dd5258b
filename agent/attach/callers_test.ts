import assert from "node:assert/strict";
import type { Pod } from "../../kube/objects/objects.ts";
import type { InterceptRule } from "../../wire/intercept.ts";
import { callerAddresses, callerNamespaces, findCallers, MOST_CALLER_ADDRESSES } from "./callers.ts";

const pod = (changes: Partial<Pod>): Pod => ({
  namespace: "shop",
  name: "web-1",
  uid: "u",
  podIPs: ["10.244.1.1"],
  hostNetwork: false,
  labels: { app: "web" },
  phase: "Running",
  ready: true,
  owners: [],
  containerPorts: [],
  ...changes,
});

Deno.test("callers are the pods of their namespace that have all the labels", () => {
  const pods = [
    pod({}),
    pod({ podIPs: ["10.244.1.2"], labels: { app: "other" } }),
    pod({ podIPs: ["10.244.1.3"], namespace: "other" }),
    pod({ podIPs: ["10.244.1.4"], phase: "Succeeded" }),
    pod({ podIPs: ["192.0.2.1"], hostNetwork: true }),
  ];
  assert.deepEqual(callerAddresses([{ namespace: "shop", labels: { app: "web" } }], pods), ["10.244.1.1"]);
  assert.deepEqual(callerAddresses([{ namespace: "shop" }], pods), ["10.244.1.1", "10.244.1.2"]);
});

/** A rule of a namespace for such callers. */
const rule = (namespace: string, callers: readonly string[], created = "1"): InterceptRule => ({
  namespace,
  name: "echo-80-a",
  uid: `${namespace} ${callers}`,
  service: "echo",
  port: 80,
  session: { name: "s", uid: "s" },
  keyFingerprint: "f",
  user: "alice",
  match: { callers: callers.map((namespace) => ({ namespace })) },
  created,
  deleting: false,
  status: { pods: [] },
});

Deno.test("a rule with more callers' addresses than the limit says so", () => {
  const pods = Array.from(
    { length: MOST_CALLER_ADDRESSES + 1 },
    (_, i) => pod({ podIPs: [`10.1.${i >> 8}.${i & 255}`] }),
  );
  const all = new Set(["shop"]);
  const few = findCallers(rule("a", ["shop"]), all, pods.slice(1));
  assert.deepEqual([few?.addresses.length, few?.missing], [MOST_CALLER_ADDRESSES, undefined]);
  const many = findCallers(rule("a", ["shop"]), all, pods);
  assert.deepEqual([many?.addresses.length, many?.missing], [
    MOST_CALLER_ADDRESSES,
    "callers with 2001 addresses match, and only 2000 are found",
  ]);
});

Deno.test("a namespace whose rules name many callers leaves others their share, and its rules say what they lack", () => {
  const greedy = Array.from(
    { length: 20 },
    (_, i) => rule("greedy", Array.from({ length: 8 }, (_, j) => `of-${i}-${j}`), String(i).padStart(2, "0")),
  );
  assert.equal(callerNamespaces(greedy).size, 64);
  const modest = rule("modest", ["web", "jobs"], "99");
  const followed = callerNamespaces([...greedy, modest]);
  assert.equal(followed.size, 64);
  assert.ok(followed.has("web") && followed.has("jobs"));
  assert.ok(followed.has("of-0-7") && !followed.has("of-19-0"), "its older rules keep theirs");
  assert.equal(findCallers(modest, followed, [])?.missing, undefined);
  assert.equal(
    findCallers(greedy[19] ?? assert.fail(), followed, [])?.missing,
    "callers in namespace of-19-0 aren't found: a node follows 64 namespaces of callers, and the rules of namespace " +
      "greedy have their share",
  );
});
