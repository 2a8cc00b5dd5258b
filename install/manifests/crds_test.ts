import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ruleVersions } from "../../wire/intercept.ts";
import { crdManifests } from "./crds.ts";

/** What the CRDs of each version of rules contain, descriptions apart. */
const digests: Readonly<Record<number, string>> = {
  1: "3fab41e06ae5c8dc",
  2: "6aff8cef9e5cb06b",
  3: "89997370a762a3f3",
};

Deno.test("the CRDs are those of their version: one that lets rules say more gets another version", () => {
  const text = JSON.stringify(crdManifests(), (key, value) => key === "description" ? undefined : value);
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 16);
  assert.equal(
    digest,
    digests[ruleVersions.newest],
    "the CRDs have changed: raise ruleVersions in wire/intercept.ts if a node agent of before would take a rule for more " +
      "than its user asked for; then write the digest here",
  );
});
