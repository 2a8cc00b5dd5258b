/** How a release stands to another, by their numbers (https://semver.org, §11, without what follows a "+"). */
export function ageOf(release: string, than: string): "older" | "same" | "newer" | "unknown" {
  const one = parse(release), other = parse(than);
  if (!one || !other) return "unknown";
  for (let i = 0; i < 3; i++) {
    const difference = (one.numbers[i] ?? 0) - (other.numbers[i] ?? 0);
    if (difference !== 0) return difference < 0 ? "older" : "newer";
  }
  if (one.before === other.before) return "same";
  // A release comes after all that come before it: 1.0.0-rc.1 is older than 1.0.0.
  if (one.before === undefined || other.before === undefined) {
    return one.before === undefined ? "newer" : "older";
  }
  return compareBefore(one.before, other.before) < 0 ? "older" : "newer";
}

function parse(
  release: string,
): { readonly numbers: readonly number[]; readonly before?: string } | undefined {
  const [, major, minor, patch, before] =
    /^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$/.exec(release) ?? [];
  if (major === undefined) return undefined;
  return { numbers: [major, minor, patch].map(Number), ...(before === undefined ? {} : { before }) };
}

function compareBefore(one: string, other: string): number {
  const [left, right] = [one.split("."), other.split(".")];
  for (let i = 0;; i++) {
    const [a, b] = [left[i], right[i]];
    if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1);
    if (a === b) continue;
    const areNumbers = [a, b].map((each) => /^\d+$/.test(each));
    if (areNumbers[0] && areNumbers[1]) return Number(a) - Number(b);
    if (areNumbers[0] !== areNumbers[1]) return areNumbers[0] ? -1 : 1;
    return a < b ? -1 : 1;
  }
}
