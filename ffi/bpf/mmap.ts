import { errno, libc, SystemCallError } from "../libc.ts";
import { kernelTime } from "./kernel_time.ts";

const PAGE = 4096;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;

/**
 * A heartbeat in a BPF_F_MMAPABLE array of u64 (5.5): BPF programs see how long ago each of its writers was last alive,
 * by CLOCK_MONOTONIC in nanoseconds (bpf_ktime_get_ns). Writing needs no right but the descriptor.
 */
export class Beat implements Disposable {
  readonly #page: Deno.PointerObject;
  readonly #beats: BigUint64Array;
  #mapped = true;

  /** @param fd of the map; may be closed afterwards. @throws {SystemCallError} */
  constructor(fd: number) {
    const page = libc.mmap(null, BigInt(PAGE), PROT_READ_WRITE, MAP_SHARED, fd, 0n);
    if (
      page === null || BigInt(Deno.UnsafePointer.value(page)) === 0xffffffffffffffffn ||
      Deno.UnsafePointer.value(page) === -1n
    ) {
      throw new SystemCallError("mmap of the beat map", errno());
    }
    this.#page = page;
    this.#beats = new BigUint64Array(new Deno.UnsafePointerView(page).getArrayBuffer(PAGE));
  }

  /** Says that writer `index` (0 to 511) is alive now. */
  beat(index: number): void {
    if (this.#mapped) this.#beats[index] = kernelTime();
  }

  [Symbol.dispose](): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    libc.munmap(this.#page, BigInt(PAGE));
  }
}
