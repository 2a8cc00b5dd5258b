/** What an environment lacks, and why: one line for each reason, with all that it concerns. */
export class Gaps {
  readonly #by = new Map<string, string[]>();

  /** Notes that `what` ("variable DB_HOST", "file /etc/db/url") isn't there. Never with a value. */
  add(why: string, what: string): void {
    const concerned = this.#by.get(why) ?? [];
    if (!concerned.includes(what)) concerned.push(what);
    this.#by.set(why, concerned);
  }

  /** In words: "Secret db doesn't exist: without DB_USER, DB_PASSWORD". */
  get lines(): string[] {
    return [...this.#by].map(([why, concerned]) => {
      const [first, second, third, ...more] = concerned;
      const named = more.length > 1
        ? `${first}, ${second}, ${third} and ${more.length} more`
        : concerned.join(", ");
      return `${why}: without ${named}`;
    });
  }
}
