import type { AssignmentTarget, ServerReport, SiteStatement } from '@thinman/protocol';
import type { SiteConfig } from '../core/site-config.ts';
import type { Holdings } from '../device-plane/channel/holdings.ts';
import type { Lockout } from '../device-plane/login-guard.ts';
import type { KnownSession } from '../device-plane/session-book.ts';
import type {
  Clock,
  CommitTransaction,
  EventWriter,
  PasswordHasher,
  Replica,
  ReplicaPosition,
  ServerIdentity,
  SiteDataKey,
  SourceOfRecord,
  StoredObject,
} from '../ports.ts';
import type { StandingOf } from './present.ts';
import type { NamesOfDirectories } from './user-meant.ts';

/** What the admin plane stands on. */
export type AdminDeps = {
  readonly record: SourceOfRecord;
  readonly replica: Replica;
  readonly identity: Pick<ServerIdentity, 'siteId' | 'instance' | 'name' | 'keyHash' | 'wrappingKey'>;
  readonly hasher: PasswordHasher;
  readonly dataKey: SiteDataKey;
  readonly events: EventWriter;
  readonly clock: Clock;
  /** What resolution reads, in step with the replica. */
  config(): SiteConfig;
  /** As it counts for devices of this group: a rollout may have reached them. */
  configFor(group: string | undefined): SiteConfig;
  /** Targets of what this object is, or is used by. */
  targetsOf(object: Pick<StoredObject, 'kind' | 'name'>): readonly AssignmentTarget[];
  /** ETag of the bundle that this device would be given now. */
  currentEtag(device: StoredObject): string;
  /** Brings the replica up to the source of record, and so tells devices: a write is answered after it. Never rejects. */
  syncNow(): Promise<unknown>;
  /** It sees nobody, and another server may have been promoted: nothing is written. */
  isIsolated?(): boolean;
  /** Of another Primary that has begun the same epoch: nothing is written until an administrator has decided. */
  rival?(): SiteStatement | undefined;
  /** What other servers have seen of the source of record: nothing is written where it lacks that. */
  alsoSeen?(): readonly ReplicaPosition[];
  /** Signs and sets a new site statement in this transaction, if servers or directories make one necessary. */
  restate(transaction: CommitTransaction): Promise<unknown>;
  /** The newest valid site statement that this server holds. */
  statement(): SiteStatement;
  /** With the names of objects: for administrators. */
  status(): ServerReport;
  /** Who works where, as far as this server sees. */
  sessions?(): readonly KnownSession[];
  /** Of which it knows no more than what they said last. */
  unseen?(): readonly string[];
  /** What devices last told this server of who could log in there without one. */
  readonly holdings?: Pick<Holdings, 'of' | 'ofUser'> & { isConnected(deviceUid: string): boolean };
  /** Where a user is refused now because of failed logins. */
  lockouts?(user: string): readonly Lockout[];
  /** Users whom a directory has, by any of their names. */
  readonly directories?: NamesOfDirectories;
  /** How far the devices of a rollout are; the Primary alone counts them. */
  rolloutStanding?(rollout: string): ReturnType<StandingOf>;
  /** A planned stop begins: `goaway` to the devices, then nothing new. */
  drain(): void;
};

/** Objects and what becomes of them need no more than this. */
export type WriteDeps = Omit<
  AdminDeps,
  | 'config'
  | 'configFor'
  | 'targetsOf'
  | 'currentEtag'
  | 'status'
  | 'drain'
  | 'sessions'
  | 'unseen'
  | 'holdings'
  | 'directories'
  | 'lockouts'
>;

/** Who administers. `local`: came by the admin socket, which only an owner can open. */
export type Actor = { readonly name: string; readonly role: 'owner' | 'viewer' };

/** The actor of the local admin socket. */
export const LOCAL_OWNER: Actor = { name: 'local', role: 'owner' };
