/**
 * The offer to continue with HTTP/2 after a request of HTTP/1.1 (`Upgrade: h2c`, which RFC 9113 §3.1 has deprecated and Java's
 * HttpClient still makes). A server that took it would have all further requests of the connection, also those that are for others. An
 * intermediary may decline it (RFC 9110 §7.8): the requests stay HTTP/1.1, and each is decided for itself.
 */
import { membersOf } from "../../http/field_lines.ts";
import type { RequestHead } from "../../http/head.ts";
import { HeadWriter } from "../../http/head_writer.ts";

const OFFER: ReadonlySet<string> = new Set(["upgrade", "http2-settings"]);

/**
 * The first bytes of a request without its offer; undefined where it makes none.
 *
 * @param first its head, and as much of its body as there is
 */
export function withoutH2cOffer(head: RequestHead, first: Uint8Array): Uint8Array | undefined {
  if (!membersOf(head.fields, "upgrade").includes("h2c")) return undefined;
  const kept = head.fields.filter(({ name }) => !OFFER.has(name));
  const fieldsEnd = head.bytes.length - 2; // the empty line follows
  return new HeadWriter()
    .bytes(first.subarray(0, head.fieldsStart))
    .fieldLines(kept, first)
    .bytes(first.subarray(fieldsEnd))
    .written;
}
