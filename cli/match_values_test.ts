import assert from "node:assert/strict";
import fc from "fast-check";
import { parseCaller, parseGrpc, parseNamed, parsePath, parseTime } from "./match_values.ts";

Deno.test("headers and cookies are a name and a value, which is a pattern where it has a star", () => {
  assert.deepEqual(parseNamed("X-User=alice", "headers"), { name: "x-user", exact: "alice" });
  assert.deepEqual(parseNamed("X-User: alice", "headers"), { name: "x-user", exact: "alice" });
  assert.deepEqual(parseNamed("x-user=al*", "headers"), { name: "x-user", glob: "al*" });
  assert.deepEqual(parseNamed("x-debug", "headers"), { name: "x-debug", glob: "*" });
  assert.deepEqual(parseNamed("User=a:b=c", "cookies"), { name: "User", exact: "a:b=c" });
  for (const wrong of ["", "=a", "a b=c", "a=b\nc"]) assert.equal(parseNamed(wrong, "headers"), undefined);
  assert.equal(parseNamed("user=a;b", "cookies"), undefined, "a request with it has the cookie user=a");
});

Deno.test("a path is for all below it, or alone behind an equals sign, or a pattern", () => {
  assert.deepEqual(parsePath("/cart"), { prefix: "/cart" });
  assert.deepEqual(parsePath("=/cart"), { exact: "/cart" });
  assert.deepEqual(parsePath("/cart/*/items"), { glob: "/cart/*/items" });
  for (const wrong of ["", "cart", "/a?b=c", "/a b"]) assert.equal(parsePath(wrong), undefined);
});

Deno.test("callers are a namespace, and labels that they have", () => {
  assert.deepEqual(parseCaller("shop"), { namespace: "shop" });
  assert.deepEqual(parseCaller("shop/app.kubernetes.io/name=web,tier=front"), {
    namespace: "shop",
    labels: { "app.kubernetes.io/name": "web", tier: "front" },
  });
  for (const wrong of ["", "Shop", "shop/", "shop/app", "shop/a b=c"]) {
    assert.equal(parseCaller(wrong), undefined);
  }
});

Deno.test("a gRPC service is named with its package, and its method behind a slash", () => {
  assert.deepEqual(parseGrpc("shop.v1.Cart"), { service: "shop.v1.Cart" });
  assert.deepEqual(parseGrpc("shop.v1.Cart/AddItem"), { service: "shop.v1.Cart", method: "AddItem" });
  assert.deepEqual(parseGrpc("/shop.v1.Cart/AddItem"), { service: "shop.v1.Cart", method: "AddItem" });
  for (const wrong of ["", "/", "a/", "a/b/c", "a b", "a..b", "1a"]) {
    assert.equal(parseGrpc(wrong), undefined, wrong);
  }
});

Deno.test("a time is a number with its unit, up to 30 days", () => {
  assert.deepEqual(["90s", "30m", "2h", "1d", "30d"].map(parseTime), [90, 1_800, 7_200, 86_400, 2_592_000]);
  for (const wrong of ["", "2", "0s", "31d", "1w", "-1s", "1.5h"]) {
    assert.equal(parseTime(wrong), undefined, wrong);
  }
});

Deno.test("no text makes the parsers throw", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    for (const parse of [parsePath, parseCaller, parseGrpc, parseTime]) parse(text);
    for (const list of ["headers", "cookies", "baggage"] as const) parseNamed(text, list);
  }));
});
