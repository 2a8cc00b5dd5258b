import assert from "node:assert/strict";
import fc from "fast-check";
import type { CapturedPorts } from "../../wire/helper.ts";
import { type Captor, Capture } from "./route_programmer.ts";

const ports = (...served: number[]): CapturedPorts =>
  served.map((port) => ({ protocol: "tcp", port, served: true }));
const wanted = (of: Record<string, CapturedPorts>) => new Map(Object.entries(of));

/** A helper that remembers what it captures; it refuses what `refuses` says. */
function helper(refuses: (address: string) => string | undefined = () => undefined) {
  const captured = new Map<string, CapturedPorts>();
  const asked: string[] = [];
  const captor: Captor = {
    async capture(addresses) {
      await Promise.resolve();
      asked.push(`capture ${[...addresses.keys()].join(" ")}`);
      const refused = new Map<string, string>();
      for (const [address, ports] of addresses) {
        const why = refuses(address);
        if (why) refused.set(address, why);
        else captured.set(address, ports);
      }
      return refused;
    },
    async release(addresses) {
      await Promise.resolve();
      asked.push(`release ${addresses.join(" ")}`);
      for (const address of addresses) assert.ok(captured.delete(address), `${address} isn't captured`);
    },
  };
  return { captor, captured, asked };
}

Deno.test("the helper is asked for what has changed, and for nothing else", async () => {
  const { captor, captured, asked } = helper();
  const capture = new Capture(captor);
  await capture.update("one", wanted({ a: ports(80), b: "any", c: "any" }));
  await capture.update("one", wanted({ a: ports(80), b: ports(81), d: "any" }));
  await capture.update("one", wanted({ a: ports(80), b: ports(81), d: "any" }));
  assert.deepEqual(asked, ["capture a b c", "release c", "capture b d"]);
  assert.deepEqual(captured, wanted({ a: ports(80), b: ports(81), d: "any" }));
  assert.equal(capture.size, 3);
});

Deno.test("an address of two clusters is the first one's, and the second's when that goes", async () => {
  const { captor, captured } = helper();
  const capture = new Capture(captor);
  await capture.update("one", wanted({ a: ports(1) }));
  await capture.update("two", wanted({ a: ports(2), b: "any" }));
  assert.deepEqual(captured.get("a"), ports(1));
  await capture.update("one", wanted({ a: ports(3) }));
  assert.deepEqual(captured.get("a"), ports(3));
  await capture.remove("one");
  assert.deepEqual(captured.get("a"), ports(2));
  await capture.remove("two");
  assert.equal(captured.size, 0);
});

Deno.test("a refused address is told, and asked for again only when it was gone meanwhile", async () => {
  const { captor, asked } = helper((address) => address === "lan" ? "it's on-link" : undefined);
  const capture = new Capture(captor);
  await capture.update("one", wanted({ lan: "any", a: "any" }));
  await capture.update("one", wanted({ lan: ports(80), a: "any" }));
  assert.deepEqual([...capture.refused], [["lan", "it's on-link"]]);
  assert.equal(capture.size, 1);
  await capture.update("one", wanted({ a: "any" }));
  assert.equal(capture.refused.size, 0);
  await capture.update("one", wanted({ lan: "any", a: "any" }));
  assert.deepEqual(asked, ["capture lan a", "capture lan"]);
});

Deno.test("changes that come together end as the last one wants it", async () => {
  const addresses = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"));
  const change = fc.record({ cluster: fc.constantFrom("one", "two"), addresses });
  await fc.assert(fc.asyncProperty(fc.array(change, { maxLength: 8 }), async (changes) => {
    const { captor, captured } = helper();
    const capture = new Capture(captor);
    const last = new Map<string, string[]>();
    await Promise.all(changes.map(({ cluster, addresses }) => {
      last.set(cluster, addresses);
      return capture.update(cluster, new Map(addresses.map((address) => [address, "any"])));
    }));
    assert.deepEqual(new Set(captured.keys()), new Set([...last.values()].flat()));
  }));
});

Deno.test("a helper that fails fails the change, and the next one is tried", async () => {
  const { captor, captured } = helper();
  let fails = true;
  const capture = new Capture({
    ...captor,
    capture: (addresses) => fails ? Promise.reject(new Error("gone")) : captor.capture(addresses),
  });
  await assert.rejects(capture.update("one", wanted({ a: "any" })), /gone/);
  fails = false;
  await capture.update("one", wanted({ a: "any", b: "any" }));
  assert.deepEqual([...captured.keys()], ["a", "b"]);
});
