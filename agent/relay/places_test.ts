import assert from "node:assert/strict";
import fc from "fast-check";
import { Places } from "./places.ts";

/** Takes as many as it gets. */
function takeAll(places: Places, owner: string): number {
  let count = 0;
  while (places.enter(owner)) count++;
  return count;
}

Deno.test("an owner that wants all gets half, and leaves the other half to those that have fewer", () => {
  const places = new Places(100);
  assert.equal(takeAll(places, "greedy"), 50);
  assert.equal(takeAll(places, "second"), 25);
  assert.ok(places.enter("modest"));
  assert.equal(places.taken, 76);
  for (let i = 0; i < 25; i++) places.leave("greedy");
  assert.ok(takeAll(places, "second") > 0, "what is given back is shared again");
});

Deno.test("whatever owners do, no more is taken than there is, and one that has none gets one while any is left", () => {
  const steps = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: -20, max: 40 })));
  fc.assert(fc.property(steps, fc.integer({ min: 1, max: 60 }), (steps, most) => {
    const places = new Places(most);
    const owned = new Map<string, number>();
    for (const [owner, count] of steps) {
      for (let i = 0; i < Math.abs(count); i++) {
        const had = owned.get(owner) ?? 0;
        if (count < 0) {
          places.leave(owner);
          owned.set(owner, Math.max(0, had - 1));
        } else if (places.enter(owner)) owned.set(owner, had + 1);
      }
      const taken = [...owned.values()].reduce((sum, one) => sum + one, 0);
      assert.equal(places.taken, taken);
      assert.ok(taken <= most);
    }
    const isLeft = places.taken < most;
    assert.equal(places.enter("new"), isLeft);
  }));
});
