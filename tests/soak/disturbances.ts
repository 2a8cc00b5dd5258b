/** Something that a user's program, or the test itself, wanted and didn't get. Times are milliseconds since the epoch. */
export interface Failed {
  readonly kind: string;
  readonly at: number;
  readonly until: number;
  readonly error: string;
}

/** What may fail by something that is done to the cluster or the laptop. */
export interface Effect {
  readonly kinds: readonly string[];
  /** How it fails; in any way without it. */
  readonly errors?: RegExp;
  /** Milliseconds after it for which its effects may still show, 5,000 otherwise: tunnels are dialled again, agents are ready again. */
  readonly aftermathMs?: number;
}

interface Disturbance extends Effect {
  readonly what: string;
  readonly from: number;
  to: number;
}

const AFTERMATH_MS = 5_000;

/** All that was done, so that failures can be told from unexplained ones. */
export class Disturbances {
  readonly #all: Disturbance[] = [];
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Does something; until it is done, and a little longer, requests may fail as its effect says. */
  async during<T>(what: string, effect: Effect, work: () => Promise<T>): Promise<T> {
    const disturbance = { ...effect, what, from: this.#now(), to: Infinity };
    this.#all.push(disturbance);
    try {
      return await work();
    } finally {
      disturbance.to = this.#now() + (effect.aftermathMs ?? AFTERMATH_MS);
    }
  }

  /** How often something was done, by what it was. */
  get counts(): Map<string, number> {
    const groups = Map.groupBy(this.#all, ({ what }) => what);
    return new Map([...groups].map(([what, all]) => [what, all.length]));
  }

  /** What explains a failure: the latest disturbance that it falls into; undefined where it falls into no disturbance. */
  explain({ kind, at, until, error }: Failed): string | undefined {
    return this.#all.findLast(({ kinds, errors, from, to }) =>
      kinds.includes(kind) && (errors === undefined || errors.test(error)) && at <= to && until >= from
    )?.what;
  }
}
