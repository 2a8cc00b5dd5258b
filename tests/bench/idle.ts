import { Running } from "../e2e/lib/running.ts";
import { loadProgram, parseHeld } from "./load.ts";
import type { Probe } from "./probes.ts";
import { readRss } from "./processes.ts";
import type { Way } from "./way.ts";

/** Milliseconds until memory is read, so that what passes has passed. */
const SETTLE = 2_000;
/** Milliseconds for all connections to open. */
const OPENED = 60_000;

/**
 * Memory that each further connection costs which has had a request answered and is kept: so many, while as many others are
 * open. What a heap grows by once, as soon as there is anything in it, is no part of it.
 */
export function idle(connections: number): Probe {
  const measure = async (way: Way) => {
    await using before = await held(way, connections);
    const first = total(way);
    await using further = await held(way, connections);
    const kib = (total(way) - first) * 1024 / further.open;
    return { figures: { idle: kib }, work: further.open, errors: before.failed + further.failed };
  };
  return { name: "idle", measure };
}

/** Opens connections; disposing closes them. */
async function held(way: Way, connections: number) {
  const hold = ["hold", "-ask", "-target", way.http, "-connections", `${connections}`];
  const holding = new Running([loadProgram, ...hold]);
  const { open, failed } = parseHeld((await holding.says(/^\{.*\}$/m, OPENED)).toString());
  await new Promise((resolve) => setTimeout(resolve, SETTLE));
  return { open, failed, [Symbol.asyncDispose]: () => holding[Symbol.asyncDispose]() };
}

/** In MiB, of all processes of a way. */
function total({ part }: Way): number {
  return Object.values(readRss(part)).reduce((sum, mib) => sum + mib, 0);
}
