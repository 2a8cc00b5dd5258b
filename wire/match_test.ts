import assert from "node:assert/strict";
import { canonicalMatch, match, mayOverlap } from "./match.ts";
import { ruleFingerprint, ruleSuffix } from "./personal_rule.ts";
import { NotValid } from "./schema.ts";

Deno.test("a match is parsed as it was written", () => {
  const all = {
    hosts: ["alice.shop.example", "*.alice.example"],
    paths: [{ prefix: "/api" }, { glob: "/x/*" }, { exact: "/" }],
    methods: ["GET"],
    headers: [{ name: "x-user", exact: "alice" }, { name: "x-debug", glob: "*" }],
    cookies: [{ name: "pmz", prefix: "a" }],
    baggage: [{ name: "pmz", exact: "3f9a" }],
    grpc: [{ service: "shop.v1.Cart", method: "AddItem" }, { service: "Cart" }],
    callers: [{ namespace: "shop", labels: { "app.kubernetes.io/name": "web" } }, { namespace: "default" }],
  };
  assert.deepEqual(match.parse(all, "match"), all);
});

Deno.test("a match that would never hold, or can't be compared in linear time, is refused", () => {
  const wrong: [unknown, RegExp][] = [
    [{}, /the match is empty/],
    [{ unknown: ["x"] }, /the match is empty/],
    [{ hosts: [] }, /hosts is empty/],
    [{ hosts: ["Alice"] }, /hosts\[0\] is not a valid host/],
    [{ hosts: Array(17).fill("a") }, /hosts is not a valid list/],
    [{ paths: [{ exact: "/", prefix: "/" }] }, /expected one of exact, prefix and glob/],
    [{ paths: [{ exact: "x" }] }, /paths\[0\]\.exact is not a valid path/],
    [{ paths: [{ prefix: "/a?b" }] }, /paths\[0\]\.prefix/],
    [{ headers: [{ name: "X-User", exact: "a" }] }, /headers\[0\]\.name is not a valid header name/],
    [{ headers: [{ name: "x-user", glob: "*".repeat(9) }] }, /headers\[0\]\.glob/],
    [{ headers: [{ name: "x-user", exact: "a\n" }] }, /headers\[0\]\.exact/],
    [{ headers: [{ name: "x-user" }] }, /expected one of exact, prefix and glob/],
    [{ grpc: [{ service: "shop/Cart" }] }, /grpc\[0\]\.service is not a valid gRPC service/],
    [{ grpc: [{ service: "shop.v1.Cart", method: "a.b" }] }, /grpc\[0\]\.method/],
    [{ grpc: Array(17).fill({ service: "a" }) }, /grpc is not a valid list/],
    [{ callers: [{ namespace: "a", labels: { "b c": "d" } }] }, /labels is not a valid map of labels/],
  ];
  for (const [raw, message] of wrong) {
    assert.throws(
      () => match.parse(raw, ""),
      (error) => error instanceof NotValid && message.test(error.message),
      JSON.stringify(raw),
    );
  }
});

Deno.test("the same match has the same text, fingerprint and name, in whatever order its fields come", () => {
  const [a, b] = [
    { hosts: ["a"], callers: [{ namespace: "n", labels: { x: "1", y: "2" } }] },
    { callers: [{ labels: { y: "2", x: "1" }, namespace: "n" }], hosts: ["a"] },
  ];
  assert.equal(canonicalMatch(a), canonicalMatch(b));
  assert.equal(ruleFingerprint("f", { match: a }), ruleFingerprint("f", { match: b }));
  assert.equal(ruleSuffix("alice", { match: a }), ruleSuffix("alice", { match: b }));
  assert.notEqual(ruleSuffix("alice", { match: a }), ruleSuffix("bob", { match: a }));
  assert.match(ruleSuffix("alice", { match: a }) ?? "", /^[a-z]{8}$/);
});

Deno.test("a matcher, or a mirror, that was dropped on the way changes the fingerprint", () => {
  const narrow = { hosts: ["a"], headers: [{ name: "x-user", exact: "alice" }] };
  const whole = ruleFingerprint("f", { match: { hosts: ["a"] } });
  assert.notEqual(ruleFingerprint("f", { match: narrow }), whole);
  assert.notEqual(ruleFingerprint("f", { match: { hosts: ["a"] }, mirror: true }), whole);
  assert.notEqual(ruleFingerprint("f", { mirror: true }), "f");
  assert.notEqual(
    ruleSuffix("alice", { match: narrow, mirror: true }),
    ruleSuffix("alice", { match: narrow }),
  );
});

Deno.test("two services, or two methods of one, never overlap; a service and its method do", () => {
  const of = (service: string, method?: string) => ({
    grpc: [{ service, ...method === undefined ? {} : { method } }],
  });
  assert.equal(mayOverlap(of("a.Cart"), of("a.Order")), false);
  assert.equal(mayOverlap(of("a.Cart", "Add"), of("a.Cart", "Get")), false);
  assert.equal(mayOverlap(of("a.Cart", "Add"), of("a.Cart")), true);
  assert.equal(mayOverlap(of("a.Cart"), { headers: [{ name: "x", exact: "y" }] }), true);
});
