import type { RelayedRule } from "../../wire/handover.ts";
import type { Log } from "../../wire/log.ts";
import { follow } from "../../async/abort.ts";
import { sleep } from "../../async/sleep.ts";
import { MOST_COUNTED, type RequestCounts } from "../../wire/request_counts.ts";
import type { Transport } from "../../net/transport.ts";
import { SessionTunnel, type TunnelIdentity } from "./tunnel.ts";

export interface TunnelsOptions {
  readonly identity: TunnelIdentity;
  /** Called when another set of rules has a proven tunnel. */
  readonly onProven: (rules: readonly string[]) => void;
  readonly log: Log;
  /** Milliseconds that a tunnel may stay without a proof; 60,000 by default. */
  readonly unprovenMs?: number;
}

/** Tunnels at once, of all laptops. */
const MOST_TUNNELS = 1024;
/** Milliseconds after which a refused challenge is repeated: the first time, and at most. */
const RETRY_MS = { first: 100, most: 5_000 };
/** The longest time that a timer can have. */
const FOREVER_MS = 0x7fffffff;

/** The open tunnels, the rules that they have proven, and the rules that they could prove. */
export class Tunnels implements AsyncDisposable {
  readonly #options: TunnelsOptions;
  readonly #tunnels = new Set<SessionTunnel>();
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #rules = new Map<string, RelayedRule>();
  #keys = new Map<string, string>();
  /** Aborted and replaced when the rules change. */
  #changed = new AbortController();
  #proven = "";
  /** What challenges of further tunnels say of this end. */
  identity: TunnelIdentity;

  constructor(options: TunnelsOptions) {
    this.#options = options;
    this.identity = options.identity;
  }

  /** Replaces all rules. */
  setRules(rules: readonly RelayedRule[]): void {
    this.#rules = new Map(rules.map((rule) => [rule.uid, rule]));
    this.#keys = new Map(rules.map((rule) => [rule.session, rule.publicKey]));
    for (const tunnel of this.#tunnels) tunnel.forget((uid) => this.#rules.has(uid));
    this.#tell();
    const changed = this.#changed;
    this.#changed = new AbortController();
    changed.abort();
  }

  rule(uid: string): RelayedRule | undefined {
    return this.#rules.get(uid);
  }

  /** The tunnels that have proven a rule, the newest first: an older one may belong to a laptop that was lost. */
  of(rule: string): SessionTunnel[] {
    return [...this.#tunnels].filter((tunnel) => tunnel.proven.has(rule)).reverse();
  }

  /** Tells laptops how many requests their rules saw and took. */
  report(counts: readonly RequestCounts[]): void {
    for (const [tunnel, own] of Map.groupBy(counts, ({ rule }) => this.of(rule)[0])) {
      tunnel?.report(own.slice(0, MOST_COUNTED));
    }
  }

  /** Resets streams of callers that leave so much unread that others would wait. To be called often. */
  relieve(): void {
    for (const tunnel of this.#tunnels) {
      for (const { caller, streams } of tunnel.relieve()) {
        const { session } = tunnel;
        this.#options.log("warn", "reset connections: their caller leaves too much unread", {
          caller,
          count: streams,
          session,
        });
      }
    }
  }

  /** Takes a connection to relay's port; it has to prove which session it belongs to. */
  add(transport: Transport): void {
    if (this.#closing.signal.aborted || this.#tunnels.size >= MOST_TUNNELS) return transport.close();
    const tunnel = new SessionTunnel(transport, this.identity);
    this.#tunnels.add(tunnel);
    const run = this.#run(tunnel).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Takes no new streams, and lets the open ones end. */
  drain(): void {
    for (const tunnel of this.#tunnels) tunnel.drain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("relay is stopping"));
    for (const tunnel of this.#tunnels) tunnel.abort(new Error("relay is stopping"));
    await Promise.all(this.#running);
  }

  async #run(tunnel: SessionTunnel): Promise<void> {
    const closed = new AbortController();
    tunnel.closed.then(() => closed.abort());
    using _closing = follow(this.#closing.signal, closed);
    const { signal } = closed;
    const { log, unprovenMs = 60_000 } = this.#options;
    const unproven = setTimeout(() => {
      if (tunnel.session === undefined) tunnel.abort(new Error("the tunnel has proven no session in time"));
    }, unprovenMs);
    try {
      await this.#prove(tunnel, signal);
    } catch (error) {
      tunnel.abort(error instanceof Error ? error : new Error(String(error)));
    } finally {
      clearTimeout(unproven);
      const { kind, error } = await tunnel.closed;
      const { session, reset } = tunnel;
      if (kind !== "clean" && session !== undefined) {
        const { node } = this.identity;
        log("warn", "a laptop's tunnel broke: its connections were reset", {
          session,
          node,
          count: reset,
          error,
        });
      } else log("info", "tunnel closed", { session, error });
      this.#tunnels.delete(tunnel);
      this.#tell();
    }
  }

  /** Learns the session, then proves all of its rules, and later ones when they come. */
  async #prove(tunnel: SessionTunnel, signal: AbortSignal): Promise<void> {
    let session: string | undefined;
    let refusals = 0;
    while (!signal.aborted) {
      const woken = new AbortController();
      using _ended = follow(signal, woken);
      using _changed = follow(this.#changed.signal, woken);
      const rules = [...this.#rules.values()].filter((rule) => rule.session === session).map(({ uid }) =>
        uid
      );
      if (session !== undefined && rules.every((uid) => tunnel.proven.has(uid))) {
        await sleep(FOREVER_MS, woken.signal);
        continue;
      }
      const answer = await tunnel.challenge(session, rules, this.#keys);
      if (answer.kind === "false") throw new Error(`the key proof is not valid: ${answer.reason}`);
      if (answer.kind === "refused") {
        // The daemon may learn of its own rule later than this node does.
        await sleep(Math.min(RETRY_MS.first * 2 ** refusals++, RETRY_MS.most), woken.signal);
        continue;
      }
      refusals = 0;
      session = answer.session;
      if (answer.kind !== "proven") continue;
      tunnel.forget((uid) => this.#rules.has(uid)); // some may have been deleted meanwhile
      this.#tell();
    }
  }

  #tell(): void {
    const rules = [...new Set([...this.#tunnels].flatMap((tunnel) => [...tunnel.proven]))].sort();
    if (rules.join() === this.#proven) return;
    this.#proven = rules.join();
    this.#options.onProven(rules);
  }
}
