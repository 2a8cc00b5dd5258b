import assert from "node:assert/strict";
import { inNewNetns, isRoot } from "../ffi/testing/netns.ts";
import { cstring, SystemCallError } from "../ffi/libc.ts";
import { addRule, allRules, deleteRule } from "../ffi/netlink/rule.ts";
import { Netlink, type NetlinkRequest, NLM_F_CREATE, u32, withAttributes } from "../ffi/netlink/netlink.ts";
import { parseAddress } from "../net/address.ts";
import { type RulePlace, type RuleSelectors, UserRules } from "./rule.ts";

Deno.test("a rule that a janitor deletes meanwhile doesn't keep the next helper from starting", () => {
  const header = new Uint8Array(12);
  header.set([2, 0, 0, 0, 0, 0, 0, 1]);
  const left = withAttributes(header, [[3, cstring("lo")], [6, u32(10)], [15, u32(726_900)], [
    20,
    u32(1000, 1000),
  ]]);
  const asked: number[] = [];
  const netlink = {
    dump: (_what: string, _type: number, body: Uint8Array) =>
      body[0] === 2 && asked.length === 0 ? [left] : [],
    do(what: string, { type }: NetlinkRequest) {
      asked.push(type);
      if (type === 33) throw new SystemCallError(what, 2); // RTM_DELRULE, ENOENT: it's gone since
    },
  } as unknown as Netlink;
  const from = parseAddress("198.18.255.254");
  assert.ok(from);
  new UserRules(netlink, { uids: [{ first: 1000, last: 1000 }], table: 726_900, sources: [from] });
  assert.deepEqual(asked, [33, 32, 32, 32]);
});

Deno.test({
  name: "earlier rules of a table are deleted, also those of other helpers (needs root)",
  ignore: !isRoot,
}, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    const table = 726_900;
    const sources = ["198.18.255.254", "fd70:6d7a::fe"].map((text) => {
      const address = parseAddress(text);
      assert.ok(address);
      return address;
    });
    const seen = () =>
      allRules(netlink).filter((rule) => rule.table === table)
        .map(({ family, action, uids, from }) =>
          [family, action, ...from ? [from.text] : [], ...uids ? [uids.first] : []].join(" ")
        );
    const left = new UserRules(netlink, { uids: [{ first: 1001, last: 1001 }], table, sources });
    assert.equal(seen().length, 6);
    const uids = [{ first: 1002, last: 1002 }, { first: 100_000, last: 165_535 }];
    const mine = new UserRules(netlink, { uids, table, sources });
    assert.deepEqual(seen(), [
      "4 lookup 1002",
      "4 lookup 100000",
      "4 lookup 198.18.255.254 0",
      "4 unreachable 198.18.255.254",
      "6 lookup 1002",
      "6 lookup 100000",
      "6 lookup fd70:6d7a::fe 0",
      "6 unreachable fd70:6d7a::fe",
    ]);
    for (const rules of [mine, left]) rules[Symbol.dispose]();
    assert.deepEqual(seen(), []);
  });
});

const uids = [{ first: 1002, last: 1002 }];
const table = 726_901;
const own = parseAddress("198.18.255.253");
assert.ok(own);
const selectors: RuleSelectors = { uids, table, sources: [own] };

/** `ip rule add` without a priority, as wg-quick does: the kernel gives it the first one's, less one. */
function addBeforeAll(netlink: Netlink, table: number, family: 4 | 6 = 4): void {
  const header = new Uint8Array(12);
  header.set([family === 4 ? 2 : 10, 0, 0, 0, 0, 0, 0, 1]);
  netlink.do("adding a rule", {
    type: 32,
    flags: NLM_F_CREATE,
    body: withAttributes(header, [[15, u32(table)]]),
  });
}

/** A rule of someone else's. */
const lookup = (priority: number) => ({
  family: 4,
  priority,
  action: "lookup",
  table: 300,
  iif: undefined,
  uids: undefined,
  from: undefined,
} as const);

const deleteOf = (netlink: Netlink, table: number) =>
  allRules(netlink).filter((rule) => rule.table === table).forEach((rule) => deleteRule(netlink, rule));
const order = (netlink: Netlink, of: 4 | 6 = 4) =>
  allRules(netlink).filter(({ family, table }) => family === of && table > 255)
    .map(({ priority, table, action }) => `${priority} ${action} ${table}`);
/** A copy, whose type no assertion narrows. */
const placeOf = (rules: UserRules): RulePlace => ({ ...rules.place });
const ours = (priority: number) =>
  ["lookup", "lookup", "unreachable"].map((action) => `${priority} ${action} ${table}`);

