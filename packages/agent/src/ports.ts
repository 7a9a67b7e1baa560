import type {
  BundleFile,
  ChangeProofParts,
  DeviceBundle,
  DeviceFrame,
  EventBatchAnswer,
  KdfParameters,
  LoginBeginAnswer,
  LoginGranted,
  LoginRequest,
  OfflineRules,
  PasswordChanged,
  PasswordChangeRequest,
  Problem,
  RenewAnswer,
  ServerFrame,
  ServerStatus,
  SessionRefreshed,
  SignedStatement,
  SiteStatement,
  StatementServer,
  ThinmanEvent,
  UserBundle,
  Version,
  VouchRequest,
} from '@thinman/protocol';
import type { Emergency } from './core/emergency.ts';
import type { KeptSession } from './core/state.ts';

/**
 * Time, injected. `nowMs`: Unix milliseconds by the device's clock, right or wrong. `monotonicMs`: since any beginning; never goes
 * back, and counts the time for which the machine was asleep.
 */
export type Clock = {
  nowMs(): number;
  monotonicMs(): number;
  /** Runs `action` once after `delayMs`; returns how to cancel it. */
  after(delayMs: number, action: () => void): () => void;
};

/** A draw from [0, 1). */
export type Random = () => number;

/** Who this device is. Lies in files of its own, replaced atomically, apart from the cache. */
export type DeviceIdentity = {
  readonly siteId: string;
  readonly deviceId: string;
  readonly name: string;
  /** PEM. */
  readonly privateKey: string;
  readonly certificate: string;
  /** Unix ms by this device's clock; undefined: not known. notBefore does not tell it. */
  readonly certificateIssuedAtMs?: number | undefined;
  /** PEM; two while the site changes its CA. */
  readonly caCertificates: readonly string[];
  /** SHA-256 of the SPKI of its own key, base64url. */
  readonly keyHash: string;
  /** 32 random bytes; never the TLS key, which changes. */
  readonly deviceSecret: Buffer;
};

export type IdentityStore = {
  /** undefined: not enrolled. Throws IdentityDamaged with what to do. */
  load(): DeviceIdentity | undefined;
  save(identity: DeviceIdentity): void;
  /** A new certificate for the same key. `issuedAtMs`: Unix ms. */
  saveCertificate(certificate: string, issuedAtMs: number): void;
  /** The CAs that this device trusts from now on, PEM: never none. */
  saveCaCertificates(caCertificates: readonly string[]): void;
  /** The newest statement that was verified, with its signed form. */
  loadStatement(): { readonly signed: SignedStatement; readonly statement: SiteStatement } | undefined;
  saveStatement(signed: SignedStatement): void;
};

/** Why a server gave no usable answer. */
export type FailureReason =
  | 'refused'
  | 'unreachable'
  | 'name_not_found'
  | 'timeout'
  | 'reset'
  | 'tls'
  | 'not_in_statement'
  | 'truncated'
  | 'not_our_schema'
  | 'aborted';

/** One answer of one server. `elapsedMs` is measured on the monotonic clock. */
export type Answer<T> =
  | { readonly kind: 'ok'; readonly value: T; readonly elapsedMs: number }
  | { readonly kind: 'problem'; readonly problem: Problem; readonly body: unknown; readonly elapsedMs: number }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly detail: string; readonly elapsedMs: number };

export type BundleAnswer<B> =
  | { readonly changed: true; readonly bundle: B }
  | { readonly changed: false; readonly version: Version };

/** An open session that no server vouches for any more: its loginId until now, and when it began (Unix ms, as far as is known now). */
export type OpenSessionWords = { readonly loginId: string; readonly beganMs: number };

