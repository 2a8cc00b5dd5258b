import type { InterceptSession } from "../../wire/intercept.ts";

/** A session as it was last renewed, and when this process first saw that (its own clock, milliseconds). */
interface Seen {
  session: InterceptSession;
  at: number;
}

/**
 * Decides which sessions are alive: those whose `renewal` changed within their duration, measured by this process's own
 * clock since it saw the change. Clocks of different machines need not agree. A new session is alive.
 */
export class SessionClock {
  readonly #seen = new Map<string, Seen>();
  readonly #now: () => number;

  /** @param now A monotonic clock, in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Replaces all sessions. */
  observe(sessions: readonly InterceptSession[]): void {
    const current = new Set(sessions.map((session) => session.uid));
    for (const uid of this.#seen.keys()) if (!current.has(uid)) this.#seen.delete(uid);
    for (const session of sessions) {
      const before = this.#seen.get(session.uid);
      if (before?.session.renewal === session.renewal) before.session = session;
      else this.#seen.set(session.uid, { session, at: this.#now() });
    }
  }

  /** Restarts all durations, after an outage of the API server in which no daemon could renew. */
  restart(): void {
    for (const seen of this.#seen.values()) seen.at = this.#now();
  }

  /** The live sessions, by UID. */
  alive(): Map<string, InterceptSession> {
    return this.#which((end) => end > this.#now());
  }

  /** The expired sessions that still exist, by UID. */
  expired(): Map<string, InterceptSession> {
    return this.#which((end) => end <= this.#now());
  }

  /** Milliseconds until the next session expires unless it is renewed; undefined when none is alive. */
  untilNextExpiry(): number | undefined {
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
