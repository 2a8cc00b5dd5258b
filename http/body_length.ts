/** How long the body of a message is (RFC 9112 §6.3). */
import { HttpFormatError } from "./error.ts";
import { valuesOf } from "./field_lines.ts";
import type { Head, RequestHead, ResponseHead } from "./head.ts";

export type BodyLength =
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  /** Of a response: the body is what comes until the connection ends. */
  | { readonly kind: "untilClose" };

export const noBody: BodyLength = { kind: "length", length: 0 };
export const chunked: BodyLength = { kind: "chunked" };
export const untilClose: BodyLength = { kind: "untilClose" };
export const lengthOf = (length: number): BodyLength => ({ kind: "length", length });

/** @throws {HttpFormatError} when two parsers could read it differently. */
export function requestBodyLength(head: RequestHead): BodyLength {
  return declared(head) ?? noBody;
}

/**
 * The length of the final response to a request with this `method`.
 * @throws {HttpFormatError} when two parsers could read it differently.
 */
export function responseBodyLength(head: ResponseHead, method: string): BodyLength {
  const { status } = head;
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return noBody;
  return declared(head) ?? untilClose;
}

function declared({ fields, minor }: Head): BodyLength | undefined {
  let [hasCoding, length]: [boolean, string | undefined] = [false, undefined];
  for (const { name, value } of fields) {
    if (name === "transfer-encoding") hasCoding = true;
    else if (name === "content-length") {
      if (length !== undefined) throw new HttpFormatError("the message has more than one Content-Length");
      length = value;
    } else if (resemblesFraming(name)) {
      // CGI and its successors make HTTP_CONTENT_LENGTH of both.
      throw new HttpFormatError(`some servers take the field ${name} for the message's length`);
    }
  }
  if (hasCoding) {
    const values = valuesOf(fields, "transfer-encoding");
    if (length !== undefined) {
      throw new HttpFormatError("the message has both a Content-Length and a Transfer-Encoding");
    }
    if (minor === 0) throw new HttpFormatError("an HTTP/1.0 message has a Transfer-Encoding");
    // Exactly this word: a list with empty members, or a second field, may be read differently behind us.
    if (values.length !== 1 || values[0]?.toLowerCase() !== "chunked") {
      throw new HttpFormatError("the Transfer-Encoding is not supported: expected chunked");
    }
    return chunked;
  }
  if (length === undefined) return undefined;
  if (!/^[0-9]{1,15}$/.test(length)) {
    throw new HttpFormatError("the Content-Length is not valid: expected digits");
  }
  return lengthOf(Number(length));
}

function resemblesFraming(name: string): boolean {
  return name === "content_length" || name === "transfer_encoding";
}
