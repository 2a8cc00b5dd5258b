import type { CapturedPorts } from "../../wire/helper.ts";

/** The helper, as far as it captures. */
export interface Captor {
  /** Adds or changes addresses; says which were refused, and why. */
  capture(addresses: ReadonlyMap<string, CapturedPorts>): Promise<ReadonlyMap<string, string>>;
  release(addresses: readonly string[]): Promise<void>;
}

/** What each cluster wants captured: address to ports. */
type Wanted = ReadonlyMap<string, CapturedPorts>;

/**
 * Keeps what is captured as the clusters want it: the helper's routes and tables. An address that two clusters have is
 * captured once, with the ports of the one that was connected first.
 */
export class Capture {
  readonly #helper: Captor;
  readonly #wanted = new Map<string, Wanted>();
  /** What the helper was told: address to its ports, as JSON. */
  readonly #captured = new Map<string, string>();
  /** What the helper refused, and why; not asked for again as long as it's wanted. */
  readonly refused = new Map<string, string>();
  #turn: Promise<void> = Promise.resolve();

  constructor(helper: Captor) {
    this.#helper = helper;
  }

  /** Addresses that are captured now. */
  get size(): number {
    return this.#captured.size;
  }

  /** Replaces what a cluster wants; settles when it's in force. */
  update(cluster: string, wanted: Wanted): Promise<void> {
    this.#wanted.set(cluster, wanted);
    return this.#apply();
  }

  /** A cluster is gone: nothing of it stays. */
  remove(cluster: string): Promise<void> {
    this.#wanted.delete(cluster);
    return this.#apply();
  }

  /** One change after the other: the helper's answers would come in another order than the wishes. */
  #apply(): Promise<void> {
    const applied = this.#turn.then(() => this.#reconcile());
    this.#turn = applied.catch(() => {});
    return applied;
  }

  async #reconcile(): Promise<void> {
    const wanted = new Map<string, CapturedPorts>();
    for (const addresses of this.#wanted.values()) {
      for (const [address, ports] of addresses) if (!wanted.has(address)) wanted.set(address, ports);
    }
    for (const address of this.refused.keys()) if (!wanted.delete(address)) this.refused.delete(address);
    const gone = [...this.#captured.keys()].filter((address) => !wanted.has(address));
    const changed = new Map<string, CapturedPorts>();
    for (const [address, ports] of wanted) {
      if (this.#captured.get(address) !== JSON.stringify(ports)) changed.set(address, ports);
    }
    if (gone.length > 0) await this.#helper.release(gone);
    for (const address of gone) this.#captured.delete(address);
    const refused = changed.size > 0 ? await this.#helper.capture(changed) : new Map<string, string>();
    for (const [address, why] of refused) this.refused.set(address, why);
    for (const [address, ports] of changed) {
      if (!refused.has(address)) this.#captured.set(address, JSON.stringify(ports));
    }
  }
}
