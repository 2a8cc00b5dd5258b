import assert from "node:assert/strict";
import { nameWarnings } from "./name_warnings.ts";

Deno.test("names that aren't answered, and names of the internet that led to captured addresses, are said", () => {
  assert.deepEqual(nameWarnings(undefined, []), []);
  const [dead, evil] = nameWarnings("the names worker failed: out of memory", ["evil.example"]);
  assert.match(dead?.message ?? "", /out of memory/);
  assert.match(evil?.message ?? "", /evil\.example led to a captured address/);
  assert.match(evil?.hint ?? "", /pmz dns allow evil\.example/);
});
