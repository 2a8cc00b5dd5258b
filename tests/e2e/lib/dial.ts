import type { Pmz } from "./pmz.ts";

const program = await Deno.readTextFile(new URL("./dial.py", import.meta.url));

/** Where to connect to, and by which way. */
export interface DialOptions {
  host: string;
  port: number;
  /** "http://127.0.0.1:1080" or "socks5h://127.0.0.1:1080"; none otherwise. */
  through?: string;
  /** Whether the address is dialled as an IPv4-mapped IPv6 one, as Java and .NET do. */
  mapped?: boolean;
}

/** How many connections that were open at once had an answer, and how often the server's first line was which. */
export interface Many {
  readonly answered: number;
  readonly firsts: Readonly<Record<string, number>>;
  readonly failed: readonly string[];
  readonly ms: number;
}

/** Opens connections to an echo server's TCP port, all at once: each hears its first line, and its own line again. */
export function dialMany(person: Pmz, to: DialOptions, count: number): Promise<Many> {
  return done<Many>(person, { what: "many", count }, to);
}

/** What came back of random bytes. */
export interface Bulk {
  readonly first: string;
  readonly bytes: number;
  /** Whether the checksums (SHA-256) of what was sent and what came back are the same. */
  readonly same: boolean;
  readonly ms: number;
}

/** Sends random bytes to an echo server's TCP port, half-closes, and reads all that comes back meanwhile. */
export function dialBulk(person: Pmz, to: DialOptions, bytes: number): Promise<Bulk> {
  return done<Bulk>(person, { what: "bulk", bytes }, to);
}

/** What became of connections of all sizes. */
export interface Mix {
  readonly connections: number;
  readonly bytes: number;
  /** Of those that broke, or whose bytes didn't come back as they were sent: what was wrong. */
  readonly bad: readonly string[];
}

/**
 * As `dialBulk`, `count` at a time for so many seconds, each of up to 32 MiB in blocks of any size: long messages and short ones follow
 * each other in the tunnel in every way.
 */
export function dialMix(person: Pmz, to: DialOptions, count: number, seconds: number): Promise<Mix> {
  return done<Mix & { ms: number }>(person, { what: "mix", count, seconds }, to);
}

/** Opens so many connections, 50 at a time, each of which is closed after the server's first line. @returns why some failed */
export async function dialShort(person: Pmz, to: DialOptions, count: number): Promise<readonly string[]> {
  const { failed } = await done<{ failed: readonly string[] }>(person, { what: "short", count }, to);
  return failed;
}

/** How one attempt to connect ended. */
export interface Once {
  readonly error?: string;
  /** As Linux counts them: 111 is ECONNREFUSED. */
  readonly errno?: number | null;
  /** Address and port of the other side, as the program sees them. */
  readonly peer?: readonly [string, number];
  readonly ms: number;
}

/** Connects and goes away again; that it fails is a result, too. */
export function dialOnce(person: Pmz, to: DialOptions): Promise<Once> {
  return dial<Once>(person, { what: "once" }, to);
}

/** What many lookups of one name found, and how long the slowest took, in milliseconds. */
export interface Names {
  readonly addresses: readonly string[];
  readonly slowest: number;
  readonly ms: number;
}

/** Looks a name up again and again, a dozen times at once. */
export function lookUpMany(person: Pmz, host: string, count: number): Promise<Names> {
  return done<Names>(person, { what: "names", count }, { host, port: 80 });
}

/** As `dial`, of what must not fail as a whole. @throws what the program says went wrong, and after how many milliseconds. */
async function done<Result>(person: Pmz, what: object, to: DialOptions): Promise<Result> {
  const result = await dial<Result & { error?: string; ms: number }>(person, what, to);
  if (result.error !== undefined) {
    throw new Error(`${to.host}:${to.port}, after ${Math.round(result.ms)} ms: ${result.error}`);
  }
  return result;
}

async function dial<Result>(
  { laptop, person }: Pmz,
  what: object,
  { host, port, ...rest }: DialOptions,
): Promise<Result> {
  const order = JSON.stringify({ ...what, to: [host, port], ...rest });
  // What the program prints is its own, above; a test asserts on each field that it uses.
  return JSON.parse(
    await laptop.output(person, ["python3", "-c", program, order], { timeout: 180_000 }),
  ) as Result;
}
