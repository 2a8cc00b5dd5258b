/** Variable-length integers (RFC 9000 §16): the first two bits say how many bytes there are, 1, 2, 4 or 8. */

/** The largest number that a varint can carry is 2^62 - 1; larger than this, it is read as a rounded number. */
const EXACT = Number.MAX_SAFE_INTEGER;
/** 2^32 */
const HIGH = 0x1_0000_0000;

/** Bytes that the varint takes which begins with this byte. */
export function varintLength(first: number): number {
  return 1 << (first >>> 6);
}

/** Reads the varint at `at`; all its bytes have to be there. Above 2^53 - 1 the number is rounded. */
export function readVarint(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  switch (first >>> 6) {
    case 0:
      return first;
    case 1:
      return (first & 0x3f) << 8 | bytes[at + 1] as number;
    case 2:
      return readUint32(bytes, at) & 0x3fff_ffff;
    default:
      return (readUint32(bytes, at) & 0x3fff_ffff) * HIGH + readUint32(bytes, at + 4);
  }
}

/**
 * Writes a number in as few bytes as it takes, and returns where it ends.
 * @throws {RangeError} when it isn't a whole number from 0 to 2^53 - 1
 */
export function writeVarint(into: Uint8Array, at: number, value: number): number {
  if (!(value >= 0 && value <= EXACT && Number.isInteger(value))) {
    throw new RangeError(`${value} is not a valid varint: expected a whole number from 0 to 2^53 - 1`);
  }
  if (value < 0x40) {
    into[at] = value;
    return at + 1;
  }
  if (value < 0x4000) {
    into[at] = 0x40 | value >>> 8;
    into[at + 1] = value;
    return at + 2;
  }
  if (value < 0x4000_0000) {
    writeUint32(into, at, value);
    into[at] = 0x80 | into[at] as number;
    return at + 4;
  }
  writeUint32(into, at, Math.floor(value / HIGH));
  into[at] = 0xc0 | into[at] as number;
  writeUint32(into, at + 4, value);
  return at + 8;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 24 | (bytes[at + 1] as number) << 16 | (bytes[at + 2] as number) << 8 |
    bytes[at + 3] as number) >>> 0;
}

function writeUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}
