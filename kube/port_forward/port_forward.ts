/**
 * A port of a pod through the API server's port-forward: one WebSocket that carries one TCP connection.
 *
 * Hot path: each byte of a tunnel passes `read` and `write`. No allocation and no promise per frame: a read hands out as many frames as
 * have come and fit, a write is one frame however many streams' worth of bytes it has. What costs in a port-forward is messages (API
 * server, kubelet and container runtime each handle one by one), so callers coalesce before they write.
 */
import type { AbortableTransport } from "../../net/transport.ts";
import type { ApiServerAccess } from "../client/access.ts";
import { ApiError, errorOfFailure } from "../client/api_error.ts";
import { type Connection, dial, type Prepare } from "../client/dial.ts";
import { ReadBuffer } from "./read_buffer.ts";
import { pathOf, resources } from "../client/resources.ts";
import { onAbort } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";
import { upgrade } from "../client/upgrade.ts";
import {
  type FrameHeader,
  MAX_HEADER,
  OPCODE,
  readHeader,
  smallFrame,
  WebSocketError,
  writeHeader,
} from "./websocket.ts";

/**
 * Every Kubernetes that has WebSocket port-forward speaks it, 1.34 too; kubelet and runtime answer, the API server passes it through.
 * kube/port_forward/spdy/ has the newer protocol, which costs a cluster less for uploads and more for small messages. (v5.channel.k8s.io is for exec and attach only.)
 */
const PROTOCOL = "v4.channel.k8s.io";
const DATA = 0, ERROR = 1;

const UPGRADE_TIMEOUT_MS = 30_000;
/** The other side holds a message in memory as a whole, and takes 32 MiB at most (golang.org/x/net/websocket). */
const MAX_WRITE = 256 << 10;
const MAX_ERROR_BYTES = 4 << 10;
/** Of one message that comes: runtimes send 32 KiB. It is passed on as it arrives; a limit only tells nonsense early. */
const MAX_MESSAGE = 64 << 20;

/** Free bytes before the data: a frame's header and the channel. */
const HEADROOM = MAX_HEADER + 1;

export interface PortForwardTarget {
  namespace: string;
  pod: string;
  port: number;
  /** Aborted while it is being opened, opening fails; later it breaks the transport off. */
  signal?: AbortSignal;
  /** See {@linkcode Prepare}: what sets TCP_NODELAY, without which quiet tunnels stall for 40 ms now and then. */
  prepare?: Prepare;
}

/** The port-forward broke, or the pod's side did: nobody listens on the port, the pod is gone, the kubelet can't be reached. */
export class PortForwardError extends Error {
  override name = "PortForwardError";
}

/**
 * Opens a port-forward. That the pod refuses the port is only known later: the first `read` rejects then.
 *
 * @throws ApiError when the server can't be reached or refuses (401, 403, 404, 500 with its own words), the signal's reason when aborted.
 */
export async function portForward(access: ApiServerAccess, target: PortForwardTarget): Promise<PortForward> {
  const { namespace, pod, port, signal, prepare } = target;
  const what = `forward port ${port} of pod ${namespace}/${pod}`;
  using limit = new TimeLimit(UPGRADE_TIMEOUT_MS, signal);
  let connection: Connection | undefined;
  using _closing = onAbort(limit.signal, () => closeQuietly(connection));
  try {
    connection = await dial(access, limit.signal, prepare);
    limit.signal.throwIfAborted();
    const path = `${
      pathOf(resources.pods, { namespace, name: pod, subresource: "portforward" })
    }?ports=${port}`;
    const first = await upgrade(connection, access, { path, protocol: PROTOCOL, what });
    limit.signal.throwIfAborted();
    return new PortForward(connection, what, first, signal);
  } catch (cause) {
    closeQuietly(connection);
    if (signal?.aborted) throw signal.reason;
    if (cause instanceof ApiError) throw cause;
    const server = `${access.hostname}:${access.port}`;
    throw errorOfFailure(what, server, limit.signal.aborted ? limit.signal.reason : cause);
  }
}

/** One connection to a port of a pod. Reads one at a time, writes one at a time, both at once. */
export class PortForward implements AbortableTransport {
  readonly #connection: Connection;
  readonly #what: string;
  readonly #incoming: ReadBuffer;
  readonly #in: Uint8Array;
  readonly #out = new Uint8Array(HEADROOM + MAX_WRITE);
  readonly #header: FrameHeader = { opcode: 0, final: false, length: 0, size: 0 };
  #forget = () => {};
  /** What came and wasn't looked at begins here in `#in`. */
  #at = 0;
  /** Bytes of the present frame's payload that are still to be handed out or skipped. */
  #left = 0;
  /** The message's channel; its first byte says it, continuation frames don't. -1 between messages. */
  #channel = -1;
  #final = true;
  /** Bytes of each channel's announcement of its port that are still to come. */
  readonly #announced = [2, 2];
  #errorText = "";
  #decoder: TextDecoder | undefined;
  #ended = false;
  #failure: Error | undefined;
  #controls: Uint8Array<ArrayBuffer>[] = [];
  #writing: Promise<unknown> | undefined;

