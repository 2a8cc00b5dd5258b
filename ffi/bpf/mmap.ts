import { errno, libc, SystemCallError } from "../libc.ts";
import { kernelTime } from "./kernel_time.ts";

const PAGE = 4096;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffffffffffffffffn;

/**
 * The memory of a BPF_F_MMAPABLE array (5.5), which BPF programs read and write too. Needs no right but the descriptor, which may
 * be closed afterwards.
 */
export class MappedArray implements Disposable {
  readonly #memory: Deno.PointerObject;
  readonly #length: bigint;
  #buffer: ArrayBuffer | undefined;

  /** @param length bytes of the map, rounded up to pages @throws {SystemCallError} */
  constructor(fd: number, length: number) {
    this.#length = BigInt(PAGE * Math.ceil(length / PAGE));
    const memory = libc.mmap(null, this.#length, PROT_READ_WRITE, MAP_SHARED, fd, 0n);
    if (memory === null || BigInt.asUintN(64, BigInt(Deno.UnsafePointer.value(memory))) === MAP_FAILED) {
      throw new SystemCallError("mmap of a BPF map", errno());
    }
    this.#memory = memory;
    this.#buffer = new Deno.UnsafePointerView(memory).getArrayBuffer(Number(this.#length));
  }

  /** Undefined once this is disposed. */
  get buffer(): ArrayBuffer | undefined {
    return this.#buffer;
  }

  [Symbol.dispose](): void {
    if (this.#buffer === undefined) return;
    this.#buffer = undefined;
    libc.munmap(this.#memory, this.#length);
  }
}

/**
 * A heartbeat in a BPF_F_MMAPABLE array of u64: BPF programs see how long ago each of its writers was last alive, by
 * CLOCK_MONOTONIC in nanoseconds (bpf_ktime_get_ns).
 */
export class Beat implements Disposable {
  readonly #map: MappedArray;
  #beats: BigUint64Array | undefined;

  /** @param fd of the map; may be closed afterwards. @throws {SystemCallError} */
  constructor(fd: number) {
    this.#map = new MappedArray(fd, PAGE);
    this.#beats = this.#map.buffer && new BigUint64Array(this.#map.buffer);
  }

  /** Says that writer `index` (0 to 511) is alive now. */
  beat(index: number): void {
    if (this.#beats !== undefined) this.#beats[index] = kernelTime();
  }

  [Symbol.dispose](): void {
    this.#beats = undefined;
    this.#map[Symbol.dispose]();
  }
}
