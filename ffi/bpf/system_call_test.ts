import assert from "node:assert/strict";
import { hasBpf } from "./system_call.ts";

Deno.test("a kernel that loads BPF programs has the system call", () => {
  assert.equal(hasBpf(), true);
});
