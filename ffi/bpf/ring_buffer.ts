import { libc, must, O_CLOEXEC } from "../libc.ts";

export const ringBufferSymbols = {
  ring_buffer__consume: { parameters: ["pointer"], result: "i32" },
  ring_buffer__epoll_fd: { parameters: ["pointer"], result: "i32" },
  ring_buffer__free: { parameters: ["pointer"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

const POLLIN = 1;
const FOREVER = -1;
/** What the callback answers to end a read: any error does. */
const ENOUGH = -1;

const callback = { parameters: ["pointer", "pointer", "usize"], result: "i32" } as const;

/**
 * Reads a BPF_MAP_TYPE_RINGBUF (5.8): the kernel wakes the waiting reader, and programs never wait for it. The wait
 * blocks a thread of Deno's pool, which disposing wakes; so use it on the main thread only, as SeqPacket.
 */
export class RingBuffer implements Disposable {
  readonly #library: Deno.StaticForeignLibraryInterface<typeof ringBufferSymbols>;
  readonly #ring: Deno.PointerObject;
  readonly #callback: Deno.UnsafeCallback<typeof callback>;
  /** An eventfd that wakes the wait for good. */
  readonly #end: number;
  #take: (record: Uint8Array<ArrayBuffer>) => boolean = () => false;
  #waiting = false;
  #closed = false;

  /** @param open makes libbpf's reader, which gives each record to `take` */
  constructor(
    library: Deno.StaticForeignLibraryInterface<typeof ringBufferSymbols>,
    open: (take: Deno.PointerObject) => Deno.PointerObject,
  ) {
    this.#library = library;
    this.#callback = new Deno.UnsafeCallback(callback, (_, data, size) => {
      if (data === null) return ENOUGH;
      const record = new Uint8Array(Number(size));
      new Deno.UnsafePointerView(data).copyInto(record);
      return this.#take(record) ? 0 : ENOUGH;
    });
    this.#end = must("eventfd", libc.eventfd(0, O_CLOEXEC));
    try {
      this.#ring = open(this.#callback.pointer);
    } catch (error) {
      this.#callback.close();
      libc.close(this.#end);
      throw error;
    }
  }

  /** Waits until there is something to read; false when this was disposed. One wait at a time. */
  async ready(): Promise<boolean> {
    if (this.#closed) return false;
    const waited = new Int32Array([
      this.#library.ring_buffer__epoll_fd(this.#ring),
      POLLIN,
      this.#end,
      POLLIN,
    ]);
    this.#waiting = true;
    await libc.poll(new Uint8Array(waited.buffer), 2n, FOREVER);
    this.#waiting = false;
    if (this.#closed) this.#release();
    return !this.#closed;
  }

  /**
   * Gives the records that are there to `take`, the oldest first, until it answers false. A record that was given is
   * read. `take` must not throw or dispose this.
   */
  read(take: (record: Uint8Array<ArrayBuffer>) => boolean): void {
    if (this.#closed) return;
    this.#take = take;
    this.#library.ring_buffer__consume(this.#ring);
  }

  /** Ends it: a pending wait returns false. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    libc.write(this.#end, new Uint8Array(new BigUint64Array([1n]).buffer), 8n);
    // What a thread waits on may only be freed once it has returned.
    if (!this.#waiting) this.#release();
  }

  #release(): void {
    libc.close(this.#end);
    this.#library.ring_buffer__free(this.#ring);
    this.#callback.close();
  }
}
