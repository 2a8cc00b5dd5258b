import assert from "node:assert/strict";
import { fileLog, logAbout, type LogFields, watchLog } from "./log.ts";

/** A log in a folder of its own, and what is in it. */
function logged(longest?: number) {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/daemon.log`;
  const log = fileLog(path, longest);
  const lines = (of = path) =>
    Deno.readTextFileSync(of).trimEnd().split("\n").map((line) =>
      JSON.parse(line) as Record<string, unknown>
    );
  return {
    log,
    path,
    folder,
    lines,
    [Symbol.dispose]() {
      log[Symbol.dispose]();
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

Deno.test("a line is one JSON object, with its time, its fields, and an error with its causes", () => {
  using at = logged();
  const error = new TypeError("outer\nline", { cause: new Error("inner") });
  at.log("warn", "it failed", { cluster: "dev", ms: 3, error });
  const [{ time, ...line } = {}] = at.lines();
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(line, {
    level: "warn",
    message: "it failed",
    cluster: "dev",
    ms: 3,
    error: "TypeError: outer\nline <- Error: inner",
  });
});

Deno.test("the log is for its owner alone", () => {
  using at = logged();
  assert.equal((Deno.statSync(at.path).mode ?? 0) & 0o777, 0o600);
});

Deno.test("fields that the log doesn't have are not written", () => {
  using at = logged();
  const more = { cluster: "dev", authorization: "Bearer canary", headers: { cookie: "canary" } } as LogFields;
  at.log("warn", "a request", more);
  assert.doesNotMatch(Deno.readTextFileSync(at.path), /canary/);
  assert.equal(at.lines()[0]?.cluster, "dev");
});

Deno.test("a thrown value that is not an Error is written as text, even one without JSON", () => {
  using at = logged();
  const circular: { self?: unknown } = {};
  circular.self = circular;
  for (const error of [circular, 1n, "text", undefined]) at.log("warn", "thrown", { error });
  assert.deepEqual(at.lines().map((line) => line.error), ["[object Object]", "1", "text", undefined]);
});

Deno.test("a log that is full starts over, and the one before stays as .1", () => {
  using at = logged(500);
  for (let count = 0; count < 30; count++) at.log("warn", "again", { count });
  const all = [...at.lines(`${at.path}.1`), ...at.lines()];
  assert.equal(all.at(-1)?.count, 29);
  assert.deepEqual(all.map((line) => line.count), all.map((_, i) => 30 - all.length + i));
  assert.ok(Deno.statSync(at.path).size <= 600);
  assert.ok(Deno.statSync(`${at.path}.1`).size <= 600);
});

Deno.test("a log that can't start over keeps writing to the same file", () => {
  using at = logged(100);
  Deno.mkdirSync(`${at.path}.1/in the way`, { recursive: true });
  for (let count = 0; count < 5; count++) at.log("warn", "again", { count });
  assert.deepEqual(at.lines().map((line) => line.count), [0, 1, 2, 3, 4]);
});

Deno.test("a full disk costs lines, never the daemon", () => {
  using log = fileLog("/dev/full");
  log("warn", "lost");
  log("warn", "lost too", { error: new Error("no space") });
});

Deno.test("the log of a watch says what it is about", () => {
  using at = logged();
  const fields = {
    kind: "pods",
    key: "default/echo",
    state: "forbidden",
    limit: 9,
    error: new Error("silent"),
    more: 1,
  } as const;
  watchLog(at.log)("a watch isn't live", fields);
  const [{ time: _, ...line } = {}] = at.lines();
  assert.deepEqual(line, {
    level: "warn",
    message: "a watch isn't live",
    kind: "pods",
    key: "default/echo",
    state: "forbidden",
    limit: 9,
    error: "Error: silent",
  });
});

Deno.test("a log about a cluster names it on every line, unless the line names another one", () => {
  using at = logged();
  const log = logAbout(at.log, { cluster: "dev" });
  log("warn", "a watch isn't live", { kind: "pods" });
  log("info", "connected", { cluster: "prod" });
  assert.deepEqual(at.lines().map(({ cluster, kind }) => [cluster, kind]), [["dev", "pods"], [
    "prod",
    undefined,
  ]]);
});
