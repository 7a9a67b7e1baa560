import type { OfflineCode, VerdictCode } from '@thinman/protocol';

/** Why a login is denied, as far as people meet it. `other`: whatever else. */
export type Reason = VerdictCode | OfflineCode | 'too_many_attempts' | 'other';

/** What a login screen says. `{…}` is filled in. */
export type Words = {
  /** How the language calls itself. */
  readonly language: string;
  readonly reasons: Readonly<Record<Reason, string>>;
  readonly tryAgain: string;
  readonly grantedOffline: string;
  readonly notSignedIn: string;
  readonly ownAccount: string;
  readonly accountTrouble: string;
  readonly page: Readonly<
    Record<
      | 'title'
      | 'user'
      | 'password'
      | 'signIn'
      | 'signingIn'
      | 'signOut'
      | 'languageLabel'
      | 'welcome'
      | 'connections'
      | 'noConnections'
      | 'starting'
      | 'started'
      | 'startFailed'
      | 'online'
      | 'onSecondary'
      | 'degraded'
      | 'offlineSince'
      | 'offline'
      | 'offlineHint'
      | 'agentGone'
      | 'showPassword'
      | 'capsLock'
      | 'needUser'
      | 'needPassword'
      | 'signedOut'
      | 'elsewhere',
      string
    >
  >;
};
