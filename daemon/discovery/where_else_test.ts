import assert from "node:assert/strict";
import { hintWhereElse } from "./where_else.ts";

function topology(...keys: string[]) {
  return {
    services: new Map(keys.map((key) => {
      const [namespace = "", name = ""] = key.split("/");
      return [key, { namespace, name }] as const;
    })),
  };
}

Deno.test("a Service that another namespace has is named with it, in each connected cluster", () => {
  assert.equal(hintWhereElse([topology("shop/echo", "a/cart")], "echo"), "there is one in shop: echo.shop");
  assert.equal(
    hintWhereElse([topology("shop/echo", "test/echo"), topology("shop/echo", "dev/echo")], "echo"),
    "there is one in dev: echo.dev; and in shop, test",
  );
});

Deno.test("of many namespaces the first are named", () => {
  const many = topology(...Array.from({ length: 9 }, (_, i) => `n${i}/echo`));
  assert.equal(
    hintWhereElse([many], "echo"),
    "there is one in n0: echo.n0; and in n1, n2, n3, n4, n5, ...",
  );
});

Deno.test("where no namespace has such a Service, the hint says how to see all", () => {
  assert.equal(hintWhereElse([topology("shop/cart")], "echo"), "to see all Services: pmz services -A");
});
