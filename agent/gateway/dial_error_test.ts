import assert from "node:assert/strict";
import { reasonOf } from "./dial_error.ts";

const failed = (code: string, message: string) => Object.assign(new Error(message), { code });

Deno.test("a dial that fails says what that means in a cluster", () => {
  assert.match(reasonOf(failed("ECONNREFUSED", "Connection refused (os error 111)")), /no ready endpoint/);
  assert.match(reasonOf(failed("EHOSTUNREACH", "No route to host (os error 113)")), /its endpoint is gone$/);
  assert.equal(
    reasonOf(failed("ETIMEDOUT", "10.244.1.6:80 did not answer within 10 s")),
    "10.244.1.6:80 did not answer within 10 s: a policy of the cluster or a dead endpoint may drop its packets",
  );
});

Deno.test("an error without a meaning of its own is told in the kernel's words, without their number", () => {
  assert.equal(reasonOf(failed("EPERM", "Operation not permitted (os error 1)")), "Operation not permitted");
});
