/** Tells by a connection's first bytes which protocol its caller speaks. */
import { isRequestLine } from "../../http/head.ts";

/** `other`: also whatever only looks like one of the others. */
export type Protocol = "http1" | "http2" | "tls" | "other";

/** What an HTTP/2 client sends first (RFC 9113 §3.4). */
const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const [LF, CR, SPACE] = [10, 13, 32];
/** Bytes of a request line. */
const LONGEST_LINE = 8 * 1024;
/** Of a method, in RFC 9110's words a token. */
const LONGEST_METHOD = 32;

/** `more` while these bytes may still become several of them. */
export function protocolOf(bytes: Uint8Array): Protocol | "more" {
  const [first, second] = bytes;
  if (first === undefined) return "more";
  if (first === 22) return second === undefined ? "more" : second === 3 ? "tls" : "other";
  if (isPrefix(bytes, PREFACE)) return bytes.length < PREFACE.length ? "more" : "http2";
  return requestLine(bytes);
}

function requestLine(bytes: Uint8Array): "http1" | "other" | "more" {
  const end = bytes.indexOf(LF);
  if (end >= 0) return bytes[end - 1] === CR && isRequestLine(bytes.subarray(0, end - 1)) ? "http1" : "other";
  if (bytes.length > LONGEST_LINE) return "other";
  // The end of the line is still to come: what is here has to be the beginning of "METHOD TARGET HTTP/1.1".
  const space = bytes.indexOf(SPACE);
  const method = bytes.subarray(0, space < 0 ? bytes.length : space);
  if (space === 0 || method.length > LONGEST_METHOD || !method.every(isMethodByte)) return "other";
  return bytes.every((byte, at) => byte >= SPACE && byte < 127 || byte === CR && at === bytes.length - 1)
    ? "more"
    : "other";
}

/** Methods are made of letters, and a few have hyphens. */
function isMethodByte(byte: number): boolean {
  return byte >= 65 && byte <= 90 || byte >= 97 && byte <= 122 || byte === 45 || byte === 95;
}

/** Whether the shorter one of the two begins the longer one. */
function isPrefix(bytes: Uint8Array, of: Uint8Array): boolean {
  for (let at = 0; at < of.length && at < bytes.length; at++) if (bytes[at] !== of[at]) return false;
  return true;
}
