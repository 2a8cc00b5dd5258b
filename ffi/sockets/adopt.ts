import net from "node:net";
import type { Endpoint } from "../../net/address.ts";
import { libc, must } from "../libc.ts";
import { AdoptedConnection, assertAdoptable } from "./adopted_connection.ts";
import { closeDescriptor, localEndpoint, setOption } from "./socket.ts";

/**
 * Adopts sockets by descriptor, made by ffi/sockets/socket.ts or handed over. Only node:net makes listeners and connections
 * from a descriptor; Deno takes the connections over from it (adopted_connection.ts). This works in Workers too.
 */

const F_DUPFD_CLOEXEC = 1030;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_INFO = 11;

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
  onConnection: (connection: AdoptedConnection) => void,
): AdoptedListener {
  assertAdoptable();
  const address = localEndpoint(fd);
  // Accepted connections inherit it, which saves a call for each.
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  let accepted = 0;
  // Half-open: a peer that has ended its direction may still wait for the answer.
  const options = { allowHalfOpen: true, pauseOnConnect: true };
  const serve = (fd: number) => {
    const server = net.createServer(options, (socket) => {
      accepted++;
      let connection: AdoptedConnection;
      try {
        connection = AdoptedConnection.accepted(socket);
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

/** Makes a transport of a connected or connecting socket, and owns its descriptor. */
export function adoptSocket(fd: number): AdoptedConnection {
  // "readable" would have node:net begin to read.
  const socket = new net.Socket({ fd, allowHalfOpen: true, readable: false });
  socket.setNoDelay(true);
  return AdoptedConnection.of(socket, fd);
}
