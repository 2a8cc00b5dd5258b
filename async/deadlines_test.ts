import assert from "node:assert/strict";
import { Deadlines } from "./deadlines.ts";

Deno.test("each is late once, when it's due and not before", async () => {
  const deadlines = new Deadlines();
  const began = performance.now();
  const said: [string, number][] = [];
  const all = Promise.withResolvers<void>();
  const say = (what: string) => () => {
    if (said.push([what, performance.now() - began]) === 2) all.resolve();
  };
  deadlines.add(450, say("later"));
  deadlines.add(150, say("sooner"));
  await all.promise;
  await new Promise((resolve) => setTimeout(resolve, 150));
  const [[first, early], [second, late]] = said as [[string, number], [string, number]];
  assert.deepEqual([first, second, said.length], ["sooner", "later", 2]);
  assert.ok(early >= 150 && late >= 450, `${early}, ${late}`);
});

Deno.test("what is over is never late, and with nothing left no timer runs", async () => {
  const deadlines = new Deadlines();
  const over = deadlines.add(1, () => assert.fail("it was over"));
  over();
  over();
  await new Promise((resolve) => setTimeout(resolve, 150));
  const late = Promise.withResolvers<void>();
  deadlines.add(1, late.resolve);
  await late.promise;
});
