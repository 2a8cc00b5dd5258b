import { type Check, failed, ok, skipped } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** Whether connections to a cluster are still captured after `pmz up`: the root helper may have been killed since. */
export const capture: Check<Pick<CheckParts, "capture">> = {
  id: "capture",
  title: "Capture",
  severity: "failed",
  needs: ["daemon"],
  remedy: "Run `pmz status`.",
  limitMs: 10_000,
  run: async (parts) => {
    const { isWanted, helper } = await parts.capture();
    if (!isWanted) return [skipped("No cluster is captured.")];
    return [
      helper.state === "connected"
        ? ok(`${helper.routes} addresses are captured, from ${helper.address}.`)
        : failed(
          "The root helper has ended, so nothing is captured.",
          "Run `pmz up`: it starts another one.",
        ),
    ];
  },
};
