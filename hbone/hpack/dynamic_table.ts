import type { Header } from "../frames/header.ts";
import { STATIC_TABLE } from "./static_table.ts";

export type Entry = Header;

/** The size of an entry (RFC 7541 §4.1). Names and values are byte strings: one character is one byte. */
export function entrySize(name: string, value: string): number {
  return name.length + value.length + 32;
}

/** The table that both ends of one direction keep in step (RFC 7541 §2.3.2). The oldest entry is evicted first. */
export class DynamicTable {
  /** A ring: the newest entry is at `#newest`. */
  #ring: (Entry | undefined)[] = new Array(16).fill(undefined);
  #newest = 0;
  #count = 0;
  #size = 0;
  #maxSize: number;
  readonly #evicted: ((entry: Entry) => void) | undefined;

  constructor(maxSize: number, evicted?: (entry: Entry) => void) {
    this.#maxSize = maxSize;
    this.#evicted = evicted;
  }

  get count(): number {
    return this.#count;
  }

  get size(): number {
    return this.#size;
  }

  get maxSize(): number {
    return this.#maxSize;
  }

  /** Sets the largest size and evicts what exceeds it (RFC 7541 §4.3). */
  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#evictTo(maxSize);
  }

  /** Adds an entry; returns whether it was kept. An entry larger than the table empties it and isn't kept (RFC 7541 §4.4). */
  add(entry: Entry): boolean {
    const size = entrySize(entry[0], entry[1]);
    this.#evictTo(this.#maxSize - size);
    if (size > this.#maxSize) return false;
    if (this.#count === this.#ring.length) this.#enlarge();
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = entry;
    this.#count++;
    this.#size += size;
    return true;
  }

  /** The entry `index` counts from the newest, 0. */
  at(index: number): Entry | undefined {
    if (index >= this.#count) return undefined;
    return this.#ring[(this.#newest - index) & (this.#ring.length - 1)];
  }

  /** The entry at an index of HPACK's address space (RFC 7541 §2.3.3), static entries first, from 1. */
  lookUp(index: number): Entry | undefined {
    return index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.at(index - STATIC_TABLE.length - 1);
  }

  #evictTo(size: number): void {
    while (this.#size > size && this.#count > 0) {
      const slot = (this.#newest - this.#count + 1) & (this.#ring.length - 1);
      const entry = this.#ring[slot];
      this.#ring[slot] = undefined;
      this.#count--;
      if (entry === undefined) continue;
      this.#size -= entrySize(entry[0], entry[1]);
      this.#evicted?.(entry);
    }
  }

  #enlarge(): void {
    const ring: (Entry | undefined)[] = new Array(this.#ring.length * 2).fill(undefined);
    for (let i = 0; i < this.#count; i++) ring[this.#count - 1 - i] = this.at(i);
    this.#newest = this.#count - 1;
    this.#ring = ring;
  }
}
