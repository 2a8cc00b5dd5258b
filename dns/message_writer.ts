/** Writes DNS messages (RFC 1035 §4.1, EDNS: RFC 6891), with names compressed and a limit for UDP. */
import { FormatError, labelsOf } from "./domain_name.ts";
import { HEADER_SIZE, LONGEST_DNS_MESSAGE, type Message, type Resource, types } from "./message.ts";

/** The highest offset of a compression pointer (14 bits). */
const FURTHEST_POINTER = 0x3fff;

/**
 * The message's bytes, `limit` at most: of a longer one as many answers as fit, with the flag for a truncated message; additional
 * records are left out without the flag (RFC 2181 §9).
 * @throws {FormatError} when a name in it isn't valid, or its questions alone are longer than `limit`
 */
export function writeMessage(message: Message, limit = LONGEST_DNS_MESSAGE): Uint8Array<ArrayBuffer> {
  const writer = new Writer(limit);
  const opt = message.edns && optOf(message);
  // A truncated answer has the OPT record too.
  writer.reserved = opt ? 11 + opt.data.length : 0;
  for (const question of message.questions) {
    writer.name(question.name);
    writer.u16(question.type);
    writer.u16(question.class);
  }
  if (writer.full) throw new FormatError(`the questions of a DNS message don't fit into ${limit} bytes`);

  const written = [message.answers, message.authorities, message.additionals].map((section) => {
    let count = 0;
    for (const resource of section) if (writer.resource(resource)) count++;
    return count;
  });
  const lost = (written[0] ?? 0) < message.answers.length || (written[1] ?? 0) < message.authorities.length;
  writer.reopen();
  if (opt && writer.resource(opt)) written[2] = (written[2] ?? 0) + 1;

  writer.header([
    message.id,
    (message.response ? 0x8000 : 0) | (message.opcode & 15) << 11 | (message.authoritative ? 0x0400 : 0) |
    (message.truncated || lost ? 0x0200 : 0) | (message.recursionDesired ? 0x0100 : 0) |
    (message.recursionAvailable ? 0x0080 : 0) | (message.authenticData ? 0x0020 : 0) |
    (message.checkingDisabled ? 0x0010 : 0) | message.rcode & 15,
    message.questions.length,
    ...written,
  ]);
  return writer.bytes();
}

function optOf(message: Message): Resource {
  const { udpSize = 0, version = 0, dnssecOk = false, options = new Uint8Array() } = message.edns ?? {};
  const ttl = ((message.rcode >> 4 & 255) << 24 | (version & 255) << 16 | (dnssecOk ? 0x8000 : 0)) >>> 0;
  return { name: "", type: types.OPT, class: udpSize, ttl, data: options };
}

class Writer {
  /** Bytes kept free for what follows. */
  reserved = 0;
  /** Whether something did not fit; then nothing more is written. */
  full = false;
  #buffer = new Uint8Array(512);
  #at = HEADER_SIZE;
  readonly #limit: number;
  /** Offsets of names that were written in full, by their exact case, so that a name is read back as it was given. */
  readonly #names = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = Math.min(limit, LONGEST_DNS_MESSAGE);
  }

  /** Uses what was reserved. Only for a record whose name is the root: another one could point to bytes that were taken back. */
  reopen(): void {
    this.reserved = 0;
    this.full = false;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.#at);
  }

  header(words: readonly number[]): void {
    const view = new DataView(this.#buffer.buffer);
    words.forEach((word, i) => view.setUint16(2 * i, word));
  }

  u16(value: number): void {
    this.#put([value >> 8 & 255, value & 255]);
  }

  /** Writes the whole record, or nothing of it. */
  resource(resource: Resource): boolean {
    if (this.full) return false;
    const before = this.#at;
    this.name(resource.name);
    this.u16(resource.type);
    this.u16(resource.class);
    this.u16(resource.ttl >>> 16);
    this.u16(resource.ttl & 0xffff);
    this.u16(resource.data.length);
    this.#put(resource.data);
    if (!this.full) return true;
    this.#at = before;
    return false;
  }

  name(name: string): void {
    let rest = name;
    for (const label of labelsOf(name)) {
      const seen = this.#names.get(rest);
      if (seen !== undefined) return this.u16(0xc000 | seen);
      if (this.#at <= FURTHEST_POINTER) this.#names.set(rest, this.#at);
      this.#put([label.length, ...label]);
      rest = withoutFirst(rest);
    }
    this.#put([0]);
  }

  #put(bytes: ArrayLike<number>): void {
    if (this.full || this.#at + bytes.length > this.#limit - this.reserved) {
      this.full = true;
      return;
    }
    if (this.#at + bytes.length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.#at + bytes.length));
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}

/** The name without its first label; a dot that is escaped is part of a label. */
function withoutFirst(name: string): string {
  for (let i = 0; i < name.length; i++) {
    if (name[i] === "\\") i++;
    else if (name[i] === ".") return name.slice(i + 1);
  }
  return "";
}
