/**
 * The circle that `start` is on when one goes from parent to parent, `start` first and last (`a, b, a`); undefined when
 * the way up ends, or runs into a circle without `start`.
 */
export function circleOf(start: string, parentOf: (name: string) => string | undefined): readonly string[] | undefined {
  const way = [start];
  const seen = new Set(way);
  for (let parent = parentOf(start); parent !== undefined; parent = parentOf(parent)) {
    if (parent === start) return [...way, start];
    if (seen.has(parent)) return undefined;
    seen.add(parent);
    way.push(parent);
  }
  return undefined;
}
