import { type ObjectKind, type RolloutSubject, replaceAt, SECRET_IS_SET, secretsIn, valueAt } from '@thinman/protocol';

/** Binds a sealed value to its place: it opens nowhere else. */
export function secretContext(kind: ObjectKind, name: string, field: string): string {
  return `${kind}/${name}/${field}`;
}

/**
 * The same for what stands in an object. Secrets of a rollout are sealed for the policy that gets them: they go where its body goes,
 * and nobody has to open them on the way.
 */
export function contextIn(kind: ObjectKind, name: string, body: Body, field: string): string {
  const policy = kind === 'Rollout' ? (body.of as RolloutSubject | undefined)?.policy : undefined;
  return policy === undefined ? secretContext(kind, name, field) : secretContext('Policy', policy, field);
}

/** `system` of what a rollout changes, with its new body: the secrets that this has, the rollout's before those that are held. */
export function systemWith(kind: ObjectKind, to: Body, system: Body, ofRollout: Body | undefined): Body {
  if (kind !== 'Policy') return system;
  const { secrets, ...others } = system;
  const known = { ...(secrets as Body | undefined), ...ofRollout };
  const wanted = secretsIn('Policy', to).filter(({ field }) => Object.hasOwn(known, field));
  if (wanted.length === 0) return others;
  return { ...others, secrets: Object.fromEntries(wanted.map(({ field }) => [field, known[field]])) };
}

/** A secret in a policy as resolution carries it: still sealed. */
export type SealedSecret = typeof SECRET_IS_SET & { readonly sealed: string; readonly context: string };

/** Opens a sealed text for its context; throws where it cannot. */
export type OpenSecrets = (sealed: string, context: string) => string;

type Body = Readonly<Record<string, unknown>>;

/** The body of a policy with its secrets beside their marks, so that they go where their setting goes. */
export function withSealed(name: string, body: Body, system: Body | undefined): Body {
  const held = system?.secrets as Readonly<Record<string, string>> | undefined;
  if (held === undefined) return body;
  return secretsIn('Policy', body).reduce<Body>((carried, { field, path }) => {
    const sealed = held[field];
    if (sealed === undefined || typeof valueAt(body, path) === 'string') return carried;
    const secret: SealedSecret = { ...SECRET_IS_SET, sealed, context: secretContext('Policy', name, field) };
    return replaceAt(carried, path, () => secret) as Body;
  }, body);
}

export const CANNOT_OPEN = Symbol('cannot open');

/** The value with its secrets open; CANNOT_OPEN where one of them stays shut. */
export function openSecrets(value: unknown, open: OpenSecrets): unknown {
  return replaceSecrets(value, ({ sealed, context }) => {
    try {
      return sealed === undefined || context === undefined ? CANNOT_OPEN : open(sealed, context);
    } catch {
      return CANNOT_OPEN;
    }
  });
}

/** The value as people may see it. */
export function hideSecrets(value: unknown): unknown {
  return replaceSecrets(value, () => SECRET_IS_SET);
}

function replaceSecrets(value: unknown, put: (secret: Partial<SealedSecret>) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('secret' in value && value.secret === SECRET_IS_SET.secret) return put(value as Partial<SealedSecret>);
  let changed = false;
  const entries: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    const found = replaceSecrets(inner, put);
    if (found === CANNOT_OPEN) return CANNOT_OPEN;
    changed ||= found !== inner;
    entries.push([key, found]);
  }
  if (!changed) return value;
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}
