import { BenchWorld } from "./bench_world.ts";
import { parseHeld } from "./load.ts";
import { nearProbes } from "./probes.ts";
import { readRss } from "./processes.ts";
import type { Asked, Memory, Sample } from "./record.ts";
import { measureRounds, type Tell } from "./rounds.ts";
import type { Way } from "./way.ts";

/** Idle streams that memory is read with. */
const IDLE = [100, 10_000];
/** Milliseconds until memory is read, so that what passes has passed. */
const SETTLE = 2_000;

/** What a developer has: a laptop of the test cluster, with no distance to it. */
export async function onCluster({ rounds, quick, pmz, before, only }: Asked, tell: Tell) {
  tell("bringing the test cluster up");
  await using bench = await BenchWorld.up(pmz);
  const ours = await bench.ours();
  const ways = before === undefined
    ? [await bench.direct(), await bench.portForward(), ours, await bench.proxy()]
    : [await bench.portForward(), ours, await bench.before(`${before}/dist/pmz`)];
  const memory: Memory[] = [{ when: "after pmz up", streams: 0, mib: readRss(ours.part) }];
  const samples: Sample[] = [];
  for (let first = 1; first <= rounds; first++) {
    if (first > 1 && before !== undefined) await bench.restart();
    samples.push(...await measureRounds({ ways, probes: nearProbes(quick, only), rounds: 1, first }, tell));
  }
  await pause(SETTLE);
  memory.push({ when: "after the rounds", streams: 0, mib: readRss(ours.part) });
  for (const count of IDLE) memory.push(await idle(bench, ours, count, tell));
  return { rows: ways.map(({ name, title }) => ({ name, title })), samples, memory };
}

async function idle(bench: BenchWorld, ours: Way, count: number, tell: Tell): Promise<Memory> {
  const command = [ours.loadProgram ?? "", "hold", "-target", ours.bytes, "-connections", `${count}`];
  await using holding = bench.world.laptop.spawn("bob", command);
  const { open, failed } = parseHeld((await holding.says(/^\{.*\}$/m, 120_000)).toString());
  await pause(SETTLE);
  const mib = readRss(ours.part);
  tell(`${open} idle streams${failed > 0 ? `, ${failed} failed` : ""}: ${holding.said.trim()}`);
  await holding.closeStdin();
  await holding.status();
  return { when: "held", streams: open, mib };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
