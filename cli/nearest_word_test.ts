import assert from "node:assert/strict";
import { nearestWord } from "./nearest_word.ts";

Deno.test("a word that is near is found, one that is far is not", () => {
  const words = ["add", "list", "remove"];
  assert.equal(nearestWord("lst", words), "list");
  assert.equal(nearestWord("ls", words), "list");
  assert.equal(nearestWord("remvoe", words), "remove");
  assert.equal(nearestWord("add", words), "add");
  assert.equal(nearestWord("purge", words), undefined);
  assert.equal(nearestWord("x".repeat(1000), words), undefined);
});
