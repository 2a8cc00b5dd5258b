/**
 * Reads heads as most are, without a string or an object for each of them: of requests that anybody delimits alike and whose
 * connection stays, and of their answers. All else is left to head.ts, which reads every head: whatever is read here, it
 * reads in the same way. Hot path: a request and its answer are each read once, byte by byte.
 */
import { FIELD_TEXT, latin1, TOKEN } from "./field_lines.ts";
import { idempotent } from "./idempotent.ts";

const MOST_FIELDS = 200;
const LONGEST_METHOD = 32;
/** As of a name and its labels (RFC 1035 §2.3.4), with a port. */
const [LONGEST_HOST, LONGEST_LABEL] = [260, 63];
const [TAB, LF, CR, SPACE, COLON, DOT, SLASH] = [9, 10, 13, 32, 58, 46, 47];
const VERSION = bytesOf("HTTP/1.1");

/** What a byte may be part of. */
const [IS_TOKEN, IS_TEXT, IS_TARGET, IS_HOST, IS_DIGIT] = [1, 2, 4, 8, 16];
const kinds = new Uint8Array(256);
const lower = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  for (
    const [kind, pattern] of [
      [IS_TOKEN, new RegExp(TOKEN)],
      [IS_TEXT, new RegExp(FIELD_TEXT)],
      [IS_TARGET, /[\x21-\x7e]/],
      [IS_HOST, /[A-Za-z0-9_-]/],
      [IS_DIGIT, /[0-9]/],
    ] as const
  ) if (pattern.test(character)) kinds[byte] = kindOf(byte) | kind;
  lower[byte] = /[A-Z]/.test(character) ? byte | 32 : byte;
}

/** Fields that end a connection, say how long a message is, or ask for something before or instead of the answer. */
const [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT, UPGRADE, HOST] = [
  "connection",
  "content-length",
  "transfer-encoding",
  "expect",
  "upgrade",
  "host",
].map(bytesOf) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
const KEEP_ALIVE = bytesOf("keep-alive");
const [GET, HEAD, CONNECT] = ["GET", "HEAD", "CONNECT"].map(bytesOf) as [Uint8Array, Uint8Array, Uint8Array];

export class PlainHead {
  /** Where the head ends in the bytes that were read last. */
  end = 0;
  /** Bytes of the body. */
  bodyLength = 0;
  #bytes: Uint8Array = new Uint8Array();
  /** Of each field line: where its name begins and ends, and its value. */
  readonly #places = new Uint32Array(4 * MOST_FIELDS);
  #fields = 0;
  #hosts = 0;
  #lengths = 0;
  /** Where a request's method and its target end. */
  #method = 0;
  #target = 0;

  /**
   * Whether these bytes begin with the whole head of a plain request: HTTP/1.1, for a path of one host, no HEAD or CONNECT,
   * without a body or with one whose length is said once, of a connection that stays, and nothing else to agree on.
   */
  readRequest(bytes: Uint8Array): boolean {
    const method = tokenEnd(bytes, 0);
    if (method === 0 || method > LONGEST_METHOD || bytes[method] !== SPACE || bytes[method + 1] !== SLASH) {
      return false;
    }
    this.#method = method;
    if (equal(bytes, 0, method, HEAD) || equal(bytes, 0, method, CONNECT)) return false;
    let at = method + 1;
    while ((kindOf(bytes[at]) & IS_TARGET) !== 0) at++;
    if (bytes[at] !== SPACE) return false;
    this.#target = at;
    at = versionEnd(bytes, at + 1);
    return isLineEnd(bytes, at) && this.#readFields(bytes, at + 2, true) && this.#hosts === 1;
  }

