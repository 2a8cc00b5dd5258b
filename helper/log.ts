import type { Log } from "../wire/log.ts";

/** Bytes after which nothing more is written. */
const LONGEST = 256 * 1024;

/** The helper's own log in a file that only root can read: one JSON object a line. */
export function helperLog(path: string): Log & Disposable {
  const file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  const encoder = new TextEncoder();
  let written = 0;
  const log: Log = (level, message, fields = {}) => {
    if (written > LONGEST) return;
    const line = { time: new Date().toISOString(), level, message, ...fields };
    written += file.writeSync(encoder.encode(`${JSON.stringify(line)}\n`));
  };
  return Object.assign(log, { [Symbol.dispose]: () => file.close() });
}
