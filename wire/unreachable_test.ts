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
