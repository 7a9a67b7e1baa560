import type { ReplicaPosition } from '../ports.ts';

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
  /** An administrator has decided against what they have, and hears no more of it: whoever may be a stolen one blocks nothing twice. */
  overrule(names: readonly string[]): void;
};

export function createSecondariesAhead(options: {
  /** Of the source of record. Rejects where it cannot be asked. */
  readonly lacks: (position: ReplicaPosition) => Promise<boolean>;
  /** Of this server. */
  readonly position: () => ReplicaPosition | undefined;
  readonly onChange: () => void;
}): SecondariesAhead {
  const { lacks, position: mine, onChange } = options;
  const held = new Map<string, Said>();
  let said = 0;
  const overruled = new Set<string>();

  const counts = ({ version }: ReplicaPosition) => version.epoch === mine()?.version.epoch;
  const any = () => [...held.values()].some(({ position, isAhead }) => isAhead && counts(position));

  async function look(name: string, position: ReplicaPosition): Promise<void> {
    const order = ++said;
    const before = held.get(name);
    const isSame = before?.position.commitId === position.commitId;
    if ((isSame && !before?.isAhead) || overruled.has(name)) return;
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
        overruled.add(name);
        held.delete(name);
      }
      onChange();
    },
  };
}
