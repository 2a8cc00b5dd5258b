import type { Warning } from "../wire/control.ts";
import type { Check } from "./check.ts";
import { runChecks } from "./run.ts";

/** What checks find that isn't right, as `pmz up` and `pmz status` tell it. */
export async function warningsOf<Parts>(checks: readonly Check<Parts>[], parts: Parts): Promise<Warning[]> {
  const results = await runChecks(checks, parts);
  return results.flatMap(({ findings }) => findings).flatMap((finding) =>
    "remedy" in finding ? [{ message: finding.saw, hint: finding.remedy }] : []
  );
}
