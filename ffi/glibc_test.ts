import assert from "node:assert/strict";
import { glibcVersion } from "./glibc.ts";

Deno.test("the version of glibc is two numbers", () => {
  assert.match(glibcVersion() ?? "", /^\d+\.\d+/);
});
