/** What wrk measured. */
export interface WrkResult {
  readonly requests: number;
  readonly perSecond: number;
  /** Connections that failed, reads, writes and time-outs, and answers other than 2xx and 3xx. */
  readonly errors: number;
}

export interface WrkLoad {
  readonly clients: number;
  readonly seconds: number;
  /** A connection for each request. */
  readonly fresh?: boolean;
  /** A Lua script of wrk's. */
  readonly script?: string;
  /** A field of each request: "x-user: alice". */
  readonly field?: string;
}

/** The command line that measures a URL: one thread, since one is faster than what is measured here. */
export function wrkCommand(url: string, { clients, seconds, fresh, script, field }: WrkLoad): string[] {
  return [
    "wrk",
    "-t1",
    `-c${clients}`,
    `-d${seconds}s`,
    "--timeout",
    "20s",
    ...fresh ? ["-H", "Connection: close"] : [],
    ...field === undefined ? [] : ["-H", field],
    ...script === undefined ? [] : ["-s", script],
    url,
  ];
}

/**
 * Reads what wrk printed.
 *
 * @throws {Error} with all of it, where it isn't what wrk prints at its end
 */
export function parseWrk(text: string): WrkResult {
  const requests = /^ {2}(\d+) requests in /m.exec(text)?.[1];
  const perSecond = /^Requests\/sec: +([\d.]+)$/m.exec(text)?.[1];
  if (requests === undefined || perSecond === undefined) {
    throw new Error(`wrk said no requests per second, but:\n${text}`);
  }
  const [, ...counts] =
    /^ {2}Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$/m.exec(text) ?? [];
  const refused = /^ {2}Non-2xx or 3xx responses: (\d+)$/m.exec(text)?.[1] ?? "0";
  const errors = [...counts, refused].reduce((sum, count) => sum + Number(count), 0);
  return { requests: Number(requests), perSecond: Number(perSecond), errors };
}
