import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { ruleVersions } from "../../wire/intercept.ts";
import { match } from "../../wire/match.ts";
import { NotValid } from "../../wire/schema.ts";
import { crdManifests } from "./crds.ts";
import { accepts, type JsonSchema, pruned } from "./testing/json_schema.ts";

/** What the CRDs of each version of rules contain, descriptions apart. */
const digests: Readonly<Record<number, string>> = {
  1: "3fab41e06ae5c8dc",
  2: "6aff8cef9e5cb06b",
  3: "b07da4b4ba62124f",
  4: "322f031f59432d6d",
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

/** The schema of a rule's match. */
function matchSchema(): JsonSchema {
  const crd = crdManifests().find(({ metadata }) => metadata.name === "interceptrules.pmz.dev");
  const { versions: [version] } = crd?.spec as { versions: { schema: { openAPIV3Schema: JsonSchema } }[] };
  return version?.schema.openAPIV3Schema.properties?.spec?.properties?.match ?? assert.fail();
}

function isParsed(value: unknown): boolean {
  try {
    match.parse(value, "");
    return true;
  } catch (error) {
    if (error instanceof NotValid) return false;
    throw error;
  }
}

/** Texts near the border of what is a valid host, path, name, value or label. */
const text = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "A",
    "*",
    "*.a",
    "*.*.a",
    "**",
    "a*b",
    "a.b",
    "a..b",
    ".a",
    "a.",
    "-a",
    "a-",
    "_a.b_",
    "/",
    "/a",
    "/a?b",
    "/a#b",
    "/é",
    "*/a",
    " a",
    "a b",
    "a ",
    "GET",
    "a/b",
    "a/b/c",
    "a.b/c",
    "A/b",
    "a\n",
    "\u0000",
    "😀",
    "/a*b*c*d*e*f*g*h*i",
    "/a*b*c*d*e*f*g*h*i*j",
  ),
  fc.tuple(
    fc.constantFrom("", "*.", "/", "a.", "a/", "*", " "),
    fc.constantFrom("a", "-", "_", ".", "*", "/a", "a.", "é"),
    fc.constantFrom(1, 2, 8, 9, 31, 32, 33, 62, 63, 64, 65, 126, 251, 252, 253, 254, 317, 318, 511, 512, 513),
    fc.constantFrom("", "a", ".", "-", "*", "\n"),
  ).map(([start, part, times, end]) => start + part.repeat(times) + end),
  fc.string({ maxLength: 8 }),
  fc.string({
    unit: fc.constantFrom("a", "B", "0", ".", "-", "_", "*", "/", " ", "!", "~", "?"),
    maxLength: 12,
  }),
);
/** Mostly what is valid. */
const mostly = <T>(valid: fc.Arbitrary<T>, other: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 19, arbitrary: valid as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: other });
const word = mostly(fc.constantFrom("a", "b"), text);
const oneText = (text: fc.Arbitrary<unknown>) =>
  mostly(
    fc.tuple(fc.constantFrom("exact", "prefix", "glob"), text).map(([how, one]) => ({ [how]: one })),
    fc.record({ exact: text, prefix: text, glob: text, other: text }, { requiredKeys: [] }),
  );
const few = (of: fc.Arbitrary<unknown>) =>
  mostly(
    fc.array(of, { minLength: 1, maxLength: 3 }),
    fc.oneof(
      fc.tuple(of, fc.constantFrom(0, 8, 9, 16, 17)).map(([one, times]) => Array(times).fill(one)),
      fc.constantFrom(null, 1, true, {}),
    ),
  );
const named = fc.tuple(mostly(fc.record({ name: word }), fc.constant({})), oneText(word)).map(([a, b]) => ({
  ...a as object,
  ...b as object,
}));
const labels = mostly(
  fc.dictionary(fc.constantFrom("app", "shop.example/app"), fc.constantFrom("", "web"), { minKeys: 1 }),
  fc.oneof(
    fc.dictionary(text, text, { maxKeys: 3 }),
    fc.constantFrom(0, 8, 9).map((many) =>
      Object.fromEntries(Array.from({ length: many }, (_, i) => [`l${i}`, "v"]))
    ),
    fc.constantFrom(null, 1, []),
  ),
);
const matches = fc.record({
  hosts: few(mostly(fc.constantFrom("a", "*.shop.example"), text)),
  paths: few(oneText(mostly(fc.constantFrom("/", "/a/b"), text))),
  methods: few(word),
  headers: few(named),
  cookies: few(named),
  baggage: few(named),
  grpc: few(fc.record({ service: word, method: word }, { requiredKeys: ["service"] })),
  callers: few(fc.record({ namespace: word, labels }, { requiredKeys: ["namespace"] })),
  other: text,
}, { requiredKeys: [] });

Deno.test("the cluster accepts exactly the matches that laptops and agents take for valid ones", () => {
  const schema = matchSchema();
  let valid = 0;
  fc.assert(
    fc.property(matches, (value) => {
      const known = pruned(schema, value);
      const accepted = accepts(schema, known);
      if (accepted) valid++;
      assert.equal(accepted, isParsed(known), JSON.stringify(known));
    }),
    { numRuns: 3_000 },
  );
  assert.ok(valid > 500, `only ${valid} of them were valid`);
  const each = <T>(of: (text: string) => T) =>
    fc.assert(
      fc.property(text, (one) => {
        const value = of(one);
        assert.equal(accepts(schema, value), isParsed(value), JSON.stringify(value));
      }),
      { numRuns: 1_000 },
    );
  each((host) => ({ hosts: [host] }));
  each((method) => ({ methods: [method] }));
  each((service) => ({ grpc: [{ service }] }));
  each((method) => ({ grpc: [{ service: "a", method }] }));
  each((namespace) => ({ callers: [{ namespace }] }));
  each((label) => ({ callers: [{ namespace: "a", labels: { [label]: "" } }] }));
  each((value) => ({ callers: [{ namespace: "a", labels: { a: value } }] }));
  for (const how of ["exact", "prefix", "glob"]) {
    each((path) => ({ paths: [{ [how]: path }] }));
    each((value) => ({ headers: [{ name: "a", [how]: value }] }));
  }
  for (const kind of ["headers", "cookies", "baggage"]) each((name) => ({ [kind]: [{ name, exact: "" }] }));
});

Deno.test("a rule's Service may have any name that a label of DNS may have, with a digit first too (Kubernetes 1.37)", () => {
  const crd = crdManifests().find(({ metadata }) => metadata.name === "interceptrules.pmz.dev");
  const { versions: [version] } = crd?.spec as { versions: { schema: { openAPIV3Schema: JsonSchema } }[] };
  const service = version?.schema.openAPIV3Schema.properties?.spec?.properties?.service ?? assert.fail();
  for (const name of ["web", "3scale", "0", "a-1"]) assert.equal(accepts(service, name), true, name);
  for (const name of ["", "-a", "a-", "A", "a.b", "a".repeat(64)]) {
    assert.equal(accepts(service, name), false, name);
  }
});
