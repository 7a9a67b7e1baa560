import { MAX_FRAME_BYTES, parseJson } from '@thinman/protocol';
import Type, { type Static, type TSchema } from 'typebox';

const OfSomeType = Type.Object({ type: Type.String() });

/** `newer`: of a type that this version does not have, from a server that was updated before: it may be left out. */
export type ReadFrame<T> =
  | { readonly kind: 'frame'; readonly frame: T }
  | { readonly kind: 'newer' }
  | { readonly kind: 'bad' };

/** One frame of the link. `types`: those of `schema`. */
export function readFrame<S extends TSchema>(
  schema: S,
  types: readonly Extract<Static<S>, { type: string }>['type'][],
  text: string,
): ReadFrame<Static<S>> {
  const parsed = parseJson(schema, text, MAX_FRAME_BYTES);
  if (parsed.ok) return { kind: 'frame', frame: parsed.value };
  const some = parseJson(OfSomeType, text, MAX_FRAME_BYTES);
  return some.ok && !types.some(type => type === some.value.type) ? { kind: 'newer' } : { kind: 'bad' };
}
