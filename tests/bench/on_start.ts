import { run } from "../e2e/lib/command.ts";
import type { Probe } from "./probes.ts";
import type { Asked } from "./record.ts";
import { measureRounds, type Tell } from "./rounds.ts";
import { median } from "./statistics.ts";
import type { Way } from "./way.ts";

/** Who starts pmz: not root, whose launcher looks at every byte of what it has unpacked. */
const NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"];

/** What a command takes from its start to its end, where no daemon runs, next to an empty program by the same Deno. */
export async function onStart({ rounds, quick, pmz, before }: Asked, tell: Tell) {
  const folder = await Deno.makeTempDir({ prefix: "pmz-bench-" });
  try {
    await Deno.chmod(folder, 0o711);
    await Deno.writeTextFile(`${folder}/empty.js`, "");
    const ours = await installed(folder, "ours", pmz);
    const empty = [`${await unpacked(ours)}/deno`, "run", "--quiet", "--no-config", `${folder}/empty.js`];
    const ways = [
      way("empty", "an empty program", ours.home, () => empty),
      way("ours", "pmz", ours.home, (words) => [ours.file, ...words]),
    ];
    if (before !== undefined) {
      const older = await installed(folder, "before", `${before}/dist/pmz`);
      ways.push(way("before", "the same before", older.home, (words) => [older.file, ...words]));
    }
    const times = quick ? 3 : 15;
    const probes = [starts("version", times), starts("status", times)];
    const samples = await measureRounds({ ways, probes, rounds }, tell);
    return { rows: ways.map(({ name, title }) => ({ name, title })), samples, memory: [] };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A built file, and the home of its user. */
interface Installed {
  readonly file: string;
  readonly home: string;
}

async function installed(folder: string, name: string, from: string): Promise<Installed> {
  const [file, home] = [`${folder}/${name}-pmz`, `${folder}/${name}`];
  await Deno.copyFile(from, file);
  await Deno.chmod(file, 0o755);
  await Deno.mkdir(home);
  await Deno.chown(home, 65534, 65534);
  return { file, home };
}

/** Where it has unpacked itself, which its first start does. */
async function unpacked({ file, home }: Installed): Promise<string> {
  await started([file, "version"], home);
  const cache = `${home}/.cache/pmz`;
  for await (const { name, isDirectory } of Deno.readDir(cache)) if (isDirectory) return `${cache}/${name}`;
  throw new Error(`nothing is unpacked in ${cache}`);
}

/** @returns milliseconds from its start to its end */
async function started(command: readonly string[], home: string): Promise<number> {
  const { code, stderr, ms } = await run(
    ["setpriv", ...NOBODY, "env", "-i", `HOME=${home}`, `XDG_STATE_HOME=${home}/none`, ...command],
  );
  if (code !== 0 && code !== 3) throw new Error(stderr); // 3: pmz is not up
  return ms;
}

function way(name: string, title: string, home: string, line: (words: readonly string[]) => string[]): Way {
  return {
    name,
    title,
    http: "",
    bytes: "",
    part: () => undefined,
    run: async (words) => String(await started(line(words), home)),
  };
}

/** The median of so many starts of `pmz WORD`, after two that fill the caches. */
function starts(word: string, times: number): Probe {
  const measure = async (way: Way) => {
    const took: number[] = [];
    for (let i = -2; i < times; i++) {
      const ms = Number(await way.run([word], 30_000));
      if (i >= 0) took.push(ms);
    }
    return { figures: { [`start-${word}`]: median(took) }, work: times, errors: 0 };
  };
  return { name: `start-${word}`, measure };
}
