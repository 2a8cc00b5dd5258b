import { cluster } from "../e2e/lib/laptop.ts";
import { Running } from "../e2e/lib/running.ts";
import { BenchWorld } from "./bench_world.ts";
import { loadProgram, parsePorts } from "./load.ts";
import { type Probe, share, trips } from "./probes.ts";
import type { Asked, Sample } from "./record.ts";
import { measureRounds, type Tell } from "./rounds.ts";
import type { Way } from "./way.ts";

const ROUND_TRIPS = [20, 80];
/** Mbit/s each way: what the test cluster's delay line holds without being the limit itself. */
const RATE = 50;

/** The same laptop with a long way to the cluster: the round trip and the rate of its link are set. */
export async function atDistance({ rounds, quick, pmz }: Asked, tell: Tell) {
  tell("bringing the test cluster up");
  await using bench = await BenchWorld.up(pmz);
  const { laptop } = bench.world;
  await using node = new Node(bench);
  const ways = [await node.way(), await bench.portForward(), await bench.ours()];
  await using _near = { [Symbol.asyncDispose]: () => laptop.distance({}) };
  const samples: Sample[] = [];
  for (const rtt of ROUND_TRIPS) {
    await laptop.distance({ rtt, rate: RATE });
    samples.push(...await measureRounds({ ways, probes: farProbes(rtt, quick), rounds }, tell));
  }
  return { rows: ways.map(({ name, title }) => ({ name, title })), samples, memory: [] };
}

function farProbes(rtt: number, quick: boolean): Probe[] {
  const far = `${rtt}ms`;
  const seconds = quick ? 5 : 9;
  return [
    share(far, "up", RATE, seconds),
    share(far, "down", RATE, seconds),
    trips(far, rtt, quick ? 1.5 : 3, false),
    trips(far, rtt, quick ? 1.5 : 3, true),
  ];
}

/** What answers on the node itself, at the API server's address: TCP over the same link, and nothing else. */
class Node implements AsyncDisposable {
  readonly #bench: BenchWorld;
  readonly #running: Running;

  constructor(bench: BenchWorld) {
    this.#bench = bench;
    const serve = [loadProgram, "serve", "-http", ":0", "-bytes", ":0", "-held"];
    this.#running = new Running([cluster, "--name", bench.world.name, "node", "node-1", ...serve]);
  }

  async way(): Promise<Way> {
    const { world } = this.#bench;
    const path = 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}';
    const [ip = ""] = (await world.kubectl(["get", "nodes", "-o", path])).split(" ");
    const { http, bytes } = parsePorts((await this.#running.says(/^\{.*\}$/m)).toString());
    return {
      name: "direct",
      title: "TCP to the node",
      http: `${ip}:${http}`,
      bytes: `${ip}:${bytes}`,
      part: () => undefined,
      run: (command, timeout) => world.laptop.output("root", command, { timeout }),
    };
  }

  /** It ends with its standard input: the signal would only reach who entered the node's process ids. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.closeStdin();
    await this.#running.status();
    await this.#running[Symbol.asyncDispose]();
  }
}
