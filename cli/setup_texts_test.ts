import assert from "node:assert/strict";
import { setupTexts } from "./setup_texts.ts";

Deno.test("what is installed next to the program is what the grammar says", () => {
  const { bash, zsh, fish, manual } = setupTexts("1.2.3");
  assert.match(bash, /complete .*-F _pmz_with_colons -- pmz/);
  assert.match(zsh, /^#compdef pmz\n/);
  assert.match(fish, /complete -c pmz/);
  assert.match(manual, /^\.TH PMZ 1 "" "pmz 1\.2\.3"/);
});
