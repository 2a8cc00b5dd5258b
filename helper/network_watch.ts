import { sleep } from "../async/sleep.ts";
import { NetworkMonitor } from "../ffi/netlink/monitor.ts";
import { FIRST_TABLE, type RulePrecedence, SLOTS } from "../wire/helper.ts";
import type { Log } from "../wire/log.ts";
import { FirstPlace } from "./first_place.ts";
import type { UserRules } from "./rule.ts";

/** Changes within this count as one, in milliseconds: a VPN that starts makes dozens. */
const SETTLE_MS = 30;
/** After a look at all networks, in milliseconds: with the time above, the rules are first again within 100 ms all the same. */
const PAUSE_MS = 50;
/** A contested first place is tried again after this, in milliseconds: the other program may have ended. */
const RETRY_MS = 65_000;
/** Tries of the listener, which reads tables that may be changing. */
const TRIES = 5;

/**
 * Follows the machine's network (links, addresses, routes, rules) for as long as the helper lives, and keeps the user's rules first.
 */
export class NetworkWatch implements AsyncDisposable {
  readonly #monitor: NetworkMonitor;
  readonly #first: FirstPlace;
  readonly #log: Log;
  readonly #following: Promise<void>;
  #listener: (() => void) | undefined;
  #retrying: ReturnType<typeof setTimeout> | undefined;
  #precedence: RulePrecedence | undefined;

  /** @throws {SystemCallError} */
  constructor(rules: Pick<UserRules, "place" | "putFirst">, log: Log) {
    this.#monitor = new NetworkMonitor({ without: { first: FIRST_TABLE, count: SLOTS } });
    this.#first = new FirstPlace(rules);
    this.#log = log;
    this.#takeFirst(); // what has changed before the monitor was there
    this.#following = this.#follow();
  }

  /** Another's rule that comes before the user's. */
  get precedence(): RulePrecedence | undefined {
    return this.#precedence;
  }

  /**
   * Calls `listener`, the only one, after changes; the rules are where they belong then, as far as that's possible. Where it throws, it
   * is called again.
   */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  async #follow(): Promise<void> {
    while (await this.#monitor.changed()) {
      this.#takeFirst();
      await sleep(SETTLE_MS);
      this.#takeFirst();
      await this.#tell();
      await sleep(PAUSE_MS);
    }
  }

  async #tell(): Promise<void> {
    for (let tries = 1; tries <= TRIES; tries++) {
      try {
        return this.#listener?.();
      } catch (error) {
        this.#log("warn", "a change of the machine's network can't be told", { error: String(error), tries });
        await sleep(tries * SETTLE_MS);
      }
    }
  }

  #takeFirst(): void {
    const before = this.#precedence;
    try {
      const found = this.#first.take();
      this.#precedence = found && {
        family: found.rule.family,
        priority: found.rule.priority,
        table: found.rule.table,
        contested: found.contested,
      };
    } catch (error) {
      this.#log("warn", "the ip rules can't be kept first", { error: String(error) });
    }
    const now = this.#precedence;
    clearTimeout(this.#retrying);
    if (now?.contested) this.#retrying = setTimeout(() => this.#takeFirst(), RETRY_MS);
    if (now && now.priority !== before?.priority) {
      this.#log("warn", "another ip rule comes first", { ...now });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener = undefined;
    await this.#monitor[Symbol.asyncDispose]();
    await this.#following;
    clearTimeout(this.#retrying);
  }
}
