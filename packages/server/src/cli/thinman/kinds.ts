import { isObjectKind, OBJECT_KINDS, type ObjectKind } from '@thinman/protocol';
import { didYouMean } from '../../admin-plane/nearest.ts';
import { CommandError, EXIT } from './command-error.ts';

const KINDS = Object.keys(OBJECT_KINDS).filter(isObjectKind);

/** `User`, `user`, `users`, `policies`: the kind that is meant. */
export function objectKind(text: string): ObjectKind {
  const kind = find(text);
  if (kind !== undefined && kind !== 'Event') return kind;
  const known = [...KINDS];
  throw new CommandError(
    EXIT.misuse,
    `"${text}" is no kind of object${didYouMean(text, known) || `; kinds are ${known.join(', ')}`}`,
  );
}

/** The same, and `Event`, which can be read but not written. */
export function readableKind(text: string): ObjectKind | 'Event' {
  return find(text) === 'Event' ? 'Event' : objectKind(text);
}

function find(text: string): ObjectKind | 'Event' | undefined {
  const word = text.toLowerCase();
  return [...KINDS, 'Event' as const].find(kind => {
    const one = kind.toLowerCase();
    return word === one || word === `${one}s` || word === one.replace(/y$/, 'ies');
  });
}
