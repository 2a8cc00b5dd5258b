import { type Check, ok, skipped, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** Whether a pmz that was killed left something in this user's way to the network. */
export const leftovers: Check<Pick<CheckParts, "daemon" | "leftovers">> = {
  id: "leftovers",
  title: "Leftovers",
  severity: "warning",
  needs: [],
  remedy: "Look at the rules of the network: ip rule.",
  limitMs: 10_000,
  run: async (parts) => {
    if ((await parts.daemon()).state !== "none") return [skipped("pmz is up, and uses its rules.")];
    const left = await parts.leftovers();
    if (left.length === 0) return [ok("Nothing is left of a pmz that ran before.")];
    return left.map((what) =>
      warning(`Left by a pmz that was killed: ${what}.`, "Run `pmz up`, then `pmz down`.")
    );
  },
};
