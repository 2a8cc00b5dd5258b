import { libc, must, SOCK_CLOEXEC, SystemCallError } from "../libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10; // 4.3: an acknowledgement doesn't repeat what was asked
const NETLINK_GET_STRICT_CHK = 12; // 4.20: a dump's header is a filter
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const MSG_DONTWAIT = 0x40;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const HEADER = 16;
/** Messages in one write to the kernel, whose answers must fit into the socket's buffer. */
const BATCH = 128;
const DUMP_ATTEMPTS = 5;

/** A request to rtnetlink: a type (RTM_...), its flags, and the body with its attributes. */
export interface NetlinkRequest {
  readonly type: number;
  /** NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE. */
  readonly flags?: number;
  readonly body: Uint8Array;
}

export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

/** rtnetlink (`man 7 rtnetlink`), or nfnetlink, of the network namespace that this was made in. The kernel answers within the call: nothing waits. */
export class Netlink implements Disposable {
  #fd: number;
  #sequence = 0;
  readonly #into = new Uint8Array(64 * 1024);

  /** @throws {SystemCallError} */
  constructor(protocol: typeof NETLINK_ROUTE | typeof NETLINK_NETFILTER = NETLINK_ROUTE) {
    this.#fd = must("socket(AF_NETLINK)", libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    this.#option(SOL_NETLINK, NETLINK_CAP_ACK, 1);
    this.#option(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    this.#option(SOL_SOCKET, SO_RCVBUF, 1 << 20);
  }

  /** The number by which the kernel names this socket in what it tells others of its requests. @throws {SystemCallError} */
  get port(): number {
    const address = new Uint8Array(12); // struct sockaddr_nl
    new DataView(address.buffer).setUint16(0, AF_NETLINK, true);
    const size = u32(address.length);
    must("getsockname", libc.getsockname(this.#fd, address, size));
    if (new DataView(address.buffer).getUint32(4, true) === 0) {
      must("binding a netlink socket", libc.bind(this.#fd, address, address.length));
      must("getsockname", libc.getsockname(this.#fd, address, size));
    }
    return new DataView(address.buffer).getUint32(4, true);
  }

  /** Sends one request. @throws {SystemCallError} with the kernel's errno. */
  do(what: string, request: NetlinkRequest): void {
    const [errno] = this.doAll([request]);
    if (errno) throw new SystemCallError(what, errno);
  }

  /** Sends requests in order; returns the kernel's answer to each: 0, or an errno. @throws {SystemCallError} */
  doAll(requests: readonly NetlinkRequest[]): number[] {
    const results: number[] = [];
    for (let at = 0; at < requests.length; at += BATCH) {
      results.push(...this.#batch(requests.slice(at, at + BATCH)));
    }
    return results;
  }

  /** The bodies of all objects that a dump request names. @throws {SystemCallError} */
  dump(what: string, type: number, body: Uint8Array): Uint8Array<ArrayBuffer>[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const all = this.#dump(what, type, body);
      if (all) return all;
    }
    throw new Error(`${what}: the tables keep changing while they are read`);
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }

  /** Undefined when the table changed during the dump, which may then have gaps. */
  #dump(what: string, type: number, body: Uint8Array): Uint8Array<ArrayBuffer>[] | undefined {
    const sequence = ++this.#sequence;
    this.#send(message({ type, flags: NLM_F_DUMP, body }, sequence));
    const found: Uint8Array<ArrayBuffer>[] = [];
    let whole = true;
    for (let done = false; !done;) {
      for (const answer of this.#receive()) {
        if (answer.sequence !== sequence) continue;
        if (answer.flags & NLM_F_DUMP_INTR) whole = false;
        if (answer.type === NLMSG_ERROR) throw new SystemCallError(what, errnoOf(answer.body));
        if (answer.type === NLMSG_DONE) done = true;
        else found.push(answer.body.slice());
      }
    }
    return whole ? found : undefined;
  }

  #batch(requests: readonly NetlinkRequest[]): number[] {
    const first = this.#sequence + 1;
    this.#sequence += requests.length;
    const messages = requests.map((request, i) =>
      message({ ...request, flags: (request.flags ?? 0) | NLM_F_ACK }, first + i)
    );
    const bytes = new Uint8Array(messages.reduce((sum, one) => sum + one.length, 0));
    let at = 0;
    for (const one of messages) {
      bytes.set(one, at);
      at += one.length;
    }
    this.#send(bytes);
    const results = new Array<number>(requests.length).fill(-1);
    for (let left = requests.length; left > 0;) {
      for (const answer of this.#receive()) {
        const index = answer.sequence - first;
        if (answer.type !== NLMSG_ERROR || results[index] !== -1) continue;
        results[index] = errnoOf(answer.body);
        left--;
      }
    }
    return results;
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    must("asking netlink", libc.send(this.#fd, bytes, BigInt(bytes.length), 0));
  }

  *#receive(): Generator<Answer> {
    const length = must(
      "reading of netlink",
      libc.recv(this.#fd, this.#into, BigInt(this.#into.length), MSG_DONTWAIT),
    );
    const view = new DataView(this.#into.buffer);
    for (let at = 0; at + HEADER <= length;) {
      const size = view.getUint32(at, true);
      if (size < HEADER || at + size > length) throw new Error("rtnetlink: an answer was cut");
      yield {
        type: view.getUint16(at + 4, true),
        flags: view.getUint16(at + 6, true),
        sequence: view.getUint32(at + 8, true),
        body: this.#into.subarray(at + HEADER, at + size),
      };
      at += (size + 3) & ~3;
    }
  }

  /** Not known to old kernels, and not needed by what works there. */
  #option(level: number, name: number, value: number): void {
    libc.setsockopt(this.#fd, level, name, new Uint8Array(new Int32Array([value]).buffer), 4);
  }
}

interface Answer {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** struct nlmsgerr begins with the errno, negative. */
function errnoOf(body: Uint8Array): number {
  return Math.abs(new DataView(body.buffer, body.byteOffset, body.byteLength).getInt32(0, true));
}

/** struct nlmsghdr and the body. */
function message({ type, flags = 0, body }: NetlinkRequest, sequence: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER + ((body.length + 3) & ~3));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, HEADER + body.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags | NLM_F_REQUEST, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, HEADER);
  return bytes;
}

/** A fixed part and attributes (struct rtattr), in order. */
export function withAttributes(
  fixed: Uint8Array,
  attributes: readonly (readonly [type: number, value: Uint8Array])[],
): Uint8Array<ArrayBuffer> {
  const length = attributes.reduce((sum, [, value]) => sum + 4 + ((value.length + 3) & ~3), fixed.length);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(fixed);
  let at = fixed.length;
  for (const [type, value] of attributes) {
    view.setUint16(at, 4 + value.length, true);
    view.setUint16(at + 2, type, true);
    bytes.set(value, at + 4);
    at += 4 + ((value.length + 3) & ~3);
  }
  return bytes;
}

/** The attributes after a fixed part of `offset` bytes, by type. Of a type that comes twice, the first. */
export function attributesOf(
  body: Uint8Array<ArrayBuffer>,
  offset: number,
): Map<number, Uint8Array<ArrayBuffer>> {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const found = new Map<number, Uint8Array<ArrayBuffer>>();
  for (let at = offset; at + 4 <= body.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > body.length) break;
    const type = view.getUint16(at + 2, true) & 0x3fff; // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
    if (!found.has(type)) found.set(type, body.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

/** Numbers as netlink has them: 32 bits, the machine's byte order. */
export function u32(...values: readonly number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array(values).buffer);
}
