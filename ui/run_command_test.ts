import assert from "node:assert/strict";
import { World } from "../cli/testing/run.ts";
import { streamCommand } from "./run_command.ts";

Deno.test("a command that breaks counts as ended, and its stream breaks", async () => {
  await using world = new World({ running: false });
  const parts = Object.defineProperty(world.parts(), "stateFolder", {
    enumerable: true,
    get() {
      throw new Error("HOME is gone");
    },
  });
  let ends = 0;
  const response = streamCommand(["down"], parts, new AbortController().signal, () => ends++);
  await assert.rejects(response.text(), /HOME is gone/);
  assert.equal(ends, 1);
});
