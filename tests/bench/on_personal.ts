import { output } from "../e2e/lib/command.ts";
import { idle } from "./idle.ts";
import { MATCHING } from "./loopback/rules.ts";
import { http2Rate, pace, type Probe, rate } from "./probes.ts";
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
  const http2Rates = [http2Rate("http2-50", 50, seconds), http2Rate("http2-1", 1, seconds)].filter(wanted);
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
    const http2Ways = ways.filter(({ http2 }) => http2 !== undefined);
    samples.push(...await measureRounds({ ways: http2Ways, probes: http2Rates, ...round }, tell));
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
    const { http, http2 } = await this.#programs.target();
    const bare = await this.#programs.deno("relay.ts", [http, http2]);
    this.#add("relay", "bare relay in Deno", bare);
    if (before !== undefined) {
      this.#add("ours", "pmz, one rule, requests of others", (await this.#relays([http])).one);
      this.#add("before", "the same before", (await this.#relays([http], before)).one);
      return;
    }
    this.#add("direct", "direct", { pid: 0, ports: [http, http2] });
    this.#add("proxy", "node:http proxy", await this.#programs.deno("http_proxy.ts", [http]));
    const { one, ten, hundred, whole } = await this.#relays([http, http2]);
    const field = `${MATCHING.name}: ${MATCHING.value}`;
    this.#add("others-1", "others, one rule", one);
    this.#add("others-10", "others, 10 rules", ten);
    this.#add("others-100", "others, 100 rules", hundred);
    this.#add("whole", "whole Service", whole);
    this.#add("matching-1", "matching, one rule", one, field);
    this.#add("matching-100", "matching, 100 rules", hundred, field);
  }

  /**
   * Relay by its ports with so many rules, each for HTTP and HTTP/2.
   *
   * @param checkout of another version
   */
  async #relays(targets: readonly number[], checkout?: string) {
    const laptop = await this.#programs.deno("our_program.ts", targets, { checkout });
    const { pid, ports } = await this.#programs.deno("our_relay.ts", [...laptop.ports, ...targets], {
      checkout,
    });
    const each = ports.length / targets.length;
    const of = (place: number): Program => ({ pid, ports: ports.filter((_, i) => i % each === place) });
    return { one: of(0), ten: of(1), hundred: of(2), whole: of(3) };
  }

  #add(name: string, title: string, { pid: of, ports: [port, http2] }: Program, field?: string): void {
    const http = `127.0.0.1:${port}`;
    this.ways.push({
      name,
      title,
      http,
      bytes: http,
      ...http2 === undefined ? {} : { http2: `127.0.0.1:${http2}` },
      ...field === undefined ? {} : { field },
      part: ({ pid }) => pid === of ? "relay" : undefined,
      run: (command, timeout) => output(command, { timeout }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#programs[Symbol.asyncDispose]();
  }
}
