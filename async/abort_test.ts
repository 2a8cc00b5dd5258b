import assert from "node:assert/strict";
import { follow, onAbort, unlessAborted } from "./abort.ts";

Deno.test("a listener is called once, with the reason", () => {
  const stop = new AbortController();
  const reasons: unknown[] = [];
  using _listening = onAbort(stop.signal, (reason) => reasons.push(reason));
  stop.abort("first");
  stop.abort("second");
  assert.deepEqual(reasons, ["first"]);
});

Deno.test("a signal that has aborted already is told at once", () => {
  const reasons: unknown[] = [];
  onAbort(AbortSignal.abort("before"), (reason) => reasons.push(reason));
  assert.deepEqual(reasons, ["before"]);
});

Deno.test("a disposed listener isn't called", () => {
  const stop = new AbortController();
  onAbort(stop.signal, () => assert.fail("called"))[Symbol.dispose]();
  stop.abort();
});

Deno.test("a controller follows an outer signal until it is disconnected", () => {
  const outer = new AbortController(), following = new AbortController(), left = new AbortController();
  using _following = follow(outer.signal, following);
  follow(outer.signal, left)[Symbol.dispose]();
  follow(undefined, left)[Symbol.dispose]();
  outer.abort("over");
  assert.equal(following.signal.reason, "over");
  assert.equal(left.signal.aborted, false);
});

Deno.test("unlessAborted gives the promise's result when it comes first", async () => {
  const stop = new AbortController();
  assert.equal(await unlessAborted(Promise.resolve(7), stop.signal), 7);
  await assert.rejects(unlessAborted(Promise.reject(new Error("failed")), stop.signal), /failed/);
});

Deno.test("unlessAborted rejects with the reason, and a later rejection of the promise is ignored", async () => {
  const stop = new AbortController();
  const { promise, reject } = Promise.withResolvers<void>();
  const waiting = assert.rejects(unlessAborted(promise, stop.signal), /enough/);
  stop.abort(new Error("enough"));
  await waiting;
  reject(new Error("late"));
  await promise.catch(() => {});
});
