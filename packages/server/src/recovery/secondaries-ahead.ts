import type { Clock, ReplicaPosition } from '../ports.ts';

/** Time for an administrator to remove a server that is not what it says. */
const OVERRULED_FOR_MS = 3_600_000;

export type KnownSecondary = { readonly name: string; readonly position: ReplicaPosition };

/** `order`: of what they have said. */
type Said = { readonly position: ReplicaPosition; readonly isAhead: boolean; readonly order: number };

/** Where the Secondaries stand, and who of them has commits that the source of record lacks: a Master that lost its last ones. */
export type SecondariesAhead = {
  /** Over the link. A commit that is known to be there is asked for once. */
  heard(name: string, position: ReplicaPosition): void;
  /** All that have said where they stand, linked or not. */
  known(): readonly KnownSecondary[];
  /** One of them at least has what the source of record lacks. */
  any(): boolean;
  /**
   * An administrator has decided against what they have, and hears no more of it: whoever may be a stolen one blocks nothing twice.
   * One that has followed the decision counts again an hour after it: by then a stolen one can have been removed.
   */
  overrule(names: readonly string[]): void;
};

export function createSecondariesAhead(options: {
  /** Of the source of record. Rejects where it cannot be asked. */
  readonly lacks: (position: ReplicaPosition) => Promise<boolean>;
  /** Of this server. */
  readonly position: () => ReplicaPosition | undefined;
  readonly onChange: () => void;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}): SecondariesAhead {
  const { lacks, position: mine, onChange, clock } = options;
  const held = new Map<string, Said>();
  let said = 0;
  /** Until when at least, by the monotonic clock. */
  const overruled = new Map<string, number>();

  const counts = ({ version }: ReplicaPosition) => version.epoch === mine()?.version.epoch;
  const any = () => [...held.values()].some(({ position, isAhead }) => isAhead && counts(position));

  /** It is no more once it stands where this server stands, and the time is over. */
  function isOverruled(name: string, { commitId }: ReplicaPosition): boolean {
    const untilMs = overruled.get(name);
    if (untilMs === undefined) return false;
    if (commitId !== mine()?.commitId || clock.monotonicMs() < untilMs) return true;
    overruled.delete(name);
    return false;
  }

  async function look(name: string, position: ReplicaPosition): Promise<void> {
    const order = ++said;
    const before = held.get(name);
    const isSame = before?.position.commitId === position.commitId;
    if (isSame && !before?.isAhead) return;
    if (isOverruled(name, position)) return;
    const isOurs = !counts(position) || position.commitId === mine()?.commitId;
    const isAhead = !isOurs && (await lacks(position).catch(() => isSame && before?.isAhead === true));
    // While the database was asked, it may have said more, or have been overruled.
    if ((held.get(name)?.order ?? 0) > order || overruled.has(name)) return;
    const was = any();
    held.set(name, { position, isAhead, order });
    if (any() !== was) onChange();
  }

  return {
    heard: (name, position) => void look(name, position),
    known: () => Array.from(held, ([name, { position }]) => ({ name, position })),
    any,
    overrule(names) {
      for (const name of names) {
        overruled.set(name, clock.monotonicMs() + OVERRULED_FOR_MS);
        held.delete(name);
      }
      onChange();
    },
  };
}
