import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import type { LocalEnd, ProgramState } from "./local_program.ts";
import { LocalPrograms } from "./local_programs.ts";

const web: LocalEnd = { host: "localhost", port: 8081 };

/** Programs that are looked at by the test's own eyes and clock. */
function following(...wanted: LocalEnd[]) {
  const clock = new FakeClock();
  const seen = { state: "listening" as ProgramState, looks: 0 };
  const programs = new LocalPrograms({
    clock,
    wanted: () => wanted,
    look: () => {
      seen.looks++;
      return Promise.resolve(seen.state);
    },
  });
  return { clock, seen, programs, wanted };
}

Deno.test("a program that ends is told with since when, until another takes its place", async () => {
  const { clock, seen, programs } = following(web);
  using _programs = programs;
  await programs.look();
  assert.equal(programs.silentSince(web), undefined);
  seen.state = "silent";
  const before = new Date().toISOString();
  await clock.advance(1_000);
  const since = programs.silentSince(web);
  assert.ok(since !== undefined && since >= before);
  await clock.advance(5_000);
  assert.equal(programs.silentSince(web), since);
  seen.state = "listening";
  await clock.advance(1_000);
  assert.equal(programs.silentSince(web), undefined);
});

Deno.test("another machine's program is looked at once: each look is a connection", async () => {
  const { clock, seen, programs } = following(web);
  using _programs = programs;
  seen.state = "elsewhere";
  await programs.look();
  await clock.advance(10_000);
  assert.equal(seen.looks, 1);
});

Deno.test("a look that fails says nothing, and the next one is taken", async () => {
  let failing = false;
  const clock = new FakeClock();
  using programs = new LocalPrograms({
    clock,
    wanted: () => [web],
    look: () => failing ? Promise.reject(new Error("no /proc")) : Promise.resolve("silent"),
  });
  await programs.look();
  failing = true;
  await clock.advance(3_000);
  assert.notEqual(programs.silentSince(web), undefined, "it is as it was");
});

Deno.test("with the last intercept the looking ends, and begins again with the next one", async () => {
  const { clock, seen, programs, wanted } = following(web);
  using _programs = programs;
  await programs.look();
  wanted.length = 0;
  await clock.advance(2_000);
  assert.deepEqual([seen.looks, clock.pending], [1, 0]);
  wanted.push(web);
  await programs.look();
  await clock.advance(1_000);
  assert.equal(seen.looks, 3);
});
