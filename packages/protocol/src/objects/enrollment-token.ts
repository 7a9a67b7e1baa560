import Type, { type Static } from 'typebox';
import { ObjectName, Sha256, Uuid } from '../names.ts';
import { closed, description, HttpsUrl, Moment } from './shape.ts';

/** A token that lets devices enrol, or one server join. Made by `thinman token`; only the secret's hash is stored. */
export const EnrollmentTokenBody = closed({
  description,
  purpose: Type.Union([Type.Literal('device'), Type.Literal('server')]),
  /** Devices: the group that they are put in. */
  group: Type.Optional(ObjectName),
  /** Re-enrolment: the device whose place is taken. For people; what counts is `deviceUid`. */
  device: Type.Optional(ObjectName),
  /** How many enrolments it is good for. */
  uses: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
  expiresAt: Moment,
  /** Servers: the name and the URL that the token is bound to. */
  serverName: Type.Optional(ObjectName),
  serverUrl: Type.Optional(HttpsUrl),
});
export type EnrollmentTokenBody = Static<typeof EnrollmentTokenBody>;

/** What servers keep of a token: never the secret. */
export const EnrollmentTokenSystem = Type.Object({
  secretHash: Sha256,
  used: Type.Integer({ minimum: 0 }),
  /** This token makes no device: it gives this one a new key. */
  deviceUid: Type.Optional(Uuid),
});
export type EnrollmentTokenSystem = Static<typeof EnrollmentTokenSystem>;
