import assert from "node:assert/strict";
import { FakeClock } from "../async/testing/fake_clock.ts";
import { Steps } from "./steps.ts";
import { formatDuration, Terminal } from "./terminal.ts";
import type { CliParts } from "./parts.ts";

/** A terminal of 40 columns, and what was written to it. */
function terminalOf(env: Readonly<Record<string, string>>, isTerminal = true) {
  const said = { text: "" };
  const output = { isTerminal, columns: () => 40, write: (text: string) => void (said.text += text) };
  const parts = { env: { get: (name: string) => env[name] }, stdout: output, stderr: output } as Partial<
    CliParts
  >;
  return {
    terminal: new Terminal(parts as CliParts, { output: "text", quiet: false, verbose: false }),
    said,
  };
}

Deno.test("on a terminal the running step has one line, which its end replaces", () => {
  const { terminal, said } = terminalOf({ LANG: "C.UTF-8" });
  {
    using steps = new Steps(terminal);
    steps.show({ kind: "step", name: "open the tunnel", state: "started" });
    steps.show({ kind: "detail", name: "open the tunnel", detail: "1 of 2 pods ready" });
    steps.show({ kind: "step", name: "open the tunnel", state: "done", ms: 2345 });
  }
  const lines = said.text.split("\r\x1b[K");
  assert.equal(lines[1], "⠋ open the tunnel");
  assert.equal(lines[2], "⠙ open the tunnel  1 of 2 pods ready");
  assert.equal(lines[3], `\x1b[32m✓ \x1b[0m${"open the tunnel".padEnd(36)}\x1b[2m    2.3 s\x1b[0m\n`);
});

Deno.test("a step that doesn't finish leaves no line on the terminal", () => {
  const { terminal, said } = terminalOf({});
  {
    using steps = new Steps(terminal);
    steps.show({ kind: "step", name: "install", state: "started" });
  }
  assert.equal(said.text, "\r\x1b[K- install\r\x1b[K");
});

Deno.test("the line of the running step never gets wider than the terminal", () => {
  const { terminal, said } = terminalOf({ LANG: "C.UTF-8" });
  {
    using steps = new Steps(terminal);
    steps.show({ kind: "step", name: "x".repeat(300), state: "started" });
  }
  for (const line of said.text.split("\r\x1b[K")) assert.ok(Array.from(line).length < 40);
});

Deno.test("NO_COLOR and TERM=dumb take colours away, and dumb terminals get whole lines", () => {
  const plain: Record<string, string>[] = [{ NO_COLOR: "1" }, { TERM: "dumb" }];
  for (const env of plain) {
    const { terminal, said } = terminalOf(env);
    terminal.print({ text: "up", style: "green" });
    assert.equal(said.text, "up\n");
  }
  const { terminal, said } = terminalOf({ TERM: "dumb" });
  using steps = new Steps(terminal);
  steps.show({ kind: "step", name: "a", state: "started" });
  steps.show({ kind: "step", name: "a", state: "done", ms: 5 });
  assert.ok(!said.text.includes("\x1b"));
});

Deno.test("whatever the daemon says in a step, no escape of it reaches the terminal", () => {
  const { terminal, said } = terminalOf({}, false);
  using steps = new Steps(terminal);
  const evil = "a\x1b]0;owned\x07\n\u202eb";
  steps.show({ kind: "step", name: evil, state: "started" });
  steps.show({ kind: "detail", name: evil, detail: evil });
  steps.show({ kind: "step", name: evil, state: "done", ms: 5, detail: evil });
  steps.show({ kind: "warning", message: evil, hint: evil });
  assert.ok(!/[\p{Cc}\p{Cf}]/u.test(said.text.replaceAll("\n", "")));
  assert.equal(said.text.split("\n").length, 5);
});

Deno.test("spans of time are said as people say them", () => {
  const said: [number, string][] = [
    [0, "0 ms"],
    [999, "999 ms"],
    [1000, "1.0 s"],
    [59_949, "59.9 s"],
    [59_960, "1 min"],
    [185_000, "3 min 5 s"],
    [7_800_000, "2 h 10 min"],
    [3 * 86_400_000 + 4 * 3_600_000, "3 d 4 h"],
  ];
  for (const [ms, text] of said) assert.equal(formatDuration(ms), text);
});

Deno.test("elsewhere another reason to wait is a line with the time, and counts are one every 10 s", async () => {
  const { terminal, said } = terminalOf({}, false);
  const clock = new FakeClock();
  {
    using steps = new Steps(terminal, clock);
    steps.show({ kind: "step", name: "connect", state: "started" });
    for (
      const [ms, detail] of [
        [0, "500 of 10,000 pods"],
        [400, "1,000 of 10,000 pods"],
        [11_000, "9,500 of 10,000 pods"],
        [1_000, "pods are asked for again: HTTP 503"],
        [1_000, "pods are asked for again: HTTP 503"],
        [60_000, "10,000 pods"],
      ] as const
    ) {
      await clock.advance(ms);
      steps.show({ kind: "detail", name: "connect", detail });
    }
  }
  assert.deepEqual(said.text.split("\n"), [
    "    connect: 500 of 10,000 pods",
    "    connect (11.4 s): 9,500 of 10,000 pods",
    "    connect (12.4 s): pods are asked for again: HTTP 503",
    "    connect (1 min 13 s): 10,000 pods",
    "",
  ]);
});
