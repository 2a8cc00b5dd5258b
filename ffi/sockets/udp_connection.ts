import dgram from "node:dgram";
import { once } from "node:events";
import type { Endpoint } from "../../net/address.ts";
import { SystemCallError } from "../libc.ts";
import { boundDescriptorOf } from "./own_socket.ts";
import { getOption, startConnect } from "./socket.ts";

const SOL_SOCKET = 1;
const SO_ERROR = 4;

/** Milliseconds until the first look for an error that came from afar, and between two at most: each look doubles the pause. */
const [FIRST_LOOK_MS, LONGEST_PAUSE_MS] = [2, 500];

/**
 * A UDP socket that the kernel has connected: datagrams of its peer come through and no others, and an ICMP message that the peer's
 * port is closed, or its host unreachable, is an error of the socket (man 7 udp). Deno's `connect` doesn't connect, and its sockets
 * don't report such errors, so the descriptor is connected and asked.
 */
export class UdpConnection implements AsyncDisposable {
  readonly #socket: dgram.Socket;
  readonly #fd: number;
  readonly #to: Endpoint;
  readonly #failed: (error: Error) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The descriptor may be another's once this is closed. */
  #isOpen = true;

  private constructor(socket: dgram.Socket, to: Endpoint, failed: (error: Error) => void) {
    const { address, port } = socket.address();
    this.#socket = socket;
    this.#fd = boundDescriptorOf("udp", address, port);
    this.#to = to;
    this.#failed = failed;
  }

  /**
   * @param received called with each datagram @param failed called when the peer can't be reached
   * @throws {SystemCallError} when there is no way to the peer
   */
  static async open(
    to: Endpoint,
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
      startConnect(connection.#fd, to);
      return connection;
    } catch (error) {
      await close(socket);
      throw error;
    }
  }

  send(bytes: Uint8Array): void {
    const { address, port } = this.#to;
    this.#socket.send(bytes, port, address.text, (error) => {
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

async function close(socket: dgram.Socket): Promise<void> {
  socket.close();
  await once(socket, "close");
}
