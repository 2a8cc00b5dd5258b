import assert from "node:assert/strict";
import { outcomeOf } from "./outcome.ts";
/** By the program's socket. */
const BROKEN = { aToB: 0, bToA: 0, brokenBy: "a" } as const;

Deno.test("a captured connection that the helper closes was reset by pmz, not by its client", () => {
  const error = new Deno.errors.ConnectionAborted("Software caused connection abort (os error 103)");
  const outcome = outcomeOf({ ...BROKEN, error }, "socket");
  assert.ok(outcome.kind === "reset" && outcome.by === "laptop");
  assert.match(outcome.details, /^its address is captured no longer/);
});

Deno.test("what broke a program's own connection is said in the kernel's words, without their number", () => {
  const error = new Deno.errors.ConnectionReset("Connection reset by peer (os error 104)");
  const details = "Connection reset by peer";
  assert.deepEqual(outcomeOf({ ...BROKEN, error }, "socket"), { kind: "reset", by: "client", details });
  assert.deepEqual(outcomeOf({ ...BROKEN, error }, "stream"), { kind: "reset", by: "server", details });
});
