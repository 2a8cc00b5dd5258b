import { type Clock, systemClock } from "../../async/clock.ts";
import { MOST_LIMITED, type RelayLimit } from "../../wire/handover.ts";

/** Milliseconds for which a pod counts as limited after its last connection that met the limit. */
const LATELY_MS = 30_000;

/** The pods whose connections have met a limit lately, as attach is told. */
export class LimitReports {
  readonly #met = new Map<string, { readonly limit: RelayLimit; readonly at: number }>();
  readonly #clock: Clock;
  #told = "";

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** A connection of a pod has met a limit. */
  met(uid: string, limit: RelayLimit): void {
    this.#met.delete(uid); // to be the newest
    this.#met.set(uid, { limit, at: this.#clock.now() });
    if (this.#met.size <= MOST_LIMITED) return;
    for (const [oldest] of this.#met) return void this.#met.delete(oldest);
  }

  /** What to tell; undefined where it was told already. */
  take(): { uid: string; limit: RelayLimit }[] | undefined {
    const since = this.#clock.now() - LATELY_MS;
    for (const [uid, { at }] of this.#met) if (at < since) this.#met.delete(uid);
    const pods = [...this.#met].map(([uid, { limit }]) => ({ uid, limit }))
      .sort((a, b) => a.uid < b.uid ? -1 : 1);
    const text = pods.length === 0 ? "" : JSON.stringify(pods);
    if (text === this.#told) return undefined;
    this.#told = text;
    return pods;
  }

  /** Another attach has been told nothing yet. */
  restart(): void {
    this.#told = "";
  }
}
