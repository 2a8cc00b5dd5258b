import assert from "node:assert/strict";
import { FakeClock } from "../async/testing/fake_clock.ts";
import type { Uids } from "../ffi/proc/subuids.ts";
import { AccountWatch } from "./account_watch.ts";

const user = { first: 1000, last: 1000 };
const ranges = [{ first: 100_000, last: 165_535 }, { first: 231_072, last: 296_607 }];

/** A machine that accounts come to. */
function watching(uids: readonly Uids[]) {
  const clock = new FakeClock();
  const accounts = new Set<number>();
  const narrowed: (readonly Uids[])[] = [];
  const watch = new AccountWatch({
    uids,
    hasAccount: ({ first, last }) => [...accounts].some((uid) => uid >= first && uid <= last),
    narrow: (left) => void narrowed.push(left),
    clock,
  });
  return { clock, accounts, narrowed, [Symbol.dispose]: () => watch[Symbol.dispose]() };
}

Deno.test("a range that gets somebody else's account is given up within ten seconds, for good", async () => {
  using at = watching([user, ...ranges]);
  await at.clock.advance(60_000);
  assert.deepEqual(at.narrowed, []);
  at.accounts.add(100_500);
  await at.clock.advance(10_000);
  assert.deepEqual(at.narrowed, [[user, ranges[1]]]);
  at.accounts.clear();
  await at.clock.advance(60_000);
  assert.equal(at.narrowed.length, 1);
});

Deno.test("where no range is left, nothing is looked at any more", async () => {
  using at = watching([user, ...ranges]);
  at.accounts.add(100_500).add(231_072);
  await at.clock.advance(10_000);
  assert.deepEqual(at.narrowed, [[user]]);
  assert.equal(at.clock.pending, 0);
  using alone = watching([user]);
  assert.equal(alone.clock.pending, 0);
});
