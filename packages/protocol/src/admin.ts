import Type, { type Static, type TSchema } from 'typebox';
import { RecordedEvent, SectionResult } from './events.ts';
import { MAX_PASSWORD_LENGTH } from './limits.ts';
import { LoginName, ObjectName, Sha256 } from './names.ts';
import { FileHash } from './objects/file.ts';
import { RolloutSystem } from './objects/rollout.ts';
import { closed, HttpsUrl } from './objects/shape.ts';

/** An object as files and `apply` give it. `generation`, where given, must be the stored one (409 `conflict` else). */
export const ObjectInput = closed({
  kind: Type.String({ maxLength: 64 }),
  name: Type.String({ maxLength: 512 }),
  body: Type.Record(Type.String(), Type.Unknown()),
  generation: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Read-only; accepted back as it was given. */
  status: Type.Optional(Type.Unknown()),
});
export type ObjectInput = Static<typeof ObjectInput>;

/** An object as it is given out. `status` is what servers keep of it and people may see. */
export const ObjectOutput = Type.Object({
  kind: Type.String(),
  name: Type.String(),
  generation: Type.Integer(),
  body: Type.Record(Type.String(), Type.Unknown()),
  status: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
export type ObjectOutput = Static<typeof ObjectOutput>;

/** `POST /v1/admin/apply`. All or nothing, in one transaction. */
export const ApplyRequest = closed({
  objects: Type.Array(ObjectInput, { maxItems: 200_000 }),
  dryRun: Type.Optional(Type.Boolean()),
});
export type ApplyRequest = Static<typeof ApplyRequest>;

/** What an apply does to one object. */
export const ApplyChange = Type.Object({
  kind: Type.String(),
  name: Type.String(),
  change: Type.Union([Type.Literal('created'), Type.Literal('updated'), Type.Literal('unchanged')]),
});
export type ApplyChange = Static<typeof ApplyChange>;

/** `generation` is the commit's, or the current one when nothing differed. */
export const ApplyAnswer = Type.Object({
  epoch: Type.Integer(),
  generation: Type.Integer(),
  changes: Type.Array(ApplyChange),
  /** What is to be known of it all the same, for people; left out: nothing. */
  warnings: Type.Optional(Type.Array(Type.String())),
});
export type ApplyAnswer = Static<typeof ApplyAnswer>;

/** `GET /v1/admin/objects/:kind?limit&after`: pages by name. `next` is the `after` of the next page. */
export const ObjectPage = Type.Object({
  items: Type.Array(ObjectOutput),
  next: Type.Union([Type.String(), Type.Null()]),
});
export type ObjectPage = Static<typeof ObjectPage>;

/** `DELETE /v1/admin/objects/:kind/:name`: the version of the commit that left the tombstone. */
export const DeleteAnswer = Type.Object({
  epoch: Type.Integer(),
  generation: Type.Integer(),
  /** Of a server: the site's secrets, which it could read. They are to be changed where they come from, and here. */
  secretsToChange: Type.Optional(
    Type.Array(Type.Object({ kind: Type.String(), name: Type.String(), field: Type.String() })),
  ),
});
export type DeleteAnswer = Static<typeof DeleteAnswer>;

/** `POST /v1/admin/login` → an opaque session of this server. */
export const AdminLoginRequest = closed({
  user: ObjectName,
  password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
});
export type AdminLoginRequest = Static<typeof AdminLoginRequest>;
/** The opaque session, and when it ends in Unix ms. */
export const AdminLoginAnswer = Type.Object({ token: Type.String(), role: Type.String(), expiresAt: Type.Integer() });
export type AdminLoginAnswer = Static<typeof AdminLoginAnswer>;

/** `POST /v1/admin/tokens`, for thin clients. */
export const DeviceTokenRequest = closed({
  for: Type.Literal('device'),
  group: Type.Optional(ObjectName),
  uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  ttlMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: 366 * 24 * 3_600_000 })),
});
/** `POST /v1/admin/tokens`, for a thin client that is known and has lost its key (new disk, new machine). */
export const ReenrollTokenRequest = closed({
  for: Type.Literal('reenroll'),
  device: ObjectName,
  ttlMs: DeviceTokenRequest.properties.ttlMs,
});
/** `POST /v1/admin/tokens`, for one server that joins. */
export const ServerTokenRequest = closed({ for: Type.Literal('server'), name: ObjectName, url: HttpsUrl });
/** `POST /v1/admin/tokens`: which kind of token. */
export const TokenRequest = Type.Union([DeviceTokenRequest, ReenrollTokenRequest, ServerTokenRequest]);
export type TokenRequest = Static<typeof TokenRequest>;
/** The token: the one time that its secret is told. */
export const TokenAnswer = Type.Object({ token: Type.String(), name: Type.String(), expiresAt: Type.String() });
export type TokenAnswer = Static<typeof TokenAnswer>;

