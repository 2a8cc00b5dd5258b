import { output } from "../e2e/lib/command.ts";
import { idle } from "./idle.ts";
import { MATCHING } from "./loopback/rules.ts";
import { pace, type Probe, rate } from "./probes.ts";
import { type Program, Programs } from "./programs.ts";
import type { Asked, Sample } from "./record.ts";
import { measureRounds, type Tell } from "./rounds.ts";
import type { Way } from "./way.ts";

/** Connections that memory is read with. */
const IDLE = 4_000;
/** What makes V8 compile a program before it is measured. */
const warm = rate("warm", 20, 1);

/**
 * What it costs that a port has personal rules: relay's way of a connection on loopback, where nothing else is in between,
 * and in its place a relay that looks at nothing, and a reverse proxy.
 */
export async function onPersonal({ rounds, quick, only, ...asked }: Asked, tell: Tell) {
  const seconds = quick ? 1 : 2;
  const wanted = ({ name }: Probe) => only === undefined || only.includes(name);
  const rates = [rate("kept-50", 50, seconds), rate("kept-1", 1, seconds)].filter(wanted);
  const paced = [pace(quick ? 1.5 : 4)].filter(wanted);
  const memory = [idle(quick ? 500 : IDLE)].filter(wanted);
  const samples: Sample[] = [];
  let rows: { name: string; title: string }[] = [];
  for (let first = 1; first <= rounds; first++) {
    // The same program is up to a fifth faster or slower from one start to the next, so each round has programs of its own.
    await using personal = await Personal.start(asked);
    const { ways } = personal;
    const named = (...names: string[]) => ways.filter(({ name }) => names.includes(name));
    rows = ways.map(({ name, title }) => ({ name, title }));
    const round = { rounds: 1, first };
    // Before there is any garbage in which new connections could have their place.
    const idleWays = named("relay", "others-1", "ours", "before");
    samples.push(...await measureRounds({ ways: idleWays, probes: memory, ...round }, tell));
    if (rates.length > 0) { for (const way of ways) await warm.measure(way); }
    samples.push(...await measureRounds({ ways, probes: rates, ...round }, tell));
    const pacedWays = named("direct", "relay", "others-1", "others-100", "ours", "before");
    samples.push(...await measureRounds({ ways: pacedWays, probes: paced, ...round }, tell));
  }
  return { rows, samples, memory: [] };
}

/** The programs, and the ways through them. */
class Personal implements AsyncDisposable {
  readonly ways: Way[] = [];
  readonly #programs: Programs;

  private constructor(profiles: string | undefined) {
    this.#programs = new Programs(profiles);
  }

  /** @param asked as of {@linkcode onPersonal} */
  static async start({ profiles, before }: Pick<Asked, "profiles" | "before">): Promise<Personal> {
    const made = new Personal(profiles);
    try {
      await made.#start(before);
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(before: string | undefined): Promise<void> {
    const [target = 0] = await this.#programs.target();
    const bare = await this.#programs.deno("relay.ts", [target]);
    this.#add("relay", "bare relay in Deno", bare);
    if (before !== undefined) {
      this.#add("ours", "pmz, one rule, requests of others", await this.#relay(target));
      this.#add("before", "the same before", await this.#relay(target, before));
      return;
    }
    this.#add("direct", "direct", { pid: 0, ports: [target] });
    this.#add("proxy", "node:http proxy", await this.#programs.deno("http_proxy.ts", [target]));
    const { pid, ports: [one = 0, ten = 0, hundred = 0, whole = 0] } = await this.#relay(target);
    for (const [count, port] of [["1", one], ["10", ten], ["100", hundred]] as const) {
      this.#add(`others-${count}`, `others, ${count} rules`.replace("1 rules", "one rule"), {
        pid,
        ports: [port],
      });
    }
    this.#add("whole", "whole Service", { pid, ports: [whole] });
    for (const [count, port] of [["1", one], ["100", hundred]] as const) {
      const title = `matching, ${count} rules`.replace(" 1 rules", " one rule");
      this.#add(`matching-${count}`, title, { pid, ports: [port] }, `${MATCHING.name}: ${MATCHING.value}`);
    }
  }

  /** @param checkout of another version */
  async #relay(target: number, checkout?: string): Promise<Program> {
    const name = checkout === undefined ? {} : { checkout };
    const laptop = await this.#programs.deno("our_program.ts", [target], name);
    return await this.#programs.deno("our_relay.ts", [...laptop.ports, target], name);
  }

  #add(name: string, title: string, { pid: of, ports: [port] }: Program, field?: string): void {
    const http = `127.0.0.1:${port}`;
    this.ways.push({
      name,
      title,
      http,
      bytes: http,
      ...field === undefined ? {} : { field },
      part: ({ pid }) => pid === of ? "relay" : undefined,
      run: (command, timeout) => output(command, { timeout }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#programs[Symbol.asyncDispose]();
  }
}
