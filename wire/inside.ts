/** Whose programs reach the clusters, as people read it. */

/** @param also names of the accounts that are inside besides the user */
export function insideWords(also: readonly string[] = []): string {
  if (also.length === 0) return "your programs alone";
  const last = also.at(-1);
  return `your programs, and those of ${
    also.length === 1 ? last : `${also.slice(0, -1).join(", ")} and ${last}`
  }`;
}
