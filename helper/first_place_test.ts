import assert from "node:assert/strict";
import type { Rule } from "../ffi/netlink/rule.ts";
import { FirstPlace } from "./first_place.ts";
import type { RulePlace } from "./rule.ts";

const vpn: Rule = {
  family: 4,
  priority: 9,
  action: "lookup",
  table: 51_820,
  iif: undefined,
  uids: undefined,
  from: undefined,
};

/** Rules that another program can get before. */
function contest() {
  const state = { place: { isRight: true, isWhole: true, before: undefined } as RulePlace, moves: 0, now: 0 };
  const rules = {
    get place() {
      return state.place;
    },
    putFirst() {
      state.moves++;
      state.place = { isRight: true, isWhole: true, before: undefined };
    },
  };
  return { state, first: new FirstPlace(rules, () => state.now) };
}

Deno.test("what stands before the user's rules is passed, and told to nobody then", () => {
  const { state, first } = contest();
  assert.equal(first.take(), undefined);
  state.place = { isRight: false, isWhole: true, before: vpn };
  assert.equal(first.take(), undefined);
  assert.equal(state.moves, 1);
});

Deno.test("after ten moves in a minute another program has its way for a minute, and that is told", () => {
  const { state, first } = contest();
  for (let i = 0; i < 100; i++) {
    state.place = { isRight: false, isWhole: true, before: vpn };
    assert.deepEqual(first.take(), i < 10 ? undefined : { rule: vpn, contested: true });
  }
  assert.equal(state.moves, 10);
  state.now = 59_000;
  assert.deepEqual(first.take(), { rule: vpn, contested: true });
});

Deno.test("where there is no room before a rule, it is told, and nothing is moved", () => {
  const { state, first } = contest();
  state.place = { isRight: true, isWhole: true, before: vpn };
  assert.deepEqual(first.take(), { rule: vpn, contested: false });
  assert.equal(state.moves, 0);
});

Deno.test("rules that are deleted are put back and counted, and after ten times that is a problem", () => {
  const { state, first } = contest();
  for (let i = 0; i < 10; i++) {
    state.place = { isRight: false, isWhole: false, before: undefined };
    assert.equal(first.take(), undefined);
  }
  assert.deepEqual([first.damage?.repaired, first.damage?.problem], [10, undefined]);
  state.place = { isRight: false, isWhole: false, before: undefined };
  assert.equal(first.take(), undefined);
  assert.match(first.damage?.problem ?? "", /again and again/);
  first.takeAnew();
  assert.deepEqual([first.damage?.repaired, first.damage?.problem], [11, undefined]);
});
