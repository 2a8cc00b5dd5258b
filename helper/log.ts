import { TokenBucket } from "../async/token_bucket.ts";
import type { Log } from "../wire/log.ts";

/** Bytes of the log's end that a daemon is told: twice as many, as JSON within JSON may be, fit one message. */
const TOLD = 64 * 1024;
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

/** The last lines of a log that {@linkcode helperLog} has written, as many whole ones as fit `longest` bytes. */
export function endOfLog(path: string, longest: number = TOLD): string {
  let bytes = readEnd(path, longest);
  if (bytes.length < longest) {
    const before = readEnd(`${path}.1`, longest - bytes.length);
    bytes = Uint8Array.from([...before, ...bytes]);
  }
  const text = new TextDecoder().decode(bytes);
  return text.startsWith("{") ? text : text.slice(text.indexOf("\n") + 1);
}

/** The end of a file; empty where the file does not exist. */
function readEnd(path: string, longest: number): Uint8Array {
  try {
    using file = Deno.openSync(path, { read: true });
    const { size } = file.statSync();
    file.seekSync(Math.max(0, size - longest), Deno.SeekMode.Start);
    const bytes = new Uint8Array(Math.min(size, longest));
    let length = 0;
    for (let read; (read = file.readSync(bytes.subarray(length))) !== null && read > 0;) length += read;
    return bytes.subarray(0, length);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw error;
  }
}
