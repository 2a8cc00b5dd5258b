import { type Check, failed, ok, sentence, skipped } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** Whether the user's daemon runs and answers; while none runs, whether its state folder lets it start. */
export const daemon: Check<Pick<CheckParts, "daemon" | "release" | "stateFolder" | "stateProblem">> = {
  id: "daemon",
  title: "Daemon",
  severity: "failed",
  needs: [],
  remedy: "Run `pmz down`, then `pmz up`.",
  limitMs: 10_000,
  run: async (parts) => {
    const view = await parts.daemon();
    if (view.state === "none") {
      const problem = await parts.stateProblem(parts.stateFolder);
      if (problem === undefined) return [skipped("pmz is not up.")];
      return [failed(`The daemon can't start: ${problem.why}.`, sentence(problem.remedy))];
    }
    if (view.state === "unusable") return [failed(`${view.why}.`, view.remedy)];
    const { release, pid } = view.status;
    const other = release === parts.release ? "" : `, and this is pmz ${parts.release}`;
    return [ok(`pmz ${release} runs as process ${pid}${other}.`)];
  },
};
