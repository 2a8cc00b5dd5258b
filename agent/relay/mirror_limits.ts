/** What the copies of one relay may take altogether, so that laptops that are slow cost pods nothing but a little memory. */
export class MirrorLimits {
  readonly #mostBytes: number;
  readonly #mostCopies: number;
  readonly #copies = new Map<string, number>();
  /** Bytes that wait, by rule. */
  readonly #waiting = new Map<string, number>();
  #bytes = 0;

  /**
   * @param mostBytes that wait to be sent, of all copies, shared by the rules
   * @param mostCopies that one rule has open
   */
  constructor(mostBytes: number = MOST_BYTES, mostCopies: number = MOST_COPIES) {
    this.#mostBytes = mostBytes;
    this.#mostCopies = mostCopies;
  }

  /** Whether a rule may have another copy; if so, `leave` is called at its end. */
  enter(rule: string): boolean {
    const copies = this.#copies.get(rule) ?? 0;
    if (copies >= this.#mostCopies) return false;
    this.#copies.set(rule, copies + 1);
    return true;
  }

  leave(rule: string): void {
    const left = (this.#copies.get(rule) ?? 1) - 1;
    if (left > 0) this.#copies.set(rule, left);
    else this.#copies.delete(rule);
  }

  /**
   * Whether so many more bytes of a rule's copies may wait; if so, `give` is called with as many. As of places.ts, a rule takes no
   * more than are left: a laptop that hangs leaves the others theirs.
   */
  take(rule: string, bytes: number): boolean {
    const waiting = (this.#waiting.get(rule) ?? 0) + bytes;
    if (waiting > this.#mostBytes - this.#bytes) return false;
    this.#waiting.set(rule, waiting);
    this.#bytes += bytes;
    return true;
  }

  give(rule: string, bytes: number): void {
    const left = (this.#waiting.get(rule) ?? bytes) - bytes;
    if (left > 0) this.#waiting.set(rule, left);
    else this.#waiting.delete(rule);
    this.#bytes -= bytes;
  }
}

const MOST_BYTES = 32 * 1024 * 1024;
const MOST_COPIES = 128;
