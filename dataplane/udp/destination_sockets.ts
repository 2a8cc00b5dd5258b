import { formatEndpoint, type IpAddress, parseAddress } from "../../net/address.ts";
import type { UnreachableFor } from "../../wire/helper.ts";
import type { Caller, CapturedUdp, UdpDestination } from "./captured_udp.ts";
import { DestinationSocket } from "./destination_socket.ts";
import { ReceiveBuffers } from "./receive_buffers.ts";

/** Callers of one message to the helper, and those that wait for the next: the rest isn't told. */
const MOST_REFUSED = 256;
/** How long a destination that can't be opened refuses its callers before it is tried again, in milliseconds. */
const RETRY_MS = 1_000;

/** A datagram that came by the catch-all socket, since its destination had no socket yet. */
export interface FirstDatagram {
  /** The captured address and port. */
  readonly address: string;
  readonly port: number;
  readonly callerPort: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** What a destination's socket is to be bound to. */
export interface SocketToBind {
  readonly descriptor: number;
  readonly address: string;
  readonly port: number;
}

export interface DestinationSocketsParts {
  /** Has the helper bind a socket to a captured address and port. Datagrams that came before by the catch-all socket arrive before it resolves. */
  open(socket: SocketToBind): Promise<void>;
  /** Has the helper tell callers that a port is unreachable. */
  unreachable(callers: readonly UnreachableFor[]): Promise<void>;
}

/** The destinations that the user's programs send datagrams to, each with a socket of its own: the kernel's side of UDP. */
export class DestinationSockets implements CapturedUdp, Disposable {
  received?: CapturedUdp["received"];
  closed?: CapturedUdp["closed"];
  lost?: CapturedUdp["lost"];
  readonly #parts: DestinationSocketsParts;
  readonly #own = new Map<4 | 6, IpAddress>();
  readonly #open = new Map<string, DestinationSocket>();
  /** Until when destinations aren't opened: the helper has refused them, or they couldn't be read. */
  readonly #failed = new Map<string, number>();
  readonly #buffers = new ReceiveBuffers();
  readonly #refused: UnreachableFor[] = [];
  #isTelling = false;

  constructor(parts: DestinationSocketsParts) {
    this.#parts = parts;
  }

  /** Says which address callers of a family have. */
  setOwn(address: IpAddress): void {
    this.#own.set(address.family, address);
  }

  /** pmz's own address of a family, once it is known. */
  own(family: 4 | 6): IpAddress | undefined {
    return this.#own.get(family);
  }

  /** A datagram came by the catch-all socket. */
  arrived({ address, port, callerPort, payload }: FirstDatagram): void {
    const key = formatEndpoint(address, port);
    const destination = this.#open.get(key) ?? this.#begin(key, address, port);
    if (destination) this.received?.(payload, callerPort, destination);
    else this.#refuse({ address, port, caller: callerPort });
  }

  /** Programs' sockets were closed. */
  callersClosed(callers: readonly Caller[]): void {
    for (const { family, port } of callers) this.closed?.(family, port);
  }

  #begin(key: string, address: string, port: number): DestinationSocket | undefined {
    const parsed = parseAddress(address);
    const own = parsed && this.#own.get(parsed.family);
    if (!own || (this.#failed.get(key) ?? 0) > performance.now()) return undefined;
    this.#failed.delete(key);
    try {
      const destination = new DestinationSocket({ address: parsed, port, own }, {
        buffers: this.#buffers,
        open: (descriptor) => this.#parts.open({ descriptor, address, port }),
        received: (payload, callerPort, destination) => this.received?.(payload, callerPort, destination),
        refuse: (caller) => this.#refuse({ address, port, caller }),
        lost: (destination, why) => {
          this.#fail(key);
          this.lost?.(destination, why);
        },
        closed: (destination) => {
          if (this.#open.get(key) === destination) this.#open.delete(key);
        },
      });
      this.#open.set(key, destination);
      void destination.start();
      return destination;
    } catch {
      this.#fail(key); // this process is out of descriptors
    }
  }

  #fail(key: string): void {
    const now = performance.now();
    for (const [other, until] of this.#failed) if (until <= now) this.#failed.delete(other);
    this.#failed.set(key, now + RETRY_MS);
  }

  #refuse(caller: UnreachableFor): void {
    if (this.#refused.length < MOST_REFUSED) this.#refused.push(caller);
    if (!this.#isTelling) void this.#tell();
  }

  /** One message at a time; those who are refused meanwhile are told by the next one. */
  async #tell(): Promise<void> {
    this.#isTelling = true;
    try {
      while (this.#refused.length > 0) await this.#parts.unreachable(this.#refused.splice(0));
    } catch {
      this.#refused.length = 0; // the helper is gone
    } finally {
      this.#isTelling = false;
    }
  }

  /** The destinations that are open. */
  get destinations(): Iterable<UdpDestination> {
    return this.#open.values();
  }

  /** Closes all sockets; the next datagram opens them again. */
  [Symbol.dispose](): void {
    for (const destination of [...this.#open.values()]) destination.close();
    this.#failed.clear();
    this.#refused.length = 0;
  }
}
