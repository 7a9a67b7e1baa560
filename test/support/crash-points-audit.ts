import Database from 'better-sqlite3';

type Row = Readonly<Record<string, unknown>>;

/** What is wrong in an embedded source of record, a sentence each: gaps, and tables that do not agree with each other. */
export function brokenRecord(path: string): string[] {
  return reading(path, all => {
    const [{ epoch, generation, commitId } = {}] = all('SELECT epoch, generation, commitId FROM site');
    const [{ commits, first, last } = {}] = all(
      'SELECT count(*) AS commits, min(generation) AS first, max(generation) AS last FROM commits WHERE epoch = ?',
      epoch,
    );
    const problems: string[] = [];
    if (first !== 1 || last !== generation || commits !== generation) {
      problems.push(`generation ${generation}, but ${commits} commits from ${first} to ${last}`);
    }
    const [{ commitId: newest } = {}] = all('SELECT commitId FROM commits WHERE generation = ?', generation);
    if (newest !== commitId) problems.push(`the site row names commit ${commitId}, the newest one is ${newest}`);
    for (const { kind, name } of all(
      `SELECT kind, name FROM objects o WHERE NOT EXISTS (SELECT 1 FROM history h WHERE h.kind = o.kind AND h.name = o.name
         AND h.generation = o.generation AND h.body IS CASE o.deleted WHEN 0 THEN o.body END AND h.system = o.system)`,
    )) {
      problems.push(`${kind}/${name} is not as its history says`);
    }
    for (const { kind, name, generation: at } of all(
      `SELECT kind, name, generation FROM history h WHERE NOT EXISTS
         (SELECT 1 FROM commits c WHERE c.generation = h.generation AND c.at = h.at AND c.actor = h.actor)
       UNION SELECT kind, name, max(generation) FROM history h GROUP BY kind, name HAVING max(generation) IS NOT
         (SELECT generation FROM objects o WHERE o.kind = h.kind AND o.name = h.name)`,
    )) {
      problems.push(`the history of ${kind}/${name} at ${at} has no commit or no object`);
    }
    for (const { origin, id } of all('SELECT origin, id FROM events GROUP BY origin, id HAVING count(*) > 1')) {
      problems.push(`the event ${id} of ${origin} is there more than once`);
    }
    return problems;
  });
}

/** Names of the living objects of a kind. */
export function namesIn(path: string, kind: string): ReadonlySet<string> {
  const rows = reading(path, all => all('SELECT name FROM objects WHERE kind = ? AND deleted = 0', kind));
  return new Set(rows.map(({ name }) => String(name)));
}

/** What a replica has otherwise than its source of record, to the byte. */
export function replicaDifferences(record: string, replica: string): string[] {
  const objects = 'SELECT kind, name, uid, generation, body, system, deleted FROM objects ORDER BY kind, name';
  const site = 'SELECT siteId, epoch, generation, commitId FROM site';
  const linesOf = (path: string) =>
    reading(path, all => [...all(site), ...all(objects)].map(row => JSON.stringify(row)));
  const [there, here] = [linesOf(record), linesOf(replica)];
  const without = (lines: readonly string[], others: readonly string[]) => {
    const known = new Set(others);
    return lines.filter(line => !known.has(line));
  };
  return [...without(there, here).map(line => `lacks ${line}`), ...without(here, there).map(line => `has ${line}`)];
}

function reading<T>(path: string, work: (all: (sql: string, ...values: unknown[]) => readonly Row[]) => T): T {
  const db = new Database(path, { readonly: true });
  try {
    return db.transaction(() => work((sql, ...values) => db.prepare<unknown[], Row>(sql).all(...values)))();
  } finally {
    db.close();
  }
}
