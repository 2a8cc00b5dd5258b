import type { BpfMap, Libbpf } from "../../ffi/bpf/libbpf.ts";
import { type IpAddress, parseAddress } from "../../net/address.ts";

/** The limits of bpf/intercept.bpf.c. */
export const steeringLimits = { workers: 8, ports: 256, addresses: 64 } as const;

/** Of the protocols, as the IP header has them. */
const PROTOCOLS = { tcp: 6, udp: 17 } as const;

/** A port of the pod, of one protocol. */
interface Port {
  readonly protocol: keyof typeof PROTOCOLS;
  readonly port: number;
}

/**
 * bpf/intercept.bpf.c, attached to one pod's network namespace. It steers new connections, and datagrams, to chosen ports to relay's
 * sockets, as long as their workers' heartbeats come. It is detached with this object, and with the process.
 */
export class Steering implements Disposable {
  readonly #owned: Disposable;
  readonly #sockets: Readonly<Record<"tcp" | "udp", Readonly<Record<4 | 6, BpfMap>>>>;
  readonly #ports: BpfMap;
  readonly #own: BpfMap;
  readonly #ownNow = new Map<string, IpAddress>();
  /** Descriptor of the heartbeat map (BPF_F_MMAPABLE array of u64, one a worker), for relay. */
  readonly heartbeats: number;
  /** Descriptor of the map of UDP flows that are left to the pod (BPF_F_MMAPABLE), for relay. */
  readonly passed: number;

  /**
   * @param object bpf/intercept.bpf.o
   * @param netns Descriptor of the pod's network namespace.
   * @throws {BpfError}
   */
  constructor(libbpf: Libbpf, object: Uint8Array<ArrayBuffer>, netns: number, workers: number) {
    using owned = new DisposableStack();
    const loaded = owned.use(libbpf.open(object, "intercept.bpf.o"));
    loaded.load();
    this.#sockets = {
      tcp: { 4: loaded.map("listeners4"), 6: loaded.map("listeners6") },
      udp: { 4: loaded.map("datagrams4"), 6: loaded.map("datagrams6") },
    };
    this.#ports = loaded.map("ports");
    this.#own = loaded.map("own_addresses");
    this.heartbeats = loaded.map("beats").fd;
    this.passed = loaded.map("passed").fd;
    loaded.map("workers").update(u32(0), u32(workers));
    owned.use(loaded.program("steer").attachNetns(netns));
    this.#owned = owned.move();
  }

  /**
   * Sets a worker's socket: a listening one, or of UDP one that is bound. The kernel removes the entry with the last copy of the
   * socket. @throws {BpfError}
   */
  take(protocol: "tcp" | "udp", family: 4 | 6, worker: number, fd: number): void {
    this.#sockets[protocol][family].update(
      u32(worker),
      new Uint8Array(new BigUint64Array([BigInt(fd)]).buffer),
    );
  }

  /**
   * Sets the pod's own addresses: what comes from one of them is left to the pod, as it comes from inside. Those beyond the limit
   * are left out.
   * @throws {BpfError}
   */
  setOwnAddresses(addresses: readonly string[]): void {
    const wanted = new Map<string, IpAddress>();
    for (const text of addresses.slice(0, steeringLimits.addresses)) {
      const address = parseAddress(text);
      if (address) wanted.set(address.text, address);
    }
    for (const [text, { bytes }] of this.#ownNow) {
      if (wanted.has(text)) continue;
      this.#own.delete(bytes);
      this.#ownNow.delete(text);
    }
    for (const [text, address] of wanted) {
      if (this.#ownNow.has(text)) continue;
      this.#own.update(address.bytes, u32(1));
      this.#ownNow.set(text, address);
    }
  }

  /** Whether an address is among the pod's own, as they were set last. */
  isOwn(address: string): boolean {
    return this.#ownNow.has(address);
  }

  /** Steers new connections, or datagrams, to the port. @throws {BpfError} */
  steer(port: Port): void {
    this.#ports.update(keyOf(port), u32(1));
  }

  /** Leaves new connections, or datagrams, to the port to the pod. @throws {BpfError} */
  leave(port: Port): void {
    this.#ports.delete(keyOf(port));
  }

  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
  }
}

function keyOf({ protocol, port }: Port): Uint8Array<ArrayBuffer> {
  return u32(PROTOCOLS[protocol] << 16 | port);
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}
