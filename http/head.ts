/** Heads of HTTP/1.1 messages (RFC 9112), read strictly: what two readers could understand differently is refused. */
import { type BodyKind, chunked, lengthOf, noBody, untilEnd } from "./body.ts";
import { HttpFormatError } from "./error.ts";

export type Field = readonly [name: string, value: string];

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly minor: 0 | 1;
  readonly fields: readonly Field[];
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly minor: 0 | 1;
  readonly fields: readonly Field[];
}

const MOST_FIELDS = 200;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** @throws {HttpFormatError} */
export function parseRequestHead(bytes: Uint8Array): RequestHead {
  const [line, fields] = split(bytes);
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP\/1\.([01])$/.exec(line);
  if (!match) throw new HttpFormatError("the request line isn't HTTP/1's");
  return { method: match[1] ?? "", target: match[2] ?? "", minor: match[3] === "1" ? 1 : 0, fields };
}

/** @throws {HttpFormatError} */
export function parseResponseHead(bytes: Uint8Array): ResponseHead {
  const [line, fields] = split(bytes);
  const match = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/.exec(line);
  if (!match) throw new HttpFormatError("the status line isn't HTTP/1's");
  return { minor: match[1] === "1" ? 1 : 0, status: Number(match[2]), reason: match[3] ?? "", fields };
}

function split(bytes: Uint8Array): [string, Field[]] {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  const [line = "", ...rest] = text.slice(0, -4).split("\r\n");
  if (rest.length > MOST_FIELDS) throw new HttpFormatError(`a head has more than ${MOST_FIELDS} fields`);
  const fields = rest.map((field): Field => {
    const colon = field.indexOf(":");
    const [name, value] = [field.slice(0, colon), field.slice(colon + 1).replace(/^[\t ]+|[\t ]+$/g, "")];
    // No bare CR or LF, no folded lines, no space before the colon (RFC 9112 §5).
    if (colon < 1 || !TOKEN.test(name) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw new HttpFormatError("a head has a field that is none");
    }
    return [name, value];
  });
  return [line, fields];
}

/** The head's bytes (each character one byte, as they were read). */
export function writeHead(line: string, fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const text = `${line}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** All values of a field, in order. */
export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value);
}

/** The members of a field that is a list, in lower case. */
export function membersOf(fields: readonly Field[], name: string): string[] {
  return valuesOf(fields, name).join(",").split(",").map((member) => member.trim().toLowerCase()).filter(
    Boolean,
  );
}

/** RFC 9110 §7.6.1, and what older software put beside it. */
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "upgrade",
];

/** The fields that go on: without those that are for this hop only, by their kind or because `Connection` names them. */
export function endToEnd(fields: readonly Field[]): Field[] {
  const named = new Set([...hopByHop, ...membersOf(fields, "connection")]);
  // What says how long the body is has to stay, whatever `Connection` names.
  for (const framing of ["transfer-encoding", "content-length", "host"]) named.delete(framing);
  return fields.filter(([name]) => !named.has(name.toLowerCase()));
}

/** How the body of a request ends (RFC 9112 §6.3). @throws {HttpFormatError} when it can be read in two ways. */
export function bodyOfRequest({ fields, minor }: RequestHead): BodyKind {
  return declared(fields, minor) ?? noBody;
}

/** How the body of the response to a `method` ends. @throws {HttpFormatError} as {@linkcode bodyOfRequest}. */
export function bodyOfResponse({ fields, status, minor }: ResponseHead, method: string): BodyKind {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return noBody;
  return declared(fields, minor) ?? untilEnd;
}

function declared(fields: readonly Field[], minor: 0 | 1): BodyKind | undefined {
  const codings = membersOf(fields, "transfer-encoding");
  const lengths = valuesOf(fields, "content-length");
  if (codings.length > 0) {
    if (lengths.length > 0) throw new HttpFormatError("a message has both a length and a transfer coding");
    if (minor === 0 || codings.length > 1 || codings[0] !== "chunked") {
      throw new HttpFormatError("a message has a transfer coding other than chunked");
    }
    return chunked;
  }
  const [length] = lengths;
  if (length === undefined) return undefined;
  if (lengths.length > 1 || !/^[0-9]{1,15}$/.test(length)) {
    throw new HttpFormatError("a message's length is none");
  }
  return lengthOf(Number(length));
}
