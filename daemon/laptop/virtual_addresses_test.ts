import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { parseAddress } from "../../net/address.ts";
import { contains, parseRange } from "../../net/range.ts";
import { privateRanges } from "../../net/special_ranges.ts";
import { REST_MS, VIRTUAL_RANGES, VirtualAddresses } from "./virtual_addresses.ts";

const none = () => false;
/** Addresses are given out in the order of their range. */
const place = () => 0;

Deno.test("each address of each cluster has a virtual address of its own, the same one each time", () => {
  const virtual = new VirtualAddresses({ place });
  const first = virtual.take("one", "10.96.0.1", none);
  assert.equal(first, "198.19.0.1");
  assert.equal(virtual.take("two", "10.96.0.1", none), "198.19.0.2");
  assert.equal(virtual.take("one", "10.96.0.2", none), "198.19.0.3");
  assert.equal(virtual.take("one", "10.96.0.1", none), first);
  assert.equal(virtual.of("one", "10.96.0.1"), first);
  assert.deepEqual([...virtual.ofCluster("one")], ["198.19.0.1", "198.19.0.3"]);
  const meaning = virtual.meaningOf("198.19.0.2");
  assert.deepEqual([meaning?.cluster, meaning?.address], ["two", "10.96.0.1"]);
  assert.equal(virtual.meaningOf("10.96.0.1"), undefined);
});

Deno.test("an address that comes back gets its virtual address again", () => {
  const virtual = new VirtualAddresses({ place });
  virtual.take("one", "10.96.0.1", none);
  virtual.rest("198.19.0.1");
  assert.equal(virtual.of("one", "10.96.0.1"), undefined);
  assert.equal(virtual.meaningOf("198.19.0.1"), undefined);
  assert.equal(virtual.take("one", "10.96.0.2", none), "198.19.0.2");
  assert.equal(virtual.take("one", "10.96.0.1", none), "198.19.0.1");
});

Deno.test("a virtual address means something else only after it has rested, the one that rests longest first", async () => {
  const clock = new FakeClock();
  const virtual = new VirtualAddresses({ clock, most: 2, place });
  virtual.take("one", "10.96.0.1", none);
  virtual.take("one", "10.96.0.2", none);
  assert.equal(virtual.take("one", "10.96.0.3", none), undefined, "there are as many as may be");
  virtual.rest("198.19.0.2");
  await clock.advance(REST_MS - 1);
  virtual.rest("198.19.0.1");
  assert.equal(virtual.take("one", "10.96.0.3", none), undefined);
  await clock.advance(1);
  assert.equal(virtual.take("one", "10.96.0.3", none), "198.19.0.2");
  assert.equal(virtual.take("one", "10.96.0.4", none), undefined);
  assert.equal(virtual.take("one", "10.96.0.1", none), "198.19.0.1");
});

Deno.test("an address that a cluster has for its own is no virtual one", () => {
  const virtual = new VirtualAddresses({ place });
  assert.equal(virtual.take("one", "10.96.0.1", (address) => address === "198.19.0.1"), "198.19.0.2");
  virtual.rest("198.19.0.2");
  assert.equal(virtual.take("one", "10.96.0.1", (address) => /[12]$/.test(address)), "198.19.0.3");
});

Deno.test("where the machine uses a range itself, further addresses come from the next one", () => {
  const virtual = new VirtualAddresses({ place });
  virtual.take("one", "10.96.0.1", none);
  virtual.take("one", "10.96.0.2", none);
  virtual.refuse("198.19.0.1", true);
  virtual.refuse("198.19.0.2", true); // of a range that was given up already
  assert.equal(virtual.meaningOf("198.19.0.1"), undefined);
  assert.equal(virtual.take("one", "10.96.0.1", none), "100.126.0.1");
});

