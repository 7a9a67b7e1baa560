import type { Migration } from './migration.ts';

/** Characters that keys have room for: above what `protocol` lets through, below InnoDB's 3,072 bytes an index. */
const UUID_CHARS = 36;
const KIND_CHARS = 64;
const NAME_CHARS = 190;
const ORIGIN_CHARS = 200;
const ACTOR_CHARS = 256;

export const initial: Migration = {
  number: 1,
  async up(db, { types, table }) {
    const uuid = types.key(UUID_CHARS);
    const kind = types.key(KIND_CHARS);
    const name = types.key(NAME_CHARS);
    const actor = types.key(ACTOR_CHARS);
    const origin = types.key(ORIGIN_CHARS);
    const { integer, text } = types;
    const create = (called: string) => db.schema.createTable(called).ifNotExists();
    const index = (called: string) => db.schema.createIndex(called).ifNotExists();

    await table(
      create('site')
        .addColumn('id', integer, column => column.primaryKey())
        .addColumn('siteId', uuid, column => column.notNull())
        .addColumn('epoch', integer, column => column.notNull())
        .addColumn('generation', integer, column => column.notNull())
        .addColumn('commitId', uuid, column => column.notNull())
        .addColumn('primaryInstance', name, column => column.notNull())
        .addColumn('compactedGeneration', integer, column => column.notNull())
        .addColumn('schema', integer, column => column.notNull())
        .addColumn('statement', text, column => column.notNull())
        .addColumn('caCertificates', text, column => column.notNull())
        .addColumn('wrappedCaKey', text, column => column.notNull()),
    ).execute();

    await table(
      create('heartbeat')
        .addColumn('id', integer, column => column.primaryKey())
        .addColumn('instance', name, column => column.notNull())
        .addColumn('beat', integer, column => column.notNull())
        .addColumn('at', integer, column => column.notNull()),
    ).execute();

    await table(
      create('commits')
        .addColumn('epoch', integer, column => column.notNull())
        .addColumn('generation', integer, column => column.notNull())
        .addColumn('commitId', uuid, column => column.notNull())
        .addColumn('at', integer, column => column.notNull())
        .addColumn('actor', actor, column => column.notNull())
        .addColumn('summary', text, column => column.notNull())
        .addPrimaryKeyConstraint('commits_pk', ['epoch', 'generation']),
    ).execute();

    await table(
      create('objects')
        .addColumn('kind', kind, column => column.notNull())
        .addColumn('name', name, column => column.notNull())
        .addColumn('uid', uuid, column => column.notNull())
        .addColumn('generation', integer, column => column.notNull())
        .addColumn('body', text, column => column.notNull())
        .addColumn('system', text, column => column.notNull())
        .addColumn('deleted', integer, column => column.notNull())
        .addColumn('deletedAtMs', integer)
        .addPrimaryKeyConstraint('objects_pk', ['kind', 'name']),
    ).execute();
    await index('objects_by_generation').on('objects').column('generation').execute();

    await table(
      create('history')
        .addColumn('kind', kind, column => column.notNull())
        .addColumn('name', name, column => column.notNull())
        .addColumn('epoch', integer, column => column.notNull())
        .addColumn('generation', integer, column => column.notNull())
        .addColumn('at', integer, column => column.notNull())
        .addColumn('actor', actor, column => column.notNull())
        .addColumn('body', text)
        .addColumn('system', text, column => column.notNull())
        .addPrimaryKeyConstraint('history_pk', ['kind', 'name', 'epoch', 'generation']),
    ).execute();

    // Clustered by arrival, not by random ids: inserts go to the end, and a page of the newest is one range.
    await table(
      create('events')
        .addColumn('sequence', integer, column => column.primaryKey().autoIncrement())
        .addColumn('origin', origin, column => column.notNull())
        .addColumn('id', uuid, column => column.notNull())
        .addColumn('type', kind, column => column.notNull())
        .addColumn('at', integer, column => column.notNull())
        .addColumn('user', actor)
        .addColumn('data', text, column => column.notNull())
        .addColumn('takenBy', name, column => column.notNull())
        .addColumn('takenAt', integer, column => column.notNull())
        .addUniqueConstraint('events_once', ['origin', 'id']),
    ).execute();
    await index('events_by_type').on('events').columns(['type', 'sequence']).execute();
    await index('events_by_user').on('events').columns(['user', 'sequence']).execute();

    await table(
      create('event_quarantine')
        .addColumn('sequence', integer, column => column.primaryKey().autoIncrement())
        .addColumn('origin', origin, column => column.notNull())
        .addColumn('eventId', actor, column => column.notNull())
        .addColumn('at', integer, column => column.notNull())
        .addColumn('reason', kind, column => column.notNull())
        .addColumn('event', text, column => column.notNull())
        .addUniqueConstraint('event_quarantine_once', ['origin', 'eventId']),
    ).execute();
  },
};
