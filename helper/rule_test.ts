import assert from "node:assert/strict";
import { inNewNetns, isRoot } from "../ffi/testing/netns.ts";
import { cstring, SystemCallError } from "../ffi/libc.ts";
import { allRules } from "../ffi/netlink/rule.ts";
import { Netlink, type NetlinkRequest, u32, withAttributes } from "../ffi/netlink/netlink.ts";
import { parseAddress } from "../net/address.ts";
import { UserRules } from "./rule.ts";

Deno.test("a rule that a janitor deletes meanwhile doesn't keep the next helper from starting", () => {
  const header = new Uint8Array(12);
  header.set([2, 0, 0, 0, 0, 0, 0, 1]);
  const left = withAttributes(header, [[3, cstring("lo")], [6, u32(10)], [15, u32(726_900)], [
    20,
    u32(1000, 1000),
  ]]);
  const asked: number[] = [];
  const netlink = {
    dump: (_what: string, _type: number, body: Uint8Array) => body[0] === 2 ? [left] : [],
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
        .map(({ family, action, uids, from }) => `${family} ${action} ${uids?.first ?? from?.text}`);
    const left = new UserRules(netlink, { uids: [{ first: 1001, last: 1001 }], table, sources });
    assert.equal(seen().length, 6);
    const uids = [{ first: 1002, last: 1002 }, { first: 100_000, last: 165_535 }];
    const mine = new UserRules(netlink, { uids, table, sources });
    assert.deepEqual(seen(), [
      "4 lookup 1002",
      "4 lookup 100000",
      "4 lookup 198.18.255.254",
      "4 unreachable 198.18.255.254",
      "6 lookup 1002",
      "6 lookup 100000",
      "6 lookup fd70:6d7a::fe",
      "6 unreachable fd70:6d7a::fe",
    ]);
    for (const rules of [mine, left]) rules[Symbol.dispose]();
    assert.deepEqual(seen(), []);
  });
});
