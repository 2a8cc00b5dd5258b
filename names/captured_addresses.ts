/** The captured addresses, each with the cluster that it leads to. */
export interface CapturedChange {
  readonly added: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
}

export class CapturedAddresses {
  readonly #clusters = new Map<string, string>();

  change({ added, removed }: CapturedChange): void {
    for (const address of removed) this.#clusters.delete(address);
    for (const [address, cluster] of added) this.#clusters.set(address, cluster);
  }

  has(address: string): boolean {
    return this.#clusters.has(address);
  }

  /** Whether an address leads to this cluster. */
  leadsTo(cluster: string, address: string): boolean {
    return this.#clusters.get(address) === cluster;
  }
}
