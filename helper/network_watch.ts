import { sleep } from "../async/sleep.ts";
import { NetworkMonitor } from "../ffi/netlink/monitor.ts";
import type { Netlink } from "../ffi/netlink/netlink.ts";
import { FIRST_TABLE, type NetworkDamage, type RulePrecedence, SLOTS } from "../wire/helper.ts";
import type { Log } from "../wire/log.ts";
import type { UserDevice } from "./device.ts";
import { FirstPlace } from "./first_place.ts";
import type { NetworkRepair } from "./network_repair.ts";
import type { UserRules } from "./rule.ts";

/** Changes within this count as one, in milliseconds: a VPN that starts makes dozens. */
const SETTLE_MS = 30;
/** After a look at all networks, in milliseconds: with the time above, the rules are first again within 100 ms all the same. */
const PAUSE_MS = 50;
/**
 * Changes of pmz's own network are waited for at most this long, in milliseconds. A program that empties a large table looks whether
 * it is empty, and would begin again.
 */
const LONGEST_MS = 500;
/** What couldn't be put right is tried again after this, in milliseconds, and so often a minute that the limit isn't met. */
const FAILED_MS = 10_000;
/** What another program changes again and again is tried again after this, in milliseconds: that program may have ended. */
const CONTESTED_MS = 65_000;
/** Tries of the listener, which reads tables that may be changing. */
const TRIES = 5;

/** What pmz has made on this machine's network. */
export interface OwnNetwork {
  readonly device: Pick<UserDevice, "index" | "table">;
  /** The socket that makes the routes. */
  readonly netlink: Pick<Netlink, "port">;
  readonly repair: NetworkRepair;
}

/**
 * Follows the machine's network (links, addresses, routes, rules) for as long as the helper lives, keeps the user's rules first, and
 * puts right what other programs change of pmz's own device, addresses and routes.
 */
export class NetworkWatch implements AsyncDisposable {
  readonly #monitor: NetworkMonitor;
  readonly #ownMonitor: NetworkMonitor;
  readonly #first: FirstPlace;
  readonly #repair: NetworkRepair;
  readonly #log: Log;
  readonly #following: Promise<unknown>;
  #listener: (() => void) | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #precedence: RulePrecedence | undefined;
  #logged: readonly NetworkDamage[] = [];
  #closed = false;

  /** @throws {SystemCallError} */
  constructor(
    rules: Pick<UserRules, "place" | "putFirst">,
    { device: { index, table }, netlink, repair }: OwnNetwork,
    log: Log,
  ) {
    this.#monitor = new NetworkMonitor({ without: { first: FIRST_TABLE, count: SLOTS } });
    this.#ownMonitor = new NetworkMonitor({ only: { device: index, table, writer: netlink.port } });
    this.#first = new FirstPlace(rules);
    this.#repair = repair;
    this.#log = log;
    this.#takeFirst(); // what has changed before the monitor was there
    this.#following = Promise.all([this.#follow(), this.#followOwn()]);
  }

  /** Another's rule that comes before the user's. */
  get precedence(): RulePrecedence | undefined {
    return this.#precedence;
  }

  /** What others have changed of pmz's own network so far. */
  get damage(): readonly NetworkDamage[] {
    const rules = this.#first.damage;
    return [...this.#repair.damage, ...rules ? [rules] : []];
  }

  /**
   * Calls `listener`, the only one, after changes; what is pmz's own is right then, as far as that's possible. Where it throws, it is
   * called again.
   */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /** Puts all right, however often others have changed it before. @returns what they have changed so far */
  repair(): readonly NetworkDamage[] {
    this.#takeFirst(true);
    this.#repairOwn(true);
    return this.damage;
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

  async #followOwn(): Promise<void> {
    for (let next = this.#ownMonitor.changed(); await next;) {
      const latest = performance.now() + LONGEST_MS;
      next = this.#ownMonitor.changed();
      while (performance.now() < latest && await isWithin(next, SETTLE_MS)) next = this.#ownMonitor.changed();
      if (this.#closed) continue;
      this.#repairOwn();
      await this.#tell();
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

  #takeFirst(isAskedFor = false): void {
    const before = this.#precedence;
    try {
      const found = isAskedFor ? this.#first.takeAnew() : this.#first.take();
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
    if (now && now.priority !== before?.priority) {
      this.#log("warn", "another ip rule comes first", { ...now });
    }
    this.#looked();
  }

  #repairOwn(isAskedFor = false): void {
    if (isAskedFor) this.#repair.runAnew();
    else this.#repair.run();
    this.#looked();
  }

  /** Logs what is new, and looks again later where something isn't right. */
  #looked(): void {
    for (const one of this.damage) {
      const before = this.#logged.find(({ part }) => part === one.part);
      if (before?.repaired === one.repaired && before.problem === one.problem) continue;
      this.#log("warn", "another program has changed pmz's own network", { ...one });
    }
    this.#logged = this.damage;
    clearTimeout(this.#again);
    const isContested = this.#precedence?.contested || this.#first.damage?.problem !== undefined;
    const hasFailed = this.#repair.damage.some(({ problem }) => problem !== undefined);
    if (this.#closed || (!isContested && !hasFailed)) return;
    this.#again = setTimeout(() => {
      this.#takeFirst();
      this.#repairOwn();
      void this.#tell();
    }, hasFailed ? FAILED_MS : CONTESTED_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#listener = undefined;
    await Promise.all([this.#monitor[Symbol.asyncDispose](), this.#ownMonitor[Symbol.asyncDispose]()]);
    await this.#following;
    clearTimeout(this.#again);
  }
}

/** Whether something happens within so many milliseconds. */
async function isWithin(event: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), ms);
  try {
    return await Promise.race([event.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
