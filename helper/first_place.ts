import { TokenBucket } from "../async/token_bucket.ts";
import type { Rule } from "../ffi/netlink/rule.ts";
import type { UserRules } from "./rule.ts";

/** Moves within a minute; then pmz lets another program that wants the first place have it. */
const MOVES = 10;
const MINUTE_MS = 60_000;

/** A rule that comes before pmz's: captured connections may go its way. */
export interface Precedence {
  readonly rule: Rule;
  /** Whether another program puts it there again and again, so that pmz has given up for a minute; else there is no room before it. */
  readonly contested: boolean;
}

/** Keeps the user's rules before those of others, without a fight. */
export class FirstPlace {
  readonly #rules: Pick<UserRules, "place" | "putFirst">;
  readonly #now: () => number;
  readonly #moves = new TokenBucket(MOVES, MOVES * 1_000 / MINUTE_MS);
  #resting = -Infinity;

  constructor(rules: Pick<UserRules, "place" | "putFirst">, now = () => performance.now()) {
    this.#rules = rules;
    this.#now = now;
  }

  /** Puts the rules first again, if they aren't. @returns what comes before them all the same @throws {SystemCallError} */
  take(): Precedence | undefined {
    const { isRight, before } = this.#rules.place;
    if (!isRight && this.#mayMove()) {
      this.#rules.putFirst();
      return precedence(this.#rules.place.before, false);
    }
    return precedence(before, !isRight);
  }

  #mayMove(): boolean {
    if (this.#now() < this.#resting) return false;
    if (this.#moves.take()) return true;
    this.#resting = this.#now() + MINUTE_MS;
    return false;
  }
}

function precedence(rule: Rule | undefined, contested: boolean): Precedence | undefined {
  return rule && { rule, contested };
}
