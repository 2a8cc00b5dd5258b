/** Something that a user's program, or the test itself, wanted and didn't get. Times are milliseconds since the epoch. */
export interface Failed {
  readonly kind: string;
  readonly at: number;
  readonly until: number;
  readonly error: string;
}

/** Something that was done to the cluster or the laptop, and the kinds of requests that may fail by it. */
interface Disturbance {
  readonly what: string;
  readonly kinds: ReadonlySet<string>;
  readonly from: number;
  to: number;
}

/** Milliseconds after a disturbance for which its effects may still show: tunnels are dialled again, agents are ready again. */
const AFTERMATH_MS = 5_000;

/** All that was done, so that failures can be told from unexplained ones. */
export class Disturbances {
  readonly #all: Disturbance[] = [];
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Does something; until it is done, and a little longer, requests of these kinds may fail. */
  async during<T>(what: string, kinds: readonly string[], work: () => Promise<T>): Promise<T> {
    const disturbance = { what, kinds: new Set(kinds), from: this.#now(), to: Infinity };
    this.#all.push(disturbance);
    try {
      return await work();
    } finally {
      disturbance.to = this.#now() + AFTERMATH_MS;
    }
  }

  /** How often something was done, by what it was. */
  get counts(): Map<string, number> {
    const groups = Map.groupBy(this.#all, ({ what }) => what);
    return new Map([...groups].map(([what, all]) => [what, all.length]));
  }

  /** What explains a failure: the latest disturbance that it falls into; undefined where there is none. */
  explain({ kind, at, until }: Failed): string | undefined {
    return this.#all.findLast(({ kinds, from, to }) => kinds.has(kind) && at <= to && until >= from)?.what;
  }
}
