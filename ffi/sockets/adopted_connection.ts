import net from "node:net";
import { must } from "../libc.ts";
import type { AcceptedConnection, ConnectionEnds } from "./connection_kind.ts";
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

/**
 * A TCP connection that Deno has taken over from node:net, as a transport that can be reset. Its reads and writes cost as much as
 * those of Deno.TcpConn. node:net allocates and copies for each read, and took nearly twice the CPU for what comes from pods
 * (docs/decisions.md). Where `adoptable` returns false, node_connection.ts does the same by documented calls.
 *
 * Hot path: two promises for each read and write, as with Deno.TcpConn.
 */
export class AdoptedConnection implements AcceptedConnection {
  readonly #core: Core;
  readonly #resource: number;
  readonly #descriptor: () => number | undefined;
  readonly #ends: ConnectionEnds | undefined;
  #isOpen = true;
  /** What broke the connection. The kernel reports it once, to a read or to a write; after that, reads return the end. */
  #broken: unknown;

  private constructor(socket: net.Socket, descriptor: () => number | undefined, ends?: ConnectionEnds) {
    this.#core = requiredCore();
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

  /** Makes a connection of a connected or connecting socket, and owns its descriptor. */
  static of(fd: number): AdoptedConnection {
    // "readable" would have node:net begin to read.
    const socket = new net.Socket({ fd, allowHalfOpen: true, readable: false });
    socket.setNoDelay(true);
    return new AdoptedConnection(socket, () => fd);
  }

  /** Both ends of an accepted connection; the local one is the address that was dialled. */
  get ends(): ConnectionEnds {
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

/** What the first probe found. It is module state on purpose: a process has one version of Deno. */
let probed: boolean | undefined;

/**
 * Whether this version of Deno has the calls that AdoptedConnection is made of.
 * @throws {SystemCallError} when the first probe finds the process out of descriptors.
 */
export function adoptable(): boolean {
  return probed ??= probe();
}

function probe(): boolean {
  const core = findCore();
  const socket = new net.Socket({ fd: tcpSocket(4), readable: false });
  try {
    const handle = (socket as NodeSocket)._handle;
    if (!core || typeof handle?.takeStream !== "function" || typeof handle.fdForIpc !== "function") {
      return false;
    }
    const resource = handle.takeStream();
    if (!Number.isInteger(resource)) return false;
    core.close(resource);
    return true;
  } catch {
    return false; // the calls have another form
  } finally {
    socket.destroy();
  }
}

type NodeSocket = net.Socket & { readonly _handle?: Partial<Handle> | null };

/** @throws {Deno.errors.ConnectionReset} after the socket was destroyed. */
function handleOf(socket: NodeSocket): Handle {
  const handle = socket._handle;
  if (!handle) throw new Deno.errors.ConnectionReset("the peer has reset the connection");
  return handle as Handle;
}

let found: Core | undefined;

function requiredCore(): Core {
  found ??= findCore();
  if (!found) throw new TypeError("this version of Deno can't adopt connections");
  return found;
}

function findCore(): Core | undefined {
  const { internal } = Deno as unknown as { readonly internal: symbol };
  const { core } =
    (Deno as unknown as Readonly<Record<symbol, { readonly core?: Partial<Core> }>>)[internal] ?? {};
  const calls = [core?.read, core?.write, core?.shutdown, core?.close];
  return calls.every((call) => typeof call === "function") ? core as Core : undefined;
}
