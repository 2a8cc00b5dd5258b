import assert from "node:assert/strict";
import fc from "fast-check";
import { clean, cleanJson, LONGEST_TEXT } from "./sanitize.ts";

/** Text with much in it that a terminal acts on. */
const nasty = fc.array(
  fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "\x1b[2J",
      "\x1b]0;title\x07",
      "\x9b31m",
      "\r",
      "\n",
      "\r\n",
      "\u2028",
      "\u202e",
      "\u2066",
      "\u200b",
      "\ufeff",
      "\x7f",
      "\b",
      "\u{e0041}",
      "\ud800",
      "\\",
      "echo",
    ),
  ),
).map((parts) => parts.join(""));

/** Whether a terminal acts on this code point, or shows nothing for it; written apart from what is tested. */
function isUnfit(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0xad || code === 0x61c ||
    (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    (code >= 0xd800 && code <= 0xf8ff) || code === 0xfeff || (code >= 0xe0000 && code <= 0xe0fff);
}

Deno.test("nothing that a terminal acts on comes through, whatever the text", () => {
  fc.assert(fc.property(nasty, (text) => {
    for (const character of clean(text)) assert.ok(!isUnfit(character.codePointAt(0) ?? 0));
  }));
});

Deno.test("cleaning twice is the same as once", () => {
  fc.assert(fc.property(nasty, (text) => assert.equal(clean(clean(text)), clean(text))));
});

Deno.test("text that is fit stays as it is", () => {
  for (const text of ["echo.default.svc", "Zürich, 東京 · naïve", "a\\b"]) assert.equal(clean(text), text);
});

Deno.test("what doesn't print is spelt out, and line ends become spaces", () => {
  assert.equal(clean("a\x1b[31mred\r\nb\u202ec"), "a\\u{1b}[31mred b\\u{202e}c");
});

Deno.test("text that is very long is cut", () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 40 }),
      (unit, longest) => {
        assert.ok(Array.from(clean(unit.repeat(10), longest)).length <= longest);
      },
    ),
  );
  assert.equal(clean("x".repeat(LONGEST_TEXT + 1)).length, LONGEST_TEXT);
});

Deno.test("JSON means the same after cleaning, and has nothing in it that a terminal acts on", () => {
  fc.assert(fc.property(fc.dictionary(nasty, fc.oneof(nasty, fc.array(nasty))), (value) => {
    const text = cleanJson(value);
    assert.deepEqual({ ...JSON.parse(text) as object }, { ...value });
    for (const character of text) assert.ok(character === "\n" || !isUnfit(character.codePointAt(0) ?? 0));
  }));
});
