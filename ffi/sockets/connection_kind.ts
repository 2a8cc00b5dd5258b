import type net from "node:net";
import type { Endpoint } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";

/** Both ends of a connection; the local one of an accepted connection is the address that was dialled. */
export interface ConnectionEnds {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** An accepted TCP connection as a transport that can be reset. */
export interface AcceptedConnection extends AbortableTransport {
  readonly ends: ConnectionEnds;
}

/** A way to make connections of sockets that only node:net can take: AdoptedConnection, or NodeConnection. */
export interface ConnectionKind {
  /**
   * Owns an accepted connection that nothing was read from yet.
   * @throws when the peer has reset it, or the process is out of descriptors. The caller still owns it then.
   */
  accepted(socket: net.Socket): AcceptedConnection;
  /** Makes a connection of a connected or connecting socket, and owns its descriptor. */
  of(fd: number): AbortableTransport;
}
