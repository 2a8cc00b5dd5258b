import assert from "node:assert/strict";
import { accountOf } from "./asking.ts";

Deno.test("what programs said is an account of what they tried and what failed", () => {
  const failed = { kind: "short", at: 1, until: 2, error: "reset" };
  const said = `asking\n${JSON.stringify(failed)}\n{"totals": {"short": 7}}\n`;
  assert.deepEqual(accountOf(said), { totals: { short: 7 }, failures: [failed] });
});

Deno.test("anything else that they said is an error", () => {
  assert.throws(() => accountOf("asking\nTraceback (most recent call last):\n"), /Traceback/);
});
