import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { KeptNames } from "./kept_names.ts";

/** Names that are only counted: each start is one, which says when it has ended. */
function counted(failing: (start: number) => boolean = () => false) {
  const clock = new FakeClock();
  const starts: { fail: (error: Error) => void; isFilled: boolean; ended: number }[] = [];
  const kept = new KeptNames({
    open: (fail) => {
      const one = {
        fail,
        isFilled: false,
        ended: 0,
        [Symbol.asyncDispose]: () => Promise.resolve(void one.ended++),
      };
      starts.push(one);
      return Promise.resolve(one);
    },
    fill: (one) => {
      if (failing(starts.length)) return Promise.reject(new Error("the helper is busy"));
      one.isFilled = true;
      return Promise.resolve();
    },
    log: () => {},
    clock,
  });
  return { kept, starts, clock, alive: () => starts.filter(({ ended }) => ended === 0).length };
}

Deno.test("names that die are started again after a pause, and filled", async () => {
  const { kept, starts, clock, alive } = counted();
  await using _ = kept;
  await kept.start();
  starts[0]?.fail(new Error("out of memory"));
  await clock.advance(0);
  assert.deepEqual([kept.current, kept.problem, starts[0]?.ended], [undefined, "out of memory", 1]);
  await clock.advance(200);
  assert.equal(kept.current, starts[1]);
  assert.deepEqual([kept.problem, starts[1]?.isFilled, alive()], [undefined, true, 1]);
});

Deno.test("the pauses grow while they fail in a row, and no start is left behind", async () => {
  const { kept, starts, clock, alive } = counted((start) => start > 1 && start < 9);
  await using _ = kept;
  await kept.start();
  starts[0]?.fail(new Error("out of memory"));
  await clock.advance(2_000);
  assert.ok(starts.length > 3 && starts.length < 7, `${starts.length} starts in 2 s`);
  assert.deepEqual([kept.problem, alive()], ["the helper is busy", 0]);
  await clock.advance(60_000);
  assert.deepEqual([kept.problem, starts.length, alive()], [undefined, 9, 1]);
});

Deno.test("a first start that fails is told, and isn't tried again", async () => {
  const { kept, starts, clock, alive } = counted(() => true);
  await assert.rejects(kept.start(), /the helper is busy/);
  await clock.advance(60_000);
  assert.deepEqual([starts.length, alive()], [1, 0]);
});

Deno.test("once ended, nothing is started again", async () => {
  const { kept, starts, clock, alive } = counted();
  await kept.start();
  starts[0]?.fail(new Error("out of memory"));
  await clock.advance(0);
  await kept[Symbol.asyncDispose]();
  await kept[Symbol.asyncDispose]();
  await clock.advance(60_000);
  assert.deepEqual([starts.length, alive(), clock.pending], [1, 0, 0]);
});
