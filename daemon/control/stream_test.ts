import assert from "node:assert/strict";
import { streamValues } from "./stream.ts";

/** A source that counts what was taken from it, and notes its end. */
function source() {
  const state = { taken: 0, ended: Promise.withResolvers<unknown>() };
  async function* values(signal: AbortSignal) {
    try {
      while (!signal.aborted) {
        await Promise.resolve();
        yield ++state.taken;
      }
    } finally {
      state.ended.resolve(signal.reason);
    }
  }
  return { state, values };
}
const open = new AbortController().signal;

Deno.test("values come as lines, no faster than they are read", async () => {
  const { state, values } = source();
  const reader = streamValues(values, open).body?.getReader();
  const decoder = new TextDecoder();
  for (const line of ["1\n", "2\n"]) assert.equal(decoder.decode((await reader?.read())?.value), line);
  assert.ok(state.taken <= 4);
  await reader?.cancel();
});

Deno.test("a reader that goes away ends the source", async () => {
  const { state, values } = source();
  const reader = streamValues(values, open).body?.getReader();
  await reader?.read();
  await reader?.cancel();
  assert.ok((await state.ended.promise) instanceof DOMException);
});

Deno.test("an end of the daemon ends the answer in order", async () => {
  const { state, values } = source();
  const closing = new AbortController();
  const reader = streamValues(values, closing.signal).body?.getReader();
  await reader?.read();
  closing.abort("the daemon ends");
  for (let end = await reader?.read(); !end?.done; end = await reader?.read());
  assert.equal(await state.ended.promise, "the daemon ends");
});
