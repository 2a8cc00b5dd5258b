import { BpfError, type BpfMap, type BpfObject, type Libbpf } from "../ffi/bpf/libbpf.ts";
import type { Endpoint, IpAddress } from "../net/address.ts";
import { kernelTime } from "../ffi/bpf/kernel_time.ts";
import type { CapturedPorts } from "../wire/helper.ts";
import { attachToCgroup, attachToNetns } from "./attachments.ts";
import type { RefusalSource } from "./refusals.ts";
import type { SharedSettings } from "./settings.ts";

/** Also in bpf/capture.bpf.c: settings_test.ts compares them. */
export const WORKERS = 8;
export const ADDRESSES = 65_536;
export const PORTS = 262_144;
export const DESTINATIONS = 4_096;
export const POD = 1;
export const SERVICE = 2;
export const IDENTIFY_PORT = 1;

const HOOKS = ["connect4", "connect6", "sendmsg4", "sendmsg6", "bind4", "bind6"] as const;
/** By protocol, IPPROTO_TCP and IPPROTO_UDP. */
const PROTOCOLS = { tcp: 6, udp: 17 } as const;
const SLOTS = { helper: 0, daemon: 1 } as const;
/** struct identity: the expected cookie, the netns, the process, whether it is known. */
const IDENTITY_BYTES = 24;

/** A process that has identified itself, as the kernel sees it. */
export interface DaemonIdentity {
  readonly netns: bigint;
  readonly process: number;
}

/** The programs that steer the user's connections to captured addresses, and refuse those that the cluster wouldn't answer. */
export class CaptureHooks implements Disposable {
  readonly #resources: DisposableStack;
  readonly #settings: SharedSettings;
  readonly #addresses: BpfMap;
  readonly #served: BpfMap;
  readonly #identities: BpfMap;
  readonly #refusals: BpfMap;
  readonly #unreported: BpfMap;
  readonly #listeners: { readonly 4: BpfMap; readonly 6: BpfMap };
  readonly #destinations: BpfMap;
  readonly #catchAll: BpfMap;
  /** Whether datagrams are steered. */
  readonly takesUdp: boolean;
  /** Captured addresses by text, with what each serves (`servedOf`); empty for a pod, which takes any port. */
  readonly #now = new Map<string, ReadonlySet<number>>();
  #ports = 0;

  /**
   * Loads the programs and attaches them to this network namespace and to a cgroup (the machine's root).
   * @throws {BpfError} on kernels before 5.9, and without root
   */
  constructor(libbpf: Libbpf, bytes: Uint8Array<ArrayBuffer>, settings: SharedSettings, cgroup: string) {
    using resources = new DisposableStack();
    const { object, steer } = loadFor(libbpf, bytes);
    resources.use(object);
    settings.writeTo(object.map("settings"));
    this.#settings = settings;
    this.#addresses = object.map("addresses");
    this.#served = object.map("served");
    this.#identities = object.map("identities");
    this.#refusals = object.map("refusals");
    this.#unreported = object.map("unreported");
    this.#listeners = { 4: object.map("listeners4"), 6: object.map("listeners6") };
    this.#destinations = object.map("destinations");
    this.#catchAll = object.map("catch_all");
    this.takesUdp = steer !== "steer_tcp";
    // The hooks first, so that no connection is steered that they don't guard.
    resources.use(attachToCgroup(object, HOOKS, cgroup));
    resources.use(attachToNetns(object, steer));
    this.#resources = resources.move();
  }

  get addresses(): number {
    return this.#now.size;
  }