/** Where a value comes from. */
export const Origin = Type.Object({ kind: Type.String(), name: Type.String(), assignment: Type.String() });
export type Origin = Static<typeof Origin>;

/** `GET /v1/admin/effective?device&user`; `thinman effective -o json`. A contract. */
export const EffectiveAnswer = Type.Object({
  settings: Type.Record(
    Type.String(),
    Type.Object({
      value: Type.Unknown(),
      origin: Origin,
      enforced: Type.Boolean(),
      /** What would hold without this value comes first. */
      overrides: Type.Array(Type.Object({ value: Type.Unknown(), origin: Origin })),
      /** Lists that merge: what each policy gave to `value`, weakest first; `origin` is the last of them. */
      united: Type.Optional(Type.Array(Type.Object({ value: Type.Unknown(), origin: Origin }))),
      /** As the policy has it, where variables were filled in. */
      written: Type.Optional(Type.Unknown()),
      /** Why the device is not given it: a variable without a value. Then `value` is as written. */
      leftOut: Type.Optional(Type.String()),
    }),
  ),
  profile: Type.Object({
    connections: Type.Array(Type.Unknown()),
    /** By name of the connection. */
    origins: Type.Record(Type.String(), Origin),
    overrides: Type.Record(Type.String(), Type.Array(Type.Object({ value: Type.Unknown(), origin: Origin }))),
    /** Connections that the device is not given, by name, with the reason. */
    leftOut: Type.Optional(Type.Record(Type.String(), Type.String())),
  }),
});
export type EffectiveAnswer = Static<typeof EffectiveAnswer>;

/** `POST /v1/admin/effective`: what an apply of these objects would change; with a device, there alone. */
export const IfAppliedRequest = closed({
  objects: Type.Array(Type.Unknown(), { maxItems: 200_000 }),
  /** What would be deleted after that, in this order. */
  deleted: Type.Optional(Type.Array(closed({ kind: Type.String(), name: Type.String() }), { maxItems: 1_000 })),
  device: Type.Optional(Type.String()),
  user: Type.Optional(Type.String()),
});
export type IfAppliedRequest = Omit<Static<typeof IfAppliedRequest>, 'objects'> & {
  readonly objects: readonly unknown[];
};

/** One thing that a device is given, now and then; null: nothing. */
export const EffectiveChange = Type.Object({
  what: Type.Union([Type.Literal('setting'), Type.Literal('connection'), Type.Literal('offline')]),
  name: Type.String(),
  before: Type.Unknown(),
  after: Type.Unknown(),
});
export type EffectiveChange = Static<typeof EffectiveChange>;

/** Told one by one up to 200, and `more` that are not; `affected` counts all, of so many that there are. */
const affected = <S extends TSchema>(item: S) =>
  Type.Object({
    affected: Type.Integer(),
    of: Type.Integer(),
    items: Type.Array(item),
    more: Type.Optional(Type.Integer()),
  });

