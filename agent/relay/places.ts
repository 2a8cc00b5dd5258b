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

  /** Takes one, unless the owner has its share already; `leave` gives it back. */
  enter(owner: string): boolean {
    const owned = this.#owned.get(owner) ?? 0;
    if (owned >= this.#most - this.#taken) return false;
    this.#owned.set(owner, owned + 1);
    this.#taken++;
    return true;
  }

  leave(owner: string): void {
    const owned = this.#owned.get(owner) ?? 0;
    if (owned === 0) return;
    if (owned === 1) this.#owned.delete(owner);
    else this.#owned.set(owner, owned - 1);
    this.#taken--;
  }
}
