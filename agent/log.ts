export type Level = "info" | "warn" | "error";
export type Log = (level: Level, message: string, fields?: Record<string, unknown>) => void;

/** A log of JSON lines on standard output, as clusters collect them. Errors are written with their causes. */
export function jsonLog(write: (line: string) => void, component: string): Log {
  return (level, message, fields = {}) =>
    write(JSON.stringify({ time: new Date().toISOString(), level, component, message, ...fields }, plain));
}

/** Errors have no enumerable properties; texts that a peer chose may be long. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) {
    return value.cause === undefined ? value.message : `${value.message}: ${plain("", value.cause)}`;
  }
  if (typeof value === "string" && value.length > 1_000) return `${value.slice(0, 1_000)}...`;
  return value;
}
