import { DynamicTable, type Entry, entrySize } from "./dynamic_table.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";
import { STATIC_TABLE } from "./static_table.ts";

/** Largest table that this encoder uses in bytes, even if the peer offers more. */
const TABLE_LIMIT = 4096;
/** Larger entries aren't indexed: they would evict too many others. */
const ENTRY_LIMIT = TABLE_LIMIT / 4;
/** Number of fields that are remembered as seen once. */
const SEEN_LIMIT = 256;

/** Fields that are always never-indexed: no proxy on the way may index them either (RFC 7541 §7.1.3). */
const SECRET: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie"]);

const STATIC_FIELDS = new Map<string, number>();
const STATIC_NAMES = new Map<string, number>();
STATIC_TABLE.forEach(([name, value], i) => {
  STATIC_FIELDS.set(key(name, value), i + 1);
  if (!STATIC_NAMES.has(name)) STATIC_NAMES.set(name, i + 1);
});

function key(name: string, value: string): string {
  return `${name}\0${value}`;
}

export interface EncoderOptions {
  /** When a new field is indexed. "repeated" keeps values that never come again out of the table. */
  index?: "repeated" | "always" | "never";
  /** Whether strings are Huffman-coded where that is shorter. */
  huffman?: boolean;
  /** Names of fields that are never indexed, in addition to those that are marked so. A proxy has none: its peers decide. */
  secret?: ReadonlySet<string>;
  /** Whether fields are encoded as they are, though HTTP/2 doesn't allow them: for those who read them to judge. */
  verbatim?: boolean;
}

/** Compresses header lists (RFC 7541), in order: one encoder for each direction of a connection. */
export class Encoder {
  readonly #index: "repeated" | "always" | "never";
  readonly #huffman: boolean;
  readonly #secret: ReadonlySet<string>;
  readonly #verbatim: boolean;
  readonly #table: DynamicTable;
  /** The newest entry's number, counted from the first ever added, by field and by name. */
  readonly #fields = new Map<string, number>();
  readonly #names = new Map<string, number>();
  readonly #seen = new Set<string>();
  #added = 0;
  #removed = 0;
  /** Table sizes to announce at the start of the next block (RFC 7541 §4.2): the smallest since the last block, and the latest. */
  #resize: { smallest: number; last: number } | undefined;
  #out = new Uint8Array(512);
  #at = 0;

  constructor(options: EncoderOptions = {}) {
    this.#index = options.index ?? "repeated";
    this.#huffman = options.huffman ?? true;
    this.#secret = options.secret ?? SECRET;
    this.#verbatim = options.verbatim ?? false;
    this.#table = new DynamicTable(TABLE_LIMIT, (entry) => this.#forget(entry));
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE changed, in bytes. */
  setMaxTableSize(bytes: number): void {
    const size = Math.min(bytes, TABLE_LIMIT);
    if (size === (this.#resize?.last ?? this.#table.maxSize)) return;
    this.#resize = { smallest: Math.min(size, this.#resize?.smallest ?? size), last: size };
  }

  /**
   * Encodes one header block. The bytes are valid until the next call.
   * @throws TypeError for a name or value that HTTP/2 doesn't allow; then the table is unchanged.
   */
  encode(headers: readonly Entry[]): Uint8Array {
    if (!this.#verbatim) { for (const [name, value] of headers) checkField(name, value); }
    this.#at = 0;
    if (this.#resize !== undefined) {
      const { smallest, last } = this.#resize;
      this.#resize = undefined;
      if (smallest < last) this.#announce(smallest);
      this.#announce(last);
    }
    for (const [name, value, neverIndexed] of headers) {
      this.#field(name, value, neverIndexed === true || this.#secret.has(name));
    }
    return this.#out.subarray(0, this.#at);
  }

  #announce(size: number): void {
    this.#table.resize(size);
    this.#integer(size, 5, 0x20);
  }

  #field(name: string, value: string, secret: boolean): void {
    const both = key(name, value);
    const found = secret ? undefined : this.#find(STATIC_FIELDS.get(both), this.#fields.get(both));
    if (found !== undefined) return this.#integer(found, 7, 0x80);
    const known = this.#find(STATIC_NAMES.get(name), this.#names.get(name));
    const add = !secret && this.#worthAdding(name, value, both, known !== undefined);
    if (add) this.#integer(known ?? 0, 6, 0x40);
    else this.#integer(known ?? 0, 4, secret ? 0x10 : 0x00);
    if (known === undefined) this.#string(name);
    this.#string(value);
    if (add && this.#table.add([name, value])) {
      this.#fields.set(both, this.#added);
      this.#names.set(name, this.#added);
      this.#added++;
    }
  }

  #find(fixed: number | undefined, dynamic: number | undefined): number | undefined {
    if (fixed !== undefined || dynamic === undefined) return fixed;
    return STATIC_TABLE.length + this.#added - dynamic;
  }

  #worthAdding(name: string, value: string, both: string, nameKnown: boolean): boolean {
    if (this.#index === "never") return false;
    if (entrySize(name, value) > Math.min(ENTRY_LIMIT, this.#table.maxSize)) return false;
    if (this.#index === "always" || !nameKnown || this.#seen.delete(both)) return true;
    if (this.#seen.size >= SEEN_LIMIT) this.#seen.clear();
    this.#seen.add(both);
    return false;
  }

  #forget([name, value]: Entry): void {
    const number = this.#removed++;
    const both = key(name, value);
    if (this.#fields.get(both) === number) this.#fields.delete(both);
    if (this.#names.get(name) === number) this.#names.delete(name);
  }

  /** RFC 7541 §5.1. */
  #integer(value: number, prefixBits: number, pattern: number): void {
    this.#room(8);
    const most = (1 << prefixBits) - 1;
    if (value < most) {
      this.#out[this.#at++] = pattern | value;
      return;
    }
    this.#out[this.#at++] = pattern | most;
    let rest = value - most;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#out[this.#at++] = (rest % 128) + 128;
    this.#out[this.#at++] = rest;
  }

  /** RFC 7541 §5.2. */
  #string(text: string): void {
    const coded = this.#huffman ? huffmanLength(text) : text.length;
    if (coded < text.length) {
      this.#integer(coded, 7, 0x80);
      this.#room(coded);
      this.#at = huffmanEncode(text, this.#out, this.#at);
      return;
    }
    this.#integer(text.length, 7, 0x00);
    this.#room(text.length);
    for (let i = 0; i < text.length; i++) this.#out[this.#at++] = text.charCodeAt(i);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return;
    const larger = new Uint8Array(Math.max(this.#out.length * 2, this.#at + bytes));
    larger.set(this.#out);
    this.#out = larger;
  }
}

// deno-lint-ignore no-control-regex -- control characters are what is looked for
const BAD_NAME = /[\x00-\x20A-Z\x7f-\uffff]|^$|.:/s;
// deno-lint-ignore no-control-regex
const BAD_VALUE = /[\x00\r\n\u0100-\uffff]|^[ \t]|[ \t]$/;

function checkField(name: string, value: string): void {
  if (BAD_NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} can't be a header's name in HTTP/2`);
  if (BAD_VALUE.test(value)) {
    throw new TypeError(
      `the value of header ${name} has characters that HTTP/2 can't carry: encode it first`,
    );
  }
}
