import { causeChain } from "../errors/causes.ts";
import type { Log } from "../wire/log.ts";

/** A log of JSON lines, as clusters collect them. An error is written with its causes. */
export function jsonLog(write: (line: string) => void, component: string): Log {
  return (level, message, fields = {}) =>
    write(JSON.stringify({ time: new Date().toISOString(), level, component, message, ...fields }, plain));
}

/** JSON leaves out what an Error holds, and texts that a peer chose may be long. */
function plain(_key: string, value: unknown): unknown {
  const text = value instanceof Error ? causeChain(value).map(messageOf).join(": ") : value;
  if (typeof text === "string" && text.length > 1_000) return `${text.slice(0, 1_000)}...`;
  return text;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
