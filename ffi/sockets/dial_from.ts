import { Deadlines } from "../../async/deadlines.ts";
import type { Endpoint } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { SystemCallError } from "../libc.ts";
import { adoptable, AdoptedConnection } from "./adopted_connection.ts";
import { bindSourcePort, closeDescriptor, localEndpoint, startConnect, tcpSocket } from "./socket.ts";
import { type DialOptions, timedOut } from "./tcp_connection.ts";

/** A connection, and its local end. */
export type BoundConnection = AbortableTransport & { readonly local: Endpoint };

const NOTHING = new Uint8Array(0);
const deadlines = new Deadlines();

/** Whether this version of Deno can connect from a chosen port. @throws {SystemCallError} as `adoptable` does */
export function canDialFrom(): boolean {
  return adoptable();
}

/** Whether a dial failed since its source port is in use, so that another port may do. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof SystemCallError && (error.code === "EADDRINUSE" || error.code === "EADDRNOTAVAIL");
}

/**
 * Connects from a given port. For a socket without a port of its own, the kernel searches for one that no connection to the same
 * target has, and those that were closed here within the last minute count (TIME_WAIT). For a socket that is bound to a port
 * it doesn't search, and such a closed connection gives way, since the newer one's timestamps tell its segments apart (RFC 6191;
 * `tcp_twsk_unique` in the kernel's net/ipv4/tcp_ipv4.c).
 * @throws {SystemCallError} one for which {@linkcode isPortTaken} is true where the port is in use.
 * @throws the kernel's error, whose `code` says why ("ECONNREFUSED"); ETIMEDOUT after `timeoutMs`; the signal's reason.
 */
export async function dialFrom(
  port: number,
  to: Endpoint,
  { timeoutMs, signal }: DialOptions,
): Promise<BoundConnection> {
  signal?.throwIfAborted();
  const { connection, local } = connectingFrom(port, to);
  const giveUp = () => connection.abort(timedOut(to.address.text, to.port, timeoutMs));
  const inTime = deadlines.add(timeoutMs, giveUp);
  const aborted = () => connection.abort(signal?.reason);
  signal?.addEventListener("abort", aborted, { once: true });
  try {
    // A socket that connects takes a write once it is connected, even one of no bytes; a connect that fails fails it.
    await connection.write(NOTHING);
    signal?.throwIfAborted();
    return Object.assign(connection, { local });
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    inTime();
    signal?.removeEventListener("abort", aborted);
  }
}

function connectingFrom(port: number, to: Endpoint): { connection: AdoptedConnection; local: Endpoint } {
  const fd = tcpSocket(to.address.family);
  try {
    bindSourcePort(fd, to.address.family, port);
    startConnect(fd, to);
    const local = localEndpoint(fd);
    return { connection: AdoptedConnection.of(fd), local };
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}
