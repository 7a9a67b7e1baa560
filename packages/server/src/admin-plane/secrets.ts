import { type ObjectKind, SECRET_IS_SET, secretFieldsOf } from '@thinman/protocol';
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
  const held = secretFieldsOf(kind).filter(field => body[field] !== undefined);
  return { ...body, ...Object.fromEntries(held.map(field => [field, SECRET_IS_SET])) };
}

/** Binds a sealed value to its place: it opens nowhere else. */
export function secretContext(kind: ObjectKind, name: string, field: string): string {
  return `${kind}/${name}/${field}`;
}

/** Takes the secrets out of a body, sealed; keeps what is stored where the same is given again. */
export function takeSecrets(
  input: { readonly kind: ObjectKind; readonly name: string; readonly body: Readonly<Record<string, unknown>> },
  stored: StoredObject | undefined,
  sealer: Sealer,
): SecretsTaken {
  const fields = secretFieldsOf(input.kind).filter(field => input.body[field] !== undefined);
  const held = (stored?.system.secrets ?? {}) as Readonly<Record<string, string>>;
  const body: Record<string, unknown> = { ...input.body };
  const secrets: Record<string, string> = {};
  const missing: string[] = [];
  for (const field of fields) {
    const given = body[field];
    const sealed = held[field];
    const context = secretContext(input.kind, input.name, field);
    body[field] = SECRET_IS_SET;
    if (typeof given === 'string') {
      const same = sealed !== undefined && opens(sealer, sealed, context) === given;
      secrets[field] = same ? sealed : sealer.seal(given, context);
    } else if (sealed === undefined) missing.push(field);
    else secrets[field] = sealed;
  }
  return { body, secrets: fields.length > 0 ? secrets : undefined, missing };
}

/** `system` for a body of the past: its secrets as they are now, else as they were then, and none that it does not name. */
export function secretsFor(
  kind: ObjectKind,
  body: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
  then: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, unknown>> {
  const fields = secretFieldsOf(kind).filter(field => body[field] !== undefined);
  const { secrets: held, ...system } = now;
  if (fields.length === 0) return system;
  const known = { ...(then?.secrets as object | undefined), ...(held as object | undefined) } as Record<
    string,
    unknown
  >;
  return { ...system, secrets: Object.fromEntries(fields.map(field => [field, known[field]])) };
}

/** undefined under another data key (one was made anew): then the value given replaces it. */
function opens(sealer: Sealer, sealed: string, context: string): string | undefined {
  try {
    return sealer.open(sealed, context);
  } catch {
    return undefined;
  }
}
