import { output } from "../e2e/lib/command.ts";
import { datagramProbes, nearProbes } from "./probes.ts";
import { Programs } from "./programs.ts";
import { measureRounds, type Tell } from "./rounds.ts";
import type { Asked, Sample } from "./record.ts";
import type { Way } from "./way.ts";

const HERE = "127.0.0.1";

/** All that runs for the measurements on loopback, each way's programs beside the others'. */
class Loopback implements AsyncDisposable {
  readonly ways: Way[] = [];
  readonly #programs: Programs;

  private constructor(profiles: string | undefined) {
    this.#programs = new Programs(profiles);
  }

  /**
   * @param profiles the folder for a CPU profile of each program; none are made where it isn't given
   * @param before the checkout of another version, to measure its tunnel too
   */
  static async start({ profiles, before }: Pick<Asked, "profiles" | "before">): Promise<Loopback> {
    const loopback = new Loopback(profiles);
    try {
      const { http, bytes } = await loopback.#programs.target();
      const target = [http, bytes];
      if (before === undefined) loopback.#add("direct", "direct", target, {});
      const relay = await loopback.#programs.deno("relay.ts", target);
      loopback.#add("relay", "bare relay in Deno", relay.ports, { [relay.pid]: "relay" });
      if (before !== undefined) {
        await loopback.#tunnel("ours", "pmz", { near: "our_laptop.ts", far: "our_gateway.ts", target });
        const of = { near: "our_laptop.ts", far: "our_gateway.ts", target, checkout: before };
        await loopback.#tunnel("before", "pmz before", of);
        return loopback;
      }
      // What two ends of any tunnel can reach: as many processes on the way as a tunnel has, and nothing for them to do.
      const second = await loopback.#programs.deno("relay.ts", target, { name: "relay_far" });
      const first = await loopback.#programs.deno("relay.ts", second.ports, { name: "relay_near" });
      const far = await loopback.#programs.deno("udp_relay.ts", [HERE, `${HERE}:${bytes}`], {
        name: "udp_relay_far",
      });
      const near = await loopback.#programs.deno("udp_relay.ts", [HERE, `${HERE}:${far.ports[0]}`], {
        name: "udp_relay_near",
      });
      loopback.#add("relays", "two of them in a row", [...first.ports, ...near.ports], {
        [first.pid]: "laptop",
        [near.pid]: "laptop",
        [second.pid]: "gateway",
        [far.pid]: "gateway",
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
    const server = await this.#programs.deno(far, [], { checkout });
    const client = await this.#programs.deno(near, [...server.ports, ...target], { checkout });
    this.#add(name, title, client.ports, { [client.pid]: "laptop", [server.pid]: "gateway" });
  }

  #add(name: string, title: string, ports: readonly number[], parts: Record<number, string>): void {
    const [http, bytes, datagrams] = ports.map((port) => `${HERE}:${port}`);
    if (http === undefined || bytes === undefined) {
      throw new Error(`${name} listens on too few ports: ${ports}`);
    }
    this.ways.push({
      name,
      title,
      http,
      bytes,
      ...datagrams === undefined ? {} : { datagrams },
      part: ({ pid }) => parts[pid],
      run: (command, timeout) => output(command, { timeout }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#programs[Symbol.asyncDispose]();
  }
}

/** What an exchange of datagrams is held against: one by a connection that is kept. */
function byTcp({ datagrams: _, ...way }: Way): Way {
  return { ...way, name: "tcp", title: "pmz, by TCP" };
}

/** What a tunnel costs by itself: no Kubernetes, two processes of this machine and loopback between them. */
export async function onLoopback({ rounds, quick, only, ...asked }: Asked, tell: Tell) {
  const samples: Sample[] = [];
  let rows: { name: string; title: string }[] = [];
  for (let first = 1; first <= rounds; first++) {
    // The same program is up to a fifth faster or slower from one start to the next, so each round has programs of its own.
    await using loopback = await Loopback.start(asked);
    const { ways } = loopback;
    const ours = ways.filter(({ name }) => name === "ours").map(byTcp);
    rows = [...ways, ...ours].map(({ name, title }) => ({ name, title }));
    samples.push(...await measureRounds({ ways, probes: nearProbes(quick, only), rounds: 1, first }, tell));
    const byUdp = ways.filter(({ datagrams }) => datagrams !== undefined);
    for (const probe of datagramProbes(quick, only)) {
      const asked = probe.name === "exchange" ? [...byUdp, ...ours] : byUdp;
      samples.push(...await measureRounds({ ways: asked, probes: [probe], rounds: 1, first }, tell));
    }
  }
  return { rows, samples, memory: [] };
}
