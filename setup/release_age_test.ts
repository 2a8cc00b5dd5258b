import assert from "node:assert/strict";
import { ageOf } from "./release_age.ts";

Deno.test("releases are in the order of their numbers", () => {
  const inOrder = [
    "0.1.0",
    "0.9.9",
    "0.10.0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0",
    "1.0.1",
  ];
  for (const [i, one] of inOrder.entries()) {
    for (const [j, other] of inOrder.entries()) {
      assert.equal(ageOf(one, other), i < j ? "older" : i > j ? "newer" : "same", `${one} to ${other}`);
    }
  }
  assert.equal(ageOf("v1.0.0+build", "1.0.0"), "same");
});

Deno.test("of what has no numbers it isn't known", () => {
  for (const one of ["", "main", "1.0", "1.0.0.0", "1.0.x"]) {
    assert.equal(ageOf(one, "1.0.0"), "unknown", one);
  }
});
