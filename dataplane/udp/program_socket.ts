/** Hot path: one view for each datagram that comes, and a promise for each batch; no promise for one that goes. */
import { errno, libc, SystemCallError } from "../../ffi/libc.ts";
import type { ConnectionEnds } from "../../ffi/proc/socket_program.ts";
import { boundDescriptorOf } from "../../ffi/sockets/own_socket.ts";
import { getOption, localEndpoint, startConnect } from "../../ffi/sockets/socket.ts";
import type { Endpoint } from "../../net/address.ts";
import type { ReceiveBuffers } from "./receive_buffers.ts";

const SOL_SOCKET = 1;
const SO_ERROR = 4;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** What says that the program isn't reached; a datagram that is lost for any other reason is only that. */
const UNREACHABLE: ReadonlySet<number> = new Set([101, 111, 113]); // ENETUNREACH, ECONNREFUSED, EHOSTUNREACH
/** Datagrams that are read at once, so that other sockets have their turn. */
const BATCH = 64;
/** Milliseconds after the first datagram in which an error from another machine is looked for; later ones are told by the next one. */
const LOOK_MS = 100;

/** What the owner of a socket is told. */
export interface ProgramEvents {
  /** `payload` is valid during the call only. */
  received(payload: Uint8Array): void;
  /** The program isn't reached: an ICMP message said so, or there is no way to it. */
  failed(error: SystemCallError): void;
}

/**
 * A UDP socket that the kernel has connected to a program of the user's: only its datagrams come through. Deno's own sockets aren't
 * connected and report no ICMP error, so the descriptor is connected and asked. It may be used in a worker.
 */
export class ProgramSocket implements Disposable {
  readonly ends: ConnectionEnds;
  readonly #socket: Deno.DatagramConn;
  readonly #fd: number;
  readonly #events: ProgramEvents;
  #isAnswered = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOpen = true;

  /** @throws {SystemCallError} when there is no way to the program @throws when the process is out of descriptors */
  constructor(to: Endpoint, buffers: ReceiveBuffers, events: ProgramEvents) {
    const hostname = to.address.family === 4 ? "0.0.0.0" : "::";
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    this.#events = events;
    try {
      const bound = this.#socket.addr;
      this.#fd = boundDescriptorOf("udp", hostname, "port" in bound ? bound.port : 0);
      startConnect(this.#fd, to);
      this.ends = { protocol: "udp", local: localEndpoint(this.#fd), remote: to };
    } catch (error) {
      this.#socket.close();
      throw error;
    }
    void this.#read(buffers);
  }

  send(payload: Uint8Array<ArrayBuffer>): void {
    if (!this.#isOpen) return;
    if (libc.send(this.#fd, payload, BigInt(payload.length), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      return this.#sawError(errno());
    }
    if (this.#isAnswered) return;
    this.#look(); // on this machine a refusal is there at once
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #look(): void {
    if (this.#isOpen) this.#sawError(getOption(this.#fd, SOL_SOCKET, SO_ERROR));
  }

  #sawError(code: number): void {
    if (UNREACHABLE.has(code)) this.#events.failed(new SystemCallError("send", code));
  }

  #received(payload: Uint8Array): void {
    this.#isAnswered = true;
    this.#events.received(payload);
  }

  async #read(buffers: ReceiveBuffers): Promise<void> {
    const buffer = buffers.take();
    try {
      for (;;) {
        const [payload] = await this.#socket.receive(buffer);
        this.#received(payload);
        for (let i = 0; i < BATCH && this.#isOpen; i++) {
          const length = Number(libc.recv(this.#fd, buffer, BigInt(buffer.length), MSG_DONTWAIT));
          if (length < 0) break;
          this.#received(buffer.subarray(0, length));
        }
      }
    } catch (error) {
      // Deno's two errors of a socket that was closed before, or meanwhile.
      if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) {
        this.#events.failed(new SystemCallError("receive", 111));
      }
    } finally {
      buffers.give(buffer);
    }
  }
}
