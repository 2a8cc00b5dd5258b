import type { InterceptEntry } from "../wire/control.ts";
import type { Finding } from "../wire/doctor.ts";
import { type Check, ok, skipped, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** Whether the intercepts are in force, and a program answers each of them. */
export const intercepts: Check<Pick<CheckParts, "daemon">> = {
  id: "intercepts",
  title: "Intercepts",
  severity: "warning",
  needs: ["daemon"],
  remedy: "Run `pmz intercept list`.",
  limitMs: 10_000,
  run: async ({ daemon }) => {
    const view = await daemon();
    const all = view.state === "running" ? view.status.intercepts : [];
    if (all.length === 0) return [skipped("Nothing is intercepted.")];
    return all.flatMap(judge);
  },
};

function judge({ id, local, silentSince, problems, mine, pods: { ready, all } }: InterceptEntry): Finding[] {
  const end = `end the intercept: \`pmz leave ${id}\``;
  const findings = problems.map((problem) =>
    warning(`${id}: ${problem}.`, `Look at its pods and at the node agents: \`pmz agent status\`; or ${end}.`)
  );
  if (silentSince !== undefined) {
    findings.push(warning(
      `${id}: nothing listens at ${local} since ${silentSince}.`,
      `Start your program, or ${end}.`,
    ));
  }
  if (findings.length > 0) return findings;
  return [ok(`${id} leads to ${local}${mine ? "" : `, in ${ready} of ${all} pods`}.`)];
}
