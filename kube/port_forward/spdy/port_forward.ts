/**
 * Port-forwards by SPDY/3.1 within a WebSocket, the newer protocol (Kubernetes 1.31; kubectl uses it).
 *
 * Up to Kubernetes 1.35 the API server unwraps the WebSocket, from 1.36 on the kubelet may; the container runtime sees SPDY alone. That
 * is its advantage: a runtime's own WebSocket (golang.org/x/net/websocket) unmasks byte by byte, which costs it several times the CPU for
 * uploads. It costs more than channels for small messages.
 *
 * One connection has one forwarded port, so a slow one can't stop another: SPDY here has no flow control per stream.
 */
import type { ApiServerAccess } from "../../client/access.ts";
import { HEADROOM, type MessageSocket } from "../message_socket.ts";
import { openPortForward, type PortForward, type PortForwardTarget } from "../port_forward.ts";
import { PodErrorText, type PortForwardProtocol } from "../protocol.ts";
import { FrameReader } from "./frame_reader.ts";
import { FIN, FRAME_HEADER, ping, SpdyError, synStream, writeDataHeader } from "./frames.ts";
import { refusal } from "./not_offered.ts";

const PROTOCOL = "SPDY/3.1+portforward.k8s.io";
/** A client's streams have odd ids. */
const ERROR = 1, DATA = 3;

/**
 * Bytes of one data frame. The runtime holds a frame in memory as a whole before it passes any of it on, and up to 50 frames
 * that the pod doesn't take (moby/spdystream, `QUEUE_SIZE`). A quarter of this costs it a quarter more CPU per byte, the double saves nothing.
 */
const FRAME_SIZE = 128 << 10;
const MAX_FRAMES = 2;

/**
 * Opens a port of a pod by SPDY.
 *
 * @throws {NotOffered} when the server doesn't speak this protocol, or refuses in a way that may mean that: the older protocol may work
 * @throws as {@linkcode openPortForward}
 */
export function spdyPortForward(access: ApiServerAccess, target: PortForwardTarget): Promise<PortForward> {
  return openPortForward(access, target, {
    // The ports are those of the streams; kubelets need none in the query.
    protocol: PROTOCOL,
    begin: (socket) => SpdyStreams.open(socket, target.port),
    refused: refusal,
  });
}

/** One TCP connection as two SPDY streams, of which one tells errors. */
export class SpdyStreams implements PortForwardProtocol {
  readonly name = PROTOCOL;
  readonly out = new Uint8Array(HEADROOM + MAX_FRAMES * (FRAME_HEADER + FRAME_SIZE));
  outEnd = HEADROOM;
  /** Where the header of the last frame in `out` is. */
  #frame = HEADROOM;
  readonly #socket: MessageSocket;
  readonly #frames = new FrameReader({
    dataDone: (stream) => stream === ERROR && this.#error.complete(),
    finished: (stream) => this.#finished(stream),
    reset: (stream, status) => this.#reset(stream, status),
    // An even id is the peer's; an odd one would answer a ping of ours, and there was none.
    pinged: (id) => id % 2 === 0 && this.#socket.queue(ping(id)),
  });
  readonly #error = new PodErrorText();
  #dataEnded = false;
  #errorEnded = false;

  private constructor(socket: MessageSocket) {
    this.#socket = socket;
  }

  /** Opens both streams. It doesn't wait for the replies: what is sent on a stream before its reply is kept. */
  static async open(socket: MessageSocket, port: number): Promise<SpdyStreams> {
    const headers = (streamtype: string) => ({ streamtype, port: `${port}`, requestid: "0" });
    const message = new Uint8Array(1024);
    let end = HEADROOM;
    for (
      const frame of [
        synStream(ERROR, FIN, headers("error"), true), // nothing goes out on it
        synStream(DATA, 0, headers("data"), false),
      ]
    ) {
      message.set(frame, end);
      end += frame.length;
    }
    await socket.send(message, HEADROOM, end);
    return new SpdyStreams(socket);
  }

  /** containerd ends the data, and only then tells on the other stream that it failed: so both have to end. */
  get ended(): boolean {
    return this.#dataEnded && this.#errorEnded;
  }

  take(into: Uint8Array, at: number): number {
    const socket = this.#socket, frames = this.#frames;
    if (frames.data === 0) {
      socket.at = frames.read(socket.buffer, socket.at, socket.end);
      if (frames.data === 0 || socket.at === socket.end) return 0;
    }
    let size = Math.min(frames.data, socket.end - socket.at);
    let data = 0;
    if (frames.stream === DATA) {
      if (this.#dataEnded) throw new SpdyError("data after the end of the stream");
      data = size = Math.min(size, into.length - at);
      into.set(socket.buffer.subarray(socket.at, socket.at + size), at);
    } else if (frames.stream === ERROR) {
      this.#error.add(socket.buffer.subarray(socket.at, socket.at + size));
    } else {
      throw new SpdyError(`data on stream ${frames.stream}, which doesn't exist`);
    }
    socket.at += size;
    frames.pass(size);
    return data;
  }

  put(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      let room = this.#frame + FRAME_HEADER + FRAME_SIZE - this.outEnd;
      if (this.outEnd === HEADROOM || room === 0) {
        if (this.outEnd === this.out.length) break;
        this.#frame = this.outEnd;
        this.outEnd += FRAME_HEADER;
        room = FRAME_SIZE;
      }
      const size = Math.min(room, bytes.length - at);
      this.out.set(bytes.subarray(at, at + size), this.outEnd);
      this.outEnd += size;
      at += size;
      writeDataHeader(this.out, this.#frame, DATA, 0, this.outEnd - this.#frame - FRAME_HEADER);
    }
    return at - from;
  }

  clear(): void {
    this.outEnd = this.#frame = HEADROOM;
  }

  endOfOutput(): Uint8Array {
    const message = new Uint8Array(HEADROOM + FRAME_HEADER);
    writeDataHeader(message, HEADROOM, DATA, FIN, 0);
    return message;
  }

  #finished(stream: number): void {
    if (stream === DATA) this.#dataEnded = true;
    if (stream === ERROR) this.#errorEnded = true;
  }

  /** Kubelets tell an error's text before they reset the streams. */
  #reset(stream: number, status: number): void {
    if (stream === ERROR) this.#errorEnded = true;
    if (stream === DATA && !this.#dataEnded) {
      throw new SpdyError(`the pod's side reset the stream (${status})`);
    }
  }
}
