import assert from "node:assert/strict";
import fc from "fast-check";
import { agentVersions, fitOf, formatVersions, isSuccessor, parseVersions } from "./agent_versions.ts";
import { agree, helloOf, type SpokenVersions } from "./hello.ts";

const range = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 3 }))
  .map(([newest, back]) => ({ newest, oldest: Math.max(1, newest - back) }));
/** A release's versions; `rules` came later. */
const release: fc.Arbitrary<SpokenVersions> = fc.record(
  { tunnel: range, rules: range },
  { requiredKeys: ["tunnel"], noNullPrototype: true },
);

Deno.test("versions are read as they were written, and nothing that isn't one is taken for one", () => {
  fc.assert(fc.property(release, (versions) => {
    assert.deepEqual(parseVersions(formatVersions(versions)), versions);
  }));
  for (const text of ["", "1-1", "tunnel", "tunnel=1", "tunnel=a-b", "tunnel=1-1-1", "tunnel= 1-1"]) {
    assert.deepEqual(parseVersions(text), {}, text);
  }
  fc.assert(fc.property(fc.string(), (text) => void parseVersions(text)));
});

Deno.test("an agent fits exactly if the hellos of everything that it and a laptop speak would agree", () => {
  const hello = ({ newest, oldest }: { newest: number; oldest: number }) =>
    helloOf("tunnel", { version: newest, oldest });
  fc.assert(fc.property(range, range, (theirs, ours) => {
    const fit = fitOf({ tunnel: theirs }, { tunnel: ours });
    if (fit === "fits") agree(hello(ours), hello(theirs));
    else assert.throws(() => agree(hello(ours), hello(theirs)));
    if (fit === "newer") assert(theirs.oldest > ours.newest);
  }));
});

Deno.test("an agent that says nothing of something that a laptop needs is older", () => {
  assert.equal(fitOf({}, agentVersions.gateway), "older");
  assert.equal(fitOf(parseVersions("reversed-tunnel=1-1"), agentVersions.node), "older");
  assert.equal(fitOf(agentVersions.node, agentVersions.node), "fits");
});

Deno.test("a laptop that is behind in one thing is told to update, even where the agent is behind in another", () => {
  const theirs = { tunnel: { newest: 9, oldest: 9 }, rules: { newest: 1, oldest: 1 } };
  const ours = { tunnel: { newest: 1, oldest: 1 }, rules: { newest: 9, oldest: 9 } };
  assert.equal(fitOf(theirs, ours), "newer");
});

Deno.test("a successor serves every laptop that its predecessor served", () => {
  fc.assert(fc.property(release, release, release, (ours, theirs, laptop) => {
    if (isSuccessor(ours, theirs) && fitOf(theirs, laptop) === "fits") {
      assert.equal(fitOf(ours, laptop), "fits");
    }
  }));
});

Deno.test("laptops that replace each other's agents in any order come to an end, each having replaced once at most", () => {
  fc.assert(
    fc.property(
      fc.array(release, { minLength: 1, maxLength: 5 }),
      fc.infiniteStream(fc.nat()),
      (laptops, turns) => {
        let installed = laptops[0] as SpokenVersions;
        const replaced = new Set<SpokenVersions>([installed]);
        for (let turn = 0; turn < 40; turn++) {
          const laptop = laptops[(turns.next().value ?? 0) % laptops.length] as SpokenVersions;
          if (!isSuccessor(laptop, installed)) continue;
          assert(!replaced.has(laptop), "one replaces the other's, and the other this one's");
          replaced.add(installed = laptop);
        }
      },
    ),
  );
});
