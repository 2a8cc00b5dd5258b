/** Bytes of the longest datagram, and of a slot for it. */
const SLOT = 65_536;
/** Slots that are allocated at a time. */
const SLOTS = 64;

/**
 * Buffers for sockets that wait for a datagram, each as long as the longest one. They are parts of a large allocation, so that the
 * kernel gives memory only for the pages that datagrams were written to: mostly one of the 16 of a buffer.
 */
export class ReceiveBuffers {
  readonly #free: Uint8Array<ArrayBuffer>[] = [];

  take(): Uint8Array<ArrayBuffer> {
    const free = this.#free.pop();
    if (free) return free;
    const memory = new ArrayBuffer(SLOTS * SLOT);
    for (let i = 1; i < SLOTS; i++) this.#free.push(new Uint8Array(memory, i * SLOT, SLOT));
    return new Uint8Array(memory, 0, SLOT);
  }

  /** Gives a buffer back that no read is waiting with. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    this.#free.push(buffer);
  }
}
