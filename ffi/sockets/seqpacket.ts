import { sleep } from "../../async/sleep.ts";
import {
  addressOfBuffer,
  AF_UNIX,
  cstring,
  libc,
  must,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
  SystemCallError,
} from "../libc.ts";

/** Bytes of a message. */
export const LONGEST = 256 * 1024;
/** Descriptors of a message: SCM_MAX_FD (unix(7)). */
const MOST_FDS = 253;
const EAGAIN = 11;
const EPIPE = 32;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SO_SNDBUF = 7;
const SO_PEERCRED = 17;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSG_CTRUNC = 0x8;
const MSG_TRUNC = 0x20;
const SHUT_RDWR = 2;
/** Attempts to accept before the failure is reported, and the pause between them in milliseconds. */
const ATTEMPTS = 20;
const RETRY_MS = 50;

/** A received message: JSON, and descriptors that the receiver has to close. */
export interface Received {
  readonly message: unknown;
  readonly fds: number[];
}

/**
 * Sends JSON messages with descriptors over a SOCK_SEQPACKET unix socket. Deno and node:net lose descriptors, so this uses
 * recvmsg and sendmsg. A receive blocks in a thread of Deno's pool, which `close` wakes by shutdown(2). Use it on the main
 * thread only: a Worker that is terminated during a receive would free buffers that the kernel writes to.
 */
export class SeqPacket implements Disposable {
  readonly #fd: number;
  #receiving: Promise<unknown> | undefined;
  #closed = false;

