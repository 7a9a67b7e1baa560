/**
 * The circle that `start` is on when one goes from parent to parent, `start` first and last (`a, b, a`); undefined when
 * the way up ends, or runs into a circle without `start`.
 *
 * `clear`: names that are on no circle, added to; for who asks of many, so that each way is gone once.
 */
export function circleOf(
  start: string,
  parentOf: (name: string) => string | undefined,
  clear: Set<string> = new Set(),
): readonly string[] | undefined {
  if (clear.has(start)) return undefined;
  const way = [start];
  const seen = new Set(way);
  let parent = parentOf(start);
  for (; parent !== undefined && !clear.has(parent) && !seen.has(parent); parent = parentOf(parent)) {
    seen.add(parent);
    way.push(parent);
  }
  if (parent === start) return [...way, start];
  // Those before the circle, if there is one, are on none.
  const onCircle = parent !== undefined && seen.has(parent) ? way.indexOf(parent) : way.length;
  for (const name of way.slice(0, onCircle)) clear.add(name);
  return undefined;
}
