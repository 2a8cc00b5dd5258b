import type { Uids } from "../ffi/proc/subuids.ts";
import { SystemCallError } from "../ffi/libc.ts";
import type { Netlink } from "../ffi/netlink/netlink.ts";
import { addRule, allRules, deleteRule, type Rule } from "../ffi/netlink/rule.ts";
import type { IpAddress } from "../net/address.ts";
import { isTableOfPmz } from "../wire/helper.ts";

const ENOENT = 2;

/** Before every VPN's rule, after the kernel's own (0). */
const PRIORITY = 10;

/** What a user's rules are made of. */
export interface RuleSelectors {
  readonly uids: readonly Uids[];
  readonly table: number;
  /** pmz's own addresses: one of each family that the device has. */
  readonly sources: readonly IpAddress[];
}

/**
 * The rules of one user, in order. Sockets of the user look into the user's table first. So does what has pmz's own address as source,
 * whoever sends it: the kernel itself sends the last ACK of a client that has closed, resets and ICMP as root, without a socket of
 * the user's. What the table has no route for is dropped then: pmz's address means nothing on the LAN.
 */
export function rulesFor({ uids, table, sources }: RuleSelectors): Rule[] {
  return sources.flatMap((from): Rule[] => {
    const rule = {
      family: from.family,
      priority: PRIORITY,
      table,
      local: true,
      uids: undefined,
      from: undefined,
    };
    return [
      ...uids.map((range): Rule => ({ ...rule, action: "lookup", uids: range })),
      { ...rule, action: "lookup", from },
      { ...rule, action: "unreachable", from },
    ];
  });
}

/** The rules by which the user's packets find the captured addresses. They outlive the process: see Janitor. */
export class UserRules implements Disposable {
  readonly #netlink: Netlink;
  readonly #rules: readonly Rule[];

  /**
   * Adds the rules, and deletes those that a killed helper of this user left or that lead to this table.
   * @throws {SystemCallError}
   */
  constructor(netlink: Netlink, selectors: RuleSelectors) {
    const { uids, table } = selectors;
    this.#netlink = netlink;
    this.#rules = rulesFor(selectors);
    const there = allRules(netlink).filter((rule) => isTableOfPmz(rule.table));
    const isOurs = (rule: Rule) => uids.some(({ first }) => first === rule.uids?.first);
    const tables = new Set([table, ...there.filter(isOurs).map((rule) => rule.table)]);
    for (const rule of there) if (tables.has(rule.table)) deleteIfThere(netlink, rule);
    try {
      for (const rule of this.#rules) addRule(netlink, rule);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const rule of this.#rules) {
      try {
        deleteRule(this.#netlink, rule);
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error; // gone already, or the janitor deletes it
      }
    }
  }
}

/** A janitor may have deleted it meanwhile. */
function deleteIfThere(netlink: Netlink, rule: Rule): void {
  try {
    deleteRule(netlink, rule);
  } catch (error) {
    if (!(error instanceof SystemCallError && error.errno === ENOENT)) throw error;
  }
}
