/** What `pmz logs` reads: lines of the logs of all processes of pmz, in one shape. */
import type { Level } from "./log.ts";

/** Whose log a line is from. */
export const logSources = ["daemon", "helper", "gateway", "attach", "relay"] as const;
export type LogSource = typeof logSources[number];

/** A line of a log, without what is secret. */
export interface LogLine {
  /** ISO time. */
  readonly time: string;
  readonly source: LogSource;
  /** Of an agent: its pod. */
  readonly pod?: string;
  readonly level: Level;
  readonly message: string;
  /** What the line is about. */
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** A log that can't be read, why, and what to do. */
export interface UnreadLog {
  readonly source: string;
  readonly why: string;
  readonly remedy?: string;
}

/** What a reader of logs is told. */
export type LogNews = { readonly line: LogLine } | { readonly unread: UnreadLog };

/** Which logs are to be read. The command line hands over what it alone knows. */
export interface LogsRequest {
  readonly stateFolder: string;
  readonly uid: number;
  /** Lines of this time or later, in milliseconds since 1970. */
  readonly since?: number;
  /** Whether lines that come are told, until the signal aborts. */
  readonly follow: boolean;
  /** Asks the daemon for the end of the helper's log; undefined where there is none to ask. */
  helperLog(): Promise<string | undefined>;
  /** The cluster whose agents' logs are read, too; undefined for none. */
  readonly agents?: { readonly context?: string; readonly kubeconfig?: string };
}
