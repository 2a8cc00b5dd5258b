/**
 * Heads of HTTP/1.1 messages (RFC 9112 §2 to §5), read strictly: what two parsers could read differently is refused.
 *
 * Nothing is normalised. A head keeps its bytes, and its fields say where their lines lie in them, so that a head can be passed on
 * as it came, whole or without some of its lines.
 */
import { HttpFormatError } from "./error.ts";
import { FIELD_TEXT, type FieldLine, latin1, parseFieldLines, TOKEN } from "./field_lines.ts";

export interface Head {
  /** From the start line to the empty line. They are the bytes that were parsed, not a copy. */
  readonly bytes: Uint8Array;
  /** Where the field lines begin. */
  readonly fieldsStart: number;
  readonly fields: readonly FieldLine[];
  /** The version is HTTP/1.0 or HTTP/1.1. */
  readonly minor: 0 | 1;
}

export interface RequestHead extends Head {
  readonly method: string;
  /** In whatever form (RFC 9112 §3.2). */
  readonly target: string;
}

export interface ResponseHead extends Head {
  readonly status: number;
}

const REQUEST_LINE = new RegExp(`^(${TOKEN}{1,32}) ([\\x21-\\x7e]+) HTTP/1\\.([01])$`);
const STATUS_LINE = new RegExp(`^HTTP/1\\.([01]) ([1-9][0-9]{2})(?: ${FIELD_TEXT}*)?$`);

/** Whether a line, without its CRLF, is one that a request begins with. */
export function isRequestLine(line: Uint8Array): boolean {
  return REQUEST_LINE.test(latin1(line));
}

/** @throws {HttpFormatError} */
export function parseRequestHead(bytes: Uint8Array): RequestHead {
  const text = latin1(bytes);
  const fieldsStart = startLineEnd(text);
  const match = REQUEST_LINE.exec(text.slice(0, fieldsStart - 2));
  if (!match) throw new HttpFormatError('the request line is not valid: expected "METHOD TARGET HTTP/1.1"');
  const fields = parseFieldLines(bytes, text, fieldsStart, bytes.length - 2);
  const [, method = "", target = "", minor] = match;
  return { bytes, fieldsStart, fields, minor: minor === "1" ? 1 : 0, method, target };
}

/** @throws {HttpFormatError} */
export function parseResponseHead(bytes: Uint8Array): ResponseHead {
  const text = latin1(bytes);
  const fieldsStart = startLineEnd(text);
  const match = STATUS_LINE.exec(text.slice(0, fieldsStart - 2));
  if (!match) throw new HttpFormatError('the status line is not valid: expected "HTTP/1.1 STATUS REASON"');
  const fields = parseFieldLines(bytes, text, fieldsStart, bytes.length - 2);
  const [, minor, status] = match;
  return { bytes, fieldsStart, fields, minor: minor === "1" ? 1 : 0, status: Number(status) };
}

/** Where the field lines begin. @throws {HttpFormatError} where the head has no empty line at its end */
function startLineEnd(text: string): number {
  const end = text.indexOf("\r\n");
  if (end < 0 || !text.endsWith("\r\n\r\n")) {
    throw new HttpFormatError("the head does not end with an empty line");
  }
  return end + 2;
}
