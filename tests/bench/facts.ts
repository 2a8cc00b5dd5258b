/** The machine that a run was made on. */
export interface Facts {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly memoryGib: number;
  /** Load averages of 1, 5 and 15 minutes when it began: what else was going on. */
  readonly load: readonly number[];
  readonly deno: string;
  readonly commit: string;
}

/** Looks at this machine. */
export async function facts(): Promise<Facts> {
  const cpuinfo = await Deno.readTextFile("/proc/cpuinfo");
  const revision = await new Deno.Command("git", {
    args: ["describe", "--always", "--dirty"],
    cwd: new URL(".", import.meta.url),
    stderr: "null",
  }).output();
  return {
    cpu: /^model name\s*: (.*)$/m.exec(cpuinfo)?.[1] ?? Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    kernel: Deno.osRelease(),
    memoryGib: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    load: Deno.loadavg().map((load) => Math.round(load * 100) / 100),
    deno: Deno.version.deno,
    commit: new TextDecoder().decode(revision.stdout).trim(),
  };
}

/** The same in a line for people. */
export function describe(facts: Facts): string {
  const { cpu, cores, kernel, memoryGib, load, deno, commit } = facts;
  return `${cpu}, ${cores} cores, ${memoryGib} GiB, Linux ${kernel}, Deno ${deno}, pmz ${commit}; ` +
    `load when it began ${load.join(", ")}`;
}
