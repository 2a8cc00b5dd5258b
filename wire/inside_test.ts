import assert from "node:assert/strict";
import { insideWords } from "./inside.ts";

Deno.test("who is inside reads as a sentence's end", () => {
  assert.equal(insideWords(), "your programs alone");
  assert.equal(insideWords(["root"]), "your programs, and those of root");
  assert.equal(insideWords(["root", "jo", "www-data"]), "your programs, and those of root, jo and www-data");
});
