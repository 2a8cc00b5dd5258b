/** How many tests ended in which way. */
export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

const closing = /\| (\d+) passed[^|]*\| (\d+) failed(?:[^|]*\| (\d+) ignored)?/;
const selftest = /^(\d+) passed, (\d+) failed$/;

/**
 * Reads the closing line of `deno test`, or of the cluster's selftest.
 *
 * @returns undefined where the line is neither
 */
export function totalsOf(line: string): Totals | undefined {
  // deno-lint-ignore no-control-regex
  const plain = line.replace(/\x1b\[[0-9;]*m/g, "").trim();
  const [, passed, failed, skipped] = closing.exec(plain) ?? selftest.exec(plain) ?? [];
  if (passed === undefined) return undefined;
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped ?? 0) };
}

export function add(left: Totals, right: Totals): Totals {
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
  };
}

/** The closing line of a run: machines read it too, so nothing else stands on it. */
export function closingLine({ passed, failed, skipped }: Totals): string {
  return `pmz: ${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** A duration for people: "14 min 3 s". */
export function spoken(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
