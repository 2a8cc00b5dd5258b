import assert from "node:assert/strict";
import type { Pod } from "../../kube/objects/objects.ts";
import { callerAddresses, MOST_CALLER_ADDRESSES } from "./callers.ts";

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

Deno.test("the addresses of one rule's callers have a limit", () => {
  const pods = Array.from(
    { length: MOST_CALLER_ADDRESSES + 1 },
    (_, i) => pod({ podIPs: [`10.1.${i >> 8}.${i & 255}`] }),
  );
  assert.equal(callerAddresses([{ namespace: "shop" }], pods).length, MOST_CALLER_ADDRESSES);
});
