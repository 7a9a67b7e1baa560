/** One leaf of a body: its dotted path and its value as JSON. Empty objects and lists are leaves too. */
function leaves(value: unknown, path = ''): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length === 0) return path === '' ? found : new Map([[path, JSON.stringify(value)]]);
  for (const [key, inner] of entries) {
    for (const leaf of leaves(inner, path === '' ? key : `${path}.${key}`)) found.set(...leaf);
  }
  return found;
}

/** What differs between two bodies, a line each: `- power.screenOffAfterMinutes: 10`, `+ power.screenOffAfterMinutes: 7`. */
export function bodyDifference(before: unknown, after: unknown): readonly string[] {
  const was = leaves(before);
  const is = leaves(after);
  return [...new Set([...was.keys(), ...is.keys()])]
    .toSorted()
    .filter(path => was.get(path) !== is.get(path))
    .flatMap(path => [
      ...(was.has(path) ? [`- ${path}: ${was.get(path)}`] : []),
      ...(is.has(path) ? [`+ ${path}: ${is.get(path)}`] : []),
    ]);
}
