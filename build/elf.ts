/** What an ELF file of 64 bits asks of the machine that runs it (man 5 elf; the gABI's chapters 4 and 5). */
import type { Architecture } from "./versions.ts";

export interface Elf {
  readonly architecture: Architecture;
  /** Shared objects that the loader looks for. */
  readonly needed: readonly string[];
  /** Versions of symbols that it takes from each of them: "GLIBC_2.28" of "libc.so.6". */
  readonly versions: ReadonlyMap<string, readonly string[]>;
}

const machines: ReadonlyMap<number, Architecture> = new Map([[62, "x86_64"], [183, "aarch64"]]);
const LOAD = 1, DYNAMIC = 2;
const NEEDED = 1n, STRTAB = 5n, VERNEED = 0x6ffffffen, VERNEEDNUM = 0x6fffffffn;

/** @throws {TypeError} for what is no ELF file of 64 bits, little-endian, of an architecture that pmz is for */
export function readElf(bytes: Uint8Array<ArrayBuffer>): Elf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const architecture = bytes.length < 64 ? undefined : machines.get(view.getUint16(18, true));
  const isElf = bytes.length >= 64 && view.getUint32(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;
  if (!isElf || architecture === undefined) throw new TypeError("not an ELF file of pmz's architectures");
  const segments = segmentsOf(view);
  const dynamic = segments.find(({ type }) => type === DYNAMIC);
  if (!dynamic) return { architecture, needed: [], versions: new Map() }; // static
  const entries = dynamicEntries(view, dynamic);
  const value = (tag: bigint) => entries.find(([one]) => one === tag)?.[1];
  const offset = (address: bigint) => {
    const segment = segments.find(({ type, address: begin, size }) =>
      type === LOAD && address >= begin && address < begin + BigInt(size)
    );
    if (!segment) throw new TypeError("an address that is in no segment");
    return Number(address - segment.address) + segment.offset;
  };
  const strings = offset(value(STRTAB) ?? 0n);
  const text = (at: number) => {
    const begin = strings + at;
    return new TextDecoder().decode(bytes.subarray(begin, bytes.indexOf(0, begin)));
  };
  const needed = entries.filter(([tag]) => tag === NEEDED).map(([, at]) => text(Number(at)));
  const needs = value(VERNEED);
  const count = Number(value(VERNEEDNUM) ?? 0n);
  return { architecture, needed, versions: needs ? versionsOf(view, offset(needs), count, text) : new Map() };
}

/** The newest glibc that is asked for, as its minor number: 28 of 2.28; 0 where none is. */
export function neededGlibc({ versions }: Elf): number {
  const all = [...versions.values()].flat();
  return Math.max(0, ...all.map((version) => Number(/^GLIBC_2\.(\d+)/.exec(version)?.[1] ?? 0)));
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: bigint;
  readonly size: number;
}

function segmentsOf(view: DataView): Segment[] {
  const table = Number(view.getBigUint64(32, true)), size = view.getUint16(54, true);
  return Array.from({ length: view.getUint16(56, true) }, (_, i) => {
    const at = table + i * size;
    return {
      type: view.getUint32(at, true),
      offset: Number(view.getBigUint64(at + 8, true)),
      address: view.getBigUint64(at + 16, true),
      size: Number(view.getBigUint64(at + 32, true)),
    };
  });
}

function dynamicEntries(
  view: DataView,
  { offset, size }: Segment,
): (readonly [tag: bigint, value: bigint])[] {
  const entries = [];
  for (let at = offset; at < offset + size; at += 16) {
    const tag = view.getBigUint64(at, true);
    if (tag === 0n) break;
    entries.push([tag, view.getBigUint64(at + 8, true)] as const);
  }
  return entries;
}

/** Elf64_Verneed, each with a chain of Elf64_Vernaux. */
function versionsOf(view: DataView, first: number, count: number, text: (at: number) => string) {
  const versions = new Map<string, readonly string[]>();
  for (let at = first, i = 0; i < count; i++) {
    const names: string[] = [];
    let auxiliary = at + view.getUint32(at + 8, true);
    for (let j = view.getUint16(at + 2, true); j > 0; j--) {
      names.push(text(view.getUint32(auxiliary + 8, true)));
      auxiliary += view.getUint32(auxiliary + 12, true);
    }
    versions.set(text(view.getUint32(at + 4, true)), names);
    at += view.getUint32(at + 12, true);
  }
  return versions;
}
