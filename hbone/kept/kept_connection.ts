import { type Clock, systemClock } from "../../async/clock.ts";
import { sleep } from "../../async/sleep.ts";
import type { Connection, ConnectionEnd } from "../connection/connection.ts";

/** The peer of a connection didn't answer a PING in time. */
export class PeerSilent extends Error {
  override readonly name = "PeerSilent";
}

export interface KeptConnectionOptions {
  /** Milliseconds between PINGs. */
  readonly everyMs: number;
  /** Milliseconds of silence after a PING until the connection counts as dead. */
  readonly timeoutMs: number;
  /** Called with the round trip of each answered PING, in milliseconds. */
  readonly onAnswer?: (roundTripMs: number) => void;
  readonly clock?: Clock;
}

/**
 * Keeps watch over a connection: sends PINGs, the first one at once, and aborts the connection when its peer is silent.
 * A port-forward whose far end is gone may stay open for hours otherwise. Ends with the connection.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Connection } from "../connection/connection.ts";
 * import { memoryPair } from "../testing/memory_transport.ts";
 *
 * const [ours] = memoryPair(); // the other end never answers
 * const kept = new KeptConnection(new Connection(ours, { role: "client" }), { everyMs: 10, timeoutMs: 10 });
 * const { error } = await kept.closed;
 * assert.match(String(error), /no answer to a PING/);
 * ```
 */
export class KeptConnection<Kept extends Pick<Connection, "ping" | "abort" | "closed"> = Connection> {
  readonly connection: Kept;
  /** Settles when the connection is closed; never rejects. */
  readonly closed: Promise<ConnectionEnd>;
  readonly #options: KeptConnectionOptions;
  readonly #ended = new AbortController();
  #checking: Promise<boolean> | undefined;
  #stable = false;

  constructor(connection: Kept, options: KeptConnectionOptions) {
    this.connection = connection;
    this.#options = options;
    const pinging = this.#ping();
    this.closed = connection.closed.then(async (end) => {
      this.#ended.abort();
      await pinging;
      return end;
    });
  }

  /** Whether the connection has answered a PING some time after its first: it wasn't lost as soon as it was there. */
  get stable(): boolean {
    return this.#stable;
  }

  /**
   * Sends a PING now, with a time limit of its own: the network has changed, or the machine has slept. One at a time.
   * @returns whether it is answered; if not, the connection is closed, or closing
   */
  check(timeoutMs: number): Promise<boolean> {
    return this.#checking ??= this.#answer(timeoutMs).finally(() => {
      this.#checking = undefined;
    });
  }

  async #ping(): Promise<void> {
    const { everyMs, timeoutMs, clock = systemClock } = this.#options;
    for (let pings = 0; !this.#ended.signal.aborted; pings++) {
      if (await this.#answer(timeoutMs, pings > 0)) await sleep(everyMs, this.#ended.signal, clock);
      else return;
    }
  }

  /** Returns false when there was no answer: the connection is closed, or closing. */
  async #answer(timeoutMs: number, makesStable = false): Promise<boolean> {
    try {
      const roundTripMs = await this.connection.ping(timeoutMs);
      this.#stable ||= makesStable;
      this.#options.onAnswer?.(roundTripMs);
      return true;
    } catch (cause) {
      // A connection that ends in order fails its PINGs too. Aborting it would cut off what is still to be sent and read.
      if (!isSilence(cause)) return false;
      const seconds = timeoutMs / 1000;
      this.connection.abort(undefined, new PeerSilent(`no answer to a PING within ${seconds} s`, { cause }));
      return false;
    }
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}
