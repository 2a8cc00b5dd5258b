import assert from "node:assert/strict";
import fc from "fast-check";
import { NestedPlaces } from "./nested_places.ts";

/** Takes as many as it gets. */
function takeAll(places: NestedPlaces, group: string, member: string): number {
  let count = 0;
  while (places.enter(group, member)) count++;
  return count;
}

Deno.test("a member that wants all leaves places to the others of its group, and to other groups", () => {
  const places = new NestedPlaces(900);
  assert.equal(takeAll(places, "shop", "greedy"), 300);
  assert.ok(places.enter("shop", "modest", 50));
  assert.ok(places.enter("other", "modest", 100));
  for (let i = 0; i < 300; i++) places.leave("shop", "greedy");
  assert.ok(takeAll(places, "shop", "second") > 200, "what is given back is shared again");
});

Deno.test("a group of many members that want all leaves other groups their part", () => {
  const places = new NestedPlaces(900);
  for (let i = 0; i < 100; i++) takeAll(places, "crowd", `member ${i}`);
  assert.ok(places.taken <= 450, `${places.taken}`);
  assert.ok(takeAll(places, "shop", "alice") >= 150);
});

Deno.test("whatever members do, no more is taken than there is, and all is given back", () => {
  const steps = fc.array(
    fc.record({
      group: fc.constantFrom("a", "b", "c"),
      member: fc.constantFrom("x", "y", "z"),
      count: fc.integer({ min: -9, max: 40 }).filter((count) => count !== 0),
    }),
  );
  fc.assert(fc.property(steps, fc.integer({ min: 1, max: 60 }), (steps, most) => {
    const places = new NestedPlaces(most);
    const owned = new Map<string, number>();
    for (const { group, member, count } of steps) {
      const key = `${group} ${member}`;
      const had = owned.get(key) ?? 0;
      if (count > 0 && places.enter(group, member, count)) owned.set(key, had + count);
      if (count < 0 && had >= -count) {
        places.leave(group, member, -count);
        owned.set(key, had + count);
      }
      const taken = [...owned.values()].reduce((sum, one) => sum + one, 0);
      assert.equal(places.taken, taken);
      assert.ok(taken <= most);
    }
    for (const [key, count] of owned) {
      const [group = "", member = ""] = key.split(" ");
      if (count > 0) places.leave(group, member, count);
    }
    assert.equal(places.taken, 0);
  }));
});
