import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import { openStateFolder, stateFolderPath, writing } from "./state_folder.ts";

const env = (values: Record<string, string>) => ({ get: (name: string) => values[name] });
const mode = async (path: string) => ((await Deno.lstat(path)).mode ?? 0) & 0o7777;
const refuses = (text: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === "usage" && text.test(error.message);

/** A folder of a test, where others may make things too. */
async function place() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("the state folder is XDG's, or the home folder's", () => {
  assert.equal(stateFolderPath(env({ XDG_STATE_HOME: "/s", HOME: "/home/jo" })), "/s/pmz");
  assert.equal(stateFolderPath(env({ HOME: "/home/jo" })), "/home/jo/.local/state/pmz");
  assert.equal(stateFolderPath(env({ XDG_STATE_HOME: "relative", HOME: "/h" })), "/h/.local/state/pmz");
  assert.throws(() => stateFolderPath(env({})), refuses(/HOME is not set/));
});

Deno.test("the folder is made with everything above it, and only its owner may enter", async () => {
  await using at = await place();
  const path = await openStateFolder(`${at.path}/a/b/pmz`);
  assert.equal(await mode(path), 0o700);
  assert.equal(await mode(`${at.path}/a/b`), 0o700);
});

Deno.test("a folder that is there is kept, and closed to others", async () => {
  await using at = await place();
  const path = `${at.path}/pmz`;
  await Deno.mkdir(path);
  await Deno.chmod(path, 0o777);
  await Deno.writeTextFile(`${path}/names.json`, "[]");
  assert.equal(await openStateFolder(path), path);
  assert.equal(await mode(path), 0o700);
  assert.equal(await Deno.readTextFile(`${path}/names.json`), "[]");
});

Deno.test("a link in the folder's place is refused, and what it leads to is left alone", async () => {
  await using at = await place();
  await Deno.mkdir(`${at.path}/theirs`);
  await Deno.chmod(`${at.path}/theirs`, 0o755);
  await Deno.symlink(`${at.path}/theirs`, `${at.path}/pmz`);
  await assert.rejects(openStateFolder(`${at.path}/pmz`), refuses(/is not a folder/));
  assert.equal(await mode(`${at.path}/theirs`), 0o755);
});

Deno.test("a folder that its owner may not write is named, with what to type", async () => {
  await using at = await place();
  const path = `${at.path}/pmz`;
  await Deno.mkdir(path);
  await Deno.chmod(path, 0o500);
  await assert.rejects(openStateFolder(path), {
    message: `${path} can't be written: its mode is 500`,
    hint: `run: chmod 700 ${path}`,
  });
});

Deno.test("a file that can't be written is named, with the reason", async () => {
  await using at = await place();
  const path = `${at.path}/none/daemon.lock`;
  const opened = writing(path, () => Deno.open(path, { write: true, create: true }));
  await assert.rejects(opened, refuses(/none\/daemon\.lock can't be written: No such file/));
  await Deno.writeTextFile(`${at.path}/file`, "");
  await assert.rejects(openStateFolder(`${at.path}/file/pmz`), refuses(/file\/pmz can't be written: /));
});

Deno.test("a file in the folder's place is refused", async () => {
  await using at = await place();
  await Deno.writeTextFile(`${at.path}/pmz`, "");
  await assert.rejects(openStateFolder(`${at.path}/pmz`), refuses(/is not a folder/));
});

Deno.test({
  name: "a folder that another user made beforehand is refused",
  ignore: Deno.uid() !== 0, // only root can give a folder to another user
  fn: async () => {
    await using at = await place();
    const path = `${at.path}/pmz`;
    await Deno.mkdir(path, { mode: 0o777 });
    await Deno.chown(path, 65534, 65534);
    await assert.rejects(openStateFolder(path), refuses(/belongs to uid 65534/));
  },
});
