import { AF_INET, AF_INET6, cstring } from "../libc.ts";
import { attributesOf, type Netlink, NLM_F_CREATE, NLM_F_EXCL, u32, withAttributes } from "./netlink.ts";

const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
const RTM_GETRULE = 34;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_TABLE = 15;
const FRA_UID_RANGE = 20; // 4.10
const FR_ACT_TO_TBL = 1;
/** struct fib_rule_hdr. */
const HEADER = 12;

/** `ip rule`: connections of these users, made on this machine, look into this table. */
export interface UserRule {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly table: number;
  /** Both are included. */
  readonly uids: { readonly first: number; readonly last: number };
}

/** @throws {SystemCallError} EEXIST (17) when it's there already, EAFNOSUPPORT (97) without IPv6. */
export function addUserRule(netlink: Netlink, rule: UserRule): void {
  netlink.do("adding an ip rule", {
    type: RTM_NEWRULE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: bodyOf(rule),
  });
}

/** @throws {SystemCallError} ENOENT (2) when there's none. */
export function deleteUserRule(netlink: Netlink, rule: UserRule): void {
  netlink.do("deleting an ip rule", { type: RTM_DELRULE, body: bodyOf(rule) });
}

/** All rules of the shape of a UserRule. @throws {SystemCallError} */
export function userRules(netlink: Netlink): UserRule[] {
  return [AF_INET, AF_INET6].flatMap((family) => {
    const body = new Uint8Array(HEADER);
    body[0] = family;
    return netlink.dump("reading the ip rules", RTM_GETRULE, body).flatMap(ruleOf);
  });
}

function bodyOf({ family, priority, table, uids }: UserRule): Uint8Array<ArrayBuffer> {
  const fixed = new Uint8Array(HEADER);
  fixed[0] = family === 4 ? AF_INET : AF_INET6;
  fixed[7] = FR_ACT_TO_TBL;
  return withAttributes(fixed, [
    [FRA_PRIORITY, u32(priority)],
    [FRA_TABLE, u32(table)],
    [FRA_IIFNAME, cstring("lo")],
    [FRA_UID_RANGE, u32(uids.first, uids.last)],
  ]);
}

function ruleOf(body: Uint8Array<ArrayBuffer>): UserRule[] {
  const attributes = attributesOf(body, HEADER);
  const word = (type: number, at = 0) => {
    const value = attributes.get(type);
    return value && value.length >= at + 4
      ? new DataView(value.buffer, value.byteOffset).getUint32(at, true)
      : 0;
  };
  if (body[7] !== FR_ACT_TO_TBL || !attributes.has(FRA_UID_RANGE) || !attributes.has(FRA_IIFNAME)) return [];
  return [{
    family: body[0] === AF_INET ? 4 : 6,
    priority: word(FRA_PRIORITY),
    table: word(FRA_TABLE),
    uids: { first: word(FRA_UID_RANGE), last: word(FRA_UID_RANGE, 4) },
  }];
}
