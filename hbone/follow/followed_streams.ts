/** The streams of a connection that is followed: those that its server has, and those that are withheld from it. */

/** The half of a stream that its caller sends, and the one that is answered. */
export const Half = { REQUEST: 1, ANSWER: 2 } as const;
const BOTH = Half.REQUEST | Half.ANSWER;

/** Streams that the server has. Hot path. */
export class ServedStreams {
  /** Of each open stream, the halves that have ended. */
  readonly #ended = new Map<number, number>();

  get size(): number {
    return this.#ended.size;
  }

  get ids(): number[] {
    return [...this.#ended.keys()];
  }

  add(id: number): void {
    this.#ended.set(id, 0);
  }

  end(id: number, half: number): void {
    const ended = this.#ended.get(id);
    if (ended === undefined) return;
    if ((ended | half) === BOTH) this.#ended.delete(id);
    else this.#ended.set(id, ended | half);
  }

  close(id: number): void {
    this.#ended.delete(id);
  }

  clear(): void {
    this.#ended.clear();
  }
}

/** Ids of closed streams that are remembered: their caller may still send frames of them, which are not the server's, though it has later streams. */
const REMEMBERED = 4_096;

/** A stream that is withheld from the server. */
export interface WithheldStream {
  /** The halves that have ended. */
  ended: number;
  /** Bytes of its caller's window for it beyond the window that the one has who answers it; never less than 0. */
  slack: number;
}

export class WithheldStreams {
  readonly open = new Map<number, WithheldStream>();
  readonly #closed = new Set<number>();
  /** Called when the last open one has ended. */
  onIdle: () => void = () => {};

  has(id: number): boolean {
    return this.open.has(id) || this.#closed.has(id);
  }

  /** The highest number of an open one; 0 where none is open. */
  get highest(): number {
    return Math.max(0, ...this.open.keys());
  }

  end(id: number, half: number): void {
    const stream = this.open.get(id);
    if (stream === undefined) return;
    stream.ended |= half;
    if (stream.ended === BOTH) this.close(id);
  }

  close(id: number): void {
    if (!this.open.delete(id)) return;
    this.#closed.add(id);
    for (const oldest of this.#closed) {
      if (this.#closed.size <= REMEMBERED) break;
      this.#closed.delete(oldest);
    }
    if (this.open.size === 0) this.onIdle();
  }
}
