import { Running } from "../e2e/lib/running.ts";
import { loadProgram, parsePorts } from "./load.ts";

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
/** Milliseconds until a program of Deno's listens, on a machine that has other work too. */
const STARTED = 30_000;

/** A program that listens on loopback. */
export interface Program {
  readonly pid: number;
  readonly ports: readonly number[];
}

/** The programs of a measurement on loopback. */
export class Programs implements AsyncDisposable {
  readonly #running: Running[] = [];
  readonly #flags: readonly string[];

  /** @param profiles the folder for a CPU profile of each program of Deno's; none are made where it isn't given */
  constructor(profiles?: string) {
    this.#flags = profiles === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profiles}`];
  }

  /** What answers: HTTP, streams of bytes, and HTTP/2 without TLS. */
  async target(): Promise<{ readonly http: number; readonly bytes: number; readonly http2: number }> {
    const listen = ["http", "bytes", "http2"].flatMap((what) => [`-${what}`, "127.0.0.1:0"]);
    const target = this.start([loadProgram, "serve", ...listen, "-held"]);
    const { http, bytes, http2 = 0 } = parsePorts((await target.says(/^\{.*\}$/m)).toString());
    return { http, bytes, http2 };
  }

  /**
   * A program in loopback/, once it listens.
   *
   * @param options.name of its profile
   * @param options.checkout where the program is from; this checkout otherwise
   */
  async deno(
    file: string,
    args: readonly (number | string)[],
    { name = file.replace(".ts", ""), checkout = root }: { name?: string; checkout?: string | undefined } =
      {},
  ): Promise<Program> {
    const path = `${checkout}/tests/bench/loopback/${file}`;
    const flags = this.#flags.length > 0 ? [...this.#flags, `--cpu-prof-name=${name}.cpuprofile`] : [];
    const command = [Deno.execPath(), "run", "-A", "--quiet", ...flags, path, ...args.map(String)];
    const running = this.start(command);
    const [, ports = ""] = await running.says(/^ready ([\d ]+)$/m, STARTED);
    return { pid: running.pid, ports: ports.split(" ").map(Number) };
  }

  start(command: readonly string[]): Running {
    const running = new Running(command);
    this.#running.push(running);
    return running;
  }

  /** Each ends with its standard input, and writes its profile; what doesn't in time is killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.map(async (running) => {
      const impatience = setTimeout(() => running.kill("SIGKILL"), STARTED);
      await running.closeStdin().catch(() => {}); // it has ended already
      await running.status();
      clearTimeout(impatience);
      await running[Symbol.asyncDispose]();
    }));
  }
}