/** HTTPS to one server of the list; connections are kept warm. Every call ends by `signal` or its answer, never throws. */
export type ServerClient = {
  readyz(server: StatementServer, signal: AbortSignal): Promise<Answer<ServerStatus>>;
  begin(server: StatementServer, user: string, signal: AbortSignal): Promise<Answer<LoginBeginAnswer>>;
  /** `known`: the newest version of the User object that this device knows. `proved`: the open session that is proved. */
  login(
    server: StatementServer,
    request: LoginRequest,
    known: Version | undefined,
    signal: AbortSignal,
    proved?: OpenSessionWords,
  ): Promise<Answer<LoginGranted>>;
  /** The Primary alone changes passwords. */
  changePassword(
    server: StatementServer,
    request: PasswordChangeRequest,
    known: Version | undefined,
    signal: AbortSignal,
  ): Promise<Answer<PasswordChanged>>;
  deviceBundle(
    server: StatementServer,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer<BundleAnswer<DeviceBundle>>>;
  userBundle(
    server: StatementServer,
    token: string,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer<BundleAnswer<UserBundle>>>;
  refreshSession(server: StatementServer, token: string, signal: AbortSignal): Promise<Answer<SessionRefreshed>>;
  /** For an offline session of a directory's user. */
  vouch(
    server: StatementServer,
    request: VouchRequest,
    signal: AbortSignal,
    proved?: OpenSessionWords,
  ): Promise<Answer<LoginGranted>>;
  logout(server: StatementServer, token: string, signal: AbortSignal): Promise<Answer<unknown>>;
  sendEvents(
    server: StatementServer,
    events: readonly ThinmanEvent[],
    signal: AbortSignal,
  ): Promise<Answer<EventBatchAnswer>>;
  /** A new certificate for the key that is in `csr`, which is this device's. The Primary alone issues. */
  renew(server: StatementServer, csr: string, signal: AbortSignal): Promise<Answer<RenewAnswer>>;
  /** Measured round trip to this server, in ms; undefined before the first answer. */
  roundTripMs(server: StatementServer): number | undefined;
  /** Drops kept connections (new certificate, new statement). */
  reset(): void;
  close(): Promise<void>;
};

/** Some bytes of a file, and where they belong. */
export type FilePart = { readonly from: number; readonly bytes: Uint8Array };

/** Contents of files that the site holds. */
export type FileClient = {
  /** `to`: the last byte. A server may give another part than was asked for: it says which. */
  file(
    server: StatementServer,
    sha256: string,
    range: { readonly from: number; readonly to: number },
    signal: AbortSignal,
  ): Promise<Answer<FilePart>>;
};

/** What comes of a file from a byte on; throws when nothing more comes. */
export type FileSource = (file: BundleFile, from: number, signal: AbortSignal) => AsyncIterable<FilePart>;

/** Files that policies name, on this device's disk. */
export type FileCache = {
  /** Fetches what lacks, and gives the path of a content that is the right one. Throws what keeps it from that, for people. */
  ensure(file: BundleFile, signal: AbortSignal): Promise<string>;
  /** undefined: it is not here. */
  pathOf(file: Pick<BundleFile, 'sha256'>): string | undefined;
  /** Removes others, the oldest first, as far as these need their room: a user who comes back finds his own. */
  makeRoom(files: readonly BundleFile[]): void;
  /** Removes all others. */
  keepOnly(files: readonly BundleFile[]): void;
};

/** One WebSocket to one server. Frames are parsed already; a frame that does not parse closes it (`not_our_schema`). */
export type ChannelConnector = {
  /** `GET /readyz` over a connection that is kept for the channel which may follow: one handshake for both. */
  readyz(server: StatementServer, connectDeadlineMs: number, signal: AbortSignal): Promise<Answer<ServerStatus>>;
  open(
    server: StatementServer,
    connectDeadlineMs: number,
    pingIntervalMs: number,
    listener: ChannelListener,
  ): ChannelHandle;
  /** Drops what is kept (new certificate, new statement, the end). */
  reset(): void;
};
export type ChannelListener = {
  onOpen(): void;
  onFrame(frame: ServerFrame): void;
  /** Any byte from the server, pongs too: a sign of life. */
  onAlive(): void;
  /** Exactly once; nothing comes after it. `problem` when the upgrade was answered by a problem document. */
  onClosed(why: {
    readonly reason: FailureReason | 'closed' | 'replaced';
    readonly detail: string;
    readonly problem?: Problem;
  }): void;
};
export type ChannelHandle = {
  send(frame: DeviceFrame): void;
  /** Asks for a sign of life that comes after this moment: `onPong` is called when it is there, or never. */
  ping(onPong: () => void): void;
  close(): void;
};

/** Everything derived from one typed password (`design.md`, idea 6). Cleared by `dispose`. */
export type DerivedKeys = {
  /** Signs a login proof. */
  proof(parts: { readonly serverKeyHash: string; readonly user: string; readonly loginId: string }): string;
  /** Signs that another key takes the place of the old one: by both of them. */
  changeProof(parts: Omit<ChangeProofParts, 'siteId' | 'deviceKeyHash'>): string;
  /** Raw public key, base64url: tells whether two derivations are the same credential. */
  readonly publicKey: string;
  /** Wraps and unwraps the data key of this user's cached row. */
  readonly seal: Buffer;
  dispose(): void;
};

/** Argon2id in Node's thread pool, and what follows from it. `userId` is needed for `seal`. */
export type Hasher = {
  derive(password: string, salt: string, kdf: KdfParameters): Promise<BaseKey>;
};
export type BaseKey = { keysFor(userId: string): DerivedKeys; dispose(): void };

/** What a device knows of a user who has logged in here. Everything about the person is in `sealed`. */
export type CachedLogin = {
  readonly user: string;
  readonly userId: string;
  /** By which the row is found as well (`core/held-names.ts`). */
  readonly names?: readonly string[];
  /** How this user logs in online. `password`: a directory's user; salt and parameters are then the device's own, for the seal. */
  readonly method: 'derived' | 'password';
  readonly salt: string;
  readonly kdf: KdfParameters;
  /** Newest subject known of this user. */
  readonly subject: Version;
  readonly credentialVersion: number;
  /** Version of the sealed bundle. */
  readonly bundleVersion: Version;
  readonly bundleEtag: string;
  readonly offline: OfflineRules;
  /** Trusted time of the last online login, Unix ms. */
  readonly lastOnlineMs: number;
  /** Rises with each login here (`core/retention.ts`); rows of earlier versions have none. */
  readonly used?: number;
  /** Sealed UserBundle: wrapped data key, nonce, ciphertext, tag (`adapters/sealing.ts`). */
  readonly sealed: Buffer;
};

/** What is read of all cached logins at once: nothing sealed. */
export type CachedUser = Omit<CachedLogin, 'sealed'>;

/** A word about a user that blocks offline login until a newer one lifts it. */
export type Tombstone = {
  readonly userId: string;
  readonly user: string;
  /** `forgotten`: no word, but what is left of a row that made room, or was wiped: no older answer counts after it. */
  readonly reason: 'disabled' | 'deleted' | 'credential_changed' | 'offline_withdrawn' | 'forgotten';
  readonly subject: Version;
};

export type OfflineFailures = { readonly count: number /** Trusted time of the last one. */; readonly lastMs: number };

/** The clock's memory over restarts (`failover.md`, Clock). */
export type ClockMark = { readonly highWaterMs: number; readonly forgivenBoots: number };

/** How the cache file was found. */
export type CacheCondition =
  | { readonly kind: 'ok' }
  | { readonly kind: 'new' }
  /**
   * It was lost, or set aside and made anew, which its own events tell. `carriedOver`: events; `complete`: there were no others;
   * `setAside`: where the damaged file lies now, if there was one.
   */
  | {
      readonly kind: 'damaged';
      readonly carriedOver: number;
      readonly complete: boolean;
      readonly setAside: string | undefined;
    }
  /** It could not be opened or made (disk full, read-only): events wait in memory, nobody logs in offline. */
  | { readonly kind: 'unavailable'; readonly why: string };

/**
 * The device's store (SQLite, synchronous=FULL): cached logins, tombstones, device bundle, outbox. One file, one writer.
 *
 * What concerns a user throws `CacheTrouble` (its `kind`: full, damaged, unavailable) when the disk or the file fails, and
 * then has done nothing; offline that is `cache_damaged`, online the login goes on. Only the events of `commitLogin` are
 * kept all the same. The device's own values and the events never throw: they fall back to memory.
 */
export type Cache = {
  /** As found at opening; it changes when the file turns out damaged later. */
  readonly condition: CacheCondition;
  /** Of this name, or of another one by which a server has taken the same user. */
  cachedLogin(user: string): CachedLogin | undefined;
  cachedUsers(): readonly CachedUser[];
  tombstone(userId: string): Tombstone | undefined;
  /** By user name: of one who has no cached login any more. */
  tombstoneOf(user: string): Tombstone | undefined;
  /** By user name: newest subject known, from the cached login or a tombstone. */
  knownSubject(user: string): Version | undefined;
  offlineFailures(user: string): OfflineFailures;
  /** One transaction: the login's row (or a new subject alone), what it clears, and its event. */
  commitLogin(commit: {
    readonly save?: CachedLogin;
    /** Forgets the row of the name and, whatever name it is under, that of the tombstone's user; out of the file's log too. */
    readonly erase?: boolean;
    readonly clearTombstoneOf?: string;
    readonly tombstone?: Tombstone;
    readonly clearFailures?: boolean;
    readonly user: string;
    readonly event?: ThinmanEvent;
    /** What this login comes to besides: `session.ended` of another person. */
    readonly also?: readonly ThinmanEvent[];
    /** The time that the grant rested on. Where nothing of this can be written it is kept, as by `setClockMark`. */
    readonly clockMark?: ClockMark;
  }): void;
  /** Committed to disk before the hash runs. */
  countOfflineFailure(user: string, atMs: number): void;
  clearOfflineFailures(user: string): void;
  /** The open or granted call to the helpdesk of this user. */
  emergency(user: string): Emergency | undefined;
  /** `used`, the event of a right code: it is written with it, and the failures counted so far are forgiven. One transaction. */
  setEmergency(user: string, emergency: Emergency, used?: ThinmanEvent): void;
  setTombstone(tombstone: Tombstone, eraseLogin: boolean): void;
  /** Their cached logins make room: what is left is the version of each, below which no answer counts. */
  forgetUsers(users: readonly string[]): void;
  /**
   * An administrator's wish, done as a whole or not at all: every cached login goes, with failures, calls to the helpdesk and damaged files
   * that were set aside; versions stay as by `forgetUsers`. `event` tells it. Never throws: on a full disk the file goes as it is.
   */
  wipeUsers(number: number, event: ThinmanEvent): void;
  /** Number of the newest wish that was done; 0: none. */
  wiped(): number;
  /** Revocation: every cached login, every tombstone, the device bundle. The outbox stays. */
  eraseUsers(): void;
  deviceBundle(): DeviceBundle | undefined;
  saveDeviceBundle(bundle: DeviceBundle): void;
  /** Newest version at which a server accepted this device. */
  acceptedVersion(): Version;
  setAcceptedVersion(version: Version): void;
  clockMark(): ClockMark | undefined;
  setClockMark(mark: ClockMark): void;
  /** `later`: it waits in memory for `settle`, for any event that is written (and is before that one), or until events are sent. */
  appendEvent(event: ThinmanEvent, when?: 'now' | 'later'): void;
  /** What waits in memory goes to the disk. */
  settle(): void;
  pendingEvents(limit: number): readonly ThinmanEvent[];
  pendingEventCount(): number;
  removeEvents(ids: readonly string[]): void;
  close(): void;
};

/** Who works here, over a restart of the agent. */
export type SessionStore = {
  /** `isOfThisBoot`: the machine has not been started since; else the session ended with it. undefined: nobody worked here. */
  load(): { readonly session: KeptSession; readonly isOfThisBoot: boolean } | undefined;
  /** undefined: nobody works here any more. Never throws. */
  save(session: KeptSession | undefined): void;
};

/** Seals a user's bundle under a password's keys; opening it *is* the offline verification. */
export type Sealing = {
  seal(bundle: UserBundle, keys: DerivedKeys, about: SealedAbout): Buffer;
  /** undefined: another password, or the row was edited or moved. */
  open(sealed: Buffer, keys: DerivedKeys, about: SealedAbout): UserBundle | undefined;
};
/** Associated data of a sealed row. */
export type SealedAbout = {
  readonly siteId: string;
  readonly deviceId: string;
  readonly userId: string;
  readonly version: Version;
};

/** Verifies and reads a signed statement of this site against the CAs that the device holds now. undefined: not valid. */
export type StatementVerifier = (signed: SignedStatement) => SiteStatement | undefined;
