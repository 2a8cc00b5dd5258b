/**
 * Port-forwards by WebSocket channels (`v4.channel.k8s.io`): each message begins with a byte that says its channel, 0 for data and 1 for
 * errors, and the first message of each channel announces its port.
 *
 * All versions of Kubernetes that have WebSocket port-forward speak it, 1.34 too (v5.channel.k8s.io is for exec and attach only). Kubelet
 * and container runtime answer, and the API server passes it through.
 */
import type { ApiServerAccess } from "../client/access.ts";
import { HEADROOM, type MessageSocket } from "./message_socket.ts";
import { openPortForward, type PortForward, type PortForwardTarget } from "./port_forward.ts";
import { PodErrorText, type PortForwardProtocol } from "./protocol.ts";
import { WebSocketError } from "./websocket.ts";

const PROTOCOL = "v4.channel.k8s.io";
const DATA = 0, ERROR = 1;
/** Bytes of a channel's announcement: the port. */
const ANNOUNCEMENT = 2;

/** Bytes of data in one message. The other side holds it in memory as a whole, and takes 32 MiB at most (golang.org/x/net/websocket). */
const MAX_DATA = 256 << 10;
const OUT = HEADROOM + 1;

/**
 * Opens a port of a pod by WebSocket channels.
 *
 * @throws as {@linkcode openPortForward}
 */
export function channelPortForward(
  access: ApiServerAccess,
  target: PortForwardTarget,
): Promise<PortForward> {
  return openPortForward(access, target, {
    protocol: PROTOCOL,
    query: `?ports=${target.port}`,
    begin: (socket) => new Channels(socket),
  });
}

export class Channels implements PortForwardProtocol {
  readonly name = PROTOCOL;
  readonly out = new Uint8Array(OUT + MAX_DATA);
  outEnd = HEADROOM;
  readonly #socket: MessageSocket;
  readonly #error = new PodErrorText();
  /** The message that `#channel` is about. */
  #message = 0;
  #channel = DATA;
  /** Bytes of each channel's announcement that are still to come. */
  readonly #announced = [ANNOUNCEMENT, ANNOUNCEMENT];

  constructor(socket: MessageSocket) {
    this.#socket = socket;
    this.out[HEADROOM] = DATA;
  }

  /** The protocol has no end of its own but the WebSocket's: 1000 and 1005 (none given) are ends, other codes tell of a break. */
  get ended(): boolean {
    const code = this.#socket.closed?.code;
    return code === 1000 || code === 1005;
  }

  take(into: Uint8Array, at: number): number {
    const socket = this.#socket;
    if (socket.message !== this.#message && socket.at < socket.end) {
      this.#message = socket.message;
      this.#channel = socket.buffer[socket.at++]!; // below `end`
      if (this.#channel > ERROR) {
        throw new WebSocketError(
          `the server sent a message on channel ${this.#channel}, which doesn't exist`,
        );
      }
    }
    const announced = this.#announced[this.#channel]!; // DATA or ERROR
    if (announced > 0) {
      const size = Math.min(announced, socket.end - socket.at);
      this.#announced[this.#channel] = announced - size;
      socket.at += size;
    }
    if (this.#channel === ERROR) {
      this.#error.add(socket.buffer.subarray(socket.at, socket.end));
      socket.at = socket.end;
      if (socket.endsMessage) this.#error.complete();
      return 0;
    }
    const size = Math.min(socket.end - socket.at, into.length - at);
    into.set(socket.buffer.subarray(socket.at, socket.at + size), at);
    socket.at += size;
    return size;
  }

  put(bytes: Uint8Array, from: number): number {
    if (this.outEnd === HEADROOM) this.outEnd = OUT;
    const size = Math.min(bytes.length - from, this.out.length - this.outEnd);
    this.out.set(size === bytes.length ? bytes : bytes.subarray(from, from + size), this.outEnd);
    this.outEnd += size;
    return size;
  }

  clear(): void {
    this.outEnd = HEADROOM;
  }

  /** The protocol has none: what runs over a port-forward announces its own end (HTTP/2: END_STREAM, GOAWAY), and then closes. */
  endOfOutput(): undefined {}
}
