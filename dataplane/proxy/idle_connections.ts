/**
 * Connections to targets that stay open between a client's requests.
 *
 * They belong to the client's connection: no other client's request goes over them, and they end with it. A Service sees as many
 * connections, each from one program, as it would without a proxy, and spreads them over its pods in the same way.
 */
import type { Deadlines } from "../../async/deadlines.ts";
import { formatTarget, type Target } from "./target.ts";
import type { Upstream } from "./upstream.ts";

/** Idle connections of all clients; the one that is idle for longest makes room. */
const MOST_IDLE = 1_024;
/** Targets to which one client has an idle connection. */
const MOST_TARGETS = 8;
const IDLE_MS = 60_000;
/**
 * A request that can't be repeated takes only a connection that was idle for less: servers close theirs after two seconds or more, and
 * one that is about to close would lose the request.
 */
const SURE_MS = 1_000;

export interface IdleLimits {
  readonly mostIdle?: number;
  readonly idleTargetMs?: number;
  readonly sureMs?: number;
}

interface Idle {
  readonly upstream: Upstream;
  readonly since: number;
  /** Takes it out of all lists. */
  readonly forget: () => void;
}

/** The idle connections of all clients of a proxy. */
export class IdleConnections {
  readonly #deadlines: Deadlines;
  readonly #limits: Required<IdleLimits>;
  /** The one that is idle for longest comes first. */
  readonly #all = new Set<Idle>();

  constructor(deadlines: Deadlines, limits: IdleLimits = {}) {
    this.#deadlines = deadlines;
    this.#limits = { mostIdle: MOST_IDLE, idleTargetMs: IDLE_MS, sureMs: SURE_MS, ...limits };
  }

  get size(): number {
    return this.#all.size;
  }

  /** A client's part of them. Disposing closes what is idle then. */
  ofClient(): ClientConnections {
    return new ClientConnections(
      this.#limits.sureMs,
      (upstream, forget, ms) => this.#add(upstream, forget, ms),
    );
  }

  #add(upstream: Upstream, gone: () => void, ms: number): Idle {
    for (const oldest of this.#all) {
      if (this.#all.size < this.#limits.mostIdle) break;
      oldest.forget();
      oldest.upstream.close();
    }
    const drop = () => {
      if (!this.#all.has(idle)) return;
      idle.forget();
      upstream.close();
    };
    const inTime = this.#deadlines.add(Math.min(ms, this.#limits.idleTargetMs), drop);
    const forget = () => {
      inTime();
      this.#all.delete(idle);
      gone();
    };
    const idle: Idle = { upstream, since: performance.now(), forget };
    this.#all.add(idle);
    // An end, a break and bytes that no request asked for all mean that it can't be used again. The read is the next answer's as well.
    upstream.reader.more().then(drop, drop);
    return idle;
  }
}

type Add = (upstream: Upstream, gone: () => void, ms: number) => Idle;

/** The idle connections of one client: one to each target, as the client has one request under way at a time. */
export class ClientConnections implements Disposable {
  readonly #byTarget = new Map<string, Idle>();
  readonly #sureMs: number;
  readonly #add: Add;
  #disposed = false;

  constructor(sureMs: number, add: Add) {
    this.#sureMs = sureMs;
    this.#add = add;
  }

  /** @param repeatable whether the request may be sent again, should the connection turn out to be closed */
  take(target: Target, repeatable: boolean): Upstream | undefined {
    const idle = this.#byTarget.get(formatTarget(target));
    if (!idle) return undefined;
    idle.forget();
    if (repeatable || performance.now() - idle.since < this.#sureMs) return idle.upstream;
    idle.upstream.close();
    return undefined;
  }

  /** @param seconds after which the target closes it, as far as it said so */
  keep(target: Target, upstream: Upstream, seconds = Infinity): void {
    // A second before the target does, and not at all where that would be at once.
    const ms = (seconds - 1) * 1000;
    if (this.#disposed || ms <= 0 || upstream.reader.buffered.length > 0) return upstream.close();
    const key = formatTarget(target);
    for (const [other, oldest] of this.#byTarget) {
      if (this.#byTarget.size < MOST_TARGETS && other !== key) break;
      oldest.forget();
      oldest.upstream.close();
    }
    this.#byTarget.set(key, this.#add(upstream, () => this.#byTarget.delete(key), ms));
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const { forget, upstream } of [...this.#byTarget.values()]) {
      forget();
      upstream.close();
    }
  }
}
