import type { AgentMode, DeviceEventType, KdfParameters, Version } from '@thinman/protocol';
import type { Tombstone } from '../ports.ts';

/**
 * What the runner must do, in this order. An effect that writes to the disk stands before the one that tells anybody:
 * `commitLogin` before `finishLogin`, `tryOffline` counts before it opens.
 */
export type Effect =
  | AskingEffect
  | LoginEffect
  | SessionEffect
  | KeepingEffect
  /** Gives up an attempt. Its result, if it still comes, means nothing. */
  | { readonly kind: 'cancel'; readonly attempt: number };

type AskingEffect =
  /** `GET /readyz` → `probeAnswered`. */
  | { readonly kind: 'probe'; readonly attempt: number; readonly server: string; readonly deadlineMs: number }
  /** Opens a WebSocket → `channelOpened`, `channelHello`, …, `channelClosed`. */
  | {
      readonly kind: 'openChannel';
      readonly channel: number;
      readonly server: string;
      readonly connectDeadlineMs: number;
      readonly pingIntervalMs: number;
    }
  | { readonly kind: 'closeChannel'; readonly channel: number }
  /** Tells the server mode, session and pending events. */
  | { readonly kind: 'tellStatus'; readonly channel: number }
  /** Carries out an administrator's command, and acknowledges it. */
  | {
      readonly kind: 'runCommand';
      readonly channel: number;
      readonly id: string;
      readonly command: string;
      readonly data: Readonly<Record<string, unknown>>;
    };

type LoginEffect =
  /** Reads what the device knows of the user → `userRead`. */
  | { readonly kind: 'readUser'; readonly loginId: string; readonly user: string }
  /** Argon2id, then opens the cached row if it rests on this salt → `derived`. Waits for no network. */
  | { readonly kind: 'derive'; readonly loginId: string; readonly salt: string; readonly kdf: KdfParameters }
  /** `POST /v1/login/begin` → `beginAnswered`. */
  | {
      readonly kind: 'sendBegin';
      readonly attempt: number;
      readonly server: string;
      readonly loginId: string;
      readonly deadlineMs: number;
    }
  /**
   * `POST /v1/login` → `loginAnswered`. `held`: the row was opened, so its revision may be claimed. `known`: the newest version of the
   * user that is known here; who has an older one need not judge.
   */
  | {
      readonly kind: 'sendLogin';
      readonly attempt: number;
      readonly server: string;
      readonly loginId: string;
      readonly method: 'derived' | 'password';
      readonly held: boolean;
      readonly known: Version | undefined;
      readonly deadlineMs: number;
    }
  /** Reads what an offline login needs → `offlineFacts`. */
  | { readonly kind: 'readOfflineFacts'; readonly loginId: string; readonly user: string }
  /** Counts a failure on the disk, *then* opens the cached row with the typed password → `offlineTried`. */
  | { readonly kind: 'tryOffline'; readonly loginId: string; readonly user: string }
  /** One transaction: the `login` event with all that its verdict changes on the disk. */
  | { readonly kind: 'commitLogin'; readonly loginId: string; readonly user: string; readonly outcome: LoginOutcome }
  /** Tells the caller. `stopped`: the agent ends before it was decided. */
  | { readonly kind: 'finishLogin'; readonly loginId: string; readonly outcome: LoginOutcome | 'stopped' }
  /** Forgets password, keys and token of a login that leaves no session. */
  | { readonly kind: 'forget'; readonly loginId: string };

type SessionEffect =
  /** `POST /v1/session` → `sessionAnswered`. */
  | { readonly kind: 'refreshSession'; readonly attempt: number; readonly server: string; readonly loginId: string }
  /** Proves an open session anew with the keys in memory, as a login with an id of its own → `sessionProved`. */
  | { readonly kind: 'proveSession'; readonly attempt: number; readonly server: string; readonly loginId: string }
  /** A server vouches for the session now: its bundle and token (attempt `attempt`) are kept under `loginId`. */
  | {
      readonly kind: 'keepProof';
      readonly attempt: number;
      readonly user: string;
      readonly from: string;
      readonly loginId: string;
      readonly subject: Version;
    }
  /** `POST /v1/logout`, in the background, best effort; then forgets keys and token. */
  | { readonly kind: 'endSession'; readonly loginId: string; readonly server: string | null };

type KeepingEffect =
  /** `GET /v1/device/bundle` or `/v1/user/bundle` → `bundleAnswered`. */
  | {
      readonly kind: 'pullBundle';
      readonly attempt: number;
      readonly which: 'device' | 'user';
      readonly server: string;
    }
  /** Writes the bundle that attempt `attempt` brought, and applies it. */
  | { readonly kind: 'keepBundle'; readonly attempt: number; readonly which: 'device' | 'user' }
  | { readonly kind: 'dropBundle'; readonly attempt: number }
  /** Sends a batch of the outbox → `eventsAnswered`. */
  | { readonly kind: 'deliverEvents'; readonly attempt: number; readonly server: string }
  /** An event into the outbox. */
  | {
      readonly kind: 'record';
      readonly type: DeviceEventType;
      readonly user?: string;
      readonly data: Readonly<Record<string, unknown>>;
    }
  /** Blocks a user's offline login; `erase`: and forgets the cached one. */
  | { readonly kind: 'setTombstone'; readonly tombstone: Tombstone; readonly erase: boolean }
  /** Lifts a tombstone, and remembers the version of the word that lifts it. */
  | { readonly kind: 'raiseSubject'; readonly user: string; readonly userId: string; readonly subject: Version }
  | { readonly kind: 'eraseUsers' }
  | { readonly kind: 'saveAccepted'; readonly version: Version }
  /** Writes the statement that came with `channel`'s hello; all servers and keys are as it says from now on. */
  | { readonly kind: 'saveStatement'; readonly epoch: number; readonly version: number }
  /** An authenticated time of a server, at `atMonotonicMs`. */
  | { readonly kind: 'trustTime'; readonly serverTimeMs: number; readonly atMonotonicMs: number };

/** What a login came to. */
export type LoginOutcome =
  | {
      readonly verdict: 'granted';
      readonly by: 'server';
      readonly server: string;
      readonly mode: AgentMode;
      readonly subject: Version;
      /** Attempt whose answer it is: bundle and token are there. */
      readonly attempt: number;
    }
  | { readonly verdict: 'granted'; readonly by: 'device'; readonly mode: 'offline' }
  | {
      readonly verdict: 'denied';
      readonly reason: string;
      readonly mode: AgentMode;
      /** null: the device decided. */
      readonly server: string | null;
      readonly subject: Version | undefined;
      readonly retryAfterMs: number | undefined;
      /** What the denial teaches about the user, for later logins. */
      readonly lesson: Lesson;
    };

/** What the disk must remember of a denial. */
export type Lesson =
  | { readonly kind: 'none' }
  /** The credential cached here still holds at this version: older answers are ignored from now on. */
  | { readonly kind: 'subject'; readonly subject: Version }
  | { readonly kind: 'tombstone'; readonly tombstone: Tombstone; readonly erase: boolean }
  /** The device was revoked: everything of every user goes. */
  | { readonly kind: 'revoked' };
