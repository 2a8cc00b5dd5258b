/**
 * HPACK's Huffman code (RFC 7541 §5.2 and Appendix B). The code is canonical, so the lengths say all of it: codes of
 * one length are consecutive numbers in the order of their symbols.
 */

const EOS = 256;

/** Bits of the code of each byte, and of EOS last (RFC 7541 Appendix B). */
// deno-fmt-ignore
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
] as const;

const LENGTH = Uint8Array.from(LENGTHS);
const CODE = canonicalCodes();

function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(LENGTHS.length);
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    code *= 2;
    for (let symbol = 0; symbol < LENGTHS.length; symbol++) {
      if (LENGTHS[symbol] === length) codes[symbol] = code++;
    }
  }
  return codes;
}

/** The Huffman-coded length of `text` in bytes; one character is one byte. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += LENGTH[text.charCodeAt(i)] as number;
  return (bits + 7) >>> 3;
}

/** Writes `text` Huffman-coded at `at` and returns the end. The caller makes sure that it fits. */
export function huffmanEncode(text: string, into: Uint8Array, at: number): number {
  // `hold` has at most 7 bits left over and takes one code of at most 30: shifts stay within 32 bits in two steps.
  let hold = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    const code = CODE[symbol] as number;
    let left = LENGTH[symbol] as number;
    while (left > 0) {
      const take = Math.min(left, 8 - bits);
      left -= take;
      hold = (hold << take) | ((code >>> left) & ((1 << take) - 1));
      bits += take;
      if (bits === 8) {
        into[at++] = hold;
        hold = 0;
        bits = 0;
      }
    }
  }
  // Padded with the first bits of EOS, which are ones.
  if (bits > 0) into[at++] = (hold << (8 - bits)) | (0xff >>> bits);
  return at;
}

/**
 * A state machine that takes four bits at a time. No code is shorter than five bits, so a step emits one symbol at most. States
 * are the inner nodes of the code's tree. An entry is the next state, the symbol in bits 16 to 23, EMIT, or FAIL.
 */
const EMIT = 1 << 24;
const FAIL = 1 << 25;
const { steps: STEPS, padding: PADDING } = machine();

function machine(): { steps: Uint32Array; padding: Uint8Array } {
  // children[node * 2 + bit]: an inner node, or -1 - symbol for a leaf.
  const children: number[] = [0, 0];
  for (let symbol = 0; symbol < LENGTHS.length; symbol++) {
    let node = 0;
    const length = LENGTH[symbol] as number;
    for (let bit = length - 1; bit >= 0; bit--) {
      const slot = node * 2 + (((CODE[symbol] as number) >>> bit) & 1);
      if (bit === 0) children[slot] = -1 - symbol;
      else {
        if (children[slot] === 0) {
          children[slot] = children.length / 2;
          children.push(0, 0);
        }
        node = children[slot] as number;
      }
    }
  }
  const nodes = children.length / 2;
  const steps = new Uint32Array(nodes * 16);
  for (let start = 0; start < nodes; start++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = start;
      let entry = 0;
      for (let bit = 3; bit >= 0; bit--) {
        const child = children[node * 2 + ((nibble >>> bit) & 1)] as number;
        if (child >= 0) {
          node = child;
          continue;
        }
        const symbol = -1 - child;
        entry = symbol === EOS ? FAIL : entry | EMIT | (symbol << 16);
        node = 0;
      }
      steps[start * 16 + nibble] = entry | node;
    }
  }
  // What may stand after the last symbol: fewer than eight ones (RFC 7541 §5.2).
  const padding = new Uint8Array(nodes);
  for (let node = 0, ones = 0; ones < 8; ones++, node = children[node * 2 + 1] as number) padding[node] = 1;
  return { steps, padding };
}

/** Decodes `from[start, end)`; undefined when the code is invalid. */
export function huffmanDecode(from: Uint8Array, start: number, end: number): string | undefined {
  const codes: number[] = [];
  let state = 0;
  for (let i = start; i < end; i++) {
    const byte = from[i] as number;
    const high = STEPS[state * 16 + (byte >>> 4)] as number;
    if (high & EMIT) codes.push((high >>> 16) & 0xff);
    const low = STEPS[(high & 0xffff) * 16 + (byte & 15)] as number;
    if (low & EMIT) codes.push((low >>> 16) & 0xff);
    if ((high | low) & FAIL) return undefined;
    state = low & 0xffff;
  }
  return PADDING[state] === 1 ? byteString(codes) : undefined;
}

/** Bytes as a string, one character each. */
export function byteString(bytes: ArrayLike<number>, start = 0, end = bytes.length): string {
  let text = "";
  // In parts: arguments lie on the stack.
  for (let at = start; at < end; at += 4096) {
    text += String.fromCharCode.apply(null, Array.prototype.slice.call(bytes, at, Math.min(end, at + 4096)));
  }
  return text;
}
