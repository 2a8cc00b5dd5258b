/**
 * A port of a pod through the API server's port-forward the newer way (Kubernetes 1.31, as kubectl goes): SPDY/3.1 within a WebSocket.
 *
 * The API server takes the WebSocket off, and kubelet and container runtime see SPDY alone. That is what it's for: a runtime's own
 * WebSocket (golang.org/x/net/websocket) unmasks byte by byte, which costs it several times the CPU for what goes up.
 *
 * One connection has one forwarded port, so a slow one can't stop another: SPDY here has no flow control per stream.
 *
 * Hot path: each byte of a tunnel passes `read` and `write`. No allocation and no promise per frame: a read hands out as many
 * frames as have come and fit, a write is one message however many frames it has.
 */
import type { AbortableTransport } from "../../../net/transport.ts";
import type { ApiServerAccess } from "../../client/access.ts";
import { ApiError, errorOfFailure } from "../../client/api_error.ts";
import { type Connection, dial } from "../../client/dial.ts";
import { PortForwardError, type PortForwardTarget } from "../port_forward.ts";
import { pathOf, resources } from "../../client/resources.ts";
import { onAbort } from "../../../async/abort.ts";
import { TimeLimit } from "../../../async/time_limit.ts";
import { upgrade } from "../../client/upgrade.ts";
import { FrameReader } from "./frame_reader.ts";
import { FIN, FRAME_HEADER, ping, SpdyError, synStream, writeDataHeader } from "./frames.ts";
import { HEADROOM, MessageBytes } from "./message_bytes.ts";
import { refusal } from "./not_offered.ts";

const PROTOCOL = "SPDY/3.1+portforward.k8s.io";
/** A client's streams have odd ids. */
const ERROR = 1, DATA = 3;

const UPGRADE_TIMEOUT_MS = 30_000;
const MAX_ERROR_BYTES = 4 << 10;
/**
 * Bytes of one data frame. The runtime holds a frame in memory as a whole before it passes any of it on, and up to 50 frames
 * that the pod doesn't take (moby/spdystream, `QUEUE_SIZE`). A quarter of this costs it a quarter more CPU per byte, the double saves nothing.
 */
const FRAME_SIZE = 128 << 10;
const MAX_FRAMES = 2;

/**
 * Opens a port-forward. That the pod refuses the port is only known later: the first `read` rejects then.
 *
 * @throws NotOffered when the server doesn't speak this protocol, or refuses in a way that may mean it: the older one may do.
 * @throws ApiError when the server can't be reached or refuses (401, 404), the signal's reason when aborted.
 */
export async function spdyPortForward(
  access: ApiServerAccess,
  target: PortForwardTarget,
): Promise<SpdyPortForward> {
  const { namespace, pod, port, signal, prepare } = target;
  const what = `forward port ${port} of pod ${namespace}/${pod}`;
  using limit = new TimeLimit(UPGRADE_TIMEOUT_MS, signal);
  let connection: Connection | undefined;
  using _closing = onAbort(limit.signal, () => closeQuietly(connection));
  try {
    connection = await dial(access, limit.signal, prepare);
    limit.signal.throwIfAborted();
    // The ports are those of the streams; kubelets want none in the query, nor mind one.
    const path = pathOf(resources.pods, { namespace, name: pod, subresource: "portforward" });
    const first = await upgrade(connection, access, { path, protocol: PROTOCOL, what });
    limit.signal.throwIfAborted();
    const messages = new MessageBytes(connection, first);
    await open(messages, port);
    limit.signal.throwIfAborted();
    return new SpdyPortForward(connection, messages, what, signal);
  } catch (cause) {
    closeQuietly(connection);
    if (signal?.aborted) throw signal.reason;
    if (cause instanceof ApiError) throw refusal(cause);
    const server = `${access.hostname}:${access.port}`;
    throw errorOfFailure(what, server, limit.signal.aborted ? limit.signal.reason : cause);
  }
}

/** Opens both streams. Replies needn't be waited for: what is sent on a stream before its reply is kept. */
async function open(messages: MessageBytes, port: number): Promise<void> {
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
  await messages.send(message, HEADROOM, end);
}

