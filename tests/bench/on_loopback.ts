import { output } from "../e2e/lib/command.ts";
import { Running } from "../e2e/lib/running.ts";
import { loadProgram, parsePorts } from "./load.ts";
import { nearProbes } from "./probes.ts";
import { measureRounds, type Tell } from "./rounds.ts";
import type { Asked, Sample } from "./record.ts";
import type { Way } from "./way.ts";

/** Milliseconds until a program of Deno's listens, on a machine that has other work too. */
const STARTED = 30_000;

/** All that runs for the measurements on loopback, each way's programs beside the others'. */
class Loopback implements AsyncDisposable {
  readonly ways: Way[] = [];
  readonly #running: Running[] = [];
  readonly #flags: readonly string[];

  private constructor(profiles: string | undefined) {
    this.#flags = profiles === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profiles}`];
  }

  /** @param profiles the folder for a CPU profile of each program; none are made where it isn't given */
  static async start(profiles: string | undefined): Promise<Loopback> {
    const loopback = new Loopback(profiles);
    try {
      const target = await loopback.#target();
      loopback.#add("direct", "direct", target, {});
      const relay = await loopback.#deno("relay.ts", [...target]);
      loopback.#add("relay", "bare relay in Deno", relay.ports, { [relay.pid]: "relay" });
      // What two ends of any tunnel can reach: as many processes on the way as a tunnel has, and nothing for them to do.
      const second = await loopback.#deno("relay.ts", target, "relay_far");
      const first = await loopback.#deno("relay.ts", second.ports, "relay_near");
      loopback.#add("relays", "two of them in a row", first.ports, {
        [first.pid]: "laptop",
        [second.pid]: "gateway",
      });
      for (
        const [name, title, near, far] of [
          ["http2", "node:http2", "http2_client.ts", "http2_server.ts"],
          ["ours", "pmz", "our_laptop.ts", "our_gateway.ts"],
        ] as const
      ) {
        const server = await loopback.#deno(far, []);
        const client = await loopback.#deno(near, [...server.ports, ...target]);
        loopback.#add(name, title, client.ports, { [client.pid]: "laptop", [server.pid]: "gateway" });
      }
      return loopback;
    } catch (error) {
      await loopback[Symbol.asyncDispose]();
      throw error;
    }
  }

  #add(name: string, title: string, ports: readonly number[], parts: Record<number, string>): void {
    const [http, bytes] = ports.map((port) => `127.0.0.1:${port}`);
    if (http === undefined || bytes === undefined) {
      throw new Error(`${name} listens on too few ports: ${ports}`);
    }
    this.ways.push({
      name,
      title,
      http,
      bytes,
      part: ({ pid }) => parts[pid],
      run: (command, timeout) => output(command, { timeout }),
    });
  }

  async #target(): Promise<number[]> {
    const serve = [loadProgram, "serve", "-http", "127.0.0.1:0", "-bytes", "127.0.0.1:0", "-held"];
    const target = this.#start(serve);
    const { http, bytes } = parsePorts((await target.says(/^\{.*\}$/m)).toString());
    return [http, bytes];
  }

  /** @param name of its profile */
  async #deno(
    file: string,
    args: readonly number[],
    name: string = file.replace(".ts", ""),
  ): Promise<{ pid: number; ports: number[] }> {
    const path = new URL(`loopback/${file}`, import.meta.url).pathname;
    const flags = this.#flags.length > 0 ? [...this.#flags, `--cpu-prof-name=${name}.cpuprofile`] : [];
    const command = [Deno.execPath(), "run", "-A", "--quiet", ...flags, path, ...args.map(String)];
    const running = this.#start(command);
    const [, ports = ""] = await running.says(/^ready ([\d ]+)$/m, STARTED);
    return { pid: running.pid, ports: ports.split(" ").map(Number) };
  }

  #start(command: readonly string[]): Running {
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

/** What a tunnel costs by itself: no Kubernetes, two processes of this machine and loopback between them. */
export async function onLoopback({ rounds, quick, profiles }: Asked, tell: Tell) {
  await using loopback = await Loopback.start(profiles);
  const { ways } = loopback;
  const samples: Sample[] = await measureRounds({ ways, probes: nearProbes(quick), rounds }, tell);
  return { rows: ways.map(({ name, title }) => ({ name, title })), samples, memory: [] };
}
