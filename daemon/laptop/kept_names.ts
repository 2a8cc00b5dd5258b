import { backoff } from "../../async/backoff.ts";
import { type Clock, systemClock } from "../../async/clock.ts";
import { sleep } from "../../async/sleep.ts";
import type { Log } from "../process/log.ts";

/** Before names that failed are started again. */
const RETRY = { firstMs: 200, maxMs: 30_000 };
/** Names that answered for so long, in milliseconds, have not failed in a row. */
const SOUND_MS = 60_000;

export interface KeptNamesParts<Names> {
  /** Starts them; `failed` is called when they end by themselves. */
  readonly open: (failed: (error: Error) => void) => Promise<Names>;
  /** Tells them all that they have to know. */
  readonly fill: (names: Names) => Promise<void>;
  readonly log: Log;
  readonly clock?: Clock;
}

/** Keeps names answered: a worker that dies is started again, with all that it knew, after longer and longer pauses. */
export class KeptNames<Names extends AsyncDisposable> implements AsyncDisposable {
  readonly #parts: KeptNamesParts<Names>;
  readonly #clock: Clock;
  readonly #ending = new AbortController();
  #current: Names | undefined;
  #problem: string | undefined;
  #failures = 0;
  #since = 0;
  #reviving: Promise<void> = Promise.resolve();

  constructor(parts: KeptNamesParts<Names>) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
  }

  /** Settles when names are answered. Rejects when this first start fails. */
  async start(): Promise<void> {
    try {
      await this.#begin();
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Those that answer now; undefined while they are being started again. */
  get current(): Names | undefined {
    return this.#current;
  }

  /** Why names aren't answered at the moment; undefined while they are. */
  get problem(): string | undefined {
    return this.#problem;
  }

  async #begin(): Promise<void> {
    const { promise: failed, reject } = Promise.withResolvers<never>();
    failed.catch(() => {}); // it is looked at below
    const names = await this.#parts.open(reject);
    // Before they are filled, so that no change falls between.
    this.#current = names;
    try {
      await this.#parts.fill(names);
    } catch (error) {
      this.#current = undefined;
      await this.#end(names);
      throw error;
    }
    this.#since = this.#clock.now();
    this.#problem = undefined;
    failed.catch((error) => this.#failed(names, error));
  }

  async #end(names: Names): Promise<void> {
    try {
      await names[Symbol.asyncDispose]();
    } catch (error) {
      this.#parts.log("warn", "names can't be ended", { error });
    }
  }

  #failed(names: Names, error: Error): void {
    if (this.#current !== names || this.#ending.signal.aborted) return;
    this.#current = undefined;
    this.#problem = error.message;
    if (this.#clock.now() - this.#since > SOUND_MS) this.#failures = 0;
    this.#reviving = this.#reviving.then(() => this.#revive(names));
  }

  async #revive(dead: Names): Promise<void> {
    const { log } = this.#parts;
    const { signal } = this.#ending;
    await this.#end(dead); // it gives the queries back, so it comes before the next one takes them
    while (!signal.aborted && this.#current === undefined) {
      await sleep(backoff(RETRY, this.#failures++), signal, this.#clock);
      if (signal.aborted) return;
      try {
        await this.#begin();
        log("info", "names answer again");
      } catch (error) {
        this.#problem = error instanceof Error ? error.message : String(error);
        log("warn", "names can't be started again", { error });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    const last = this.#current;
    this.#current = undefined;
    await this.#reviving;
    await last?.[Symbol.asyncDispose]();
    await this.#takeCurrent()?.[Symbol.asyncDispose]();
  }

  /** Those that a start which was under way has brought. */
  #takeCurrent(): Names | undefined {
    const names = this.#current;
    this.#current = undefined;
    return names;
  }
}
