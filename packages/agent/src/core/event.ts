import type {
  ErrorCode,
  KdfParameters,
  LoginBeginAnswer,
  ServerState,
  SiteStatement,
  UserWord,
  Version,
} from '@thinman/protocol';
import type { FailureReason, Tombstone } from '../ports.ts';
import type { OfflineFacts } from './offline-login.ts';
import type { CachedFacts } from './state.ts';

/** What the world gives with each event, so that the core needs no clock and no dice of its own. */
export type Moment = {
  /** Monotonic, ms. */
  readonly now: number;
  /** Unix ms, as far as the device knows. */
  readonly wallMs: number;
  /** From [0, 1). */
  readonly draw: number;
};

export type Event = Happening & { readonly at: Moment };

/** What a server's answer says; what it carries (bundle, token) stays in the runner, by attempt. */
export type Heard<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'problem'; readonly problem: ProblemFacts }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly detail: string };

export type ProblemFacts = {
  readonly code: ErrorCode | (string & {});
  readonly status: number;
  readonly subject?: Version | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly serverTime?: number | undefined;
  /** With `account_disabled`, of a directory's user. */
  readonly userId?: string | undefined;
  /** With `salt_changed`. */
  readonly now?: { readonly salt: string; readonly kdf: KdfParameters; readonly subject: Version } | undefined;
};

export type GrantFacts = {
  readonly userId: string;
  readonly subject: Version;
  readonly credentialVersion: number;
  readonly serverState: ServerState;
  readonly serverVersion: Version;
  readonly bundleVersion: Version;
  readonly serverTime: number;
  /** How long the token holds from now on. */
  readonly sessionLifetimeMs: number;
};

/** What the device has on disk about a user named in a hello. */
export type KnownUser = {
  readonly user: string;
  readonly userId: string;
  /** Newest subject known. */
  readonly subject: Version;
  readonly credentialVersion: number | undefined;
  readonly tombstone: Tombstone | undefined;
};

type Happening =
  | { readonly kind: 'started'; readonly eventsPending: boolean }
  /** A deadline that the state holds has passed. */
  | { readonly kind: 'tick' }
  /** The network came (back) up. */
  | { readonly kind: 'linkUp' }
  /** The machine woke from suspend. */
  | { readonly kind: 'resumed' }
  | { readonly kind: 'stopRequested' }
  | AskedEvent
  | ChannelEvent
  | LoginEvent
  | SessionEvent;

type AskedEvent =
  | {
      readonly kind: 'probeAnswered';
      readonly attempt: number;
      readonly server: string;
      readonly answer: Heard<{ readonly state: ServerState }>;
      readonly roundTripMs: number | undefined;
    }
  | {
      readonly kind: 'bundleAnswered';
      readonly attempt: number;
      readonly which: 'device' | 'user';
      readonly server: string;
      readonly answer: Heard<{ readonly version: Version; readonly changed: boolean }>;
    }
  | {
      readonly kind: 'eventsAnswered';
      readonly attempt: number;
      readonly server: string;
      /** `ok`: a batch is stored; `more`: others wait. */
      readonly answer: Heard<{ readonly more: boolean }>;
    }
  /** The runner put an event into the outbox by itself. */
  | { readonly kind: 'eventRecorded' };

/** The device's own bundle, which came in a frame: kept by the runner under `attempt`. `changed`: it is another one than was held. */
export type GivenBundle = { readonly attempt: number; readonly version: Version; readonly changed: boolean };

type ChannelEvent =
  | {
      readonly kind: 'channelHello';
      readonly channel: number;
      readonly server: string;
      readonly state: ServerState;
      readonly version: Version;
      readonly serverTime: number;
      /** `invalid`: not signed by the site. */
      readonly statement: SiteStatement | 'invalid';
      readonly words: readonly UserWord[];
      /** About the users in `words`. */
      readonly known: readonly KnownUser[];
      readonly bundle?: GivenBundle | undefined;
      /** See `ServerFrame`. */
      readonly crowdMs?: number | undefined;
    }
  /** Any byte from it: a sign of life. */
  | { readonly kind: 'channelAlive'; readonly channel: number }
  | {
      readonly kind: 'channelChanged';
      readonly channel: number;
      readonly userId?: string | undefined;
      readonly bundle?: GivenBundle | undefined;
    }
  | {
      readonly kind: 'channelCommand';
      readonly channel: number;
      readonly id: string;
      readonly command: string;
      readonly data: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'channelGoaway'; readonly channel: number }
  | { readonly kind: 'channelRevoked'; readonly channel: number; readonly subject: Version }
  | {
      readonly kind: 'channelClosed';
      readonly channel: number;
      readonly server: string;
      /** `replaced`: by another channel of this device's identity. */
      readonly reason: FailureReason | 'closed' | 'replaced';
      readonly detail: string;
      readonly problem?: ProblemFacts | undefined;
    };

type LoginEvent =
  | { readonly kind: 'loginRequested'; readonly loginId: string; readonly user: string }
  | {
      readonly kind: 'userRead';
      readonly loginId: string;
      readonly cached: CachedFacts | undefined;
      /** Newest subject known of this name, also from a tombstone. */
      readonly subject: Version | undefined;
    }
  | {
      readonly kind: 'derived';
      readonly loginId: string;
      readonly salt: string;
      readonly opens: boolean | undefined;
    }
  | {
      readonly kind: 'beginAnswered';
      readonly attempt: number;
      readonly server: string;
      readonly answer: Heard<LoginBeginAnswer>;
    }
  | {
      readonly kind: 'loginAnswered';
      readonly attempt: number;
      readonly server: string;
      readonly answer: Heard<GrantFacts>;
    }
  | { readonly kind: 'offlineFacts'; readonly loginId: string; readonly facts: OfflineFacts }
  | {
      readonly kind: 'offlineTried';
      readonly loginId: string;
      /** `damaged`: the disk would not take the count. */
      readonly result: 'opened' | 'refused' | 'damaged';
    }
  | { readonly kind: 'logoutRequested' }
  /** The screen is to be locked now. */
  | { readonly kind: 'lockRequested' }
  /** What holds for whoever works here; 0 = never. */
  | {
      readonly kind: 'activityReported';
      readonly isIdle: boolean;
      readonly lockAfterMs: number;
      readonly logoutAfterMs: number;
    };

type SessionEvent =
  | {
      readonly kind: 'sessionAnswered';
      readonly attempt: number;
      readonly server: string;
      readonly answer: Heard<{ readonly subject: Version; readonly serverTime: number; readonly lifetimeMs: number }>;
      /** Newest subject known of the session's user. */
      readonly known: Version | undefined;
    }
  | {
      readonly kind: 'sessionProved';
      readonly attempt: number;
      readonly server: string;
      readonly newLoginId: string;
      /** `no_keys`: the agent does not hold what a proof needs. */
      readonly answer: Heard<GrantFacts> | { readonly kind: 'no_keys' };
      readonly known: Version | undefined;
    };
