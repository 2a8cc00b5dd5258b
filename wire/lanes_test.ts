import assert from "node:assert/strict";
import fc from "fast-check";
import { formatLaneOpening, LANE_OPENING, newTunnelName, parseLaneOpening } from "./lanes.ts";

const openings = fc.record({
  lane: fc.constantFrom("main" as const, "bulk" as const),
  tunnel: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => bytes.toHex()),
}, { noNullPrototype: true });

Deno.test("an opening says what it was made of", () => {
  fc.assert(fc.property(openings, (opening) => {
    assert.deepEqual(parseLaneOpening(formatLaneOpening(opening)), opening);
  }));
});

Deno.test("any other bytes are no opening", () => {
  const lengths = fc.uint8Array({ maxLength: 2 * LANE_OPENING });
  fc.assert(fc.property(lengths, (bytes) => assert.equal(parseLaneOpening(bytes), undefined)));
  const broken = fc.tuple(openings, fc.nat({ max: 8 }), fc.integer({ min: 2, max: 254 }));
  fc.assert(fc.property(broken, ([opening, at, flip]) => {
    const bytes = formatLaneOpening(opening);
    bytes[at] = (bytes[at] ?? 0) ^ flip;
    assert.equal(parseLaneOpening(bytes), undefined);
  }));
  assert.equal(parseLaneOpening(new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), undefined);
});

Deno.test("no two tunnels have one name", () => {
  const names = Array.from({ length: 1_000 }, newTunnelName);
  assert.equal(new Set(names).size, names.length);
  assert(names.every((name) => /^[0-9a-f]{32}$/.test(name)));
});
