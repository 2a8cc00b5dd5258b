import { DATAGRAM_HEAD, writeDatagramHead } from "../capsule.ts";
import { writeVarint } from "../varint.ts";

/** A capsule of any type. */
export function capsule(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16 + value.length);
  const at = writeVarint(bytes, writeVarint(bytes, 0, type), value.length);
  bytes.set(value, at);
  return bytes.slice(0, at + value.length);
}

/** A UDP payload as pmz sends it. */
export function datagram(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(DATAGRAM_HEAD);
  return joined([head.subarray(0, writeDatagramHead(head, payload.length)), payload]);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
