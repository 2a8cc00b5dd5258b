/** The option of an answer that says why it has none (Extended DNS Errors, RFC 8914); dig shows it. */

/** OPTION-CODE and INFO-CODE: "Network Error", the nameserver that was asked can't be reached. */
const [EXTENDED_ERROR, NETWORK_ERROR] = [15, 23];
/** Bytes of the text; an answer over UDP has to stay small. */
const LONGEST = 255;
/** Bytes of an option's code and length, and of the error's code. */
const [OPTION_HEAD, CODE] = [4, 2];

/** The option for a nameserver that can't be reached. */
export function networkError(why: string): Uint8Array {
  const text = new TextEncoder().encode(why).subarray(0, LONGEST);
  const bytes = new Uint8Array(OPTION_HEAD + CODE + text.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, EXTENDED_ERROR);
  view.setUint16(2, CODE + text.length);
  view.setUint16(OPTION_HEAD, NETWORK_ERROR);
  bytes.set(text, OPTION_HEAD + CODE);
  return bytes;
}

/** What an answer's options say of a nameserver that can't be reached; undefined where they say nothing of that. */
export function networkErrorIn(options: Uint8Array): string | undefined {
  const view = new DataView(options.buffer, options.byteOffset, options.byteLength);
  for (let at = 0; at + OPTION_HEAD <= options.length;) {
    const [code, size] = [view.getUint16(at), view.getUint16(at + 2)];
    const start = at + OPTION_HEAD;
    at = start + size;
    if (code !== EXTENDED_ERROR || size < CODE || at > options.length) continue;
    if (view.getUint16(start) === NETWORK_ERROR) {
      return new TextDecoder().decode(options.subarray(start + CODE, at));
    }
  }
  return undefined;
}
