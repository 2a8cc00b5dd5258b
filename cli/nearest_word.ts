/** The word that needs the fewest edits to become `typed`, at most half of its letters; undefined when none is near. */
export function nearestWord(typed: string, words: readonly string[]): string | undefined {
  const near = words.map((word) => ({ word, edits: editDistance(typed, word) }))
    .filter(({ word, edits }) => edits <= word.length / 2);
  return near.sort((a, b) => a.edits - b.edits)[0]?.word;
}

/** Levenshtein's distance: letters that are added, removed or replaced. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    above = row;
  }
  return above[b.length] ?? 0;
}
