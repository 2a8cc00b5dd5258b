/** Which fields an intermediary passes on (RFC 9110 §7.6.1). */
import { type FieldLine, membersOf } from "./field_lines.ts";

/** Fields of one connection, whether `Connection` names them or not; some are only of older software. */
const ofOneConnection: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "upgrade",
]);

/** What says where a message ends and whose it is stays, whatever `Connection` names. */
const alwaysKept: ReadonlySet<string> = new Set(["content-length", "host", "transfer-encoding"]);

/** The fields that are for the recipient at the end, not for this connection alone. */
export function endToEnd(fields: readonly FieldLine[]): FieldLine[] {
  const named = membersOf(fields, "connection");
  const kept: FieldLine[] = [];
  for (const field of fields) {
    const { name } = field;
    if (ofOneConnection.has(name) || (named.includes(name) && !alwaysKept.has(name))) continue;
    kept.push(field);
  }
  return kept;
}
