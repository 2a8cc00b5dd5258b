import { parseAddress } from "../../net/address.ts";
import { SockDiag } from "../netlink/sock_diag.ts";
import { type Accounts, type Arrival, isAmong, SocketOwners } from "./socket_owner.ts";

/**
 * Who is at the other end of a TCP connection over loopback. The kernel is asked for that one socket: reading its tables, which have
 * every connection of the machine, costs milliseconds where there are thousands. They are read only where the kernel doesn't say.
 */
export class ConnectionOwners implements Disposable {
  readonly #tables: Pick<SocketOwners, "isFrom">;
  #diag: SockDiag | undefined;

  constructor(tables: Pick<SocketOwners, "isFrom"> = new SocketOwners()) {
    this.#tables = tables;
  }

  /** Whether the peer is one of `accounts`; not when it can't be told. */
  async isFrom(arrival: Arrival, accounts: Accounts): Promise<boolean> {
    const uid = this.#ask(arrival);
    return uid === undefined ? await this.#tables.isFrom(arrival, accounts) : isAmong(uid, accounts);
  }

  #ask({ peer, own }: Arrival): number | undefined {
    const [from, to] = [parseAddress(peer.address), parseAddress(own.address)];
    if (!from || !to) return undefined;
    try {
      this.#diag ??= new SockDiag();
      const found = this.#diag.connection({ address: from, port: peer.port }, {
        address: to,
        port: own.port,
      });
      // A socket that its program has closed has no file, and 0 for the uid: root's it is not.
      return found && found.inode !== 0 ? found.uid : undefined;
    } catch {
      return undefined; // a kernel without inet_diag
    }
  }

  [Symbol.dispose](): void {
    this.#diag?.[Symbol.dispose]();
    this.#diag = undefined;
  }
}