  /** @param first frames that came with the upgrade's answer. */
  constructor(connection: Connection, what: string, first: Uint8Array, signal?: AbortSignal) {
    this.#connection = connection;
    this.#what = what;
    this.#incoming = new ReadBuffer(connection, first);
    this.#in = this.#incoming.bytes;
    const listening = signal &&
      onAbort(signal, (reason) => this.abort(reason instanceof Error ? reason : undefined));
    this.#forget = () => listening?.[Symbol.dispose]();
  }

  /**
   * @throws PortForwardError with the pod's side's words when it has an error, or when the connection broke: also at an end without
   * a WebSocket close, which is no end but a break.
   */
  async read(into: Uint8Array): Promise<number | null> {
    if (into.length === 0) return 0;
    for (;;) {
      if (this.#failure) throw this.#failure;
      const size = this.#take(into);
      if (size > 0) return size;
      // Not awaited: were the way out full, both sides would wait for the other to read.
      if (this.#controls.length > 0 && !this.#writing) void this.#flushControls();
      if (this.#failure) throw this.#failure;
      if (this.#ended) return null;
      await this.#fill();
    }
  }

  /** Takes at most 256 KiB at a time, as one message; copies it once, to put the header before it. */
  async write(bytes: Uint8Array): Promise<number> {
    const size = Math.min(bytes.length, MAX_WRITE);
    if (size === 0) return 0;
    this.#out.set(size === bytes.length ? bytes : bytes.subarray(0, size), HEADROOM);
    await this.#sendInTurn(size);
    return size;
  }

  /** Takes all of it, as messages of 256 KiB. */
  async writeParts(parts: readonly Uint8Array[]): Promise<void> {
    let size = 0;
    for (const part of parts) {
      for (let at = 0; at < part.length;) {
        if (size === MAX_WRITE) {
          await this.#sendInTurn(size);
          size = 0;
        }
        const taken = Math.min(part.length - at, MAX_WRITE - size);
        this.#out.set(part.subarray(at, at + taken), HEADROOM + size);
        at += taken;
        size += taken;
      }
    }
    if (size > 0) await this.#sendInTurn(size);
  }

  /**
   * The protocol has no end of one direction, so this does nothing: what runs over a port-forward has to say itself when it is done (HTTP/2
   * does: END_STREAM, GOAWAY), and then close.
   */
  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  /** Ends both directions. The pod's side sees an end, whatever the reason: port-forward carries no resets. */
  close(): void {
    this.abort(new PortForwardError(`The port-forward was closed here (${this.#what})`));
  }

  /** As `close`; reads and writes that wait reject with `reason`. */
  abort(reason?: Error): void {
    this.#failure ??= reason ?? new PortForwardError(`The port-forward was broken off here (${this.#what})`);
    this.#forget();
    this.#incoming.stop();
    closeQuietly(this.#connection);
  }

  /** Sends what lies in `out` behind the headroom, after control frames that are being written. */
  async #sendInTurn(size: number): Promise<void> {
    while (this.#writing) await this.#writing.catch(() => {});
    if (this.#failure) throw this.#failure;
    this.#out[HEADROOM - 1] = DATA;
    const start = writeHeader(this.#out, HEADROOM - 1, OPCODE.binary, size + 1);
    const sent = this.#writing = this.#writeAll(this.#out.subarray(start, HEADROOM + size));
    try {
      await sent;
    } finally {
      this.#writing = undefined;
      if (this.#controls.length > 0) await this.#flushControls();
    }
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    try {
      let sent = await this.#connection.write(bytes);
      while (sent < bytes.length) sent += await this.#connection.write(bytes.subarray(sent));
    } catch (cause) {
      throw this.#broken(cause);
    }
  }

  /** Pongs and the answer to a close go between messages, never into one. */
  async #flushControls(): Promise<void> {
    const frames = this.#controls;
    this.#controls = [];
    this.#writing = (async () => {
      for (const frame of frames) await this.#writeAll(frame);
    })();
    try {
      await this.#writing;
    } catch {
      // The next read or write tells it: what failed is kept.
    } finally {
      this.#writing = undefined;
    }
  }

  async #fill(): Promise<void> {
    let at: number | null;
    try {
      at = await this.#incoming.fill(this.#at);
    } catch (cause) {
      throw this.#broken(cause);
    }
    if (at === null) throw this.#broken(new Error("the API server closed the connection in the middle"));
    this.#at = at;
  }

  #broken(cause: unknown): Error {
    // rustls ends what it says with the address of a page about it.
    const message = (cause instanceof Error ? cause.message : String(cause)).replace(/: https:\/\/\S+$/, "");
    this.#failure ??= new PortForwardError(`The port-forward broke (${this.#what}): ${message}`, { cause });
    this.#forget();
    this.#incoming.stop();
    closeQuietly(this.#connection);
    return this.#failure;
  }

  /** Hands out data of as many frames as have come and fit. 0: more has to come, or it has ended or failed. */
  #take(into: Uint8Array): number {
    let out = 0;
    while (!this.#ended && !this.#failure) {
      if (this.#left > 0) {
        const size = Math.min(this.#left, this.#incoming.have - this.#at);
        if (size === 0) break;
        if (this.#channel === -1) {
          this.#channel = this.#in[this.#at++]!;
          this.#left--;
          if (this.#channel > ERROR) {
            this.#violates(`a message on channel ${this.#channel}, which there isn't`);
          }
          continue;
        }
        const skipped = Math.min(this.#announced[this.#channel]!, size);
        if (skipped > 0) {
          this.#announced[this.#channel]! -= skipped;
          this.#pass(skipped);
        } else if (this.#channel === DATA) {
          const taken = Math.min(size, into.length - out);
          if (taken === 0) break;
          into.set(this.#in.subarray(this.#at, this.#at + taken), out);
          out += taken;
          this.#pass(taken);
        } else {
          this.#decoder ??= new TextDecoder();
          this.#errorText += this.#decoder.decode(this.#in.subarray(this.#at, this.#at + size), {
            stream: true,
          });
          this.#pass(size);
          if (this.#errorText.length > MAX_ERROR_BYTES) this.#podError();
        }
        continue;
      }
      if (this.#final && this.#channel === ERROR && this.#errorText !== "") this.#podError();
      if (this.#final) this.#channel = -1;
      if (!this.#failure && !this.#nextFrame()) break;
    }
    return out;
  }

  #pass(size: number): void {
    this.#at += size;
    this.#left -= size;
  }

  /** Begins the next frame; control frames are dealt with whole. False when more bytes have to come. */
  #nextFrame(): boolean {
    const header = this.#header;
    try {
      if (!readHeader(this.#in, this.#at, this.#incoming.have, header)) return false;
    } catch (cause) {
      return this.#violates((cause as Error).message);
    }
    if (header.opcode >= 8) {
      const start = this.#at + header.size;
      if (this.#incoming.have - start < header.length) return false;
      this.#at = start + header.length;
      this.#control(header.opcode, this.#in.slice(start, this.#at));
      return true;
    }
    const continues = header.opcode === OPCODE.continuation;
    if (continues === this.#final) {
      return this.#violates("a message in the middle of another, or a part of none");
    }
    if (!continues && header.opcode !== OPCODE.binary) {
      return this.#violates(`a frame of kind ${header.opcode}`);
    }
    if (header.length > MAX_MESSAGE) return this.#violates(`a frame of ${header.length} bytes`);
    this.#at += header.size;
    this.#left = header.length;
    this.#final = header.final;
    return true;
  }

  #control(opcode: number, payload: Uint8Array): void {
    if (opcode === OPCODE.ping) {
      // Only the latest ping wants an answer (RFC 6455 §5.5.3), so a flood of them holds nothing.
      this.#controls = [smallFrame(OPCODE.pong, payload)];
    } else if (opcode === OPCODE.close) {
      const code = payload.length >= 2 ? payload[0]! << 8 | payload[1]! : 1005;
      this.#ended = true;
      this.#controls = [smallFrame(OPCODE.close, payload.subarray(0, 2))];
      // 1000 and 1005 are ends; 1001 (going away) and all above tell of a break.
      if (code !== 1000 && code !== 1005) {
        const reason = new TextDecoder().decode(payload.subarray(2));
        this.#broken(new Error(`the server closed it with code ${code}${reason ? `, "${reason}"` : ""}`));
      }
    } else if (opcode !== OPCODE.pong) {
      this.#violates(`a control frame of kind ${opcode}`);
    }
  }

  #podError(): void {
    const said = this.#errorText.slice(0, MAX_ERROR_BYTES).replace(/\s+/g, " ").replace(/\p{C}/gu, "").trim();
    this.#failure ??= new PortForwardError(`Can't ${this.#what}: ${said}`);
    this.abort(this.#failure);
  }

  #violates(problem: string): false {
    this.#broken(new WebSocketError(`the server sent ${problem}`));
    return false;
  }
}

function closeQuietly(connection: Connection | undefined): void {
  try {
    connection?.close();
  } catch {
    // closed already
  }
}
