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
  readonly ms?: number;
  readonly count?: number;
  readonly error?: unknown;
}

/** Writes one line. */
export type Log = (message: string, fields?: LogFields) => void;

const LONGEST = 4 << 20;

/**
 * A log in a file of the state folder, 0600. At 4 MiB it starts over, and the file before stays as `.1`.
 * A disk that is full costs lines, never the daemon.
 */
export function fileLog(path: string): Log & Disposable {
  const encoder = new TextEncoder();
  const open = () => Deno.openSync(path, { append: true, create: true, mode: 0o600 });
  let file = open();
  let size = file.statSync().size;
  const log = (message: string, fields: LogFields = {}) => {
    const error = fields.error instanceof Error ? chain(fields.error) : fields.error;
    const line = encoder.encode(
      `${JSON.stringify({ time: new Date().toISOString(), message, ...fields, error })}\n`,
    );
    try {
      if (size > LONGEST) {
        file.close();
        Deno.renameSync(path, `${path}.1`);
        file = open();
        size = 0;
      }
      size += file.writeSync(line);
    } catch { /* a full disk */ }
  };
  return Object.assign(log, { [Symbol.dispose]: () => file.close() });
}

/** An error and its causes, in one line. */
export function chain(error: Error): string {
  const parts: string[] = [];
  for (let at: unknown = error; at && parts.length < 8; at = at instanceof Error ? at.cause : undefined) {
    parts.push(at instanceof Error ? `${at.name}: ${at.message}` : String(at));
  }
  return parts.join(" <- ");
}
