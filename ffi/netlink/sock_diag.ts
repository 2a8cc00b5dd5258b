import type { IpAddress } from "../../net/address.ts";
import { libc, must, SOCK_CLOEXEC, SystemCallError } from "../libc.ts";
import {
  answers,
  destroyRequest,
  type DiagAnswer,
  type DiagSocket,
  dumpRequest,
  lookupRequest,
  states,
} from "./sock_diag_messages.ts";

export type { DiagSocket } from "./sock_diag_messages.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_SOCK_DIAG = 4;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;
const ENOENT = 2;
const EOPNOTSUPP = 95;
/** Sockets of one list; what lies beyond is left out. */
const MOST = 65_536;

/** Which sockets of a list are wanted: the others don't count, however many the machine has. */
export type IsWanted = (socket: DiagSocket) => boolean;

/** The kernel's list of sockets of the network namespace that the thread was in when this was made. */
export class SockDiag implements Disposable {
  #fd: number;
  readonly #most: number;
  readonly #into = new Uint8Array(64 * 1024);

  /** @param most sockets of one list @throws {SystemCallError} */
  constructor(most = MOST) {
    this.#most = most;
    const fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    this.#fd = must("socket(NETLINK_SOCK_DIAG)", fd);
  }

  /** TCP connections to a local port (0: any) that are established, or whose peer has ended its side. */
  connectionsTo(port: number, isWanted?: IsWanted): DiagSocket[] {
    return this.#ofPort(port, states.established | states.closeWait, isWanted);
  }

  /** TCP sockets that listen on a port. @throws {SystemCallError} on a kernel without inet_diag */
  listenersOn(port: number): DiagSocket[] {
    return this.#ofPort(port, states.listen);
  }

  #ofPort(port: number, stateSet: number, isWanted: IsWanted = () => true): DiagSocket[] {
    const found: DiagSocket[] = [];
    for (const family of [4, 6] as const) {
      this.#send(dumpRequest(family, port, stateSet));
      this.#receive((answer) => {
        if (answer.kind === "socket" && found.length < this.#most && isWanted(answer.socket)) {
          found.push(answer.socket);
        }
        if (answer.kind === "error" && answer.errno !== 0) {
          throw new SystemCallError("listing sockets", answer.errno);
        }
        return answer.kind !== "socket";
      });
    }
    return found;
  }

  /** The TCP connection with these two ends, if this namespace has it. */
  connection(
    local: { address: IpAddress; port: number },
    remote: { address: IpAddress; port: number },
  ): DiagSocket | undefined {
    const found = this.#lookUp(lookupRequest(local, remote));
    return found && found.state !== states.listen ? found : undefined;
  }

  /** The UDP socket that a datagram from `remote` to `local` would come to, connected or not. */
  udpReceiver(
    local: { address: IpAddress; port: number },
    remote: { address: IpAddress; port: number },
  ): DiagSocket | undefined {
    // The kernel takes the two ends of a UDP lookup as those of the datagram (udp_dump_one in its net/ipv4/udp_diag.c).
    return this.#lookUp(lookupRequest(remote, local, "udp"));
  }

  #lookUp(request: Uint8Array<ArrayBuffer>): DiagSocket | undefined {
    this.#send(request);
    let found: DiagSocket | undefined;
    this.#receive((answer) => {
      if (answer.kind === "socket") found = answer.socket;
      if (answer.kind === "error" && answer.errno !== ENOENT) {
        throw new SystemCallError("looking a socket up", answer.errno);
      }
      return true;
    });
    return found;
  }

  /**
   * Closes connections: both ends see a reset. Says how many it were; those that ended meanwhile don't count.
   * @throws {SystemCallError} EPERM (1) without NET_ADMIN, EOPNOTSUPP (95) on a kernel without CONFIG_INET_DIAG_DESTROY.
   */
  destroy(sockets: readonly DiagSocket[]): number {
    let count = 0;
    for (const socket of sockets) {
      this.#send(destroyRequest(socket));
      this.#receive((answer) => {
        if (answer.kind !== "error") return false;
        if (answer.errno === 0) count++;
        else if (answer.errno === EOPNOTSUPP || answer.errno === 1) {
          throw new SystemCallError("SOCK_DESTROY", answer.errno);
        }
        return true;
      });
    }
    return count;
  }

  /** Closes all connections that are wanted, also more than one list has. @throws {SystemCallError} as `destroy` */
  destroyAll(isWanted: IsWanted): void {
    for (;;) {
      const found = this.connectionsTo(0, isWanted);
      // Where none of them could be closed, the next list would be the same.
      if (this.destroy(found) === 0 || found.length < this.#most) return;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }

  #send(request: Uint8Array<ArrayBuffer>): void {
    must("asking sock_diag", libc.send(this.#fd, request, BigInt(request.length), 0));
  }

  /** Reads answers until one is the last. The kernel answers within send and recv, so there's nothing to wait for. */
  #receive(isLast: (answer: DiagAnswer) => boolean): void {
    for (;;) {
      let length: number;
      try {
        length = must(
          "reading of sock_diag",
          libc.recv(this.#fd, this.#into, BigInt(this.#into.length), MSG_DONTWAIT),
        );
      } catch (error) {
        if (error instanceof SystemCallError && error.errno === EAGAIN) return;
        throw error;
      }
      for (const answer of answers(this.#into.subarray(0, length))) if (isLast(answer)) return;
    }
  }
}
