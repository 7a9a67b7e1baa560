/**
 * A statement for each kind, with the kind in its text. With a parameter in its place SQLite reads and plans the text anew for every
 * execution (six times the price): an index of ours is of one kind alone, and whether that serves depends on the parameter.
 */
export function ofKind<S>(prepare: (quoted: string) => S): (kind: string) => S {
  const prepared = new Map<string, S>();
  return kind => {
    const known = prepared.get(kind);
    if (known !== undefined) return known;
    const made = prepare(`'${kind.replaceAll("'", "''")}'`);
    prepared.set(kind, made);
    return made;
  };
}
