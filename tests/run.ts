// Runs the project's tests in order and says how they ended: `./dev test [FILTER]`.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { failedFiles, mayRunAgain } from "./runner/failures.ts";
import { phases, planned, testFiles } from "./runner/files.ts";
import { add, closingLine, spoken, type Totals, totalsOf } from "./runner/totals.ts";

/** What all tests together may take, once the cluster and the built file are there. */
const limit = 55 * 60_000;

const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
const cluster = `${root}/tests/cluster/cluster`;
const none: Totals = { passed: 0, failed: 0, skipped: 0 };

interface Ended {
  readonly totals: Totals;
  /** The files that were run again. */
  readonly again: readonly string[];
}

interface Shown {
  readonly success: boolean;
  /** The last ones that it printed. */
  readonly totals?: Totals;
  /** All that it printed. */
  readonly said: string;
}

/** Runs a command, and shows what it prints. */
async function shown(command: string[], signal?: AbortSignal): Promise<Shown> {
  const [program = "", ...args] = command;
  const env = { PMZ_KEEP_WORLD: "1", [Deno.stdout.isTerminal() ? "FORCE_COLOR" : "NO_COLOR"]: "1" };
  await using child = new Deno.Command(program, {
    args,
    cwd: root,
    env,
    stdin: "null",
    stdout: "piped",
    signal,
  }).spawn();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    await Deno.stdout.write(new TextEncoder().encode(text));
    said += text;
  }
  const totals = said.split("\n").map(totalsOf).findLast((totals) => totals !== undefined);
  return { success: (await child.status).success, totals, said };
}

/** Makes what tests on a cluster need; neither is counted, both take nothing when they are there. */
async function prepareWorld(): Promise<boolean> {
  for (
    const [what, command] of [["the built file", [`${root}/dev`, "build"]], ["the cluster", [
      cluster,
      "build",
    ]]] as const
  ) {
    console.log(`\n== making ${what}`);
    if (!(await shown([...command])).success) {
      console.error(`dev test: ${what} could not be made; what was printed above says why`);
      return false;
    }
  }
  return true;
}

function denoTest(files: readonly string[], filter: string | undefined, signal: AbortSignal): Promise<Shown> {
  const command = [
    Deno.execPath(),
    "test",
    "-A",
    "--frozen",
    ...filter ? ["--filter", filter] : [],
    ...files,
  ];
  return shown(command, signal);
}

async function runCluster(signal: AbortSignal): Promise<Shown> {
  const up = await shown([cluster, "up", "--nodes", "2"], signal);
  return up.success ? await shown([`${root}/tests/cluster/selftest`], signal) : up;
}

/** A run that was cut short, or whose types are wrong, has no closing line or one without its failure. */
function totalsOfRun({ success, totals = none }: Shown): Totals {
  return success || totals.failed > 0 ? totals : { ...totals, failed: 1 };
}

/**
 * Runs a phase's files, and those few that failed once more by themselves: two cores with a Kubernetes on them are late now and
 * then. A test that passes then has passed, but its file is named at the end.
 */
async function runFiles(
  files: readonly string[],
  filter: string | undefined,
  signal: AbortSignal,
): Promise<Ended> {
  const first = await denoTest(files, filter, signal);
  const totals = totalsOfRun(first);
  const failed = failedFiles(first.said);
  if (!mayRunAgain(failed)) return { totals, again: [] };
  console.log(`\n== once more: ${failed.join(", ")}`);
  const second = totalsOfRun(await denoTest(failed, filter, signal));
  const passed = totals.passed + Math.max(0, totals.failed - second.failed);
  return { totals: { ...totals, passed, failed: second.failed }, again: failed };
}

async function main(filter: string | undefined): Promise<number> {
  const plan = planned(await testFiles(root), filter, (file) => Deno.readTextFileSync(`${root}/${file}`));
  const chosen = phases.filter(({ name }) =>
    plan.files.has(name) && (name === "cluster" || plan.files.get(name)?.length)
  );
  if (chosen.length === 0) {
    console.error(
      `dev test: no test fits '${filter}': give a folder, a file, a part of a name, or one of ${
        phases.map(({ name }) => name).join(", ")
      }`,
    );
    return 2;
  }
  const begun = performance.now();
  const spent: string[] = [];
  const again: string[] = [];
  let total = none;
  let left = limit;
  let prepared: boolean | undefined;
  for (const [index, { name, world }] of chosen.entries()) {
    if (world) prepared ??= await prepareWorld();
    const files = plan.files.get(name) ?? [];
    console.log(
      `\n== ${name}: step ${index + 1} of ${chosen.length}${files.length ? `, ${files.length} files` : ""}`,
    );
    const started = performance.now();
    const signal = AbortSignal.timeout(Math.max(0, left));
    const ended = world && !prepared || left <= 0
      ? { totals: { ...none, failed: 1 }, again: [] }
      : name === "cluster"
      ? { totals: totalsOfRun(await runCluster(signal)), again: [] }
      : await runFiles(files, plan.nameFilter, signal);
    left -= performance.now() - started;
    if (left <= 0) {
      console.error(`dev test: ${name} was ended, or not begun: the tests took more than ${spoken(limit)}`);
    }
    total = add(total, ended.totals);
    again.push(...ended.again);
    spent.push(`${name} ${spoken(performance.now() - started)}`);
  }
  if (prepared !== undefined && !Deno.env.get("PMZ_KEEP_WORLD")) await shown([cluster, "down", "--all"]);
  if (again.length > 0) console.log(`\nrun twice, since they failed at first: ${again.join(", ")}`);
  console.log(`\n${spent.join(", ")}; ${spoken(performance.now() - begun)} in all\n${closingLine(total)}`);
  if (total.failed === 0 && total.passed === 0) {
    console.error(`dev test: no test has '${filter}' in its name`);
  }
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

Deno.exit(await main(Deno.args[0]));
