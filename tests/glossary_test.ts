/** The glossary in docs/architecture.md and the exported names say the same: one word, one meaning. */
import assert from "node:assert/strict";

const root = new URL("../", import.meta.url);

/** Words that had a meaning of their own here once, and the field's term in their place. */
const retired: Readonly<Record<string, string>> = {
  Budget: "TokenBucket",
  Captor: "RouteProgrammer",
  Deed: "ResourceAttributes",
  Door: "an acceptor",
  Gathering: "WriteCoalescing",
  Heart: "Heartbeat",
  LaptopSide: "HostCapture",
  Patience: "FloodLimits",
  StandIn: "StubListener",
  Stock: "SocketPool",
  Whose: "SourceClassifier",
};

interface Export {
  readonly name: string;
  readonly module: string;
}

/** Classes, interfaces and types that the program's modules export; no tests, none of their fixtures. */
function exportsIn(folder: string): Export[] {
  return [...Deno.readDirSync(new URL(folder, root))].flatMap(({ name, isDirectory }): Export[] => {
    if (isDirectory) {
      return /^(\..*|dist|docs|findings|testing|tests)$/.test(name) ? [] : exportsIn(`${folder}${name}/`);
    }
    if (!name.endsWith(".ts") || name.endsWith("_test.ts")) return [];
    const module = `${folder}${name}`;
    const text = Deno.readTextFileSync(new URL(module, root));
    return [...text.matchAll(/^export (?:abstract )?(?:class|interface|type) (\w+)/gm)]
      .map(([, name = ""]) => ({ name, module }));
  });
}

const exported = exportsIn("");
const glossary = [
  ...Deno.readTextFileSync(new URL("docs/architecture.md", root)).split(/^## Glossary$/m)[1]
    ?.split(/^## /m)[0]?.matchAll(/^\| ([^|]+) \| ([^|]+) \| (?:`(\w+)` )?\|$/gm) ?? [],
].map(([, word = "", meaning = "", name]) => ({ word: word.trim(), meaning: meaning.trim(), name }))
  .filter(({ word }) => word !== "word" && !word.startsWith("---"));

Deno.test("each name in the glossary is exported by one module, and by no other", () => {
  assert.ok(glossary.length > 25, "the table is there");
  for (const { word, name } of glossary) {
    if (name === undefined) continue;
    const modules = exported.filter((one) => one.name === name).map(({ module }) => module);
    assert.equal(modules.length, 1, `${word}: ${name} is exported by ${modules.join(", ") || "no module"}`);
  }
});

Deno.test("the glossary has each word once", () => {
  const words = glossary.map(({ word }) => word);
  assert.deepEqual([...new Set(words)], words);
});

Deno.test("no exported name has a word that the field has another term for", () => {
  for (const { name, module } of exported) {
    for (const [word, instead] of Object.entries(retired)) {
      // "HeartbeatMap" has no word "Heart": words begin with a capital letter.
      assert.ok(!new RegExp(`${word}s?(?![a-z])`).test(name), `${module}: ${name}: say ${instead}`);
    }
  }
});
