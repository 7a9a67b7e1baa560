import type { VerdictCode, WeekHours } from '@thinman/protocol';

/** A user of a directory, as a login or a look-up found it. */
export type DirectoryAccount = {
  /** UUIDv5 of the directory's own id of the entry: the same on all servers, also after a renaming. */
  readonly userId: string;
  /** The directory's name for it, with the suffix of the directory if it has one, in lower case: `alice@lab.test`. */
  readonly name: string;
  readonly displayName: string | undefined;
  /** Names of all its groups, nested ones too, as ThinMan can name them (`groupName`). */
  readonly groups: readonly string[];
  /** When it lets the user in, if not always. It refuses binds at other times by itself. */
  readonly hours?: WeekHours;
};

/** What a directory says of a typed password. A verdict of a directory is live and final. */
export type DirectoryAnswer =
  /** `untilBeat`: when a refusal would have been told (ADR 0085). */
  | {
      readonly kind: 'granted';
      readonly account: DirectoryAccount;
      readonly warning?: string;
      readonly untilBeat?: () => Promise<void>;
    }
  /**
   * `name`: what the directory calls the one who was meant, where it has told. Never said to anybody. `userId`: of an account that is
   * disabled, where it was read. The device forgets it, by whatever name it was asked for.
   */
  | {
      readonly kind: 'denied';
      readonly code: VerdictCode;
      readonly name?: string;
      readonly userId?: string;
      /** For the event, never for the person: more than one directory has the name that was typed. */
      readonly why?: 'ambiguous';
    }
  | DirectoryTrouble;

/** No answer. `unavailable`: nothing was asked. `undecided`: the password is out, and the answer did not come. */
export type DirectoryTrouble =
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'undecided' }
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number };

/** What the service account sees of a user who has logged in before; `unknown`: the directory has no such user, or (`ambiguous`) more than one has. */
export type DirectoryStatus =
  | { readonly kind: 'ok'; readonly account: DirectoryAccount }
  | { readonly kind: 'refused'; readonly code: VerdictCode }
  | { readonly kind: 'unknown'; readonly why?: 'ambiguous' }
  /** There is no service account: the password alone tells. */
  | { readonly kind: 'not_told' }
  | DirectoryTrouble;

/** What became of a new password. `policy`: the directory does not take this one. */
export type PasswordChange =
  | { readonly kind: 'changed' }
  | { readonly kind: 'denied'; readonly code: VerdictCode; readonly name?: string }
  | { readonly kind: 'policy'; readonly why: string }
  /** The directory takes no new password over this connection, or from this server's account. */
  | { readonly kind: 'not_possible'; readonly why: string }
  | DirectoryTrouble;

/** Whether a name is one of a directory. `by_domain`: its suffix or domain says so. `plain`: it has none, and a directory takes such names. */
export type Claim = 'by_domain' | 'plain' | 'none';

/** Sources of users beside the site's own objects (LDAP, Active Directory). */
export type Directories = {
  /** By the form of the name alone: tells nothing about whether the user exists. A local user goes before a plain name. */
  claims(user: string): Claim;
  /**
   * For counting: the one form of a claimed name (`LAB\Alice` and `alice@lab.test` are one), then the forms that may mean the same person.
   * By the form of the name alone, so that they tell nothing about who exists.
   */
  keysOf(user: string): readonly [string, ...string[]];
  /** How people may have written that name: for looking up what was written down of somebody. Empty: it is no directory's. */
  spellingsOf(user: string): readonly string[];
  /** One bind at most, whatever happens. */
  login(user: string, password: string): Promise<DirectoryAnswer>;
  /** By the service account; asks for no password. */
  status(user: string): Promise<DirectoryStatus>;
  /** By the user's own old password. */
  changePassword(user: string, oldPassword: string, newPassword: string): Promise<PasswordChange>;
  close(): void;
};

/** A site whose users are all its own. */
export const noDirectories: Directories = {
  claims: () => 'none',
  keysOf: user => [user],
  spellingsOf: () => [],
  login: async () => ({ kind: 'unavailable' }),
  status: async () => ({ kind: 'unavailable' }),
  changePassword: async () => ({ kind: 'unavailable' }),
  close() {},
};
