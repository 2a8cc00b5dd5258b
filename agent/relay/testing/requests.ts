import type { AbortableTransport } from "../../../net/transport.ts";
import type { Match } from "../../../wire/match.ts";
import type { SceneRule } from "./routed.ts";

export const ofAlice: Match = { headers: [{ name: "x-user", exact: "alice" }] };
export const alice: SceneRule = { match: ofAlice };

export const get = (target: string, ...fields: string[]) =>
  `GET ${target} HTTP/1.1\r\n${["Host: echo", ...fields].join("\r\n")}\r\n\r\n`;
/** A request that alice's rule takes. */
export const hers = (target: string, ...fields: string[]) => get(target, "X-User: alice", ...fields);

/** What comes next, of 4 KiB at most. */
export async function read(from: AbortableTransport): Promise<string> {
  const into = new Uint8Array(4096);
  return String.fromCharCode(...into.subarray(0, await from.read(into) ?? 0));
}
