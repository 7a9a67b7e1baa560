import Type, { type Static } from 'typebox';
import { MAX_EVENTS_PER_BATCH, MAX_UNIX_MS } from './limits.ts';
import { MAX_LOGIN_NAME_LENGTH, Uuid } from './names.ts';
import { closed } from './objects/shape.ts';
import { Version } from './versioned.ts';

/**
 * Events that a device makes.
 * - `login`: one a login; its id is the loginId. data: verdict, reason, mode, server, subject.
 * - `logout`, `session.ended` (by the device: reason), `session.proved` (a server vouches for an offline session: loginId, before,
 *   server, subject), `failover`, `failback` (from, to, why), `offline` (no server left), `online`.
 * - `alarm.tls` (a server's certificate or key was refused), `alarm.kdf`, `alarm.statement`.
 * - `alarm.secret` (kept, why): what seals the secret of the device does not give it back, or cannot seal it.
 * - `bundle.applied` (`BundleApplied`), `cache.damaged`, `events.lost` (how many could not be carried over),
 *   `certificate.renewed` (expiresAt), `trust.held` (while the CA is changed: caPins, issuer of the own certificate).
 * - `cache.wiped` (number, users): all users were forgotten, as an administrator wished (`device.wipe`); users: how many there were.
 * - `emergency.used` (hours), `emergency.refused` (triesLeft): a code by telephone was right, or not.
 */
export const DEVICE_EVENT_TYPES = [
  'login',
  'logout',
  'session.ended',
  'session.proved',
  'failover',
  'failback',
  'offline',
  'online',
  'alarm.tls',
  'alarm.kdf',
  'alarm.statement',
  'alarm.secret',
  'bundle.applied',
  'cache.damaged',
  'cache.wiped',
  'events.lost',
  'certificate.renewed',
  'trust.held',
  'emergency.used',
  'emergency.refused',
  'agent.started',
] as const;
/** A type of event that a device makes. */
export type DeviceEventType = (typeof DEVICE_EVENT_TYPES)[number];

/**
 * Events that a server makes.
 * - `login.answered`: id = UUIDv5(loginId, server). data: loginId, device, verdict, reason, subject.
 * - `device.unknown` (keyHash, certificate): a valid certificate without a Device. `device.approved` (device, keyHash), `device.replaced`
 *   (device, with, keyHash, revokedKeyHash), `site.rollback` (to), `rollout.changed` (rollout, state, stage, why), `assignment.activated` (assignment),
 *   `site.epoch.raised` (epoch, generation, from, why, actor, lost, file),
 *   `site.superseded` (epoch, generation, lost, file: of a Primary that hears of the promotion of another server).
 * - `device.enrolled`, `server.joined`, `server.started`, `server.state` (from, to, why), `server.stopped`,
 *   `certificate.renewed` (its own: expiresAt, issuer), `ca.changed` (phase, caPins, actor, forced).
 * - `device.cloned` (device): two agents use its identity at the same time.
 * - `admin.login`, `admin.commit` (generation, actor, what), `event.quarantined`.
 * - `journal.filling` (percent, pendingBytes, limitBytes), `journal.reserve` (state, bytes: what the full disk has left of it),
 *   `journal.bypassed` (why: events go straight to the source of record), `journal.resumed`.
 * - `device.wipe` (device, number, actor, epoch, generation): the device is to forget all users.
 * - `emergency.issued` (device, hours, actor): a code for an offline login was given out.
 */
export const SERVER_EVENT_TYPES = [
  'login.answered',
  'session.ended',
  'device.enrolled',
  'device.renewed',
  'device.unknown',
  'device.cloned',
  'device.approved',
  'device.replaced',
  'device.wipe',
  'site.rollback',
  'rollout.changed',
  'assignment.activated',
  'site.epoch.raised',
  'site.superseded',
  'server.joined',
  'server.started',
  'server.state',
  'server.stopped',
  'certificate.renewed',
  'ca.changed',
  'admin.login',
  'admin.commit',
  'event.quarantined',
  'journal.filling',
  'journal.reserve',
  'journal.bypassed',
  'journal.resumed',
  'emergency.issued',
] as const;
/** A type of event that a server makes. */
export type ServerEventType = (typeof SERVER_EVENT_TYPES)[number];

/** A fact, made where it happened, sent at least once, stored exactly once. */
export const ThinmanEvent = closed({
  id: Uuid,
  type: Type.String({ pattern: '^[a-z][a-z.]{0,63}$' }),
  /** Unix milliseconds by the clock of where it happened. */
  at: Type.Integer({ minimum: 0, maximum: MAX_UNIX_MS }),
  user: Type.Optional(Type.String({ maxLength: MAX_LOGIN_NAME_LENGTH })),
  data: Type.Record(Type.String({ maxLength: 64 }), Type.Unknown()),
});
export type ThinmanEvent = Static<typeof ThinmanEvent>;

/**
 * An event as servers hand it on. `origin` is authenticated (`device:NAME` or `server:NAME`) and belongs to the primary
 * key (origin, id): nobody can take another's id away.
 */
export const RecordedEvent = Type.Object({
  ...ThinmanEvent.properties,
  origin: Type.String({ maxLength: 200 }),
  /** Name of the server that took it. */
  takenBy: Type.String({ maxLength: 128 }),
  /** Unix milliseconds by that server's clock. */
  takenAt: Type.Integer({ minimum: 0, maximum: MAX_UNIX_MS }),
});
export type RecordedEvent = Static<typeof RecordedEvent>;

/** `POST /v1/events`. */
export const EventBatch = closed({ events: Type.Array(ThinmanEvent, { minItems: 1, maxItems: MAX_EVENTS_PER_BATCH }) });
export type EventBatch = Static<typeof EventBatch>;

/** `why` of a section that failed is cut to this many characters: a line for people, not a log. */
export const MAX_SECTION_WHY_LENGTH = 500;

/** What became of one section of a bundle on the device. */
export const SectionResult = Type.Union([
  Type.Object({ result: Type.Literal('applied') }),
  /** `why` is for people. */
  Type.Object({ result: Type.Literal('failed'), why: Type.String({ maxLength: MAX_SECTION_WHY_LENGTH }) }),
  /** Takes effect later. */
  Type.Object({
    result: Type.Literal('pending'),
    until: Type.Union([Type.Literal('reboot'), Type.Literal('logout')]),
  }),
]);
export type SectionResult = Static<typeof SectionResult>;

/** Sections of the catalogue of settings, `connections` and `files`, and what the device's own appliers are called. */
export const SectionResults = Type.Record(Type.String({ maxLength: 64 }), SectionResult);
export type SectionResults = Static<typeof SectionResults>;

/** `data` of the event `bundle.applied`: the bundle is on the device's disk, and was applied as `sections` tells. */
export const BundleApplied = Type.Object({
  which: Type.Union([Type.Literal('device'), Type.Literal('user')]),
  etag: Type.String({ maxLength: 64 }),
  version: Version,
  sections: Type.Optional(SectionResults),
});
export type BundleApplied = Static<typeof BundleApplied>;

/** Ids that are on the server's disk now: the device may forget them. */
export const EventBatchAnswer = Type.Object({ stored: Type.Array(Uuid) });
export type EventBatchAnswer = Static<typeof EventBatchAnswer>;
