/** Whether a connection persists after a message (RFC 9112 §9.3). */
import { listMembers, valuesOf } from "./field_lines.ts";
import type { Head } from "./head.ts";

/** @param also another field that speaks for this connection, in lower case: `proxy-connection` of a proxy's clients. */
export function persists({ fields, minor }: Head, also = "connection"): boolean {
  let keepAlive = minor === 1;
  for (const { name, value } of fields) {
    if (name !== "connection" && name !== also) continue;
    for (const option of listMembers(value)) {
      if (option === "close") return false;
      if (option === "keep-alive") keepAlive = true;
    }
  }
  return keepAlive;
}

/** Seconds after which the peer closes an idle connection: `Keep-Alive: timeout=5` (RFC 2068 §19.7.1.1), as servers still send it. */
export function keepAliveSeconds({ fields }: Head): number | undefined {
  for (const value of valuesOf(fields, "keep-alive")) {
    const seconds = /(?:^|[\s,;])timeout=([0-9]{1,6})(?:$|[\s,;])/i.exec(value)?.[1];
    if (seconds !== undefined) return Number(seconds);
  }
  return undefined;
}
