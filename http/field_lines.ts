/** Field lines of heads and of trailer sections (RFC 9112 §5), read strictly. */
import { Buffer } from "node:buffer";
import { HttpFormatError } from "./error.ts";

/** One field line, with its place in the bytes that it was read from. */
export interface FieldLine {
  /** In lower case. */
  readonly name: string;
  /** Without the white space around it; each character is one byte. */
  readonly value: string;
  /** Where the line begins. */
  readonly start: number;
  /** Where the next line begins. */
  readonly end: number;
}

const MOST_FIELDS = 200;
const [TAB, LF, CR, SPACE, COLON] = [9, 10, 13, 32, 58];

/** The characters of a token (RFC 9110 §5.6.2), for regular expressions. */
export const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]";
/** The characters of a field value (RFC 9110 §5.5): a visible character, a space, a tab or obs-text. */
export const FIELD_TEXT = "[\\t\\x20-\\x7e\\x80-\\xff]";
const isToken = bytesThat(new RegExp(TOKEN));
const isFieldText = bytesThat(new RegExp(FIELD_TEXT));

/**
 * Reads the field lines in `bytes` from `start` to `end`, each with its CRLF. `text` is the same bytes as {@linkcode latin1} gives
 * them.
 *
 * Refuses what one parser would take for something else than another: a bare CR or LF, a folded line (RFC 9112 §5.2), white space
 * before the colon (§5.1).
 *
 * @throws {HttpFormatError}
 */
export function parseFieldLines(bytes: Uint8Array, text: string, start: number, end: number): FieldLine[] {
  const fields: FieldLine[] = [];
  for (let at = start; at < end;) {
    const line = at;
    while (isToken[byteAt(bytes, at)]) at++;
    if (at === line || byteAt(bytes, at) !== COLON) throw malformed();
    const name = text.slice(line, at).toLowerCase();
    do at++; while (isSpace(byteAt(bytes, at)));
    const value = at;
    while (isFieldText[byteAt(bytes, at)]) at++;
    if (byteAt(bytes, at) !== CR || byteAt(bytes, at + 1) !== LF || at + 2 > end) throw malformed();
    let valueEnd = at;
    while (valueEnd > value && isSpace(byteAt(bytes, valueEnd - 1))) valueEnd--;
    at += 2;
    if (fields.length === MOST_FIELDS) {
      throw new HttpFormatError(`a message has more than ${MOST_FIELDS} fields`);
    }
    fields.push({ name, value: text.slice(value, valueEnd), start: line, end: at });
  }
  return fields;
}

/** All values of a field, in order. `name` is in lower case. */
export function valuesOf(fields: readonly FieldLine[], name: string): string[] {
  const values: string[] = [];
  for (const field of fields) if (field.name === name) values.push(field.value);
  return values;
}

/** The members of a field that is a list (RFC 9110 §5.6.1), in lower case. `name` is in lower case. */
export function membersOf(fields: readonly FieldLine[], name: string): string[] {
  const members: string[] = [];
  for (const field of fields) if (field.name === name) members.push(...listMembers(field.value));
  return members;
}

/** The members of one value that is a list, in lower case. */
export function listMembers(value: string): string[] {
  return value.toLowerCase().split(",").map(withoutSpaces).filter((member) => member !== "");
}

/**
 * Text without the spaces and tabs around it. String.trim would take bytes that are not white space here (0xa0): another
 * parser would not. A regular expression would take time in proportion to the square of the spaces within.
 */
export function withoutSpaces(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Bytes as a string of as many characters. */
export function latin1({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString("latin1");
}

function malformed(): HttpFormatError {
  return new HttpFormatError('a line is not a valid field: expected "name: value"');
}

const byteAt = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
const isSpace = (byte: number): boolean => byte === SPACE || byte === TAB;

function bytesThat(match: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => Number(match.test(String.fromCharCode(byte))));
}
