import type { InterceptEntry } from "../wire/control.ts";
import { formatDuration, type Terminal } from "./terminal.ts";

/** Warns of what keeps callers from the user's programs, and of what else is intercepted. */
export function warnOfIntercepts(
  terminal: Pick<Terminal, "warn">,
  entries: readonly InterceptEntry[],
  now: number,
): void {
  for (const entry of entries) {
    const { id, local, problems, silentSince, alsoTaken } = entry;
    if (silentSince !== undefined) {
      const ago = formatDuration(Math.max(0, now - Date.parse(silentSince)));
      terminal.warn(
        `${id}: nothing listens at ${local}, for ${ago} now`,
        `start your program; until then ${whatElse(entry)}`,
      );
    }
    for (const problem of problems) terminal.warn(`${id}: ${problem}`);
    if (alsoTaken.length > 0) terminal.warn(`${id} also intercepts ${alsoTaken.join(", ")}`);
  }
}

/** What becomes of callers while nothing listens. */
function whatElse({ mine, mirror, protocol }: InterceptEntry): string {
  if (protocol === "UDP") return "what callers send is dropped";
  if (mirror) return "its copies are dropped";
  return mine ? "this machine's connections to the Service are reset" : "callers of the Service get resets";
}
