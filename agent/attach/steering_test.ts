import assert from "node:assert/strict";
import { limits } from "./plan.ts";
import { steeringLimits } from "./steering.ts";

Deno.test("the BPF program and attach have the same limits of workers, ports and addresses", () => {
  const source = Deno.readTextFileSync(new URL("../../bpf/intercept.bpf.c", import.meta.url));
  const constant = (name: string) => Number(new RegExp(`^#define ${name} ([0-9]+)$`, "m").exec(source)?.[1]);
  assert.deepEqual({
    workers: constant("WORKERS"),
    ports: constant("PORTS"),
    addresses: constant("OWN_ADDRESSES"),
  }, steeringLimits);
  assert.equal(limits.portsPerPod, steeringLimits.ports);
});
