import Type, { type Static } from 'typebox';
import { Base64Url, ObjectName, Uuid } from './names.ts';
import { FileHash } from './objects/file.ts';
import { LoginHours } from './objects/login-hours.ts';
import { EffectiveProfile } from './objects/profile.ts';
import { AgentTimings } from './timings.ts';
import { Version } from './versioned.ts';
import { WeekHours } from './week-hours.ts';

/** Rules for offline login of one user on one device, as the server last gave them. */
export const OfflineRules = Type.Object({
  allowed: Type.Boolean(),
  /** How long after the last online login, in milliseconds. */
  maxAgeMs: Type.Integer({ minimum: 0 }),
  /** How far the clock may stand before that login, in milliseconds. */
  graceMs: Type.Integer({ minimum: 0 }),
  /** Failures before the device makes the user wait … */
  maxFailures: Type.Integer({ minimum: 1 }),
  /** … first this long, then doubling. */
  waitMs: Type.Integer({ minimum: 0 }),
  /** When; left out: at any time. An agent of an earlier release knows no such rule. */
  hours: Type.Optional(LoginHours),
  /** What the user's directory says of the hours (ADR 0087): both must hold. An agent of an earlier release knows no such rule. */
  directoryHours: Type.Optional(WeekHours),
  /** Of an excluded group: nothing of this user stays on the device beyond the session. */
  keep: Type.Optional(Type.Literal(false)),
});
export type OfflineRules = Static<typeof OfflineRules>;

/** What holds where no administrator has said otherwise: finite everywhere (`failover.md`, "Offline login"). */
export const DEFAULT_OFFLINE_RULES: OfflineRules = {
  allowed: true,
  maxAgeMs: 7 * 24 * 60 * 60_000,
  graceMs: 5 * 60_000,
  maxFailures: 5,
  waitMs: 5 * 60_000,
};

/** Values of an effective policy by dotted key. */
export const EffectiveSettings = Type.Record(Type.String(), Type.Unknown());
export type EffectiveSettings = Static<typeof EffectiveSettings>;

/** A file that settings of a bundle name. `url`: where it lies, if the site does not hold it itself. */
export const BundleFile = Type.Object({
  name: ObjectName,
  sha256: FileHash,
  bytes: Type.Integer({ minimum: 0 }),
  url: Type.Optional(Type.String()),
});
export type BundleFile = Static<typeof BundleFile>;

/** `GET`: the content of a file that the site holds, by its hash; with `Range`. */
export const FILE_PATH = '/v1/files/';

/**
 * What a device stores of itself. `version` is the generation of the answering server's replica; `etag` hashes
 * everything but `version`, so that an unrelated commit changes nothing for anybody.
 */
export const DeviceBundle = Type.Object({
  version: Version,
  etag: Type.String({ maxLength: 64 }),
  device: Type.Object({ id: Uuid, name: ObjectName, group: Type.Union([ObjectName, Type.Null()]) }),
  settings: EffectiveSettings,
  /** Those that `settings` name. */
  files: Type.Optional(Type.Array(BundleFile)),
  /** Connections of the device itself. */
  profile: EffectiveProfile,
  timings: AgentTimings,
  /** Under which emergency codes for this device are made (ADR 0058); servers before it give none. */
  emergencyKey: Type.Optional(Base64Url(64)),
  /** An administrator's word that all users are to be forgotten here: its number, raised with each. Done once (ADR 0070). */
  wipe: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type DeviceBundle = Static<typeof DeviceBundle>;

/** What a device stores of one user on it, sealed. */
export const UserBundle = Type.Object({
  version: Version,
  etag: Type.String({ maxLength: 64 }),
  user: Type.Object({
    id: Uuid,
    name: ObjectName,
    displayName: Type.Union([Type.String(), Type.Null()]),
    groups: Type.Array(Type.String()),
  }),
  settings: EffectiveSettings,
  /** Those that `settings` name. */
  files: Type.Optional(Type.Array(BundleFile)),
  profile: EffectiveProfile,
  offline: OfflineRules,
});
export type UserBundle = Static<typeof UserBundle>;

/** Answer of `GET …/bundle` with 304: nothing changed up to this version. Sent as `epoch.generation`. */
export const VERSION_HEADER = 'thinman-version';

/** `epoch.generation`. */
export function formatVersion(version: Version): string {
  return `${version.epoch}.${version.generation}`;
}

/** Reads `epoch.generation`; undefined: it is none. */
export function parseVersion(text: string): Version | undefined {
  const match = /^(\d{1,9})\.(\d{1,15})$/.exec(text);
  return match === null ? undefined : { epoch: Number(match[1]), generation: Number(match[2]) };
}
