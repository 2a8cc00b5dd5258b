import type { InterceptEntry } from "../wire/control.ts";
import { formatDuration, type Terminal } from "./terminal.ts";

/** Warns of what keeps callers from the user's programs, and of what else is intercepted. */
export function warnOfIntercepts(
  terminal: Pick<Terminal, "warn">,
  entries: readonly InterceptEntry[],
  now: number,
): void {
  for (const { id, local, problems, silentSince, alsoTaken } of entries) {
    if (silentSince !== undefined) {
      const ago = formatDuration(Math.max(0, now - Date.parse(silentSince)));
      terminal.warn(
        `${id}: nothing listens at ${local}, for ${ago} now`,
        "start your program; until then callers of the Service get resets",
      );
    }
    for (const problem of problems) terminal.warn(`${id}: ${problem}`);
    if (alsoTaken.length > 0) terminal.warn(`${id} also intercepts ${alsoTaken.join(", ")}`);
  }
}
