import assert from "node:assert/strict";
import type { Room } from "./room.ts";

/** Waits until the room is as it was, and says after how many milliseconds. */
export async function restored(room: Room, before: Record<string, unknown>, within: number): Promise<number> {
  const started = performance.now();
  for (;;) {
    const at = performance.now() - started;
    const now = await room.snapshot();
    try {
      assert.deepEqual(now, before);
      return at;
    } catch (error) {
      if (at > within) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Children of a process, of all its threads. */
export async function childrenOf(pid: number): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/children`);
    found.push(...text.split(" ").filter(Boolean).map(Number));
  }
  return found;
}
