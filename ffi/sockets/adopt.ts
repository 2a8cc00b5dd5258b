import net from "node:net";
import type { Endpoint } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { libc, must } from "../libc.ts";
import { adoptable, AdoptedConnection } from "./adopted_connection.ts";
import type { AcceptedConnection, ConnectionKind } from "./connection_kind.ts";
import { NodeConnection } from "./node_connection.ts";
import { closeDescriptor, localEndpoint, setOption } from "./socket.ts";

/**
 * Adopts sockets by descriptor, made by ffi/sockets/socket.ts or handed over. Only node:net makes listeners and connections
 * from a descriptor; Deno takes the connections over from it where it can (adopted_connection.ts), and they stay node:net's elsewhere
 * (node_connection.ts). This works in Workers too.
 */

const F_DUPFD_CLOEXEC = 1030;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_INFO = 11;

/** This version of Deno can't accept connections on a descriptor. */
export class UnsupportedDeno extends Error {
  override name = "UnsupportedDeno";
}

/**
 * The kind of connection that costs least with this version of Deno.
 * @throws {UnsupportedDeno} before 2.8: node:net listens on a descriptor there (2.7.14) or fails to (2.5.7), and never accepts.
 * @throws {SystemCallError} as adoptable does.
 */
export function cheapestKind(version: string = Deno.version.deno): ConnectionKind {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 2 || major === 2 && minor < 8) {
    throw new UnsupportedDeno(`Deno ${version} can't accept on a descriptor: expected 2.8 or newer`);
  }
  return adoptable() ? AdoptedConnection : NodeConnection;
}

/** An adopted listener. */
export interface AdoptedListener extends Disposable {
  readonly address: Endpoint;
  /**
   * Checks whether connections wait without being accepted, and starts over in that case. Call it regularly: after accept(2) has
   * failed once (EMFILE, ENFILE, ENOMEM), node:net never accepts again and reports nothing (Deno 2.9.6).
   * @returns false while connections wait in vain
   */
  look(): boolean;
}

/**
 * Accepts on a listening socket and owns it from then on. Disposing closes it.
 * @throws {SystemCallError} when the process is out of descriptors. @throws {UnsupportedDeno} The caller still owns the socket then.
 */
export function adoptListener(
  fd: number,
  onConnection: (connection: AcceptedConnection) => void,
  kind: ConnectionKind = cheapestKind(),
): AdoptedListener {
  const address = localEndpoint(fd);
  // Accepted connections inherit it, which saves a call for each.
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  let accepted = 0;
  // Half-open: a peer that has ended its direction may still wait for the answer.
  const options = { allowHalfOpen: true, pauseOnConnect: true };
  const serve = (fd: number) => {
    const server = net.createServer(options, (socket) => {
      accepted++;
      let connection: AcceptedConnection;
      try {
        connection = kind.accepted(socket);
      } catch {
        return void socket.destroy(); // the peer has reset it, or this process is out of descriptors
      }
      onConnection(connection);
    });
    server.on("error", () => {}); // look() sees that nothing is accepted
    server.listen({ fd });
    return server;
  };
  // A duplicate of the descriptor, to inspect the socket and to start over with.
  let own = must("duplicating a listener", libc.fcntl(fd, F_DUPFD_CLOEXEC, 0));
  let server = serve(fd);
  /** The number of accepted connections when the last check saw others waiting. */
  let before: number | undefined;
  return {
    address,
    look() {
      if (own < 0) return true;
      const waits = connectionsWaiting(own) > 0;
      const inVain = waits && accepted === before;
      before = waits ? accepted : undefined;
      if (!inVain) return true;
      const next = libc.fcntl(own, F_DUPFD_CLOEXEC, 0);
      if (next < 0) return false;
      server.close();
      server = serve(own);
      own = next;
      return false;
    },
    [Symbol.dispose]() {
      server.close();
      if (own >= 0) closeDescriptor(own);
      own = -1;
    },
  };
}

/** Connections that wait to be accepted: tcpi_unacked of a listener (struct tcp_info). */
function connectionsWaiting(listener: number): number {
  const info = new Uint32Array(64);
  const length = new Uint8Array(new Uint32Array([info.byteLength]).buffer);
  const got = libc.getsockopt(listener, IPPROTO_TCP, TCP_INFO, new Uint8Array(info.buffer), length);
  return got < 0 ? 0 : info[6] ?? 0;
}

/**
 * Makes a transport of a connected or connecting socket, and owns its descriptor.
 * @throws {SystemCallError} @throws {UnsupportedDeno} as cheapestKind does. The caller still owns the socket then.
 */
export function adoptSocket(fd: number, kind: ConnectionKind = cheapestKind()): AbortableTransport {
  return kind.of(fd);
}
