import type { HelperClient } from "./helper_client.ts";

/** A claim of the root helper, until it is disposed of. */
export interface HelperClaim extends Disposable {
  /** Settles when the helper knows its daemon. @throws {Failure} `helper` when none runs */
  readonly ready: Promise<void>;
}

/**
 * The connection to a helper that isn't capturing yet. A helper waits for its daemon for seconds only, and an `up` may
 * take minutes to get as far as captured addresses: so it claims the helper first. What nobody has taken ends with the
 * last claim, and the helper with it.
 */
export class ClaimedHelper {
  readonly #connect: (isStarted: boolean) => Promise<HelperClient>;
  #claims = 0;
  #connecting: Promise<void> | undefined;
  #client: HelperClient | undefined;

  /** @param connect `isStarted`: the helper was started just now, so that it is there or comes within seconds */
  constructor(connect: (isStarted: boolean) => Promise<HelperClient>) {
    this.#connect = connect;
  }

  /** Whether a helper is claimed and has not been taken yet. */
  get isThere(): boolean {
    return this.#client !== undefined;
  }

  /** @param of whether the helper was started just now */
  claim({ isStarted = false }: { readonly isStarted?: boolean } = {}): HelperClaim {
    this.#claims++;
    const ready = this.#client ? Promise.resolve() : this.#connecting ??= this.#open(isStarted);
    ready.catch(() => {}); // a claim may end before anything awaits it
    let ended = false;
    return {
      ready,
      [Symbol.dispose]: () => {
        if (ended) return;
        ended = true;
        if (--this.#claims === 0) this.take()?.[Symbol.dispose]();
      },
    };
  }

  /** Hands the connection over; undefined when there is none. */
  take(): HelperClient | undefined {
    const client = this.#client;
    this.#client = undefined;
    return client;
  }

  async #open(isStarted: boolean): Promise<void> {
    try {
      const client = await this.#connect(isStarted);
      if (this.#claims === 0) return client[Symbol.dispose]();
      this.#client = client;
      client.gone.then(() => {
        if (this.#client === client) this.take();
      });
    } finally {
      this.#connecting = undefined;
    }
  }
}
