import { ConnectionError, ErrorCode } from "../frames/errors.ts";
import { DynamicTable, type Entry, entrySize } from "./dynamic_table.ts";
import { byteString, huffmanDecode } from "./huffman.ts";
import { STATIC_TABLE } from "./static_table.ts";

export interface HeaderLimits {
  /** Bytes of the decompressed list, counting 32 more for each field. */
  headerList: number;
  headerCount: number;
}

/** A header list. With `tooLarge` it exceeded a limit: it was decoded to its end, to keep the table in step, and dropped. */
export interface DecodedHeaders {
  readonly headers: readonly Entry[];
  readonly tooLarge: boolean;
  /** Bytes of the decompressed list, as they are counted for the limit. */
  readonly size: number;
}

/** Sizes of the table that a block begins with (RFC 7541 §4.2). */
export interface TableSizes {
  readonly smallest: number;
  readonly last: number;
}

const NOTHING = new Uint8Array(0);

/** Decompresses header blocks (RFC 7541), in order: one decoder for each direction of a connection. */
export class Decoder {
  readonly #maxTableSize: number;
  readonly #limits: HeaderLimits;
  readonly #table: DynamicTable;
  #from: Uint8Array<ArrayBuffer> = NOTHING;
  #at = 0;
  /** The sizes that the last block has set for the table; undefined where it has set none. */
  resized: TableSizes | undefined;

  /**
   * @param maxTableSize the SETTINGS_HEADER_TABLE_SIZE that this end announced, in bytes
   * @param tableSize the table's size before a block has set another one
   */
  constructor(maxTableSize: number, limits: HeaderLimits, tableSize: number = maxTableSize) {
    this.#maxTableSize = maxTableSize;
    this.#limits = limits;
    this.#table = new DynamicTable(tableSize);
  }

  /**
   * Decodes one whole header block.
   * @throws ConnectionError COMPRESSION_ERROR when the block is malformed.
   */
  decode(block: Uint8Array): DecodedHeaders {
    this.#from = block as Uint8Array<ArrayBuffer>;
    this.#at = 0;
    const headers: Entry[] = [];
    let size = 0;
    let tooLarge = false;
    let started = false;
    this.resized = undefined;
    while (this.#at < block.length) {
      const first = block[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        if (started) throw broken("a change of the table's size after the block's first field");
        const maxSize = this.#integer(5);
        if (maxSize > this.#maxTableSize) throw broken(`a table of ${maxSize} bytes`);
        this.#table.resize(maxSize);
        this.resized = mergedSizes(this.resized, { smallest: maxSize, last: maxSize });
        continue;
      }
      started = true;
      const entry = this.#field(first);
      size += entrySize(entry[0], entry[1]);
      if (size > this.#limits.headerList || headers.length >= this.#limits.headerCount) tooLarge = true;
      else headers.push(entry);
    }
    // The block lies in a buffer of a read, which this decoder outlives.
    this.#from = NOTHING;
    return { headers, tooLarge, size };
  }

  #field(first: number): Entry {
    if (first & 0x80) {
      const index = this.#integer(7);
      return this.#lookUp(index);
    }
    const add = (first & 0x40) !== 0;
    const index = this.#integer(add ? 6 : 4);
    const name = index === 0 ? this.#string() : this.#lookUp(index)[0];
    const isNeverIndexed = (first & 0xf0) === 0x10;
    const entry: Entry = isNeverIndexed ? [name, this.#string(), true] : [name, this.#string()];
    if (add) this.#table.add(entry);
    return entry;
  }

  #lookUp(index: number): Entry {
    const entry = index === 0 ? undefined : this.#table.lookUp(index);
    if (entry === undefined) {
      throw broken(`index ${index} of a table of ${STATIC_TABLE.length + this.#table.count}`);
    }
    return entry;
  }

  /** RFC 7541 §5.1. */
  #integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let scale = 1, i = 0; i < 5; i++, scale *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * scale;
      if ((byte & 128) === 0) return value;
    }
    throw broken("an integer of more than five bytes");
  }

  /** RFC 7541 §5.2. */
  #string(): string {
    const huffman = this.#at < this.#from.length && ((this.#from[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#from.length) throw broken("a string that is longer than its block");
    this.#at = end;
    if (!huffman) return byteString(this.#from, start, end);
    const text = huffmanDecode(this.#from, start, end);
    if (text === undefined) throw broken("an invalid Huffman code");
    return text;
  }

  #byte(): number {
    if (this.#at >= this.#from.length) throw broken("a header block that ends within a field");
    return this.#from[this.#at++] as number;
  }
}

/** What two sequences of sizes come to, one after the other. */
export function mergedSizes(
  before: TableSizes | undefined,
  { smallest, last }: TableSizes,
): TableSizes {
  return { smallest: Math.min(smallest, before?.smallest ?? smallest), last };
}

function broken(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, `HPACK: ${what}`);
}
