import dgram from "node:dgram";
import { once } from "node:events";
import type { Endpoint } from "../../net/address.ts";
import { SystemCallError } from "../libc.ts";
import { boundDescriptorOf } from "./own_socket.ts";
import { getOption, setOption, startConnect } from "./socket.ts";

const SOL_SOCKET = 1;
const SO_ERROR = 4;
/** By address family: level and option that have ICMP's soft errors reported too, "host unreachable" among them (man 7 ip, IP_RECVERR). */
const RECVERR = { 4: [0, 11], 6: [41, 25] } as const;

/** Milliseconds until the first look for an error that came from afar, and between two at most: each look doubles the pause. */
const [FIRST_LOOK_MS, LONGEST_PAUSE_MS] = [2, 100];

/** An address and port, and the name of the interface that a link-local address of IPv6 is on. */
export interface ScopedEndpoint extends Endpoint {
  readonly zone?: string;
}

/**
 * A UDP socket that the kernel has connected: datagrams of its peer come through and no others, and an ICMP message that the peer's
 * port is closed, or its host unreachable, is an error of the socket (man 7 udp). Deno's `connect` doesn't connect, and its sockets
 * don't report such errors, so the descriptor is connected and asked.
 */
export class UdpConnection implements AsyncDisposable {
  readonly #socket: dgram.Socket;
  readonly #fd: number;
  readonly #to: ScopedEndpoint;
  readonly #failed: (error: Error) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The descriptor may be another's once this is closed. */
  #isOpen = true;

  private constructor(socket: dgram.Socket, to: ScopedEndpoint, failed: (error: Error) => void) {
    const { address, port } = socket.address();
    this.#socket = socket;
    this.#fd = boundDescriptorOf("udp", address, port);
    this.#to = to;
    this.#failed = failed;
  }

  /**
   * @param to a link-local address of IPv6 with its interface
   * @param received called with each datagram @param failed called when the peer can't be reached
   * @throws {SystemCallError} when there is no way to the peer
   */
  static async open(
    to: ScopedEndpoint,
    received: (bytes: Uint8Array<ArrayBuffer>) => void,
    failed: (error: Error) => void,
  ): Promise<UdpConnection> {
    const socket = dgram.createSocket(to.address.family === 4 ? "udp4" : "udp6");
    socket.on("message", (bytes) => received(new Uint8Array(bytes)));
    socket.on("error", failed);
    try {
      socket.bind(0);
      await once(socket, "listening");
      const connection = new UdpConnection(socket, to, failed);
      const [level, option] = RECVERR[to.address.family];
      setOption(connection.#fd, level, option, 1);
      startConnect(connection.#fd, to, to.zone === undefined ? 0 : interfaceIndex(to.zone));
      return connection;
    } catch (error) {
      await close(socket);
      throw error;
    }
  }

  send(bytes: Uint8Array): void {
    const { address, port, zone } = this.#to;
    this.#socket.send(bytes, port, zone === undefined ? address.text : `${address.text}%${zone}`, (error) => {
      if (error) this.#failed(error);
      else if (this.#isOpen && this.#timer === undefined) this.#look(FIRST_LOOK_MS);
    });
  }

  /** Looks for an error now, and again after longer and longer pauses. */
  #look(pauseMs: number): void {
    this.#timer = setTimeout(() => this.#look(Math.min(2 * pauseMs, LONGEST_PAUSE_MS)), pauseMs);
    try {
      const errno = getOption(this.#fd, SOL_SOCKET, SO_ERROR);
      if (errno !== 0) this.#failed(new SystemCallError("send", errno));
    } catch (error) {
      // A timer's error would end the thread.
      this.#failed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    await close(this.#socket);
  }
}

/** @throws {Deno.errors.NotFound} when there is no such interface */
function interfaceIndex(zone: string): number {
  return Number(/^[0-9]+$/.test(zone) ? zone : Deno.readTextFileSync(`/sys/class/net/${zone}/ifindex`));
}

async function close(socket: dgram.Socket): Promise<void> {
  socket.close();
  await once(socket, "close");
}
