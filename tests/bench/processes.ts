/** Ticks of /proc/PID/stat a second: USER_HZ, 100 on every architecture that pmz is for. */
const TICKS = 100;

/** One process, as /proc tells it. */
export interface Process {
  readonly pid: number;
  /** Its control group in the v2 hierarchy. */
  readonly cgroup: string;
  readonly uid: number;
  /** Its arguments, the first its own name. */
  readonly command: readonly string[];
}

/** Which of a measurement's parts a process is; undefined for those that aren't any. */
export type Part = (process: Process) => string | undefined;

/** CPU seconds by process, and which part each is. */
export type CpuClock = ReadonlyMap<number, { readonly part: string; readonly seconds: number }>;

/** The CPU time so far of all processes that are some part. */
export function readCpu(part: Part): CpuClock {
  const clock = new Map<number, { part: string; seconds: number }>();
  for (const [pid, name] of findProcesses(part)) {
    const text = read(`/proc/${pid}/stat`);
    if (text !== undefined) clock.set(pid, { part: name, seconds: parseCpu(text) });
  }
  return clock;
}

/** CPU seconds of each part between two readings. What began or ended in between counts from its begin, or not. */
export function cpuBetween(before: CpuClock, after: CpuClock): Record<string, number> {
  const spent: Record<string, number> = {};
  for (const [pid, { part, seconds }] of after) {
    spent[part] = (spent[part] ?? 0) + seconds - (before.get(pid)?.seconds ?? 0);
  }
  return spent;
}

/** Memory that the processes of each part have in RAM, in MiB. */
export function readRss(part: Part): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const [pid, name] of findProcesses(part)) {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
    if (kib !== undefined) sizes[name] = (sizes[name] ?? 0) + Number(kib) / 1024;
  }
  return sizes;
}

/** User and system time of a process in seconds, from its /proc/PID/stat: fields 14 and 15 (man 5 proc). */
export function parseCpu(stat: string): number {
  // The second field is a name in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** The processes that are some part, by process id. */
export function findProcesses(part: Part): Map<number, string> {
  const found = new Map<number, string>();
  for (const { name: entry } of Deno.readDirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const cgroup = /^0::(.*)$/m.exec(read(`/proc/${pid}/cgroup`) ?? "")?.[1];
    const command = read(`/proc/${pid}/cmdline`)?.split("\0").slice(0, -1);
    const uid = /^Uid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
    if (cgroup === undefined || command === undefined || uid === undefined) continue;
    const name = part({ pid, cgroup, uid: Number(uid), command });
    if (name !== undefined) found.set(pid, name);
  }
  return found;
}

/** Undefined where the process is gone. */
function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
