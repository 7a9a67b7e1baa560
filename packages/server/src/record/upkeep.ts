import type { Feed } from '../ports.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import { DatabaseUnavailable } from './errors.ts';
import { MIGRATIONS, type Migrated, type MigrateOptions, migrate } from './migrations/index.ts';
import { SCHEMA } from './schema.ts';

/** What a server has to say about the schema that it finds. */
export type SchemaNews =
  /** It has brought it up. */
  | ({ readonly kind: 'migrated' } & Migrated)
  /** It works with it, and writes another one. */
  | { readonly kind: 'older' | 'newer'; readonly found: number; readonly writes: number };

/** Brings the schema up for a server that may, and says what it finds. */
export type Upkeep = {
  /** Before anything is written: the schema is this build's, if this server is the Primary. */
  toWrite(): Promise<void>;
  /** The same for whoever makes himself the Primary with what comes next. */
  toTakeOver(): Promise<void>;
  /** Waits for no migration where it can read what is there. Throws what the last migration has failed with. */
  whileReading(read: () => Promise<Feed>): Promise<Feed>;
  /** A site has just been made here. */
  made(): void;
};

export type UpkeepOptions = MigrateOptions & { readonly onNews?: (news: SchemaNews) => void };

/** `instance`: whose migrations are done, while the site row names it as the Primary; undefined: nobody's. */
export function createUpkeep(dialect: RecordDialect, options: UpkeepOptions): Upkeep {
  const { instance, migrations = MIGRATIONS, onNews = () => {} } = options;
  const writes = migrations.at(-1)?.number ?? SCHEMA;
  let upToDate = false;
  let running: Promise<void> | undefined;
  let failure: unknown;
  let told: number | undefined;

  async function bringUp(only: Pick<MigrateOptions, 'instance'>): Promise<void> {
    try {
      const migrated = await migrate(dialect, { ...only, migrations });
      if (migrated !== undefined) onNews({ kind: 'migrated', ...migrated });
      upToDate = true;
      failure = undefined;
    } catch (error) {
      failure = error;
      throw error;
    }
  }

  async function toWrite(): Promise<void> {
    if (instance === undefined || upToDate) return;
    running ??= bringUp({ instance }).finally(() => {
      running = undefined;
    });
    return running;
  }

  function tell(found: number): void {
    if (found === told) return;
    told = found;
    if (found !== writes) onNews({ kind: found < writes ? 'older' : 'newer', found, writes });
  }

  /** Any day a backup of an older schema may be put back. */
  function saw(found: number): void {
    if (instance === undefined || found >= writes) return tell(found);
    upToDate = false;
    // How it went is seen by the next read.
    toWrite().catch(() => {});
  }

  return {
    toWrite,
    async toTakeOver() {
      await running?.catch(() => {});
      await bringUp({});
    },
    async whileReading(read) {
      const feed = await read().catch(async error => {
        const isOlder = error instanceof DatabaseUnavailable && error.trouble === 'older_schema';
        if (!isOlder || instance === undefined) throw error;
        upToDate = false;
        await toWrite();
        return read();
      });
      const failed = failure;
      saw(feed.site.schema);
      if (failed !== undefined && feed.site.schema < writes) throw failed;
      return feed;
    },
    made() {
      upToDate = true;
    },
  };
}
