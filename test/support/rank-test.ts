/** z of a standard normal distribution that is exceeded on either side once in a million. */
const ONCE_IN_A_MILLION = 4.892;

/**
 * Whether two samples differ by more than `allowed`, either way: two one-sided Mann-Whitney tests, each against the other sample
 * moved by `allowed`, in the normal approximation (good from 20 values a sample on; here are hundreds). By ranks, so that a few
 * values that a busy machine made large weigh no more than others. `isSure`: where they do *not* differ by more, this is said once in a million
 * times.
 */
export function differsByMore(
  a: readonly number[],
  b: readonly number[],
  allowed: number,
): { readonly isSure: boolean; readonly z: number; readonly medians: readonly [number, number] } {
  const above = zOf(
    a,
    b.map(value => value + allowed),
  );
  const below = zOf(
    b,
    a.map(value => value + allowed),
  );
  const z = Math.max(above, below);
  return { isSure: z > ONCE_IN_A_MILLION, z, medians: [median(a), median(b)] };
}

/** How far the values of `a` stand above those of `b`, in standard deviations. */
function zOf(a: readonly number[], b: readonly number[]): number {
  const all = [...a.map(value => ({ value, ofA: true })), ...b.map(value => ({ value, ofA: false }))];
  all.sort((one, other) => one.value - other.value);
  let rankSum = 0;
  for (let from = 0; from < all.length; ) {
    let to = from;
    while (to < all.length && all[to]?.value === all[from]?.value) to += 1;
    // Equal values share the mean of their ranks.
    const rank = (from + 1 + to) / 2;
    for (let at = from; at < to; at++) if (all[at]?.ofA === true) rankSum += rank;
    from = to;
  }
  const u = rankSum - (a.length * (a.length + 1)) / 2;
  const mean = (a.length * b.length) / 2;
  const deviation = Math.sqrt((a.length * b.length * (a.length + b.length + 1)) / 12);
  return (u - mean) / deviation;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
