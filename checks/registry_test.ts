import assert from "node:assert/strict";
import { checkIds } from "../wire/doctor.ts";
import { checks, daemonChecks, registry, shellChecks } from "./registry.ts";

Deno.test("each check stands under its own name, in the order in which checks are shown", () => {
  assert.deepEqual(
    Object.entries(registry).map(([name, { id }]) => [name, id]),
    checkIds.map((id) => [id, id]),
  );
  assert.deepEqual(Object.keys(registry), [...checkIds]);
});

Deno.test("each check has a title of its own, and a remedy", () => {
  assert.equal(new Set(checks.map(({ title }) => title)).size, checks.length);
  for (const { id, remedy } of checks) assert.match(remedy, /^[A-Z].*(\.|--proxy)$/, id);
});

Deno.test("a check needs only checks that are shown before it, so no two wait for each other", () => {
  for (const [at, { id, needs }] of checks.entries()) {
    for (const need of needs) {
      const before = checks.findIndex((check) => check.id === need);
      assert.ok(before >= 0 && before < at, `${id} needs ${need}`);
    }
  }
});

Deno.test("what up and status show are checks of the registry", () => {
  for (const check of [...daemonChecks, ...shellChecks]) assert.ok(checks.some(({ id }) => id === check.id));
});
