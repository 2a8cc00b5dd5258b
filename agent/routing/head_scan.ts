/**
 * Finds the end of a head in bytes that come in pieces, and notices early what isn't one. Some servers take a line feed alone
 * for a line's end, and answer while a stricter reader would still wait.
 */
const [LF, CR] = [10, 13];

/** Where the head ends; `more`: not yet; `broken`: it has a line that two parsers could see the end of in different places. */
export type HeadEnd = number | "more" | "broken";

export class HeadScan {
  /** Where the next line begins to be looked at, and where it begins. */
  #at = 0;
  #line = 0;
  /** The first line without its CRLF, once it is complete. */
  firstLine: { readonly start: number; readonly end: number } | undefined;

  /** @param bytes those of the call before, and what came behind them. */
  scan(bytes: Uint8Array): HeadEnd {
    for (;;) {
      const end = bytes.indexOf(LF, this.#at);
      if (end < 0) {
        this.#at = bytes.length;
        return "more";
      }
      if (end === this.#line || bytes[end - 1] !== CR) return "broken";
      const isEmpty = end - this.#line === 1;
      if (isEmpty && this.firstLine === undefined) return "broken";
      this.firstLine ??= { start: this.#line, end: end - 1 };
      this.#line = this.#at = end + 1;
      if (isEmpty) return end + 1;
    }
  }

  reset(): void {
    this.#at = this.#line = 0;
    this.firstLine = undefined;
  }
}
