import type { BpfMap, Libbpf } from "../ffi/bpf/libbpf.ts";
import { closeDescriptor } from "../ffi/sockets/socket.ts";
import type { Endpoint, IpAddress } from "../net/address.ts";
import { attachToCgroup } from "./attachments.ts";
import type { SharedSettings } from "./settings.ts";

/** Shared with bpf/names.bpf.c, which the test compares. */
export const NAMESERVERS = 32;

const HOOKS = ["connect", "sendmsg", "recvmsg", "getpeername"].flatMap((name) => [`${name}4`, `${name}6`]);

/** A nameserver, and the daemon's stand-in for it. */
export interface CheckedStandIn {
  readonly nameserver: IpAddress;
  readonly standIn: Endpoint;
}

/** The programs that send the user's queries for the laptop's nameservers to the daemon's stand-ins. */
export class Names implements Disposable {
  readonly #resources: DisposableStack;
  readonly #standIns: BpfMap;
  readonly #nameservers: BpfMap;
  readonly #beat: BpfMap;
  #now: readonly CheckedStandIn[] = [];
  #kept: readonly number[] = [];

  /** Loads and attaches the programs; queries pass until there are stand-ins and a beat. @throws {BpfError} */
  constructor(libbpf: Libbpf, bytes: Uint8Array<ArrayBuffer>, settings: SharedSettings, cgroup: string) {
    using resources = new DisposableStack();
    const object = resources.use(libbpf.open(bytes, "names"));
    object.load();
    settings.writeTo(object.map("settings"));
    this.#standIns = object.map("stand_ins");
    this.#nameservers = object.map("nameservers");
    this.#beat = object.map("beat");
    // The last to go: nobody can take a stand-in's port as long as queries are sent to it.
    resources.defer(() => this.#keep([]));
    resources.use(attachToCgroup(object, HOOKS, cgroup));
    this.#resources = resources.move();
  }

  /** The beat map's descriptor, which stays this object's. */
  get beatFd(): number {
    return this.#beat.fd;
  }

  /**
   * Sends queries to these stand-ins and to no others.
   * @param keep the stand-ins' sockets, which are kept open as long as queries go there. At most NAMESERVERS.
   * @throws {BpfError}
   */
  set(standIns: readonly CheckedStandIn[], keep: readonly number[]): void {
    const before = this.#now;
    // Answers first, so that no query goes where its answer would seem to come from a stranger.
    const goneNameservers = before.filter((old) => !standIns.some((one) => sameNameserver(old, one)));
    for (const { nameserver } of goneNameservers) this.#standIns.delete(nameserver.bytes);
    for (const old of before) {
      if (!standIns.some((one) => sameStandIn(old, one))) {
        this.#nameservers.delete(endpointBytes(old.standIn));
      }
    }
    for (const { nameserver, standIn } of standIns) {
      this.#nameservers.update(endpointBytes(standIn), nameserver.bytes);
      this.#standIns.update(nameserver.bytes, endpointBytes(standIn));
    }
    this.#now = standIns;
    this.#keep(keep);
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }

  #keep(fds: readonly number[]): void {
    for (const fd of this.#kept) closeDescriptor(fd);
    this.#kept = fds;
  }
}

function sameNameserver(a: CheckedStandIn, b: CheckedStandIn): boolean {
  return a.nameserver.text === b.nameserver.text;
}

function sameStandIn(a: CheckedStandIn, b: CheckedStandIn): boolean {
  return a.standIn.address.text === b.standIn.address.text && a.standIn.port === b.standIn.port;
}

/** struct endpoint of bpf/names.bpf.c. */
function endpointBytes({ address, port }: Endpoint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(20);
  bytes.set(address.bytes);
  new DataView(bytes.buffer).setUint16(16, port);
  return bytes;
}