/** `thinman effective --if-applied`: what would change, where, before it is done. */
export const IfAppliedAnswer = Type.Object({
  changes: Type.Array(
    Type.Object({
      ...ApplyChange.properties,
      change: Type.Union([ApplyChange.properties.change, Type.Literal('deleted')]),
    }),
  ),
  devices: affected(Type.Object({ device: Type.String(), changes: Type.Array(EffectiveChange) })),
  users: affected(
    Type.Object({
      user: Type.String(),
      /** null: on any device. Else where an assignment asks for a user and a device. */
      on: Type.Union([
        Type.Null(),
        Type.Object({ deviceGroup: Type.String() }),
        Type.Object({ device: Type.String() }),
      ]),
      changes: Type.Array(EffectiveChange),
    }),
  ),
  /** Places (groups, devices) in which users were not looked at, because there are too many; left out: none. */
  placesLeftOut: Type.Optional(Type.Integer()),
  /** What does not count at once: shown as it will be when a rollout is through, or a moment has come. */
  later: Type.Optional(
    Type.Array(Type.Object({ kind: Type.String(), name: Type.String(), at: Type.Union([Type.String(), Type.Null()]) })),
  ),
  /** As those of `ApplyAnswer`: what the apply would be told with. */
  warnings: Type.Optional(Type.Array(Type.String())),
  /** Where a device was named: all that would hold there. */
  effective: Type.Optional(EffectiveAnswer),
});
export type IfAppliedAnswer = Static<typeof IfAppliedAnswer>;

/** `POST /v1/admin/directories/test`: a directory that is stored, or one that would be; nothing is stored. */
export const DirectoryTestRequest = closed({
  name: ObjectName,
  /** Instead of what is stored under the name. A `bindPassword` that says `secret: set` is the stored one. */
  body: Type.Optional(ObjectInput.properties.body),
  /** Looked up there as at a login. */
  user: Type.Optional(LoginName),
  /** The user's: one bind, on the first server that answers. */
  password: Type.Optional(Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH })),
});
export type DirectoryTestRequest = Static<typeof DirectoryTestRequest>;

/** What one step of a look at one server of a directory came to. */
export const DirectoryFinding = Type.Object({
  url: Type.String(),
  step: Type.Union([
    /** The connection, with its TLS. */
    Type.Literal('reach'),
    Type.Literal('service account'),
    Type.Literal('base DN'),
    Type.Literal('user filter'),
    Type.Literal('user'),
  ]),
  level: Type.Union([Type.Literal('ok'), Type.Literal('warn'), Type.Literal('fail')]),
  found: Type.String(),
  /** What to do; left out where there is nothing to do. */
  do: Type.Optional(Type.String()),
});
export type DirectoryFinding = Static<typeof DirectoryFinding>;

/** Server by server in the order of `urls`; `server`: from where was looked. */
export const DirectoryTestAnswer = Type.Object({
  server: Type.String(),
  name: Type.String(),
  findings: Type.Array(DirectoryFinding),
});
export type DirectoryTestAnswer = Static<typeof DirectoryTestAnswer>;

/** `GET /v1/admin/history/:kind/:name`, newest first. */
export const HistoryAnswer = Type.Object({
  items: Type.Array(
    Type.Object({
      epoch: Type.Integer(),
      generation: Type.Integer(),
      at: Type.Integer(),
      actor: Type.String(),
      /** null = deleted. */
      body: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
    }),
  ),
});
export type HistoryAnswer = Static<typeof HistoryAnswer>;

/** `PUT /v1/admin/objects/:kind/:name`: an `apply` of one. What `GET` gave may be sent back as it is. */
export const PutRequest = closed({
  kind: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  body: ObjectInput.properties.body,
  generation: ObjectInput.properties.generation,
  status: ObjectInput.properties.status,
});
export type PutRequest = Static<typeof PutRequest>;

/** `GET /v1/admin/events?limit&before&type&user`, newest first. `next` is the `before` of the next page. */
export const EventPage = Type.Object({
  items: Type.Array(Type.Object({ ...RecordedEvent.properties, sequence: Type.Integer() })),
  next: Type.Union([Type.String(), Type.Null()]),
});
export type EventPage = Static<typeof EventPage>;

/** `POST /v1/admin/rollback`: the site as it was at a generation of the present epoch, in one commit. */
export const RollbackRequest = closed({
  to: Type.Integer({ minimum: 1 }),
  /** Says what would change, on any server. */
  dryRun: Type.Optional(Type.Boolean()),
});
export type RollbackRequest = Static<typeof RollbackRequest>;

