// Runs the project's tests in order and says how they ended: `./dev test [FILTER]`.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { type PhaseName, phases, planned, testFiles } from "./runner/files.ts";
import { add, closingLine, spoken, type Totals, totalsOf } from "./runner/totals.ts";

/** What all tests together may take, once the cluster and the built file are there. */
const limit = 55 * 60_000;

const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
const cluster = `${root}/tests/cluster/cluster`;
const none: Totals = { passed: 0, failed: 0, skipped: 0 };

/** Runs a command, shows what it prints, and answers its status and the last totals among that. */
async function shown(
  command: string[],
  signal?: AbortSignal,
): Promise<{ success: boolean; totals?: Totals }> {
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
  let totals: Totals | undefined;
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    await Deno.stdout.write(new TextEncoder().encode(text));
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) totals = totalsOf(line) ?? totals;
  }
  totals = totalsOf(rest) ?? totals;
  return { success: (await child.status).success, totals };
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

async function runPhase(
  name: PhaseName,
  files: string[],
  filter: string | undefined,
  signal: AbortSignal,
): Promise<Totals> {
  const command = [
    Deno.execPath(),
    "test",
    "-A",
    "--frozen",
    ...filter ? ["--filter", filter] : [],
    ...files,
  ];
  let ended;
  if (name === "cluster") {
    ended = await shown([cluster, "up", "--nodes", "2"], signal);
    if (ended.success) ended = await shown([`${root}/tests/cluster/selftest`], signal);
  } else {
    ended = await shown(command, signal);
  }
  const totals = ended.totals ?? none;
  // A run that was cut short, or whose types are wrong, has no closing line or one without its failure.
  return ended.success || totals.failed > 0 ? totals : { ...totals, failed: 1 };
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
    const totals = world && !prepared || left <= 0
      ? { ...none, failed: 1 }
      : await runPhase(name, files, plan.nameFilter, AbortSignal.timeout(left));
    left -= performance.now() - started;
    if (left <= 0) {
      console.error(`dev test: ${name} was ended, or not begun: the tests took more than ${spoken(limit)}`);
    }
    total = add(total, totals);
    spent.push(`${name} ${spoken(performance.now() - started)}`);
  }
  if (prepared !== undefined && !Deno.env.get("PMZ_KEEP_WORLD")) await shown([cluster, "down", "--all"]);
  console.log(`\n${spent.join(", ")}; ${spoken(performance.now() - begun)} in all\n${closingLine(total)}`);
  if (total.failed === 0 && total.passed === 0) {
    console.error(`dev test: no test has '${filter}' in its name`);
  }
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

Deno.exit(await main(Deno.args[0]));
