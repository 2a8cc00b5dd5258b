/**
 * A request that may be routed: one that every parser delimits alike and understands as being for the same host and path.
 * Everything else is the pod's, which then is the only one to interpret it.
 */
import { type BodyLength, requestBodyLength } from "../../http/body_length.ts";
import { HttpFormatError } from "../../http/error.ts";
import { valuesOf, withoutSpaces } from "../../http/field_lines.ts";
import { parseRequestHead, type RequestHead } from "../../http/head.ts";

const HOST =
  /^(?=.{1,260}$)([A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?$/;

/** Hot path: what only some matchers ask for is made when it is asked for, once. */
export class RoutableRequest {
  readonly head: RequestHead;
  readonly bodyLength: BodyLength;
  /** In lower case, without port; undefined for HTTP/1.0 without one. */
  readonly host: string | undefined;
  /** As it was sent, without its query. */
  readonly path: string;
  #headers: Map<string, string[]> | undefined;
  #cookies: Map<string, string[]> | undefined;
  #baggage: Map<string, string[]> | undefined;

  /** @throws {HttpFormatError} when it must not be routed. */
  constructor(bytes: Uint8Array) {
    const head = parseRequestHead(bytes);
    const { method, target } = head;
    if (method === "CONNECT") throw new HttpFormatError("CONNECT asks for a connection, not for an answer");
    if (!target.startsWith("/") && target !== "*") {
      throw new HttpFormatError("the target names a host, as the field Host does"); // RFC 9112 §3.2.2
    }
    this.head = head;
    this.bodyLength = requestBodyLength(head);
    this.host = hostOf(head);
    this.path = /^[^?#]*/.exec(target)?.[0] ?? "";
  }

  get method(): string {
    return this.head.method;
  }

  /** The values of a header, whose name is in lower case. */
  header(name: string): readonly string[] {
    if (this.#headers === undefined) {
      this.#headers = new Map();
      for (const field of this.head.fields) add(this.#headers, field.name, field.value);
    }
    return this.#headers.get(name) ?? [];
  }

  /** The values of the cookies of that name (RFC 6265 §4.2). */
  cookie(name: string): readonly string[] {
    if (this.#cookies === undefined) {
      this.#cookies = new Map();
      for (const line of this.header("cookie")) addPairs(this.#cookies, line.split(";"));
    }
    return this.#cookies.get(name) ?? [];
  }

  /** The values of that member of the header `baggage`, without its properties (W3C Baggage §3.2). */
  baggage(name: string): readonly string[] {
    if (this.#baggage === undefined) {
      this.#baggage = new Map();
      for (const line of this.header("baggage")) {
        addPairs(
          this.#baggage,
          line.split(",").map((member) => member.split(";", 1)[0] ?? ""),
          percentDecoded,
        );
      }
    }
    return this.#baggage.get(name) ?? [];
  }
}

/** @throws {HttpFormatError} */
function hostOf({ fields, minor }: RequestHead): string | undefined {
  const [host, ...more] = valuesOf(fields, "host");
  if (more.length > 0) throw new HttpFormatError("the request has more than one Host"); // RFC 9112 §3.2
  if (host === undefined) {
    if (minor === 0) return undefined;
    throw new HttpFormatError("the request has no Host");
  }
  const name = HOST.exec(host)?.[1];
  if (name === undefined) throw new HttpFormatError("the Host is not a valid name or address");
  return name.toLowerCase().replace(/\.$/, "");
}

function add(to: Map<string, string[]>, name: string, value: string): void {
  const values = to.get(name);
  if (values) values.push(value);
  else to.set(name, [value]);
}

/** Adds "name=value" pairs, with spaces around either. */
function addPairs(
  to: Map<string, string[]>,
  pairs: readonly string[],
  decoded: (value: string) => string = (value) => value,
): void {
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at > 0) add(to, withoutSpaces(pair.slice(0, at)), decoded(withoutSpaces(pair.slice(at + 1))));
  }
}

function percentDecoded(value: string): string {
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
