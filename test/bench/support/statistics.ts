/** The value in the middle; of an even number, the mean of the two there. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** `percent` of the values are at or below it; between two values, in proportion. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** From the tenth to the ninetieth percentile, and of how many: what a busy moment did to a few is not in it. */
export function spreadOf(values: readonly number[], decimals = 1): string {
  const [low, high] = [percentile(values, 10), percentile(values, 90)].map(value => value.toFixed(decimals));
  return `${low}–${high} (n=${values.length})`;
}

/** Width of the middle half of a normal distribution, in standard deviations. */
const QUARTILES_APART = 1.349;
/** Standard error of a median, in standard errors of a mean. */
const MEDIAN_TO_MEAN = 1.253;

/** How far the median of such a sample lies from the true one, in 95 of 100 cases: two standard errors. */
export function medianError(values: readonly number[]): number {
  const deviation = (percentile(values, 75) - percentile(values, 25)) / QUARTILES_APART;
  return (2 * MEDIAN_TO_MEAN * deviation) / Math.sqrt(values.length);
}
