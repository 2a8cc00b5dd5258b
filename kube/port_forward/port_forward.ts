/**
 * A port of a pod through the API server's port-forward: one WebSocket that carries one TCP connection, by one of two protocols.
 *
 * Hot path: each byte of a tunnel passes `read` and `write`. No allocation and no promise per frame: a read hands out as many frames as
 * have come and fit, a write is one message however many streams' worth of bytes it has. What costs in a port-forward is messages (API
 * server, kubelet and container runtime each handle one by one), so callers coalesce before they write.
 */
import { onAbort } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import type { ApiServerAccess } from "../client/access.ts";
import { ApiError, errorOfFailure } from "../client/api_error.ts";
import { dial, type Prepare, type ServerConnection } from "../client/dial.ts";
import { pathOf, resources } from "../client/resources.ts";
import { upgrade } from "../client/upgrade.ts";
import { HEADROOM, MessageSocket } from "./message_socket.ts";
import { PodError, type PortForwardProtocol } from "./protocol.ts";
import { WebSocketError } from "./websocket.ts";

const UPGRADE_TIMEOUT_MS = 30_000;

export interface PortForwardTarget {
  namespace: string;
  pod: string;
  port: number;
  /** Aborted while it is being opened, opening fails; later it breaks the transport off. */
  signal?: AbortSignal;
  /** See {@linkcode Prepare}: what sets TCP_NODELAY, without which quiet tunnels stall for 40 ms now and then. */
  prepare?: Prepare;
}

/** The port-forward broke, or the pod's side did: nothing listens on the port, the pod is gone, the kubelet can't be reached. */
export class PortForwardError extends Error {
  override name = "PortForwardError";
}

/** What a protocol needs to be opened. */
export interface Opening {
  /** As `Sec-WebSocket-Protocol` has it. */
  readonly protocol: string;
  readonly query?: string;
  begin(socket: MessageSocket): PortForwardProtocol | Promise<PortForwardProtocol>;
  /** What an error of the API server means for this protocol. */
  refused?(error: ApiError): ApiError;
}

/**
 * Opens a port of a pod. A refusal by the pod is only known later: the first `read` rejects then.
 *
 * @throws {ApiError} when the server can't be reached or refuses (401, 403, 404, 500 with its own words)
 * @throws the signal's reason when it aborts
 */
export async function openPortForward(
  access: ApiServerAccess,
  { namespace, pod, port, signal, prepare }: PortForwardTarget,
  { protocol, query = "", begin, refused = (error) => error }: Opening,
): Promise<PortForward> {
  const what = `forward port ${port} of pod ${namespace}/${pod}`;
  using limit = new TimeLimit(UPGRADE_TIMEOUT_MS, signal);
  let connection: ServerConnection | undefined;
  using _closing = onAbort(limit.signal, () => closeQuietly(connection));
  try {
    connection = await dial(access, limit.signal, prepare);
    limit.signal.throwIfAborted();
    const path = pathOf(resources.pods, { namespace, name: pod, subresource: "portforward" }) + query;
    const first = await upgrade(connection, access, { path, protocol, what });
    limit.signal.throwIfAborted();
    const socket = new MessageSocket(connection, first);
    const begun = await begin(socket);
    limit.signal.throwIfAborted();
    return new PortForward(socket, begun, what, signal);
  } catch (cause) {
    closeQuietly(connection);
    if (signal?.aborted) throw signal.reason;
    if (cause instanceof ApiError) throw refused(cause);
    throw errorOfFailure(what, access, limit.signal.aborted ? limit.signal.reason : cause);
  }
}

/** One connection to a port of a pod. One read at a time and one write at a time; both at once are fine. */
export class PortForward implements AbortableTransport {
  readonly #socket: MessageSocket;
  readonly #protocol: PortForwardProtocol;
  readonly #what: string;
  readonly #listening: Disposable | undefined;
  #writeEnded = false;
  #failure: Error | undefined;

  /** @param what what it is for, in messages: "forward port 80 of pod a/b" */
  constructor(socket: MessageSocket, protocol: PortForwardProtocol, what: string, signal?: AbortSignal) {
    this.#socket = socket;
    this.#protocol = protocol;
    this.#what = what;
    this.#listening = signal &&
      onAbort(signal, (reason) => this.abort(reason instanceof Error ? reason : undefined));
  }

