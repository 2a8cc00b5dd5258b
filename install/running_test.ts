import assert from "node:assert/strict";
import fc from "fast-check";
import { agree, helloOf, type ProtocolVersions } from "../wire/hello.ts";
import { fitOf } from "./running.ts";

const versions = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 3 }))
  .map(([newest, back]) => ({ newest, oldest: Math.max(1, newest - back) }));

Deno.test("an agent fits exactly if its tunnel's hello would agree with ours", () => {
  const hello = ({ newest, oldest }: ProtocolVersions) => helloOf("tunnel", { version: newest, oldest });
  fc.assert(fc.property(versions, versions, (theirs, ours) => {
    const fit = fitOf(`${theirs.newest}-${theirs.oldest}`, ours);
    if (fit === "fits") agree(hello(ours), hello(theirs));
    else assert.throws(() => agree(hello(ours), hello(theirs)));
    if (fit === "newer") assert(theirs.oldest > ours.newest);
  }));
});

Deno.test("an agent with an invalid annotation counts as older", () => {
  for (const text of ["", "1", "a-b", "1-1-1", "-1", "1 - 1"]) assert.equal(fitOf(text), "older", text);
});
