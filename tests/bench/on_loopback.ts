import { output } from "../e2e/lib/command.ts";
import { Running } from "../e2e/lib/running.ts";
import { loadProgram, parsePorts } from "./load.ts";
import { nearProbes } from "./probes.ts";
import { measureRounds, type Tell } from "./rounds.ts";
import type { Asked, Sample } from "./record.ts";
import type { Way } from "./way.ts";

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
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

  /**
   * @param profiles the folder for a CPU profile of each program; none are made where it isn't given
   * @param before the checkout of another version, to measure its tunnel too
   */
  static async start({ profiles, before }: Pick<Asked, "profiles" | "before">): Promise<Loopback> {
    const loopback = new Loopback(profiles);
    try {
      const target = await loopback.#target();
      if (before === undefined) loopback.#add("direct", "direct", target, {});
      const relay = await loopback.#deno("relay.ts", [...target]);
      loopback.#add("relay", "bare relay in Deno", relay.ports, { [relay.pid]: "relay" });
      if (before !== undefined) {
        await loopback.#tunnel("ours", "pmz", { near: "our_laptop.ts", far: "our_gateway.ts", target });
        const of = { near: "our_laptop.ts", far: "our_gateway.ts", target, checkout: before };
        await loopback.#tunnel("before", "pmz before", of);
        return loopback;
      }
      // What two ends of any tunnel can reach: as many processes on the way as a tunnel has, and nothing for them to do.
      const second = await loopback.#deno("relay.ts", target, { name: "relay_far" });
      const first = await loopback.#deno("relay.ts", second.ports, { name: "relay_near" });
      loopback.#add("relays", "two of them in a row", first.ports, {
        [first.pid]: "laptop",
        [second.pid]: "gateway",
      });
      await loopback.#tunnel("http2", "node:http2", {
        near: "http2_client.ts",
        far: "http2_server.ts",
        target,
      });
      await loopback.#tunnel("ours", "pmz", { near: "our_laptop.ts", far: "our_gateway.ts", target });
      return loopback;
    } catch (error) {
      await loopback[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts both ends of a tunnel to these ports. */
  async #tunnel(
    name: string,
    title: string,
    { near, far, target, checkout }: {
      readonly near: string;
      readonly far: string;
      readonly target: readonly number[];
      readonly checkout?: string;
    },
  ): Promise<void> {
    const server = await this.#deno(far, [], { checkout });
    const client = await this.#deno(near, [...server.ports, ...target], { checkout });
    this.#add(name, title, client.ports, { [client.pid]: "laptop", [server.pid]: "gateway" });
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
    { name = file.replace(".ts", ""), checkout = root }: { name?: string; checkout?: string | undefined } =
      {},
  ): Promise<{ pid: number; ports: number[] }> {
    const path = `${checkout}/tests/bench/loopback/${file}`;
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
export async function onLoopback({ rounds, quick, only, ...asked }: Asked, tell: Tell) {
  const samples: Sample[] = [];
  let rows: { name: string; title: string }[] = [];
  for (let first = 1; first <= rounds; first++) {
    // The same program is up to a fifth faster or slower from one start to the next, so each round has programs of its own.
    await using loopback = await Loopback.start(asked);
    const { ways } = loopback;
    rows = ways.map(({ name, title }) => ({ name, title }));
    samples.push(...await measureRounds({ ways, probes: nearProbes(quick, only), rounds: 1, first }, tell));
  }
  return { rows, samples, memory: [] };
}
