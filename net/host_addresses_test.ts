import assert from "node:assert/strict";
import { hostAddresses } from "./host_addresses.ts";

Deno.test("localhost is both loopback addresses, in whatever form it is written", async () => {
  for (const host of ["localhost", "LocalHost", "localhost.", "app.localhost"]) {
    assert.deepEqual(await hostAddresses(host), ["127.0.0.1", "::1"], host);
  }
});

Deno.test("an address is that address alone", async () => {
  assert.deepEqual(await hostAddresses("127.0.0.1"), ["127.0.0.1"]);
  assert.deepEqual(await hostAddresses("::1"), ["::1"]);
  assert.deepEqual(await hostAddresses("192.0.2.7"), ["192.0.2.7"]);
});

Deno.test("a name without an address is an error", async () => {
  await assert.rejects(hostAddresses("nosuch.invalid"));
});
