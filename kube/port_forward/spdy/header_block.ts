/**
 * Adler-32 of the dictionary that SPDY/3 gives zlib (§2.6.10.1), which a stream names at its beginning. The dictionary itself isn't needed
 * here, since nothing is compressed.
 */
const DICTIONARY = 0xe3c6a7c2;

/** An empty stored block, zlib's Z_SYNC_FLUSH: decoders hold back what came until the next block begins. */
const FLUSH = Uint8Array.of(0, 0, 0, 0xff, 0xff);

/**
 * Headers as SYN_STREAM carries them (SPDY/3.1 §2.6.10): names and values with their lengths, within the zlib stream of all header
 * blocks of one direction. They are stored, not compressed (RFC 1951 §3.2.4): a port-forward sends two of them.
 *
 * @param headers names in lower case.
 * @param first whether the zlib stream begins here.
 * @throws RangeError beyond 64 KiB.
 */
export function headerBlock(
  headers: Readonly<Record<string, string>>,
  first: boolean,
): Uint8Array<ArrayBuffer> {
  const pairs = Object.entries(headers);
  const texts = pairs.flat().map((text) => new TextEncoder().encode(text));
  const length = texts.reduce((sum, text) => sum + 4 + text.length, 4);
  if (length > 0xffff) throw new RangeError(`${length} bytes of headers, more than one block takes`);

  const start = first ? 6 : 0;
  const bytes = new Uint8Array(start + 5 + length + FLUSH.length);
  const view = new DataView(bytes.buffer);
  if (first) {
    view.setUint16(0, 0x7820); // RFC 1950: deflate, a window of 32 KiB, a dictionary's id follows
    view.setUint32(2, DICTIONARY);
  }
  bytes[start] = 0; // a stored block, not the last one
  view.setUint16(start + 1, length, true);
  view.setUint16(start + 3, ~length, true);
  let at = start + 5;
  view.setUint32(at, pairs.length);
  at += 4;
  for (const text of texts) {
    view.setUint32(at, text.length);
    bytes.set(text, at + 4);
    at += 4 + text.length;
  }
  bytes.set(FLUSH, at);
  return bytes;
}
