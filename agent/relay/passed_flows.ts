import { kernelTime } from "../../ffi/bpf/kernel_time.ts";
import { MappedArray } from "../../ffi/bpf/mmap.ts";
import type { DatagramEnd } from "../../ffi/sockets/steered_datagrams.ts";

/** The layout of bpf/intercept.bpf.c: flows, and bytes and fields of struct passed_flow. */
export const passedLayout = { flows: 1024, shift: 22, bytes: 32, port: 16, local: 20, until: 24 } as const;
/** Nanoseconds for which a flow's datagrams don't come to relay again. */
const PASSED_NS = 1_000_000_000n;

/**
 * The map of UDP flows that are left to the pod: while a flow is in it the pod's application gets its datagrams by itself, with the
 * caller's own address, and answers them. There is one place for all flows of one hash: the last one has it, and datagrams of the
 * others come to relay once more.
 */
export class PassedFlows implements Disposable {
  readonly #map: MappedArray;

  /** @param fd of the map `passed`; may be closed afterwards. @throws {SystemCallError} */
  constructor(fd: number) {
    this.#map = new MappedArray(fd, passedLayout.flows * passedLayout.bytes);
  }

  /** Leaves a flow to the pod for a second. */
  pass(caller: DatagramEnd, port: number): void {
    const { buffer } = this.#map;
    if (buffer === undefined) return;
    const view = new DataView(buffer);
    const key = wordsOf(caller);
    const callerPort = swapped(caller.port);
    const hash = key[0] ^ key[1] ^ key[2] ^ key[3] ^ callerPort ^ port << 16;
    const at = (Math.imul(hash, 0x9E3779B1) >>> passedLayout.shift) * passedLayout.bytes;
    view.setBigUint64(at + passedLayout.until, 0n, true); // no other flow's time while it's written
    key.forEach((word, i) => view.setUint32(at + 4 * i, word, true));
    view.setUint32(at + passedLayout.port, callerPort, true);
    view.setUint32(at + passedLayout.local, port, true);
    view.setBigUint64(at + passedLayout.until, kernelTime() + PASSED_NS, true);
  }

  [Symbol.dispose](): void {
    this.#map[Symbol.dispose]();
  }
}

/** An address as four words, IPv4 as ::ffff:a.b.c.d. */
function wordsOf({ family, address }: DatagramEnd): readonly [number, number, number, number] {
  const view = new DataView(address.buffer, address.byteOffset);
  const word = (i: number) => view.getUint32(4 * i, true);
  return family === 4 ? [0, 0, 0xffff0000, word(0)] : [word(0), word(1), word(2), word(3)];
}

/** In network byte order, as a little-endian machine reads it. */
function swapped(port: number): number {
  return (port & 0xff) << 8 | port >>> 8;
}
