import { onAbort } from "../../async/abort.ts";
import type { HeldEnd, Hold, InterceptEntry } from "../../wire/control.ts";
import { Failure } from "../failure.ts";
import { exactId } from "./intercept.ts";

/** Ends an intercept, unless it has ended. */
type End = (entry: InterceptEntry) => Promise<unknown>;

/**
 * Intercepts that last as long as the command that asked for them: its connection to the daemon closes however the command
 * ends, be it by kill -9.
 */
export class Holds {
  readonly #held = new Map<string, InterceptEntry[]>();
  /** By hold, tells its holder. */
  readonly #tell = new Map<string, (news: Hold) => void>();

  /** Tells the hold, and what of it ends meanwhile, and keeps it until the signal aborts. What is held then ends. */
  async *hold(end: End, signal: AbortSignal): AsyncGenerator<Hold> {
    const hold = crypto.randomUUID();
    const waiting: Hold[] = [{ hold }];
    let news = Promise.withResolvers<void>();
    this.#held.set(hold, []);
    this.#tell.set(hold, (one) => {
      waiting.push(one);
      news.resolve();
    });
    try {
      using _ending = onAbort(signal, () => news.resolve());
      for (;;) {
        yield* waiting.splice(0);
        if (signal.aborted) return;
        await news.promise;
        news = Promise.withResolvers();
      }
    } finally {
      this.#tell.delete(hold);
      await this.release(hold, end);
    }
  }

  /** Tells those that hold an intercept that it has ended. */
  ended(entry: InterceptEntry, why: HeldEnd): void {
    for (const [hold, held] of this.#held) {
      if (held.some((one) => isSameIntercept(one, entry))) this.#tell.get(hold)?.({ ended: entry.id, why });
    }
    this.letGo(entry);
  }

  /** @throws {Failure} when its holder has gone */
  check(hold: string): void {
    if (!this.#held.has(hold)) throw gone();
  }

  /** Has the intercept end with the hold. @throws {Failure} when its holder has gone meanwhile */
  add(hold: string, entry: InterceptEntry): void {
    const held = this.#held.get(hold);
    if (!held) throw gone();
    held.push(entry);
  }

  /** Whether a command that still runs asked for this intercept. */
  has(entry: InterceptEntry): boolean {
    return [...this.#held.values()].some((held) => held.some((one) => isSameIntercept(one, entry)));
  }

  /** Has the intercept stay when the commands end that asked for it. */
  letGo(entry: InterceptEntry): void {
    for (const [hold, held] of this.#held) {
      this.#held.set(hold, held.filter((one) => !isSameIntercept(one, entry)));
    }
  }

  /** Ends what no other command holds, one after the other; what can't be ended doesn't keep the others. */
  async release(hold: string, end: End): Promise<readonly InterceptEntry[]> {
    const held = this.#held.get(hold) ?? [];
    this.#held.delete(hold);
    const ended: InterceptEntry[] = [];
    let failed: { readonly error: unknown } | undefined;
    for (const entry of held) {
      if (this.has(entry)) continue;
      await end(entry).then(() => ended.push(entry), (error) => failed ??= { error });
    }
    if (failed) throw failed.error;
    return ended;
  }
}

/** An intercept that ended and was made once more is another one. */
export function isSameIntercept(a: InterceptEntry, b: InterceptEntry): boolean {
  return exactId(a) === exactId(b) && a.since === b.since;
}

function gone(): Failure {
  return new Failure("interrupted", "the command that the intercept was for has ended");
}
