/**
 * A request that may be routed: one that every parser delimits alike and understands as being for the same host and path.
 * Everything else is the pod's, which then is the only one to interpret it.
 */
import { type BodyLength, requestBodyLength } from "../../http/body_length.ts";
import { HttpFormatError } from "../../http/error.ts";
import { valuesOf } from "../../http/field_lines.ts";
import { parseRequestHead, type RequestHead } from "../../http/head.ts";
import { FieldIndex, hostName, type MatchableRequest } from "./matchable_request.ts";

export class RoutableRequest implements MatchableRequest {
  readonly head: RequestHead;
  readonly bodyLength: BodyLength;
  /** In lower case, without port; undefined for HTTP/1.0 without one. */
  readonly host: string | undefined;
  /** As it was sent, without its query. */
  readonly path: string;
  readonly #fields: FieldIndex;

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
    this.#fields = new FieldIndex(head.fields);
    this.host = hostOf(head);
    this.path = /^[^?#]*/.exec(target)?.[0] ?? "";
  }

  get method(): string {
    return this.head.method;
  }

  header(name: string): readonly string[] {
    return this.#fields.header(name);
  }

  cookie(name: string): readonly string[] {
    return this.#fields.cookie(name);
  }

  baggage(name: string): readonly string[] {
    return this.#fields.baggage(name);
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
  const name = hostName(host);
  if (name === undefined) throw new HttpFormatError("the Host is not a valid name or address");
  return name;
}
