import { machineOf } from "../bench/parts.ts";
import { findProcesses, parseCpu, type Process } from "../bench/processes.ts";
import type { Usage } from "./usage.ts";

const AGENTS: ReadonlySet<string> = new Set(["gateway", "attach", "relay"]);
/** Milliseconds for which processes are watched while nothing is asked of them. */
const IDLE_MS = 10_000;

/** What a process of pmz on a machine of the test cluster is: "relay of one-node-2"; undefined for others. */
function nameOf({ cgroup, command }: Process): string | undefined {
  const machine = machineOf(cgroup);
  if (machine === undefined) return undefined;
  const role = machine.startsWith("dev-") ? laptopRole(command) : agentRole(command);
  return role && `${role} of ${machine}`;
}

function laptopRole(command: readonly string[]): string | undefined {
  const main = command.findIndex((word) => word.endsWith("/main.js"));
  const role = main < 0 ? undefined : command[main + 1];
  return role === "daemon" || role === "helper" ? role : undefined;
}

function agentRole([program = "", ...words]: readonly string[]): string | undefined {
  const role = words.at(-1) ?? "";
  return program.endsWith("deno") && AGENTS.has(role) ? role : undefined;
}

/** What pmz's processes hold now, and use while nothing is asked of them; by name and process id. */
export async function readUsage(): Promise<Map<string, Usage>> {
  const found = findProcesses(nameOf);
  const before = new Map([...found.keys()].map((pid) => [pid, cpuOf(pid)]));
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const usage = new Map<string, Usage>();
  for (const [pid, name] of found) {
    try {
      const status = Deno.readTextFileSync(`/proc/${pid}/status`);
      usage.set(`${name} (${pid})`, {
        descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
        threads: numberOf(status, "Threads"),
        rss: numberOf(status, "VmRSS") / 1024,
        idle: (cpuOf(pid) - (before.get(pid) ?? 0)) / (IDLE_MS / 1_000),
      });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended
    }
  }
  return usage;
}

function cpuOf(pid: number): number {
  try {
    return parseCpu(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return 0; // it has ended
  }
}

function numberOf(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
}
