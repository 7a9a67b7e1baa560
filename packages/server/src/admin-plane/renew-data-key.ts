import {
  canHaveSecrets,
  type DeleteAnswer,
  OBJECT_KINDS,
  type ObjectKind,
  type RolloutBody,
  type RolloutSystem,
  type ServerSystem,
  type Version,
} from '@thinman/protocol';
import { contextIn } from '../core/sealed.ts';
import type { CommitTransaction, SiteDataKey, StoredObject } from '../ports.ts';
import type { WriteDeps } from './admin-deps.ts';
import type { Touched } from './commit.ts';
import { dataKeyIn } from './data-key-in.ts';

export type Renewed = {
  /** What a removed server could read. */
  readonly secrets: NonNullable<DeleteAnswer['secretsToChange']>;
  readonly touched: readonly Touched[];
};

/**
 * A new data key, in the commit that removes a server: wrapped to those that are left, and every secret sealed anew. What the
 * removed one has seen it has seen: its secrets are named, to be changed where they come from.
 */
export async function renewDataKey(
  deps: Pick<WriteDeps, 'dataKey' | 'identity'>,
  transaction: CommitTransaction,
): Promise<Renewed> {
  const next = (await dataKeyIn(deps, transaction)).renewed();
  const touched: Touched[] = [];
  for (const { name, body, system } of await transaction.list('Server')) {
    const { wrappingKey } = system as ServerSystem;
    await transaction.put('Server', name, { ...body }, { ...system, wrappedDataKey: next.wrapFor(wrappingKey) });
    touched.push({ kind: 'Server', name, change: 'updated' });
  }
  const secrets: Renewed['secrets'] = [];
  /** Generations that policies had before, by name. Rollouts come after policies. */
  const resealed = new Map<string, number>();
  for (const kind of Object.keys(OBJECT_KINDS) as ObjectKind[]) {
    if (!canHaveSecrets(kind)) continue;
    for (const { name, body, system: before, generation } of await transaction.list(kind)) {
      const held = before.secrets as Readonly<Record<string, string>> | undefined;
      const system = kind === 'Rollout' ? goingOn({ body, system: before }, resealed, transaction.version) : before;
      if (held === undefined) {
        if (system === before) continue;
        await transaction.put(kind, name, { ...body }, { ...system });
        touched.push({ kind, name, change: 'updated' });
        continue;
      }
      if (kind === 'Policy') resealed.set(name, generation);
      for (const field of Object.keys(held)) secrets.push({ kind, name, field });
      const sealed = Object.entries(held).map(([field, text]) => [
        field,
        anew(next, text, contextIn(kind, name, body, field)),
      ]);
      await transaction.put(kind, name, { ...body }, { ...system, secrets: Object.fromEntries(sealed) });
      touched.push({ kind, name, change: 'updated' });
    }
  }
  return { secrets, touched };
}

/** Of a rollout whose policy is only sealed anew: to the rollout that is no change by somebody else, at which it would stop. */
function goingOn(
  { body, system }: Pick<StoredObject, 'body' | 'system'>,
  resealed: ReadonlyMap<string, number>,
  { generation }: Version,
): StoredObject['system'] {
  const { rollout } = system as { readonly rollout?: RolloutSystem };
  const { policy } = (body as RolloutBody).of;
  if (rollout === undefined || policy === undefined || resealed.get(policy) !== rollout.base) return system;
  return { ...system, rollout: { ...rollout, base: generation } };
}

/** One that no key opens stays as it is: it is named all the same, and whoever gives it anew mends it. */
function anew(next: SiteDataKey, sealed: string, context: string): string {
  try {
    return next.seal(next.open(sealed, context), context);
  } catch {
    return sealed;
  }
}
