import assert from "node:assert/strict";
import { PortPlaces } from "./port_places.ts";

Deno.test("each port has its own places, and what got none has no part in those that come later", () => {
  const places = new PortPlaces(2);
  assert.deepEqual([places.enter(80, "a"), places.enter(80, "a"), places.enter(81, "a")], [
    true,
    false,
    true,
  ]);
  assert.equal(places.ports, 2);
  places.leave(80, "a");
  assert.equal(places.ports, 1);
  assert.deepEqual([places.enter(80, "b"), places.enter(80, "b")], [true, false]);
  places.leave(81, "a");
  places.leave(80, "b");
  assert.equal(places.ports, 0);
});
