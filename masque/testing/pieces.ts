import type { ByteSource } from "../capsule.ts";

/** Bytes that come in pieces, as a stream has them. */
export class Pieces implements ByteSource {
  readonly #pieces: Uint8Array[] = [];
  unread = 0;

  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.unread += piece.length;
  }

  peek(): Uint8Array | undefined {
    return this.#pieces[0];
  }

  advance(bytes: number): void {
    const first = this.#pieces[0];
    if (first === undefined || bytes > first.length) throw new RangeError(`advance ${bytes}`);
    this.unread -= bytes;
    if (bytes === first.length) this.#pieces.shift();
    else this.#pieces[0] = first.subarray(bytes);
  }
}