/** One connection to a port of a pod. Reads one at a time, writes one at a time, both at once. */
export class SpdyPortForward implements AbortableTransport {
  readonly #connection: Connection;
  readonly #messages: MessageBytes;
  readonly #what: string;
  readonly #frames = new FrameReader({
    dataDone: (stream) => this.#dataDone(stream),
    finished: (stream) => this.#finished(stream),
    reset: (stream, status) => this.#reset(stream, status),
    // An even id is the peer's; an odd one would answer a ping of ours, and there was none.
    pinged: (id) => id % 2 === 0 && this.#messages.queue(ping(id)),
  });
  readonly #out = new Uint8Array(HEADROOM + MAX_FRAMES * (FRAME_HEADER + FRAME_SIZE));
  /** What `#out` holds: up to where, and where the header of its last frame is. */
  #end = HEADROOM;
  #frame = HEADROOM;
  #forget = () => {};
  #errorText = "";
  #decoder: TextDecoder | undefined;
  #dataEnded = false;
  #errorEnded = false;
  #writeEnded = false;
  #failure: Error | undefined;

  /** See {@linkcode spdyPortForward}. */
  constructor(connection: Connection, messages: MessageBytes, what: string, signal?: AbortSignal) {
    this.#connection = connection;
    this.#messages = messages;
    this.#what = what;
    const listening = signal &&
      onAbort(signal, (reason) => this.abort(reason instanceof Error ? reason : undefined));
    this.#forget = () => listening?.[Symbol.dispose]();
  }

  /**
   * @throws PortForwardError with the pod's side's words when it has an error, or when the connection broke: also when the server closes it
   * before the stream ended.
   */
  async read(into: Uint8Array): Promise<number | null> {
    if (into.length === 0) return 0;
    for (;;) {
      if (this.#failure) throw this.#failure;
      const size = this.#take(into);
      this.#messages.flush();
      if (size > 0) return size;
      if (this.#failure) throw this.#failure;
      // containerd ends the data and tells then, on the other stream, that it wasn't an end.
      if (this.#dataEnded && this.#errorEnded) return null;
      try {
        await this.#messages.fill();
      } catch (cause) {
        throw this.#broken(cause);
      }
    }
  }

  /** Takes at most 256 KiB at a time, as one message; copies it once, to put headers before its frames. */
  async write(bytes: Uint8Array): Promise<number> {
    this.#mayWrite();
    const taken = this.#put(bytes, 0);
    await this.#send();
    return taken;
  }

  /** Takes all of it, as messages of 256 KiB. */
  async writeParts(parts: readonly Uint8Array[]): Promise<void> {
    this.#mayWrite();
    for (const part of parts) {
      let at = this.#put(part, 0);
      while (at < part.length) {
        await this.#send();
        at += this.#put(part, at);
      }
    }
    await this.#send();
  }

  /**
   * Ends the direction out: what was written before arrives. The pod sees no end of one direction, though: container runtimes
   * (containerd, CRI-O) then go on with the direction in for half a second to a second, and end both.
   */
  async closeWrite(): Promise<void> {
    if (this.#writeEnded) return;
    this.#mayWrite();
    this.#writeEnded = true;
    const message = new Uint8Array(HEADROOM + FRAME_HEADER);
    writeDataHeader(message, HEADROOM, DATA, FIN, 0);
    try {
      await this.#messages.send(message, HEADROOM, message.length);
    } catch (cause) {
      throw this.#broken(cause);
    }
  }

  /** Ends both directions. The pod's side sees an end, whatever the reason: port-forward carries no resets. */
  close(): void {
    this.abort(new PortForwardError(`The port-forward was closed here (${this.#what})`));
  }

  /** As `close`; reads and writes that wait reject with `reason`. */
  abort(reason?: Error): void {
    this.#failure ??= reason ?? new PortForwardError(`The port-forward was broken off here (${this.#what})`);
    this.#forget();
    this.#messages.stop();
    closeQuietly(this.#connection);
  }

  #mayWrite(): void {
    if (this.#failure) throw this.#failure;
    if (this.#writeEnded) {
      throw new PortForwardError(`Nothing can be written after the end of writing (${this.#what})`);
    }
  }

  /** Puts as much of bytes[from...] into the message as it has room for; says how much. */
  #put(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      let room = this.#frame + FRAME_HEADER + FRAME_SIZE - this.#end;
      if (this.#end === HEADROOM || room === 0) {
        if (this.#end === this.#out.length) break;
        this.#frame = this.#end;
        this.#end += FRAME_HEADER;
        room = FRAME_SIZE;
      }
      const size = Math.min(room, bytes.length - at);
      this.#out.set(bytes.subarray(at, at + size), this.#end);
      this.#end += size;
      at += size;
      writeDataHeader(this.#out, this.#frame, DATA, 0, this.#end - this.#frame - FRAME_HEADER);
    }
    return at - from;
  }

  async #send(): Promise<void> {
    const end = this.#end;
    if (end === HEADROOM) return;
    this.#end = this.#frame = HEADROOM;
    try {
      await this.#messages.send(this.#out, HEADROOM, end);
    } catch (cause) {
      throw this.#broken(cause);
    }
  }

  /** Hands out data of as many frames as have come and fit. 0: more has to come, or it has ended or failed. */
  #take(into: Uint8Array): number {
    const messages = this.#messages, frames = this.#frames;
    let out = 0;
    try {
      while (!this.#failure && !(this.#dataEnded && this.#errorEnded) && messages.next()) {
        if (frames.data === 0) {
          messages.at = frames.read(messages.buffer, messages.at, messages.end);
          continue;
        }
        let size = Math.min(frames.data, messages.end - messages.at);
        if (frames.stream === DATA) {
          if (this.#dataEnded) throw new SpdyError("data after the end of the stream");
          size = Math.min(size, into.length - out);
          if (size === 0) break;
          into.set(messages.buffer.subarray(messages.at, messages.at + size), out);
          out += size;
        } else if (frames.stream === ERROR) {
          const text = messages.buffer.subarray(messages.at, messages.at + size);
          this.#decoder ??= new TextDecoder();
          this.#errorText += this.#decoder.decode(text, { stream: true });
          if (this.#errorText.length > MAX_ERROR_BYTES) this.#podError();
        } else {
          throw new SpdyError(`data on stream ${frames.stream}, which there isn't`);
        }
        messages.at += size;
        frames.pass(size);
      }
    } catch (cause) {
      this.#broken(cause);
    }
    return out;
  }

  #dataDone(stream: number): void {
    if (stream === ERROR && this.#errorText !== "") this.#podError();
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

  #podError(): void {
    const said = this.#errorText.slice(0, MAX_ERROR_BYTES).replace(/\s+/g, " ").replace(/\p{C}/gu, "").trim();
    this.abort(new PortForwardError(`Can't ${this.#what}: ${said}`));
  }

  #broken(cause: unknown): Error {
    // rustls ends what it says with the address of a page about it.
    const message = (cause instanceof Error ? cause.message : String(cause)).replace(/: https:\/\/\S+$/, "");
    this.abort(new PortForwardError(`The port-forward broke (${this.#what}): ${message}`, { cause }));
    return this.#failure!; // just set, if it wasn't
  }
}

function closeQuietly(connection: Connection | undefined): void {
  try {
    connection?.close();
  } catch {
    // closed already
  }
}
