import { ErrorCode, StreamError } from "./errors.ts";

/**
 * A header field. The name is in lower case and may be a pseudo-header (":method"); the value has one character for each byte. A
 * never-indexed field is kept out of every compression table on its way (RFC 7541 §7.1.3).
 */
export type Header = readonly [name: string, value: string, neverIndexed?: true];

/** The value of the first header of that name. */
export function headerValue(headers: readonly Header[], name: string): string | undefined {
  for (const header of headers) if (header[0] === name) return header[1];
  return undefined;
}

/** RFC 9113 §8.2.2. */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

// deno-lint-ignore no-control-regex -- control characters are what is looked for (RFC 9113 §8.2.1)
const BAD_NAME = /[\x00-\x20A-Z\x7f-\xff:]/;
// deno-lint-ignore no-control-regex
const BAD_VALUE = /[\x00\r\n]|^[ \t]|[ \t]$/;

/**
 * Checks a request's headers (RFC 9113 §8.3.1 and §8.5, RFC 8441 §4); returns its content-length, or -1.
 * @param extendedConnect whether this end announced that it accepts extended CONNECT
 * @throws StreamError PROTOCOL_ERROR when it is malformed.
 */
export function checkRequest(headers: readonly Header[], extendedConnect: boolean): number {
  const pseudo = new Map<string, string>();
  const length = checkFields(headers, (name, value) => {
    switch (name) {
      case ":method":
      case ":scheme":
      case ":authority":
      case ":path":
      case ":protocol":
        if (pseudo.has(name)) throw malformed(`${name} twice`);
        pseudo.set(name, value);
        return;
      default:
        throw malformed(`${name} in a request`);
    }
  });
  const needs = (name: string) => {
    if (!pseudo.get(name)) throw malformed(`a request without ${name}`);
  };
  needs(":method");
  if (pseudo.get(":method") === "CONNECT" && !pseudo.has(":protocol")) {
    needs(":authority");
    if (pseudo.has(":scheme") || pseudo.has(":path")) throw malformed("CONNECT with :scheme or :path");
    // A tunnel has no content, so a content-length has no defined meaning.
    return -1;
  }
  needs(":scheme");
  needs(":path");
  if (pseudo.has(":protocol")) {
    if (!extendedConnect) throw malformed(":protocol, which wasn't offered");
    if (pseudo.get(":method") !== "CONNECT") throw malformed(":protocol without CONNECT");
    needs(":authority");
    return -1;
  }
  return length;
}

/**
 * Checks a response's headers (RFC 9113 §8.3.2); returns its status.
 * @throws StreamError PROTOCOL_ERROR when it is malformed.
 */
export function checkResponse(headers: readonly Header[]): number {
  let status: string | undefined;
  checkFields(headers, (name, value) => {
    if (name !== ":status" || status !== undefined) throw malformed(`${name} in a response`);
    status = value;
  });
  if (status === undefined || !/^[1-9][0-9]{2}$/.test(status) || status === "101") {
    throw malformed(`a response with status ${JSON.stringify(status)}`);
  }
  return Number(status);
}

/**
 * Checks trailers (RFC 9113 §8.1).
 * @throws StreamError PROTOCOL_ERROR when they are malformed.
 */
export function checkTrailers(headers: readonly Header[]): void {
  checkFields(headers, (name) => {
    throw malformed(`${name} in trailers`);
  });
}

function checkFields(headers: readonly Header[], pseudo: (name: string, value: string) => void): number {
  let regular = false;
  let length = -1;
  for (const [name, value] of headers) {
    if (BAD_VALUE.test(value)) throw malformed(`the value of ${name}`);
    if (name.startsWith(":")) {
      if (regular) throw malformed(`${name} after other headers`);
      pseudo(name, value);
      continue;
    }
    regular = true;
    if (name === "" || BAD_NAME.test(name)) throw malformed(`header name ${JSON.stringify(name)}`);
    if (CONNECTION_HEADERS.has(name)) throw malformed(`header ${name}`);
    if (name === "te" && value !== "trailers") throw malformed(`te: ${value}`);
    if (name === "content-length") {
      if (!/^[0-9]{1,15}$/.test(value) || (length >= 0 && length !== Number(value))) {
        throw malformed(`content-length: ${value}`);
      }
      length = Number(value);
    }
  }
  return length;
}

function malformed(what: string): StreamError {
  return new StreamError(ErrorCode.PROTOCOL_ERROR, `malformed message: ${what}`);
}
