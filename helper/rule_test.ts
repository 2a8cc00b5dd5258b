import assert from "node:assert/strict";
import { cstring, SystemCallError } from "../ffi/libc.ts";
import { type Netlink, type NetlinkRequest, u32, withAttributes } from "../ffi/netlink/netlink.ts";
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
  new UserRules(netlink, [{ first: 1000, last: 1000 }], 726_900, [4]);
  assert.deepEqual(asked, [33, 32]);
});
