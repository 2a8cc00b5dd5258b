import type { RelayedRule } from "../../wire/handover.ts";
import type { Log } from "../../wire/log.ts";
import { sleep } from "../../async/sleep.ts";
import type { Transport } from "../../net/transport.ts";
import { type Identity, Tunnel } from "./tunnel.ts";

export interface TunnelsOptions {
  readonly identity: Identity;
  /** Called when another set of rules has a proven tunnel. */
  readonly onProven: (rules: readonly string[]) => void;
  readonly log: Log;
  /** Milliseconds that a tunnel may stay without a proof; 60,000 without it. */
  readonly unprovenMs?: number;
}

/** Tunnels at once, of all laptops. */
const MOST_TUNNELS = 1024;
/** Milliseconds after which a challenge that was refused is put again: the first time, and at most. */
const AGAIN_MS = { first: 100, most: 5_000 };
/** As long as a timer can. */
const FOREVER_MS = 0x7fffffff;

/** The tunnels that are open, what they have proven, and the rules that they can prove. */
export class Tunnels implements AsyncDisposable {
  readonly #options: TunnelsOptions;
  readonly #tunnels = new Set<Tunnel>();
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #rules = new Map<string, RelayedRule>();
  #keys = new Map<string, string>();
  /** Aborted, and another made, when the rules change. */
  #changed = new AbortController();
  #proven = "";

  constructor(options: TunnelsOptions) {
    this.#options = options;
  }

  /** All rules that there are now. */
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

  /** The tunnels that have proven a rule, the newest first: an older one may be a laptop's that is gone. */
  of(rule: string): Tunnel[] {
    return [...this.#tunnels].filter((tunnel) => tunnel.proven.has(rule)).reverse();
  }

  /** Takes a connection that was made to relay's port; whether it is a session's it has to prove. */
  add(transport: Transport): void {
    if (this.#closing.signal.aborted || this.#tunnels.size >= MOST_TUNNELS) return transport.close();
    const tunnel = new Tunnel(transport, this.#options.identity);
    this.#tunnels.add(tunnel);
    const run = this.#run(tunnel).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Lets the open streams end, takes no new ones. */
  drain(): void {
    for (const tunnel of this.#tunnels) tunnel.drain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("relay ends"));
    for (const tunnel of this.#tunnels) tunnel.abort(new Error("relay ends"));
    await Promise.all(this.#running);
  }

  async #run(tunnel: Tunnel): Promise<void> {
    const over = new AbortController();
    tunnel.closed.then(() => over.abort());
    const signal = AbortSignal.any([over.signal, this.#closing.signal]);
    const { log, unprovenMs = 60_000 } = this.#options;
    const unproven = setTimeout(() => {
      if (tunnel.session === undefined) tunnel.abort(new Error("the tunnel has proven nothing in time"));
    }, unprovenMs);
    const watching = tunnel.watch(signal);
    try {
      await this.#prove(tunnel, signal);
    } catch (error) {
      if (!signal.aborted) log("warn", "closed a tunnel", { session: tunnel.session, error });
      tunnel.abort(error instanceof Error ? error : new Error(String(error)));
    } finally {
      clearTimeout(unproven);
      await tunnel.closed;
      await watching;
      this.#tunnels.delete(tunnel);
      this.#tell();
    }
  }

  /** Learns the session, then proves its rules: all there are, and again whenever there are more. */
  async #prove(tunnel: Tunnel, signal: AbortSignal): Promise<void> {
    let session: string | undefined;
    let refusals = 0;
    while (!signal.aborted) {
      const woken = AbortSignal.any([this.#changed.signal, signal]);
      const rules = [...this.#rules.values()].filter((rule) => rule.session === session).map(({ uid }) =>
        uid
      );
      if (session !== undefined && rules.every((uid) => tunnel.proven.has(uid))) {
        await sleep(FOREVER_MS, woken);
        continue;
      }
      const answer = await tunnel.challenge(session, rules, this.#keys);
      if (answer.kind === "false") throw new Error(`the key proof is wrong: ${answer.reason}`);
      if (answer.kind === "refused") {
        // The daemon may hear of its own rule later than this node does.
        await sleep(Math.min(AGAIN_MS.first * 2 ** refusals++, AGAIN_MS.most), woken);
        continue;
      }
      refusals = 0;
      session = answer.session;
      if (answer.kind !== "proven") continue;
      tunnel.forget((uid) => this.#rules.has(uid)); // they may have gone meanwhile
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
