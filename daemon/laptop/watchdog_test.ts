import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { Watchdog } from "./watchdog.ts";

/** Something that answers at once, or never. */
function watched() {
  const clock = new FakeClock();
  const state = { isDeaf: false, hung: 0, asked: 0 };
  const watchdog = new Watchdog({
    ask: () => {
      state.asked++;
      return state.isDeaf ? new Promise(() => {}) : Promise.resolve();
    },
    hangs: () => void state.hung++,
    clock,
  });
  return { clock, state, [Symbol.dispose]: () => watchdog[Symbol.dispose]() };
}

Deno.test("what answers is asked once a second, and never said to hang", async () => {
  using at = watched();
  await at.clock.advance(60_000);
  assert.deepEqual([at.state.asked, at.state.hung], [60, 0]);
});

Deno.test("what falls silent is said to hang within six seconds, once", async () => {
  using at = watched();
  await at.clock.advance(10_000);
  at.state.isDeaf = true;
  await at.clock.advance(4_900);
  assert.equal(at.state.hung, 0);
  await at.clock.advance(1_200);
  assert.equal(at.state.hung, 1);
  await at.clock.advance(60_000);
  assert.equal(at.state.hung, 1);
  assert.equal(at.clock.pending, 0);
});

Deno.test("an answer that comes late, but within five seconds, is enough", async () => {
  const clock = new FakeClock();
  let hung = 0;
  const ask = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.after(4_500, resolve);
    await promise;
  };
  using _watchdog = new Watchdog({ ask, hangs: () => void hung++, clock });
  await clock.advance(60_000);
  assert.equal(hung, 0);
});

Deno.test("a watchdog that was disposed of says nothing more", async () => {
  const at = watched();
  at.state.isDeaf = true;
  await at.clock.advance(3_000);
  at[Symbol.dispose]();
  await at.clock.advance(60_000);
  assert.deepEqual([at.state.hung, at.clock.pending], [0, 0]);
});
