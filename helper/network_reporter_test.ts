import assert from "node:assert/strict";
import type { NetworkDamage, NetworkNews, RulePrecedence } from "../wire/helper.ts";
import { NetworkReporter } from "./network_reporter.ts";

const vpn: RulePrecedence = { family: 4, priority: 9, table: 51_820, contested: true };

function reporting() {
  const state = { released: undefined as { address: string; why: string }[] | undefined };
  const watch = {
    precedence: undefined as RulePrecedence | undefined,
    damage: [] as readonly NetworkDamage[],
  };
  const sent: NetworkNews["network"][] = [];
  const daemon = { room: Infinity };
  const reporter = new NetworkReporter(
    { review: () => state.released },
    watch,
    ({ network }) => {
      if (sent.length >= daemon.room) throw new Error("the daemon doesn't read");
      sent.push(network);
    },
  );
  return { state, watch, sent, daemon, reporter };
}

Deno.test("a change of the networks is told, also when nothing was released: refused addresses may be free now", () => {
  const { state, sent, reporter } = reporting();
  reporter.changed();
  assert.deepEqual(sent, []);
  state.released = [];
  reporter.changed();
  assert.deepEqual(sent, [{ released: [] }]);
});

Deno.test("many released addresses go in several messages", () => {
  const { state, sent, reporter } = reporting();
  state.released = Array.from({ length: 2_500 }, (_, i) => ({ address: `10.96.0.${i}`, why: "LAN" }));
  reporter.changed();
  assert.deepEqual(sent.map(({ released }) => released.length), [1_000, 1_000, 500]);
});

Deno.test("what can't be told, since the daemon doesn't read, is told later", () => {
  const { state, sent, daemon, reporter } = reporting();
  const all = Array.from({ length: 2_500 }, (_, i) => ({ address: `10.96.0.${i}`, why: "LAN" }));
  state.released = all;
  daemon.room = 1;
  assert.throws(() => reporter.changed());
  state.released = undefined; // the networks are the same when it is tried again
  daemon.room = 2;
  assert.throws(() => reporter.changed());
  daemon.room = Infinity;
  reporter.ownNetwork();
  reporter.ownNetwork();
  assert.deepEqual(sent.flatMap(({ released }) => released), all);
});

Deno.test("a rule that comes before pmz's is told once, and so is its end", () => {
  const { watch, sent, reporter } = reporting();
  for (const precedence of [vpn, undefined]) {
    watch.precedence = precedence;
    for (let i = 0; i < 3; i++) reporter.ownNetwork();
    reporter.changed();
  }
  assert.deepEqual(sent, [{ released: [], precedence: vpn }, { released: [] }]);
});

Deno.test("what others have changed is told whenever it is more, or put right", () => {
  const { watch, sent, reporter } = reporting();
  const broken: NetworkDamage = { part: "routes", repaired: 10, last: 1, problem: "again and again" };
  const { problem: _, ...right } = broken;
  for (const damage of [[], [broken], [right]]) {
    watch.damage = damage;
    for (let i = 0; i < 3; i++) reporter.ownNetwork();
  }
  assert.deepEqual(sent, [{ released: [], damage: [broken] }, { released: [], damage: [right] }]);
});
