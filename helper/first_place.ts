import type { Rule } from "../ffi/netlink/rule.ts";
import type { NetworkDamage } from "../wire/helper.ts";
import { CONTESTED, DamageRecord } from "./damage_record.ts";
import type { UserRules } from "./rule.ts";

/** A rule that comes before pmz's: captured connections may go its way. */
export interface Precedence {
  readonly rule: Rule;
  /** Whether another program puts it there again and again, so that pmz has given up for a minute; else there is no room before it. */
  readonly contested: boolean;
}

/** Keeps the user's rules there, and before those of others, without a fight. */
export class FirstPlace {
  readonly #rules: Pick<UserRules, "place" | "putFirst">;
  readonly #record: DamageRecord;

  constructor(rules: Pick<UserRules, "place" | "putFirst">, now?: () => number) {
    this.#rules = rules;
    this.#record = new DamageRecord("rules", now);
  }

  /** What others have done to the rules, apart from the order; undefined while nothing. */
  get damage(): NetworkDamage | undefined {
    return this.#record.damage;
  }

  /** Puts the rules first again, if they aren't. @returns what comes before them all the same @throws {SystemCallError} */
  take(): Precedence | undefined {
    const { isRight, isWhole, before } = this.#rules.place;
    if (!isRight && this.#record.limit.mayRepair()) {
      this.#rules.putFirst();
      if (!isWhole) this.#record.repaired();
      return precedence(this.#rules.place.before, false);
    }
    if (isWhole) this.#record.isRight();
    else this.#record.failed(CONTESTED);
    return precedence(before, !isRight);
  }

  /** As `take`, however often the rules were moved before. @throws {SystemCallError} */
  takeAnew(): Precedence | undefined {
    this.#record.limit.reset();
    return this.take();
  }
}

function precedence(rule: Rule | undefined, contested: boolean): Precedence | undefined {
  return rule && { rule, contested };
}
