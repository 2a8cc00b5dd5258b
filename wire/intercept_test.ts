import assert from "node:assert/strict";
import fc from "fast-check";
import { parseRule, parseSession } from "./intercept.ts";
import { NotValid } from "./schema.ts";

const metadata = {
  namespace: "shop",
  name: "cart-80",
  uid: "4dd3c45c-2ea0-4d2f-a5a8-b0e8c1a3c0de",
  creationTimestamp: "2026-01-01T10:00:00Z",
  labels: { any: "thing" },
};
const rule = {
  metadata,
  spec: {
    service: "cart",
    port: 80,
    session: { name: "jo", uid: metadata.uid },
    keyFingerprint: "ab".repeat(32),
    user: "jo",
  },
};

Deno.test("a rule is what the API server has, with what attach has written so far", () => {
  const { namespace, name, uid } = metadata;
  const parsed = { namespace, name, uid, ...rule.spec, created: metadata.creationTimestamp, deleting: false };
  assert.deepEqual(parseRule(rule), { ...parsed, status: { pods: [] } });
  const pod = { node: "a", pod: "cart-1", uid, state: "refused", reason: "no such port" };
  const status = { pods: [pod] };
  assert.deepEqual(parseRule({ ...rule, status }).status, status);
  assert.ok(parseRule({ ...rule, metadata: { ...metadata, deletionTimestamp: "now" } }).deleting);
});

Deno.test("a session is what the API server has", () => {
  const spec = { publicKey: "MCow", user: "jo", machine: "laptop", durationSeconds: 30, renewal: "7" };
  const { namespace, name, uid } = metadata;
  assert.deepEqual(parseSession({ metadata, spec }), { namespace, name, uid, ...spec });
});

Deno.test("an error names the kind, the field and what was expected", () => {
  for (
    const [raw, message] of [
      [{}, /^InterceptRule\.metadata is missing/],
      [
        { ...rule, spec: { ...rule.spec, port: "80" } },
        /^InterceptRule\.spec\.port is not a valid port: expected 1 to/,
      ],
      [
        { ...rule, status: { pods: [{ node: "a", pod: "b", uid: "c", state: "odd" }] } },
        /^InterceptRule\.status\.pods\[0\]\.state is not a valid state: expected "ready", "waiting" or "refused"$/,
      ],
      [{ ...rule, metadata: { ...metadata, creationTimestamp: undefined } }, /creationTimestamp is missing/],
    ] as const
  ) assert.throws(() => parseRule(raw), { name: "NotValid", message });
});

Deno.test("any object is parsed or refused as not valid", () => {
  const nearly = fc.record({ metadata: fc.anything(), spec: fc.anything(), status: fc.anything() });
  fc.assert(fc.property(fc.oneof(fc.anything(), nearly), (raw) => {
    for (const parse of [parseRule, parseSession]) {
      try {
        parse(raw);
      } catch (error) {
        assert.ok(error instanceof NotValid, String(error));
      }
    }
  }));
});
