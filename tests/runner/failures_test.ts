import assert from "node:assert/strict";
import { failedFiles, mayRunAgain } from "./failures.ts";

const said = `
error: a line => ./tests/e2e/other_test.ts:1:1

 FAILURES 

one => two ... inner => ./tests/e2e/a_test.ts:1:48
one => two ... another => ./tests/e2e/a_test.ts:1:48
plain => ./tests/faults/laptop/b_test.ts:2:6
./tests/e2e/c_test.ts (uncaught error)

FAILED | 0 passed | 3 failed (1 step) (94ms)
`;

Deno.test("files with failures are read from deno test's own list, each once", () => {
  const files = ["tests/e2e/a_test.ts", "tests/faults/laptop/b_test.ts", "tests/e2e/c_test.ts"];
  assert.deepEqual(failedFiles(said), files);
  assert.deepEqual(
    failedFiles(said.replace(" FAILURES ", "\x1b[0m\x1b[1m\x1b[37m\x1b[41m FAILURES \x1b[0m")),
    files,
  );
});

Deno.test("a run without such a list has no failed files", () => {
  assert.deepEqual(failedFiles("ok | 12 passed | 0 failed (7ms)"), []);
  assert.deepEqual(failedFiles("error: Type checking failed."), []);
});

Deno.test("a few failed files are run again, and neither none nor many", () => {
  assert.deepEqual([0, 1, 3, 4].map((count) => mayRunAgain(Array(count).fill("a_test.ts"))), [
    false,
    true,
    true,
    false,
  ]);
});
