/**
 * Places that owners share: each may take one as long as it has fewer than are left. So one that wants all gets half of them,
 * two get a third each, and there is always room for those that have few (dynamic thresholds: Choudhury and Hahne, 1998).
 */
export class Places {
  readonly #most: number;
  readonly #owned = new Map<string, number>();
  #taken = 0;

  /** @param most how many there are */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes one or more, unless the owner would have more than its share; `leave` gives them back. */
  enter(owner: string, count = 1): boolean {
    const owned = (this.#owned.get(owner) ?? 0) + count;
    if (owned > this.#most - this.#taken) return false;
    this.#owned.set(owner, owned);
    this.#taken += count;
    return true;
  }

  leave(owner: string, count = 1): void {
    const owned = this.#owned.get(owner) ?? 0;
    if (owned < count) return;
    if (owned === count) this.#owned.delete(owner);
    else this.#owned.set(owner, owned - count);
    this.#taken -= count;
  }
}
