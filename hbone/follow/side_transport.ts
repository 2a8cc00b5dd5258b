import type { AbortableTransport } from "../../net/transport.ts";

/** Where what the connection of withheld streams sends goes. */
export interface SideHost {
  /** Whole frames. Settles when more may follow. */
  fromSide(frames: Uint8Array): Promise<void>;
  /** It was closed by its own end. */
  sideClosed(): void;
}

/** What the connection of withheld streams has in place of a socket: what its caller sends is put in, and what it sends is handed on. */
export class SideTransport implements AbortableTransport {
  readonly #host: SideHost;
  #chunks: Uint8Array[] = [];
  #reader: { readonly into: Uint8Array; resolve(length: number | null): void } | undefined;
  /** Frames that wait for the end of the one that is being fed. */
  readonly #told: Uint8Array[] = [];
  #isWithinFrame = false;
  #isEnded = false;

  constructor(host: SideHost) {
    this.#host = host;
  }

  /**
   * Adds frames that its caller has sent; the bytes may be reused at once. Its reader never waits for anything, so they are few.
   * @param isWithinFrame whether the rest of a frame is to follow
   */
  feed(bytes: Uint8Array, isWithinFrame = false): void {
    this.#add(bytes);
    this.#isWithinFrame = isWithinFrame;
    if (isWithinFrame || this.#told.length === 0) return;
    for (const frames of this.#told.splice(0)) this.#add(frames);
  }

  /** Adds whole frames that its caller hasn't sent. */
  tell(frames: Uint8Array): void {
    if (this.#isWithinFrame) this.#told.push(frames);
    else this.#add(frames);
  }

  #add(bytes: Uint8Array): void {
    const reader = this.#reader;
    if (this.#isEnded || bytes.length === 0) return;
    if (reader === undefined) return void this.#chunks.push(bytes.slice());
    const length = Math.min(reader.into.length, bytes.length);
    reader.into.set(bytes.subarray(0, length));
    if (length < bytes.length) this.#chunks.push(bytes.slice(length));
    this.#reader = undefined;
    reader.resolve(length);
  }

  /** Its caller sends nothing more. */
  end(): void {
    this.#isEnded = true;
    this.#reader?.resolve(null);
    this.#reader = undefined;
  }

  read(into: Uint8Array): Promise<number | null> {
    const chunk = this.#chunks[0];
    if (chunk !== undefined) {
      const length = Math.min(into.length, chunk.length);
      into.set(chunk.subarray(0, length));
      if (length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(length);
      return Promise.resolve(length);
    }
    if (this.#isEnded) return Promise.resolve(null);
    return new Promise((resolve) => this.#reader = { into, resolve });
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#host.fromSide(bytes);
    return bytes.length;
  }

  closeWrite(): Promise<void> {
    this.#host.sideClosed();
    return Promise.resolve();
  }

  close(): void {
    this.end();
    this.#host.sideClosed();
  }

  abort(): void {
    this.close();
  }
}
