import { TokenBucket } from "../../async/token_bucket.ts";
import type { DataPlane, FirstDatagram, SocketToBind } from "../../dataplane/plane.ts";
import { SystemCallError } from "../../ffi/libc.ts";
import type { Accounts } from "../../ffi/proc/socket_owner.ts";
import { UdpClosings } from "../../ffi/netlink/udp_closings.ts";
import { DatagramReader } from "../../ffi/sockets/datagram_reader.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import { loopbackUdpSocket } from "../../ffi/sockets/udp_socket.ts";
import { formatEndpoint, type IpAddress, parseAddress } from "../../net/address.ts";
import type { Log } from "../process/log.ts";
import type { HelperClient } from "./helper_client.ts";

/** Batches that are read at once: what a full catch-all socket holds. */
const MOST_BATCHES = 100;
/** Destinations whose refusal is remembered; the oldest is forgotten first. */
const MOST_REFUSED = 256;
/** Destinations that can't be opened and are logged at once, and a second in the long run. */
const [LOGGED, LOGGED_PER_SECOND] = [20, 1];

/** The data plane, as far as it carries UDP. */
export type UdpData = Pick<DataPlane, "takesUdp" | "carryUdp" | "datagrams" | "callersClosed">;

export interface UdpCaptureParts {
  readonly helper: Pick<HelperClient, "carryUdp" | "openUdp" | "udpUnreachable">;
  readonly data: UdpData;
  /** Those that are inside. */
  readonly accounts: Accounts;
  readonly log: Log;
}

/**
 * Carries captured UDP: the first datagrams of a destination come by a catch-all socket of their family, which is read here, and the
 * data worker then has a socket of its own bound there. All waits are in this thread, since a worker can't be ended during one.
 */
export class UdpCapture implements AsyncDisposable {
  readonly #parts: UdpCaptureParts;
  readonly #readers: DatagramReader[] = [];
  readonly #own: IpAddress[] = [];
  readonly #running: Promise<void>[] = [];
  #closings: UdpClosings | undefined;
  readonly #lines = new TokenBucket(LOGGED, LOGGED_PER_SECOND);
  #omitted = 0;
  #why: string | undefined;
  /** Why destinations couldn't be opened, until they are. */
  readonly #refused = new Map<string, string>();

  private constructor(parts: UdpCaptureParts) {
    this.#parts = parts;
  }

  /** Begins; where it can't, `why` says so. */
  static async start(parts: UdpCaptureParts): Promise<UdpCapture> {
    const capture = new UdpCapture(parts);
    try {
      // Before the helper is asked: from then on the hooks refuse no datagram any more.
      if (!await parts.data.takesUdp()) {
        throw new Error("this Deno has no UDP sockets: start it with --unstable-net");
      }
      await capture.#carry(4);
      if (capture.#own.length > 0) await capture.#carry(6);
      capture.#followClosings();
    } catch (error) {
      await capture.#end();
      // Out of descriptors, say: the rest works without UDP. Where the helper is gone, all of it ends.
      capture.#why = error instanceof Error ? error.message : String(error);
    }
    if (capture.why !== undefined) parts.log("warn", "UDP isn't carried", { details: capture.why });
    return capture;
  }

  /** Why UDP isn't carried; undefined where it is. */
  get why(): string | undefined {
    return this.#own.length > 0 ? undefined : this.#why;
  }

  /** Why the helper refused to open a captured address and port the last time; undefined where it didn't. */
  refusal(address: string, port: number): string | undefined {
    return this.#refused.get(formatEndpoint(address, port));
  }

  async #carry(family: 4 | 6): Promise<void> {
    const { helper, data, accounts } = this.#parts;
    const reader = openReader(family);
    if (!reader) return; // a machine without IPv6
    this.#readers.push(reader);
    const carried = await helper.carryUdp(family, reader.descriptor);
    const own = "own" in carried ? parseAddress(carried.own) : undefined;
    if (!own) {
      this.#why ??= "why" in carried ? carried.why : "the root helper's answer is not valid";
      return;
    }
    const source = {
      open: (socket: SocketToBind) => this.#open(socket),
      unreachable: helper.udpUnreachable.bind(helper),
    };
    await data.carryUdp({ own: own.text, accounts }, source);
    this.#own.push(own);
    this.#running.push(this.#read(reader));
  }

  async #read(reader: DatagramReader): Promise<void> {
    while (await reader.ready()) await this.#deliver(reader.read());
  }

  async #deliver(read: ReturnType<DatagramReader["read"]>): Promise<void> {
    const datagrams = read.flatMap(({ from, to, payload }): FirstDatagram[] => {
      // What came before the socket was bound to the device came from other programs' sockets.
      if (!this.#own.some(({ text }) => text === from.address.text)) return [];
      return [{ address: to.address.text, port: to.port, callerPort: from.port, payload }];
    });
    if (datagrams.length > 0) await this.#parts.data.datagrams(datagrams).catch(() => {}); // a worker that died is reported
  }

  /** From the moment on that the socket is bound, no datagram for it comes by the catch-all one: what is left there comes before its own. */
  async #open(socket: SocketToBind): Promise<void> {
    const place = formatEndpoint(socket.address, socket.port);
    this.#refused.delete(place);
    try {
      await this.#parts.helper.openUdp(socket);
    } catch (error) {
      this.#refused.set(place, error instanceof Error ? error.message : String(error));
      const [oldest] = this.#refused.keys();
      if (oldest !== undefined && this.#refused.size > MOST_REFUSED) this.#refused.delete(oldest);
      this.#unopened(socket, error);
      throw error;
    }
    for (const reader of this.#readers) {
      for (let batch = 0, read; batch < MOST_BATCHES && (read = reader.read()).length > 0; batch++) {
        void this.#deliver(read);
      }
    }
  }

  #unopened({ address, port }: SocketToBind, error: unknown): void {
    if (!this.#lines.take()) return void this.#omitted++;
    this.#parts.log("warn", "UDP to an address isn't carried", {
      to: `${address} port ${port}`,
      error,
      ...(this.#omitted === 0 ? {} : { omitted: this.#omitted }),
    });
    this.#omitted = 0;
  }

  #followClosings(): void {
    const own4 = this.#own.find(({ family }) => family === 4);
    if (!own4) return;
    try {
      this.#closings = new UdpClosings(own4, this.#own.find(({ family }) => family === 6));
      this.#running.push(this.#hearClosings(this.#closings));
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.#parts.log("warn", "closed UDP sockets aren't seen: flows end after a time of silence", { error });
    }
  }

  async #hearClosings(closings: UdpClosings): Promise<void> {
    for (let closed; (closed = await closings.next());) {
      if (closed.length > 0) await this.#parts.data.callersClosed(closed).catch(() => {});
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }

  async #end(): Promise<void> {
    this.#own.length = 0;
    for (const reader of this.#readers) reader[Symbol.dispose]();
    await this.#closings?.[Symbol.asyncDispose]();
    await Promise.all(this.#running);
  }
}

/** Undefined where the machine has no such address. */
function openReader(family: 4 | 6): DatagramReader | undefined {
  let fd: number | undefined;
  try {
    fd = loopbackUdpSocket(family);
    return new DatagramReader(fd, family);
  } catch (error) {
    if (fd !== undefined) closeDescriptor(fd);
    if (family === 6 && error instanceof SystemCallError) return undefined;
    throw error;
  }
}
