import { createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";

/** A file to be packed: its name in the unpacked folder, and what is in it. */
export interface Packed {
  name: string;
  bytes: Uint8Array;
  /** The same, deflated, where that was done before. */
  deflated?: Uint8Array;
}

const entrySize = 104 + 3 * 8 + 64;
const magic = "PMZPACK1";

/**
 * Makes the single file: the launcher, each file deflated, an index, a trailer. build/launcher/pack.h has the format.
 *
 * @param files the first one is the program that the launcher runs
 * @throws {RangeError} where a name is too long
 */
export function pack(launcher: Uint8Array, files: readonly Packed[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [launcher];
  let length = launcher.length;
  const add = (part: Uint8Array) => {
    parts.push(part);
    length += part.length;
  };
  const index = new Uint8Array(entrySize * files.length);
  const view = new DataView(index.buffer);
  files.forEach(({ name, bytes, deflated }, number) => {
    const stored = deflated ?? deflateRawSync(bytes, { level: 9 });
    const encoded = new TextEncoder().encode(name);
    if (encoded.length > 103) throw new RangeError(`the name of ${name} is longer than 103 bytes`);
    const at = number * entrySize;
    index.set(encoded, at);
    view.setBigUint64(at + 104, BigInt(length), true);
    view.setBigUint64(at + 112, BigInt(stored.length), true);
    view.setBigUint64(at + 120, BigInt(bytes.length), true);
    index.set(blake2b(bytes), at + 128);
    add(stored);
  });
  add(new Uint8Array((8 - length % 8) % 8));
  const trailer = new Uint8Array(2 * 8 + 64 + 8);
  new DataView(trailer.buffer).setBigUint64(0, BigInt(length), true);
  new DataView(trailer.buffer).setBigUint64(8, BigInt(files.length), true);
  trailer.set(blake2b(index), 16);
  trailer.set(new TextEncoder().encode(magic), 80);
  add(index);
  add(trailer);
  return concatenated(parts, length);
}

function concatenated(parts: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function blake2b(bytes: Uint8Array): Uint8Array {
  return createHash("blake2b512").update(bytes).digest();
}
