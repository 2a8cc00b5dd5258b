import type { Disturbances, Failed } from "./disturbances.ts";

/** What came of it. */
export interface Verdict {
  /** How often something was tried, by its kind. */
  readonly totals: Readonly<Record<string, number>>;
  readonly failures: readonly Failed[];
  readonly disturbances: Disturbances;
  /** What stays that wasn't there, in words. */
  readonly left: readonly string[];
}

/** Unexplained failures that are shown. */
const SHOWN = 20;

/** All failures that nothing explains. */
export function unexplained({ failures, disturbances }: Verdict): Failed[] {
  return failures.filter((failure) => disturbances.explain(failure) === undefined);
}

/** Whether each failure is explained, and nothing stays. */
export function isSound(verdict: Verdict): boolean {
  return unexplained(verdict).length === 0 && verdict.left.length === 0;
}

/** What it came to, for people. */
export function report(verdict: Verdict): string {
  const { totals, failures, disturbances, left } = verdict;
  const kinds = Object.entries(totals).toSorted().map(([kind, total]) => {
    const own = failures.filter((failure) => failure.kind === kind);
    const causes = Map.groupBy(own, (failure) => disturbances.explain(failure) ?? "UNEXPLAINED");
    const by = [...causes].map(([cause, all]) => `${all.length} by ${cause}`).join(", ");
    return `  ${kind}: ${total} tried, ${own.length} failed${by === "" ? "" : `: ${by}`}`;
  });
  const open = unexplained(verdict);
  return [
    "What was tried:",
    ...kinds,
    "What was done:",
    ...[...disturbances.counts].map(([what, count]) => `  ${count} times: ${what}`),
    ...open.length === 0 ? ["Each failure is explained."] : ["UNEXPLAINED:"],
    ...open.slice(0, SHOWN).map(({ kind, at, until, error }) =>
      `  ${new Date(at).toISOString()} ${kind}, for ${Math.round(until - at)} ms: ${error}`
    ),
    ...left.length === 0 ? ["Nothing stays."] : ["WHAT STAYS:", ...left],
  ].join("\n");
}
