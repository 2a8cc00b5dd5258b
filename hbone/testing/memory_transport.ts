import type { AbortableTransport } from "../../net/transport.ts";

/** Bytes that one direction holds before writes wait. */
const ROOM = 256 * 1024;

/** Two ends in memory: what is written to one is read from the other. For tests, and for ends in one process. */
export function memoryPair(): [AbortableTransport, AbortableTransport] {
  const forth = new Pipe();
  const back = new Pipe();
  return [new MemoryEnd(back, forth), new MemoryEnd(forth, back)];
}

class MemoryEnd implements AbortableTransport {
  readonly #in: Pipe;
  readonly #out: Pipe;

  constructor(incoming: Pipe, outgoing: Pipe) {
    this.#in = incoming;
    this.#out = outgoing;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#in.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#out.write(bytes);
  }

  closeWrite(): Promise<void> {
    this.#out.end();
    return Promise.resolve();
  }

  close(): void {
    this.#out.end();
    this.#in.break(new Error("the transport was closed by its reader"));
  }

  abort(reason: Error = new Error("the transport was aborted")): void {
    this.#out.break(reason);
    this.#in.break(reason);
  }
}

/** One direction. */
class Pipe {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #ended = false;
  #error: Error | undefined;
  #changed = Promise.withResolvers<void>();

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const chunk = this.#chunks[0];
      if (chunk !== undefined) {
        const length = Math.min(into.length, chunk.length);
        into.set(chunk.subarray(0, length));
        if (length === chunk.length) this.#chunks.shift();
        else this.#chunks[0] = chunk.subarray(length);
        this.#size -= length;
        this.#change();
        return length;
      }
      if (this.#ended) return null;
      await this.#changed.promise;
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) throw new Error("the transport's sending side has ended");
      if (this.#size < ROOM) {
        this.#chunks.push(bytes.slice());
        this.#size += bytes.length;
        this.#change();
        return bytes.length;
      }
      await this.#changed.promise;
    }
  }

  end(): void {
    this.#ended = true;
    this.#change();
  }

  /** What was written and not read is lost, as with a reset of TCP; what ended before stays readable. */
  break(error: Error): void {
    if (this.#error !== undefined || (this.#ended && this.#size === 0)) return;
    this.#error = error;
    this.#change();
  }

  #change(): void {
    const changed = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    changed.resolve();
  }
}
