import { type Check, failed, ok } from "./check.ts";
import type { CheckParts, SystemProgram } from "./parts.ts";

const needed: readonly SystemProgram[] = ["sh", "ip", "ss"];
const REMEDY = "Install iproute2: sudo apt install iproute2, or sudo dnf install iproute. " +
  "`pmz up --proxy` works without it.";

/** Whether the programs that clean up behind the root helper are there, where root alone can have put them. */
export const programs: Check<{ readonly machine: Pick<CheckParts["machine"], "findProgram"> }> = {
  id: "programs",
  title: "Programs",
  severity: "failed",
  needs: ["platform"],
  remedy: REMEDY,
  run: ({ machine }) => {
    const found = needed.map((name) => ({ name, path: machine.findProgram(name) }));
    const missing = found.filter(({ path }) => path === undefined).map(({ name }) => name);
    return Promise.resolve([
      missing.length === 0
        ? ok(`The root helper can run ${found.map(({ path }) => path).join(", ")}.`)
        : failed(`Missing among the system's programs: ${missing.join(", ")}.`, REMEDY),
    ]);
  },
};
