/**
 * Connections to targets that stay open between a client's requests.
 *
 * They belong to the client's connection: no other client's request goes over them, and they end with it. A Service sees as many
 * connections, each from one program, as it would without a proxy, and spreads them over its pods in the same way.
 *
 * Hot path: a connection that is taken and kept again makes nothing but the promise of its next read.
 */
import type { CoarseTimers } from "./coarse_timers.ts";
import type { ProxyTarget } from "./target.ts";
import type { Upstream } from "./upstream.ts";

/** Idle connections of all clients; the one that is idle for longest makes room. */
const MOST_IDLE = 1_024;
/** Targets to which one client has an idle connection. */
const MOST_TARGETS = 8;
const IDLE_MS = 60_000;
/**
 * A request that can't be sent again takes only a connection that was idle for less: servers close theirs after two seconds or more,
 * and one that is about to close would lose the request.
 */
const SURE_MS = 1_000;

export interface IdleLimits {
  readonly mostIdle?: number;
  readonly idleTargetMs?: number;
  readonly sureMs?: number;
}

/** The idle connections of all clients of a proxy. */
export class IdleConnections {
  readonly timers: CoarseTimers;
  readonly limits: Required<IdleLimits>;
  /** The one that is idle for longest comes first. */
  readonly #all = new Set<Upstream>();

  constructor(timers: CoarseTimers, limits: IdleLimits = {}) {
    this.timers = timers;
    this.limits = { mostIdle: MOST_IDLE, idleTargetMs: IDLE_MS, sureMs: SURE_MS, ...limits };
  }

  get size(): number {
    return this.#all.size;
  }

  /** A client's part of them. Disposing closes what is idle then. */
  ofClient(): ClientConnections {
    return new ClientConnections(this);
  }

  add(upstream: Upstream): void {
    if (this.#all.size >= this.limits.mostIdle) {
      for (const oldest of this.#all) {
        oldest.drop();
        break;
      }
    }
    this.#all.add(upstream);
  }

  remove(upstream: Upstream): void {
    this.#all.delete(upstream);
  }
}

/** The idle connections of one client: one to each target, as the client has one request under way at a time. */
export class ClientConnections implements Disposable {
  readonly #all: IdleConnections;
  /** The one that is idle for longest comes first. */
  readonly #own: Upstream[] = [];
  #disposed = false;

  constructor(all: IdleConnections) {
    this.#all = all;
  }

  /** @param repeatable whether the request may be sent again, should the connection turn out to be closed */
  take(target: ProxyTarget, repeatable: boolean): Upstream | undefined {
    const upstream = this.#own.find((one) => one.leadsTo(target));
    if (!upstream) return undefined;
    const idleMs = this.#all.timers.now - upstream.idleSince;
    this.#remove(upstream);
    // Bytes that no request asked for may have come just now.
    const isQuiet = upstream.reader.buffered.length === 0;
    if (isQuiet && (repeatable || idleMs < this.#all.limits.sureMs)) return upstream;
    upstream.close();
    return undefined;
  }

  /** @param seconds after which the target closes it, as far as it said so */
  keep(upstream: Upstream, seconds = Infinity): void {
    // A second before the target does, and not at all where that would be at once.
    const ms = Math.min((seconds - 1) * 1000, this.#all.limits.idleTargetMs);
    if (this.#disposed || ms <= 0 || upstream.reader.buffered.length > 0) return upstream.close();
    if (this.#own.length >= MOST_TARGETS) this.#own[0]?.drop();
    this.#own.push(upstream);
    this.#all.add(upstream);
    upstream.rest(this.#all.timers, ms, this);
  }

  /** Closes one that is idle. */
  drop(upstream: Upstream): void {
    this.#remove(upstream);
    upstream.close();
  }

  #remove(upstream: Upstream): void {
    this.#own.splice(this.#own.indexOf(upstream), 1);
    this.#all.remove(upstream);
    upstream.wake();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const upstream of [...this.#own]) this.drop(upstream);
  }
}
