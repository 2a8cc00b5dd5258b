/** Heads as the proxy passes them on: the fields of the hop that they came by replaced by its own (RFC 9110 §7.6.1). */
import type { HeadWriter } from "../../http/head_writer.ts";
import type { RequestHead, ResponseHead } from "../../http/head.ts";
import { endToEnd } from "../../http/hop_by_hop.ts";
import { membersOf, valuesOf } from "../../http/field_lines.ts";

export interface RequestHop {
  /** The target in origin form, and as `Host` has it. */
  readonly path: string;
  readonly authority: string;
  /** Whether the connection to the target is to persist. */
  readonly stays: boolean;
  /** Whether the client asks for another protocol, and may get it. */
  readonly upgrades: boolean;
}

/**
 * There is no `Via`, though RFC 9110 §7.6.3 wants one: a Service should see what it would see without the proxy, and some answer
 * otherwise to those that come by one (nginx does not compress).
 */
export function writeRequestHead(writer: HeadWriter, head: RequestHead, hop: RequestHop): void {
  const { method, minor, fields, bytes } = head;
  writer.clear().text(`${method} ${hop.path} HTTP/1.${minor}\r\nHost: ${hop.authority}\r\n`);
  const hops = hopsLeft(head);
  const replaced = (name: string) => name === "host" || (name === "max-forwards" && hops !== undefined);
  writer.fieldLines(endToEnd(fields).filter(({ name }) => !replaced(name)), bytes);
  if (hops !== undefined) writer.text(`Max-Forwards: ${hops - 1}\r\n`);
  const options: string[] = [];
  if (!hop.stays) options.push("close");
  if (hop.upgrades) {
    options.push("upgrade");
    writer.fieldLines(fields.filter(({ name }) => name === "upgrade"), bytes);
  }
  if (membersOf(fields, "te").includes("trailers")) {
    // Trailers are passed on, so a client that takes them may say so (RFC 9110 §10.1.4).
    options.push("TE");
    writer.text("TE: trailers\r\n");
  }
  if (options.length > 0) writer.text(`Connection: ${options.join(", ")}\r\n`);
  writer.text("\r\n");
}

/** How many intermediaries a TRACE or OPTIONS may still pass (RFC 9110 §7.6.2); undefined where it doesn't say. */
export function hopsLeft({ method, fields }: RequestHead): number | undefined {
  if (method !== "TRACE" && method !== "OPTIONS") return undefined;
  const [value] = valuesOf(fields, "max-forwards");
  return value !== undefined && /^[0-9]{1,9}$/.test(value) ? Number(value) : undefined;
}

/** @param connection the proxy's own field line, or nothing; see {@linkcode connectionLine} */
export function writeResponseHead(writer: HeadWriter, head: ResponseHead, connection: string): void {
  writer.clear().text("HTTP/1.1").bytes(head.bytes.subarray("HTTP/1.x".length, head.fieldsStart));
  writer.fieldLines(endToEnd(head.fields), head.bytes).text(connection).text("\r\n");
}

/** The response that begins another protocol (RFC 9110 §7.8). */
export function writeSwitchingHead(writer: HeadWriter, head: ResponseHead): void {
  const upgrade = head.fields.filter(({ name }) => name === "upgrade");
  writer.clear().bytes(head.bytes.subarray(0, head.fieldsStart));
  writer.fieldLines(endToEnd(head.fields), head.bytes).fieldLines(upgrade, head.bytes);
  writer.text("Connection: upgrade\r\n\r\n");
}

/** Says to a client of HTTP/1.`minor` whether its connection persists (RFC 9112 §9.3). */
export function connectionLine(stays: boolean, minor: 0 | 1): string {
  if (!stays) return "Connection: close\r\n";
  return minor === 0 ? "Connection: keep-alive\r\n" : "";
}
