/** Edits that a slip of the finger makes; beyond that a suggestion misleads. */
const MAX_DISTANCE = 3;

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, charA] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, charB] of [...b].entries()) {
      const replaced = (row[j] ?? 0) + (charA === charB ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** `; did you mean "power.screenOffAfterMinutes"?`, or nothing when none of the words is near. */
export function didYouMean(word: string, words: Iterable<string>): string {
  let best: { word: string; far: number } | undefined;
  for (const candidate of words) {
    const far = distance(word.toLowerCase(), candidate.toLowerCase());
    if (far <= MAX_DISTANCE && far < candidate.length / 2 && far < (best?.far ?? Number.POSITIVE_INFINITY)) {
      best = { word: candidate, far };
    }
  }
  return best === undefined ? '' : `; did you mean "${best.word}"?`;
}
