import { figureOf } from "./figures.ts";
import { type Goal, goals, TOLERANCE } from "./goals.ts";
import type { Run, Sample } from "./record.ts";
import { median } from "./statistics.ts";

/** A goal, and what came of it. */
export interface Judged extends Goal {
  /** The ratio, the difference or the figure itself; undefined where it wasn't measured. */
  readonly reached: number | undefined;
  readonly verdict: "reached" | "within" | "missed" | "not measured";
}

/** A figure's values in all rounds in which one way was measured. */
export function values(run: Run, row: string, figure: string): number[] {
  return run.samples.flatMap((sample) => {
    const value = sample.row === row ? sample.figures[figure] : undefined;
    return value === undefined ? [] : [value];
  });
}

/** Medians of the CPU seconds of each part, for 10,000 requests or a GiB; undefined where nothing was measured. */
export function cpu(run: Run, row: string, probe: string): Record<string, number> {
  const samples = run.samples.filter((sample) => sample.row === row && sample.probe === probe);
  const parts = new Set(samples.flatMap((sample) => Object.keys(sample.cpu)));
  return Object.fromEntries(
    [...parts].map((
      part,
    ) => [part, median(samples.flatMap(({ cpu }) => cpu[part] === undefined ? [] : [cpu[part]]))]),
  );
}

/** In each round, what `ours` has over what `before` has of a value that both were measured for. */
export function byRound(run: Run, value: (sample: Sample) => number | undefined): number[] {
  const rounds = [...new Set(run.samples.map(({ round }) => round))];
  return rounds.flatMap((round) => {
    const [ours, before] = ["ours", "before"].map((row) => {
      const found = run.samples.filter((sample) => sample.round === round && sample.row === row);
      return found.map(value).find((each) => each !== undefined);
    });
    return ours === undefined || before === undefined || before === 0 ? [] : [ours / before];
  });
}

/** The names of all figures that were measured, in the order they were first. */
export function measured(run: Run): string[] {
  return [...new Set(run.samples.flatMap((sample) => Object.keys(sample.figures)))];
}

/** One way's figure in the median over another's. */
export function ratio(run: Run, figure: string, row: string, over: string): number | undefined {
  const [ours, theirs] = [values(run, row, figure), values(run, over, figure)];
  return ours.length === 0 || theirs.length === 0 ? undefined : median(ours) / median(theirs);
}

/** The goals of this kind of run, and what came of each. */
export function judge(run: Run): Judged[] {
  return goals.filter(({ kind }) => kind === run.kind).map((goal) => {
    const reached = reachedOf(run, goal);
    return { ...goal, reached, verdict: reached === undefined ? "not measured" : verdictOf(goal, reached) };
  });
}

/** What one way's figure in the median is above another's. */
export function difference(run: Run, figure: string, row: string, minus: string): number | undefined {
  const [ours, theirs] = [values(run, row, figure), values(run, minus, figure)];
  return ours.length === 0 || theirs.length === 0 ? undefined : median(ours) - median(theirs);
}

function reachedOf(run: Run, { figure, row, over, minus }: Goal): number | undefined {
  if (over !== undefined) return ratio(run, figure, row, over);
  if (minus !== undefined) return difference(run, figure, row, minus);
  const found = values(run, row, figure);
  return found.length === 0 ? undefined : median(found);
}

/** "within" is short of the goal, by no more than the noise that is allowed for. */
export function verdictOf({ figure, goal }: Goal, reached: number): Judged["verdict"] {
  // A difference below zero is less than any goal.
  const part = figureOf(figure).better === "more" ? reached / goal : goal / Math.max(reached, 0);
  return part >= 1 ? "reached" : part >= TOLERANCE ? "within" : "missed";
}
