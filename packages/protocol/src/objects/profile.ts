import Type, { type Static } from 'typebox';
import { Connection } from './connections/index.ts';
import { closed, description } from './shape.ts';

export * from './connections/index.ts';

/** Connections by name: a stronger level's connection replaces a weaker one's of the same name, whole. */
export const ProfileBody = closed({ description, connections: Type.Array(Connection, { maxItems: 200 }) });
export type ProfileBody = Static<typeof ProfileBody>;

/** What is deployed. */
export const EffectiveProfile = Type.Object({ connections: Type.Array(Connection) });
export type EffectiveProfile = Static<typeof EffectiveProfile>;
