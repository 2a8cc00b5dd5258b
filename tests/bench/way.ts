import type { Part } from "./processes.ts";

/** One way to what answers: the thing that is measured. */
export interface Way {
  readonly name: string;
  readonly title: string;
  /** HOST:PORT of HTTP, and of streams of bytes. */
  readonly http: string;
  readonly bytes: string;
  /** HOST:PORT of datagrams, which are sent back, where there is that. */
  readonly datagrams?: string;
  /** HOST:PORT of HTTP/2 without TLS, where there is that. */
  readonly http2?: string;
  /** Where wrk has to go through an HTTP proxy: the proxy's URL, and the script that makes it ask for `http`. */
  readonly proxied?: { readonly url: string; readonly script: string };
  /** HOST:PORT of a SOCKS5 proxy for all else. */
  readonly socks?: string;
  /** The parts of it that run on the laptop, where that is asked for. */
  readonly laptop?: readonly string[];
  /** Its processes: whose CPU time is its own. */
  readonly part: Part;
  /** What asks is on the laptop and what answers in the cluster, in a run where the other ways go in. */
  readonly asksFromLaptop?: boolean;
  /** A field that each request has: "x-user: alice". */
  readonly field?: string;
  /** The program load, where it's called otherwise than outside. */
  readonly loadProgram?: string;
  /** Runs a command where a user of it would, for so many milliseconds at most; answers its standard output. */
  run(command: readonly string[], timeout: number): Promise<string>;
  /** Makes sure that it's there: what broke it must not count for the next measurement too. */
  ready?(): Promise<void>;
}
