// Measures what pmz costs and carries: `./dev bench`. docs/performance.md says what the figures mean.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { parseArgs } from "node:util";
import { chart } from "./chart.ts";
import { facts } from "./facts.ts";
import { buildLoad } from "./load.ts";
import { onCluster } from "./on_cluster.ts";
import { atDistance } from "./at_distance.ts";
import { onIntercepts } from "./on_intercepts.ts";
import { onLoopback } from "./on_loopback.ts";
import { onPersonal } from "./on_personal.ts";
import { onScale } from "./on_scale.ts";
import { onStart } from "./on_start.ts";
import { onUdp } from "./on_udp.ts";
import { type Asked, type Kind, kinds, type Run } from "./record.ts";
import { hottest } from "./profile.ts";
import { report, table } from "./table.ts";

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const folder = `${root}/dist/bench`;

const usage = `usage: ./dev bench [loopback|cluster|distance|intercepts|personal|start|udp|scale]... [options]

  loopback   a bare relay, node:http2 and the tunnel of pmz, on this machine's loopback
  cluster    kubectl port-forward, pmz up and pmz up --proxy, on a laptop of the test cluster
  distance   kubectl port-forward and pmz up, 20 and 80 ms from the test cluster
  intercepts from a pod to an intercepted Service that the laptop answers; the pod itself, and pmz up's way out;
             to ports with 1, 10 and 100 personal rules: requests that none takes, and those that one takes
  personal   requests to a port with personal rules, on loopback: those that none takes, and those that one takes
  start      what a command takes that asks nothing of a cluster, next to an empty program
  udp        datagrams through pmz up, and through two bare relays, on a laptop of the test cluster
             all of these where none is named
  scale      what a laptop has to do with 10,000 Services and 30,000 pods: to come up, and while they change

  --rounds N    how many, 5 otherwise, of scale one; medians are over these
  --quick       one short round: that all works, no figures to believe
  --profile     loopback, personal: where each program's CPU time went; slower while it's recorded;
                not with --before
  --pmz FILE    another build to measure on the cluster than dist/pmz
  --size S/P    scale: so many Services and pods
  --before DIR  loopback, cluster, personal, start, scale: also measures the pmz of another checkout (built), and compares
  --only NAMES  loopback, cluster, personal: these measurements alone: kept-50,up-1
  --chart FILE  draws what cluster found
  --show FILE   prints the tables of an earlier run's file, and measures nothing; with --chart draws it

Each run's file, with every round in it, is in dist/bench.`;

const measure = {
  loopback: onLoopback,
  cluster: onCluster,
  distance: atDistance,
  intercepts: onIntercepts,
  personal: onPersonal,
  start: onStart,
  udp: onUdp,
  scale: onScale,
};

/** The programs that a profile is made of. */
const profiled: Partial<Record<Kind, readonly string[]>> = {
  loopback: ["relay", "http2_client", "http2_server", "our_laptop", "our_gateway"],
  personal: ["relay", "http_proxy", "our_relay", "our_program"],
};

async function main(): Promise<number> {
  const { values: options, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      rounds: { type: "string" },
      size: { type: "string" },
      quick: { type: "boolean", default: false },
      before: { type: "string" },
      only: { type: "string" },
      chart: { type: "string" },
      pmz: { type: "string", default: `${root}/dist/pmz` },
      profile: { type: "boolean", default: false },
      show: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (options.help) {
    console.log(usage);
    return 0;
  }
  if (options.show !== undefined) {
    await shown(JSON.parse(await Deno.readTextFile(options.show)), options.chart);
    return 0;
  }
  const roundsOf = (kind?: Kind) => Number(options.rounds ?? (options.quick || kind === "scale" ? 1 : 5));
  const rounds = roundsOf();
  const wanted = kinds.filter((kind) =>
    positionals.length === 0 ? kind !== "scale" : positionals.includes(kind)
  );
  const size = options.size === undefined ? undefined : parseSize(options.size);
  const unknown = positionals.filter((word) => !kinds.some((kind) => kind === word));
  const wrong = unknown.length > 0
    ? `there is no ${unknown.join(", ")}`
    : !Number.isInteger(rounds) || rounds < 1
    ? "--rounds wants a number"
    : options.profile && options.before !== undefined
    ? "--profile and --before exclude each other: programs of both would have one profile"
    : undefined;
  if (wrong !== undefined) {
    console.error(`bench: ${wrong}`);
    console.error(usage);
    return 2;
  }
  if (options.size !== undefined && size === undefined) {
    console.error("bench: --size wants SERVICES/PODS: 10000/30000");
    return 2;
  }
  await Deno.mkdir(`${folder}/profiles`, { recursive: true });
  await buildLoad();
  for (const kind of wanted) {
    const { quick, pmz, before } = options;
    const asked = {
      rounds: roundsOf(kind),
      quick,
      pmz,
      ...before === undefined ? {} : { before },
      ...size === undefined ? {} : { size },
      ...options.only === undefined ? {} : { only: options.only.split(",") },
    };
    const profiles = options.profile && profiled[kind] !== undefined
      ? { profiles: `${folder}/profiles` }
      : {};
    await shown(await one(kind, { ...asked, ...profiles }), options.chart);
    if (profiles.profiles !== undefined) await showProfiles(profiles.profiles, profiled[kind] ?? []);
  }
  return 0;
}

/** Undefined where it isn't SERVICES/PODS. */
function parseSize(text: string): Asked["size"] {
  const [, services, pods] = /^([1-9]\d*)\/([1-9]\d*)$/.exec(text) ?? [];
  return services === undefined ? undefined : { services: Number(services), pods: Number(pods) };
}

async function one(kind: Kind, asked: Asked): Promise<Run> {
  const began = new Date().toISOString();
  const started = performance.now();
  const machine = await facts();
  const found = await measure[kind](asked, (line) => console.error(`${kind}: ${line}`));
  const seconds = (performance.now() - started) / 1000;
  const { rounds, quick } = asked;
  const run: Run = { kind, began, seconds, facts: machine, rounds, quick, ...found };
  const file = `${folder}/${kind}-${began.slice(0, 19).replaceAll(":", "")}.json`;
  await Deno.writeTextFile(file, JSON.stringify(run, undefined, 1));
  console.error(`${kind}: every round is in ${file}`);
  return run;
}

async function showProfiles(of: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const found = hottest(await Deno.readTextFile(`${of}/${name}.cpuprofile`), 15);
    const rows = found.map(({ where, share }) => [`${(share * 100).toFixed(1)} %`, where]);
    console.log(table(["of its time", `${name}.ts`], rows));
  }
}

async function shown(run: Run, file?: string): Promise<void> {
  console.log(report(run));
  if (file !== undefined && run.kind === "cluster") await Deno.writeTextFile(file, chart(run));
}

Deno.exit(await main());
