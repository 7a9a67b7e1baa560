/** What the parts of a server ask of each other, as types alone; one room a subject. */
export type { LoginBeginAnswer } from '@thinman/protocol';
export type * from './ports/identity.ts';
export type * from './ports/journal.ts';
export type * from './ports/objects.ts';
export type * from './ports/record.ts';
