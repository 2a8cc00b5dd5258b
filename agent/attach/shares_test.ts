import assert from "node:assert/strict";
import fc from "fast-check";
import { fairChoice, fairShares } from "./shares.ts";

const tenants = fc.dictionary(fc.string({ maxLength: 3 }), fc.nat(50), { maxKeys: 8 });

Deno.test("a tenant that wants everything leaves the others their shares", () => {
  const wanted = new Map([["greedy", 1_000], ["small", 3], ["large", 400]]);
  assert.deepEqual(Object.fromEntries(fairShares(wanted, 500)), { greedy: 249, small: 3, large: 248 });
  assert.deepEqual(Object.fromEntries(fairShares(new Map([["alone", 900]]), 500)), { alone: 500 });
});

Deno.test("shares are never more than what is wanted or there, leave nothing over that is wanted, and are equal otherwise", () => {
  fc.assert(fc.property(tenants, fc.nat(200), (named, capacity) => {
    const wanted = new Map(Object.entries(named));
    const shares = fairShares(wanted, capacity);
    const all = [...shares.values()].reduce((sum, share) => sum + share, 0);
    const wantedAll = [...wanted.values()].reduce((sum, wants) => sum + wants, 0);
    assert.equal(all, Math.min(capacity, wantedAll));
    const most = Math.max(0, ...shares.values());
    for (const [tenant, wants] of wanted) {
      const share = shares.get(tenant) ?? assert.fail();
      assert.ok(share <= wants);
      if (share < wants) assert.ok(share >= most - 1, `${tenant} has ${share} while another has ${most}`);
    }
  }));
});

Deno.test("a choice gives each tenant the next one that it wants, in turns, and what is shared costs nothing", () => {
  const choice = fairChoice([["a", "b", "c", "d"], ["x"], ["a", "y", "z"]], 5);
  assert.deepEqual([...choice], ["a", "x", "y", "b", "z"]);
});

Deno.test("each tenant's first choices are chosen up to an equal share", () => {
  const wanted = fc.array(fc.uniqueArray(fc.nat(100), { maxLength: 30 }), { maxLength: 6 });
  fc.assert(fc.property(wanted, fc.nat(60), (wanted, capacity) => {
    const choice = fairChoice(wanted, capacity);
    assert.equal(choice.size, Math.min(capacity, new Set(wanted.flat()).size));
    const share = wanted.length === 0 ? 0 : Math.floor(capacity / wanted.length);
    for (const items of wanted) assert.ok(items.slice(0, share).every((item) => choice.has(item)));
  }));
});