  constructor(fd: number) {
    this.#fd = fd;
    libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, new Uint8Array(new Uint32Array([2 * LONGEST]).buffer), 4);
  }

  /** @throws {SystemCallError} when no process listens at `path`. */
  static connect(path: string): SeqPacket {
    const fd = must("socket", libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    const address = unixAddress(path);
    try {
      must(`connect to ${path}`, libc.connect(fd, address, address.length));
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    return new SeqPacket(fd);
  }

  /** The peer's process and user at the time of connect(2), from the kernel (SO_PEERCRED). */
  get peer(): { readonly pid: number; readonly uid: number; readonly gid: number } {
    const value = new Int32Array(3);
    const length = new Uint32Array([12]);
    must(
      "SO_PEERCRED",
      libc.getsockopt(
        this.#fd,
        SOL_SOCKET,
        SO_PEERCRED,
        new Uint8Array(value.buffer),
        new Uint8Array(length.buffer),
      ),
    );
    return { pid: value[0] ?? -1, uid: (value[1] ?? -1) >>> 0, gid: (value[2] ?? -1) >>> 0 };
  }

  /**
   * Sends one message, at once or not at all.
   * @throws {SystemCallError} EAGAIN when the peer doesn't read ({@linkcode isFull}), EPIPE when it has closed, or this end.
   * @throws {RangeError} when the message is too long
   */
  send(message: unknown, fds: readonly number[] = []): void {
    if (this.#closed) throw new SystemCallError("sendmsg", EPIPE); // the descriptor may be another file's by now
    const data = new TextEncoder().encode(JSON.stringify(message));
    if (data.length > LONGEST) {
      throw new RangeError(`a message of ${data.length} bytes: the limit is ${LONGEST}`);
    }
    if (fds.length > MOST_FDS) throw new RangeError(`${fds.length} descriptors: the limit is ${MOST_FDS}`);
    const control = new Uint8Array(fds.length === 0 ? 0 : 16 + 8 * Math.ceil(fds.length / 2));
    if (fds.length > 0) {
      new BigUint64Array(control.buffer, 0, 1)[0] = BigInt(16 + 4 * fds.length);
      new Int32Array(control.buffer).set([SOL_SOCKET, SCM_RIGHTS, ...fds], 2);
    }
    const header = messageHeader(data, control);
    must("sendmsg", libc.sendmsg(this.#fd, header.bytes, MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  /**
   * Waits for the next message; undefined when the peer or this end has closed. One wait at a time.
   * A message arrives without descriptors if not all of them did: this process is out of descriptors, or there were too many.
   * @throws {TypeError} for a message that isn't valid JSON or is too long; its descriptors are closed
   */
  async receive(): Promise<Received | undefined> {
    if (this.#closed) return undefined;
    const header = messageHeader(new Uint8Array(LONGEST), new Uint8Array(16 + 8 * Math.ceil(MOST_FDS / 2)));
    const waiting = libc.recvmsg(this.#fd, header.bytes, MSG_CMSG_CLOEXEC);
    this.#receiving = waiting;
    const length = Number(await waiting);
    this.#receiving = undefined;
    if (this.#closed) this.#release();
    if (length < 0) return undefined;
    const fds = descriptors(header);
    const flags = new DataView(header.bytes.buffer).getInt32(48, true);
    // Zero bytes mean the end, or an empty message that looks like it; descriptors may come with that too.
    if (length === 0 || flags & MSG_CTRUNC) { for (const fd of fds.splice(0)) libc.close(fd); }
    if (length === 0) return undefined;
    try {
      if (flags & MSG_TRUNC) throw new TypeError("a message was too long");
      return { message: JSON.parse(new TextDecoder().decode(header.data.subarray(0, length))), fds };
    } catch (error) {
      for (const fd of fds) libc.close(fd);
      throw error instanceof SyntaxError ? new TypeError("a message was no JSON", { cause: error }) : error;
    }
  }

  /** Closes it: a pending receive returns undefined. Closing twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    libc.shutdown(this.#fd, SHUT_RDWR);
    // The descriptor may only be reused once no thread waits on it.
    if (!this.#receiving) this.#release();
  }

  #release(): void {
    libc.close(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Whether sending failed because the peer hasn't read earlier messages. */
export function isFull(error: unknown): boolean {
  return error instanceof SystemCallError && error.errno === EAGAIN;
}

/** A unix socket that accepts SeqPackets; for the main thread only, as these. */
export class SeqPacketListener implements Disposable {
  readonly #fd: number;
  #accepting = false;
  #closed = false;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Listens at `path`, which must not exist yet.
   * @param options.uid the owner of the socket's file; `mode` says who may connect. Both are set before listening begins.
   */
  static listen(path: string, options: { uid?: number; mode?: number } = {}): SeqPacketListener {
    const fd = must("socket", libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    const address = unixAddress(path);
    try {
      must(`bind ${path}`, libc.bind(fd, address, address.length));
      // No process can connect before listen(2).
      Deno.chmodSync(path, options.mode ?? 0o600);
      if (options.uid !== undefined) Deno.chownSync(path, options.uid, null);
      must("listen", libc.listen(fd, 8));
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    return new SeqPacketListener(fd);
  }

  /** Waits for the next peer; undefined when this was closed. @throws {SystemCallError} when accept(2) keeps failing. */
  async accept(): Promise<SeqPacket | undefined> {
    for (let attempt = 0; !this.#closed; attempt++) {
      this.#accepting = true;
      const fd = await libc.accept4(this.#fd, null, null, SOCK_CLOEXEC);
      this.#accepting = false;
      if (this.#closed) {
        libc.close(this.#fd);
        if (fd >= 0) libc.close(fd);
      } else if (fd >= 0) return new SeqPacket(fd);
      // errno belongs to the pool's thread and can't be read here. The cause may pass (EMFILE, EINTR).
      else if (attempt === ATTEMPTS) throw new SystemCallError("accept4", 0);
      else await sleep(RETRY_MS);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    libc.shutdown(this.#fd, SHUT_RDWR);
    if (!this.#accepting) libc.close(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

interface MessageHeader {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array<ArrayBuffer>;
  readonly control: Uint8Array<ArrayBuffer>;
  /** Kept so that it stays reachable with the rest. */
  readonly iovec: Uint8Array<ArrayBuffer>;
}

/** struct msghdr of 64-bit Linux, over one buffer and its control message. */
function messageHeader(data: Uint8Array<ArrayBuffer>, control: Uint8Array<ArrayBuffer>): MessageHeader {
  const iovec = new Uint8Array(new BigUint64Array([addressOfBuffer(data), BigInt(data.length)]).buffer);
  const fields = [
    0n,
    0n,
    addressOfBuffer(iovec),
    1n,
    control.length ? addressOfBuffer(control) : 0n,
    BigInt(control.length),
    0n,
  ];
  return { bytes: new Uint8Array(new BigUint64Array(fields).buffer), data, control, iovec };
}

/** The descriptors of the received SCM_RIGHTS message; there can be only one. */
function descriptors(header: MessageHeader): number[] {
  const came = Number(new BigUint64Array(header.bytes.buffer)[5]);
  const view = new DataView(header.control.buffer);
  const fds: number[] = [];
  if (came < 16) return fds;
  const end = Math.min(Number(view.getBigUint64(0, true)), header.control.length);
  for (let at = 16; at + 4 <= end; at += 4) fds.push(view.getInt32(at, true));
  return fds;
}

/** struct sockaddr_un. @throws {RangeError} longer than 107 bytes */
function unixAddress(path: string): Uint8Array<ArrayBuffer> {
  const name = cstring(path);
  if (name.length > 108) throw new RangeError(`${path} is too long for a unix socket`);
  return new Uint8Array([AF_UNIX, 0, ...name]);
}
