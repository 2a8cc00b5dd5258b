/**
 * DNS messages (RFC 1035 §4, EDNS: RFC 6891), parsed in full. Bytes that aren't a message give a FormatError and no other error.
 * (dns-packet on npm throws any kind of error, and has names as plain strings, in which a dot inside a label looks like the dot
 * between two.)
 */
import { FormatError, nameBytes, readName } from "./domain_name.ts";

export { FormatError } from "./domain_name.ts";

/** Types that pmz answers, or whose data it has to understand (RFC 1035 §3.2.2, 3596, 2782, 6672, 6891, 9460). */
export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;
/** The class of the internet. */
export const IN = 1;

export const rcodes = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const;

export interface Question {
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

/** A resource record. Names inside `data` are uncompressed, for the types that may have them compressed. */
export interface Resource {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Seconds. */
  readonly ttl: number;
  readonly data: Uint8Array;
}

/** The content of the OPT record (RFC 6891 §6.1). Options are kept as they are. */
export interface Edns {
  readonly udpSize: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  readonly options: Uint8Array;
}

export interface Message {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly checkingDisabled: boolean;
  /** Includes the upper bits from the OPT record, if there is one. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly Resource[];
  readonly authorities: readonly Resource[];
  /** Without the OPT record. */
  readonly additionals: readonly Resource[];
  readonly edns?: Edns;
}

export const HEADER_SIZE = 12;
/** A message over TCP has its length in 16 bits before it. */
export const LONGEST_DNS_MESSAGE = 65_535;
/** The most records of one message: as many of the smallest useful ones as 64 KiB hold. */
const MOST_RECORDS = 4_096;
const MOST_QUESTIONS = 16;

/**
 * Parses a message; bytes after its end are ignored.
 * @throws {FormatError} when it isn't valid
 */
export function parseMessage(bytes: Uint8Array): Message {
  if (bytes.length < HEADER_SIZE) throw new FormatError("a DNS message is shorter than its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  const [asked, answered, authority, additional] = [4, 6, 8, 10].map((at) => view.getUint16(at));
  const counts = [answered ?? 0, authority ?? 0, additional ?? 0];
  if ((asked ?? 0) > MOST_QUESTIONS || counts.reduce((sum, n) => sum + n, 0) > MOST_RECORDS) {
    throw new FormatError("a DNS message has too many questions or records");
  }

  let at = HEADER_SIZE;
  const questions: Question[] = [];
  for (let i = 0; i < (asked ?? 0); i++) {
    const { name, end } = readName(bytes, at);
    if (end + 4 > bytes.length) throw new FormatError("a question runs past the end of the message");
    questions.push({ name, type: view.getUint16(end), class: view.getUint16(end + 2) });
    at = end + 4;
  }
  const sections = counts.map((count) => {
    const section: Resource[] = [];
    for (let i = 0; i < count; i++) {
      const { resource, end } = readResource(bytes, view, at);
      section.push(resource);
      at = end;
    }
    return section;
  });

  const [answers = [], authorities = [], extra = []] = sections;
  const opts = extra.filter((resource) => resource.type === types.OPT);
  const [opt] = opts;
  if (opts.length > 1 || (opt && opt.name !== "")) {
    throw new FormatError("a DNS message has an OPT record that is not valid");
  }
  return {
    id: view.getUint16(0),
    response: (flags & 0x8000) !== 0,
    opcode: flags >> 11 & 15,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    authenticData: (flags & 0x0020) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
    rcode: flags & 15 | (opt ? (opt.ttl >>> 24) << 4 : 0),
    questions,
    answers,
    authorities,
    additionals: extra.filter((resource) => resource.type !== types.OPT),
    ...(opt && {
      edns: {
        udpSize: opt.class,
        version: opt.ttl >>> 16 & 255,
        dnssecOk: (opt.ttl & 0x8000) !== 0,
        options: opt.data,
      },
    }),
  };
}

function readResource(bytes: Uint8Array, view: DataView, at: number): { resource: Resource; end: number } {
  const { name, end: fixed } = readName(bytes, at);
  const start = fixed + 10;
  if (start > bytes.length) throw new FormatError("a record runs past the end of the message");
  const type = view.getUint16(fixed);
  const end = start + view.getUint16(fixed + 8);
  if (end > bytes.length) throw new FormatError("a record runs past the end of the message");
  const data = expand(bytes, type, start, end);
  return {
    resource: { name, type, class: view.getUint16(fixed + 2), ttl: view.getUint32(fixed + 4), data },
    end,
  };
}

/** Bytes before the names in a record's data, and the number of names, for types whose names may be compressed. */
const namesInside: ReadonlyMap<number, { before: number; names: number; after: number }> = new Map([
  [types.NS, { before: 0, names: 1, after: 0 }],
  [types.CNAME, { before: 0, names: 1, after: 0 }],
  [types.PTR, { before: 0, names: 1, after: 0 }],
  [types.DNAME, { before: 0, names: 1, after: 0 }],
  [types.MX, { before: 2, names: 1, after: 0 }],
  [types.SRV, { before: 6, names: 1, after: 0 }],
  [types.SOA, { before: 0, names: 2, after: 20 }],
]);

function expand(bytes: Uint8Array, type: number, start: number, end: number): Uint8Array {
  const shape = namesInside.get(type);
  if (!shape) return bytes.slice(start, end);
  const parts = [bytes.subarray(start, start + shape.before)];
  let at = start + shape.before;
  for (let i = 0; i < shape.names; i++) {
    const read = readName(bytes, at);
    parts.push(nameBytes(read.name));
    at = read.end;
  }
  if (at + shape.after !== end) throw new FormatError("a record's length doesn't fit its data");
  parts.push(bytes.subarray(at, end));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (const part of parts) {
    whole.set(part, to);
    to += part.length;
  }
  return whole;
}
