/** Which nameservers don't answer at the moment, as far as that shows in queries that wait for them. */
export class Silence {
  readonly #since = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A query was sent. */
  asked(nameserver: string): void {
    if (!this.#since.has(nameserver)) this.#since.set(nameserver, this.#now());
  }

  /** Something came back, or the query was withdrawn before it counts. */
  heard(nameserver: string): void {
    this.#since.delete(nameserver);
  }

  /** Whether it has left queries unanswered for so many milliseconds. */
  isSilent(nameserver: string, ms: number): boolean {
    const since = this.#since.get(nameserver);
    return since !== undefined && this.#now() - since > ms;
  }
}
