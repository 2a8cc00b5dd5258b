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
}

/** Decompresses header blocks (RFC 7541), in order: one decoder for each direction of a connection. */
export class Decoder {
  readonly #maxTableSize: number;
  readonly #limits: HeaderLimits;
  readonly #table: DynamicTable;
  #from = new Uint8Array(0);
  #at = 0;

  /** @param maxTableSize the SETTINGS_HEADER_TABLE_SIZE that this end announced, in bytes */
  constructor(maxTableSize: number, limits: HeaderLimits) {
    this.#maxTableSize = maxTableSize;
    this.#limits = limits;
    this.#table = new DynamicTable(maxTableSize);
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
    while (this.#at < block.length) {
      const first = block[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        if (started) throw broken("a change of the table's size after the block's first field");
        const maxSize = this.#integer(5);
        if (maxSize > this.#maxTableSize) throw broken(`a table of ${maxSize} bytes`);
        this.#table.resize(maxSize);
        continue;
      }
      started = true;
      const entry = this.#field(first);
      size += entrySize(entry[0], entry[1]);
      if (size > this.#limits.headerList || headers.length >= this.#limits.headerCount) tooLarge = true;
      else headers.push(entry);
    }
    return { headers, tooLarge };
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

function broken(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, `HPACK: ${what}`);
}
