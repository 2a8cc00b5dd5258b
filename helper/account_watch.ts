import { type Clock, systemClock } from "../async/clock.ts";
import type { Uids } from "../ffi/proc/subuids.ts";

/** Between two looks, in milliseconds: a directory tells nobody that one of its accounts comes to this machine. */
const LOOK_MS = 10_000;

export interface AccountWatchParts {
  /** The user, and the user's subordinate uids, as they are captured. */
  readonly uids: readonly Uids[];
  /** Whether somebody else has an account in a range. */
  readonly hasAccount: (range: Uids) => boolean;
  /** Called with what is left of the user's uids. */
  readonly narrow: (uids: readonly Uids[]) => void;
  readonly clock?: Clock;
}

/**
 * Gives up subordinate uids in which somebody else has come to have an account since the helper's start: a colleague of a directory
 * (LDAP, AD) who logs in. They are never taken again.
 */
export class AccountWatch implements Disposable {
  readonly #parts: Required<AccountWatchParts>;
  #uids: readonly Uids[];
  #timer: Disposable | undefined;

  constructor(parts: AccountWatchParts) {
    this.#parts = { clock: systemClock, ...parts };
    this.#uids = parts.uids;
    this.#again();
  }

  /** The first range is the user. Without others there is nothing to give up. */
  #again(): void {
    if (this.#uids.length > 1) this.#timer = this.#parts.clock.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const [user, ...ranges] = this.#uids;
    const left = ranges.filter((range) => !this.#parts.hasAccount(range));
    if (user && left.length < ranges.length) {
      this.#uids = [user, ...left];
      this.#parts.narrow(this.#uids);
    }
    this.#again();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }
}