/** What a rollback of the site does to one object. */
export const RollbackChange = Type.Object({
  kind: Type.String(),
  name: Type.String(),
  change: Type.Union([Type.Literal('created'), Type.Literal('updated'), Type.Literal('deleted')]),
  /** In a dry run, of the first 1,000: its body now, and what it was; null where it does not exist. */
  now: Type.Optional(Type.Union([ObjectInput.properties.body, Type.Null()])),
  before: Type.Optional(Type.Union([ObjectInput.properties.body, Type.Null()])),
});
export type RollbackChange = Static<typeof RollbackChange>;

/** Something that differs from then and stays as it is now. */
export const RollbackKept = Type.Object({ kind: Type.String(), name: Type.String(), why: Type.String() });
export type RollbackKept = Static<typeof RollbackKept>;

/** `generation` is the commit's, or the current one when nothing differed. */
export const RollbackAnswer = Type.Object({
  epoch: Type.Integer(),
  generation: Type.Integer(),
  changes: Type.Array(RollbackChange),
  kept: Type.Array(RollbackKept),
});
export type RollbackAnswer = Static<typeof RollbackAnswer>;

/** A key with a valid certificate of the site that no Device has: after a restored database, or of an old disk. */
export const UnknownDevice = Type.Object({
  keyHash: Sha256,
  /** Unix milliseconds; `firstSeenAt` goes back no further than the list does. */
  firstSeenAt: Type.Integer(),
  lastSeenAt: Type.Integer(),
  /** Names of the servers that saw it. */
  servers: Type.Array(Type.String()),
  /** What its certificate says of itself: a hint for people, nothing more. */
  certificate: Type.Object({ name: Type.String(), serial: Type.String(), expiresAt: Type.Integer() }),
});
export type UnknownDevice = Static<typeof UnknownDevice>;

/** `GET /v1/admin/unknown-devices`, seen last first. */
export const UnknownDevicesAnswer = Type.Object({
  items: Type.Array(UnknownDevice),
  /** There are more than are listed, or were looked at. */
  more: Type.Boolean(),
});
export type UnknownDevicesAnswer = Static<typeof UnknownDevicesAnswer>;

/** `POST /v1/admin/devices/approve`: makes a Device for a key of that list. */
export const ApproveRequest = closed({ keyHash: Sha256, name: ObjectName, group: Type.Optional(ObjectName) });
export type ApproveRequest = Static<typeof ApproveRequest>;

/** `POST /v1/admin/devices/replace`: the machine enrolled as `with` takes the place of `device`. */
export const ReplaceRequest = closed({ device: ObjectName, with: ObjectName });
export type ReplaceRequest = Static<typeof ReplaceRequest>;

/** `POST /v1/admin/devices/wipe`: the device is to forget all users at its next contact. */
export const WipeRequest = closed({ device: ObjectName });
export type WipeRequest = Static<typeof WipeRequest>;

/** A device after an administrative act, and the version of its commit. */
export const DeviceChangedAnswer = Type.Object({
  epoch: Type.Integer(),
  generation: Type.Integer(),
  name: Type.String(),
});
export type DeviceChangedAnswer = Static<typeof DeviceChangedAnswer>;

/** `PUT /v1/admin/files/:name`: a content and the File that names it. */
export const FilePutRequest = closed({
  /** Base64. */
  content: Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' }),
  description: Type.Optional(Type.String({ maxLength: 1024 })),
});
export type FilePutRequest = Static<typeof FilePutRequest>;

/** The version of the commit, or the current one when nothing differed. */
export const FilePutAnswer = Type.Object({
  epoch: Type.Integer(),
  generation: Type.Integer(),
  name: Type.String(),
  sha256: FileHash,
  bytes: Type.Integer(),
  change: ApplyChange.properties.change,
});
export type FilePutAnswer = Static<typeof FilePutAnswer>;

