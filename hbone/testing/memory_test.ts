import assert from "node:assert/strict";
import type { MemoryOfStreams } from "./memory.ts";

/** In a process of its own: others' garbage would be counted. */
async function measure(): Promise<MemoryOfStreams> {
  const script = new URL("memory.ts", import.meta.url).href;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--v8-flags=--expose-gc", script],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("10,000 streams leave no memory behind, and an idle one costs less than 8 KiB an end", async (t) => {
  const { left, idle, unread, kept } = await measure();
  assert.ok(left < 32, `${left} bytes left of each stream`);
  assert.ok(idle > 0 && idle < 8 * 1024, `${idle} bytes of an idle stream`);
  await t.step("bytes in frames of their own don't cost more than a few times what they count for", () => {
    assert.ok(unread < 20, `${unread} bytes for each`);
  });
  await t.step("streams that waited to send, and were reset, are gone", () => {
    assert.ok(kept < 10, `${kept} of 100 are still there`);
  });
});
