import assert from "node:assert/strict";
import { Zone } from "../../../names/zone/zone.ts";
import { whyAbsent } from "./absent_name.ts";

/** What is said of a name of the internet, with these nameservers of which some are dead. */
async function said(addresses: readonly string[], dead: readonly string[], got: readonly string[] = []) {
  const asked = { host: "internet.example", protocol: "tcp", lookup: { addresses: got, ms: 1 } } as const;
  return await whyAbsent(asked, {
    zone: new Zone(),
    resolver: {
      hostname: "laptop",
      nameservers: addresses.map((address) => ({ address, canRedirect: true })),
    },
    clusters: [],
    nameserverProblem: (address) =>
      Promise.resolve(dead.includes(address) ? `nothing listens at ${address}` : undefined),
  });
}

Deno.test("a name of the internet without an address is told from nameservers that are all dead", async () => {
  const dead = await said(["127.0.0.1"], ["127.0.0.1"]);
  assert.match(dead.saw, /no nameserver of this machine answers: nothing listens at 127\.0\.0\.1$/);
  assert.match("remedy" in dead ? dead.remedy : "", /\/etc\/resolv\.conf/);
  const unknown = await said(["127.0.0.1", "192.0.2.53"], ["127.0.0.1"]);
  assert.match(unknown.saw, /is asked, and has no address for it \(nothing listens at 127\.0\.0\.1\)$/);
  const known = await said(["192.0.2.53"], ["192.0.2.53"], ["203.0.113.7"]);
  assert.match(known.saw, /programs get 203\.0\.113\.7$/);
});
