const LONGEST = 256 * 1024;

/** A log of root's own, one JSON object a line; it ends where it gets long. */
export class HelperLog implements Disposable {
  readonly #file: Deno.FsFile;
  #written = 0;

  constructor(path: string) {
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  }

  say(what: string, facts: Readonly<Record<string, string | number>> = {}): void {
    if (this.#written > LONGEST) return;
    const line = `${JSON.stringify({ time: new Date().toISOString(), what, ...facts })}\n`;
    this.#written += line.length;
    this.#file.writeSync(new TextEncoder().encode(line));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
