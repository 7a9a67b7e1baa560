import Type, { type Static } from 'typebox';
import { DeviceBundle } from './bundle.ts';
import { Problem } from './errors.ts';
import { ThinmanEvent } from './events.ts';
import { MAX_EVENTS_PER_BATCH } from './limits.ts';
import { MAX_LOGIN_NAME_LENGTH, ObjectName, Uuid } from './names.ts';
import { DeviceFacts } from './objects/device.ts';
import { SignedStatement } from './statement.ts';
import { AgentMode, ServerState } from './status.ts';
import { Version } from './versioned.ts';

/** Path of the device's WebSocket. */
export const CHANNEL_PATH = '/v1/channel';

/** Why a server closes a channel (RFC 6455: codes of 4000-4999 are an application's own). */
export const CHANNEL_CLOSE = {
  /** One channel a device: a newer one has come. */
  replaced: { code: 4000, reason: 'another channel of this device' },
  revoked: { code: 4001, reason: 'revoked' },
  unknown: { code: 4002, reason: 'unknown' },
} as const;

/**
 * The state of one user who is cached on the device. Devices name users by id, never by name: an id is known only from a
 * granted login, so nobody can ask who exists.
 */
export const UserWord = Type.Object({
  userId: Uuid,
  state: Type.Union([Type.Literal('ok'), Type.Literal('disabled'), Type.Literal('deleted')]),
  /** 0 = has no password. Another one than the device's = the password was changed. */
  credentialVersion: Type.Integer({ minimum: 0 }),
  offlineAllowed: Type.Boolean(),
  /** As in `OfflineRules`: the cached login goes. */
  keep: Type.Optional(Type.Literal(false)),
  subject: Version,
});
export type UserWord = Static<typeof UserWord>;

/** The device's own bundle as it is now; or, when the device holds the same, up to which version that is current. */
export const HelloBundle = Type.Union([
  DeviceBundle,
  Type.Object({ unchanged: Type.Literal(true), etag: Type.String({ maxLength: 64 }), version: Version }),
]);
export type HelloBundle = Static<typeof HelloBundle>;

/** Nobody stays away longer. As the failback's spread: what such a site should be made of is said in sizing.md. */
export const MAX_CROWD_MS = 30_000;

/** Server → device. `hello` comes first, and again whenever something in it changes. */
export const ServerFrame = Type.Union([
  Type.Object({
    type: Type.Literal('hello'),
    server: ObjectName,
    state: ServerState,
    version: Version,
    statement: SignedStatement,
    /** PEM, while there are two: what the statement's `caPins` name. A certificate that they do not name is worth nothing. */
    caCertificates: Type.Optional(Type.Array(Type.String({ maxLength: 16_384 }), { maxItems: 4 })),
    /** Unix milliseconds. */
    serverTime: Type.Integer(),
    /** About the users that the device named in its own hello, or whose state has changed. */
    users: Type.Array(UserWord),
    /** In the answer to a hello that says what the device holds, unless the bundle is too large for a frame: then it is pulled. */
    bundle: Type.Optional(HelloBundle),
    /** It takes events in frames; a server of an earlier release takes them by `POST /v1/events` alone. */
    takesEvents: Type.Optional(Type.Literal(true)),
    /**
     * How long the devices of this site take to come to another server one after the other, in ms: one that loses this one, and on
     * which nobody waits for a login, comes at a random moment of it (ADR 0092). Absent: they are so few that all may come at once.
     */
    crowdMs: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_CROWD_MS })),
  }),
  /**
   * A bundle has changed: pull it, unless it is here. `userId` is absent when it is the device's own. `bundle`: only to a device that
   * has said what it holds, and never a user's, for which a session is asked.
   */
  Type.Object({
    type: Type.Literal('changed'),
    userId: Type.Optional(Uuid),
    version: Version,
    bundle: Type.Optional(DeviceBundle),
  }),
  Type.Object({
    type: Type.Literal('command'),
    id: Uuid,
    command: Type.String(),
    data: Type.Record(Type.String(), Type.Unknown()),
  }),
  /** A planned stop: move now if another server serves. */
  Type.Object({ type: Type.Literal('goaway') }),
  /** The device was revoked: it erases what it holds of users. */
  Type.Object({ type: Type.Literal('revoked'), subject: Version }),
  /** The answer to `events`, with the same id: what is on the server's disk now. */
  Type.Object({ type: Type.Literal('stored'), id: Uuid, stored: Type.Array(Uuid) }),
  /** The answer to `events` that were not taken. */
  Type.Object({ type: Type.Literal('refused'), id: Uuid, problem: Problem }),
]);
export type ServerFrame = Static<typeof ServerFrame>;

/** Users of one device, at most: of whom it says hello, and who could log in there without a server. */
export const MAX_USERS_PER_DEVICE = 1000;

/** A user who could log in on the device without a server, by what the device holds. */
export const OfflineUser = Type.Object({
  userId: Uuid,
  user: Type.String({ maxLength: MAX_LOGIN_NAME_LENGTH }),
  /** Unix milliseconds, to the minute. */
  until: Type.Integer(),
});
export type OfflineUser = Static<typeof OfflineUser>;

/** Device → server. `hello` comes first, and again whenever its list of cached users changes. */
export const DeviceFrame = Type.Union([
  Type.Object({
    type: Type.Literal('hello'),
    agentVersion: Type.String({ maxLength: 64 }),
    /** Ids of users with a cached login here, and of whoever works here. */
    users: Type.Array(Uuid, { maxItems: MAX_USERS_PER_DEVICE }),
    /** Version of the newest statement held, [epoch, version]; the server sends its own anyway. */
    statement: Type.Tuple([Type.Integer(), Type.Integer()]),
    /** ETag of the device's bundle that is held, empty for none: it may be told, and sent, in frames. */
    bundle: Type.Optional(Type.String({ maxLength: 64 })),
    /** What it is, for filters; its address the server sees itself. */
    facts: Type.Optional(Type.Object({ model: DeviceFacts.properties.model, os: DeviceFacts.properties.os })),
  }),
  Type.Object({
    type: Type.Literal('status'),
    mode: AgentMode,
    version: Version,
    /** loginId and user of the open session, and the ETag of the user's bundle that is held. */
    session: Type.Union([
      Type.Object({
        loginId: Uuid,
        userId: Uuid,
        bundle: Type.Optional(Type.String({ maxLength: 64 })),
        /** As the user's bundle has the name: of a directory's user a server that was started again knows none (ADR 0098). */
        user: Type.Optional(Type.String({ maxLength: MAX_LOGIN_NAME_LENGTH })),
      }),
      Type.Null(),
    ]),
    pendingEvents: Type.Integer({ minimum: 0 }),
    /** All of them; left out while they are those that this channel was told last. */
    offlineUsers: Type.Optional(Type.Array(OfflineUser, { maxItems: MAX_USERS_PER_DEVICE })),
    /** The newest `wipe` of its bundle that was done. */
    wiped: Type.Optional(Type.Integer({ minimum: 1 })),
  }),
  Type.Object({
    type: Type.Literal('ack'),
    id: Uuid,
    ok: Type.Boolean(),
    detail: Type.Optional(Type.String({ maxLength: 1024 })),
  }),
  /** What `POST /v1/events` takes, one batch at a time, to a server whose hello says that it takes them. */
  Type.Object({
    type: Type.Literal('events'),
    id: Uuid,
    events: Type.Array(ThinmanEvent, { minItems: 1, maxItems: MAX_EVENTS_PER_BATCH }),
  }),
]);
export type DeviceFrame = Static<typeof DeviceFrame>;
