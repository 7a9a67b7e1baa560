import { randomBytes } from 'node:crypto';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import type { RecordLab } from '../contract/source-of-record.ts';
import type { DatabaseServer } from './databases/database-server.ts';
import { manualClock } from './manual-clock.ts';

/** Of the accounts that labs make: one that may do what the Primary's must, one that may read. */
export const PRIMARY_ACCOUNT = { user: 'thinman', password: 'p@ss/word:1' } as const;
export const SECONDARY_ACCOUNT = { user: 'thinman_ro', password: 'read-only' } as const;

export type DatabaseLab = RecordLab & {
  readonly database: string;
  url(readOnly?: boolean): string;
  /** On its database, as root. */
  sql(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
};

/** Accounts for both roles, on databases whose names begin with `lab_`. */
export async function makeAccounts({ rootScript }: DatabaseServer): Promise<void> {
  const { user: primary, password } = PRIMARY_ACCOUNT;
  const { user: secondary, password: readPassword } = SECONDARY_ACCOUNT;
  await rootScript(`
    CREATE USER '${primary}'@'%' IDENTIFIED BY '${password}';
    GRANT CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE ON \`lab\\_%\`.* TO '${primary}'@'%';
    CREATE USER '${secondary}'@'%' IDENTIFIED BY '${readPassword}';
    GRANT SELECT ON \`lab\\_%\`.* TO '${secondary}'@'%';
  `);
}

/** A source of record in a database of its own, on a server that several labs share one after the other. */
export async function databaseLab(server: DatabaseServer, away: 'killed' | 'frozen' = 'killed'): Promise<DatabaseLab> {
  const database = `lab_${randomBytes(6).toString('hex')}`;
  const backup = `${database}_backup`;
  const clock = manualClock();
  const sql = (text: string) => server.rootQuery(text.replaceAll('$', `\`${database}\``));
  const tables = async () =>
    (
      await server.rootQuery('SELECT table_name AS called FROM information_schema.tables WHERE table_schema = ?', [
        database,
      ])
    ).map(({ called }) => String(called));
  await sql('CREATE DATABASE $');
  const url = (readOnly = false) => {
    const { user, password } = readOnly ? SECONDARY_ACCOUNT : PRIMARY_ACCOUNT;
    return server.url(user, password, database);
  };

  return {
    database,
    url,
    sql,
    open: options => openSourceOfRecord(url(options?.readOnly), { ...options, dataDir: server.folder, clock }),
    takeAway: () => (away === 'killed' ? server.kill() : server.freeze()),
    bringBack: () => (away === 'killed' ? server.restart() : server.thaw()),
    async backUp() {
      await sql(`CREATE DATABASE ${backup}`);
      for (const table of await tables()) {
        await sql(`CREATE TABLE ${backup}.${table} LIKE $.${table}`);
        await sql(`INSERT INTO ${backup}.${table} SELECT * FROM $.${table}`);
      }
    },
    async restore() {
      for (const table of await tables()) {
        await sql(`DELETE FROM $.${table}`);
        await sql(`INSERT INTO $.${table} SELECT * FROM ${backup}.${table}`);
      }
    },
    async alterSite(values) {
      for (const [column, value] of Object.entries(values))
        await server.rootQuery(`UPDATE \`${database}\`.site SET \`${column}\` = ?`, [value]);
    },
    async quarantined() {
      return (await sql('SELECT eventId FROM $.event_quarantine')).map(({ eventId }) => String(eventId));
    },
    async remove() {
      if (!server.isRunning()) await server.restart();
      else if (away === 'frozen') server.thaw();
      await sql('DROP DATABASE $');
      await sql(`DROP DATABASE IF EXISTS ${backup}`);
    },
  };
}
