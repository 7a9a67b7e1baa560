import Type, { type TSchema } from 'typebox';
import { closed } from './shape.ts';

/** What stands in a body where a secret is held: given out, and taken back as "leave it as it is". */
export const SECRET_IS_SET = { secret: 'set' } as const;

/** The marker in a schema. */
const MARK = { secret: true } as const;

/**
 * A field whose value servers keep sealed under the site data key, and never give back. To stand at the top of a body, or in a
 * setting: what is sealed is bound to kind, name and field.
 */
export function secret(options: { readonly maxLength: number; readonly minLength?: number }) {
  return Type.Union([Type.String(options), closed({ secret: Type.Literal('set') })], MARK);
}

/** Whether a schema is marked. */
export function isSecret(schema: TSchema): boolean {
  return 'secret' in schema && schema.secret === MARK.secret;
}
