import assert from "node:assert/strict";
import fc from "fast-check";
import { dotenv } from "./dotenv.ts";

const one = (value: string) => dotenv([["A", value]]);

for (
  const [value, line] of [
    ["", "A="],
    ["postgres://db.shop:5432/app?x=1", 'A="postgres://db.shop:5432/app?x=1"'],
    ["a/b:c@d%e+f,g=h-i_j.k", "A=a/b:c@d%e+f,g=h-i_j.k"],
    ["it's here", `A="it's here"`],
    [" # ", 'A=" # "'],
    ["-----BEGIN\nab+/=\n", 'A="-----BEGIN\\nab+/=\\n"'],
    ['{"a":"b\\n"}', `A='{"a":"b\\n"}'`],
    ["pa$word", "A='pa$word'"],
    ["C:\\dir\\\\", "A=C:\\dir\\\\"],
  ] as const
) {
  Deno.test(`${JSON.stringify(value)} is written so that all parsers read it alike`, () => {
    assert.deepEqual(one(value), { text: `${line}\n`, unsure: [], leftOut: [] });
  });
}

Deno.test("what parsers read differently is escaped as Compose reads it, and named", () => {
  assert.deepEqual(one(`it's "$5"\n`), { text: 'A="it\'s \\"\\$5\\"\\n"\n', unsure: ["A"], leftOut: [] });
});

Deno.test("a value that would make a parser read on into the next line is left out, and so is a name that none reads", () => {
  assert.deepEqual(dotenv([["A", "it's $\\"], ["B C", "1"], ["D", "2"]]), {
    text: "D=2\n",
    unsure: [],
    leftOut: ["A", "B C"],
  });
});

/** What npm's dotenv 17, python-dotenv 1 and compose-go 2 have in common (tests/conformance/dotenv_parsers.sh). */
function read(written: string): string {
  if (written.startsWith("'")) return written.slice(1, -1);
  if (!written.startsWith('"')) return written;
  return written.slice(1, -1).replaceAll("\\n", "\n").replaceAll("\\r", "\r");
}

Deno.test("whatever isn't named as unsure comes out as it was", () => {
  const text = fc.array(
    fc.constantFrom("a", " ", "\n", "'", '"', "\\", "$", "{", "}", "#", "=", "`", "\r", "é"),
    { maxLength: 8 },
  ).map((parts) => parts.join(""));
  fc.assert(fc.property(text, (value) => {
    const { text, unsure, leftOut } = one(value);
    if (unsure.length + leftOut.length > 0) return;
    assert.equal(read(text.slice("A=".length, -1)), value);
  }));
});
