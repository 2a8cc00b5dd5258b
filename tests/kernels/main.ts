/**
 * Runs tests on Debian's kernels, each in a machine of its own: `./dev test kernels [SERIES...] [TEST FILES...]`. Without names it
 * takes all series and the tests below.
 */
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { spoken, type Totals, totalsOf } from "../runner/totals.ts";
import { kernels, series } from "./debian.ts";
import { boot } from "./machine.ts";

/** The loader of BPF programs, and what each kernel says to them. Others can be named, and take long without hardware virtualization. */
const TESTS = ["ffi/bpf"];
/** Milliseconds that one machine may take. */
const LIMIT_MS = 30 * 60_000;
/** How many times slower than a real one a machine may be, as tests that wait for something take it. */
const PATIENCE = 10;

const project = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");

function scriptFor(tests: readonly string[]): string {
  const env = {
    HOME: Deno.env.get("HOME") ?? "/root",
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache/deno`,
    NO_COLOR: "1",
    PMZ_TEST_PATIENCE: String(PATIENCE),
  };
  return [
    "ip link set lo up",
    "hostname kernel",
    `cd '${project}' || exit`,
    ...Object.entries(env).map(([name, value]) => `export ${name}='${value}'`),
    `'${Deno.execPath()}' test -A --no-check --frozen ${tests.join(" ")} </dev/null 2>&1`,
  ].join("\n");
}

/** What came of one machine. */
interface Ended {
  readonly kernel: string;
  readonly totals: Totals | undefined;
  readonly ms: number;
  readonly passed: boolean;
}

async function main(args: readonly string[]): Promise<number> {
  const chosen = series.filter(({ name }) => args.includes(name));
  const tests = args.filter((each) => !series.some(({ name }) => name === each));
  const cache = Deno.env.get("PMZ_KERNELS") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache/pmz-kernels`;
  await Deno.mkdir(cache, { recursive: true });
  const all: Ended[] = [];
  for (const kernel of await kernels(chosen.length > 0 ? chosen : series, cache)) {
    const name = `${kernel.release} (${kernel.version})`;
    console.log(`\n== Linux ${name}`);
    const begun = performance.now();
    let totals: Totals | undefined;
    const status = await boot(kernel, {
      script: scriptFor(tests.length > 0 ? tests : TESTS),
      limitMs: LIMIT_MS,
      onLine(line) {
        console.log(line);
        totals = totalsOf(line) ?? totals;
      },
    });
    const ms = performance.now() - begun;
    all.push({ kernel: name, totals, ms, passed: status === 0 });
  }
  console.log("");
  for (const { kernel, totals, ms, passed } of all) {
    const counts = totals && `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`;
    console.log(
      `${passed ? "ok    " : "FAILED"} Linux ${kernel}: ${counts ?? "the tests didn't end"}, ${spoken(ms)}`,
    );
  }
  return all.every(({ passed }) => passed) ? 0 : 1;
}

Deno.exit(await main(Deno.args));
