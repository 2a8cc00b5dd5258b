import assert from "node:assert/strict";
import { CommandError, output, run } from "./command.ts";
import { Running } from "./running.ts";

Deno.test("a command's status, both outputs and input are its own", async () => {
  const ended = await run(["sh", "-c", 'cat; echo "$WORD" >&2; exit 7'], {
    stdin: "in",
    env: { WORD: "env" },
  });
  assert.deepEqual([ended.code, ended.stdout, ended.stderr], [7, "in", "env\n"]);
});

Deno.test("a command that doesn't read its input is no error", async () => {
  assert.equal((await run(["true"], { stdin: new Uint8Array(1 << 20) })).code, 0);
});

Deno.test("a command that takes too long is killed, and the error has what it said", async () => {
  const slow = run(["sh", "-c", "echo begun; exec sleep 30"], { timeout: 300 });
  await assert.rejects(slow, (error) => error instanceof CommandError && /begun/.test(error.message));
});

Deno.test("output is what a command said, and failing is an error that has it", async () => {
  assert.equal(await output(["echo", "yes"]), "yes\n");
  await assert.rejects(output(["sh", "-c", "echo no >&2; false"]), /ended with 1 .*\nstderr:\n {2}no/);
});

Deno.test("a running command is spoken with, and gone when the test is over", async () => {
  let pid: number;
  {
    await using shell = new Running(["sh", "-c", "read name; echo hello $name; exec sleep 30"]);
    pid = shell.pid;
    await shell.write("you\n");
    assert.equal((await shell.says(/hello (\w+)/))[1], "you");
    await assert.rejects(shell.says(/never/, 100), /went on for 100 ms/);
  }
  assert.throws(() => Deno.statSync(`/proc/${pid}`), Deno.errors.NotFound);
});

Deno.test("waiting for what a command says ends when it does", async () => {
  await using shell = new Running(["echo", "only this"]);
  await assert.rejects(shell.says(/other/), /ended without saying[^]*only this/);
  assert.equal((await shell.status()).code, 0);
});
