import assert from "node:assert/strict";
import fc from "fast-check";
import { KnownAddresses } from "./known_addresses.ts";

Deno.test("an address stays known as long as one object has it", () => {
  const known = new KnownAddresses();
  known.set("pod/a/old", ["10.244.0.7"]);
  known.set("pod/a/new", ["10.244.0.7", "10.244.0.7"]);
  known.delete("pod/a/old");
  assert(known.has("10.244.0.7"));
  known.set("pod/a/new", []);
  assert(!known.has("10.244.0.7"));
  assert.equal(known.size, 0);
});

Deno.test("an address is known in its canonical form, and an invalid one is not known", () => {
  const known = new KnownAddresses();
  known.set("service/a/b", ["FD00:77::0:1", "None", ""]);
  assert(known.has("fd00:77::1"));
  assert.equal(known.size, 1);
});

Deno.test("after any changes the known addresses are those of the objects", () => {
  const change = fc.record({
    object: fc.constantFrom("a", "b", "c"),
    addresses: fc.subarray(["10.0.0.1", "10.0.0.2", "fd00::1"]),
    gone: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(change), (changes) => {
    const known = new KnownAddresses();
    const model = new Map<string, string[]>();
    for (const { object, addresses, gone } of changes) {
      if (gone) known.delete(object);
      else known.set(object, addresses);
      model.set(object, gone ? [] : addresses);
      const all = new Set([...model.values()].flat());
      for (const address of ["10.0.0.1", "10.0.0.2", "fd00::1"]) {
        assert.equal(known.has(address), all.has(address));
      }
      assert.equal(known.size, all.size);
    }
  }));
});
