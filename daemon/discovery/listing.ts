/** How far the lists are that a connection begins with, in words: "10,000 services, 12,500 of 30,000 pods". */
export class Listing {
  readonly #say: (text: string) => void;
  readonly #listed = new Map<string, string>();
  readonly #failed = new Map<string, string>();

  /** @param kinds in the order in which they are told @param say called after each page */
  constructor(kinds: readonly string[], say: (text: string) => void) {
    this.#say = say;
    for (const kind of kinds) this.#listed.set(kind, `0 ${kind}`);
  }

  /** @param all how many there are; undefined where that isn't known */
  page(kind: string, listed: number, all: number | undefined): void {
    this.#failed.delete(kind);
    const of = all === undefined ? "" : all === listed ? "" : ` of ${grouped(all)}`;
    this.#listed.set(kind, `${grouped(listed)}${of} ${kind}`);
    this.#tell();
  }

  /** A list that failed and is tried again. */
  failed(kind: string, why: string): void {
    this.#failed.set(kind, `${kind} are asked for again: ${why}`);
    this.#tell();
  }

  #tell(): void {
    this.#say([...this.#failed.values(), [...this.#listed.values()].join(", ")].filter(Boolean).join("; "));
  }
}

/** "12,500" */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}
