import assert from "node:assert/strict";
import { stateProblem } from "./state_problem.ts";

/** A folder of a test. */
async function place() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function assertProblem(folder: string, why: RegExp, remedy: RegExp): Promise<void> {
  const problem = await stateProblem(folder);
  assert.match(problem?.why ?? "no problem", why);
  assert.match(problem?.remedy ?? "", remedy);
}

Deno.test("a state folder that is there, or can be made, is no problem, and is not made", async () => {
  await using at = await place();
  assert.equal(await stateProblem(at.path), undefined);
  assert.equal(await stateProblem(`${at.path}/a/b/pmz`), undefined);
  await assert.rejects(Deno.stat(`${at.path}/a`), Deno.errors.NotFound);
});

Deno.test("a file in the folder's place, or above it, is named", async () => {
  await using at = await place();
  await Deno.writeTextFile(`${at.path}/pmz`, "");
  await assertProblem(`${at.path}/pmz`, /pmz is not a folder/, /mv .*pmz\.old/);
  await assertProblem(
    `${at.path}/pmz/state/pmz`,
    /can't be written: .*\/pmz is not a folder/,
    /XDG_STATE_HOME/,
  );
});

Deno.test("a path that leaves no room for a socket's is named, with how much it is too long", async () => {
  const folder = `/tmp/${"x".repeat(107 - "/tmp/".length - "/control.sock".length)}`;
  assert.equal(await stateProblem(folder), undefined);
  await assertProblem(`${folder}é`, /^the path \/tmp\/x+é is 2 bytes too long/, /XDG_STATE_HOME/);
});

Deno.test("domains that aren't valid are named with their file, and stay as they are", async () => {
  await using at = await place();
  const path = `${at.path}/names.json`;
  await Deno.writeTextFile(path, "{broken");
  await assertProblem(at.path, /your domains in .*names\.json can't be read: .*JSON/, /correct the file/);
  assert.equal(await Deno.readTextFile(path), "{broken");
  await Deno.remove(path);
  await Deno.mkdir(path);
  await assertProblem(at.path, /your domains in .*names\.json can't be read/, /move it away/);
});

Deno.test({
  name: "a folder of another user is named",
  ignore: Deno.uid() !== 0, // only root can give a folder to another user
  fn: async () => {
    await using at = await place();
    await Deno.chown(at.path, 65534, 65534);
    await assertProblem(at.path, /belongs to uid 65534/, /move it away/);
  },
});

Deno.test({
  name: "what may not be written to is named",
  ignore: Deno.uid() === 0, // root may write everywhere
  fn: async () => {
    await using at = await place();
    await Deno.writeTextFile(`${at.path}/daemon.log`, "", { mode: 0o400 });
    await assertProblem(at.path, /daemon\.log can't be written: /, /XDG_STATE_HOME/);
    await Deno.chmod(at.path, 0o500);
    await assertProblem(at.path, /can't be written: its mode is 500/, /chmod 700/);
    await assertProblem(
      `${at.path}/a/pmz`,
      /pmz can't be written: .* is not writable for you/,
      /XDG_STATE_HOME/,
    );
    await Deno.chmod(at.path, 0o700);
  },
});
