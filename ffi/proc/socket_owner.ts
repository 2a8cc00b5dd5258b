/** Who is at the other end of a connection over loopback: the uid of the local socket that it comes from. */
import { type IpAddress, parseAddress } from "../../net/address.ts";
import { type Protocol, readTables, rowsOfPort, type SocketEnd, type SocketRow } from "./socket_table.ts";

/** A connection, or a datagram, as its receiver sees it. */
export interface Arrival {
  readonly protocol: Protocol;
  readonly peer: SocketEnd;
  readonly own: SocketEnd;
}

/** Accounts by their uids, both ends included: one user, and the subuids of their containers. */
export type Accounts = readonly { readonly first: number; readonly last: number }[];

export const isAmong = (uid: number, accounts: Accounts): boolean =>
  accounts.some(({ first, last }) => uid >= first && uid <= last);

/**
 * How often a socket that isn't found is looked for: the kernel hands a table out a page at a time, and whatever closes
 * meanwhile moves the rest up, so a read may miss a socket that is there (udp_get_idx in the kernel's net/ipv4/udp.c).
 */
const LOOKS = 4;

/**
 * Looks owners up. A table is read once for all that wait while the read before it goes on, so a burst costs two reads; and
 * always after the question came, since a port may have changed hands.
 */
export class SocketOwners {
  readonly #read: (protocol: Protocol) => Promise<readonly string[]>;
  readonly #running = new Map<Protocol, Promise<unknown>>();
  readonly #next = new Map<Protocol, Promise<readonly string[]>>();

  constructor(read: (protocol: Protocol) => Promise<readonly string[]> = readTables) {
    this.#read = read;
  }

  /**
   * The owner's uid; undefined when there is no such socket, or when sockets of several users match.
   * @throws when /proc can't be read.
   */
  async owner(arrival: Arrival): Promise<number | undefined> {
    for (let look = 1;; look++) {
      const uid = ownerIn(await this.#tables(arrival.protocol), arrival);
      if (uid !== undefined || look === LOOKS) return uid;
    }
  }

  /** Whether the peer is one of `accounts`; not when it can't be told. */
  async isFrom(arrival: Arrival, accounts: Accounts): Promise<boolean> {
    const uid = await this.owner(arrival).catch(() => undefined);
    return uid !== undefined && isAmong(uid, accounts);
  }

  #tables(protocol: Protocol): Promise<readonly string[]> {
    const waiting = this.#next.get(protocol);
    if (waiting) return waiting;
    const before = this.#running.get(protocol) ?? Promise.resolve();
    const read = before.then(() => {
      this.#next.delete(protocol);
      const current = this.#read(protocol);
      this.#running.set(protocol, current.catch(() => {}));
      return current;
    });
    this.#next.set(protocol, read);
    return read;
  }
}

/** As {@linkcode SocketOwners.owner}, in tables that were read. */
export function ownerIn(tables: readonly string[], { protocol, peer, own }: Arrival): number | undefined {
  const [from, to] = [parseAddress(peer.address), parseAddress(own.address)];
  if (!from || !to) return undefined;
  let [best, uids] = [Infinity, new Set<number>()];
  for (const row of rowsOfPort(tables, peer.port)) {
    const rank = rankOf(row, protocol, from, to, own.port);
    if (rank < best) [best, uids] = [rank, new Set()];
    if (rank === best && rank < Infinity) uids.add(row.uid);
  }
  const [uid] = uids;
  return uids.size === 1 ? uid : undefined;
}

/** How well a socket fits as the sender: 0 is the connected one itself; an unconnected UDP socket has no peer in the table. */
function rankOf(row: SocketRow, protocol: Protocol, from: IpAddress, to: IpAddress, port: number): number {
  const exact = row.local.text === from.text;
  if (exact && row.remote.text === to.text && row.remotePort === port) return 0;
  if (protocol === "tcp" || row.remotePort !== 0) return Infinity;
  if (exact) return 1;
  const any = row.local.text === "0.0.0.0" || row.local.text === "::";
  return any && (row.local.family === 6 || from.family === 4) ? 2 : Infinity;
}

/** A TCP connection as its acceptor sees it. */
export function arrivalOf(conn: Pick<Deno.TcpConn, "remoteAddr" | "localAddr">): Arrival {
  const end = ({ hostname, port }: Deno.NetAddr): SocketEnd => ({ address: hostname, port });
  return { protocol: "tcp", peer: end(conn.remoteAddr), own: end(conn.localAddr) };
}
