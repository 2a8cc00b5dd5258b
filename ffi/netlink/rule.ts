import type { IpAddress } from "../../net/address.ts";
import { AF_INET, AF_INET6, cstring } from "../libc.ts";
import { attributesOf, type Netlink, NLM_F_CREATE, NLM_F_EXCL, u32, withAttributes } from "./netlink.ts";
import { wireAddress, wireBytes } from "./route.ts";

const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
const RTM_GETRULE = 34;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_TABLE = 15;
const FRA_UID_RANGE = 20; // 4.10
const FR_ACT_TO_TBL = 1;
const FR_ACT_UNREACHABLE = 7;
/** struct fib_rule_hdr. */
const HEADER = 12;

/** What a rule does with the packets that it selects. */
export type RuleAction = "lookup" | "unreachable" | "other";

/** A rule of the routing policy (`man 8 ip-rule`): which packets look into which table. Lower priorities come first. */
export interface Rule {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly action: RuleAction;
  /** Of "lookup": the table. Of others it is a mark without effect. 0: none. */
  readonly table: number;
  /** The device that the packets come by; "lo": those that this machine itself sends. Undefined: any. */
  readonly iif: string | undefined;
  /** Users whose sockets send; both are included. What the kernel sends without a socket is root's. */
  readonly uids: { readonly first: number; readonly last: number } | undefined;
  /** The source of the packets: a single address. */
  readonly from: IpAddress | undefined;
}

/** @throws {SystemCallError} EEXIST (17) when it's there already, EAFNOSUPPORT (97) without IPv6. */
export function addRule(netlink: Netlink, rule: Rule): void {
  netlink.do("adding an ip rule", {
    type: RTM_NEWRULE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: bodyOf(rule),
  });
}

/** @throws {SystemCallError} ENOENT (2) when there's none. */
export function deleteRule(netlink: Netlink, rule: Rule): void {
  netlink.do("deleting an ip rule", { type: RTM_DELRULE, body: bodyOf(rule) });
}

/** All rules, in the order in which the kernel follows them. @throws {SystemCallError} */
export function allRules(netlink: Netlink): Rule[] {
  return [AF_INET, AF_INET6].flatMap((family) => {
    const body = new Uint8Array(HEADER);
    body[0] = family;
    return netlink.dump("reading the ip rules", RTM_GETRULE, body).map(ruleOf);
  });
}

/**
 * The uid whose sockets look into a table before those of others do; undefined where no rule is for a user's sockets.
 * @param rules in the kernel's order
 */
export function firstUserOf(table: number, rules: readonly Rule[]): number | undefined {
  return rules.find((rule) => rule.table === table && rule.uids && !rule.from)?.uids?.first;
}

function bodyOf({ family, priority, action, table, iif, uids, from }: Rule): Uint8Array<ArrayBuffer> {
  if (action === "other") throw new TypeError("only rules that pmz makes itself can be written");
  const fixed = new Uint8Array(HEADER);
  fixed[0] = family === 4 ? AF_INET : AF_INET6;
  if (from) fixed[2] = family === 4 ? 32 : 128;
  fixed[7] = action === "lookup" ? FR_ACT_TO_TBL : FR_ACT_UNREACHABLE;
  return withAttributes(fixed, [
    [FRA_PRIORITY, u32(priority)],
    [FRA_TABLE, u32(table)],
    ...iif === undefined ? [] : [[FRA_IIFNAME, cstring(iif)] as const],
    ...uids ? [[FRA_UID_RANGE, u32(uids.first, uids.last)] as const] : [],
    ...from ? [[FRA_SRC, wireBytes(from)] as const] : [],
  ]);
}

function ruleOf(body: Uint8Array<ArrayBuffer>): Rule {
  const attributes = attributesOf(body, HEADER);
  const word = (type: number, at = 0) => {
    const value = attributes.get(type);
    return value && value.length >= at + 4
      ? new DataView(value.buffer, value.byteOffset).getUint32(at, true)
      : 0;
  };
  const family = body[0] === AF_INET ? 4 : 6;
  const source = attributes.get(FRA_SRC);
  const device = attributes.get(FRA_IIFNAME);
  return {
    family,
    priority: word(FRA_PRIORITY),
    action: actions.get(body[7] ?? 0) ?? "other",
    table: word(FRA_TABLE),
    iif: device && new TextDecoder().decode(device).replace(/\0.*$/s, ""),
    uids: attributes.has(FRA_UID_RANGE)
      ? { first: word(FRA_UID_RANGE), last: word(FRA_UID_RANGE, 4) }
      : undefined,
    from: source && body[2] === 8 * source.length ? wireAddress(source, family) : undefined,
  };
}

const actions = new Map<number, RuleAction>([[FR_ACT_TO_TBL, "lookup"], [FR_ACT_UNREACHABLE, "unreachable"]]);
