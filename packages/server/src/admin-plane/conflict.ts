import type { Conflict, ObjectKind } from '@thinman/protocol';
import type { StoredObject } from '../ports.ts';
import { withoutSecrets } from './secrets.ts';

/** Conflicts shown with both bodies; the mistakes name them all. */
export const MAX_CONFLICTS_SHOWN = 20;

/** Both versions of an object that changed after it was read. `body` undefined: it was to be deleted. */
export function conflictOf(
  yours: {
    readonly kind: ObjectKind;
    readonly name: string;
    readonly generation: number;
    readonly body?: Readonly<Record<string, unknown>>;
    readonly index?: number;
  },
  stored: StoredObject | undefined,
): Conflict {
  const { kind, name, generation, body, index } = yours;
  return {
    kind,
    name,
    ...(index === undefined ? {} : { index }),
    yours: body === undefined ? null : { generation, body: shown(kind, body) },
    current: stored === undefined ? null : { generation: stored.generation, body: shown(kind, stored.body) },
  };
}

function shown(kind: ObjectKind, body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { password: _password, ...rest } = withoutSecrets(kind, body);
  return rest;
}
