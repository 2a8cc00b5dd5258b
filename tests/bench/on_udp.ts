import { BenchWorld, NODE } from "./bench_world.ts";
import { cluster } from "../e2e/lib/laptop.ts";
import { Running } from "../e2e/lib/running.ts";
import { parseHeld } from "./load.ts";
import { datagramProbes } from "./probes.ts";
import { readRss } from "./processes.ts";
import type { Asked, Memory, Sample } from "./record.ts";
import { measureRounds, type Tell } from "./rounds.ts";
import type { Way } from "./way.ts";

const RELAY = new URL("loopback/udp_relay.ts", import.meta.url).pathname;
/** As `cluster install` has it on the laptops. */
const INSTALLED_RELAY = "/usr/local/bin/udp_relay.ts";
/** Flows that memory is read with. */
const IDLE = 4_000;
/** Milliseconds until memory is read, so that what passes has passed. */
const SETTLE = 2_000;

/** What UDP through pmz costs, next to two bare relays in a row and to TCP through pmz. */
export async function onUdp({ rounds, quick, pmz }: Asked, tell: Tell) {
  tell("bringing the test cluster up");
  await using bench = await BenchWorld.up(pmz);
  await using relays = await Relays.start(bench);
  const ours = await bench.ours();
  const ways: Way[] = [
    relays.way,
    { ...ours, datagrams: ours.bytes },
    { ...ours, name: "tcp", title: "pmz up, by TCP" },
  ];
  const probes = datagramProbes(quick);
  const byUdp = ways.filter(({ datagrams }) => datagrams !== undefined);
  const samples: Sample[] = [];
  for (let first = 1; first <= rounds; first++) {
    for (const probe of probes) {
      const asked = probe.name === "exchange" ? ways : byUdp;
      samples.push(...await measureRounds({ ways: asked, probes: [probe], rounds: 1, first }, tell));
    }
  }
  const memory: Memory[] = [{ when: "after the rounds", streams: 0, mib: readRss(ours.part) }];
  memory.push(await idle(bench, ours, tell));
  return { rows: ways.map(({ name, title }) => ({ name, title })), samples, memory };
}

async function idle(bench: BenchWorld, ours: Way, tell: Tell): Promise<Memory> {
  const command = [ours.loadProgram ?? "", "hold", "-udp", "-target", ours.bytes, "-connections", `${IDLE}`];
  await using holding = bench.world.laptop.spawn("bob", command);
  const { open, failed } = parseHeld((await holding.says(/^\{.*\}$/m, 120_000)).toString());
  await new Promise((resolve) => setTimeout(resolve, SETTLE));
  const mib = readRss(ours.part);
  tell(`${open} idle flows${failed > 0 ? `, ${failed} failed` : ""}`);
  await holding.closeStdin();
  await holding.status();
  return { when: "held", streams: open, mib };
}

/** Two bare relays in a row, where daemon and gateway are: one on the laptop, one on the pod's node. */
class Relays implements AsyncDisposable {
  readonly way: Way;
  readonly #running: readonly Running[];

  private constructor(way: Way, running: readonly Running[]) {
    this.way = way;
    this.#running = running;
  }

  static async start(bench: BenchWorld): Promise<Relays> {
    const { world } = bench;
    const deno = [Deno.execPath(), "run", "-A", "--quiet", "--no-config", "--unstable-net"];
    await world.laptop.install(RELAY);
    const node = [cluster, "--name", world.name, "node", NODE];
    const address = await world.kubectl([
      "get",
      "node",
      NODE,
      "-o",
      "jsonpath={.status.addresses[?(@.type=='InternalIP')].address}",
    ]);
    const far = new Running([...node, ...deno, RELAY, address, `${await bench.podAddress()}:5201`]);
    const [, farPort = ""] = await far.says(/^ready (\d+)$/m, 30_000);
    const near = world.laptop.spawn("root", [...deno, INSTALLED_RELAY, "127.0.0.1", `${address}:${farPort}`]);
    const [, nearPort = ""] = await near.says(/^ready (\d+)$/m, 30_000);
    return new Relays({
      name: "relays",
      title: "two bare relays in a row",
      http: "",
      bytes: "",
      datagrams: `127.0.0.1:${nearPort}`,
      loadProgram: "/usr/local/bin/pmz-bench-load",
      part: ({ command }) => {
        if (command.includes(INSTALLED_RELAY)) return "laptop";
        return command.includes(RELAY) && command[0] === Deno.execPath() ? "gateway" : undefined;
      },
      run: (command, timeout) => world.laptop.output("bob", command, { timeout }),
    }, [near, far]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) {
      await running.closeStdin().catch(() => {}); // it has ended already
      await running.status();
      await running[Symbol.asyncDispose]();
    }
  }
}
