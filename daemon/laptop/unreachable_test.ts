import assert from "node:assert/strict";
import { FakeLaptopCluster } from "../testing/laptop_cluster.ts";
import { unreachableOf } from "./unreachable.ts";

/** What is said of a Service whose only address isn't captured for this reason. */
function remedyFor(why: string): string | undefined {
  const cluster = new FakeLaptopCluster("dev", "capture", { echo: ["10.96.0.7"] });
  const [found] = unreachableOf(cluster, {
    reachedAt: () => undefined,
    whyNotItself: () => why,
    refusal: () => why,
    refused: new Map([["10.96.0.7", why]]),
  });
  assert.deepEqual([found?.service, found?.address, found?.why], ["default/echo", "10.96.0.7", why]);
  return found?.remedy;
}

Deno.test("an address that isn't captured is told with what to do, and the device is named", () => {
  assert.match(
    remedyFor("public, and in no range that was accepted for this cluster") ?? "",
    /^to capture it: pmz down --context dev, then pmz up --context dev --accept-range 10\.96\.0\.0\/20; pmz up --proxy/,
  );
  assert.match(
    remedyFor("in 172.20.0.0/16, a network that this machine is in (br-x)") ?? "",
    /as soon as br-x has that network no longer .*pmz up --proxy/,
  );
  assert.match(
    remedyFor("in 10.0.0.0/8, which this machine has a route to (wg0)") ?? "",
    /if wg0 doesn't need it: pmz down --context dev, then pmz up --context dev --accept-range 10\.0\.0\.0\/8/,
  );
  assert.equal(
    remedyFor("the cluster prod has the same address, and was connected before"),
    "disconnect that one: pmz down --context prod",
  );
  assert.equal(remedyFor("this machine has no IPv6"), undefined);
});

Deno.test("nothing is missing where a cluster isn't captured, or all is", () => {
  const cluster = new FakeLaptopCluster("dev", "proxy", { echo: ["10.96.0.7"] });
  assert.deepEqual(unreachableOf(cluster, undefined), []);
  const all = {
    reachedAt: (_cluster: string, address: string) => address,
    whyNotItself: () => undefined,
    refusal: () => undefined,
    refused: new Map<string, string>(),
  };
  assert.deepEqual(unreachableOf(cluster, all), []);
});
