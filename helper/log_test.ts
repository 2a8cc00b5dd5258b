import assert from "node:assert/strict";
import { endOfLog, helperLog } from "./log.ts";

function inFolder(body: (path: string, lines: () => string[]) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/helper.log`;
    body(path, () => Deno.readTextFileSync(path).trim().split("\n"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a daemon that causes warnings without end pushes out no other line, and they are counted", () => {
  inFolder((path, lines) => {
    using log = helperLog(path);
    log("info", "started");
    for (let i = 0; i < 10_000; i++) log("warn", "refused a request", { error: "x".repeat(200) });
    log("info", "ending");
    assert.match(lines()[0] ?? "", /started/);
    assert.match(lines().at(-1) ?? "", /ending/);
    assert.ok(lines().length < 100, `${lines().length} lines`);
  });
});

Deno.test("a log that is full begins again, and the file before it stays", () => {
  inFolder((path, lines) => {
    using log = helperLog(path, 500);
    for (let i = 0; i < 20; i++) log("warn", `line ${i}`);
    assert.match(lines().at(-1) ?? "", /line 19/);
    assert.match(Deno.readTextFileSync(`${path}.1`), /line 1\d/);
    for (const file of [path, `${path}.1`]) {
      const { size, mode } = Deno.statSync(file);
      assert.ok(size < 700, `${size} bytes`);
      assert.equal((mode ?? 0) & 0o777, 0o600);
    }
  });
});

Deno.test("a disk that is full costs lines, and nothing else", { ignore: Deno.build.os !== "linux" }, () => {
  using log = helperLog("/dev/full");
  log("warn", "no space is left");
});

Deno.test("the end of the log is whole lines, of the file before where the present one is short", () => {
  inFolder((path) => {
    assert.equal(endOfLog(path), "");
    using log = helperLog(path, 500);
    for (let i = 0; i < 20; i++) log("warn", `line ${i}`);
    const told = endOfLog(path, 400).trimEnd().split("\n").map((line) => JSON.parse(line).message as string);
    assert.equal(told.at(-1), "line 19");
    assert.ok(told.length > 1 && told.length < 10, `${told.length} lines`);
    assert.equal(endOfLog(path).trimEnd().split("\n").length > told.length, true);
  });
});
