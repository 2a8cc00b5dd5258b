import { CommandError } from "../e2e/lib/command.ts";
import type { Laptop } from "../e2e/lib/laptop.ts";
import { BenchWorld, CAPTURED, INSTALLED, NAMESPACE, UIDS } from "./bench_world.ts";
import { type Answers, loadProgram, parseAnswers } from "./load.ts";
import { clusterParts } from "./parts.ts";
import { cpuBetween, type CpuClock, type Part, readCpu, readRss } from "./processes.ts";
import type { Asked, Sample } from "./record.ts";
import type { Tell } from "./rounds.ts";
import { FilledCluster } from "./scale/filled_cluster.ts";
import { buildScale } from "./scale/program.ts";
import { median } from "./statistics.ts";

/** Status updates a second that change nothing that pmz reads. */
const TOUCHED = 50;
/** What a user's programs do meanwhile: questions for names, and connections, a second. */
const LOOKUPS = 20;
const CONNECTIONS = 10;
/** Milliseconds after `pmz up` until it counts as at rest. */
const REST_MS = 10_000;
/** For a `pmz up` of a large cluster, in milliseconds. */
const UP_MS = 180_000;
const MB = 1e6;

/** One version of pmz on a laptop of its own. */
interface Version {
  readonly row: string;
  readonly title: string;
  readonly laptop: Laptop;
  /** The laptop from which the cluster is changed meanwhile, so that only what this one's pmz gets is counted. */
  readonly other: Laptop;
  readonly part: Part;
}

/** What a laptop has to do with a large cluster: to come up, to be there while it changes, and while it does nothing. */
export async function onScale({ rounds, quick, pmz, before, size: asked }: Asked, tell: Tell) {
  const size = asked ?? (quick ? { services: 300, pods: 900 } : { services: 10_000, pods: 30_000 });
  await buildScale();
  tell("bringing the test cluster up");
  await using bench = await BenchWorld.up(pmz);
  const versions = await versionsOf(bench, before);
  const samples: Sample[] = [];
  for (const version of versions) await attempt(() => upAndDown(version)); // unpacks it, and installs the gateway
  for (let round = 1; round <= rounds; round++) {
    for (const version of inTurn(versions, round)) {
      samples.push(await sample(round, version, "up-small", () => smallUp(version, quick ? 1 : 3)));
    }
  }
  tell(`filling it with ${size.services} Services and ${size.pods} pods`);
  const { filled, done } = await FilledCluster.fill(bench.world, size);
  await using _filled = filled;
  tell(`${done.writes} writes in ${Math.round(done.seconds)} s, ${done.retried} of them again`);
  const address = await serviceAddress(bench);
  for (let round = 1; round <= rounds; round++) {
    for (const version of inTurn(versions, round)) {
      const small = samples.find((one) => one.row === version.row && one.round === round)
        ?.figures["up-small"];
      try {
        const up = await sample(round, version, "up-large", () => largeUp(version, small));
        samples.push(up);
        tell(`round ${round}, ${version.row}: ${words(up)}`);
        if (up.error !== undefined) continue;
        const seconds = quick ? 5 : 28;
        const churn = await sample(round, version, "churn", () => churned(version, filled, address, seconds));
        samples.push(churn);
        tell(`round ${round}, ${version.row}: ${words(churn)}`);
      } finally {
        await down(version);
      }
    }
  }
  return { rows: versions.map(({ row, title }) => ({ name: row, title })), samples, memory: [] };
}

async function versionsOf({ world }: BenchWorld, before: string | undefined): Promise<Version[]> {
  const of = (row: string, title: string, laptop: Laptop, other: Laptop): Version => {
    const part = clusterParts(world.name, { uid: UIDS.bob, laptop: laptop.number });
    return { row, title, laptop, other, part };
  };
  const ours = of("ours", "pmz up", world.laptop, world.other);
  if (before === undefined) return [ours];
  await world.other.install(`${before}/dist/pmz`);
  await world.other.install(loadProgram);
  return [of("before", "pmz up before", world.other, world.laptop), ours];
}

function inTurn(versions: readonly Version[], round: number): readonly Version[] {
  return round % 2 === 1 ? versions.toReversed() : versions;
}

async function sample(
  round: number,
  { row }: Version,
  probe: string,
  measure: () => Promise<{ figures: Record<string, number>; errors?: number; error?: string }>,
): Promise<Sample> {
  try {
    const { figures, errors = 0, error } = await measure();
    return { round, row, probe, figures, cpu: {}, errors, ...error === undefined ? {} : { error } };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { round, row, probe, figures: {}, cpu: {}, errors: 0, error: why };
  }
}

function words({ figures, error }: Sample): string {
  if (error !== undefined) return `failed: ${error.trim().split("\n").at(-1)}`;
  return Object.entries(figures).map(([name, value]) => `${name} ${value.toPrecision(3)}`).join(", ");
}

async function attempt(work: () => Promise<unknown>): Promise<void> {
  await work().catch(() => {}); // what is measured next shows whether it works
}

async function up({ laptop }: Version): Promise<number> {
  const ended = await laptop.run(CAPTURED, ["pmz", "up", "--yes", "--quiet"], { timeout: UP_MS });
  if (ended.code !== 0) throw new CommandError(ended);
  return ended.ms / 1_000;
}

