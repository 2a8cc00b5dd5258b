import { causeChain, formatError } from "../../errors/causes.ts";
import type { WatchLogFields } from "../../kube/watch/watch.ts";
import type { Log as WireLog } from "../../wire/log.ts";

/**
 * The daemon's log: one JSON object a line. Only fields of these kinds are ever written: no header values, no
 * queries, no kubeconfig, no output of plugins.
 */
export interface LogFields {
  readonly cluster?: string;
  readonly service?: string;
  readonly pod?: string;
  readonly node?: string;
  readonly intercept?: string;
  readonly stream?: number;
  /** The id of a flow. */
  readonly flow?: string;
  readonly from?: string;
  readonly to?: string;
  readonly outcome?: string;
  readonly details?: string;
  /** Lines like this one that were left out before it. */
  readonly omitted?: number;
  readonly ms?: number;
  readonly count?: number;
  /** Of a watch: which resource, which of its objects, what it does instead, and how many objects it keeps. */
  readonly kind?: string;
  readonly key?: string;
  readonly state?: string;
  readonly limit?: number;
  readonly error?: unknown;
}

/** The daemon's log: takes only the fields above. */
export type Log = WireLog<LogFields>;

const LONGEST = 4 << 20;

/** What a line may say besides its time and message; a list, since what workers pass on has no types any more. */
const NAMES = [
  "cluster",
  "service",
  "pod",
  "node",
  "intercept",
  "stream",
  "flow",
  "from",
  "to",
  "outcome",
  "details",
  "omitted",
  "ms",
  "count",
  "kind",
  "key",
  "state",
  "limit",
] as const satisfies readonly (keyof LogFields)[];

/**
 * A log in a file of the state folder, 0600. At 4 MiB it starts over, and the file before stays as `.1`.
 * A disk that is full costs lines, never the daemon.
 * @param longest bytes after which it starts over
 */
export function fileLog(path: string, longest = LONGEST): Log & Disposable {
  const encoder = new TextEncoder();
  const open = () => Deno.openSync(path, { append: true, create: true, mode: 0o600 });
  let file = open();
  let size = file.statSync().size;
  const startOver = () => {
    Deno.renameSync(path, `${path}.1`);
    const next = open();
    file.close();
    file = next;
    size = 0;
  };
  const log: Log = (level, message, fields = {}) => {
    const line: Record<string, unknown> = { time: new Date().toISOString(), level, message };
    for (const name of NAMES) line[name] = fields[name];
    const { error } = fields;
    if (error !== undefined) line.error = causeChain(error).map(formatError).join(" <- ");
    try {
      if (size > longest) startOver();
    } catch { /* it keeps writing to this file */ }
    try {
      size += file.writeSync(encoder.encode(`${JSON.stringify(line)}\n`));
    } catch { /* a full disk */ }
  };
  return Object.assign(log, { [Symbol.dispose]: () => file.close() });
}

/** The log, with these fields on every line that doesn't have them itself. */
export function logAbout(log: Log, about: LogFields): Log {
  return (level, message, fields) => log(level, message, { ...about, ...fields });
}

/** The log of a watch: which kind and object it is about, its state, the limit that it keeps, and the error. */
export function watchLog(log: Log): (message: string, fields: WatchLogFields) => void {
  return (message, fields) => log("warn", message, fields);
}
