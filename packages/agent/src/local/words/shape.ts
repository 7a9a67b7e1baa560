import type { OfflineCode, VerdictCode } from '@thinman/protocol';

/** Why a login is denied, as far as people meet it. `other`: whatever else. */
export type Reason = VerdictCode | OfflineCode | 'too_many_attempts' | 'password_refused' | 'other';

/** What a login screen says. `{…}` is filled in. */
export type Words = {
  /** How the language calls itself. */
  readonly language: string;
  /** In which days and times are written (BCP 47). */
  readonly locale: string;
  readonly reasons: Readonly<Record<Reason, string>>;
  readonly tryAgain: string;
  /** When hours begin in which a login is permitted. */
  readonly permittedFrom: string;
  readonly grantedOffline: string;
  readonly notSignedIn: string;
  readonly ownAccount: string;
  readonly accountTrouble: string;
  /** What PAM asks for in the place of an expired password. */
  readonly typeNew: string;
  readonly typeAgain: string;
  /** What PAM shows of a challenge, and where the code is typed; and that it was right. */
  readonly challenge: string;
  readonly codeAccepted: string;
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
      | 'elsewhere'
      | 'changePassword'
      | 'changeTitle'
      | 'mustChange'
      | 'oldPassword'
      | 'newPassword'
      | 'newAgain'
      | 'newRules'
      | 'change'
      | 'changing'
      | 'changed'
      | 'changedSignIn'
      | 'needOld'
      | 'needNew'
      | 'newShort'
      | 'newSame'
      | 'newDiffers'
      | 'cancel'
      | 'askCode'
      | 'codeTitle'
      | 'codeHint'
      | 'codeDevice'
      | 'codeUser'
      | 'codeChallenge'
      | 'codeLeft'
      | 'codeOver'
      | 'code'
      | 'useCode'
      | 'needCode'
      | 'codeShape'
      | 'codeAnew'
      | 'lock'
      | 'locked'
      | 'lockedHint'
      | 'unlock'
      | 'unlocking'
      | 'otherUser'
      | 'back'
      | 'kiosk'
      | 'alreadyOpen'
      | 'tileOpen'
      | 'tileWaiting'
      | 'tileClosing'
      | 'tileFailed'
      | 'tileReplaced'
      | 'codeAccepted',
      string
    >
  >;
};
