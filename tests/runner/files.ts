/** The order in which kinds of tests run, and which of them need a cluster and the built file. */
export const phases = [
  { name: "unit", world: false },
  { name: "cluster", world: true },
  { name: "conformance", world: false },
  { name: "faults", world: true },
  { name: "security", world: true },
  { name: "e2e", world: true },
] as const;

export type PhaseName = (typeof phases)[number]["name"];

/** Folders that hold no tests of this project. */
const elsewhere = new Set(["dist", "node_modules"]);

/** Every test file below `root`, by relative path, sorted. */
export async function testFiles(root: string, folder = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${root}/${folder}`)) {
    if (name.startsWith(".") || elsewhere.has(name)) continue;
    const path = folder ? `${folder}/${name}` : name;
    if (isDirectory) found.push(...await testFiles(root, path));
    else if (/_test\.tsx?$/.test(name)) found.push(path);
  }
  return found.sort();
}

/** The phase that a test file belongs to. What stands beside its module is a unit test, wherever that is. */
export function phaseOf(file: string): PhaseName {
  const [, folder] = /^tests\/(conformance|faults|security|e2e)\/(?!lib\/)/.exec(file) ?? [];
  return (folder as PhaseName | undefined) ?? "unit";
}

/** What to run in each phase, and with which filter on test names. */
export interface Plan {
  files: Map<PhaseName, string[]>;
  nameFilter?: string;
}

/**
 * What `./dev test FILTER` means: nothing for all tests, the name of a phase, a file or folder, or else a part of
 * test names.
 *
 * @param read the text of a test file, to see whether a name may be in it
 */
export function planned(files: string[], filter: string | undefined, read: (file: string) => string): Plan {
  const byPhase = new Map<PhaseName, string[]>();
  const take = (file: string) => byPhase.set(phaseOf(file), [...byPhase.get(phaseOf(file)) ?? [], file]);
  const path = filter?.replace(/^\.\//, "").replace(/\/$/, "");
  const phase = phases.find(({ name }) => name === filter)?.name;
  if (path === undefined) {
    byPhase.set("cluster", []);
    files.forEach(take);
    return { files: byPhase };
  }
  if (phase !== undefined) {
    byPhase.set(phase, files.filter((file) => phaseOf(file) === phase));
    return { files: byPhase };
  }
  const inPath = files.filter((file) => file === path || file.startsWith(`${path}/`));
  if (inPath.length > 0) {
    inPath.forEach(take);
    return { files: byPhase };
  }
  files.filter((file) => read(file).includes(path)).forEach(take);
  return { files: byPhase, nameFilter: filter };
}