  /** The addresses that are captured, as text. */
  get all(): string[] {
    return [...this.#now.keys()];
  }

  has(address: IpAddress): boolean {
    return this.#now.has(address.text);
  }

  /** Says which socket makes a process known, by its cookie: it has to connect to IDENTIFY_PORT of the user's pmz address. */
  expect(who: keyof typeof SLOTS, cookie: bigint): void {
    this.#identities.update(u32(SLOTS[who]), new Uint8Array(new BigUint64Array([cookie, 0n, 0n]).buffer));
  }

  /** The process whose expected socket has connected. */
  identity(who: keyof typeof SLOTS): DaemonIdentity | undefined {
    const value = this.#identities.lookup(u32(SLOTS[who]), IDENTITY_BYTES);
    const view = value && new DataView(value.buffer);
    if (!view || view.getUint32(20, true) === 0) return undefined;
    return { netns: view.getBigUint64(8, true), process: view.getUint32(16, true) };
  }

  /** What the hooks refuse. One reader at a time. @throws {BpfError} */
  refusals(): RefusalSource {
    const records = this.#refusals.records();
    return {
      ready: () => records.ready(),
      read: (take) => records.read(take),
      lost: () => {
        const count = this.#unreported.lookup(u32(0), 8);
        return count ? Number(new DataView(count.buffer).getBigUint64(0, true)) : 0;
      },
      now: kernelTime,
      [Symbol.dispose]: () => records[Symbol.dispose](),
    };
  }

  /** Steers new connections to these listeners, WORKERS at most, instead of those before. @throws {BpfError} */
  steerTo(family: 4 | 6, listeners: readonly number[]): void {
    const map = this.#listeners[family];
    listeners.forEach((fd, worker) => map.update(u32(worker), u64(BigInt(fd))));
    this.#settings.set(family === 4 ? { workers4: listeners.length } : { workers6: listeners.length });
    for (let worker = listeners.length; worker < WORKERS; worker++) {
      try {
        map.delete(u32(worker));
      } catch (error) {
        if (!(error instanceof BpfError && error.errno === EINVAL)) throw error; // a SOCKMAP's answer when the key isn't there
      }
    }
  }

  /**
   * Carries UDP of a family: datagrams for captured addresses come by this socket, where their destination has none.
   * @throws {BpfError} EOPNOTSUPP and others on a kernel whose maps take no UDP sockets
   */
  carryUdp(family: 4 | 6, socket: number): void {
    this.#catchAll.update(u32(family === 4 ? 0 : 1), u64(BigInt(socket)));
    this.#settings.set(family === 4 ? { udp4: true } : { udp6: true });
  }

  /** Gives a bound socket the datagrams for its captured address and port. @throws {BpfError} E2BIG: there are DESTINATIONS already */
  steerDatagramsTo(destination: Endpoint, socket: number): void {
    this.#destinations.update(destinationKey(destination), u64(BigInt(socket)));
  }

  /** Captures an address, or changes its ports. @returns false when there's no room for more. @throws {BpfError} */
  set(address: IpAddress, ports: CapturedPorts): boolean {
    const served = servedOf(ports);
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

  /** Stops capturing an address, if it is captured. @throws {BpfError} */
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

/** The programs that steer, the first of which is for newest kernels: the last one takes no UDP. */
const STEERING = ["steer", "steer_blind", "steer_tcp"] as const;
type Steering = typeof STEERING[number];

/**
 * Loads the program that fits this kernel: since 5.17 it shows the device of a packet, older ones refuse a program that asks. Where
 * none loads but the last, TCP alone is captured.
 * @throws {BpfError} with what the kernel said to the last one
 */
export function loadFor(
  libbpf: Libbpf,
  bytes: Uint8Array<ArrayBuffer>,
  candidates: readonly Steering[] = STEERING,
): { object: BpfObject; steer: Steering } {
  const [steer = "steer_tcp", ...others] = candidates;
  const object = libbpf.open(bytes, "capture");
  try {
    object.load(STEERING.filter((name) => name !== steer));
    return { object, steer };
  } catch (error) {
    object[Symbol.dispose]();
    if (others.length === 0 || !(error instanceof BpfError)) throw error;
  }
  return loadFor(libbpf, bytes, others);
}

/** The ports that are served, each with its protocol: PROTOCOL * 65,536 + PORT. */
function servedOf(ports: CapturedPorts): ReadonlySet<number> {
  if (ports === "any") return new Set();
  return new Set(
    ports.filter(({ served }) => served).map(({ protocol, port }) => PROTOCOLS[protocol] << 16 | port),
  );
}

/** struct served of bpf/capture.bpf.c. @param served as servedOf has it */
function servedKey(address: IpAddress, served: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(20);
  const view = new DataView(key.buffer);
  view.setUint16(0, served >>> 16, true);
  view.setUint16(2, served & 0xffff);
  key.set(address.bytes, 4);
  return key;
}

/** struct endpoint of bpf/capture.bpf.c. */
function destinationKey({ address, port }: Endpoint): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(20);
  key.set(address.bytes);
  new DataView(key.buffer).setUint16(16, port);
  return key;
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function u64(value: bigint): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array([value]).buffer);
}
