import type { BpfMap, Libbpf } from "../../ffi/bpf/libbpf.ts";

/** The limits of bpf/intercept.bpf.c. */
export const steeringLimits = { workers: 8, ports: 256 } as const;

/**
 * bpf/intercept.bpf.c, attached to one pod's network namespace. It steers new connections to chosen ports to the listening
 * sockets, as long as their workers' heartbeats come. It is detached with this object, and with the process.
 */
export class Steering implements Disposable {
  readonly #owned: Disposable;
  readonly #listeners: Readonly<Record<4 | 6, BpfMap>>;
  readonly #ports: BpfMap;
  /** Descriptor of the heartbeat map (BPF_F_MMAPABLE array of u64, one a worker), for relay. */
  readonly heartbeats: number;

  /**
   * @param object bpf/intercept.bpf.o
   * @param netns Descriptor of the pod's network namespace.
   * @throws {BpfError}
   */
  constructor(libbpf: Libbpf, object: Uint8Array<ArrayBuffer>, netns: number, workers: number) {
    using owned = new DisposableStack();
    const loaded = owned.use(libbpf.open(object, "intercept.bpf.o"));
    loaded.load();
    this.#listeners = { 4: loaded.map("listeners4"), 6: loaded.map("listeners6") };
    this.#ports = loaded.map("ports");
    this.heartbeats = loaded.map("beats").fd;
    loaded.map("workers").update(u32(0), u32(workers));
    owned.use(loaded.program("steer").attachNetns(netns));
    this.#owned = owned.move();
  }

  /** Sets a worker's listening socket. The kernel removes the entry with the last copy of the socket. @throws {BpfError} */
  listen(family: 4 | 6, worker: number, fd: number): void {
    this.#listeners[family].update(u32(worker), new Uint8Array(new BigUint64Array([BigInt(fd)]).buffer));
  }

  /** Steers new connections to the port. @throws {BpfError} */
  steer(port: number): void {
    this.#ports.update(u32(port), u32(1));
  }

  /** Leaves new connections to the port to the pod. @throws {BpfError} */
  leave(port: number): void {
    this.#ports.delete(u32(port));
  }

  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
  }
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}
