import type { BpfMap, Libbpf } from "../ffi/bpf/libbpf.ts";
import { closeDescriptor } from "../ffi/sockets/socket.ts";
import type { Endpoint, IpAddress } from "../net/address.ts";
import { attachToCgroup } from "./attachments.ts";
import type { SharedSettings } from "./settings.ts";

/** Also in bpf/names.bpf.c: settings_test.ts compares them. */
export const NAMESERVERS = 32;

const HOOKS = ["connect", "sendmsg", "recvmsg", "getpeername"].flatMap((name) => [`${name}4`, `${name}6`]);

/** A nameserver, and the daemon's DNS stub for it. */
export interface CheckedStub {
  readonly nameserver: IpAddress;
  readonly stub: Endpoint;
}

/** The programs that redirect the user's queries for the laptop's nameservers to the daemon's DNS stubs. */
export class NameHooks implements Disposable {
  readonly #resources: DisposableStack;
  readonly #stubs: BpfMap;
  readonly #nameservers: BpfMap;
  readonly #beat: BpfMap;
  #now: readonly CheckedStub[] = [];
  #kept: readonly number[] = [];

  /** Loads and attaches the programs; queries pass until there are stubs and a heartbeat. @throws {BpfError} */
  constructor(libbpf: Libbpf, bytes: Uint8Array<ArrayBuffer>, settings: SharedSettings, cgroup: string) {
    using resources = new DisposableStack();
    const object = resources.use(libbpf.open(bytes, "names"));
    object.load();
    settings.writeTo(object.map("settings"));
    this.#stubs = object.map("stubs");
    this.#nameservers = object.map("nameservers");
    this.#beat = object.map("beat");
    // Closed last, so that no other program can bind a stub's port while queries are sent to it.
    resources.defer(() => this.#keep([]));
    resources.use(attachToCgroup(object, HOOKS, cgroup));
    this.#resources = resources.move();
  }

  /** The descriptor of the heartbeat's map, which this object keeps. */
  get beatFd(): number {
    return this.#beat.fd;
  }

  /**
   * Sends queries to these stubs, NAMESERVERS at most, and to no others. Where that fails no query is sent to any.
   * @param keep the stubs' sockets, which are kept open while queries are sent there
   * @throws {BpfError}
   */
  set(stubs: readonly CheckedStub[], keep: readonly number[]): void {
    const before = this.#now;
    this.#now = [...before, ...stubs]; // as far as it gets
    try {
      this.#change(before, stubs);
    } catch (error) {
      this.#pass();
      throw error;
    }
    this.#now = stubs;
    this.#keep(keep);
  }

  /** Lets queries pass. An entry that can't be deleted stays known, so that the next call tries again. */
  #pass(): void {
    for (const { nameserver } of this.#now) {
      try {
        this.#stubs.delete(nameserver.bytes);
      } catch { /* the failure that led here is the one that is told */ }
    }
  }

  #change(before: readonly CheckedStub[], stubs: readonly CheckedStub[]): void {
    // Stubs first: a query must not be redirected once its answer would no longer seem to come from the nameserver.
    const goneNameservers = before.filter((old) => !stubs.some((one) => sameNameserver(old, one)));
    for (const { nameserver } of goneNameservers) this.#stubs.delete(nameserver.bytes);
    for (const old of before) {
      if (!stubs.some((one) => sameStub(old, one))) {
        this.#nameservers.delete(endpointBytes(old.stub));
      }
    }
    for (const { nameserver, stub } of stubs) {
      this.#nameservers.update(endpointBytes(stub), nameserver.bytes);
      this.#stubs.update(nameserver.bytes, endpointBytes(stub));
    }
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }

  #keep(fds: readonly number[]): void {
    for (const fd of this.#kept) closeDescriptor(fd);
    this.#kept = fds;
  }
}

function sameNameserver(a: CheckedStub, b: CheckedStub): boolean {
  return a.nameserver.text === b.nameserver.text;
}

function sameStub(a: CheckedStub, b: CheckedStub): boolean {
  return a.stub.address.text === b.stub.address.text && a.stub.port === b.stub.port;
}

/** struct endpoint of bpf/names.bpf.c. */
function endpointBytes({ address, port }: Endpoint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(20);
  bytes.set(address.bytes);
  new DataView(bytes.buffer).setUint16(16, port);
  return bytes;
}
