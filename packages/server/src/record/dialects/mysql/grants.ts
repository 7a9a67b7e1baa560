/** What SHOW GRANTS says of one database. */
export type Granted = {
  readonly rights: ReadonlySet<string>;
  /** Something stands there that this does not follow (roles, partial revokes): what is missing may be there all the same. */
  readonly unclear: boolean;
};

const ALL = 'ALL PRIVILEGES';

/** `lines`: SHOW GRANTS of the current user. */
export function grantedOn(lines: readonly string[], database: string): Granted {
  const rights = new Set<string>();
  let unclear = false;
  for (const line of lines) {
    const [, list, scope] = /^GRANT (.+?) ON (?:TABLE )?(\*|`(?:[^`]|``)+`)\.\* TO /.exec(line) ?? [];
    if (list === undefined || scope === undefined) {
      // What is on single tables, or for single columns, is too little anyway.
      unclear ||= !/^GRANT .+ ON /.test(line) && !line.startsWith('SET ');
      continue;
    }
    if (scope !== '*' && !fits(scope.slice(1, -1).replaceAll('``', '`'), database)) continue;
    for (const right of list.split(',')) rights.add(right.trim().toUpperCase());
  }
  return { rights, unclear };
}

export function lacking(needed: readonly string[], { rights, unclear }: Granted): readonly string[] {
  return unclear || rights.has(ALL) ? [] : needed.filter(right => !rights.has(right));
}

/** `%` and `_` stand for any characters, and for one, unless `\` stands before them. */
function fits(pattern: string, database: string): boolean {
  const expression = pattern.replaceAll(/\\(.)|([%_])|([^\w\\])/g, (_all, escaped, wildcard, other) => {
    if (wildcard !== undefined) return wildcard === '%' ? '.*' : '.';
    return `\\${escaped ?? other}`.replace(/^\\(?=\w)/, '');
  });
  return new RegExp(`^${expression}$`, 'i').test(database);
}
