import assert from "node:assert/strict";
import fc from "fast-check";
import { Screen } from "./screen.ts";

/** The screen's text after `written`, without blank lines at the end. */
function shown(written: string, columns = 20, rows = 5): string {
  const screen = new Screen(columns, rows);
  screen.write(written);
  return screen.lines.map((runs) => runs.map((run) => run.text).join("")).join("\n").trimEnd();
}

Deno.test("text goes from left to right, and a line end begins the next line", () => {
  assert.equal(shown("one\r\ntwo\r\n"), "one\ntwo");
});

Deno.test("a carriage return writes over the line, and EL erases its rest", () => {
  assert.equal(shown("waiting...\rok\x1b[K"), "ok");
});

Deno.test("a line that is too long goes on in the next one, and the top scrolls away", () => {
  assert.equal(shown("abcdef", 3), "abc\ndef");
  assert.equal(shown("1\r\n2\r\n3", 5, 2), "2\n3");
});

Deno.test("the cursor moves up, and what lies below can be erased", () => {
  assert.equal(shown("a\r\nb\r\nc\x1b[2A\r\x1b[JX"), "X");
});

Deno.test("neighbours of one style are one run", () => {
  const screen = new Screen(20, 1);
  screen.write("\x1b[1;31merror:\x1b[0m no");
  assert.deepEqual(screen.lines, [[
    { text: "error:", style: { bold: true, dim: false, colour: 31 } },
    { text: " no", style: { bold: false, dim: false } },
  ]]);
});

Deno.test("it doesn't matter how what is written is cut into pieces", () => {
  const text = fc.array(
    fc.constantFrom("a", "b ", "\r", "\n", "\b", "\x1b[K", "\x1b[1m", "\x1b[2A", "\x1b[0m", "\x1b[?25l"),
  )
    .map((parts) => parts.join(""));
  fc.assert(fc.property(text, fc.nat(40), (written, at) => {
    const whole = new Screen(8, 4);
    whole.write(written);
    const parts = new Screen(8, 4);
    parts.write(written.slice(0, at));
    parts.write(written.slice(at));
    assert.deepEqual(parts.lines, whole.lines);
  }));
});

Deno.test("whatever is written, the screen keeps its size", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (written) => {
    const screen = new Screen(10, 3);
    screen.write(written);
    assert.equal(screen.lines.length, 3);
    assert.ok(screen.lines.every((runs) => [...runs.map((run) => run.text).join("")].length <= 10));
  }));
});
