import assert from "node:assert/strict";
import { until } from "../async/testing/until.ts";
import { LogFile } from "./file.ts";

/** A folder with a log, and the path of it. */
function place() {
  const folder = Deno.makeTempDirSync();
  return {
    path: `${folder}/daemon.log`,
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

Deno.test("the lines of the file before come first", () => {
  using at = place();
  Deno.writeTextFileSync(`${at.path}.1`, "a\nb\n");
  Deno.writeTextFileSync(at.path, "c\nhalf");
  using log = new LogFile(at.path);
  assert.deepEqual([...log.now()], ["a", "b", "c"]);
});

Deno.test("where there is no log there are no lines", () => {
  using at = place();
  using log = new LogFile(at.path);
  assert.deepEqual([...log.now()], []);
});

Deno.test("lines that come are told once each, across a log that starts over and lines that are written in pieces", async () => {
  using at = place();
  Deno.writeTextFileSync(at.path, "first\n");
  using log = new LogFile(at.path);
  assert.deepEqual([...log.now()], ["first"]);
  const stop = new AbortController();
  const told: string[] = [];
  const following = (async () => {
    for await (const line of log.following(stop.signal)) told.push(line);
  })();
  Deno.writeTextFileSync(at.path, "sec", { append: true });
  Deno.writeTextFileSync(at.path, "ond\nthird\n", { append: true });
  await until("the lines are told", () => told.length === 2);
  Deno.writeTextFileSync(at.path, "last\n", { append: true });
  Deno.renameSync(at.path, `${at.path}.1`);
  Deno.writeTextFileSync(at.path, "new\n");
  await until("the lines are told", () => told.length === 4);
  stop.abort();
  await following;
  assert.deepEqual(told, ["second", "third", "last", "new"]);
});

Deno.test("a log that doesn't exist yet is followed from its beginning", async () => {
  using at = place();
  using log = new LogFile(at.path);
  assert.deepEqual([...log.now()], []);
  const stop = new AbortController();
  const told: string[] = [];
  const following = (async () => {
    for await (const line of log.following(stop.signal)) told.push(line);
  })();
  Deno.writeTextFileSync(at.path, "first\n");
  await until("the lines are told", () => told.length === 1);
  stop.abort();
  await following;
});
