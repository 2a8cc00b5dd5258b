import type { ReportFile } from "../wire/report.ts";

/** A block of the format (POSIX.1-1988, "ustar"): headers are one, contents are filled up to whole ones. */
const BLOCK = 512;
/** Bytes of a name in a header. */
const LONGEST_NAME = 100;

/**
 * Files as a tar archive that only their owner may read once they are unpacked.
 * @param seconds their time, in seconds since 1970
 * @throws {TypeError} for a name that a header can't hold
 */
export function tar(files: readonly ReportFile[], seconds: number): Uint8Array {
  const blocks = files.flatMap(({ name, bytes }) => [header(name, bytes.length, seconds), filledUp(bytes)]);
  const all = [...blocks, new Uint8Array(2 * BLOCK)];
  const archive = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of all) {
    archive.set(block, at);
    at += block.length;
  }
  return archive;
}

/** The same, compressed (RFC 1952). */
export async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([Uint8Array.from(bytes)]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

function header(name: string, size: number, seconds: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => block.set(new TextEncoder().encode(text), at);
  const octal = (at: number, length: number, number: number) =>
    put(at, `${Math.trunc(number).toString(8).padStart(length - 1, "0")}\0`);
  if (!/^[\w./-]+$/.test(name) || name.length > LONGEST_NAME) {
    throw new TypeError(`${name} is not a valid name in an archive`);
  }
  put(0, name);
  octal(100, 8, 0o600);
  octal(108, 8, 0); // the owner's ids say nothing elsewhere
  octal(116, 8, 0);
  octal(124, 12, size);
  octal(136, 12, seconds);
  put(148, " ".repeat(8)); // the checksum counts its own field as spaces
  put(156, "0");
  put(257, "ustar\x0000");
  octal(148, 7, block.reduce((sum, byte) => sum + byte, 0));
  return block;
}

function filledUp(bytes: Uint8Array): Uint8Array {
  const filled = new Uint8Array(Math.ceil(bytes.length / BLOCK) * BLOCK);
  filled.set(bytes);
  return filled;
}
