import assert from "node:assert/strict";
import { isLoopbackDown } from "./loopback.ts";

Deno.test("a loopback device is up or down by its flags, and not down where they can't be read", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assert.equal(isLoopbackDown(folder), false);
    await Deno.writeTextFile(`${folder}/flags`, "0x9\n");
    assert.equal(isLoopbackDown(folder), false);
    await Deno.writeTextFile(`${folder}/flags`, "0x8\n");
    assert.equal(isLoopbackDown(folder), true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
