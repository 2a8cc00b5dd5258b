import type { Found, Probe } from "./probes.ts";
import { cpuBetween, type CpuClock, readCpu } from "./processes.ts";
import type { Sample } from "./record.ts";
import type { Way } from "./way.ts";

/** Told of each measurement, for whoever waits. */
export type Tell = (line: string) => void;

/** Ways, and what is measured of them. */
export interface Plan {
  readonly ways: readonly Way[];
  readonly probes: readonly Probe[];
  readonly rounds: number;
  /** Counted on from here, for rounds that are made in parts. */
  readonly first?: number;
}

/**
 * Measures in rounds, and all ways one after the other for each figure: what changes on the machine meanwhile then
 * changes for all of them alike. Every other round takes the ways in the reverse order, so that no way always follows
 * the same one.
 */
export async function measureRounds(
  { ways, probes, rounds, first = 1 }: Plan,
  tell: Tell,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let round = first; round < first + rounds; round++) {
    const ordered = round % 2 === 1 ? ways : ways.toReversed();
    for (const probe of probes) {
      for (const way of ordered) samples.push(await sample(round, probe, way));
      const line = samples.slice(-ways.length).map((each) => `${each.row} ${brief(each)}`).join(", ");
      tell(`round ${round}, ${probe.name}: ${line}`);
    }
  }
  return samples;
}

async function sample(round: number, probe: Probe, way: Way): Promise<Sample> {
  const of = { round, row: way.name, probe: probe.name };
  try {
    await way.ready?.();
    const before = readCpu(way.part);
    const found = await probe.measure(way);
    const cpu = perWork(before, readCpu(way.part), found.work);
    const { errors, error } = found;
    return { ...of, figures: figures(probe, way, found, cpu), cpu, errors, ...error ? { error } : {} };
  } catch (error) {
    return {
      ...of,
      figures: {},
      cpu: {},
      errors: 0,
      error: error instanceof Error ? error.message : `${error}`,
    };
  }
}

function perWork(before: CpuClock, after: CpuClock, work: number): Record<string, number> {
  const spent = Object.entries(cpuBetween(before, after));
  return Object.fromEntries(spent.map(([part, seconds]) => [part, seconds / work]));
}

/** What was found, and for many clients what it cost the laptop. */
function figures({ name }: Probe, { laptop }: Way, found: Found, cpu: Record<string, number>) {
  if (name !== "kept-50" || !laptop) return found.figures;
  const own = laptop.reduce((sum, part) => sum + (cpu[part] ?? 0), 0);
  return { ...found.figures, "kept-50-cpu": own };
}

function brief({ figures, errors, error }: Sample): string {
  const found = Object.values(figures).map((value) => value.toPrecision(3)).join("/");
  return `${found || `failed (${error?.trim().split("\n").at(-1)})`}${
    errors > 0 ? ` (${errors} errors)` : ""
  }`;
}
