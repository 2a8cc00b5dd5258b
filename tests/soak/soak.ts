import { clusterSnapshot } from "../e2e/lib/cluster_snapshot.ts";
import type { Snapshot } from "../e2e/lib/snapshot.ts";
import { sleep } from "../../async/sleep.ts";
import { churn, intercepts, kill, rollouts, Tally } from "./activities.ts";
import { Asking, type Order } from "./asking.ts";
import { Disturbances } from "./disturbances.ts";
import { readUsage } from "./processes.ts";
import { seeded } from "./random.ts";
import { NAMESPACE, Scene } from "./scene.ts";
import type { Verdict } from "./verdict.ts";
import { leaks, type Usage } from "./usage.ts";

/** What is asked of it. */
export interface Asked {
  readonly minutes: number;
  readonly seed: number;
}

/** Milliseconds of everything, before what the processes hold is first looked at. */
const WARM_MS = 15_000;
/** Milliseconds from the end of all requests until processes are as they stay. */
const SETTLE_MS = 10_000;
/** Milliseconds within which a laptop is as it was after `pmz down`. */
const AS_BEFORE_MS = 10_000;

const order: Order = {
  host: `soak.${NAMESPACE}.svc`,
  http: 80,
  tcp: 9000,
  names: [`soak.${NAMESPACE}.svc`, "kubernetes.default.svc.cluster.local", "echo", "internet.test"],
  short: 20,
  lookups: 20,
  sizes: 3,
  held: 100,
};

/**
 * A day of two laptops in short. At first pods are replaced and Services come and go, and nothing else fails: what processes hold is
 * compared. Then processes are killed and ways cut, too: laptops and cluster have to be as they were once everybody has left.
 */
export async function soak({ minutes, seed }: Asked, tell: (line: string) => void): Promise<Verdict> {
  const before: { snapshots?: Snapshots } = {};
  const disturbances = new Disturbances();
  const tally = new Tally();
  const left: string[] = [];
  {
    await using scene = await Scene.set(async (world) => {
      before.snapshots = await look(world);
    });
    await scene.asker.up();
    tell("everything warms up");
    await half("warm", scene, tally, disturbances, WARM_MS, []);
    const held = await usage();
    tell("churn and rollouts");
    await half("calm", scene, tally, disturbances, minutes * 30_000, []);
    left.push(...leaks(held, await usage()));
    tell(`kills too, by seed ${seed}`);
    await half("kills", scene, tally, disturbances, minutes * 30_000, [
      (signal) => kill(scene, tally, disturbances, seeded(seed), tell, signal),
    ]);
    for (const person of [scene.asker, scene.interceptor]) await person.done(["down"], { timeout: 60_000 });
  }
  left.push(...await differences(before.snapshots));
  return { totals: tally.totals, failures: tally.failures, disturbances, left };
}

type Work = (signal: AbortSignal) => Promise<void>;

/** All that works for so long, and is ended in order. */
async function half(
  name: string,
  scene: Scene,
  tally: Tally,
  disturbances: Disturbances,
  ms: number,
  more: readonly Work[],
): Promise<void> {
  await using asking = await Asking.start(scene.asker, order);
  const ending = new AbortController();
  const works: readonly Work[] = [
    (signal) => churn(scene, tally, `churn-${name}`, signal),
    (signal) => rollouts(scene, tally, disturbances, signal),
    (signal) => intercepts(scene, tally, disturbances, signal),
    ...more,
  ];
  const running = Promise.all(works.map((work) => work(ending.signal)));
  // One that fails as a whole ends all.
  await Promise.race([running, sleep(ms)]);
  ending.abort();
  await running;
  const { totals, failures } = await asking.end();
  for (const [kind, count] of Object.entries(totals)) {
    tally.totals[kind] = (tally.totals[kind] ?? 0) + count;
  }
  tally.failures.push(...failures);
}

async function usage(): Promise<Map<string, Usage>> {
  await sleep(SETTLE_MS);
  return await readUsage();
}

interface Snapshots {
  readonly world: Scene["world"];
  readonly laptop: Snapshot;
  readonly other: Snapshot;
  readonly cluster: Snapshot;
}

async function look(world: Scene["world"]): Promise<Snapshots> {
  return {
    world,
    laptop: await world.laptop.snapshot(),
    other: await world.other.snapshot(),
    cluster: await clusterSnapshot(world),
  };
}

/** What is otherwise than before. */
async function differences(before: Snapshots | undefined): Promise<string[]> {
  if (!before) return ["nothing was looked at before"];
  const { world } = before;
  const settled = async (laptop: "laptop" | "other") => {
    try {
      await world[laptop].settles(before[laptop], AS_BEFORE_MS);
      return [];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  };
  const cluster = before.cluster.diff(await clusterSnapshot(world), PODS);
  return [
    ...await settled("laptop"),
    ...await settled("other"),
    ...cluster === "" ? [] : [`the cluster is not as it was:\n${cluster}`],
  ];
}

/** Agents' pods that were deleted have other names, and addresses, now. */
const PODS = /^objects: Pod pmz(-node)? |^in pods: /;
