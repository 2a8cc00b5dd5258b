import assert from "node:assert/strict";
import { addressOf, parseAddress } from "../net/address.ts";
import { specialRanges } from "../net/special_ranges.ts";
import { OwnNetworks } from "./own_networks.ts";

Deno.test("no name leads into a special range, but for those that names are excepted from", () => {
  const own = new OwnNetworks(() => []);
  for (const { range, except } of specialRanges) {
    assert.equal(own.forbids(addressOf(range.first)), except.names === undefined, range.text);
  }
});

Deno.test("a cluster's name leads neither to the machine itself nor to its neighbours", () => {
  let now = 0;
  let cidrs = ["127.0.0.1/8", "192.0.2.2/24", "fd00:1::2/64", "100.64.7.9/20"];
  const own = new OwnNetworks(() => cidrs.map((cidr) => ({ cidr })), () => now);
  const forbids = (text: string) => {
    const address = parseAddress(text);
    assert.ok(address);
    return own.forbids(address);
  };
  for (
    const text of [
      "127.0.0.1",
      "::1",
      "0.0.0.0",
      "169.254.169.254",
      "fe80::1",
      "224.0.0.1",
      "255.255.255.255",
    ]
  ) {
    assert.ok(forbids(text), text);
  }
  for (const text of ["192.0.2.200", "fd00:1::99", "100.64.0.1", "::ffff:192.0.2.1"]) {
    assert.ok(forbids(text), text);
  }
  for (const text of ["192.0.3.1", "10.96.0.1", "fd00:2::1", "100.64.16.1", "198.19.0.1"]) {
    assert.ok(!forbids(text), text);
  }
  cidrs = ["192.0.3.7/24"];
  now += 10_000;
  assert.ok(forbids("192.0.3.1") && !forbids("192.0.2.200"));
});
