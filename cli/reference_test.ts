import assert from "node:assert/strict";
import { commandsPage, exitCodesPage, pmzctlPage } from "./reference.ts";

const docs = new URL("../docs/", import.meta.url);
const REMEDY = "to write it again: deno run -A cli/reference.ts";

Deno.test("docs/commands.md says what --help says", async () => {
  assert.equal(await Deno.readTextFile(new URL("commands.md", docs)), commandsPage(), REMEDY);
});

Deno.test("docs/pmzctl.md says what --help says of the original's words", async () => {
  assert.equal(await Deno.readTextFile(new URL("pmzctl.md", docs)), pmzctlPage(), REMEDY);
});

Deno.test("docs/exit-codes.md has the table of failures", async () => {
  assert.equal(await Deno.readTextFile(new URL("exit-codes.md", docs)), exitCodesPage(), REMEDY);
});
