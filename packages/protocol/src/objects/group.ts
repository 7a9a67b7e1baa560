import Type, { type Static } from 'typebox';
import { ObjectName } from '../names.ts';
import { closed, description } from './shape.ts';

/** A device group; groups form a tree by `parent`. */
export const DeviceGroupBody = closed({ description, parent: Type.Optional(ObjectName) });
export type DeviceGroupBody = Static<typeof DeviceGroupBody>;

/** A user group; groups nest by `parent` (the outer group). */
export const UserGroupBody = closed({ description, parent: Type.Optional(ObjectName) });
export type UserGroupBody = Static<typeof UserGroupBody>;
