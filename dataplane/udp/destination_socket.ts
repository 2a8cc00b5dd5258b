/** Hot path: one view for each datagram that comes, and a promise for each batch; no promise for one that goes. */
import { libc } from "../../ffi/libc.ts";
import { boundDescriptorOf } from "../../ffi/sockets/own_socket.ts";
import { socketAddress } from "../../ffi/sockets/socket.ts";
import { formatEndpoint, type IpAddress } from "../../net/address.ts";
import type { UdpDestination } from "./captured_udp.ts";
import type { ReceiveBuffers } from "./receive_buffers.ts";

const MSG_DONTWAIT = 0x40;
/** Datagrams that are read at once, so that other sockets have their turn. */
const BATCH = 64;
/** Answers that wait until the socket is bound, and their bytes; those behind them are dropped. */
const MOST_WAITING = 64;
const MOST_WAITING_BYTES = 256 * 1024;
/** Where a struct sockaddr_in or sockaddr_in6 has the port. */
const PORT = 2;

/** The ends of a destination's socket. */
export interface DestinationEnds {
  readonly address: IpAddress;
  readonly port: number;
  /** pmz's own address of that family, which all callers have. */
  readonly own: IpAddress;
}

/** What a destination's socket needs. */
export interface DestinationSocketParts {
  readonly buffers: ReceiveBuffers;
  /** Has a socket of this process bound to the captured address and port. */
  open(descriptor: number): Promise<void>;
  received(payload: Uint8Array<ArrayBuffer>, callerPort: number, destination: DestinationSocket): void;
  refuse(callerPort: number, destination: DestinationSocket): void;
  /** Its socket can't be opened or read; it is closed next. */
  lost(destination: DestinationSocket, why: Error): void;
  /** It was closed, and gets no further datagrams. */
  closed(destination: DestinationSocket): void;
}

interface WaitingAnswer {
  readonly payload: Uint8Array<ArrayBuffer>;
  readonly callerPort: number;
}

/**
 * The socket of a captured address and port. While it isn't bound there yet, datagrams come by the catch-all socket; answers wait.
 * Its descriptor is known, so that what is there after a wait is read without further ones, and answers are sent without any.
 */
export class DestinationSocket implements UdpDestination {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
  readonly #parts: DestinationSocketParts;
  readonly #socket: Deno.DatagramConn;
  readonly #descriptor: number;
  /** A caller's address: its port is written for each answer. */
  readonly #caller: Uint8Array<ArrayBuffer>;
  readonly #callerView: DataView;
  readonly #sender: Uint8Array<ArrayBuffer>;
  readonly #senderView: DataView;
  readonly #senderSize = new Uint32Array(1);
  readonly #senderSizeBytes = new Uint8Array(this.#senderSize.buffer);
  /** Where the address is in a struct sockaddr_in or sockaddr_in6, and where it ends. */
  readonly #ownBytes: readonly [from: number, to: number];
  readonly #ownText: string;
  #waiting: WaitingAnswer[] | undefined = [];
  #waitingBytes = 0;
  #isOpen = true;
  /** While others have its descriptor's number: if it were closed, another socket could have that meanwhile. */
  #isOpening = false;

  /** @throws where this process is out of descriptors */
  constructor({ address, port, own }: DestinationEnds, parts: DestinationSocketParts) {
    this.address = address.text;
    this.port = port;
    this.family = address.family;
    this.#parts = parts;
    this.#ownText = own.text;
    this.#caller = socketAddress({ address: own, port: 0 });
    this.#callerView = new DataView(this.#caller.buffer);
    this.#sender = new Uint8Array(this.#caller.length);
    this.#senderView = new DataView(this.#sender.buffer);
    this.#ownBytes = address.family === 4 ? [4, 8] : [8, 24];
    const hostname = address.family === 4 ? "127.0.0.1" : "::1";
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    const bound = this.#socket.addr;
    this.#descriptor = "port" in bound ? boundDescriptorOf("udp", hostname, bound.port) : -1;
  }

  /** Has the socket bound, and reads it from then on until it is closed. Never rejects: where it can't be bound it is lost. */
  async start(): Promise<void> {
    this.#isOpening = true;
    try {
      await this.#parts.open(this.#descriptor);
    } catch (error) {
      this.#lose(error);
    }
    this.#isOpening = false;
    if (!this.#isOpen) return this.#socket.close();
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const { payload, callerPort } of waiting) this.send(payload, callerPort);
    void this.#read();
  }

  send(payload: Uint8Array, callerPort: number): boolean {
    if (!this.#isOpen) return false;
    if (this.#waiting) return this.#wait(this.#waiting, payload, callerPort);
    const bytes = payload as Uint8Array<ArrayBuffer>; // no memory is shared between threads here
    const { length } = bytes;
    this.#callerView.setUint16(PORT, callerPort);
    const to = this.#caller;
    return libc.sendto(this.#descriptor, bytes, BigInt(length), MSG_DONTWAIT, to, to.length) >= 0;
  }

  #wait(waiting: WaitingAnswer[], payload: Uint8Array, callerPort: number): boolean {
    if (waiting.length === MOST_WAITING || this.#waitingBytes + payload.length > MOST_WAITING_BYTES) {
      return false;
    }
    waiting.push({ payload: new Uint8Array(payload), callerPort });
    this.#waitingBytes += payload.length;
    return true;
  }

  refuse(callerPort: number): void {
    if (this.#isOpen) this.#parts.refuse(callerPort, this);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#waiting = undefined;
    if (!this.#isOpening) this.#socket.close();
    this.#parts.closed(this);
  }

  #lose(error: unknown): void {
    if (this.#isOpen) this.#parts.lost(this, error instanceof Error ? error : new Error(String(error)));
    this.close();
  }

  async #read(): Promise<void> {
    const buffer = this.#parts.buffers.take();
    try {
      for (;;) {
        const [payload, from] = await this.#socket.receive(buffer);
        if (!this.#isOpen) return;
        // What came before it was bound came from other programs' sockets.
        if ("hostname" in from && from.hostname === this.#ownText) {
          this.#parts.received(payload, from.port, this);
        }
        this.#drain(buffer);
      }
    } catch (error) {
      // Deno's two errors of a socket that was closed before, or meanwhile.
      const isClosed = error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted;
      if (!isClosed) this.#lose(error);
    } finally {
      this.#parts.buffers.give(buffer);
    }
  }

  #drain(buffer: Uint8Array<ArrayBuffer>): void {
    const size = BigInt(buffer.length);
    for (let i = 0; i < BATCH && this.#isOpen; i++) {
      this.#senderSize[0] = this.#sender.length;
      const length = Number(
        libc.recvfrom(this.#descriptor, buffer, size, MSG_DONTWAIT, this.#sender, this.#senderSizeBytes),
      );
      if (length < 0) return;
      if (!this.#isFromCaller()) continue;
      this.#parts.received(buffer.subarray(0, length), this.#senderView.getUint16(PORT), this);
    }
  }

  #isFromCaller(): boolean {
    const [from, to] = this.#ownBytes;
    for (let i = from; i < to; i++) if (this.#sender[i] !== this.#caller[i]) return false;
    return true;
  }

  toString(): string {
    return formatEndpoint(this.address, this.port);
  }
}
