import type { Warning } from "../../wire/control.ts";

/**
 * What is wrong with names at the moment.
 * @param problem why they aren't answered
 * @param rebinding names of the internet that led to captured addresses
 */
export function nameWarnings(problem: string | undefined, rebinding: readonly string[]): Warning[] {
  return [
    ...(problem === undefined ? [] : [{
      message: `names of clusters aren't answered at the moment, and are started again: ${problem}`,
      hint: "look at the daemon's log if it lasts",
    }]),
    ...rebinding.map((name) => ({
      message: `${name} led to a captured address, which was taken out of your nameserver's answer`,
      hint: `if that name is your company's: pmz dns allow ${name}`,
    })),
  ];
}