/** `POST /v1/admin/files/prune`: hashes of the contents that went. */
export const FilePruneAnswer = Type.Object({
  epoch: Type.Integer(),
  generation: Type.Integer(),
  removed: Type.Array(FileHash),
});
export type FilePruneAnswer = Static<typeof FilePruneAnswer>;

/** Devices of one page, by how far they are with one change. */
export const DeploymentState = Type.Union([
  /** It has it, and every section of it. */
  Type.Literal('applied'),
  /** Some section waits for a reboot or a logout. */
  Type.Literal('pending'),
  Type.Literal('failed'),
  /** It has told nothing of it yet. */
  Type.Literal('waiting'),
]);
export type DeploymentState = Static<typeof DeploymentState>;

/** One device, or one user on it, and one change. */
export const DeploymentRow = Type.Object({
  device: Type.String(),
  /** Whose bundle; null: the device's own. */
  user: Type.Union([Type.String(), Type.Null()]),
  state: DeploymentState,
  /** Of the sections that failed or wait, for people. */
  sections: Type.Record(Type.String(), SectionResult),
  /** Of the newest bundle that it has told of; null: it has told of none. */
  generation: Type.Union([Type.Integer(), Type.Null()]),
  /** When it did, Unix ms by its own clock. */
  at: Type.Union([Type.Integer(), Type.Null()]),
});
export type DeploymentRow = Static<typeof DeploymentRow>;

/** `GET /v1/admin/deployments/:generation?limit&after`: pages by device. `next` is the `after` of the next page. */
export const DeploymentPage = Type.Object({
  epoch: Type.Integer(),
  generation: Type.Integer(),
  at: Type.Integer(),
  actor: Type.String(),
  /** What the commit touched, of the first 100. */
  objects: Type.Array(Type.Object({ kind: Type.String(), name: Type.String() })),
  /** Whom it may concern: everybody, the targets of assignments, or (an empty list) nobody's bundle. */
  reach: Type.Union([Type.Literal('everybody'), Type.Array(Type.Record(Type.String(), Type.Unknown()))]),
  items: Type.Array(DeploymentRow),
  next: Type.Union([Type.String(), Type.Null()]),
});
export type DeploymentPage = Static<typeof DeploymentPage>;

/** `GET /v1/admin/deployments?limit&before`: commits that may change bundles, newest first. */
export const DeploymentList = Type.Object({
  items: Type.Array(
    Type.Object({
      epoch: Type.Integer(),
      generation: Type.Integer(),
      at: Type.Integer(),
      actor: Type.String(),
      /** How many objects of which kind. */
      kinds: Type.Record(Type.String(), Type.Integer()),
      /** Newest reports that are of this generation or a later one, where all sections are applied. */
      applied: Type.Integer(),
      /** Newest reports of this very commit, by the worst of their sections: a later one is to blame for what is told of it. */
      pending: Type.Integer(),
      failed: Type.Integer(),
    }),
  ),
  next: Type.Union([Type.Integer(), Type.Null()]),
});
export type DeploymentList = Static<typeof DeploymentList>;

/** `GET /v1/admin/diff?from&to`: what commits after `from`, up to `to`, have changed. */
export const DiffAnswer = Type.Object({
  epoch: Type.Integer(),
  from: Type.Integer(),
  to: Type.Integer(),
  items: Type.Array(
    Type.Object({
      kind: Type.String(),
      name: Type.String(),
      /** null: it was not there. */
      before: Type.Union([ObjectInput.properties.body, Type.Null()]),
      /** null: it is not there. */
      after: Type.Union([ObjectInput.properties.body, Type.Null()]),
    }),
  ),
  /** There are more than are listed. */
  more: Type.Boolean(),
});
export type DiffAnswer = Static<typeof DiffAnswer>;

/** `POST /v1/admin/rollouts/:name/:act`: `pause`, `resume`, `roll_back`, `advance`. */
export const RolloutAnswer = Type.Object({
  epoch: Type.Integer(),
  generation: Type.Integer(),
  name: Type.String(),
  status: RolloutSystem,
});
export type RolloutAnswer = Static<typeof RolloutAnswer>;