for (const family of [4, 6] as const) {
  Deno.test({
    name:
      `a VPN's rules that come later leave the user's first, and its end brings them back: IPv${family} (needs root)`,
    ignore: !isRoot,
  }, () => {
    const own6 = parseAddress("fd70:6d7a::fd");
    assert.ok(own6);
    inNewNetns(() => {
      using netlink = new Netlink();
      using rules = new UserRules(netlink, { ...selectors, sources: [own, own6] });
      for (let times = 0; times < 5; times++) {
        assert.deepEqual(order(netlink, family), ours(10));
        assert.deepEqual(placeOf(rules), { isRight: true, isWhole: true, before: undefined });
        for (const vpn of [51_820, 51_821]) addBeforeAll(netlink, vpn, family);
        const { isRight, before } = placeOf(rules);
        assert.deepEqual([isRight, before?.table, before?.family], [false, 51_821, family]);
        rules.putFirst();
        assert.deepEqual(order(netlink, family), [...ours(7), "8 lookup 51821", "9 lookup 51820"]);
        assert.deepEqual(order(netlink, family === 4 ? 6 : 4), ours(10), "the other family's stay");
        assert.deepEqual(placeOf(rules), { isRight: true, isWhole: true, before: undefined });
        for (const vpn of [51_820, 51_821]) deleteOf(netlink, vpn);
        assert.equal(placeOf(rules).isRight, false);
        rules.putFirst();
      }
    });
  });
}

Deno.test(
  { name: "rules that are there already have the user's before them (needs root)", ignore: !isRoot },
  () => {
    inNewNetns(() => {
      using netlink = new Netlink();
      addRule(netlink, lookup(5));
      using _rules = new UserRules(netlink, selectors);
      assert.deepEqual(order(netlink), [...ours(4), "5 lookup 300"]);
    });
  },
);

Deno.test(
  { name: "where there is no room before another's rule, it is told (needs root)", ignore: !isRoot },
  () => {
    inNewNetns(() => {
      using netlink = new Netlink();
      addRule(netlink, lookup(1));
      using rules = new UserRules(netlink, selectors);
      assert.deepEqual(placeOf(rules).before?.table, 300);
      assert.equal(placeOf(rules).isRight, true);
    });
  },
);

Deno.test({
  name: "rules for what other devices forward, and those of pmz's other users, aren't before it (needs root)",
  ignore: !isRoot,
}, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    addRule(netlink, { ...lookup(1), iif: "docker0" });
    using _other = new UserRules(netlink, {
      ...selectors,
      table: table + 1,
      uids: [{ first: 1003, last: 1003 }],
    });
    using rules = new UserRules(netlink, selectors);
    assert.deepEqual(placeOf(rules), { isRight: true, isWhole: true, before: undefined });
  });
});

Deno.test({
  name: "rules that another program has deleted are added again, in order (needs root)",
  ignore: !isRoot,
}, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    using rules = new UserRules(netlink, selectors);
    for (let gone = 0; gone < 3; gone++) {
      const rule = allRules(netlink).filter((one) => one.table === table)[gone];
      assert.ok(rule);
      deleteRule(netlink, rule);
      assert.equal(placeOf(rules).isRight, false);
      rules.putFirst();
      assert.deepEqual(order(netlink), ours(10));
    }
    deleteOf(netlink, table);
    rules.putFirst();
    assert.deepEqual(order(netlink), ours(10));
  });
});

Deno.test(
  { name: "rules of uids that are let go are deleted, and not missed (needs root)", ignore: !isRoot },
  () => {
    inNewNetns(() => {
      using netlink = new Netlink();
      const range = { first: 100_000, last: 165_535 };
      using rules = new UserRules(netlink, { uids: [...uids, range], table, sources: [own] });
      assert.equal(order(netlink).length, 4);
      rules.narrow(uids);
      assert.deepEqual(order(netlink), ours(10));
      assert.equal(placeOf(rules).isRight, true);
      rules.putFirst();
      assert.deepEqual(order(netlink), ours(10));
    });
  },
);

Deno.test({
  name: "another user's rules stay, also where both have the same account inside (needs root)",
  ignore: !isRoot,
}, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    const root = { first: 0, last: 0 };
    const [jo, sam] = [{ first: 1_002, last: 1_002 }, { first: 1_003, last: 1_003 }];
    using _jo = new UserRules(netlink, { ...selectors, table: table + 1, uids: [jo, root] });
    const before = order(netlink);
    using _sam = new UserRules(netlink, { ...selectors, uids: [sam, root] });
    using _root = new UserRules(netlink, { ...selectors, table: table + 2, uids: [root] });
    assert.deepEqual(order(netlink).slice(0, before.length), before);
  });
});