  /** The protocol that it is carried by, as `Sec-WebSocket-Protocol` has it. */
  get protocol(): string {
    return this.#protocol.name;
  }

  /**
   * Reads as {@linkcode AbortableTransport.read} says.
   *
   * @throws {PortForwardError} with the pod's side's words when it has an error, or when the connection broke: an end without the
   * protocol's own end is a break
   */
  async read(into: Uint8Array): Promise<number | null> {
    if (into.length === 0) return 0;
    for (;;) {
      if (this.#failure) throw this.#failure;
      const size = this.#take(into);
      this.#socket.flush();
      if (size > 0) return size;
      if (this.#failure) throw this.#failure;
      if (this.#protocol.ended) return null;
      const { closed } = this.#socket;
      if (closed) {
        const reason = closed.reason && `, "${closed.reason}"`;
        throw this.#fail(new WebSocketError(`the server closed it with code ${closed.code}${reason}`));
      }
      try {
        await this.#socket.fill();
      } catch (cause) {
        throw this.#fail(cause);
      }
    }
  }

  /** Takes at most 256 KiB at a time, as one message; copies it once, to put headers before it. */
  async write(bytes: Uint8Array): Promise<number> {
    this.#mayWrite();
    const size = this.#protocol.put(bytes, 0);
    if (size > 0) await this.#send();
    return size;
  }

  /** Takes all of it, as messages of 256 KiB. */
  async writeParts(parts: readonly Uint8Array[]): Promise<void> {
    this.#mayWrite();
    let size = 0;
    for (const part of parts) {
      for (let at = 0; at < part.length;) {
        const taken = this.#protocol.put(part, at);
        if (taken === 0) {
          await this.#send();
          size = 0;
        }
        at += taken;
        size += taken;
      }
    }
    if (size > 0) await this.#send();
  }

  /**
   * Ends the direction out, where the protocol has an end of it (SPDY): what was written before arrives. The pod sees no end of one
   * direction, though: container runtimes (containerd, CRI-O) then continue the direction in for half a second to a second, and end both.
   */
  async closeWrite(): Promise<void> {
    if (this.#writeEnded) return;
    const message = this.#protocol.endOfOutput();
    if (!message) return;
    this.#mayWrite();
    this.#writeEnded = true;
    await this.#send(message, message.length);
  }

  /** Ends both directions. The pod's side sees an end, whatever the reason: port-forward carries no resets. */
  close(): void {
    this.abort(new PortForwardError(`The port-forward was closed here (${this.#what})`));
  }

  /** As `close`; reads and writes that wait reject with `reason`. */
  abort(reason?: Error): void {
    this.#failure ??= reason ?? new PortForwardError(`The port-forward was broken off here (${this.#what})`);
    this.#listening?.[Symbol.dispose]();
    this.#socket.close();
  }

  #mayWrite(): void {
    if (this.#failure) throw this.#failure;
    if (this.#writeEnded) {
      throw new PortForwardError(`Nothing can be written after the end of writing (${this.#what})`);
    }
  }

  async #send(message = this.#protocol.out, end = this.#protocol.outEnd): Promise<void> {
    this.#protocol.clear();
    try {
      await this.#socket.send(message, HEADROOM, end);
    } catch (cause) {
      throw this.#fail(cause);
    }
  }

  /** Hands out data of as many frames as have come and fit. 0: more has to come, or it has ended or failed. */
  #take(into: Uint8Array): number {
    const socket = this.#socket, protocol = this.#protocol;
    let size = 0;
    try {
      while (size < into.length && !protocol.ended && socket.next()) size += protocol.take(into, size);
    } catch (cause) {
      this.#fail(cause); // the next read throws it: what came before is handed out first
    }
    return size;
  }

  /** Breaks it off, unless that has happened. @returns what reads and writes throw from now on */
  #fail(cause: unknown): Error {
    this.abort(errorOf(cause, this.#what));
    return this.#failure!; // set by `abort`, if it wasn't before
  }
}

function errorOf(cause: unknown, what: string): PortForwardError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof PodError) return new PortForwardError(`Can't ${what}: ${message}`);
  // rustls ends its messages with the address of a page about them.
  const said = message.replace(/: https:\/\/\S+$/, "");
  return new PortForwardError(`The port-forward broke (${what}): ${said}`, { cause });
}
