/**
 * What to type so that a cluster's ranges are accepted: the root helper's ranges are fixed when it starts, so all clusters that it
 * captures have to go down for it.
 * @param others those that are captured besides
 */
export function acceptingRanges(
  context: string,
  ranges: readonly string[],
  others: readonly string[],
): string {
  const accepted = ranges.map((range) => `--accept-range ${range}`).join(" ");
  const up = `pmz up --context ${context} ${accepted}`;
  if (others.length === 0) return `pmz down --context ${context}, then ${up}`;
  const again = others.map((other) => `pmz up --context ${other}`).join(", ");
  return `pmz down, then ${up}, then ${again} again (all captured clusters have to go down for it)`;
}
