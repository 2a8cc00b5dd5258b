import assert from "node:assert/strict";
import fc from "fast-check";
import { PlainHead } from "../../http/plain_head.ts";
import { bytesOf } from "../../http/testing/heads.ts";
import type { Match, NamedMatch } from "../../wire/match.ts";
import { Matcher } from "./matcher.ts";
import { PlainRequest } from "./plain_request.ts";
import { RoutableRequest } from "./request.ts";
import { Router } from "./router.ts";

const CALLER = "10.244.1.7";
const names = fc.constantFrom("a", "b");
const values = fc.constantFrom("1", "2", "12");
const named = fc.array(
  fc.oneof(
    fc.record({ name: names, exact: values }),
    fc.record({ name: names, prefix: values }),
    fc.record({ name: names, glob: fc.constantFrom("*", "1*") }),
  ),
  { minLength: 1, maxLength: 2 },
) as fc.Arbitrary<NamedMatch[]>;
const match = fc.record({
  hosts: fc.array(fc.constantFrom("x.example", "y.example", "*.example"), { minLength: 1, maxLength: 2 }),
  paths: fc.constant([{ prefix: "/1" }]),
  headers: named,
  cookies: named,
  baggage: named,
  callers: fc.constant([{ namespace: "shop" }]),
}, { requiredKeys: [] }) as fc.Arbitrary<Match>;
const rule = fc.record({ match, isInForce: fc.boolean(), isCaller: fc.boolean() });
const field = fc.oneof(
  fc.tuple(names, values).map(([name, value]) => `${name}: ${value}`),
  fc.tuple(names, values).map(([name, value]) => `Cookie: ${name}=${value}; c=3`),
  fc.tuple(names, values).map(([name, value]) => `Baggage: c=3,${name}=${value};p`),
);
const request = fc.tuple(
  fc.constantFrom("/1", "/2"),
  fc.constantFrom("X.example", "y.example:80", "z.example", "a"),
  fc.array(field, { maxLength: 4 }),
).map(([path, host, fields]) =>
  bytesOf([`GET ${path} HTTP/1.1`, `Host: ${host}`, ...fields, "", ""].join("\r\n"))
);

Deno.test("a request is found the same rule, and counts the same, as if all rules were asked one after the other", () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 8 }), request, (given, bytes) => {
      const rules = given.map(({ match, isInForce, isCaller }, i) => ({
        uid: `${i}`,
        matcher: new Matcher(match, isCaller ? [CALLER] : []),
        isInForce: () => isInForce,
        counts: { seen: 0, taken: 0, declined: 0 },
      }));
      const asked = new RoutableRequest(bytes);
      const inForce = rules.filter(({ isInForce }) => isInForce());
      const expected = inForce.find(({ matcher }) => matcher.takesRequest(asked, CALLER));
      const seen = expected ? inForce.slice(0, inForce.indexOf(expected) + 1) : inForce;
      const counts = rules.map((rule) => Number(seen.includes(rule)));

      const router = new Router(rules);
      assert.equal(router.byRequest(asked, CALLER), expected);
      assert.deepEqual(rules.map(({ counts }) => counts.seen), counts);

      const head = new PlainHead();
      assert.ok(head.readRequest(bytes));
      const plain = new Router(
        rules.map((rule) => ({ ...rule, counts: { seen: 0, taken: 0, declined: 0 } })),
      );
      assert.equal(plain.byRequest(new PlainRequest(head), CALLER)?.uid, expected?.uid);
      if (!router.excludes(head)) return;
      assert.equal(expected, undefined);
      assert.deepEqual(rules.map(({ counts }) => counts.seen), counts.map((count) => 2 * count));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a request is excluded by its head alone, whatever many rules need other values", () => {
  const rules = Array.from({ length: 100 }, (_, i) => ({
    uid: `${i}`,
    matcher: new Matcher({ headers: [{ name: "x-user", exact: `${i}` }] }),
    isInForce: () => true,
    counts: { seen: 0, taken: 0, declined: 0 },
  }));
  const router = new Router(rules);
  const excludes = (...fields: string[]) => {
    const head = new PlainHead();
    assert.ok(head.readRequest(bytesOf(["GET / HTTP/1.1", "Host: e", ...fields, "", ""].join("\r\n"))));
    return router.excludes(head);
  };
  assert.ok(excludes() && excludes("X-User: 100", "X-Users: 7"));
  assert.ok(!excludes("X-User: 99"));
});
