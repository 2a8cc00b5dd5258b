import { type Endpoint, formatEndpoint } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { Deadlines } from "../../async/deadlines.ts";
import { descriptorOf, endOf, endsOf } from "./own_socket.ts";
import { getOption, resetConnection } from "./socket.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

/**
 * A Deno TCP connection as a transport that can be reset.
 *
 * Hot path: reads and writes are Deno's own. node:net can reset connections too, but costs twice the CPU for a small read and
 * write (docs/decisions.md).
 */
export class TcpConnection implements AbortableTransport {
  readonly #conn: Deno.TcpConn;
  #open = true;

  /** Owns the connection, which should have TCP_NODELAY, or small writes wait. */
  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** The local end as Deno has it, for what can do without a parsed address: parsing one takes a microsecond. */
  get localAddr(): Deno.NetAddr {
    return this.#conn.localAddr;
  }

  /** The local end; for a captured connection, the address that was dialled. */
  get local(): Endpoint {
    return known(this.#conn.localAddr);
  }

  /** The remote end. */
  get remote(): Endpoint {
    return known(this.#conn.remoteAddr);
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#conn.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#conn.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#conn.close();
  }

  /** Resets the connection. */
  abort(): void {
    if (!this.#open) return;
    const fd = this.#descriptor();
    if (fd !== undefined) resetConnection(fd);
    this.close();
  }

  /** @returns undefined when the peer has reset the connection, which then has no ends any more */
  #descriptor(): number | undefined {
    const ends = endsOf(this.#conn);
    const fd = ends && descriptorOf(ends);
    return fd !== undefined && this.#isOwn(fd) ? fd : undefined;
  }

  /** Tells this socket from a newer one with the same ends: only this one's option follows setNoDelay. */
  #isOwn(fd: number): boolean {
    for (const on of [true, false]) {
      try {
        this.#conn.setNoDelay(on);
      } catch {
        return true; // Deno refuses this during a read and a write, which a reset would have ended.
      }
      if (getOption(fd, IPPROTO_TCP, TCP_NODELAY) !== Number(on)) return false;
    }
    return true;
  }
}

const deadlines = new Deadlines();

export interface DialOptions {
  /** Milliseconds until the attempt is given up. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Connects.
 * @throws the kernel's error, whose `code` says why ("ECONNREFUSED"); one with the code ETIMEDOUT after `timeoutMs`, or up to 100 ms
 * more; the signal's reason.
 */
export async function dialTcp(
  hostname: string,
  port: number,
  { timeoutMs, signal }: DialOptions,
): Promise<TcpConnection> {
  signal?.throwIfAborted();
  const giveUp = new AbortController();
  const inTime = deadlines.add(timeoutMs, () => giveUp.abort(timedOut(hostname, port, timeoutMs)));
  const aborted = () => giveUp.abort(signal?.reason);
  signal?.addEventListener("abort", aborted, { once: true });
  try {
    const conn = await Deno.connect({ hostname, port, signal: giveUp.signal });
    conn.setNoDelay();
    return new TcpConnection(conn);
  } finally {
    inTime();
    signal?.removeEventListener("abort", aborted);
  }
}

/** The error of a dial that took too long. */
export function timedOut(hostname: string, port: number, ms: number): Error {
  const message = `${formatEndpoint(hostname, port)} did not answer within ${ms / 1000} s`;
  return Object.assign(new Error(message), { code: "ETIMEDOUT" });
}

function known(address: Deno.Addr): Endpoint {
  const end = endOf(address);
  if (end === undefined) throw new TypeError("a TCP connection has an address and a port at both ends");
  return end;
}
