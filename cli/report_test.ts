import assert from "node:assert/strict";
import { World } from "./testing/run.ts";

/** A folder that a report can be written to. */
function folder() {
  const path = Deno.makeTempDirSync();
  return {
    path,
    files: () => Array.from(Deno.readDirSync(path), ({ name }) => name),
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

Deno.test("a report says its files first, asks, and is written for its owner alone", async () => {
  await using world = new World({ typed: ["y"] });
  using at = folder();
  const path = `${at.path}/a.tar.gz`;
  const { code, stdout, stderr } = await world.pmz(`report --output ${path}`);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^the report has these files:\n {2}pmz-report-\S+\s+\d+ B\n.*a\.tar\.gz is written/s);
  assert.match(stderr, /Write .*a\.tar\.gz\? \[y\/N\]/);
  assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
});

Deno.test("a no, no terminal and Ctrl-C write nothing", async () => {
  using at = folder();
  const line = `report --output ${at.path}/a.tar.gz`;
  await using refusing = new World({ typed: ["n"] });
  assert.equal((await refusing.pmz(line)).code, 12);
  await using script = new World();
  const { code, stderr } = await script.pmz(line);
  assert.equal(code, 12);
  assert.match(stderr, /no report was written: there is no terminal/);
  await using world = new World();
  const interrupting = new AbortController();
  const stdin = {
    isTerminal: true,
    readLine: () => {
      interrupting.abort(new DOMException("interrupted", "AbortError"));
      return Promise.resolve("y");
    },
  };
  const ended = await world.pmz(line, { stdin, interrupted: interrupting.signal });
  assert.equal(ended.code, 130);
  assert.match(ended.stderr, /interrupted: no report was written/);
  assert.deepEqual(at.files(), []);
});

Deno.test("a script gets a report by --yes, also without a daemon", async () => {
  await using world = new World({ running: false });
  using at = folder();
  assert.equal((await world.pmz(`report --yes --output ${at.path}/a.tar.gz`)).code, 0);
  assert.deepEqual(at.files(), ["a.tar.gz"]);
  const handed = JSON.parse(Deno.readTextFileSync(`${at.path}/a.tar.gz`));
  assert.equal(handed.at(-1), false, "there is no status");
});

Deno.test("a file that is there stays as it is, and a folder that isn't is named", async () => {
  await using world = new World();
  using at = folder();
  const path = `${at.path}/a.tar.gz`;
  Deno.writeTextFileSync(path, "mine");
  const there = await world.pmz(`report --yes --output ${path}`);
  assert.equal(there.code, 2);
  assert.match(there.stderr, /there is such a file already/);
  assert.equal(Deno.readTextFileSync(path), "mine");
  assert.match(
    (await world.pmz(`report --yes --output ${at.path}/none/a`)).stderr,
    /none\/a can't be written: No such/,
  );
});