  /** Whether these bytes begin with the whole head of a plain final answer to such a request: one whose length is known. */
  readResponse(bytes: Uint8Array): boolean {
    let at = versionEnd(bytes, 0);
    if (bytes[at] !== SPACE) return false;
    const [hundreds = 0, tens = 0, ones = 0] = [bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    if (hundreds < 50 || hundreds > 57 || (kindOf(tens) & kindOf(ones) & IS_DIGIT) === 0) return false;
    at += 4;
    if (bytes[at] === SPACE) { do at++; while ((kindOf(bytes[at]) & IS_TEXT) !== 0); }
    if (!isLineEnd(bytes, at) || !this.#readFields(bytes, at + 2, false)) return false;
    const isEmpty = hundreds === 50 && tens === 48 && ones === 52 ||
      hundreds === 51 && tens === 48 && ones === 52;
    if (isEmpty) this.bodyLength = 0;
    return isEmpty || this.#lengths === 1;
  }

  /** Of the request that was read last. */
  get method(): string {
    return latin1(this.#bytes.subarray(0, this.#method));
  }

  /** Of the request that was read last. */
  get target(): string {
    return latin1(this.#bytes.subarray(this.#method + 1, this.#target));
  }

  /** Whether the request that was read last may be sent again without another effect. */
  get isIdempotent(): boolean {
    const [bytes, method] = [this.#bytes, this.#method];
    if (bytes[0] === GET[0] && bytes[1] === GET[1] && bytes[2] === GET[2] && method === GET.length) {
      return true;
    }
    return idempotent.has(this.method);
  }

  /** The values of a field, whose name is in lower case; good for the bytes that were read last. */
  values(name: string): readonly string[] {
    let found: string[] | undefined;
    for (let field = 0; field < this.#fields; field++) {
      const [start, end] = [this.#place(field, 0), this.#place(field, 1)];
      if (end - start !== name.length || !this.#isNamed(start, name)) continue;
      found ??= [];
      found.push(latin1(this.#bytes.subarray(this.#place(field, 2), this.#place(field, 3))));
    }
    return found ?? none;
  }

  /** Whether it has a field of that name, which is in lower case. */
  has(name: string): boolean {
    for (let field = 0; field < this.#fields; field++) {
      const start = this.#place(field, 0);
      if (this.#place(field, 1) - start === name.length && this.#isNamed(start, name)) return true;
    }
    return false;
  }

  #place(field: number, which: 0 | 1 | 2 | 3): number {
    return this.#places[4 * field + which] ?? 0;
  }

  #isNamed(start: number, name: string): boolean {
    for (let at = 0; at < name.length; at++) {
      if (lower[this.#bytes[start + at] ?? 0] !== name.charCodeAt(at)) return false;
    }
    return true;
  }

  #readFields(bytes: Uint8Array, start: number, isRequest: boolean): boolean {
    this.#bytes = bytes;
    this.#fields =
      this.#hosts =
      this.#lengths =
      this.bodyLength =
        0;
    for (let at = start; !isLineEnd(bytes, at);) {
      const nameEnd = tokenEnd(bytes, at);
      if (nameEnd === at || bytes[nameEnd] !== COLON || this.#fields === MOST_FIELDS) return false;
      let value = nameEnd + 1;
      while (isSpace(bytes[value])) value++;
      let lineEnd = value;
      while ((kindOf(bytes[lineEnd]) & IS_TEXT) !== 0) lineEnd++;
      if (!isLineEnd(bytes, lineEnd)) return false;
      let valueEnd = lineEnd;
      while (valueEnd > value && isSpace(bytes[valueEnd - 1])) valueEnd--;
      if (!this.#isPlain(bytes, at, nameEnd, value, valueEnd, isRequest)) return false;
      const place = 4 * this.#fields++;
      this.#places[place] = at;
      this.#places[place + 1] = nameEnd;
      this.#places[place + 2] = value;
      this.#places[place + 3] = valueEnd;
      at = lineEnd + 2;
      this.end = at + 2;
    }
    if (this.#fields === 0) this.end = start + 2;
    return true;
  }

  /** Whether a field is one that leaves a message plain. */
  #isPlain(
    bytes: Uint8Array,
    name: number,
    nameEnd: number,
    value: number,
    valueEnd: number,
    isRequest: boolean,
  ): boolean {
    switch (nameEnd - name) {
      case HOST.length:
        if (!isRequest || !equal(bytes, name, nameEnd, HOST)) return true;
        return ++this.#hosts === 1 && isHost(bytes, value, valueEnd);
      case EXPECT.length:
        return !isRequest || !equal(bytes, name, nameEnd, EXPECT);
      case UPGRADE.length:
        return !isRequest || !equal(bytes, name, nameEnd, UPGRADE);
      case CONNECTION.length:
        return !equal(bytes, name, nameEnd, CONNECTION) || equal(bytes, value, valueEnd, KEEP_ALIVE);
      case CONTENT_LENGTH.length:
        if (!resembles(bytes, name, nameEnd, CONTENT_LENGTH)) return true;
        return equal(bytes, name, nameEnd, CONTENT_LENGTH) && this.#isLength(bytes, value, valueEnd);
      case TRANSFER_ENCODING.length:
        return !resembles(bytes, name, nameEnd, TRANSFER_ENCODING);
      default:
        return true;
    }
  }

  #isLength(bytes: Uint8Array, start: number, end: number): boolean {
    if (++this.#lengths > 1 || start === end || end - start > 15) return false;
    let length = 0;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if ((kindOf(byte) & IS_DIGIT) === 0) return false;
      length = 10 * length + byte - 48;
    }
    this.bodyLength = length;
    return true;
  }
}

const none: readonly string[] = [];

function kindOf(byte: number | undefined): number {
  return kinds[byte ?? 0] ?? 0;
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function isLineEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === CR && bytes[at + 1] === LF;
}

function tokenEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while ((kindOf(bytes[at]) & IS_TOKEN) !== 0) at++;
  return at;
}

/** Behind "HTTP/1.1"; at the end of all bytes where it isn't there. */
function versionEnd(bytes: Uint8Array, start: number): number {
  for (let at = 0; at < VERSION.length; at++) if (bytes[start + at] !== VERSION[at]) return bytes.length;
  return start + VERSION.length;
}

/** Whether bytes are these ones, in whatever case. */
function equal(bytes: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  if (end - start !== text.length) return false;
  for (let at = 0; at < text.length; at++) {
    if (lower[bytes[start + at] ?? 0] !== lower[text[at] ?? 0]) return false;
  }
  return true;
}

/** As equal, with "_" for "-" as well: some servers take one for the other. */
function resembles(bytes: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  if (end - start !== text.length) return false;
  for (let at = 0; at < text.length; at++) {
    const [byte, expected] = [bytes[start + at] ?? 0, text[at] ?? 0];
    if (lower[byte] !== expected && !(expected === 45 && byte === 95)) return false;
  }
  return true;
}

/** Whether bytes are a name or an IPv4 address, with a port or without. */
function isHost(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end || end - start > LONGEST_HOST) return false;
  let label = 0;
  let at = start;
  for (; at < end && bytes[at] !== COLON; at++) {
    const byte = bytes[at];
    if (byte === DOT) {
      if (label === 0) return false;
      label = 0;
    } else if ((kindOf(byte) & IS_HOST) === 0 || ++label > LONGEST_LABEL) return false;
  }
  if (at === start || end - at > 6) return false;
  for (at++; at < end; at++) if ((kindOf(bytes[at]) & IS_DIGIT) === 0) return false;
  return true;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
