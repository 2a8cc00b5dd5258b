import net from "node:net";
import type { Endpoint } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { must } from "../libc.ts";
import { descriptorOf } from "./own_socket.ts";
import {
  closeDescriptor,
  localEndpoint,
  remoteEndpoint,
  resetConnection,
  socketCookie,
  tcpSocket,
} from "./socket.ts";

/** The part of a node:net handle that is used here. Node's documentation doesn't have it (Deno 2.9.6). */
interface Handle {
  /** Gives the connection up as a resource of Deno's. */
  takeStream(): number;
  /** A duplicate of the descriptor, or -1. */
  fdForIpc(): number;
}

/** The calls that Deno's own connections are made of. Deno's documentation doesn't have them. */
interface Core {
  /** Resolves with 0 at the end. */
  read(resource: number, into: Uint8Array): Promise<number>;
  write(resource: number, bytes: Uint8Array): Promise<number>;
  shutdown(resource: number): Promise<void>;
  /** Reads and writes that wait reject with Deno.errors.Interrupted. */
  close(resource: number): void;
}

/** This version of Deno has no way to adopt connections. */
export class UnsupportedDeno extends Error {
  override name = "UnsupportedDeno";

  constructor() {
    super(`Deno ${Deno.version.deno} can't adopt connections: expected the version in the stock image`);
  }
}

/**
 * A TCP connection that Deno has taken over from node:net, as a transport that can be reset. Its reads and writes cost as much as
 * those of Deno.TcpConn. node:net allocates and copies for each read, and took nearly twice the CPU for what comes from pods
 * (docs/decisions.md).
 *
 * Hot path: two promises for each read and write, as with Deno.TcpConn.
 */
export class AdoptedConnection implements AbortableTransport {
  readonly #core: Core = core();
  readonly #resource: number;
  readonly #descriptor: () => number | undefined;
  readonly #ends: { readonly local: Endpoint; readonly remote: Endpoint } | undefined;
  #isOpen = true;
  /** What broke the connection. The kernel reports it once, to a read or to a write; after that, reads return the end. */
  #broken: unknown;

  private constructor(
    socket: net.Socket,
    descriptor: () => number | undefined,
    ends?: { readonly local: Endpoint; readonly remote: Endpoint },
  ) {
    this.#resource = handleOf(socket).takeStream();
    socket.destroy();
    this.#descriptor = descriptor;
    this.#ends = ends;
  }

  /** Takes over an accepted connection before its first read. @throws {SystemCallError} when the peer has reset it. */
  static accepted(socket: net.Socket): AdoptedConnection {
    const duplicate = must("duplicating a connection", handleOf(socket).fdForIpc());
    try {
      const ends = { local: localEndpoint(duplicate), remote: remoteEndpoint(duplicate) };
      const cookie = socketCookie(duplicate);
      // After a reset by the peer, a newer connection may have the same ends.
      const descriptor = () => {
        const fd = descriptorOf({ type: "tcp", ...ends });
        return fd !== undefined && socketCookie(fd) === cookie ? fd : undefined;
      };
      return new AdoptedConnection(socket, descriptor, ends);
    } finally {
      closeDescriptor(duplicate);
    }
  }

  /** Takes over a connection by its known descriptor, before its first read. */
  static of(socket: net.Socket, fd: number): AdoptedConnection {
    return new AdoptedConnection(socket, () => fd);
  }

  /** Both ends of an accepted connection; the local one is the address that was dialled. */
  get ends(): { readonly local: Endpoint; readonly remote: Endpoint } {
    if (!this.#ends) throw new TypeError("only accepted connections know their ends");
    return this.#ends;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (into.length === 0) return 0;
    let length: number;
    try {
      length = await this.#core.read(this.#resource, into);
    } catch (error) {
      throw this.#broken ??= error;
    }
    if (length > 0) return length;
    if (this.#broken !== undefined) throw this.#broken;
    return null;
  }

  async write(bytes: Uint8Array): Promise<number> {
    try {
      return await this.#core.write(this.#resource, bytes);
    } catch (error) {
      throw this.#broken ??= error;
    }
  }

  closeWrite(): Promise<void> {
    return this.#core.shutdown(this.#resource);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#core.close(this.#resource);
  }

  /** Resets the connection; a read that waits rejects with the reason. */
  abort(reason?: Error): void {
    if (!this.#isOpen) return;
    this.#broken ??= reason;
    const fd = this.#descriptor();
    if (fd !== undefined) resetConnection(fd);
    this.close();
  }
}

/** @throws {UnsupportedDeno} */
export function assertAdoptable(): void {
  const socket = new net.Socket({ fd: tcpSocket(4), readable: false });
  try {
    handleOf(socket);
    core();
  } finally {
    socket.destroy();
  }
}

/** @throws {UnsupportedDeno} @throws {Deno.errors.ConnectionReset} after the socket was destroyed. */
function handleOf(socket: net.Socket): Handle {
  const handle = (socket as { readonly _handle?: Partial<Handle> | null })._handle;
  if (!handle) throw new Deno.errors.ConnectionReset("the peer has reset the connection");
  if (typeof handle.takeStream !== "function" || typeof handle.fdForIpc !== "function") {
    throw new UnsupportedDeno();
  }
  return handle as Handle;
}

let found: Core | undefined;

/** @throws {UnsupportedDeno} */
function core(): Core {
  return found ??= findCore();
}

function findCore(): Core {
  const { internal } = Deno as unknown as { readonly internal: symbol };
  const { core } =
    (Deno as unknown as Readonly<Record<symbol, { readonly core?: Partial<Core> }>>)[internal] ?? {};
  const calls = [core?.read, core?.write, core?.shutdown, core?.close];
  if (!core || !calls.every((call) => typeof call === "function")) throw new UnsupportedDeno();
  return core as Core;
}
