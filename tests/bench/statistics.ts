/** The middle of numbers; the mean of the middle two where there is an even number of them. @throws {RangeError} without any */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("no values have a median");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** A number with three significant digits or more, as a table has it: 12,345; 1,290; 86.1; 0.0456; a dash for what is not a number. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  const digits = Math.max(0, Math.min(4, 2 - magnitude));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
