import { TokenBucket } from "../async/token_bucket.ts";
import type { Log } from "../wire/log.ts";

/** Bytes after which a file is full: the next one begins, and one older one stays. */
const LONGEST = 256 * 1024;
/** Lines of one level at once, and a second after that: a daemon can cause warnings at will. */
const BURST = 50;
const PER_SECOND = 0.5;

/**
 * The helper's own log in a file that only root can read: one JSON object a line. A daemon that causes one warning after the other
 * neither ends the log nor soon pushes out what stands there: lines above a rate are left out, and the next one counts them.
 * @param longest bytes after which the next file begins
 */
export function helperLog(path: string, longest = LONGEST): Log & Disposable {
  const open = () => Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  const encoder = new TextEncoder();
  const kept = () => ({ lines: new TokenBucket(BURST, PER_SECOND), omitted: 0 });
  const levels = { info: kept(), warn: kept(), error: kept() };
  let file = open();
  let written = 0;
  const startOver = () => {
    Deno.renameSync(path, `${path}.1`);
    file.close();
    file = open();
    written = 0;
  };
  const log: Log = (level, message, fields = {}) => {
    const of = levels[level];
    if (!of.lines.take()) return void of.omitted++;
    const omitted = of.omitted > 0 ? { omitted: of.omitted } : {};
    const line = { time: new Date().toISOString(), level, message, ...fields, ...omitted };
    of.omitted = 0;
    try {
      if (written > longest) startOver();
      written += file.writeSync(encoder.encode(`${JSON.stringify(line)}\n`));
    } catch { /* a full disk costs lines, never the helper */ }
  };
  return Object.assign(log, { [Symbol.dispose]: () => file.close() });
}
