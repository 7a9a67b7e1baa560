import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Loss, lossOf } from '../core/losses.ts';
import type { Replica, StoredObject } from '../ports.ts';

/** Objects compared in one turn of the event loop: some ten milliseconds. */
const PAGE_SIZE = 500;

const keyOf = ({ kind, name }: Pick<StoredObject, 'kind' | 'name'>) => `${kind}/${name}`;

/** What the replica has, and `state` (all objects of a source of record) has not, or otherwise. In the order of kinds and names. */
export async function findLosses(
  replica: Pick<Replica, 'page'>,
  state: readonly StoredObject[],
): Promise<readonly Loss[]> {
  const theirs = new Map(state.map(object => [keyOf(object), object]));
  return collect(replica, mine => lossOf(mine, theirs.get(keyOf(mine))));
}

/**
 * All that was touched after a generation, where nobody can be asked what became of it but for its servers: `isServer` knows who
 * is one.
 */
export function findTouched(
  replica: Pick<Replica, 'page'>,
  generation: number,
  isServer: (server: StoredObject) => boolean,
): Promise<readonly Loss[]> {
  return collect(replica, mine => {
    // What remembers a revoked key alone (`device-keys.ts`) has no name that a person could use.
    if (mine.generation <= generation || mine.name.includes('#')) return undefined;
    if (mine.kind === 'Server' && !mine.deleted) return isServer(mine) ? undefined : 'missing';
    return lossOf(mine, undefined) ?? (mine.deleted ? 'deleted' : undefined);
  });
}

async function collect(replica: Pick<Replica, 'page'>, judge: (mine: StoredObject) => Loss['loss'] | undefined) {
  const losses: Loss[] = [];
  for (let page = replica.page(undefined, PAGE_SIZE); page.length > 0; page = replica.page(page.at(-1), PAGE_SIZE)) {
    for (const object of page) {
      const loss = judge(object);
      if (loss !== undefined) losses.push({ object, loss });
    }
    await nextTurn();
  }
  return losses;
}
