import assert from "node:assert/strict";
import { unreachableWarnings } from "./unreachable.ts";

Deno.test("addresses that are not reached are one warning for each reason, with its remedy", () => {
  const why = "public, and in no range that was accepted for this cluster";
  const remedy = "use the proxy";
  const all = ["a", "b", "c", "d", "e"].map((name, i) => ({
    service: `default/${name}`,
    address: `34.118.224.${i}`,
    why,
    remedy,
  }));
  assert.deepEqual(
    unreachableWarnings([
      ...all,
      { service: "shop/web", address: "10.96.0.7", why: "a gateway of this machine" },
    ]),
    [
      {
        message:
          "default/a at 34.118.224.0, default/b at 34.118.224.1, default/c at 34.118.224.2 and 2 more are not " +
          `reached, and no name leads to any of them: ${why}`,
        hint: remedy,
      },
      {
        message: "shop/web at 10.96.0.7 is not reached, and no name leads there: a gateway of this machine",
      },
    ],
  );
  assert.deepEqual(unreachableWarnings([]), []);
});

Deno.test("addresses of two clusters that are not reached for one reason have a warning each, with each cluster's remedy", () => {
  const why = "in 10.96.0.0/12, which this machine has a route to (vpn0)";
  const of = (cluster: string, address: string) => ({
    service: "default/echo",
    address,
    why,
    remedy: `pmz up --context ${cluster} --accept-range 10.96.0.0/12`,
  });
  assert.deepEqual(
    unreachableWarnings([of("dev", "10.96.0.7"), of("staging", "10.97.0.7")]).map(({ hint }) => hint),
    [of("dev", "").remedy, of("staging", "").remedy],
  );
});
