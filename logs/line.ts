import type { Level } from "../wire/log.ts";
import type { LogLine, LogSource } from "../wire/log_line.ts";
import type { LeaveOut } from "./secrets.ts";

/** Characters of a line; a longer one is cut. */
const LONGEST_LINE = 64 * 1024;
/** Characters of a message or field; secrets are looked for in more, so that none is cut in two. */
const LONGEST_TEXT = 2_000;
const LOOKED_AT = 16_000;

/** What a line may be about; whatever else stands in a log is left out. */
const FIELDS = [
  "cluster",
  "service",
  "namespace",
  "pod",
  "container",
  "node",
  "intercept",
  "rule",
  "session",
  "tunnel",
  "stream",
  "flow",
  "from",
  "to",
  "address",
  "device",
  "part",
  "kind",
  "key",
  "state",
  "outcome",
  "code",
  "why",
  "problem",
  "details",
  "error",
  "tell",
  "release",
  "ranges",
  "pid",
  "uid",
  "uids",
  "open",
  "connections",
  "ms",
  "last",
  "count",
  "limit",
  "tries",
  "repaired",
  "omitted",
] as const;

/** Where a line is from. */
export interface LineOrigin {
  readonly source: LogSource;
  readonly pod?: string;
  /** When Kubernetes got the line: for what isn't one of pmz's own lines, such as the end of a process that crashed. */
  readonly receivedAt?: string;
}

/**
 * Reads a line of a log. A line that isn't one of pmz's own is an error's text where it is known when it came, and nothing otherwise.
 * @param leaveOut is applied to every text
 */
export function parseLine(text: string, origin: LineOrigin, leaveOut: LeaveOut): LogLine | undefined {
  const { source, pod, receivedAt } = origin;
  const whose = { source, ...(pod === undefined ? {} : { pod }) };
  const texts = (value: string) => leaveOut(value.slice(0, LOOKED_AT)).slice(0, LONGEST_TEXT);
  const record = text.length > LONGEST_LINE ? undefined : objectOf(text);
  const time = record && timeOf(record.time);
  if (record && time !== undefined && typeof record.message === "string") {
    const fields = FIELDS.flatMap((name): (readonly [string, string | number | boolean])[] => {
      const value = record[name];
      if (typeof value === "string") return [[name, texts(value)]];
      if (typeof value === "number" || typeof value === "boolean") return [[name, value]];
      return Array.isArray(value) ? [[name, texts(value.map(String).join(" "))]] : [];
    });
    return {
      time,
      ...whose,
      level: levelOf(record.level),
      message: texts(record.message),
      fields: Object.fromEntries(fields),
    };
  }
  const at = timeOf(receivedAt);
  if (at === undefined || text.trim() === "") return undefined;
  return { time: at, ...whose, level: "error", message: texts(text), fields: {} };
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function timeOf(raw: unknown): string | undefined {
  const ms = typeof raw === "string" ? Date.parse(raw) : NaN;
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

function levelOf(raw: unknown): Level {
  return raw === "info" || raw === "warn" ? raw : "error";
}
