import { Running } from "../e2e/lib/running.ts";
import { loadProgram, parseHeld } from "./load.ts";
import type { Probe } from "./probes.ts";
import { readRss } from "./processes.ts";
import type { Way } from "./way.ts";

/** Milliseconds until memory is read, so that what passes has passed. */
const SETTLE = 2_000;
/** Milliseconds for all connections to open. */
const OPENED = 60_000;

/** Memory that each of so many connections costs, which have had a request answered and are kept. */
export function idle(connections: number): Probe {
  const measure = async (way: Way) => {
    const before = total(way);
    const hold = ["hold", "-ask", "-target", way.http, "-connections", `${connections}`];
    await using holding = new Running([loadProgram, ...hold]);
    const { open, failed } = parseHeld((await holding.says(/^\{.*\}$/m, OPENED)).toString());
    await new Promise((resolve) => setTimeout(resolve, SETTLE));
    const kib = (total(way) - before) * 1024 / open;
    await holding.closeStdin();
    await holding.status();
    return { figures: { idle: kib }, work: open, errors: failed };
  };
  return { name: "idle", measure };
}

/** In MiB, of all processes of a way. */
function total({ part }: Way): number {
  return Object.values(readRss(part)).reduce((sum, mib) => sum + mib, 0);
}
