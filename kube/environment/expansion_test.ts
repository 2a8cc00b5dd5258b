import assert from "node:assert/strict";
import fc from "fast-check";
import { expand } from "./expansion.ts";

const known: Record<string, string> = { A: "1", "b.c": "2", "": "nothing", NESTED: "$(A)" };
const of = (name: string) => known[name];

// The cases of Kubernetes' own documentation of the syntax, and what its API says of env: "$$(VAR)" is "$(VAR)".
for (
  const [text, expanded] of [
    ["$(A)", "1"],
    ["<$(A)$(b.c)>", "<12>"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$1"],
    ["$$$$(A)", "$$(A)"],
    ["$A ${A} $", "$A ${A} $"],
    ["$(UNKNOWN)", "$(UNKNOWN)"],
    ["$(A", "$(A"],
    ["$($(A)", "$($(A)"],
    ["$()", "nothing"],
    ["$(NESTED)", "$(A)"],
    ["100$$", "100$"],
  ] as const
) {
  Deno.test(`${text} becomes ${expanded}`, () => assert.equal(expand(text, of), expanded));
}

Deno.test("a text in which each dollar sign is doubled comes out as it was", () => {
  fc.assert(fc.property(fc.string(), (text) => assert.equal(expand(text.replaceAll("$", "$$$$"), of), text)));
});
