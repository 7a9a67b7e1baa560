import Type, { type Static } from 'typebox';
import { ObjectName, Sha256 } from '../names.ts';
import { closed, description } from './shape.ts';

/** A thin client. Made by enrolment; what an administrator may change of it. */
export const DeviceBody = closed({
  description,
  group: Type.Optional(ObjectName),
  /** A revoked device is refused (`device_revoked`) and erases what it holds of users. */
  revoked: Type.Optional(Type.Boolean()),
  attributes: Type.Optional(
    Type.Record(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,63}$' }), Type.String({ maxLength: 256 })),
  ),
});
export type DeviceBody = Static<typeof DeviceBody>;

/** What the server keeps of a device beside its body. The hash of its key *is* the device. */
export const DeviceSystem = Type.Object({
  keyHash: Sha256,
  certificateSerial: Type.String(),
  /** Unix milliseconds. */
  certificateExpiresAt: Type.Integer(),
  enrolledAt: Type.Integer(),
  enrolledBy: Type.String(),
  /** The CAs that it was given when it enrolled, the issuing one first. */
  caPins: Type.Optional(Type.Array(Sha256)),
});
export type DeviceSystem = Static<typeof DeviceSystem>;
