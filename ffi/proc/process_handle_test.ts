import assert from "node:assert/strict";
import { ProcessHandle, startOf } from "./process_handle.ts";

function sleeping(): Deno.ChildProcess {
  return new Deno.Command("sleep", { args: ["60"], stdin: "null", stdout: "null", stderr: "null" }).spawn();
}

Deno.test("a process is signalled by its id and its beginning", async () => {
  const child = sleeping();
  using handle = ProcessHandle.open(child.pid, startOf(child.pid));
  handle?.kill("SIGTERM");
  assert.equal((await child.status).signal, "SIGTERM");
  handle?.kill("SIGKILL"); // it has ended: nothing happens
});

Deno.test("another process that has got the id is never signalled", async () => {
  const child = sleeping();
  assert.equal(ProcessHandle.open(child.pid, startOf(child.pid) - 1), undefined);
  child.kill();
  await child.status;
  assert.equal(ProcessHandle.open(child.pid, 1), undefined, "and one that has ended isn't there");
});
