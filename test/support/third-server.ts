// FULL with three servers: a master, and two slaves that follow it, each with its Secondary.
import { join } from 'node:path';
import { type Replication, replicate, startDatabaseOf } from './databases/replication.ts';
import { type Full, surroundFull, urlOf } from './redundant-site.ts';

export type Three = Full & {
  /** What the second slave does; that of the first is `pair`. */
  readonly third: Replication;
  /** `--database` of the third server. */
  readonly thirdDatabase: string;
};

/** Starts the three databases in `folder`. */
export async function surroundThree(folder: string): Promise<Three> {
  await using unfinished = new AsyncDisposableStack();
  const full = unfinished.use(await surroundFull(folder));
  const slave = unfinished.use(
    await startDatabaseOf(full.pair.kind, { folder: join(folder, 'databases', 'third'), serverId: 3 }),
  );
  const third = await replicate(full.pair.master, slave);
  const owned = unfinished.move();
  return {
    ...full,
    third,
    thirdDatabase: urlOf(slave, 'secondary'),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
