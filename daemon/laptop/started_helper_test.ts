import assert from "node:assert/strict";
import { fakeHelper } from "../testing/helper.ts";
import { connectStarted } from "./started_helper.ts";

Deno.test("a helper that is being replaced is waited for, and one that doesn't come is said to be missing", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/helper.sock`;
  try {
    const connecting = connectStarted(path, 5_000);
    await using helper = fakeHelper();
    await Deno.symlink(helper.path, path);
    using client = await connecting;
    assert.ok(client.facts.address);
    await assert.rejects(connectStarted("/nowhere/helper.sock", 100), /the root helper isn't running/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