Deno.test("where a cluster has a range itself, the next one is used, after few tries", () => {
  const virtual = new VirtualAddresses({ place });
  let asked = 0;
  const isTaken = (address: string) => {
    asked++;
    return address.startsWith("198.19.");
  };
  assert.equal(virtual.take("one", "10.96.0.1", isTaken), "100.126.0.1");
  assert.ok(asked < 1_000, `${asked} addresses were looked at`);
  assert.equal(virtual.take("one", "10.96.0.2", () => true), undefined, "none is free");
  assert.equal(virtual.take("one", "10.96.0.2", none), "198.19.0.1", "the range isn't the machine's");
});

Deno.test("ranges that clusters use themselves come last", () => {
  const virtual = new VirtualAddresses({ place });
  const uses = (...ranges: string[]) => (range: string) => ranges.includes(range);
  assert.equal(virtual.take("one", "10.96.0.1", none, uses("198.19.0.0/16")), "100.126.0.1");
  assert.equal(virtual.take("one", "10.96.0.2", none, uses("198.19.0.0/16", "100.126.0.0/16")), "172.30.0.1");
  assert.equal(virtual.take("one", "10.96.0.3", none, uses(...VIRTUAL_RANGES)), "198.19.0.1");
  virtual.refuse("100.126.0.1", true);
  assert.equal(virtual.take("one", "10.96.0.1", none, uses("198.19.0.0/16")), "172.30.0.2");
});

Deno.test("an address that alone is refused isn't given out again soon, and its range stays", () => {
  const virtual = new VirtualAddresses({ place });
  virtual.take("one", "10.96.0.1", none);
  virtual.refuse("198.19.0.1", false);
  assert.equal(virtual.take("one", "10.96.0.1", none), "198.19.0.2");
});

Deno.test("the helper captures every range of virtual addresses without a grant", () => {
  for (const text of VIRTUAL_RANGES) {
    const address = parseAddress(text.replace(/\/16$/, ""));
    assert.ok(address && privateRanges.some((range) => contains(range, address)), text);
  }
});

Deno.test("another daemon gives an address the same virtual one, and each cluster's others", () => {
  const [one, other] = [new VirtualAddresses(), new VirtualAddresses()];
  other.take("three", "10.96.0.9", none);
  const taken = new Set<string | undefined>();
  for (let i = 1; i <= 200; i++) {
    for (const cluster of ["one", "two"]) {
      const virtual = one.take(cluster, `10.96.0.${i}`, none);
      taken.add(virtual);
      if (i <= 3) assert.equal(other.take(cluster, `10.96.0.${i}`, none), virtual);
    }
  }
  assert.equal(taken.size, 400);
});

Deno.test("whatever is taken, given back and refused, no virtual address stands for two addresses", () => {
  const step = fc.record({
    kind: fc.constantFrom("take", "rest", "refuse", "move"),
    cluster: fc.constantFrom("one", "two"),
    number: fc.integer({ min: 1, max: 6 }),
    wait: fc.integer({ min: 0, max: REST_MS }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    let now = 0;
    const clock = { now: () => now, after: () => ({ [Symbol.dispose]() {} }) };
    const virtual = new VirtualAddresses({ clock, most: 5 });
    const inUse = new Map<string, string>();
    for (const { kind, cluster, number, wait } of steps) {
      now += wait;
      const [key, address] = [`${cluster} ${number}`, `10.96.0.${number}`];
      const known = inUse.get(key);
      if (kind === "take") {
        const taken = virtual.take(cluster, address, none);
        if (known !== undefined) assert.equal(taken, known);
        if (taken === undefined) continue;
        inUse.set(key, taken);
        const parsed = parseAddress(taken);
        assert.ok(
          parsed && VIRTUAL_RANGES.some((text) => {
            const range = parseRange(text);
            return range && contains(range, parsed);
          }),
        );
      } else if (known !== undefined) {
        if (kind === "rest") virtual.rest(known);
        else virtual.refuse(known, kind === "move");
        inUse.delete(key);
      }
      assert.equal(new Set(inUse.values()).size, inUse.size);
      assert.ok(inUse.size <= 5);
    }
    for (const [key, taken] of inUse) {
      const meaning = virtual.meaningOf(taken);
      assert.equal(`${meaning?.cluster} ${meaning?.address.split(".").at(-1)}`, key);
    }
  }));
});
