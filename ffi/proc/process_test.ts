import assert from "node:assert/strict";
import { SystemCallError } from "../libc.ts";
import { FileLock } from "./process.ts";

Deno.test("a lock has one holder, and is free when that lets go", async () => {
  const path = `${await Deno.makeTempDir()}/lock`;
  const first = FileLock.take(path);
  assert.ok(first);
  assert.equal(FileLock.take(path), undefined);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  using again = FileLock.take(path);
  assert.ok(again);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600); // a mode is always there on Linux
});

Deno.test("a link is no lock", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.symlink(`${folder}/elsewhere`, `${folder}/lock`);
  assert.throws(
    () => FileLock.take(`${folder}/lock`),
    (error) => error instanceof SystemCallError && error.errno === 40,
  );
});
