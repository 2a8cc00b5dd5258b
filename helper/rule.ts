import { SystemCallError } from "../ffi/libc.ts";
import type { Netlink } from "../ffi/netlink/netlink.ts";
import { addUserRule, deleteUserRule, type UserRule, userRules } from "../ffi/netlink/rule.ts";
import { isTableOfPmz } from "../wire/helper.ts";
import type { Uids } from "../ffi/proc/subuids.ts";

const ENOENT = 2;

/** Rules by which connections of one user look into the user's table first. They outlive the process: see Janitor. */
export class UserRules implements Disposable {
  /** Before every VPN's rule, after the kernel's own (0). */
  static readonly PRIORITY = 10;

  readonly #netlink: Netlink;
  readonly all: readonly UserRule[];

  /**
   * Adds the rules, and deletes those that a killed helper of this user left or that lead to this table.
   * @throws {SystemCallError}
   */
  constructor(netlink: Netlink, uids: readonly Uids[], table: number, families: readonly (4 | 6)[]) {
    this.#netlink = netlink;
    this.all = families.flatMap((family) =>
      uids.map((range) => ({ family, priority: UserRules.PRIORITY, table, uids: range }))
    );
    for (const rule of userRules(netlink)) {
      const isOurs = isTableOfPmz(rule.table) && uids.some(({ first }) => first === rule.uids.first);
      if (rule.table === table || isOurs) deleteIfThere(netlink, rule);
    }
    try {
      for (const rule of this.all) addUserRule(netlink, rule);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const rule of this.all) {
      try {
        deleteUserRule(this.#netlink, rule);
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error; // gone already, or the janitor deletes it
      }
    }
  }
}

/** A janitor may have deleted it meanwhile. */
function deleteIfThere(netlink: Netlink, rule: UserRule): void {
  try {
    deleteUserRule(netlink, rule);
  } catch (error) {
    if (!(error instanceof SystemCallError && error.errno === ENOENT)) throw error;
  }
}
