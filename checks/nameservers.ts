import { type Check, ok, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** What to do about a nameserver that doesn't answer. */
export const NAMESERVER_REMEDY =
  "Start what should answer there, or name another nameserver in /etc/resolv.conf: without any, 127.0.0.1 is asked.";

/** Whether the nameservers of resolv.conf answer: without them no name outside of the clusters is found. */
export const nameservers: Check<Pick<CheckParts, "resolver" | "nameserverProblem">> = {
  id: "nameservers",
  title: "Nameservers",
  severity: "warning",
  needs: [],
  remedy: "Look at /etc/resolv.conf.",
  run: async ({ resolver, nameserverProblem }) => {
    const { nameservers } = await resolver();
    const asked = await Promise.all(
      nameservers.map(async ({ address }) => ({ address, problem: await nameserverProblem(address) })),
    );
    const isOneAlive = asked.some(({ problem }) => problem === undefined);
    const effect = isOneAlive
      ? "names of the internet may take seconds"
      : "no name of the internet is found, and none of your network";
    return asked.map(({ address, problem }) =>
      problem === undefined ? ok(`${address} answers.`) : warning(
        `A nameserver of this machine is dead: ${problem}. So ${effect}.`,
        NAMESERVER_REMEDY,
      )
    );
  },
};