async function down({ laptop }: Version): Promise<void> {
  await laptop.run(CAPTURED, ["pmz", "down", "--quiet"], { timeout: UP_MS });
}

async function upAndDown(version: Version): Promise<number> {
  try {
    return await up(version);
  } finally {
    await down(version);
  }
}

async function smallUp(version: Version, times: number) {
  const took: number[] = [];
  for (let i = 0; i < times; i++) took.push(await upAndDown(version));
  return { figures: { "up-small": median(took) } };
}

async function largeUp(version: Version, small: number | undefined) {
  const before = { cpu: readCpu(version.part), received: await received(version.laptop) };
  const seconds = await up(version);
  const bytes = await received(version.laptop) - before.received;
  const cpu = cpuBetween(before.cpu, readCpu(version.part));
  await pause(REST_MS);
  const rss = readRss(version.part);
  return {
    figures: {
      "up-large": seconds,
      ...small === undefined ? {} : { "up-excess": seconds - 1.5 * small },
      "up-received": bytes / MB,
      "up-daemon": cpu["daemon"] ?? 0,
      "up-apiserver": cpu["apiserver"] ?? 0,
      "rest-daemon": rss["daemon"] ?? 0,
      "rest-helper": rss["helper"] ?? 0,
    },
  };
}

/** The same user programs three times: while nothing changes, while statuses change, and during a rollout. */
async function churned(version: Version, filled: FilledCluster, address: string, seconds: number) {
  const { other } = version;
  const quiet = await phase(version, address, seconds, () => Promise.resolve());
  const touched = await phase(version, address, seconds, () => filled.touch(other, TOUCHED, seconds));
  const rolled = await phase(version, address, seconds, () => filled.rollout(other, seconds));
  const all = [quiet, touched, rolled];
  const errors = all.reduce((sum, { lookups, connections }) => sum + lookups.errors + connections.errors, 0);
  const error = all.flatMap(({ lookups, connections }) => [lookups.error, connections.error])
    .find((one) => one !== undefined);
  return {
    figures: {
      "quiet-cpu": quiet.cores,
      "touch-cpu": Math.max(touched.cores - quiet.cores, LEAST_CORES),
      "rollout-cpu": Math.max(rolled.cores - quiet.cores, LEAST_CORES),
      "touch-received": touched.received / seconds / 1_000,
      "churn-daemon": Math.max(...all.map(({ rss }) => rss["daemon"] ?? 0)),
      "churn-helper": Math.max(...all.map(({ rss }) => rss["helper"] ?? 0)),
      "dns-quiet": quiet.lookups.p99,
      "dns-touch": touched.lookups.p99,
      "dns-rollout": rolled.lookups.p99,
      "new-quiet": quiet.connections.p99,
      "new-touch": touched.connections.p99,
      "new-rollout": rolled.connections.p99,
      "new-rollout-times": rolled.connections.p99 / quiet.connections.p99,
    },
    errors,
    ...error === undefined ? {} : { error },
  };
}

/** What the grain of /proc/PID/stat can show in a phase, as cores. */
const LEAST_CORES = 0.001;

interface Phase {
  /** Of the daemon. */
  readonly cores: number;
  /** Bytes that the laptop was sent, the answers of the programs among them. */
  readonly received: number;
  /** The most of each part, in MiB. */
  readonly rss: Readonly<Record<string, number>>;
  readonly lookups: Answers;
  readonly connections: Answers;
}

async function phase(
  version: Version,
  address: string,
  seconds: number,
  churn: () => Promise<unknown>,
): Promise<Phase> {
  const { laptop, part } = version;
  const ask = async (verb: string, target: string, rate: number, ...options: string[]) => {
    const command = [INSTALLED, verb, "-target", target, "-rate", `${rate}`, "-seconds", `${seconds}`];
    const timeout = 1_000 * seconds + 60_000;
    return parseAnswers(
      await laptop.output(CAPTURED, [...command, "-clients", "16", ...options], { timeout }),
    );
  };
  const before: CpuClock = readCpu(part);
  const receivedBefore = await received(laptop);
  const began = performance.now();
  const rss: Record<string, number> = {};
  const look = () => {
    for (const [name, mib] of Object.entries(readRss(part))) rss[name] = Math.max(rss[name] ?? 0, mib);
  };
  const looking = setInterval(look, 1_000);
  try {
    const [lookups, connections] = await Promise.all([
      ask("lookups", `load.${NAMESPACE}.svc`, LOOKUPS),
      ask("pace", `${address}:80`, CONNECTIONS, "-new"),
      churn(),
    ]);
    const elapsed = (performance.now() - began) / 1_000;
    const cores = (cpuBetween(before, readCpu(part))["daemon"] ?? 0) / elapsed;
    return { cores, received: await received(laptop) - receivedBefore, rss, lookups, connections };
  } finally {
    clearInterval(looking);
  }
}

function serviceAddress({ world }: BenchWorld): Promise<string> {
  return world.kubectl(["get", "service", "-n", NAMESPACE, "load", "-o", "jsonpath={.spec.clusterIP}"]);
}

/** Bytes that a laptop was sent so far: nothing but the API server sends to it. */
async function received(laptop: Laptop): Promise<number> {
  return Number(await laptop.output("root", ["cat", "/sys/class/net/eth0/statistics/rx_bytes"]));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
