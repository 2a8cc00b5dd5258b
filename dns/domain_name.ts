/**
 * Domain names on the wire (RFC 1035 §3.1, §4.1.4) and as text: labels joined by dots, no dot at the end, the root is "".
 * Bytes that would be ambiguous in text are escaped as in master files (RFC 1035 §5.1): "\.", "\\", "\007".
 */

/** A message or name that isn't valid: the only error of the parsers in this room. */
export class FormatError extends Error {
  override name = "FormatError";
}

/** Octets of a name on the wire, including the length of each label and the end (RFC 1035 §2.3.4). */
const LONGEST_NAME = 255;
const LONGEST_LABEL = 63;

/** A name read from a message, and the offset of what follows it. */
export interface ReadName {
  readonly name: string;
  readonly end: number;
}

/**
 * Reads the name at `at`, following compression pointers. Each pointer has to lead further back than the one before, so that no
 * loop is possible.
 * @throws {FormatError} when there is no valid name
 */
export function readName(bytes: Uint8Array, at: number): ReadName {
  let [name, length, end, lowest] = ["", 1, -1, at];
  for (let position = at;;) {
    const size = bytes[position];
    if (size === undefined) throw new FormatError("a name runs past the end of the message");
    if (size >= 0xc0) {
      const low = bytes[position + 1];
      if (low === undefined) throw new FormatError("a name runs past the end of the message");
      const target = (size & 0x3f) << 8 | low;
      if (target >= lowest) throw new FormatError("a name's compression pointer doesn't lead back");
      if (end < 0) end = position + 2;
      position = lowest = target;
      continue;
    }
    if (size > LONGEST_LABEL) throw new FormatError("a name has a label of an unknown type");
    if (size === 0) return { name, end: end < 0 ? position + 1 : end };
    length += size + 1;
    if (length > LONGEST_NAME) throw new FormatError("a name is longer than 255 octets");
    if (position + 1 + size > bytes.length) throw new FormatError("a name runs past the end of the message");
    if (name) name += ".";
    for (let i = position + 1; i <= position + size; i++) name += textOf(bytes[i] ?? 0);
    position += size + 1;
  }
}

function textOf(byte: number): string {
  if (byte === 0x2e || byte === 0x5c) return "\\" + String.fromCharCode(byte);
  if (byte > 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  return "\\" + String(byte).padStart(3, "0");
}

/**
 * The labels of a name given as text, as bytes.
 * @throws {FormatError} when a label is empty or longer than 63 octets, the name longer than 255, or an escape wrong.
 */
export function labelsOf(name: string): Uint8Array[] {
  if (name === "") return [];
  const labels: Uint8Array[] = [];
  let [label, length]: [number[], number] = [[], 1];
  const finish = () => {
    if (label.length === 0 || label.length > LONGEST_LABEL) {
      throw new FormatError(`"${name}" has a label of ${label.length} octets`);
    }
    length += label.length + 1;
    if (length > LONGEST_NAME) throw new FormatError("a name is longer than 255 octets");
    labels.push(Uint8Array.from(label));
    label = [];
  };
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code === 0x2e) finish();
    else if (code === 0x5c) {
      const digits = /^[0-9]{3}/.exec(name.slice(i + 1, i + 4))?.[0];
      const byte = digits ? Number(digits) : name.charCodeAt(i + 1);
      if (!(byte < 256)) throw new FormatError(`"${name}" has an escape that is not valid`);
      label.push(byte);
      i += digits ? 3 : 1;
    } else if (code > 0x20 && code < 0x7f) label.push(code);
    else throw new FormatError(`"${name}" has a character that would have to be escaped`);
  }
  finish();
  return labels;
}

/** Whether a name can be written into a message. */
export function isName(name: string): boolean {
  try {
    labelsOf(name);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** The name on the wire, uncompressed. @throws {FormatError} as {@linkcode labelsOf}. */
export function nameBytes(name: string): Uint8Array<ArrayBuffer> {
  const labels = labelsOf(name);
  const bytes = new Uint8Array(labels.reduce((sum, label) => sum + label.length + 1, 1));
  let at = 0;
  for (const label of labels) {
    bytes[at] = label.length;
    bytes.set(label, at + 1);
    at += label.length + 1;
  }
  return bytes;
}

/** The form in which names are compared: the case of ASCII letters doesn't matter (RFC 4343). */
export function canonical(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/**
 * A domain as a person or a Kubernetes object writes it, in pmz's form: lower case, without a dot at the end, of letters, digits,
 * "-" and "_" (other scripts as Punycode). Undefined when it isn't a name that a program could ask for.
 * @param text "shop.example", "*.shop.example" where `wildcard` is allowed.
 */
export function parseDomain(text: string, { wildcard = false } = {}): string | undefined {
  const star = wildcard && text.startsWith("*.") ? "*." : "";
  let bare = text.slice(star.length).replace(/\.$/, "");
  if (/[^\x20-\x7e]/.test(bare)) {
    const url = URL.canParse(`http://${bare}/`) ? new URL(`http://${bare}/`) : undefined;
    bare = url?.hostname ?? "";
  }
  bare = canonical(bare);
  if (bare.length > 253 || !/^[a-z0-9_]/.test(bare)) return undefined;
  const good = bare.split(".").every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
  return good ? star + bare : undefined;
}
