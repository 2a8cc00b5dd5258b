import type { Uids } from "../ffi/proc/subuids.ts";
import { SystemCallError } from "../ffi/libc.ts";
import type { Netlink } from "../ffi/netlink/netlink.ts";
import { addRule, allRules, deleteRule, firstUserOf, type Rule } from "../ffi/netlink/rule.ts";
import type { IpAddress } from "../net/address.ts";
import { isTableOfPmz } from "../wire/helper.ts";

const ENOENT = 2;
const LOCAL_TABLE = 255;

/** Before every VPN's rule that is there, after the kernel's own (0); lower where another's is lower. */
const PRIORITY = 10;
/** Who sends what the kernel sends itself. */
const KERNEL: Uids = { first: 0, last: 0 };

/** What a user's rules are made of. */
export interface RuleSelectors {
  /** The user first, then the user's subordinate uids, and the accounts that are inside as well. */
  readonly uids: readonly Uids[];
  readonly table: number;
  /** pmz's own addresses: one of each family that the device has. */
  readonly sources: readonly IpAddress[];
}

/**
 * The rules of one user, in order. Sockets of the user look into the user's table first. So does what has pmz's own address as source
 * and is the kernel's: it sends the last ACK of a client that has closed, resets and ICMP as root, without a socket of the user's. For
 * others, however they came by that source, it leads nowhere, as does what the table has no route for: it means nothing on the LAN.
 */
export function rulesFor({ uids, table, sources }: RuleSelectors): Rule[] {
  return sources.flatMap((from): Rule[] => {
    const rule = {
      family: from.family,
      priority: PRIORITY,
      table,
      iif: "lo",
      uids: undefined,
      from: undefined,
    };
    return [
      ...uids.map((range): Rule => ({ ...rule, action: "lookup", uids: range })),
      { ...rule, action: "lookup", from, uids: KERNEL },
      { ...rule, action: "unreachable", from },
    ];
  });
}

/** Where a user's rules stand among those of the machine. */
export interface RulePlace {
  /** Whether all are there, before those of others as far as there is room. */
  readonly isRight: boolean;
  /** Whether all are there, wherever. */
  readonly isWhole: boolean;
  /** Another's rule that stands before them. */
  readonly before: Rule | undefined;
}

/** The rules by which the user's packets find the captured addresses. They outlive the process: see Janitor. */
export class UserRules implements Disposable {
  readonly #netlink: Netlink;
  #rules: readonly Rule[];

  /**
   * Adds the rules before all others, and deletes those that a killed helper of this user left or that lead to this table.
   * @throws {SystemCallError}
   */
  constructor(netlink: Netlink, selectors: RuleSelectors) {
    const { uids, table } = selectors;
    this.#netlink = netlink;
    this.#rules = rulesFor(selectors);
    const there = allRules(netlink).filter((rule) => isTableOfPmz(rule.table));
    const isOurs = (rule: Rule) => rule.table === table || firstUserOf(rule.table, there) === uids[0]?.first;
    for (const rule of there) if (isOurs(rule)) deleteIfThere(netlink, rule);
    try {
      this.putFirst();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** @throws {SystemCallError} */
  get place(): RulePlace {
    const plans = this.#plans();
    return {
      isRight: plans.every(({ add, remove }) => add.length === 0 && remove.length === 0),
      isWhole: plans.every(({ isWhole }) => isWhole),
      before: plans.find(({ before }) => before)?.before,
    };
  }

  /**
   * Puts the rules where they belong, if they aren't there: those of a VPN that came later stand before them, since the kernel gives a
   * rule without a priority one less than the first has; and some programs delete rules that aren't theirs.
   * @throws {SystemCallError}
   */
  putFirst(): void {
    for (const { add, remove, again } of this.#plans()) {
      for (const rule of again) deleteIfThere(this.#netlink, rule);
      // No packet may miss them meanwhile, so the new ones come before the old ones go.
      for (const rule of add) addRule(this.#netlink, rule);
      for (const rule of remove) deleteIfThere(this.#netlink, rule);
    }
  }

  /** Deletes the rules of uids that are not among these. @throws {SystemCallError} */
  narrow(uids: readonly Uids[]): void {
    const isLeft = ({ from, uids: range }: Rule) =>
      from !== undefined || !range ||
      uids.some(({ first, last }) => first === range.first && last === range.last);
    const gone = this.#rules.filter((rule) => !isLeft(rule));
    this.#rules = this.#rules.filter(isLeft);
    for (const rule of allRules(this.#netlink)) {
      const isGone = gone.some((one) =>
        one.family === rule.family && one.table === rule.table && isSame(one, rule)
      );
      if (isGone) deleteIfThere(this.#netlink, rule);
    }
  }

  #plans(): Plan[] {
    const all = allRules(this.#netlink);
    return ([4, 6] as const).map((family) => {
      const isOfFamily = (rule: Rule) => rule.family === family;
      return planOf(this.#rules.filter(isOfFamily), all.filter(isOfFamily));
    });
  }

  [Symbol.dispose](): void {
    const tables = new Set(this.#rules.map(({ table }) => table));
    for (const rule of allRules(this.#netlink)) {
      if (!tables.has(rule.table)) continue;
      try {
        deleteRule(this.#netlink, rule);
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error; // gone already, or the janitor deletes it
      }
    }
  }
}

/** What is to be done with the rules of one family. */
interface Plan {
  /** Whether none is missing, whatever the priorities are. */
  readonly isWhole: boolean;
  readonly add: readonly Rule[];
  /** Of those that are added, what is there already behind a missing one: the order counts. */
  readonly again: readonly Rule[];
  readonly remove: readonly Rule[];
  readonly before: Rule | undefined;
}

function planOf(rules: readonly Rule[], all: readonly Rule[]): Plan {
  const [one] = rules;
  if (!one) return { isWhole: true, add: [], again: [], remove: [], before: undefined };
  const first = all.find(isOthers);
  const priority = first ? Math.max(1, Math.min(PRIORITY, first.priority - 1)) : PRIORITY;
  const ours = all.filter(({ table }) => table === one.table);
  const isThere = (rule: Rule) => ours.some((other) => other.priority === priority && isSame(rule, other));
  const missing = rules.findIndex((rule) => !isThere(rule));
  const add = missing < 0 ? [] : rules.slice(missing).map((rule) => ({ ...rule, priority }));
  const last = all.findLastIndex(({ table }) => table === one.table);
  return {
    isWhole: rules.every((rule) => ours.some((other) => isSame(rule, other))),
    add,
    again: add.filter(isThere),
    remove: ours.filter((rule) => rule.priority !== priority),
    before: first && all.indexOf(first) < last ? first : undefined,
  };
}

/** Whether a rule is neither pmz's nor the kernel's first, and selects packets that this machine sends. */
function isOthers({ priority, action, table, iif }: Rule): boolean {
  const isKernels = priority === 0 && action === "lookup" && table === LOCAL_TABLE;
  return !isTableOfPmz(table) && !isKernels && (iif === undefined || iif === "lo");
}

function isSame(one: Rule, other: Rule): boolean {
  return one.action === other.action && one.iif === other.iif && one.from?.text === other.from?.text &&
    one.uids?.first === other.uids?.first && one.uids?.last === other.uids?.last;
}

/** A janitor may have deleted it meanwhile. */
function deleteIfThere(netlink: Netlink, rule: Rule): void {
  try {
    deleteRule(netlink, rule);
  } catch (error) {
    if (!(error instanceof SystemCallError && error.errno === ENOENT)) throw error;
  }
}
