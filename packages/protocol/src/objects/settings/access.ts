import Type, { type TSchema } from 'typebox';
import { ObjectName } from '../../names.ts';
import { LoginHours } from '../login-hours.ts';
import type { Section } from './setting.ts';

const orNull = <S extends TSchema>(schema: S) => Type.Union([Type.Null(), schema]);
const names = orNull(Type.Array(ObjectName, { maxItems: 1_000, uniqueItems: true }));

export const access: Section = {
  name: 'access',
  title: 'Who may log in, where and when',
  settings: [
    {
      key: 'access.hours',
      scope: 'both',
      merge: 'replace',
      schema: orNull(LoginHours),
      default: null,
      title: 'Login hours',
      help: 'When users may log in; null = always. Without `timeZone` by `locale.timeZone` of the device. A session that is open goes on.',
    },
    {
      key: 'access.users',
      scope: 'device',
      merge: 'replace',
      schema: names,
      default: null,
      title: 'Users of the device',
      help: 'Who may log in on the device, beside members of `access.userGroups`; null = everybody, if that is null too.',
    },
    {
      key: 'access.userGroups',
      scope: 'device',
      merge: 'replace',
      schema: names,
      default: null,
      title: 'User groups of the device',
      help: 'Members of these groups, and of groups inside them, may log in on the device; null = everybody, if `access.users` is null too.',
    },
    {
      key: 'access.devices',
      scope: 'user',
      merge: 'replace',
      schema: names,
      default: null,
      title: 'Devices of the user',
      help: 'Where the user may log in, beside devices of `access.deviceGroups`; null = everywhere, if that is null too.',
    },
    {
      key: 'access.deviceGroups',
      scope: 'user',
      merge: 'replace',
      schema: names,
      default: null,
      title: 'Device groups of the user',
      help: 'The user may log in on devices of these groups, and of groups inside them; null = everywhere, if `access.devices` is null too.',
    },
    {
      key: 'access.maxSessions',
      scope: 'user',
      merge: 'replace',
      schema: Type.Integer({ minimum: 0, maximum: 100 }),
      default: 0,
      title: 'Sessions at once',
      help: 'On so many devices a user may work at the same time; 0 = on any number. Best effort while servers do not see each other.',
    },
    {
      key: 'access.whenTooMany',
      scope: 'user',
      merge: 'replace',
      schema: Type.Union([Type.Literal('endOldest'), Type.Literal('refuse')]),
      default: 'endOldest',
      title: 'When there are too many',
      help: 'What a further login comes to: the oldest session ends, or the login is refused (`too_many_sessions`).',
    },
  ],
};
