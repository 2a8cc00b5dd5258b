import assert from "node:assert/strict";
import { ApiError } from "../kube/client/api_error.ts";
import { KubeconfigError, NoSuchContext } from "../kube/config/kubeconfig.ts";
import { describe } from "./control_error.ts";
import { Failure } from "./failure.ts";

Deno.test("a failure keeps its code and hint, and says what caused it", () => {
  const cause = new TypeError("inner");
  assert.deepEqual(describe(new Failure("timeout", "it took too long", { hint: "look", cause })), {
    code: "timeout",
    message: "it took too long",
    hint: "look",
    causes: ["TypeError: inner"],
  });
});

Deno.test("an error of the API server is what its status means", () => {
  const codeOf = (status: number) => describe(new ApiError("no", { status, reason: "Because" })).code;
  assert.deepEqual([401, 403, 404, 409, 504, 0, 500].map(codeOf), [
    "credentials",
    "forbidden",
    "not-found",
    "conflict",
    "timeout",
    "unreachable",
    "internal",
  ]);
});

Deno.test("an end that was asked for is an interruption, and an expired deadline took too long", () => {
  const [aborted, late] = [AbortSignal.abort(), AbortSignal.abort(new DOMException("8 s", "TimeoutError"))];
  assert.equal(describe(aborted.reason).code, "interrupted");
  assert.equal(describe(late.reason).code, "timeout");
});

Deno.test("only an error that shows that the program is wrong is called a bug", () => {
  assert.match(describe(new TypeError("undefined is not a function")).message, /^pmz has a bug: undefined/);
  for (const error of [new Deno.errors.PermissionDenied("may not open it"), new Error("odd"), "a text"]) {
    const { code, message, hint } = describe(error);
    assert.deepEqual([code, message], ["internal", error instanceof Error ? error.message : error]);
    assert.match(hint ?? "", /log/);
  }
});

Deno.test("a context that isn't there is not found", () => {
  assert.equal(describe(new NoSuchContext("no context x")).code, "not-found");
});

Deno.test("a kubeconfig that is wrong is told with its hint", () => {
  const error = new KubeconfigError("line 3 is not valid YAML", { hint: "correct the file" });
  assert.deepEqual(describe(error), {
    code: "credentials",
    message: "line 3 is not valid YAML",
    hint: "correct the file",
    causes: [],
  });
});
