import { BpfError, type BpfMap, type BpfObject, type Libbpf } from "../ffi/bpf/libbpf.ts";
import type { IpAddress } from "../net/address.ts";
import type { CapturedPorts } from "../wire/helper.ts";
import { attachToCgroup, attachToNetns } from "./attachments.ts";
import type { SharedSettings } from "./settings.ts";

/** Shared with bpf/capture.bpf.c, which the test compares. */
export const WORKERS = 8;
export const ADDRESSES = 65_536;
export const PORTS = 262_144;
export const POD = 1;
export const SERVICE = 2;
export const KNOCK_PORT = 1;

const HOOKS = ["connect4", "connect6", "sendmsg4", "sendmsg6", "bind4", "bind6"] as const;
const IPPROTO_TCP = 6;
const SLOTS = { helper: 0, daemon: 1 } as const;

/** Who knocked: how the kernel sees that process. */
export interface Knock {
  readonly netns: bigint;
  readonly process: number;
}

/** The programs that take the user's connections to captured addresses, and refuse what the cluster wouldn't answer. */
export class Capture implements Disposable {
  readonly #resources: DisposableStack;
  readonly #settings: SharedSettings;
  readonly #addresses: BpfMap;
  readonly #served: BpfMap;
  readonly #knocks: BpfMap;
  readonly #listeners: { readonly 4: BpfMap; readonly 6: BpfMap };
  /** Captured addresses by text, and the TCP ports that each serves; none for a pod's: any. */
  readonly #now = new Map<string, ReadonlySet<number>>();
  #ports = 0;

  /**
   * Loads and attaches the programs: to this netns, and to a cgroup (the machine's root).
   * @throws {BpfError} on kernels before 5.9, without root.
   */
  constructor(libbpf: Libbpf, bytes: Uint8Array<ArrayBuffer>, settings: SharedSettings, cgroup: string) {
    using resources = new DisposableStack();
    const { object, steer } = loadFor(libbpf, bytes);
    resources.use(object);
    settings.writeTo(object.map("settings"));
    this.#settings = settings;
    this.#addresses = object.map("addresses");
    this.#served = object.map("served");
    this.#knocks = object.map("knocks");
    this.#listeners = { 4: object.map("listeners4"), 6: object.map("listeners6") };
    // The hooks first: nothing is taken that they don't guard.
    resources.use(attachToCgroup(object, HOOKS, cgroup));
    resources.use(attachToNetns(object, steer));
    this.#resources = resources.move();
  }

  get addresses(): number {
    return this.#now.size;
  }

  has(address: IpAddress): boolean {
    return this.#now.has(address.text);
  }

  /** Who knocked at KNOCK_PORT of the user's address. */
  knock(who: keyof typeof SLOTS): Knock | undefined {
    const value = this.#knocks.lookup(u32(SLOTS[who]), 16);
    const view = value && new DataView(value.buffer);
    if (!view || view.getUint32(12, true) === 0) return undefined;
    return { netns: view.getBigUint64(0, true), process: view.getUint32(8, true) };
  }

  /** Gives new connections to these listeners, instead of those before. At most WORKERS. @throws {BpfError} */
  steerTo(family: 4 | 6, listeners: readonly number[]): void {
    const map = this.#listeners[family];
    listeners.forEach((fd, worker) => map.update(u32(worker), u64(BigInt(fd))));
    this.#settings.set(family === 4 ? { workers4: listeners.length } : { workers6: listeners.length });
    for (let worker = listeners.length; worker < WORKERS; worker++) {
      try {
        map.delete(u32(worker));
      } catch (error) {
        if (!(error instanceof BpfError && error.errno === EINVAL)) throw error; // a SOCKMAP says so where there's none
      }
    }
  }

  /** Captures an address, or changes its ports. @returns false when there's no room for more. @throws {BpfError} */
  set(address: IpAddress, ports: CapturedPorts): boolean {
    const served = new Set(
      ports === "any"
        ? []
        : ports.filter((one) => one.protocol === "tcp" && one.served).map(({ port }) => port),
    );
    const before = this.#now.get(address.text) ?? new Set();
    if (this.#ports + served.size - before.size > PORTS) return false;
    if (!this.#now.has(address.text) && this.#now.size >= ADDRESSES) return false;
    for (const port of served) if (!before.has(port)) this.#served.update(servedKey(address, port), u32(1));
    this.#addresses.update(address.bytes, u32(ports === "any" ? POD : SERVICE));
    for (const port of before) if (!served.has(port)) this.#served.delete(servedKey(address, port));
    this.#ports += served.size - before.size;
    this.#now.set(address.text, served);
    return true;
  }

  /** Captures an address no more; fine when it isn't. @throws {BpfError} */
  remove(address: IpAddress): void {
    const before = this.#now.get(address.text);
    if (!before) return;
    this.#addresses.delete(address.bytes);
    for (const port of before) this.#served.delete(servedKey(address, port));
    this.#ports -= before.size;
    this.#now.delete(address.text);
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }
}

const EINVAL = 22;

/** Loads the program for this kernel: 5.17 shows the device that a packet came in by, older ones refuse to be asked. */
export function loadFor(
  libbpf: Libbpf,
  bytes: Uint8Array<ArrayBuffer>,
): { object: BpfObject; steer: string } {
  const object = libbpf.open(bytes, "capture");
  try {
    object.load(["steer_blind"]);
    return { object, steer: "steer" };
  } catch (error) {
    object[Symbol.dispose]();
    if (!(error instanceof BpfError)) throw error;
  }
  const old = libbpf.open(bytes, "capture");
  try {
    old.load(["steer"]);
    return { object: old, steer: "steer_blind" };
  } catch (error) {
    old[Symbol.dispose]();
    throw error;
  }
}

/** struct served of bpf/capture.bpf.c. */
function servedKey(address: IpAddress, port: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(20);
  const view = new DataView(key.buffer);
  view.setUint16(0, IPPROTO_TCP, true);
  view.setUint16(2, port);
  key.set(address.bytes, 4);
  return key;
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function u64(value: bigint): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array([value]).buffer);
}
