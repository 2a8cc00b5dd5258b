import assert from "node:assert/strict";
import { BuildError } from "./command.ts";
import { renamedByContent } from "./chunk_names.ts";

/** A bundle whose chunks are named by two hashes. */
const bundled = (one: string, other: string, says = "hello") =>
  new Map([
    [
      "main.js",
      `import { a } from "./chunk-${one}.js";\nconst later = () => import("./late-${other}.js");\n`,
    ],
    [`chunk-${one}.js`, `export const a = "${says}";\n`],
    [`late-${other}.js`, `import { a } from "./chunk-${one}.js";\nimport "./main.js";\n`],
  ]);

Deno.test("chunks are named by their content, whatever the bundler has called them", () => {
  const renamed = renamedByContent(bundled("AAAAAAAA", "BBBBBBBB"));
  assert.deepEqual(renamed, renamedByContent(bundled("11111111", "22222222")));
  const [main, chunk = "", late = ""] = [...renamed.keys()];
  assert.equal(main, "main.js");
  assert.match(chunk, /^chunk-[0-9A-F]{8}\.js$/);
  assert.ok(
    renamed.get("main.js")?.includes(`"./${chunk}"`) && renamed.get("main.js")?.includes(`"./${late}"`),
  );
});

Deno.test("a chunk's name changes with what it imports", () => {
  const [, chunk, late] = renamedByContent(bundled("AAAAAAAA", "BBBBBBBB")).keys();
  const [, otherChunk, otherLate] = renamedByContent(bundled("AAAAAAAA", "BBBBBBBB", "goodbye")).keys();
  assert.notEqual(chunk, otherChunk);
  assert.notEqual(late, otherLate);
});

Deno.test("chunks that import each other have names, too", () => {
  const circle = (one: string, other: string) =>
    new Map([
      [`a-${one}.js`, `import "./b-${other}.js";\n`],
      [`b-${other}.js`, `import "./a-${one}.js";\n`],
    ]);
  assert.deepEqual(
    renamedByContent(circle("AAAAAAAA", "BBBBBBBB")),
    renamedByContent(circle("33333333", "44444444")),
  );
});

Deno.test("two chunks that can't be told apart are refused", () => {
  const same = new Map([["a-AAAAAAAA.js", "f();\n"], ["a-BBBBBBBB.js", "f();\n"]]);
  assert.throws(() => renamedByContent(same), BuildError);
});
