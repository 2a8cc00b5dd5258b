import { nameservers } from "./nameservers.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";

/** Nameservers of which these are dead. */
function check(addresses: readonly string[], dead: readonly string[] = []) {
  return findingsOf(nameservers, {
    resolver: () =>
      Promise.resolve({
        nameservers: addresses.map((address) => ({ address, canRedirect: true })),
        search: [],
        hostname: "laptop",
      }),
    nameserverProblem: (address) =>
      Promise.resolve(dead.includes(address) ? `nothing listens at ${address}` : undefined),
  });
}

Deno.test("nameservers that answer are sound", async () => {
  assertSound(await check(["192.0.2.53", "192.0.2.54"]));
});

Deno.test("a dead nameserver is named, with what it leads to and what to do", async () => {
  assertFinding(
    await check(["127.0.0.1"], ["127.0.0.1"]),
    "warning",
    /A nameserver of this machine is dead: nothing listens at 127\.0\.0\.1\. So no name of the internet/,
    /\/etc\/resolv\.conf/,
  );
  const one = await check(["127.0.0.1", "192.0.2.53"], ["127.0.0.1"]);
  assertFinding(one, "warning", /at 127\.0\.0\.1.*may take seconds/);
  assertFinding(one, "ok", /192\.0\.2\.53 answers/);
});
