import type { InterceptSession } from "../../wire/intercept.ts";

/** What is known of a session: its last renewal, and when this process first saw it (its own clock, milliseconds). */
interface Seen {
  session: InterceptSession;
  at: number;
}

/**
 * Which sessions are alive: those whose `renewal` changed within their duration, by this process's own clock since it
 * saw the change. No two machines' clocks have to agree; a session that is met for the first time is alive.
 */
export class SessionClock {
  readonly #seen = new Map<string, Seen>();
  readonly #now: () => number;

  /** @param now A clock that never goes back, in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes in all sessions that there are now. */
  observe(sessions: readonly InterceptSession[]): void {
    const current = new Set(sessions.map((session) => session.uid));
    for (const uid of this.#seen.keys()) if (!current.has(uid)) this.#seen.delete(uid);
    for (const session of sessions) {
      const before = this.#seen.get(session.uid);
      if (before?.session.renewal === session.renewal) before.session = session;
      else this.#seen.set(session.uid, { session, at: this.#now() });
    }
  }

  /** Starts everyone's time again: for the first list after the API server was out of reach, when nobody could renew. */
  restart(): void {
    for (const seen of this.#seen.values()) seen.at = this.#now();
  }

  /** Those alive now, by UID. */
  alive(): Map<string, InterceptSession> {
    return this.#which((end) => end > this.#now());
  }

  /** Those that are over and still there, by UID. */
  over(): Map<string, InterceptSession> {
    return this.#which((end) => end <= this.#now());
  }

  /** Milliseconds until the next one ends if it isn't renewed; undefined when none is alive. */
  untilNext(): number | undefined {
    const now = this.#now();
    const ends = [...this.#seen.values()].map(endOf).filter((end) => end > now);
    return ends.length > 0 ? Math.min(...ends) - now : undefined;
  }

  #which(test: (end: number) => boolean): Map<string, InterceptSession> {
    const found = [...this.#seen.values()].filter((seen) => test(endOf(seen)));
    return new Map(found.map(({ session }) => [session.uid, session]));
  }
}

function endOf(seen: Seen): number {
  return seen.at + seen.session.durationSeconds * 1000;
}
