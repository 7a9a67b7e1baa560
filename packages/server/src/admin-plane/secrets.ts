import { type ObjectKind, replaceAt, SECRET_IS_SET, secretsIn, valueAt } from '@thinman/protocol';
import { contextIn } from '../core/sealed.ts';
import type { SiteDataKey, StoredObject } from '../ports.ts';

export type Sealer = Pick<SiteDataKey, 'seal' | 'open'>;

export type SecretsTaken = {
  /** The body as it is stored: no secret in it. */
  readonly body: Readonly<Record<string, unknown>>;
  /** `system.secrets`: sealed values by field. The very text that is stored where nothing differs. */
  readonly secrets: Readonly<Record<string, string>> | undefined;
  /** Fields that say `secret: set` where none is held. */
  readonly missing: readonly string[];
};

/** A body as it may be shown: a secret says that it is there. */
export function withoutSecrets(kind: ObjectKind, body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return secretsIn(kind, body).reduce((shown, { path }) => put(shown, path, SECRET_IS_SET), { ...body });
}

/**
 * Takes the secrets out of a body, sealed; keeps what is stored where the same is given again. `elsewhere`: what the policy of a
 * rollout holds; what the rollout's new body says of it stays there.
 */
export function takeSecrets(
  input: { readonly kind: ObjectKind; readonly name: string; readonly body: Readonly<Record<string, unknown>> },
  stored: StoredObject | undefined,
  sealer: Sealer,
  elsewhere: Readonly<Record<string, unknown>> = {},
): SecretsTaken {
  const places = secretsIn(input.kind, input.body);
  const held = isOfAnother(input, stored) ? {} : ((stored?.system.secrets ?? {}) as Readonly<Record<string, string>>);
  const secrets: Record<string, string> = {};
  const missing: string[] = [];
  let body: Record<string, unknown> = { ...input.body };
  for (const { field, path } of places) {
    const given = valueAt(input.body, path);
    const sealed = Object.hasOwn(held, field) ? held[field] : undefined;
    const context = contextIn(input.kind, input.name, input.body, field);
    body = put(body, path, SECRET_IS_SET);
    if (typeof given === 'string') {
      const same = sealed !== undefined && opens(sealer, sealed, context) === given;
      secrets[field] = same ? sealed : sealer.seal(given, context);
    } else if (sealed !== undefined) secrets[field] = sealed;
    else if (!Object.hasOwn(elsewhere, field)) missing.push(path.join('.'));
  }
  return { body, secrets: places.length > 0 ? secrets : undefined, missing };
}

/** A rollout that is to change another policy: what it holds is sealed for the one of before. */
export function isOfAnother(
  { kind, name, body }: Parameters<typeof takeSecrets>[0],
  stored: StoredObject | undefined,
): boolean {
  return stored !== undefined && contextIn(kind, name, body, '') !== contextIn(kind, name, stored.body, '');
}

/** `system` for a body of the past: its secrets as they are now, else as they were then, and none that it does not name. */
export function secretsFor(
  kind: ObjectKind,
  body: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
  then: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, unknown>> {
  const fields = secretsIn(kind, body).map(({ field }) => field);
  const { secrets: held, ...system } = now;
  if (fields.length === 0) return system;
  const known = { ...(then?.secrets as object | undefined), ...(held as object | undefined) } as Record<
    string,
    unknown
  >;
  return { ...system, secrets: Object.fromEntries(fields.map(field => [field, known[field]])) };
}

function put(body: Record<string, unknown>, path: readonly (string | number)[], value: unknown) {
  return replaceAt(body, path, () => value) as Record<string, unknown>;
}

/** undefined under another data key (one was made anew): then the value given replaces it. */
function opens(sealer: Sealer, sealed: string, context: string): string | undefined {
  try {
    return sealer.open(sealed, context);
  } catch {
    return undefined;
  }
}
