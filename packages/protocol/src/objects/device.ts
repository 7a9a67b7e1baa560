import Type, { type Static } from 'typebox';
import { ObjectName, Sha256 } from '../names.ts';
import { Attributes, closed, description } from './shape.ts';

/** A thin client. Made by enrolment; what an administrator may change of it. */
export const DeviceBody = closed({
  description,
  group: Type.Optional(ObjectName),
  /** A revoked device is refused (`device_revoked`) and erases what it holds of users. */
  revoked: Type.Optional(Type.Boolean()),
  attributes: Type.Optional(Attributes),
});
export type DeviceBody = Static<typeof DeviceBody>;

/** What a device is, as it says itself, and where it was seen: what filters of assignments ask for. */
export const DeviceFacts = Type.Object({
  /** Vendor and product, as its firmware has them. */
  model: Type.Optional(Type.String({ maxLength: 128 })),
  /** Name and version of its system. */
  os: Type.Optional(Type.String({ maxLength: 128 })),
  /** From where the server saw it come. */
  address: Type.Optional(Type.String({ maxLength: 64 })),
});
export type DeviceFacts = Static<typeof DeviceFacts>;

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
  /** Written by the Primary, when a filter of the site would decide otherwise (ADR 0043). */
  facts: Type.Optional(DeviceFacts),
  /** The last wish that it forget all users. `number` (Unix ms of the wish, or one more than the number before) is in its bundle. */
  wipe: Type.Optional(Type.Object({ number: Type.Integer({ minimum: 1 }), by: Type.String() })),
});
export type DeviceSystem = Static<typeof DeviceSystem>;
